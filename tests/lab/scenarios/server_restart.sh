#!/bin/bash
# The server is stopped and started again while a tree is copied to it over hard mounts: small files,
# small files under temporary names, and one file in ranges. The copy waits for it, and what the
# server has then is whole. An answer that is lost with the server lets the client ask again for what
# was done already: that must be no error of pcopy's.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

# Over NFSv4 each start is a time of grace, in which nothing is opened.
restarts=4
[ "$LAB_VERS" = 3 ] || restarts=2

# How much of the copy the server has: files, and blocks of 4 KiB.
progress() {
    local files blocks
    files=$(find /lab/export/copy -type f 2>/dev/null | wc -l)
    blocks=$(du -sk /lab/export/copy 2>/dev/null | awk '{ print int($1 / 4) }')
    echo $((files + ${blocks:-0}))
}

# restarted NAME OPTION...: copies /lab/src/NAME with the server going and coming.
restarted() {
    local name=$1 pid begin=$SECONDS last=0 now stopped=0
    shift
    mounts_renew ""
    timeout -k 5 250 "$PCOPY" "$@" -m "$(mounts "$LAB_MOUNTS")" "/lab/src/$name" copy \
        >/tmp/out 2>/tmp/err &
    pid=$!
    while [ $stopped -lt $restarts ] && kill -0 $pid 2>/dev/null; do
        now=$(progress)
        if [ "$now" -lt $((last + 20)) ]; then
            sleep 0.05
            continue
        fi
        server_stop
        kill -0 $pid 2>/dev/null && stopped=$((stopped + 1))
        last=$(progress)
        sleep 1
        server_start
    done
    wait $pid
    status=$?
    check "$name $*: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
    grep -v 'these mount points share one' /tmp/err >/tmp/errors
    check "$name $*: errors: $(head -n 5 /tmp/errors)" [ ! -s /tmp/errors ]
    check "$name $*: the server was stopped $stopped times in mid-copy, not $restarts" \
        [ $stopped = $restarts ]
    check "$name $*: the trees differ" "$TREECMP" "/lab/src/$name" /lab/export/copy
    check "$name $*: temporary names are left" \
        [ -z "$(find /lab/export/copy -name '.*.pcopy-*' -print -quit)" ]
    echo "$name $*: $stopped stops, $((SECONDS - begin)) s"
    rm -rf /lab/export/copy
}

make_tree /lab/src/small 60 60 4096
for ((i = 1; i <= 60; i += 3)); do
    ln "/lab/src/small/d$i/f1" "/lab/src/small/d$((i + 1))/link"
    ln -s "../d$i" "/lab/src/small/d$i/symlink"
done
mkdir /lab/src/big
head -c 80M /dev/urandom >/lab/src/big/file

# Such a delay that there is time for all the stops.
network_rtt 2
restarted small -j 8
restarted small -j 8 --atomic
restarted big -j 8 --split-size=1M --bwlimit=8M
exit "$failed"
