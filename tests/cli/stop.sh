#!/bin/bash
# Ended by the time that --stop-after or --stop-at give: exit status 30, and as clean as after a
# signal. What a next run finds is complete, or is copied again.
. "$(dirname "$0")/lib.sh"
work_in_memory

make_many src/many 200
make_file src/big 20000000

# ended_in_time SECONDS: the last run was stopped, after no less than SECONDS and no later than it
# takes to see that.
ended_in_time() {
    expect_status 30
    expect_err 'pcopy: ended because its time is over'
    [ "$(wc -l <"$ERR")" = 1 ] || fail "more than the one note"
    [ "$took" -ge $(($1 * 1000 - 100)) ] || fail "ended after $took ms"
    [ "$took" -le 20000 ] || fail "ended only after $took ms"
    no_temporary dst
    [ ! -e dst/big ] || fail "the big file is there, and cannot be complete"
}

timed() {
    local start
    start=$(date +%s%N)
    "$@"
    took=$((($(date +%s%N) - start) / 1000000))
}

# A file of 20 MB at 500 KB a second takes longer than a test may; with one range, and with several.
for split in 0 8M; do
    rm -rf dst
    timed pcopy -j 4 --bwlimit=500K --buffer-size=16K --split-size=$split --stop-after=1s src dst
    ended_in_time 1
    there=$(find dst -type f | wc -l)
    pcopy src dst
    expect_status 0
    [ "$(summary skipped)" -ge "$there" ] || fail "the second run has not skipped what was there"
    same src dst
done

rm -rf dst
timed pcopy --bwlimit=500K --stop-at="$(date -d '4 seconds' +%Y-%m-%dT%T)" src dst
ended_in_time 1
rm -rf dst
timed pcopy --bwlimit=500K --stop-at="$(date -d '4 seconds' +%T)" --stop-after=1 src dst
ended_in_time 1

# An existing file is the old one until it is the new one.
rm -rf dst
mkdir dst
echo old >dst/big
pcopy -j 4 --bwlimit=500K --stop-after=1s src dst
expect_status 30
[ "$(cat dst/big)" = old ] || fail "dst/big is neither old nor new"
no_temporary dst

# A run that is done before is not ended by it.
pcopy --stop-after=60 --stop-at="$(date -d '1 hour' +%Y-%m-%dT%H:%M)" src dst
expect_status 0
expect_no_err
same src dst

# A list of checksums that is not complete does not get its name.
rm -rf dst
pcopy --bwlimit=500K --checksum-file=list --stop-after=1s src dst
expect_status 30
[ ! -e list ] || fail "a list of half of the files"
no_temporary .

# ---- what is refused, before anything is written

rm -rf dst
for time in 2020-01-01T00:00 2020-01-01 "$(date -d '-1 minute' +%Y-%m-%dT%T)" @1; do
    pcopy --stop-at="$time" src dst
    expect_status 1
    expect_err "pcopy: --stop-at takes a time to come, and '$time' is over"
done
for time in '' 31 25:00 tomorrow 2026-02-30; do
    pcopy --stop-at="$time" src dst
    expect_status 1
    expect_err '--stop-at takes a time (23:59) or a date (2026-12-31T23:59)'
done
for time in '' 0 0s -1 1.5 x 1y; do
    pcopy --stop-after="$time" src dst
    expect_status 1
    expect_err '--stop-after takes minutes or a duration (90s, 12h)'
done
[ ! -e dst ] || fail "something was written"

# ---- in its sleep

if command -v strace >/dev/null; then
    # waits SECONDS OPTION...: how often the thread that watches the time has waited, in a run that
    # takes that long to list its source.
    waits() {
        local delay=$1
        shift
        rm -rf dst
        run strace -f -qq -o "$base/trace" -e trace=getdents64,rt_sigtimedwait \
            -e inject=getdents64:delay_enter="$delay"000000:when=1 "$PCOPY" "$@" src/many dst
        grep -c 'rt_sigtimedwait(' "$base/trace"
    }
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    [ "$(waits 2)" -le 4 ] || fail "it looks at the clock, with nothing to watch"
    [ "$(waits 2 --stop-after=60 --stop-at="$(date -d '1 hour' +%H:%M)")" -le 4 ] || fail "it looks at the clock"

    # The tree is checked by reading it.
    pcopy --checksum-file=list src dst
    expect_status 0
    run strace -f -qq -o "$base/trace" -e trace=pread64 \
        -e inject=pread64:delay_enter=1500000:when=1 \
        "$PCOPY" -j 1 --check-against=list --stop-after=1s dst
    expect_status 30
    expect_err 'ended because its time is over'
else
    skip_part 'strace is not installed'
fi
