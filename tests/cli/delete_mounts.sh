#!/bin/bash
# --delete and mount points: what is mounted below the destination is not entered to delete, and
# with -x a directory that was not looked into at the source is not emptied.
. "$(dirname "$0")/lib.sh"
need_root
with_own_mounts

mkdir -p src/dir dst/dir/mounted dst/gone/deep/mounted dst/mounted
echo file | tee src/file src/dir/file >dst/extra
for place in dst/dir/mounted dst/gone/deep/mounted dst/mounted; do
    mount -t tmpfs none $place || skip 'cannot mount here'
    mkdir $place/below
    echo precious | tee $place/file >$place/below/file
done
echo gone | tee dst/gone/file >dst/gone/deep/file

all_there() {
    local place
    for place in dst/dir/mounted dst/gone/deep/mounted dst/mounted; do
        [ "$(cat $place/file $place/below/file)" = precious$'\n'precious ] ||
            fail "something below the mount point $place is gone"
    done
}

for options in '-n -i' '' -x -a --force; do
    # shellcheck disable=SC2086
    pcopy --delete $options src dst
    all_there
    [ "$options" = '-n -i' ] || {
        for gone in dst/extra dst/gone/file dst/gone/deep/file; do
            [ ! -e $gone ] || fail "$gone is not mounted, and still there"
        done
        same src/file dst/file
        same src/dir/file dst/dir/file
    }
done
# A mount point that the source has as a directory is part of the copy.
mkdir src/mounted
echo file >src/mounted/new
pcopy --delete src dst
same src/mounted dst/mounted names,bytes
umount dst/mounted dst/gone/deep/mounted dst/dir/mounted
pcopy --delete src dst
expect_status 0
same src dst

# ---- -x: what is mounted at the source was not looked into

mkdir src/dir/at_source
mount -t tmpfs none src/dir/at_source
echo inside >src/dir/at_source/file
mkdir dst/dir/at_source
echo keep >dst/dir/at_source/keep
echo extra >dst/dir/extra
pcopy -x --delete src dst
expect_status 0
[ -e dst/dir/at_source/keep ] || fail "deleted where the source was not looked into"
[ ! -e dst/dir/at_source/file ] || fail "-x, and still copied"
[ ! -e dst/dir/extra ] || fail "the rest is not gone"
pcopy --delete src dst
expect_status 0
same src dst
