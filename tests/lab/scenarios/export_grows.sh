#!/bin/bash
# An export of 20 MiB (the lab's --size) and 60 MiB to copy, in small files and in one. With
# --on-full=wait pcopy waits, says so once, and goes on by itself when the export has grown.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

# grows NAME OPTION...: copies /lab/src/NAME.
grows() {
    local name=$1 pid
    shift
    # What was removed on the server would be in the client's cache.
    mounts_renew ""
    timeout -k 5 200 "$PCOPY" --on-full=wait --retry-wait=1 "$@" -m "$(mounts "$LAB_MOUNTS")" \
        "/lab/src/$name" copy >/tmp/out 2>/tmp/err &
    pid=$!
    until grep -qs "waiting for room" /tmp/err || ! kill -0 $pid 2>/dev/null; do
        sleep 0.2
    done
    # Longer than the first waits.
    sleep 3
    check "$name: it does not wait for room" kill -0 $pid
    mount -o remount,size=200m /lab/export
    wait $pid
    status=$?
    check "$name: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
    grep -v 'these mount points share one' /tmp/err >/tmp/errors
    check "$name: $(wc -l </tmp/errors) lines on stderr: $(head -n 3 /tmp/errors)" \
        [ "$(wc -l </tmp/errors)" = 1 ]
    check "$name: the trees differ" "$TREECMP" "/lab/src/$name" /lab/export/copy
    check "$name: temporary names are left" \
        [ -z "$(find /lab/export/copy -name '.*.pcopy-*' -print -quit)" ]
    echo "$name $*: waited for room and completed, $SECONDS s"
    rm -rf /lab/export/copy
    mount -o "remount,size=$LAB_SIZE" /lab/export
}

make_tree /lab/src/small 60 256 4096
mkdir /lab/src/big
head -c 60M /dev/urandom >/lab/src/big/file
grows small
grows big
grows big --split-size=1M
exit "$failed"
