#!/bin/bash
# One of three mount points falls silent in mid-copy, as its address is blocked, or is unmounted by
# force: the copy is completed over the others, and says so. If the only mount point is silent it is
# waited for; a signal ends the run all the same.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

files() {
    find /lab/export/copy -type f 2>/dev/null | wc -l
}

# wait_for_files N: until so many are there.
wait_for_files() {
    while [ "$(files)" -lt "$1" ] && kill -0 "$pid" 2>/dev/null; do
        sleep 0.05
    done
}

start() {
    timeout -k 5 120 "$PCOPY" -j 16 --stall-time=3 "$@" copy >/tmp/out 2>/tmp/err &
    pid=$!
}

# What every way of these has to come to.
completed() {
    wait $pid
    status=$?
    check "$1: exit status $status: $(head -n 5 /tmp/err)" [ $status = 0 ]
    check "$1: the trees differ" "$TREECMP" /lab/src/tree /lab/export/copy
    check "$1: temporary names are left" \
        [ -z "$(find /lab/export/copy -name '.*.pcopy-*' -print -quit)" ]
    echo "$1: $((SECONDS - begin)) s, $(tail -n 1 /tmp/out)"
}

# Everything reachable, nothing copied, and nobody left who still waited for write-back.
begin_again() {
    local i
    for i in 1 2 3; do
        network_unblock $i
        umount -f /lab/$i 2>/dev/null
        umount -l /lab/$i 2>/dev/null
    done
    while pgrep -x pcopy >/dev/null; do
        sleep 0.1
    done
    rm -rf /lab/export/copy /tmp/journal
    for i in 1 2 3; do
        mount_start $i ""
    done
    begin=$SECONDS
}

make_tree /lab/src/tree 60 40 4096
ln /lab/src/tree/d1/f1 /lab/src/tree/d2/link
head -c 24M /dev/urandom >/lab/src/tree/d3/big
network_rtt 10 # so that there is time for it

begin_again
start --journal=/tmp/journal --split-size=1M -m "$(mounts 3)" /lab/src/tree
wait_for_files 300
network_block 2
completed "blocked"
check "the hang was not told: $(cat /tmp/err)" \
    grep -q "'/lab/2' has not answered for 3 seconds" /tmp/err
check "leaving it was not told: $(cat /tmp/err)" grep -q "starting over without '/lab/2'" /tmp/err

begin_again
start -m "$(mounts 3)" /lab/src/tree
wait_for_files 300
umount -f /lab/2 2>/dev/null
umount -l /lab/2
completed "unmounted by force"

begin_again
umount /lab/2
mount_start 2 soft,timeo=5,retrans=1
start --retries=0 -m "$(mounts 3)" /lab/src/tree
wait_for_files 300
network_block 2
completed "a soft mount is blocked"
check "the error was not told: $(cat /tmp/err)" \
    grep -q "'/lab/2' has not answered for 3 seconds: " /tmp/err

# ---- all that there is

begin_again
umount /lab/1
mount_start 1 soft,timeo=5,retrans=1
start /lab/src/tree -m /lab/1
wait_for_files 300
network_block 1
wait $pid
status=$?
check "only a soft mount: exit status $status: $(tail -n 3 /tmp/err)" [ $status = 11 ]

begin_again
start /lab/src/tree -m /lab/1
wait_for_files 300
network_block 1
sleep 6
check "an only mount point was left: $(cat /tmp/err)" kill -0 $pid
network_unblock 1
completed "blocked for a while"
check "the hang was not told: $(cat /tmp/err)" grep -q "'/lab/1' has not answered" /tmp/err
check "its end was not told: $(cat /tmp/err)" grep -q "'/lab/1' answers again" /tmp/err

begin_again
"$PCOPY" -j 16 --stall-time=3 -m /lab/1,/lab/2 /lab/src/tree copy >/tmp/out 2>/tmp/err &
pid=$!
wait_for_files 300
network_block 1
network_block 2
sleep 1
kill -TERM $pid
wait $pid
status=$?
check "ended: exit status $status: $(cat /tmp/err)" [ $status = 20 ]
check "the end was not told: $(cat /tmp/err)" grep -q "ended without waiting" /tmp/err
echo "ended by a signal after $((SECONDS - begin)) s"
begin_again
exit "$failed"
