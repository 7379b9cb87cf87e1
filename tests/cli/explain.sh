#!/bin/bash
# --explain, in words and in JSON: what it says is so, it copies nothing, and leaves nothing. And -M,
# several paths to one source.
. "$(dirname "$0")/lib.sh"
need python3
is_root && with_own_mounts

# value EXPRESSION: of the JSON on stdout, which is `j`.
value() {
    python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$OUT" "$1" || fail "no $1 in the JSON"
}

expect_value() {
    local found
    found=$(value "$1") || exit 1
    [ "$found" = "$2" ] || fail "$1 is $found instead of $2"
}

mkdir -p src/d m1 m2
make_many src 20
make_many src/d 20
ln src/f000000 src/d/link

# ---- one destination

before=$(find . | sort)
pcopy --explain -a src new/dst
expect_status 0
expect_no_err
expect_out "destination:"
expect_out "pcopy will           flush the file system before exit 0"
pcopy --explain --json -a src new/dst
expect_status 0
expect_value 'len(j["destination"])' 1
expect_value 'j["destination"][0]["path"]' .
expect_value 'j["destination"][0]["type"]' "$(findmnt -n -o FSTYPE -T . | tail -n 1)"
expect_value 'j["destination"][0]["will"][-1]' 'flush the file system before exit 0'
expect_value '"source" in j' False
[ "$(find . | sort)" = "$before" ] || fail "something is left"
pcopy --explain --fsync=file src dst
expect_out "pcopy will           flush each file before its times are set"
pcopy --explain --fsync=none src dst
expect_out "pcopy will           not flush anything"

# What a file system can do is found by trying, so it must be what others find.
: >probe
has=False
if setfattr -n user.x -v y probe 2>/dev/null; then
    has=True
fi
pcopy --explain --json src dst
expect_value 'j["destination"][0]["xattr"]' $has
touch -d @1.123456789 probe
if [ "$(stat -c %.9Y probe)" = 1.123456789 ]; then
    expect_value 'j["destination"][0]["time_granularity_ns"]' 1
fi
make_sparse sparse 1000000 500000
[ "$(du -k sparse | cut -f 1)" -lt 900 ] && expect_value 'j["destination"][0]["holes"]' True

# ---- what is refused

pcopy --explain src src/below
expect_status 3
pcopy --explain missing dst
expect_status 3
pcopy --json src dst
expect_status 1
expect_err "--json goes with --explain"
if ! is_root; then
    mkdir closed
    chmod 500 closed
    pcopy --explain --json src closed/dst
    expect_value 'j["destination"][0]["problem"]' 'Permission denied'
    expect_value 'j["destination"][0]["will"][0]' 'refuse to copy: Permission denied'
fi

# ---- several mount points of either side

if is_root; then
    mkdir disk
    mount -t tmpfs pcopy-test disk || skip "cannot mount here"
    mkdir disk/export
    for m in m1 m2; do
        mount --bind disk/export $m || skip "cannot mount here"
    done
else
    rmdir m2
    ln -s m1 m2
fi
pcopy --allow-rootfs --explain --json -m m1,m2 src dst
expect_status 0
expect_value '[d["path"] for d in j["destination"]]' "['m1', 'm2']"
expect_value 'j["destination"][1]["will"][0]' 'use it for one entry in 2 of each directory'
[ -z "$(find m1/ -mindepth 1)" ] || fail "something is left on the mount point"

cp -a src m1/
for options in '-j 1' '-j 16' '-j 4 -a' '-j 4 --walkers 4'; do
    # shellcheck disable=SC2086
    pcopy --allow-rootfs $options -M m1,m2 src dst
    expect_status 0
    same m1/src dst
    remove dst
done
pcopy --allow-rootfs -M "$PWD/m1" -M "$PWD/m2/" src/d/f000001 "$PWD/m2/src/f000002" into/
expect_status 0
same src/d/f000001 into/f000001
same src/f000002 into/f000002
pcopy --allow-rootfs --explain --json -M m1,m2 src dst
expect_value '[s["path"] for s in j["source"]]' "['m1', 'm2']"

for source in ../src "$PWD/src"; do
    pcopy --allow-rootfs -M m1,m2 "$source" dst
    expect_status 1
done
pcopy --allow-rootfs -M m1,m2 missing dst
expect_status 3
pcopy --allow-rootfs -M m1,m1/ src dst
expect_status 1

if ! is_root; then
    skip_part 'mounting needs root'
    exit
fi

# Mount points that show different directories, one of them with the same inode number as the
# other: both are the root of a tmpfs.
mkdir t1 t2
for t in t1 t2; do
    mount -t tmpfs pcopy-test $t || skip "cannot mount here"
done
for options in '-m t1,t2' '-m t1,m1' '--explain -m t1,t2' '--explain -m t1,m1'; do
    # shellcheck disable=SC2086
    pcopy $options src dst
    expect_status 3
    expect_err "do not show the same directory"
    [ -z "$(find t1 t2 -mindepth 1)" ] || fail "something is left on the mount points"
done
pcopy -M t1,m1 . dst
expect_status 3

# Nothing is mounted on the one, so it is the disk of the machine that would fill up.
if [ "$(stat -c %d /)" = "$(stat -c %d .)" ]; then
    mkdir nothing
    pcopy -m m1,nothing src dst
    expect_status 3
    expect_err "'nothing': nothing is mounted there"
    expect_err "--allow-rootfs"
    [ -z "$(find m1 nothing -mindepth 1 ! -path 'm1/src*')" ] || fail "refused, but written"
fi
