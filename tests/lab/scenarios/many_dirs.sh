#!/bin/bash
# 500 directories with one file each, over one mount and over three. The client lets one mount make
# one name at a time in a directory, directories too.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 500 1 4096
race_head
for _ in 1 2 3 4 5; do
    race /lab/src/tree /lab/1 500 rclone pcopy1 pcopy3
done
race /lab/src/tree /lab/1 500 cp
echo
ratio "rclone / pcopy" rclone pcopy1
ratio "rclone / pcopy with three mounts" rclone pcopy3
exit "$failed"
