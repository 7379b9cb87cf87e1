#!/bin/bash
# NFS calls for each of 500 files of 4 KiB in 20 directories, over one mount: LOOKUP, CREATE, WRITE
# and SETATTR, or OPEN, WRITE, SETATTR and CLOSE, and a few for the directories. To keep the owner as
# well may take one more.
# PEERS="cp rsync rclone" prints theirs for comparison.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

run() {
    local name=$1
    shift
    mounts_renew ""
    counted 500 "$@"
    printf '%-16s %s  %s\n' "$name" "$rpcs" "$calls"
}

# run_pcopy NAME LIMIT OPTION...
run_pcopy() {
    local name=$1 limit=$2
    shift 2
    run "$name" "$PCOPY" "$@" /lab/src/tree "/lab/1/$name"
    check "$name: exit status $status" [ "$status" = 0 ]
    check "$name: $rpcs calls per file, more than $limit" at_most "$rpcs" "$limit"
    check "$name: the trees differ" "$TREECMP" /lab/src/tree "/lab/export/$name"
}

make_tree /lab/src/tree 20 25 4096
run_pcopy default 4.15
find /lab/src/tree -type f -exec chown 1000:1000 {} +
run_pcopy archive 5.15 -a
for peer in ${PEERS-}; do
    case $peer in
    cp) run "cp -a" cp -a /lab/src/tree /lab/1/cp ;;
    rsync) run "rsync -a" rsync -a /lab/src/tree/ /lab/1/rsync ;;
    rclone) run "rclone 64" rclone copy --transfers 64 --checkers 64 /lab/src/tree /lab/1/rclone ;;
    esac
done
exit "$failed"
