#!/bin/bash
# Copies a real source tree with 64 threads, over one path and over two, and compares the copies.
# The tree is Debian's glibc-source package, kept in build/real_tree; PCOPY_REAL_TREE=DIR names
# another one. Needs PCOPY (the program) and TREECMP (the checker).
set -u
: "${PCOPY:?}" "${TREECMP:?}"
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
cache=$root/build/real_tree

skip() {
    echo "SKIP: $1"
    exit 77
}

# What was downloaded and unpacked halfway has another name, so that a later run starts again.
get_tree() {
    command -v apt-get >/dev/null || skip "no apt-get to get the package glibc-source with"
    command -v xz >/dev/null || skip "xz is not installed"
    rm -rf "$cache" "$cache.part"
    mkdir -p "$cache.part" && cd "$cache.part" || exit 1
    apt-get -q download glibc-source || {
        # A machine made from an image often has no package lists.
        [ "$(id -u)" = 0 ] && apt-get -q update && apt-get -q download glibc-source
    } || skip "the package glibc-source cannot be downloaded"
    dpkg-deb -x glibc-source_*.deb . && tar -xf usr/src/glibc/glibc-*.tar.xz || exit 1
    rm -rf glibc-source_*.deb usr
    mv "$cache.part" "$cache"
    cd "$root" || exit 1
}

copy_and_compare() {
    echo "\$ pcopy $*"
    "$PCOPY" "$@" && "$TREECMP" "$tree" "$tmp/dst" || exit 1
    rm -rf "$tmp/dst"
}

tree=${PCOPY_REAL_TREE:-$cache}
if [ ! -d "$tree" ]; then
    get_tree
fi
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
ln -s . "$tmp/mnt1"
ln -s . "$tmp/mnt2"
echo "$tree: $(find "$tree" | wc -l) entries, $(du -sh "$tree" | cut -f 1)"
copy_and_compare -j 64 "$tree" "$tmp/dst"
copy_and_compare -j 64 --allow-rootfs -m "$tmp/mnt1,$tmp/mnt2" "$tree" dst
