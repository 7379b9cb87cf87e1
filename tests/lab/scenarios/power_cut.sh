#!/bin/bash
# The power is cut (lab --disk --mounts=0) at random moments, ROUNDS times in each of these ways, and
# the same command goes on after the next boot:
#   journal   during a copy with --journal: what the journal has is whole then, what is not is
#             copied, and big files are gone on with
#   file      during a copy with --fsync=file: what it has told of as copied (-v) is whole
#   both      with both, over files that exist
#   ended     up to four seconds after exit status 0: nothing is missing, and nothing was to be done
#   plain     during a copy with neither: only counted, because nothing is promised
#   cp rsync  four seconds after their exit status 0: only counted
# Each boot looks at what the cut before has left, completes it, and begins the next. SEED= repeats
# the moments; WAYS= says which, without it "journal file ended".
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

read -r -a ways <<<"${WAYS:-journal file ended}"
rounds=${ROUNDS:-1}
show=$(dirname "$TREECMP")/journal_show

# What outlives a cut: the source, and notes. Of the disk only what was flushed does.
state=/lab/share/state
src=/lab/share/src
dst=/lab/export/dst
journal=/lab/export/journal

# note NAME TEXT, and noted NAME
note() {
    mkdir -p $state
    echo "$2" >"$state/$1"
    sync -f $state
}
noted() {
    cat "$state/$1" 2>/dev/null
}

make_source() {
    local i
    make_tree $src 30 12 20000
    for i in 1 2; do
        head -c $((10 * 1024 * 1024 + i)) /dev/urandom >$src/d$i/big
    done
    # A hole is no loss.
    truncate -s 3M $src/d4/sparse
    head -c 100000 /dev/urandom | dd of=$src/d4/sparse bs=1M seek=1 conv=notrunc status=none
    find $src -depth -exec touch -h -d '2020-02-03 04:05:06.789012345' {} +
    sync -f $src
}

# Files of the same names, sizes and other times, flushed.
make_others() {
    local file
    cp -r $src $dst
    for file in "$dst"/*/f*; do
        tr '\0-\377' '\377' <"$file" >/tmp/file
        cat /tmp/file >"$file"
    done
    find $dst -type f -exec touch -d @1400000000 {} +
    sync -f $dst
}

# copy WAY [OPTION]...
copy() {
    # What it says goes out line by line.
    local command=(stdbuf -oL "$PCOPY" -j 8 --split-size=1M "${@:2}")
    case $1 in
    journal) command+=(-q "--journal=$journal") ;;
    file) command+=(-v --fsync=file) ;;
    both) command+=(-v --fsync=file "--journal=$journal") ;;
    ended | plain) command+=(-q) ;;
    cp | rsync) command=("$1" -a) ;;
    esac
    if [[ $1 = @(cp|rsync) ]]; then
        "${command[@]}" $src/. $dst
    else
        "${command[@]}" $src $dst
    fi
}

equal() {
    "$TREECMP" "$1" "$2" >/tmp/differences 2>&1
}

# Size, time and checksum of all files.
picture() {
    cd "$1" && find . -type f -printf 'time %p %s %T@\n' && find . -type f -exec cksum {} +
}

# damage WHEN: counts what is not whole, and says so; the names are in /tmp/torn.
damage() {
    : >/tmp/torn
    echo "$way: $1 $(awk '
        FNR == 1 { tree++ }
        $1 == "time" { time[tree, $2] = $3 " " $4; names[$2]; next }
        { sum[tree, $3] = $1 }
        END {
            for (name in names) {
                if (sum[1, name] == sum[2, name])
                    continue
                print name >"/tmp/torn"
                if (!((2, name) in time))
                    missing++
                else if (time[1, name] == time[2, name])
                    alike++
                else
                    others++
            }
            print missing + 0, "files are missing,", alike + 0, "look complete and are not,",
                others + 0, "others differ"
        }' <(picture $src) <(picture $dst 2>/dev/null))"
}

# Whether the copy has come so far that a cut proves something.
has_begun() {
    case $1 in
    journal) "$show" $journal | grep -q ^directory ;;
    file) grep -q /f /lab/share/told ;;
    both) has_begun journal && has_begun file ;;
    *) true ;;
    esac
} 2>/dev/null

# Begins a copy in the way of this boot, and cuts the power.
begin() {
    local way=$1 span=3000 wait
    rm -rf $dst $journal
    [ "$way" != both ] || make_others
    sync -f /lab/export
    RANDOM=$(($(noted seed) + LAB_BOOT))
    note cut "$way"
    rm -f /lab/share/told
    if [[ $way = @(ended|cp|rsync) ]]; then
        copy "$way" || fail "$way: exit status $?"
        span=4000
    else
        # What a system writes back by itself it does soon, and some of it within the copy.
        echo $((RANDOM % 100 + 1)) >/proc/sys/vm/dirty_writeback_centisecs
        echo $((RANDOM % 100 + 1)) >/proc/sys/vm/dirty_expire_centisecs
        if [ "$LAB_DISK" = xfs ]; then
            echo 100 >/proc/sys/fs/xfs/xfssyncd_centisecs
        else
            mount -o remount,commit=1 /lab/export
        fi
        # To the outside, and at once.
        copy "$way" --bwlimit=12M 2>/tmp/err |
            dd of=/lab/share/told bs=64K oflag=sync status=none &
    fi
    # Some cuts come at any time, but the first of each way not too early.
    until [ "$LAB_BOOT" -gt ${#ways[@]} ] || has_begun "$way"; do
        sleep 0.1
        span=1500
    done
    wait=$((RANDOM % span))
    [[ $way != @(cp|rsync) ]] || wait=$span
    sleep "$((wait / 1000)).$(printf %03d $((wait % 1000)))"
    power_cut
}

# What the cut has left, and the same command once more.
look_after() {
    local way held=0 told=0 kind name temporary there
    local -A begun=()
    way=$(noted cut)
    there=$(find $dst -type f 2>/dev/null | wc -l)
    damage "after the cut"
    if [ -e $journal ]; then
        while IFS=$'\t' read -r kind _ name temporary _; do
            temporary=$dst/${name%/*}/$temporary
            if [ "$kind" = directory ]; then
                held=$((held + 1))
                check "$way: $name is finished, and is not whole" equal "$src/$name" "$dst/$name"
            elif [ "$kind" = file ] && [ -f "$temporary" ]; then
                begun[$name]=$(stat -c %i "$temporary")
            fi
        done < <("$show" $journal)
    fi
    if [ -e /lab/share/told ]; then
        told=$(grep -c /f /lab/share/told)
        while IFS= read -r name; do
            fail "$way: $name was copied, and is not whole:" \
                "$(cd "$dst/${name%/*}" && find . -name "*${name##*/}*" -printf '%f %s %t; ')"
        done < <(sed "s,^$src/,./," /lab/share/told | grep -Fxf /tmp/torn)
    fi
    if [ "$way" != ended ]; then
        copy "$way" >/tmp/out 2>/tmp/err
        status=$?
        check "$way: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
        check "$way: errors: $(head -n 3 /tmp/err)" [ ! -s /tmp/err ]
    fi
    for name in "${!begun[@]}"; do
        check "$way: $name was begun anew" [ "$(stat -c %i "$dst/$name")" = "${begun[$name]}" ]
    done
    if [[ $way = @(plain|cp|rsync) ]]; then
        damage "after the same command once more"
    else
        equal $src $dst || fail "$way: the trees differ: $(head -n 5 /tmp/differences)"
    fi
    check "$way: temporary names are left" [ -z "$(find $dst -name '.*.pcopy-*' -print -quit)" ]
    echo "$way: $there files, $held directories finished, ${#begun[@]} files begun," \
        "$told files told of"
    note "held-$way" $(($(noted "held-$way") + held))
    note "told-$way" $(($(noted "told-$way") + told))
    [ $failed = 0 ] || note failed 1
}

if [ "$LAB_BOOT" = 1 ]; then
    note seed "${SEED:-$RANDOM}"
    echo "SEED=$(noted seed)"
    make_source
else
    look_after
fi
if [ "$LAB_BOOT" -le $((rounds * ${#ways[@]})) ]; then
    begin "${ways[(LAB_BOOT - 1) % ${#ways[@]}]}"
fi
# Else the cuts were not where this is about.
for way in "${ways[@]}"; do
    [[ $way != @(journal|both) ]] || check "$way: no directory was ever finished" \
        [ "$(noted "held-$way")" -gt 0 ]
    [[ $way != @(file|both) ]] || check "$way: no file was ever told of" \
        [ "$(noted "told-$way")" -gt 0 ]
done
[ ! -e $state/failed ] || failed=1
exit "$failed"
