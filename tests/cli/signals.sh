#!/bin/bash
# Ended by a signal in the middle: exit status 20, no temporary name left, and nothing that looks
# complete is incomplete. A second run, which skips what has the right size and time, must
# therefore end with an equal tree.
. "$(dirname "$0")/lib.sh"
work_in_memory

# interrupt SIGNAL CONDITION...: starts the copy and sends the signal when the condition is met.
interrupt() {
    local signal=$1 pid
    shift
    command_line="pcopy -j 4 src dst, with SIG$signal in the middle"
    # Bash lets what runs in the background ignore SIGINT.
    env --default-signal "$PCOPY" -j 4 src dst >"$OUT" 2>"$ERR" &
    pid=$!
    until "$@"; do
        kill -0 "$pid" 2>/dev/null || break
    done
    kill -"$signal" "$pid" 2>/dev/null
    wait "$pid"
    status=$?
    ! grep -q Sanitizer "$ERR" || fail "a sanitizer has found something"
}

one_is_there() {
    [ -n "$(find dst/many -name 'f*' -print -quit 2>/dev/null)" ]
}

make_many src/many 20000
make_file src/big 64000000

for signal in INT TERM HUP; do
    # On a busy machine the copy may be done before the signal is sent.
    for attempt in 1 2 3 4 5; do
        rm -rf dst
        interrupt "$signal" one_is_there
        [ "$status" = 0 ] || break
        echo "SIG$signal: attempt $attempt came too late"
    done
    expect_status 20
    no_temporary dst
    [ "$(find dst -type f | wc -l)" -lt 20001 ] || fail "all was copied before the signal"
    pcopy src dst
    expect_status 0
    [ "$(summary skipped)" -ge 1 ] || fail "the second run found nothing to skip"
    same src dst
done

# ---- while existing files are replaced: each is the old one until it is the new one

rm -rf src dst
mkdir src old
for i in {1..200}; do
    make_file "src/$i" 300000
    echo old >"old/$i"
done
one_is_new() {
    [ -n "$(find dst -size +100k -print -quit 2>/dev/null)" ]
}
for attempt in 1 2 3 4 5; do
    rm -rf dst
    cp -r old dst
    interrupt TERM one_is_new
    [ "$status" = 0 ] || break
    echo "replacing: attempt $attempt came too late"
done
expect_status 20
no_temporary dst
for i in {1..200}; do
    cmp -s "dst/$i" "src/$i" || cmp -s "dst/$i" "old/$i" || fail "dst/$i is neither old nor new"
done
pcopy src dst
expect_status 0
same src dst
