#!/bin/bash
# fidelity.sh [CASE]...: the cases of tests/fidelity with source and destination on NFS, those named
# or all but the one whose number of files is its point. What NFS cannot hold is skipped by the
# cases themselves, which say so. Wants --disk=ext4 --size=2g.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

run=$LAB/../fidelity/run
cases=("$@")
if [ $# = 0 ]; then
    mapfile -t cases < <("$run" --list | cut -f 1 | grep -vx many_entries)
fi
mkdir /lab/1/fidelity
"$run" --fs /lab/1/fidelity "${cases[@]}" | tee /tmp/results
status=${PIPESTATUS[0]}
check "most cases could not be run" [ $((2 * $(grep -c '^PASS ' /tmp/results))) -ge ${#cases[@]} ]
check "exit status $status" [ "$status" = 0 ]
exit "$failed"
