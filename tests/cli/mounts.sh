#!/bin/bash
# -m: one destination through several paths. As root the paths are bind mounts, and a link or rename
# from one to another fails as it does between real mounts; else they are symlinks.
. "$(dirname "$0")/lib.sh"
is_root && with_own_mounts

mkdir export m1 m2 m3 elsewhere
if is_root; then
    for m in m1 m2 m3; do
        mount --bind export $m || skip "cannot mount here"
    done
else
    rmdir m1 m2 m3
    ln -s export m1
    ln -s "$PWD/export" m2
    ln -s ./export m3
fi
# All of this may well be on the root file system, which is no mount point to be trusted.
over() {
    pcopy --allow-rootfs "$@"
}

fresh() {
    find export elsewhere -mindepth 1 -delete
}
make_tree src

# ---- the whole tree, and where it lands

for options in '-j 1 -m m1,m2' '-j 64 -m m1,m2' '-j 64 -m m1 -m m2,m3' '-j 4 -a -m m1,m2,m3' \
    "-j 4 -m $PWD/m1,$PWD/m2" '-j 4 -m m1/,./m2//' '-j 4 -m m1'; do
    # shellcheck disable=SC2086
    over $options src dst
    expect_status 0
    same src export/dst
    no_temporary export
    # shellcheck disable=SC2086
    over $options src dst
    expect_status 0
    expect_summary files 0
    same src export/dst
    remove export/dst
done
[ ! -e dst ] || fail "DST was taken relative to the current directory"

for dst in made/up/dst ./made/up/dst/ made//up/./dst "$PWD/m1/made/up/dst" \
    "$PWD/m2/made/up/dst/"; do
    over -m "$PWD/m1,$PWD/m2/" src "$dst"
    expect_status 0
    same src export/made/up/dst
    remove export/made
done

# The export itself: as a relative path, and as the mount point.
for dst in . "$PWD/m1" "$PWD/m2/"; do
    over -m "$PWD/m1,$PWD/m2/" src/names "$dst"
    expect_status 0
    same src/names export
    fresh
done

over -m m1,m2 src/sizes src/names dst
expect_status 0
same src/sizes export/dst/sizes
same src/names export/dst/names
fresh
over -m m1,m2 -t dst src/sizes/4096
expect_status 0
same src/sizes/4096 export/dst/4096
fresh
over -m m1,m2 src/sizes/4096 file
expect_status 0
same src/sizes/4096 export/file
fresh

# ---- existing files are replaced, whichever path they came by

over -m m1,m2 src/names dst
for file in export/dst/*; do
    [ -d "$file" ] || echo other >>"$file"
done
over -m m2,m1 -j 8 src/names dst
expect_status 0
same src/names export/dst
no_temporary export
fresh

# ---- what is refused writes nothing, on no mount

for arguments in 'src /dst' 'src ../dst' "src $PWD/elsewhere/dst" "src $PWD/dst"; do
    # shellcheck disable=SC2086
    over -m m1,m2 $arguments
    expect_status 1
done
for mounts in 'm1,missing' 'missing,m2' "m1,$PWD/src/sizes/0"; do
    over -m "$mounts" src dst
    expect_status 3
done
# The source seen through one of the mounts.
mkdir export/src
over -m m1,m2 export/src src
expect_status 3
over -m m1,m2 export/src src/below
expect_status 3
pcopy m1/src m2/src
expect_status 3
pcopy m1/src m2/src/below
expect_status 3
rmdir export/src
# A symlink that leads out of the mount.
ln -s "$PWD/elsewhere" export/out
over -m m1,m2 src/sizes out/dst
[ "$status" != 0 ] || fail "a symlink out of the mount was followed"
rm export/out
[ -z "$(find export elsewhere -mindepth 1)" ] || fail "refused, and something was written"

# ---- files of one directory go round-robin over the mounts, links of one file do not

if ! is_root; then
    skip_part 'telling mounts apart needs root'
elif ! command -v strace >/dev/null; then
    skip_part 'strace is not installed'
else
    make_many many 60
    # A leak checker cannot work below a tracer.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        run strace -f -qq -y -o "$base/trace" -e trace=openat,openat2 \
        "$PCOPY" -j 4 --allow-rootfs -m m1,m2,m3 many dst
    expect_status 0
    for m in m1 m2 m3; do
        count=$(grep O_CREAT "$base/trace" | grep -c "<$PWD/$m/dst>")
        [ "$count" -ge 15 ] || fail "only $count of 60 files were made through $m"
    done
    same many export/dst
fi
