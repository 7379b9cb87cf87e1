#!/bin/bash
# Seconds for 500 files of 4 KiB in 20 directories over one mount, with 64 threads, in turn with the
# floor: a loop of nothing but the system calls. Then the others.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 20 25 4096
race_head
for _ in 1 2 3 4 5 6 7 8 9; do
    race /lab/src/tree /lab/1 500 floor pcopy1
done
race /lab/src/tree /lab/1 500 rclone cp rsync
echo
ratio "pcopy / floor" pcopy1 floor
ratio "pcopy / floor without its directories" pcopy1 loop
ratio "rclone / pcopy" rclone pcopy1
exit "$failed"
