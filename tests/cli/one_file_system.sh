#!/bin/bash
# -x: what is mounted inside the source arrives as an empty directory.
. "$(dirname "$0")/lib.sh"
need_root
with_own_mounts

mkdir -p src/dir/mounted src/after
echo file >src/file
echo file >src/after/file
mount -t tmpfs -o mode=751 none src/dir/mounted || skip "cannot mount a tmpfs here"
mkdir src/dir/mounted/sub
echo inside >src/dir/mounted/sub/file
touch -d @1000000000 src/dir/mounted/sub src/dir/mounted

pcopy src all
expect_status 0
same src all

for options in -x --one-file-system '-x -j 64 --walkers=8'; do
    # shellcheck disable=SC2086
    pcopy $options src dst
    expect_status 0
    expect_no_err
    [ -d dst/dir/mounted ] || fail "there is no directory for the mount point"
    [ -z "$(ls -A dst/dir/mounted)" ] || fail "the mounted file system was copied"
    # But for what is in it, all is the same, the mount point's own metadata too.
    mkdir dst/dir/mounted/sub
    cp -p src/dir/mounted/sub/file dst/dir/mounted/sub
    touch -d @1000000000 dst/dir/mounted/sub dst/dir/mounted
    same src dst
    rm -rf dst
done

# A SRC on another file system than the one before is a source like any other.
mkdir plain
echo file >plain/file
pcopy -x plain src/dir/mounted both
expect_status 0
same plain both/plain
same src/dir/mounted both/mounted

# A mounted destination is nothing special.
mkdir target
mount -t tmpfs none target
pcopy -x src/after target/dst
expect_status 0
same src/after target/dst
