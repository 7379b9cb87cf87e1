#!/bin/bash
# A copy with --journal over all mounts is killed (SIGKILL) at random moments, ten times in all, and
# gone on with: what the journal holds is whole on the server each time, and in the end all is.
# Directories that are finished cost the next run no call: it makes as many when ten times as many
# are finished. SEED= repeats the moments.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

kills=${KILLS:-10}
show=$(dirname "$TREECMP")/journal_show
journal=/tmp/journal
seed=${SEED:-$RANDOM}
RANDOM=$seed
echo "SEED=$seed"

# What is run, but for the source and the destination.
command=("$PCOPY" -q -j 16 --split-size=1M "--journal=$journal" -m "$(mounts "$LAB_MOUNTS")")

# copy SOURCE: to the directory `copy` of all mounts.
copy() {
    "${command[@]}" "$1" copy >/tmp/out 2>/tmp/err
}

# The directories that the journal holds.
finished() {
    "$show" $journal 2>/dev/null | awk -F '\t' '$1 == "directory" { print $3 }'
}

equal() {
    "$TREECMP" "$1" "$2" >/tmp/differences 2>&1
}

restart() {
    rm -rf /lab/export/copy $journal
    mounts_renew ""
}

# ---- killed at random

make_tree /lab/src/tree 60 25 4096
for ((i = 1; i <= 60; i += 7)); do
    mkdir -p "/lab/src/tree/d$i/below/empty"
    cp -p "/lab/src/tree/d$i/f1" "/lab/src/tree/d$i/below"
    ln -s ../f2 "/lab/src/tree/d$i/below/symlink"
done
for i in 1 2 3; do
    head -c $((24 * 1024 * 1024 + i)) /dev/urandom >/lab/src/tree/d$i/big
done
find /lab/src/tree -depth -exec touch -h -d '2020-02-03 04:05:06.789012345' {} +

network_rtt 1
held=0 ranges=0 n=0 completed=0
span=4000
restart
while [ $n -lt "$kills" ]; do
    "${command[@]}" --bwlimit=30M /lab/src/tree copy >/tmp/out 2>/tmp/err &
    pid=$!
    wait=$((RANDOM % span))
    sleep "$((wait / 1000)).$(printf %03d $((wait % 1000)))"
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if [ $status = 0 ]; then
        # Done before: that was no kill.
        span=$((span * 4 / 5))
        restart
        continue
    fi
    check "killed: exit status $status: $(head -n 3 /tmp/err)" [ $status = 137 ]
    n=$((n + 1))
    while IFS= read -r dir; do
        held=$((held + 1))
        equal "/lab/src/tree/$dir" "/lab/export/copy/$dir" ||
            fail "'$dir' is finished, and is not whole: $(head -n 3 /tmp/differences)"
    done < <(finished)
    "$show" $journal 2>/dev/null | grep -q ^range && ranges=$((ranges + 1))
    # Some are killed again when they go on, on mounts that know nothing or a lot.
    ((RANDOM % 2)) || mounts_renew ""
    if ((RANDOM % 3 == 0 || n == kills)); then
        copy /lab/src/tree
        status=$?
        check "the next run: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
        equal /lab/src/tree /lab/export/copy ||
            fail "the trees differ: $(head -n 5 /tmp/differences)"
        check "temporary names are left" \
            [ -z "$(find /lab/export/copy -name '.*.pcopy-*' -print -quit)" ]
        check "the journal is not complete" [ "$("$show" $journal | tail -n 1)" = complete ]
        completed=$((completed + 1))
        restart
    fi
done
echo "$n kills within $span ms, $held directories were finished then, $ranges times ranges," \
    "$completed times completed, $SECONDS s"
check "no directory was ever finished" [ $held -gt 0 ]
check "no range was ever recorded" [ $ranges -gt 0 ]

# ---- what is finished costs nothing

# calls_of N: a tree of N directories that are finished and one that is not, as a big file in it is
# under way when the run is killed: how many calls the next run makes.
calls_of() {
    restart
    make_tree "/lab/src/$1/part" "$1" 5 1000
    make_tree "/lab/src/$1/rest" 3 5 1000
    head -c $((32 * 1024 * 1024)) /dev/urandom >"/lab/src/$1/rest/d2/big"
    touch -d '2020-02-03 04:05:06.789012345' "/lab/src/$1/rest/d2" "/lab/src/$1"
    "${command[@]}" --bwlimit=2M "/lab/src/$1" copy >/tmp/out 2>/tmp/err &
    pid=$!
    for ((i = 0; i < 100; i++)); do
        [ "$(finished | grep -cx -e part -e rest/d1 -e rest/d3)" = 3 ] && break
        sleep 0.1
    done
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    check "$1: killed: exit status $status: $(head -n 3 /tmp/err)" [ $status = 137 ]
    check "$1: the journal holds $(finished | tr '\n' ' ')" \
        [ "$(finished | grep -cx -e part -e rest/d1 -e rest/d3)" = 3 ]
    check "$1: what has the big file is finished" \
        [ "$(finished | grep -cx -e rest -e rest/d2 -e '')" = 0 ]
    mounts_renew ""
    "$LAB/rpc" snap >/tmp/rpc
    copy "/lab/src/$1"
    status=$?
    calls=$("$LAB/rpc" diff /tmp/rpc 1)
    echo "$1 finished directories: $calls"
    check "$1: the next run: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
    equal "/lab/src/$1" /lab/export/copy ||
        fail "$1: the trees differ: $(head -n 5 /tmp/differences)"
}

# calls_named OPERATION: how many there were of these.
calls_named() {
    grep -oE " $1=[0-9]+" <<<"$calls" | cut -d = -f 2
}

operations=(LOOKUP READDIR READDIRPLUS OPEN ACCESS GETATTR)
declare -A few
calls_of 20
for operation in "${operations[@]}"; do
    few[$operation]=$(calls_named "$operation")
done
calls_of 200
for operation in "${operations[@]}"; do
    many=$(calls_named "$operation")
    # A few more or less are the client's own affair.
    check "200 finished directories take ${many:-0} calls of $operation, 20 ${few[$operation]:-0}" \
        [ "${many:-0}" -le $((${few[$operation]:-0} + 3)) ]
done
exit "$failed"
