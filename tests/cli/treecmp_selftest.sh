#!/bin/bash
# The tree checker itself: equal trees are equal, and each kind of difference is found, named, and
# found by the check that is meant to find it.
. "$(dirname "$0")/lib.sh"

treecmp() {
    run "$TREECMP" "$@"
}

# One difference of KIND is found between a and b, and nothing else is; without the check, none.
finds() {
    local check=$1 line=$2
    treecmp --check=all --ignore=atime a b
    expect_status 1
    grep -qE -e "$line" "$OUT" || fail "not found: $line"
    [ "$(wc -l <"$OUT")" = 2 ] || fail "more than the one difference"
    expect_out ', 1 differences'
    treecmp --check="$check" a b
    expect_status 1
    treecmp --check=all --ignore="atime,$check" a b
    expect_status 0
    fresh
}

# Two equal small trees, a and b, to break.
fresh() {
    rm -rf a b
    mkdir -p a/dir/sub
    echo content >a/file
    echo content >a/dir/file
    ln a/file a/dir/link
    echo other >a/dir/single
    ln -s target a/symlink
    mkfifo a/fifo
    make_sparse a/sparse 1000000 500000
    find a -exec touch -h -d @1000000000.5 {} +
    cp -a a b
}

# Times of the directory whose entries were changed are not what is tested.
same_times() {
    find a b -type d -exec touch -d @1000000000.5 {} +
    [ "$#" = 0 ] || touch -h -d @1000000000.5 "$@"
}

# ---- equal

make_tree tree
cp -a tree copy
treecmp tree copy
expect_status 0
expect_out ', 0 differences'
[ "$(sed -n 's/^treecmp: \([0-9]*\) entries.*/\1/p' "$OUT")" = \
    "$(find tree -printf 'x\n' | wc -l)" ] || fail "not all entries were compared"
treecmp --check=all --ignore=atime tree copy
expect_status 0
treecmp tree/ copy
expect_status 0
treecmp tree/sizes/4097 copy/sizes/4097
expect_status 0
[ "$(cat "$OUT")" = 'treecmp: 1 entries, 1 files, 4097 bytes, 0 differences' ] ||
    fail "another closing line"

# ---- every difference of one entry

fresh
touch a/only_a
same_times
finds names '^only_a: names: present \| absent$'
touch b/dir/only_b
same_times
finds names '^dir/only_b: names: absent \| present$'
mkdir -p a/zz/below/it
same_times
finds names '^zz: names: present \| absent$'
touch a/$'new\nline \xff\\'
same_times
finds names '^new\\x0aline \\xff\\\\: names: '

echo more >>b/dir/single
same_times b/dir/single
finds bytes '^dir/single: size: 6 \| 11$'
echo OTHER >b/dir/single
same_times b/dir/single
finds bytes '^dir/single: bytes: at offset 0: 0x6f \| 0x4f$'
# The last byte of a file of many blocks.
make_file a/dir/single 1000001
cp a/dir/single b/dir/single
printf '\0' | dd of=a/dir/single bs=1 seek=1000000 conv=notrunc status=none
printf '\1' | dd of=b/dir/single bs=1 seek=1000000 conv=notrunc status=none
same_times a/dir/single b/dir/single
finds bytes '^dir/single: bytes: at offset 1000000: 0x00 \| 0x01$'
# A byte in the middle of what is a hole on the other side, and zeros that are none.
printf x | dd of=b/sparse bs=1 seek=100000 conv=notrunc status=none
same_times b/sparse
treecmp a b
expect_status 1
expect_out 'sparse: bytes: at offset 100000: 0x00 | 0x78'
fresh
printf '\0' | dd of=b/sparse bs=1 seek=100000 conv=notrunc status=none
same_times b/sparse
finds holes '^sparse: holes: data at offset [0-9]* \| [0-9]*$'
ln -sfn other b/symlink
same_times b/symlink
finds bytes '^symlink: target: target \| other$'
ln -sfn targe b/symlink
same_times b/symlink
finds bytes '^symlink: target: target \| targe$'

for entry in . dir file fifo; do
    chmod 0701 "b/$entry"
    [ "$entry" = file ] && what='(file|dir/link)' || what=$entry
    # A file with two names is one file, compared once for each name.
    if [ "$entry" = file ]; then
        treecmp a b
        expect_status 1
        [ "$(grep -cE "^$what: mode: 0644 \| 0701$" "$OUT")" = 2 ] || fail "mode not found"
        fresh
    else
        finds mode "^$entry: mode: 0[0-7]* \| 0701$"
    fi
done
chmod u+s b/dir/single
finds mode '^dir/single: mode: 0644 \| 4644$'
chmod +t b/dir
finds mode '^dir: mode: 0755 \| 1755$'

for entry in . dir dir/single symlink fifo; do
    touch -h -d @1000000000.500000001 "b/$entry"
    finds mtime "^$entry: mtime: 1000000000.500000000 \| 1000000000.500000001$"
done
touch -d @-1.5 b/dir
finds mtime '^dir: mtime: 1000000000.500000000 \| -1.500000000$'

# ---- hard links: the same names must be one file on both sides

rm b/dir/link
cp -p b/file b/dir/link
same_times
treecmp a b
expect_status 1
expect_out "file: links: same file as 'dir/link' | first of its file"
finds links "^file: links: "
rm a/dir/link
cp -p a/file a/dir/link
same_times
finds links "^file: links: first of its file \| same file as 'dir/link'$"
# Two pairs of equal files, tied crosswise: link counts alone do not tell.
for side in a b; do
    (cd $side && echo 1 >p && cp p q && touch -d @1 p q)
done
ln a/p a/r
ln a/q a/s
ln b/p b/s
ln b/q b/r
same_times
treecmp a b
expect_status 1
expect_out "r: links: same file as 'p' | same file as 'q'"
fresh
# A second name outside the tree is no difference.
ln a/dir/single outside
treecmp a b
expect_status 0
rm outside

# ---- what is there is of another kind

for kind in 'mkfifo b/dir/single' 'mkdir b/dir/single' 'ln -s x b/dir/single' \
    'make_socket b/dir/single'; do
    rm b/dir/single
    $kind
    treecmp --check=names a b
    expect_status 1
    expect_out 'dir/single: type: file | '
    fresh
done
rm -r b/dir
echo >b/dir
treecmp a b
expect_status 1
expect_out 'dir: type: directory | file'

# ---- checks that are on request

fresh
touch -a -d @5.25 a/dir/single
touch -a -d @5.5 b/dir/single
treecmp a b
expect_status 0
treecmp --check=atime a/dir/single b/dir/single
expect_status 1
expect_out '.: atime: 5.250000000 | 5.500000000'
fresh
if setfattr -n user.color -v red b/dir/single 2>/dev/null; then
    finds xattr '^dir/single: xattr: user.color = \(none\) \| red$'
    setfattr -n user.color -v red a/dir
    setfattr -n user.color -v $'gre\x01en' b/dir
    finds xattr '^dir: xattr: user.color = red \| gre\\x01en$'
    setfattr -n user.color -v red a
    finds xattr '^\.: xattr: user.color = red \| \(none\)$'
else
    skip_part 'no extended attributes here (setfattr, file system)'
fi
if setfacl -m u:12345:r b/dir/single 2>/dev/null; then
    finds acl '^dir/single: acl: system.posix_acl_access = \(none\) \| '
    setfacl -d -m u:12345:r b/dir
    finds acl '^dir: acl: system.posix_acl_default = \(none\) \| '
else
    skip_part 'no ACLs here (setfacl, file system)'
fi
if is_root; then
    chown -h 12345:54321 b/symlink
    finds owner '^symlink: owner: 0:0 \| 12345:54321$'
    chgrp 54321 b/dir
    finds owner '^dir: owner: 0:0 \| 0:54321$'
    mknod a/dev c 1 3
    mknod b/dev c 1 5
    same_times a/dev b/dev
    finds bytes '^dev: device: 1:3 \| 1:5$'
else
    skip_part 'owners and devices need root'
fi

# ---- trouble is neither equal nor different

treecmp a missing
expect_status 2
expect_err 'No such file or directory'
treecmp a
expect_status 2
treecmp --check=nonsense a b
expect_status 2
chmod 000 b/dir/single
as_nobody "$TREECMP" a b
expect_status 2
expect_err "cannot open 'dir/single' in b: Permission denied"
fresh
chmod 000 a/dir/sub
as_nobody "$TREECMP" --check=bytes a b
expect_status 2
expect_err "cannot read directory 'dir/sub' in a: Permission denied"

# ---- deeper than PATH_MAX, with few descriptors

path=$(printf 'directory_%.0s/' {1..600})
for side in deep_a deep_b; do
    mkdir -p "$side/$path"
done
run bash -c 'ulimit -n 200; exec "$0" --ignore=mtime deep_a deep_b' "$TREECMP"
expect_status 0
expect_out 'treecmp: 601 entries'
(cd deep_b && for _ in {1..6}; do cd "$(printf 'directory_%.0s/' {1..100})" || exit 1; done && : >x)
run bash -c 'ulimit -n 200; exec "$0" --ignore=mtime deep_a deep_b' "$TREECMP"
expect_status 1
expect_out '/x: names: absent | present'
