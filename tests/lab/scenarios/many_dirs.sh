#!/bin/bash
# 500 directories with one file each, over one mount and over three. The client lets one mount make
# one name at a time in a directory, directories too: side by side, 500 of them take a mount 500
# round trips whoever makes them. In 20 directories they do not stand in one line.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 500 1 4096
for ((i = 1; i <= 20; i++)); do
    make_tree "/lab/src/nested/a$i" 25 1 4096
done
race_head
for _ in 1 2 3; do
    race /lab/src/tree /lab/1 500 rclone pcopy1 pcopy3
done
race /lab/src/tree /lab/1 500 cp
echo
ratio "rclone / pcopy" rclone pcopy1
ratio "rclone / pcopy with three mounts" rclone pcopy3

took=()
printf '\n25 directories in each of 20:\n\n'
race_head
for _ in 1 2 3; do
    race /lab/src/nested /lab/1 500 rclone pcopy1 pcopy3
done
echo
ratio "rclone / pcopy" rclone pcopy1
ratio "rclone / pcopy with three mounts" rclone pcopy3
exit "$failed"
