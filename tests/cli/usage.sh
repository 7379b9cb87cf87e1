#!/bin/bash
# Every command line that is refused: with which exit status, in which words, and that nothing was
# written before.
. "$(dirname "$0")/lib.sh"

# refuses STATUS TEXT ARGUMENTS...
refuses() {
    local expected=$1 text=$2
    shift 2
    local before
    before=$(picture)
    pcopy "$@"
    expect_status "$expected"
    [ ! -s "$OUT" ] || fail "something on stdout"
    grep -q '^pcopy: ' "$ERR" || fail "no message"
    expect_err "$text"
    [ "$(picture)" = "$before" ] || fail "refused, and still something was written"
}

mkdir -p src/sub/below dst m1 a b
ln -s m1 m2
echo file >src/file
echo file >file
echo file >a/same
echo file >b/same
mkdir a/dir b/dir
ln -s src link_to_src
ln -s src/sub link_to_sub
ln -s file link_to_file

# ---- 1: what was typed makes no sense

refuses 1 missing
refuses 1 missing src
refuses 1 missing -t dst
refuses 1 missing --
refuses 1 empty '' dst
refuses 1 empty src ''
refuses 1 empty -t '' src
refuses 1 twice -t dst -t m1 src
refuses 1 nonsense --nonsense src dst
refuses 1 -Z -Z src dst
refuses 1 -j src dst -j
refuses 1 --mounts src dst --mounts
refuses 1 --verbose --verbose=yes src dst

for number in 0 1025 -1 4x x '' ' ' 0x10 1.5 99999999999999999999; do
    refuses 1 "from 1 to 1024, not '$number'" --jobs="$number" src dst
    refuses 1 "from 1 to 1024, not '$number'" -j "$number" src dst
done
for number in 0 65 -1 x ''; do
    refuses 1 walkers --walkers="$number" src dst
done
for number in 0 1 -2 x '' 2X 99999999999999999999G; do
    refuses 1 queue-size --queue-size="$number" src dst
done
for size in 0 1 4095 65M 1G -4K x ''; do
    refuses 1 buffer-size --buffer-size="$size" src dst
done
refuses 1 fsync --fsync=always src dst
refuses 1 fsync --fsync= src dst
refuses 1 preserve --preserve=mode,nonsense src dst
refuses 1 preserve --no-preserve=nonsense src dst

refuses 1 mount --allow-rootfs -m '' src dst
refuses 1 mount --allow-rootfs -m , src dst
refuses 1 mount --allow-rootfs -m m1,,m2 src dst
refuses 1 mount --allow-rootfs -m m1 -m '' src dst
refuses 1 twice --allow-rootfs -m m1,m2,m1/ src dst
refuses 1 "$PWD/dst" --allow-rootfs -m m1,m2 src "$PWD/dst"
refuses 1 "$PWD/m1x" --allow-rootfs -m m1,m2 src "$PWD/m1x"
refuses 1 /nowhere --allow-rootfs -m "$PWD/m1,$PWD/m2" src /nowhere
refuses 1 .. --allow-rootfs -m m1,m2 src ../dst
refuses 1 .. --allow-rootfs -m m1,m2 src a/../../dst
refuses 1 .. --allow-rootfs -m m1,m2 src "$PWD/m1/../dst"
refuses 1 .. --allow-rootfs -m m1,m2 -t .. src

# The good line, so that the ones above are refused for what is wrong with them.
pcopy --jobs=1024 --walkers=64 --queue-size=2 --buffer-size=4K --fsync=none -q src dst
expect_status 0
pcopy -j 1 --walkers=1 --queue-size=1M --buffer-size=64M --fsync=file -q src dst
expect_status 0
pcopy -j 1 --queue-size=4K --fsync=end --allow-rootfs -m m1 -m m2 -q src dst
expect_status 0
rm -rf dst m1/dst
mkdir dst

# ---- 3: source and destination do not go together

refuses 3 "'missing'" missing dst
refuses 3 "'missing'" src missing dst
refuses 3 "'src/missing/file'" src/missing/file dst
refuses 3 "'file/'" file/ dst

refuses 3 'src' src src
refuses 3 'src' src/ ./src/.
refuses 3 'src' src "$PWD/src"
refuses 3 'src' link_to_src src
refuses 3 'src' src link_to_src
refuses 3 'src' src src/sub/..
refuses 3 'file' file file
refuses 3 'file' file ./file
refuses 3 'file' file .
refuses 3 'file' file link_to_file
refuses 3 'file' src/file src
refuses 3 'src' -t . src
refuses 3 'src' --allow-rootfs -m .,"$PWD" src src

refuses 3 'src/sub' src src/sub
refuses 3 'src/new' src src/new
refuses 3 'src/sub/below/new/newer' src src/sub/below/new/newer
refuses 3 'link_to_sub' src link_to_sub
refuses 3 'link_to_sub/new' src link_to_sub/new
refuses 3 'src' src dst/../src/new
refuses 3 'src' -t src src
refuses 3 'src' -t src file src
refuses 3 'new' --allow-rootfs -m src,link_to_src src new

refuses 3 'file' src file
refuses 3 'file' src file/
refuses 3 'file' src link_to_file
refuses 3 'file' src file/below
refuses 3 'file' src a file
refuses 3 'file' -t file src
refuses 3 'a/same' src a/same/below/it

refuses 3 'missing' --allow-rootfs -m missing src dst
refuses 3 'missing' --allow-rootfs -m m1,missing src dst
refuses 3 'file' --allow-rootfs -m m1,file src dst
refuses 3 'same directory' --allow-rootfs -m a,b src dst
if [ "$(stat -c %d .)" = "$(stat -c %d /)" ]; then
    refuses 3 root -m m1,m2 src dst
fi

refuses 3 'same' a/same b/same dst
refuses 3 'same' a/same a/same dst
refuses 3 'dir' a/dir b/dir/ dst
refuses 3 'dir' -t dst a/dir ./b/../b/dir//
refuses 3 'same' -t new a/same b/same

# ---- all of the path is one place: nothing is written beside the destination

mkdir -p deep/inside
(cd deep/inside && refuses 3 '..' -t ../../dst ..) || exit 1
refuses 3 '/' -t dst /

# ---- -h and --version are not refused

pcopy --help
expect_status 0
expect_no_err
expect_out Usage
expect_out --target-directory
pcopy -h
expect_status 0
expect_out Usage
pcopy --version
expect_status 0
grep -qE '^pcopy [0-9]+\.[0-9]+\.[0-9]+$' "$OUT" || fail "no version"

# ---- a closed stdout is an error, not a success

run bash -c '"$0" --version >&-' "$PCOPY"
[ "$status" != 0 ] || fail "--version wrote nowhere and succeeded"
