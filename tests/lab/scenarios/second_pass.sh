#!/bin/bash
# A second run over an unchanged tree, and the second pass of --verify: each directory of the
# destination is listed once, no file is asked for. FILES are in DIRECTORIES (500 in 20); at most
# LIMIT calls for each file (0.15).
# PEERS="rclone rsync" times theirs for comparison.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

directories=${DIRECTORIES:-20} files=${FILES:-500} limit=${LIMIT:-0.15}

# run NAME COMMAND...
run() {
    local name=$1
    shift
    mounts_renew ""
    counted "$files" "$@"
    printf '%-24s %s RPCs/file, %s s  %s\n' "$name" "$rpcs" "$seconds" "$calls"
}

make_tree /lab/src/tree "$directories" $((files / directories)) 4096
run "first run" "$PCOPY" -q -j 64 /lab/src/tree /lab/1/copy
check "first run: exit status $status" [ "$status" = 0 ]

for ((round = 0; round < ${ROUNDS:-1}; round++)); do
    run "second run" "$PCOPY" -j 64 /lab/src/tree /lab/1/copy
    check "second run: exit status $status" [ "$status" = 0 ]
    check "second run: $rpcs calls per file, more than $limit" at_most "$rpcs" "$limit"
    check "second run: something was copied" grep -q "^0 bytes .* $files skipped" /tmp/out
    # What --verify does is the same pass once more, here with nothing before it.
    run "verify only" "$PCOPY" --verify-only -j 64 /lab/src/tree /lab/1/copy
    check "verify only: exit status $status" [ "$status" = 0 ]
    check "verify only: $rpcs calls per file, more than $limit" at_most "$rpcs" "$limit"
    check "verify only: differences" [ ! -s /tmp/out ]
    for peer in ${PEERS-}; do
        case $peer in
        rclone)
            run "rclone, 64 checkers" \
                rclone copy -q --transfers 64 --checkers 64 /lab/src/tree /lab/1/copy
            ;;
        rsync) run "rsync -a" rsync -a /lab/src/tree/ /lab/1/copy ;;
        esac
    done
done

# The whole of it: the verifying pass alone costs no more than a second run.
run "copy and verify" "$PCOPY" -q -j 64 --verify /lab/src/tree /lab/1/both
check "copy and verify: exit status $status" [ "$status" = 0 ]
check "copy and verify: something was repaired" [ ! -s /tmp/err ]
check "copy and verify: the trees differ" "$TREECMP" /lab/src/tree /lab/export/both
exit "$failed"
