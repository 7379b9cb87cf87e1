#!/bin/bash
# A disk that fails (dm-flakey, error_writes) under a copy: the exit status is not 0, and says what
# could not be written; the next run on the disk that was mended repairs all. It fails
#   all       everywhere: the file system gives up
#   data      where the data of files lies, so that only write-back comes to know of it, and the
#             page cache goes on to have what the disk has not
# The lab has --disk and --mounts=0.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"
export DM_DISABLE_UDEV=1 # there is none that would make the device's name

command -v dmsetup >/dev/null || {
    echo "SKIP: dmsetup is not installed"
    exit 77
}

src=/lab/src/tree
dst=/lab/export/dst
journal=/tmp/journal
device=/dev/mapper/flakey

# table FROM: everything from that sector on fails, to be written only.
table() {
    [ "$1" = 0 ] || echo "0 $1 linear /dev/ubda 0"
    [ "$1" = "$sectors" ] || echo "$1 $((sectors - $1)) flakey /dev/ubda $1 0 60 1 error_writes"
}

# disk good|all|data: what it is from now on.
disk() {
    local from=$sectors
    [ "$1" != all ] || from=0
    [ "$1" != data ] || from=$data_at
    table "$from" | dmsetup reload flakey
    # Not by way of the file system, which would flush everything.
    dmsetup suspend --nolockfs flakey
    dmsetup resume flakey
}

# A new file system, whose metadata lies in front as far as that can be had.
make_disk() {
    local start blocks
    if [ "$LAB_DISK" = ext4 ]; then
        # Directories, too, lie in their inodes.
        mkfs.ext4 -q -F -b 4096 -N 2048 -I 1024 -O inline_data \
            -E packed_meta_blocks=1,lazy_itable_init=0 $device
        start=$(dumpe2fs $device 2>/dev/null |
            sed -n 's/^  Free blocks: \([0-9]\+\).*/\1/p;T;q')
        blocks=0
    else
        mkfs.xfs -q -f -d agcount=2 -l agnum=0 $device
        read -r start blocks < <(xfs_db -r -c 'sb 0' -c 'p logstart logblocks' $device |
            awk '{ printf "%s ", $3 }')
    fi
    data_at=$(((start + blocks) * 8))
    mount_disk
}

mount_disk() {
    mount $device /lab/export
}

# copy OPTION...
copy() {
    "$PCOPY" -q -j 4 --split-size=1M --retries=0 "$@" $src $dst >/tmp/out 2>/tmp/err
    status=$?
}

failed_well() {
    check "$what: exit status $status" [ $status = 11 -o $status = 23 ]
    check "$what: the error does not say where: $(head -n 3 /tmp/err)" grep -q $dst /tmp/err
    echo "$what: exit status $status, $(wc -l </tmp/err) lines: $(head -n 1 /tmp/err)"
}

# What is on the disk, not what is cached of it.
is_whole() {
    check "$what: the next run: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
    umount /lab/export
    mount_disk
    "$TREECMP" $src $dst >/tmp/differences 2>&1 ||
        fail "$what: the trees differ: $(head -n 5 /tmp/differences)"
    umount /lab/export
}

make_tree $src 50 4 20000
head -c $((8 * 1024 * 1024 + 1)) /dev/urandom >$src/d3/big
find $src -depth -exec touch -h -d '2020-02-03 04:05:06.789012345' {} +

umount /lab/export
modprobe -a dm-mod dm-flakey
sectors=$(blockdev --getsz /dev/ubda)
echo "0 $sectors linear /dev/ubda 0" | dmsetup create flakey || exit 1
# A flush is a write without data, and no failure of these is what this is about.
echo 'write through' >/sys/block/dm-0/queue/write_cache

for way in 'data end' 'data file' 'all end'; do
    read -r where fsync <<<"$way"
    what="$LAB_DISK, $where, --fsync=$fsync"
    rm -f $journal
    make_disk
    disk "$where"
    # So slow that the journal notes what is finished meanwhile, or would.
    copy "--fsync=$fsync" --journal=$journal --bwlimit=8M
    failed_well
    disk good
    if [ "$where" = all ]; then
        umount /lab/export
        mount_disk
    fi
    copy "--fsync=$fsync" --journal=$journal
    is_whole
done

# For a while only, and somebody else is told of it before the copy flushes.
what="$LAB_DISK, for a while"
make_disk
(copy --bwlimit=6M; exit "$status") &
sleep 0.5
disk data
sleep 0.5
sync -f /lab/export && fail "$what: sync has not failed"
disk good
wait $!
status=$?
failed_well
copy --verify=checksum
is_whole
exit "$failed"
