#!/bin/bash
# A tree 5000 levels deep: its paths are many times as long as PATH_MAX.
. "$(dirname "$0")/lib.sh"

path=$(printf 'directory_%.0s/' {1..5000})
mkdir -p "src/$path"
echo top >src/file
# The shell goes down in steps that are short enough for it.
(
    cd src || exit 1
    for _ in {1..50}; do
        cd "$(printf 'directory_%.0s/' {1..100})" || exit 1
    done
    echo bottom >file
    ln file link
    ln -s target symlink
    mkfifo fifo
) || exit 1
touch -d @1000000000.5 src

# copies DST ARGUMENTS...: twice.
copies() {
    local dst=$1
    shift
    run "$@"
    expect_status 0
    expect_summary errors 0
    expect_summary files 2
    expect_summary directories 5001
    same src "$dst"
    run "$@"
    expect_status 0
    expect_summary files 0
    same src "$dst"
    rm -rf "$dst"
}

# Descriptors are few, so that none can be kept for each level.
few=(bash -c 'ulimit -n 256; exec "$@"' -)
copies dst "${few[@]}" "$PCOPY" -j 1 src dst
copies dst "${few[@]}" "$PCOPY" -j 64 --walkers=8 src dst
mkdir m1
ln -s m1 m2
copies m1/dst "$PCOPY" -j 4 -a --allow-rootfs -m m1,m2 src dst

# An error at the bottom is told with the whole path.
mkdir -p "dst/$path"
(
    cd dst || exit 1
    for _ in {1..50}; do
        cd "$(printf 'directory_%.0s/' {1..100})" || exit 1
    done
    mkdir file
) || exit 1
pcopy src dst
expect_status 23
expect_summary errors 1
expect_err "directory_/directory_/file'"
