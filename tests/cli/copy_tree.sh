#!/bin/bash
# A tree with every kind of entry, copied with one, few and many threads, with default options and
# with -a. A second run finds nothing to do and changes nothing; the source is never changed.
. "$(dirname "$0")/lib.sh"

# What a second run must leave alone: every file, symlink and special file, seen by its inode; a
# file's change time tells even a call that changed nothing.
untouched() {
    find "$1" ! -type d ! -type f -printf '%i %p\0' -o -type f -printf '%i %C@ %p\0' |
        sort -z | cksum
}

make_tree src
files=$(find src -type f -printf '%i\n' | sort -u | wc -l)
source_before=$(cd src && picture)

for options in '-j 1' '-j 4' '-j 64' '-j 1 -a' '-j 4 -a' '-j 64 -a' '-j 64 --walkers=16'; do
    checks=
    [[ $options = *-a* ]] && checks=$everything
    # shellcheck disable=SC2086
    pcopy $options src dst
    expect_status 0
    expect_no_err
    expect_summary files "$files"
    expect_summary errors 0
    same src dst $checks
    no_temporary dst

    before=$(untouched dst)
    # shellcheck disable=SC2086
    pcopy $options src dst
    expect_status 0
    expect_no_err
    expect_summary files 0
    expect_summary bytes 0
    [ "$(summary skipped)" -ge "$files" ] || fail "not all files were skipped"
    same src dst $checks
    [ "$(untouched dst)" = "$before" ] || fail "the second run changed something"
    remove dst
done

# ---- slashes and dots around the names mean nothing

for pair in 'src/ dst' 'src dst/' 'src/// dst///' './src/. ./dst' "$PWD/src $PWD/dst" \
    'src/../src dst'; do
    # shellcheck disable=SC2086
    pcopy $pair
    expect_status 0
    same src dst
    # shellcheck disable=SC2086
    pcopy $pair
    expect_status 0
    same src dst
    remove dst
done

[ "$(cd src && picture)" = "$source_before" ] || fail "the source was changed"
