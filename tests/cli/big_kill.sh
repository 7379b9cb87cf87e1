#!/bin/bash
# Killed (SIGKILL) at a random moment while big files are copied in ranges, again and again: no file
# at the destination ever has the size and the mtime of its source unless it has its bytes too, for
# that is what a later run goes by. Such a run completes the tree and leaves no temporary name.
# SEED= repeats the moments, KILLS= says how many there are for a destination with nothing in it; half
# as many are for one with other files, which are replaced or with --inplace written over.
. "$(dirname "$0")/lib.sh"
work_in_memory

kills=50
sanitized && kills=20
kills=${KILLS:-$kills}
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "SEED=$seed"

# Of the big files the sizes are no multiple of the range's or of a page.
mkdir -p src/dir
for i in 1 2 3; do
    make_file "src/big$i" $((24 * 1024 * 1024 - i))
done
make_many src/dir 300
find src -depth -exec touch -h -d @1500000000.123456789 {} +
mapfile -t files < <(cd src && find . -type f)
# Every file is there already, with the right size, other bytes and another time.
cp -a src old
for i in 1 2 3; do
    tr '\0-\377' '\377' <"src/big$i" >"old/big$i"
done
find old -type f -exec touch -d @1400000000.123456789 {} +
sizes_and_times() {
    (cd "$1" && stat -c '%n %s %.9Y' -- "${files[@]}") 2>/dev/null | sort
}
# sums TREE FILE...
sums() {
    (cd "$1" && shift && cksum -- "$@") | sort
}
sizes_and_times src >wanted
sizes_and_times old | sort -m - wanted >whole
sums src "${files[@]}" >wanted_sums

options=(-q -j 4 --split-size=4M)

# What passes for complete is complete. Sets `unfinished`, the number of files that do not pass, and
# `torn`, empty if no file was on its way.
check_all() {
    local passes wrong
    sizes_and_times dst >found
    mapfile -t passes < <(comm -12 wanted found | cut -d ' ' -f 1)
    if [ ${#passes[@]} -gt 0 ]; then
        wrong=$(sums dst "${passes[@]}" | comm -23 - wanted_sums)
        [ -z "$wrong" ] ||
            fail "these have the sizes and times of their sources and other bytes: $wrong"
    fi
    unfinished=$((${#files[@]} - ${#passes[@]}))
    torn=$(comm -13 whole found | grep big
        find dst -name '.*.pcopy-*' 2>/dev/null)
}

# kill_at MICROSECONDS OPTION...: starts a copy and kills it so long afterwards.
kill_at() {
    local pid
    command_line="pcopy ${options[*]} ${*:2} src dst, killed after $1 microseconds"
    "$PCOPY" "${options[@]}" "${@:2}" src dst >"$OUT" 2>"$ERR" &
    pid=$!
    sleep "$(printf '%d.%06d' $(($1 / 1000000)) $(($1 % 1000000)))"
    kill -KILL "$pid" 2>/dev/null
    # The shell says on stderr what became of it.
    wait "$pid" 2>/dev/null
    status=$?
    ! grep -q Sanitizer "$ERR" || fail "a sanitizer has found something"
}

# restart DESTINATION: new (nothing is there) or old.
restart() {
    rm -rf dst
    [ "$1" = new ] || cp -a old dst
}

# kill_often TIMES DESTINATION OPTION...
kill_often() {
    local times=$1 kind=$2 begin span n=0 early=0 late=0 middle=0
    shift 2
    restart "$kind"
    begin=${EPOCHREALTIME/./}
    pcopy "${options[@]}" "$@" src dst
    span=$((${EPOCHREALTIME/./} - begin))
    expect_status 0
    same src dst

    restart "$kind"
    while [ $n -lt "$times" ]; do
        # Most begin anew, some go on from what the last one has left.
        ((RANDOM % 4 == 0)) || restart "$kind"
        kill_at $(((RANDOM << 15 | RANDOM) % span)) "$@"
        check_all
        if [ $status = 0 ]; then
            # It was done before: that was no kill. The machine is faster than it was at first.
            late=$((late + 1))
            span=$((span * 9 / 10 + 1000))
            [ $late -lt $((4 * times)) ] || fail "the copy is always done before it is killed"
            restart "$kind"
            continue
        fi
        expect_status 137
        n=$((n + 1))
        if [ $unfinished = ${#files[@]} ]; then
            early=$((early + 1))
        fi
        if [ -n "$torn" ]; then
            middle=$((middle + 1))
        fi
        if [ $((n % 10)) = 0 ]; then
            pcopy "${options[@]}" "$@" src dst
            expect_status 0
            expect_no_err
            same src dst
            no_temporary dst
            restart "$kind"
        fi
    done
    echo "$kind $*: $n kills within $span microseconds, $middle with a file on its way," \
        "$early before any was complete; $late came too late"
    # Else the moments were not those that this is about.
    [ $((4 * middle)) -ge "$n" ] || fail "too few copies were killed with a file on its way"
    [ $early -lt "$n" ] || fail "no file was ever complete when the copy was killed"
}

kill_often "$kills" new
kill_often $((kills / 2)) old
kill_often $((kills / 2)) old --inplace
