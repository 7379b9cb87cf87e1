#!/bin/bash
# 500 files in one directory, over one mount and over three: the client lets one mount make one file
# at a time in a directory.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 1 500 4096
race_head
for ((round = 0; round < ${ROUNDS:-5}; round++)); do
    race /lab/src/tree/d1 /lab/1 500 pcopy1 pcopy3
done
echo
ratio "three mounts / one mount" pcopy3 pcopy1
exit "$failed"
