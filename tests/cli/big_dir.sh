#!/bin/bash
# One directory with 100,000 files, and one with 5,000 subdirectories.
. "$(dirname "$0")/lib.sh"
work_in_memory

make_many src/flat 100000
mkdir src/wide
(cd src/wide && seq 1 5000 | xargs mkdir)
touch src/wide/777/file

copies() {
    pcopy --fsync=none "$@" src dst
    expect_status 0
    expect_summary files 100001
    expect_summary directories 5003
    same src dst
}
copies -j 64
pcopy --fsync=none -j 64 src dst
expect_status 0
expect_summary files 0
expect_summary skipped 100001
same src dst
rm -rf dst

copies -j 2 --queue-size=2 --walkers=4
