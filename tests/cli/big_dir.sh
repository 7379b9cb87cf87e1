#!/bin/bash
# One directory with 100,000 entries, and one with 20,000 subdirectories.
. "$(dirname "$0")/lib.sh"
work_in_memory

make_many src/flat 100000
mkdir src/wide
(cd src/wide && seq 1 20000 | xargs mkdir)
touch src/wide/777/file

for options in '-j 64' '-j 2 --queue-size=2 --walkers=4'; do
    # shellcheck disable=SC2086
    pcopy --fsync=none $options src dst
    expect_status 0
    expect_summary files 100001
    expect_summary directories 20003
    same src dst
    # shellcheck disable=SC2086
    pcopy --fsync=none $options src dst
    expect_status 0
    expect_summary files 0
    expect_summary skipped 100001
    same src dst
    rm -rf dst
done
