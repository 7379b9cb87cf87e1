#!/bin/bash
# In a cgroup that is limited to 128 MiB of memory, page cache included, a copy of more than fits
# there to ext4 is completed, and nothing is killed. BIG=1 copies 8 GiB instead of one.
#
# Source and destination lie on a disk: the pages of a tmpfs are memory that cannot be given back.
# The source is made outside of the cgroup, and dropped from the cache, so that reading it is charged
# to the copy.
. "$(dirname "$0")/lib.sh"
need_root
need mkfs.ext4 losetup
with_own_mounts

limit=$((128 * 1024 * 1024))
# What a sanitizer keeps of each thread and of what was freed is not what this is about.
sanitized && limit=$((4 * limit))
mebibytes=1024
if [ "${BIG:-}" = 1 ]; then
    mebibytes=8192
    patience=1800
fi

# ---- a cgroup below the one we are in, of whichever kind has the controller here

cgroup=
remove_cgroup() {
    local i
    [ -n "$cgroup" ] || return
    # What has just ended may not have left it yet.
    for ((i = 0; i < 50; i++)); do
        rmdir "$cgroup" 2>/dev/null && break
        sleep 0.1
    done
    cgroup=
}
at_end() {
    local result=$?
    remove_cgroup
    (exit "$result")
    at_exit
}
trap at_end EXIT

# our_path LINE: where that line of /proc/self/cgroup says we are.
our_path() {
    sed -n "s/^[0-9]*:$1://p" /proc/self/cgroup | head -n 1
}

# find_mount TYPE OPTION: where such a file system is mounted.
find_mount() {
    awk -v type="$1" -v option="$2" \
        '$3 == type && (option == "" || "," $4 "," ~ "," option ",") { print $2; exit }' \
        /proc/self/mounts
}

mount_point=$(find_mount cgroup memory)
if [ -n "$mount_point" ]; then
    version=1
    parent=$mount_point$(our_path '[^:]*\<memory\>[^:]*')
    # Of a namespace, or a container, the path may not be found below the mount point.
    [ -d "$parent" ] || parent=$mount_point
    limit_file=memory.limit_in_bytes
    peak_file=memory.max_usage_in_bytes
    kills_file=memory.oom_control
else
    mount_point=$(find_mount cgroup2 '')
    [ -n "$mount_point" ] || skip "no cgroups are mounted here"
    version=2
    parent=$mount_point$(our_path '')
    [ -d "$parent" ] || parent=$mount_point
    # A cgroup with processes of its own cannot limit those below it, except for the topmost.
    while ! grep -qw memory "$parent/cgroup.subtree_control" 2>/dev/null; do
        echo +memory 2>/dev/null >"$parent/cgroup.subtree_control" && break
        [ "$parent" != "$mount_point" ] || skip "no cgroup here may limit memory"
        parent=$(dirname "$parent")
    done
    limit_file=memory.max
    peak_file=memory.peak
    kills_file=memory.events
fi
cgroup=$parent/pcopy-test.$$
mkdir "$cgroup" 2>/dev/null || {
    cgroup=
    skip "no cgroup can be made here"
}
echo $limit 2>/dev/null >"$cgroup/$limit_file" || skip "the memory of a cgroup cannot be limited here"
# Swap would make room, and time it by the disk's.
for file in memory.swap.max memory.swappiness; do
    [ ! -w "$cgroup/$file" ] || echo 0 >"$cgroup/$file"
done
(echo "$BASHPID" >"$cgroup/cgroup.procs") 2>/dev/null || skip "no process may enter a cgroup here"

# ---- a disk

case $(stat -f -c %T .) in
tmpfs | ramfs) skip "$base is in memory; TMPDIR names a directory on a disk" ;;
esac
# The source, the image, and what else is going on.
needed=$((2 * mebibytes + 1024))
[ "$(df --output=avail -BM . | tail -n 1 | tr -dc 0-9)" -ge $needed ] ||
    skip "$needed MiB are not free in $base"
truncate -s $((mebibytes + mebibytes / 8 + 64))M image
said=$(mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 image 2>&1) ||
    skip "mkfs.ext4: ${said##*: }"
# With direct I/O the image itself takes no page cache; some file systems have none.
device=$(losetup -f --show --direct-io=on image 2>/dev/null) || device=$(losetup -f --show image) ||
    skip "no loop device can be had here"
mkdir mnt
said=$(mount "$device" mnt 2>&1)
mounted=$?
losetup -d "$device" # when it is not used any more
[ $mounted = 0 ] || skip "${said##*: }"

# ---- the copies

# One big file, and some that are smaller than the limit.
mkdir src
make_file src/big $(((mebibytes - 256) * 1024 * 1024 + 17))
for i in 1 2 3 4; do
    make_file "src/$i" $((64 * 1024 * 1024))
done

drop_cache() {
    local file
    for file in "$@"; do
        dd of="$file" oflag=nocache conv=notrunc,fdatasync count=0 status=none
    done
}

# counter FILE [NAME]: its value, or of the line that begins with NAME; empty if there is none.
counter() {
    if [ $# = 1 ]; then
        cat "$cgroup/$1" 2>/dev/null
    else
        sed -n "s/^$2 //p" "$cgroup/$1"
    fi
}

# How often the limit was hit.
hits() {
    if [ $version = 1 ]; then
        counter memory.failcnt
    else
        counter memory.events max
    fi
}

# copy_limited OPTION...
copy_limited() {
    local kills hit begin=$SECONDS peak
    drop_cache src/*
    kills=$(counter $kills_file oom_kill)
    hit=$(hits)
    run bash -c 'echo $$ >"$1" && shift && exec "$@"' - "$cgroup/cgroup.procs" \
        "$PCOPY" "$@" src mnt/dst
    [ "$(counter $kills_file oom_kill)" = "$kills" ] || fail "out of memory: something was killed"
    expect_status 0
    expect_no_err
    peak=$(counter $peak_file)
    # Before Linux 5.19 version 2 has no such file, and before 4.13 version 1 counts no kills.
    if [ -n "$peak" ]; then
        [ "$peak" -le $limit ] || fail "the peak is $peak bytes"
    fi
    # Else the copy was not in it.
    [ "$(hits)" -gt "$hit" ] || [ "${peak:-0}" -ge $((limit / 16)) ] ||
        fail "the cgroup was not used"
    # Compared outside of the cgroup.
    same src mnt/dst
    no_temporary mnt/dst
    echo "pcopy $*: $mebibytes MiB in $((SECONDS - begin)) s, peak ${peak:-unknown} of $limit bytes"
}

copy_limited
if [ "${BIG:-}" != 1 ]; then
    rm -rf mnt/dst
    copy_limited -j 16 --split-size=1M --fsync=file
    # Over what is there.
    find mnt/dst -type f -exec touch -d @1 {} +
    copy_limited -j 4 --inplace
fi
