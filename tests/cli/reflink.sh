#!/bin/bash
# --reflink=WHEN: always shares the data with the source or fails, naming the file; never shares
# nothing; auto (the default) shares all but small files where that can be done, and copies else.
. "$(dirname "$0")/lib.sh"
need_root
need mkfs.xfs filefrag
with_own_mounts

make_sources() {
    mkdir -p "$1/dir"
    make_file "$1/small" 5000
    make_file "$1/dir/medium" 300001
    make_file "$1/dir/big" 9000011
    make_sparse "$1/sparse" 30000000 0 8000001 20000000
    # Nothing at the end, and nothing at all.
    make_sparse "$1/hole_last" 3000000 4096
    truncate -s 1000000 "$1/all_hole"
    : >"$1/empty"
    ln "$1/small" "$1/dir/link"
    ln -s small "$1/symlink"
    find "$1" -exec touch -h -d @1500000000.123456789 {} +
}
large=(dir/medium dir/big sparse hole_last)
sources=(small "${large[@]}")

mkdir xfs tmpfs
mount -t tmpfs none tmpfs || skip "cannot mount a tmpfs here"
truncate -s 2G tmpfs/image
said=$(mkfs.xfs -q -f -m reflink=1 tmpfs/image 2>&1) || skip "mkfs.xfs: ${said##*: }"
said=$(mount -o loop tmpfs/image xfs 2>&1) || skip "${said##*: }"
make_sources xfs/src
make_sources tmpfs/src
sync -f xfs
cp --reflink=always xfs/src/dir/big xfs/probe 2>/dev/null || skip "XFS does not reflink here"
rm xfs/probe

# shared FILE: how many of its extents are shared, and how many there are: "3 3".
shared() {
    filefrag -v "$1" | awk '
        /^ *[0-9]+:/ { all++; if (/shared/) shared++ }
        END { print shared + 0, all + 0 }'
}

# expect_shared WHEN: what of xfs/dst is shared is what --reflink=WHEN shares.
expect_shared() {
    local file found wanted
    sync -f xfs # what was just written has no extents yet
    for file in "${sources[@]}"; do
        found=$(shared "xfs/dst/$file")
        wanted=${found#* }
        [ "$wanted" != 0 ] || fail "$file has no extents"
        case $1 in
        never) wanted=0 ;;
        auto) [[ " ${large[*]} " == *" $file "* ]] || continue ;;
        esac
        [ "${found% *}" = "$wanted" ] || fail "$file: ${found% *} extents of ${found#* } are shared"
    done
}

# ---- on one file system that can

complete() {
    expect_status 0
    expect_no_err
    same xfs/src xfs/dst
    no_temporary xfs/dst
}

for options in '-j 1' '-j 8' '-j 4 --split-size=1M' '-j 4 -a' '-j 4 --fsync=file'; do
    for reflink in always auto never ''; do
        rm -rf xfs/dst
        # shellcheck disable=SC2086
        pcopy $options ${reflink:+--reflink=$reflink} xfs/src xfs/dst
        complete
        expect_shared "${reflink:-auto}"
        # A clone has the source's holes.
        [ "$reflink" = never ] || same xfs/src xfs/dst names,holes
    done
done

# Over other files, longer and shorter.
for inplace in '' --inplace; do
    for change in 0 70000 -4000; do
        for reflink in always auto never; do
            rm -rf xfs/dst
            cp -r --reflink=never xfs/src xfs/dst
            for file in "${sources[@]}"; do
                head -c $(($(stat -c %s "xfs/src/$file") + change)) /dev/zero | tr '\0' '\377' \
                    >"xfs/dst/$file"
            done
            # shellcheck disable=SC2086
            pcopy -j 4 $inplace --reflink=$reflink xfs/src xfs/dst
            complete
            expect_shared $reflink
        done
    done
done

# What is written to the copy is not seen in the source.
sum=$(cksum <xfs/src/dir/big)
rm -rf xfs/dst
pcopy --reflink=always xfs/src xfs/dst
flip xfs/dst/dir/big 100000
[ "$(cksum <xfs/src/dir/big)" = "$sum" ] || fail "the source has changed with the copy"

# ---- where it cannot be done

# refused SRC DST: each regular file with data is an error of its own, and is not there; all else is.
refused() {
    local file
    expect_status 23
    for file in "${sources[@]}" all_hole; do
        grep -qE "^pcopy: cannot [a-z ]+ '[^']*/$file': " "$ERR" || case $file in
        small) grep -qE "^pcopy: cannot [a-z ]+ '[^']*/dir/link': " "$ERR" ;;
        *) false ;;
        esac || fail "there is no error for $file"
        [ ! -e "$2/$file" ] || fail "$file is there"
    done
    grep -qi -e reflink -e 'share' -e clone "$ERR" || fail "the errors do not say what was wanted"
    [ -z "$(find "$2" -type f ! -name empty -print -quit)" ] || fail "a file is there"
    [ -h "$2/symlink" ] || fail "the symbolic link is not there"
    no_temporary "$2"
}

for options in '-j 1' '-j 4 --split-size=1M'; do
    for pair in 'tmpfs/src tmpfs/dst' 'xfs/src tmpfs/dst' 'tmpfs/src xfs/dst'; do
        read -r src dst <<<"$pair"
        rm -rf "$dst"
        # shellcheck disable=SC2086
        pcopy $options --reflink=always "$src" "$dst"
        refused "$src" "$dst"
        for reflink in --reflink=auto --reflink=never ''; do
            rm -rf "$dst"
            # shellcheck disable=SC2086
            pcopy $options $reflink "$src" "$dst"
            expect_status 0
            expect_no_err
            same "$src" "$dst"
        done
    done
done

# A file that is there stays what it is.
rm -rf tmpfs/dst
mkdir tmpfs/dst
echo old >tmpfs/dst/small
pcopy --reflink=always tmpfs/src/small tmpfs/dst/small
expect_status 23
[ "$(wc -l <"$ERR")" = 1 ] || fail "not one line for one error"
expect_err "small'"
[ "$(cat tmpfs/dst/small)" = old ] || fail "the old file is gone"
no_temporary tmpfs/dst

for value in maybe '' 1; do
    pcopy "--reflink=$value" xfs/src xfs/none
    expect_status 1
    expect_err reflink
    [ ! -e xfs/none ] || fail "something was made"
done
