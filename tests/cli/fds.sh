#!/bin/bash
# 256 descriptors are enough for 64 threads, whatever the tree looks like.
. "$(dirname "$0")/lib.sh"
work_in_memory

few() {
    run bash -c 'ulimit -n 256; exec "$@"' - "$PCOPY" "$@"
}

# Many directories with a file each; one long chain of them; and files big enough to stay open for a
# while, with names that are tied across directories.
mkdir -p src/wide
(cd src/wide && mkdir {1..1000} && for d in *; do echo "$d" >"$d/file"; done)
chain=src/$(printf 'level/%.0s' {1..300})
mkdir -p "$chain"
(cd src && while [ -d level ]; do cd level && echo x >file; done)
mkdir src/big
for i in {1..100}; do
    make_file "src/big/$i" 400000
    ln "src/big/$i" "src/wide/$i/tied"
done
mkdir m1
ln -s m1 m2
ln -s m1 m3

for options in '' --walkers=16 -a --fsync=file --queue-size=2; do
    # shellcheck disable=SC2086
    few -j 64 $options src dst
    expect_status 0
    expect_summary errors 0
    same src dst
    rm -rf dst
done
few -j 64 --allow-rootfs -m m1,m2,m3 src dst
expect_status 0
expect_summary errors 0
same src m1/dst
# The second run opens what is there already.
few -j 64 --allow-rootfs -m m1,m2,m3 src dst
expect_status 0
same src m1/dst

# With fewer there are fewer threads, and at the end it is said how many files are needed.
for limit in 100 60 40; do
    run bash -c "ulimit -n $limit"'; exec "$@"' - "$PCOPY" -j 64 src "low-$limit"
    expect_status 0
    expect_err "the limit of $limit open files allows"
    same src "low-$limit"
    rm -rf "low-$limit"
done
run bash -c 'ulimit -n 20; exec "$@"' - "$PCOPY" -j 64 src low
expect_status 11
expect_err "the limit of 20 open files is too low: this run needs"
needed=$(sed -n 's/.*this run needs \([0-9]*\).*/\1/p' "$ERR")
run bash -c "ulimit -n $needed"'; exec "$@"' - "$PCOPY" -j 64 src low
expect_status 0
same src low
