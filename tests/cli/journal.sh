#!/bin/bash
# --journal: a run that was killed (SIGKILL, at random) is gone on with by the same command, which
# does not touch what the journal holds as finished; and what it holds is true. Damage at the journal's
# end costs time only, a journal that is another run's is refused. SEED= repeats the moments, KILLS=
# says how many there are with a journal; two thirds as many are without.
. "$(dirname "$0")/lib.sh"
work_in_memory

show=$(dirname "$TREECMP")/journal_show
[ -x "$show" ] || fail "no $show: build it"
kills=30
sanitized && kills=12
kills=${KILLS:-$kills}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "SEED=$seed"

# A sanitized program below strace may not start at all.
traced=yes
if ! command -v strace >/dev/null; then
    traced=no
    skip_part "strace is not installed"
elif ! ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null "$PCOPY" --version >/dev/null 2>&1; then
    traced=no
    skip_part "strace cannot trace this program here"
fi

# ---- what the journal holds

# records KIND: those of that kind that the journal `j` holds, their fields separated by tabs.
records() {
    "$show" j 2>/dev/null | awk -F '\t' -v kind="$1" '$1 == kind'
}

# The finished directories, the outermost ones only: "." is the root, and then the only one.
finished() {
    records directory | awk -F '\t' '
        { held[$3 == "" ? "." : $3] = 1 }
        END {
            for (path in held) {
                above = path != "." && "." in held
                for (up = path; !above && sub("/[^/]*$", "", up);)
                    above = up in held
                if (!above)
                    print path
            }
        }' | sort
}

# has KIND N: there are at least N.
has() {
    [ "$(records "$1" | wc -l)" -ge "$2" ]
}

# A directory is finished, and of a big file some of it is.
on_its_way() {
    has directory 1 && has range 1
}

is_complete() {
    "$show" j | tail -n 1 | grep -qx complete
}

# What the journal promises: these directories are whole.
promises_kept() {
    local dir
    while IFS= read -r dir; do
        same "src/$dir" "dst/$dir"
    done < <(finished)
}

# The temporary names below dst, and those that the journal knows, relative to dst.
temporary_names() {
    (cd dst && find . -name '.*.pcopy-*' -printf '%P\n') | sort
}
known_temporary_names() {
    records file | awk -F '\t' '{ path = $3; sub("[^/]*$", "", path); print path $4 }' | sort
}

# ---- running and killing

# start OPTION...: a copy in the background, of process `pid`.
start() {
    command_line="pcopy $* src dst, in the background"
    rm -f "$OUT" "$ERR"
    "$PCOPY" "$@" src dst >"$OUT" 2>"$ERR" </dev/null &
    pid=$!
}

# ended SIGNAL: ends it and sets `status`.
ended() {
    kill "-$1" "$pid" 2>/dev/null
    # The shell says on stderr what became of it.
    wait "$pid" 2>/dev/null
    status=$?
    ! grep -q Sanitizer "$ERR" || fail "a sanitizer has found something"
}

# kill_when SIGNAL CONDITION... -- OPTION...: a copy that gets the signal as soon as that is true.
kill_when() {
    local signal=$1 condition=() deadline=$((SECONDS + patience))
    shift
    while [ "$1" != -- ]; do
        condition+=("$1")
        shift
    done
    shift
    start "$@"
    until "${condition[@]}"; do
        kill -0 "$pid" 2>/dev/null || fail "the copy was done before: ${condition[*]}"
        [ $SECONDS -lt $deadline ] || fail "never: ${condition[*]}"
        sleep 0.02
    done
    ended "$signal"
    [ "$signal" != KILL ] || expect_status 137
}

# Ends what would otherwise outlive the script.
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; at_exit' EXIT

# traced_pcopy OPTION...: pcopy; it must not touch what the journal holds as finished when it
# starts. That is: no call is about anything in such a directory, and none but stat about the
# directory itself, which its parent shows.
traced_pcopy() {
    local touched
    if [ $traced = no ]; then
        pcopy "$@" src dst
        return
    fi
    finished >"$base/finished"
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        run strace -f -qq -y -s 4096 -o "$base/trace" -e trace=%file,%desc "$PCOPY" "$@" src dst
    # Where all is finished the roots are still opened.
    grep -qx . "$base/finished" && return
    touched=$(awk -v here="$PWD" '
        # Whether a path, or one above it, is finished.
        function is_finished(path, itself) {
            if (path in held)
                return itself
            while (sub("/[^/]*$", "", path))
                if (path in held)
                    return 1
            return 0
        }
        function look(path) {
            if (index(path, here "/src") != 1 && index(path, here "/dst") != 1)
                return
            path = substr(path, length(here) + 6)
            seen++
            if (is_finished(path, call !~ /stat/))
                print
        }
        FILENAME != "-" { held[$0] = 1; next }
        {
            call = $2
            sub(/\(.*/, "", call)
            rest = $0
            # FD<PATH>, or with a name in it: FD<PATH>, "NAME"
            while (match(rest, /[0-9D]<\/[^>]*>(, "[^"]*")?/)) {
                path = substr(rest, RSTART + 2, RLENGTH - 2)
                rest = substr(rest, RSTART + RLENGTH)
                name = ""
                if (sub(/>, "/, "\t", path)) {
                    name = path
                    sub(/^[^\t]*\t/, "", name)
                    sub(/"$/, "", name)
                    sub(/\t.*/, "", path)
                } else {
                    sub(/>$/, "", path)
                }
                look(path)
                if (name ~ /^\//)
                    look(name)
                else if (name != "" && call !~ /^p?(read|write)/)
                    look(path "/" name)
            }
        }
        END { if (!seen) print "no path is seen in the trace" }' "$base/finished" - <"$base/trace")
    [ -z "$touched" ] ||
        fail "finished, and touched: $(head -n 10 <<<"$touched" | cut -c -200)"
}

# completes OPTION...: the same command ends well, and the trees are equal then.
completes() {
    pcopy "$@" src dst
    expect_status 0
    same src dst
    no_temporary dst
}

restart() {
    remove dst j
}

# ---- a tree of many directories, and big files in two of them and at the top

for i in {1..6}; do
    for k in {1..8}; do
        make_many "src/g$i/d$k" 8
    done
done
mkdir -p src/empty src/g1/deep/1/2/3/4
echo deep >src/g1/deep/1/2/3/4/file
for name in big g2/big g5/d3/big; do
    make_file "src/$name" $((20 * 1024 * 1024 + 5))
done
find src -depth -exec touch -h -d @1500000000.123456789 {} +

# So slow that there is time for records, and for being killed between them.
slow=(-q -j 4 --split-size=1M --iops-limit=1100 --bwlimit=90M)
quick=(-q -j 4 --split-size=1M)

# ---- killed at random, with a journal and without

# kill_often TIMES OPTION...
kill_often() {
    local times=$1 begin span n=0 late=0 with_dirs=0 with_ranges=0 whole=0 micro
    shift
    restart
    begin=${EPOCHREALTIME/./}
    pcopy "${slow[@]}" "$@" src dst
    span=$((${EPOCHREALTIME/./} - begin))
    expect_status 0
    same src dst

    restart
    while [ $n -lt "$times" ]; do
        micro=$(((RANDOM << 15 | RANDOM) % span))
        start "${slow[@]}" "$@"
        sleep "$(printf '%d.%06d' $((micro / 1000000)) $((micro % 1000000)))"
        ended KILL
        command_line="pcopy ${slow[*]} $* src dst, killed after $micro microseconds"
        if [ $status = 0 ]; then
            # It was done before: that was no kill.
            late=$((late + 1))
            [ $late -lt $((4 * times)) ] || fail "the copy is always done before it is killed"
            restart
            continue
        fi
        expect_status 137
        n=$((n + 1))
        if [ -e j ]; then
            promises_kept
            ! has directory 1 || with_dirs=$((with_dirs + 1))
            ! has range 1 || with_ranges=$((with_ranges + 1))
        fi
        # Some are killed again when they go on; that takes less and less.
        if ((RANDOM % 3 > 0 || n == times)); then
            if [ $# -gt 0 ]; then
                traced_pcopy "${quick[@]}" "$@"
            else
                pcopy "${quick[@]}" src dst
            fi
            expect_status 0
            expect_no_err
            same src dst
            no_temporary dst
            whole=$((whole + 1))
            restart
        fi
    done
    echo "${*:-no journal}: $n kills within $span microseconds, $with_dirs with finished" \
        "directories and $with_ranges with ranges, $whole times completed, $late came too late"
    # Else the moments were not those that this is about.
    [ $# = 0 ] || [ $((2 * with_dirs)) -ge "$n" ] ||
        fail "too few journals had finished directories when the copy was killed"
    [ $# = 0 ] || [ $((4 * with_ranges)) -ge "$n" ] ||
        fail "too few journals had ranges when the copy was killed"
}

kill_often "$kills" --journal=j
kill_often $((kills * 2 / 3))

# ---- a big file that is half there: only the rest is read and written

mv src tree
mkdir src
make_file src/big 67108864
restart
# 2 of its ranges at least are there.
half() {
    [ "$(records range | awk -F '\t' '{ sum += $4 - $3 } END { print int(sum) }')" -ge 20000000 ]
}
kill_when KILL half -- -q --bwlimit=40M --split-size=1M --journal=j
held=$(records range | awk -F '\t' '{ sum += $4 - $3 } END { print int(sum) }')
[ "$held" -lt 67108864 ] || fail "nothing is left to do"
name=$(temporary_names)
[ -n "$name" ] || fail "the file has no temporary name"
[ "$name" = "$(known_temporary_names)" ] ||
    fail "the temporary name '$name' is not that of the journal: $(known_temporary_names)"
inode=$(stat -c %i "dst/$name")
if [ $traced = yes ]; then
    calls=read,pread64,readv,preadv,preadv2,copy_file_range,sendfile
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        run strace -f -qq -o "$base/trace" -P "$PWD/src/big" -e trace="$calls" \
        "$PCOPY" --split-size=1M --journal=j src dst
    read_bytes=$(awk '$NF ~ /^[0-9]+$/ { sum += $NF } END { print int(sum) }' "$base/trace")
    ((read_bytes > 0 && read_bytes <= 67108864 - held)) ||
        fail "$read_bytes bytes were read, and $held were there before"
else
    pcopy --split-size=1M --journal=j src dst
fi
expect_status 0
same src dst
no_temporary dst
[ "$(stat -c %i dst/big)" = "$inode" ] || fail "the file was begun anew"
[ "$(summary bytes)" = $((67108864 - held)) ] ||
    fail "the summary says '$(summary bytes)' bytes, and $held of 67108864 were there before"

# When the source is another one meanwhile, it does begin anew.
restart
kill_when KILL half -- -q --bwlimit=40M --split-size=1M --journal=j
make_file src/big 67108864
completes --split-size=1M --journal=j
[ "$(summary bytes)" = 67108864 ] || fail "the old file was gone on with"

# And when what was begun is gone.
restart
kill_when KILL half -- -q --bwlimit=40M --split-size=1M --journal=j
rm "dst/$(temporary_names)"
completes --split-size=1M --journal=j
remove src
mv tree src

# ---- a journal with a damaged end

restart
kill_when KILL on_its_way -- "${slow[@]}" --journal=j
mv dst begun
mv j good
size=$(stat -c %s good)

# damage COMMAND...: what it does to the journal j; as much as is damaged then is to be said.
damage() {
    local lost
    restart
    cp -a begun dst
    cp good j
    "$@"
    lost=$(records damaged | cut -f 2)
    completes -j 4 --split-size=1M --journal=j
    if [ -n "$lost" ]; then
        expect_err "the last $lost bytes of the journal 'j' are damaged: they are cut off"
    else
        expect_no_err
    fi
    is_complete || fail "the journal is not complete: $*"
    damaged=$((damaged + (lost > 0)))
}
zeros() {
    head -c 5000 /dev/zero >>j
}
garbage() {
    head -c 5000 /dev/urandom >>j
}
twice() {
    cat good >>j
}
last_two() {
    truncate -s $((size - 1)) j
    flip j $((size - 20))
}
damaged=0
damage true
damage truncate -s 0 j
[ $damaged = 0 ] || fail "a good journal is called damaged"
for cut in 1 8 9 15 30; do
    damage truncate -s $((size - cut)) j
done
damage truncate -s $((size * 2 / 3)) j
for at in 1 8 13 20 $((size / 3)); do
    damage flip j $((size - at))
done
damage zeros
damage garbage
damage twice
damage last_two
# Some may have been cut between two records.
[ $damaged -ge 12 ] || fail "only $damaged journals were damaged"

# ---- what is refused, and left alone

# refused STATUS TEXT COMMAND...
refused() {
    local before after
    before=$(picture)
    pcopy "${@:3}"
    after=$(picture)
    expect_status "$1"
    expect_err "$2"
    [ "$before" = "$after" ] || fail "something was changed"
}
restart
mkdir other
cp -a begun dst
cp good j
with=(--journal=j --split-size=1M)
refused 3 "with 'source=src', not 'source=other'" "${with[@]}" other dst
refused 3 "with 'destination=dst', not 'destination=new'" "${with[@]}" src new
refused 3 "without 'option=--archive'" "${with[@]}" -a src dst
refused 3 "without 'option=--delete'" "${with[@]}" --delete src dst
for option in -n --verify-only --explain; do
    refused 1 --journal "${with[@]}" $option src dst
done
touch list
refused 1 --journal "${with[@]}" --check-against=list src
refused 1 --journal "${with[@]}" --files-from=list src dst

echo 'no journal' >text
make_file noise 5000
ln -s j link
mkfifo fifo
refused 3 'is no journal' --journal=text src dst
refused 3 'is no journal' --journal=noise src dst
refused 3 "'link'" --journal=link src dst
refused 3 "'fifo'" --journal=fifo src dst
refused 3 "'other'" --journal=other src dst
refused 3 "'missing/j'" --journal=missing/j src dst
# A beginning that is damaged, though the rest is good.
cp good torn
truncate -s 30 torn
refused 3 'damaged' --journal=torn --split-size=1M src dst
cp good torn
flip torn 25
refused 3 'damaged' --journal=torn --split-size=1M src dst
rm text noise link fifo torn list

# What only says how fast or how loudly may change; j still is what it was.
completes --journal=j -j 2 --bwlimit=1G --retries=5 -v

restart
start -q --bwlimit=1M --split-size=1M --journal=j
until has directory 1; do
    kill -0 "$pid" || fail "the copy did not wait"
    sleep 0.02
done
pcopy "${with[@]}" src dst
expect_status 3
expect_err "another pcopy has the journal 'j' open"
kill -0 "$pid" || fail "the first run was disturbed"
ended KILL
completes "${with[@]}"
rm -r other begun good

# ---- SIGTERM keeps what is done; after exit 0 all begins anew

restart
kill_when TERM on_its_way -- "${slow[@]}" --journal=j
expect_status 20
is_complete && fail "the journal is complete"
on_its_way || fail "the journal has lost something"
promises_kept
[ -z "$(comm -23 <(temporary_names) <(known_temporary_names))" ] ||
    fail "a temporary name is left that is not in the journal: $(temporary_names)"
finished >"$base/first"
traced_pcopy "${quick[@]}" --journal=j
expect_status 0
expect_no_err
same src dst
no_temporary dst
is_complete || fail "the journal is not complete"
# Again, with something new in a directory that was finished before.
dir=src/$(head -n 1 "$base/first")
echo new >"$dir/new"
completes "${quick[@]}" --journal=j
is_complete || fail "the journal is not complete"
rm "$dir/new"
touch -d @1500000000.123456789 "$dir"

# ---- in directories that are not finished the bytes count, not the size and the time

# damage_one: a file that looks complete, in a directory that is not finished, gets another byte.
damage_one() {
    local file time
    file=$(find dst -type f -newermt @1500000000 ! -newermt @1500000001 -printf '%P\n' |
        awk -F '\t' '
            FILENAME != "-" { held[$0] = 1; next }
            { path = $0; while (sub("/[^/]*$", "", path)) if (path in held) next; print; exit }
        ' <(finished) -)
    [ -n "$file" ] || return
    time=$(stat -c %y "dst/$file")
    flip "dst/$file" 0
    touch -d "$time" "dst/$file"
}
for attempt in 1 2 3 4 5; do
    restart
    kill_when KILL on_its_way -- "${slow[@]}" --journal=j
    damage_one && break
    [ $attempt != 5 ] || fail "no file is complete in a directory that is not finished"
done
# What another --fsync has left is not for this one to trust.
pcopy "${quick[@]}" --fsync=file --journal=j src dst
expect_status 3
expect_err "without 'option=--fsync=file'"
completes "${quick[@]}" --journal=j

# ---- a directory with an error is not finished, nor are those above it

mv src tree
mkdir -p src/good/below src/bad/worse src/bad/fine
chmod 777 .
for path in good/below good bad/worse bad/fine bad; do
    make_many "src/$path" 3
done
restart
chmod 000 src/bad/worse/f000001
as_nobody "$PCOPY" --journal=j src dst
expect_status 23
chmod 644 src/bad/worse/f000001
error_is_open() {
    [ "$(finished | tr '\n' ' ')" = 'bad/fine good ' ] ||
        fail "the journal holds: $(finished | tr '\n' ' ')"
    # The run has come to its end, so the next one looks at all again, and sets this right as well.
    is_complete || fail "the journal is not complete"
    chmod 711 dst/good dst/bad/fine
}
error_is_mended() {
    expect_status 0
    same src dst
    is_complete || fail "the journal is not complete"
}
error_is_open
as_nobody "$PCOPY" --journal=j src dst
error_is_mended

if [ $traced = yes ]; then
    for call in pwrite64 utimensat; do
        restart
        with_fault $call error=EIO "$PWD/dst/bad/worse/f000001" \
            "$PCOPY" --retries=0 --journal=j src dst
        expect_status 23
        error_is_open
        pcopy --journal=j src dst
        error_is_mended
    done
    # The directory's own metadata.
    restart
    with_fault utimensat error=EIO "$PWD/dst/bad/worse" \
        "$PCOPY" --retries=0 --journal=j src dst
    expect_status 23
    error_is_open
    pcopy --journal=j src dst
    error_is_mended
fi
remove src

# ---- hard links between directories stay such

for i in {1..40}; do
    make_many "src/d$i" 10
    # To the directories before and to all, and within.
    ln "src/d$((i == 1 ? 1 : i - 1))/f000001" "src/d$i/link"
    ln src/d1/f000002 "src/d$i/all"
    ln "src/d$i/f000003" "src/d$i/within"
    make_many "src/plain$i" 5
done
make_file src/big 20000000
ln src/big src/d7/big
find src -depth -exec touch -h -d @1500000000.123456789 {} +
for n in 1 5 15 30; do
    restart
    kill_when KILL has directory $n -- "${slow[@]}" --journal=j
    [ "$(finished)" != . ] || fail "all was finished"
    promises_kept
    completes "${quick[@]}" --journal=j
done
remove src dst
mv tree src

# ---- with --delete: what is not in the source goes, what is finished and what is begun does not

make_extras() {
    local dir
    mkdir dst
    (cd src && find . -type d) | while IFS= read -r dir; do
        mkdir -p "dst/$dir/extra"
        echo extra >"dst/$dir/extra/file"
        echo extra >"dst/$dir/extra file"
    done
}
restart
make_extras
mkdir dst/below
for option in --journal=dst/j --log-file=dst/below/log --checksum-file="$PWD/dst/below/sums"; do
    pcopy "$option" --delete src dst
    expect_status 3
    expect_err "where --delete would remove it"
    [ -e 'dst/./extra file' ] || fail "$option: something was deleted"
done
for options in --delete --delete-excluded '--delete --exclude=f000003'; do
    restart
    make_extras
    [[ $options != *excluded ]] || echo extra >dst/excluded
    # shellcheck disable=SC2206
    options=($options)
    [[ ${options[0]} != *excluded ]] || options+=(--exclude=excluded)
    kill_when KILL on_its_way -- "${slow[@]}" "${options[@]}" --journal=j
    known=$(finished)
    [ "$known" != . ] || fail "all was finished"
    traced_pcopy "${quick[@]}" "${options[@]}" --journal=j
    expect_status 0
    expect_no_err
    if [[ ${options[1]:-} = *f000003 ]]; then
        [ -z "$(find dst -name f000003)" ] || fail "something excluded was copied"
        (cd src && find . -name f000003 -exec cp -p --parents {} ../dst \;)
        find dst -type d -exec touch -d @1500000000.123456789 {} +
    fi
    same src dst
    no_temporary dst
done

# What --max-delete keeps is not finished, and counts again.
restart
make_extras
extras() {
    find dst -path '*extra*' | wc -l
}
n=$(extras)
for left in $((n - 50)) $((n - 100)); do
    pcopy -q --delete --max-delete=50 --journal=j src dst
    expect_status 25
    [ "$(extras)" = "$left" ] || fail "$(extras) are left of what is to go, not $left"
done
pcopy -q --delete --max-delete=1000 --journal=k src dst
expect_status 0
same src dst
restart
make_extras
pcopy -q --delete --max-delete=1% --journal=j src dst
expect_status 1
expect_err 'exclude each other'
[ "$(extras)" = "$n" ] || fail "something was deleted"
