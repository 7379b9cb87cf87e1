#!/bin/bash
# From NFS to a local directory: the calls that reading 500 files of 4 KiB in 20 directories takes.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/export/tree 20 25 4096
mkdir /tmp/local
race_head
race /lab/1/tree /tmp/local 500 floor pcopy1 rclone cp rsync
exit "$failed"
