#!/bin/bash
# --sparse=WHEN: always makes holes of zeros, never makes none, auto (the default) keeps those that
# the source has. The bytes are the same each time, also where there was other data before. That the
# map of holes is kept is told in holes.sh.
. "$(dirname "$0")/lib.sh"
work_in_memory

mebibyte=1048576

# zeros NUMBER: so many bytes of it, written.
zeros() {
    head -c "$1" /dev/zero
}

noise() {
    head -c "$1" /dev/urandom
}

mkdir src
zeros $((3 * mebibyte)) >src/zeros
zeros $((3 * mebibyte + 1)) >src/zeros_and_one
zeros 100 >src/few_zeros
: >src/empty
noise $((3 * mebibyte + 17)) >src/no_zeros
{ noise $mebibyte && zeros $((3 * mebibyte)) && noise $mebibyte; } >src/middle
{ noise 4095 && zeros $((3 * mebibyte)) && noise 4097; } >src/middle_unaligned
{ zeros $((3 * mebibyte)) && noise 5; } >src/zeros_first
# The end of the file is in the middle of a block of zeros.
{ noise $mebibyte && zeros $((3 * mebibyte + 4321)); } >src/zeros_last
{ noise 10 && zeros $((3 * mebibyte)); } >src/zeros_last_after_ten
# Data with zeros in it is still data, and a single zero at the end is not left out.
{ noise 8191 && zeros 1; } >src/one_zero_last
for ((i = 0; i < 64; i++)); do
    noise 4096 && zeros 65536
done >src/many
# Holes, zeros and data.
make_sparse hole_and_zeros $((8 * mebibyte)) 0 5000000
zeros $((2 * mebibyte)) | dd of=hole_and_zeros bs=1M seek=2 conv=notrunc status=none
mv hole_and_zeros src
make_sparse src/hole_last $((4 * mebibyte)) 0
truncate -s $((4 * mebibyte)) src/all_hole
# What has holes in the source, and what has the zeros of a MiB and more.
holes=(hole_and_zeros hole_last all_hole)
long_zeros=(zeros zeros_and_one middle middle_unaligned zeros_first zeros_last zeros_last_after_ten)
find src -exec touch -h -d @1500000000.123456789 {} +

# allocated FILE: in bytes.
allocated() {
    echo $((512 * $(stat -c %b "$1")))
}

size() {
    stat -c %s "$1"
}

[ "$(allocated src/all_hole)" -lt $mebibyte ] || skip "no holes here"
[ "$(allocated src/zeros)" -ge "$(size src/zeros)" ] || skip "zeros take no room here"
# The map of holes is compared where the file system tells it by the page.
checks=names,bytes,mode,mtime
[ "$(stat -f -c %T .)" != tmpfs ] || checks=$checks,holes

# has_holes WHEN: what is in dst has the holes it should have.
has_holes() {
    local file name
    case $1 in
    always)
        for name in "${long_zeros[@]}" hole_and_zeros; do
            # Three MiB and more in each; that of a hole ends at a block or a buffer is all right.
            [ "$(allocated "dst/$name")" -le $(($(size "dst/$name") - 2 * mebibyte)) ] ||
                fail "$name: $(allocated "dst/$name") bytes are allocated, zeros too"
        done
        [ "$(allocated dst/zeros)" -le 65536 ] || fail "zeros is not a hole"
        [ "$(allocated dst/no_zeros)" -ge "$(size src/no_zeros)" ] || fail "no_zeros has holes"
        [ "$(du -sk dst | cut -f 1)" -lt $(($(du -sk src | cut -f 1) - 20000)) ] ||
            fail "the copy is not smaller"
        ;;
    never)
        for file in dst/*; do
            [ "$(allocated "$file")" -ge "$(size "$file")" ] || fail "$file has holes"
        done
        ;;
    auto)
        for name in "${long_zeros[@]}"; do
            [ "$(allocated "dst/$name")" -ge "$(size "dst/$name")" ] ||
                fail "$name has holes, its source has none"
        done
        for name in "${holes[@]}"; do
            [ "$(allocated "dst/$name")" -le $(($(allocated "src/$name") + 65536)) ] ||
                fail "$name has lost its holes"
        done
        ;;
    esac
}

# old_destination SIZE-CHANGE: each file is there, full of 0xff and so much longer or shorter.
old_destination() {
    local file length
    rm -rf dst
    mkdir dst
    for file in src/*; do
        length=$(($(size "$file") + $1))
        zeros $((length > 0 ? length : 0)) | tr '\0' '\377' >"dst/${file#src/}"
    done
    find dst -type f -exec touch -d @1400000000 {} +
}

for when in always never auto ''; do
    sparse=${when:+--sparse=$when}
    when=${when:-auto}
    compared=names,bytes,mode,mtime
    [ "$when" != auto ] || compared=$checks
    for options in '-j 1' '-j 8' '-j 4 --split-size=1M' '-j 4 --split-size=1M --buffer-size=64K' \
        '-j 2 --buffer-size=5001' '-j 2 --fsync=file -a'; do
        rm -rf dst
        # shellcheck disable=SC2086
        pcopy $options $sparse src dst
        expect_status 0
        expect_no_err
        same src dst $compared
        has_holes "$when"
        no_temporary dst
    done
    for inplace in '' --inplace; do
        for split in '' --split-size=1M; do
            for change in 0 100000 -100000; do
                old_destination $change
                inode=$(stat -c %i dst/middle)
                # shellcheck disable=SC2086
                pcopy -j 4 $inplace $split $sparse src dst
                expect_status 0
                expect_no_err
                same src dst $compared
                has_holes "$when"
                no_temporary dst
                [ -z "$inplace" ] || [ "$(stat -c %i dst/middle)" = "$inode" ] ||
                    fail "with --inplace the file is another one"
            done
        done
    done
done

# A run that has nothing to do makes no holes either.
rm -rf dst
pcopy --sparse=never src dst
expect_status 0
pcopy --sparse=always src dst
expect_status 0
expect_summary files 0
has_holes never

for value in maybe '' 1; do
    pcopy "--sparse=$value" src dst2
    expect_status 1
    expect_err sparse
    [ ! -e dst2 ] || fail "something was made"
done
