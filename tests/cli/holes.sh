#!/bin/bash
# Sparse files: the copy has the same bytes and the same holes, and takes no more room.
. "$(dirname "$0")/lib.sh"
work_in_memory

mkdir src
make_sparse src/all_hole 1000000000
make_sparse src/hole_at_end 500000000 0
make_sparse src/hole_at_start 500000000 499000000
make_sparse src/middle 500000000 250000000
make_sparse src/unaligned 123456789 4095 1000001 99999999
# The end of the file is in the middle of a block, of a hole and of data.
make_sparse src/one_byte_over 1048577 0
make_sparse src/data_to_the_end 2005000 2000000
truncate -s 1 src/hole_of_one
truncate -s 1099511627776 src/terabyte
printf x | dd of=src/terabyte bs=1 seek=1000000000000 conv=notrunc status=none
offsets=$(seq 0 65536 20000000)
# shellcheck disable=SC2086
make_sparse src/many 30000000 $offsets
head -c 3000000 /dev/zero >src/zeros_are_no_hole

# The map of holes is compared where both trees are on one file system that keeps one.
checks=names,bytes,mode,mtime
[ "$(stat -f -c %T .)" != tmpfs ] || checks=$checks,holes

for options in '-j 1' '-j 16' '-j 4 --buffer-size=4K' '-j 4 --buffer-size=5001' '-j 4 -a'; do
    # shellcheck disable=SC2086
    pcopy $options src dst
    expect_status 0
    same src dst $checks
    had=$(du -sk src | cut -f 1)
    took=$(du -sk dst | cut -f 1)
    [ "$took" -le $((had + 100)) ] || fail "the copy takes $took KiB, the source $had"
    rm -rf dst
done

# An old file with data where there is a hole now does not shine through.
mkdir dst
for name in middle many; do
    head -c 40000000 /dev/urandom >dst/$name
done
pcopy src dst
expect_status 0
same src dst $checks
