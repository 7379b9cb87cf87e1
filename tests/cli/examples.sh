#!/bin/bash
# The scripts that are installed as examples do what they say.
. "$(dirname "$0")/lib.sh"
is_root && with_own_mounts

examples=$lib_dir/../../examples
mkdir bin
ln -s "$PCOPY" bin/pcopy
export PATH=$PWD/bin:$PATH

# ---- mirror: silent, and careful with deletions

make_many src 40
run "$examples/mirror" src dst
expect_status 0
expect_no_out
expect_no_err
same src dst
rm src/f000001
run "$examples/mirror" src dst
expect_status 0
expect_no_out
expect_no_err
same src dst
rm src/f00001*
run "$examples/mirror" src dst
expect_status 25
expect_out 'nothing was deleted'
expect_out '*deleting   f000012'
[ -e dst/f000012 ] || fail "something was deleted"
run "$examples/mirror" missing dst
expect_status 3
run "$examples/mirror" src
expect_status 1

# ---- ingest: copied, compared, and a list that finds damage later

is_root || skip "without root there are no mount points to test ingest with"
mkdir export m1 m2
if ! { mount -t tmpfs tmpfs export && mount --bind export m1 && mount --bind export m2; }; then
    skip "cannot mount here"
fi
run "$examples/ingest" m1,m2 src data/run42 run42.xxh
expect_status 0
same src export/data/run42
[ "$(wc -l <run42.xxh)" = "$(find src -type f | wc -l)" ] || fail "the list is not complete"
flip export/data/run42/f000002 0
pcopy -m m1,m2 --check-against=run42.xxh data/run42
expect_status 23
# What cannot be copied ends it: there is no "all is well" from the second command.
mkdir -p export/data/run43/f000002/below
run "$examples/ingest" m1,m2 src data/run43 run43.xxh
expect_status 23
