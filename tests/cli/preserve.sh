#!/bin/bash
# What is kept of an entry besides its bytes: by default, with -p, -a, --preserve, --no-preserve.
. "$(dirname "$0")/lib.sh"

mode_of() {
    stat -c %a "$1"
}

fresh() {
    rm -rf src dst parent
    mkdir -p src/dir
    echo content >src/file
    ln src/file src/dir/link
    ln -s file src/symlink
    mkfifo -m 620 src/fifo
    chmod 2751 src/dir
    chmod 4755 src/file
    # An access time younger than all else is left alone by those who only read.
    find src -depth -exec touch -h -m -d @1000000000.123456789 {} +
    touch -a -d "@$(($(date +%s) - 1000)).5" src/file
}

# ---- what each option keeps

fresh
for options in '' -p -a --preserve=all --preserve=mode,timestamps,links \
    --no-preserve=ownership,acl,xattr; do
    # Not a bit of the umask is left in what is preserved.
    # shellcheck disable=SC2086
    (umask 077 && pcopy $options src dst && expect_status 0 && expect_no_err) || exit 1
    same src dst names,bytes,mode,mtime
    rm -rf dst
done
for options in '' -a --preserve=all '-p --preserve=links'; do
    # shellcheck disable=SC2086
    pcopy $options src dst
    same src dst links
    rm -rf dst
done
for options in -p -a --preserve=timestamps; do
    # shellcheck disable=SC2086
    pcopy $options src dst
    same src/file dst/file mtime,atime
    rm -rf dst
done

pcopy --no-preserve=timestamps src dst
expect_status 0
same src dst names,bytes,mode,links
for entry in file dir symlink fifo; do
    [ -n "$(find dst/$entry -prune -newer src/dir)" ] || fail "$entry has kept its time"
done
rm -rf dst

pcopy --no-preserve=links src dst
expect_status 0
same src dst names,bytes,mode,mtime
[ "$(stat -c %h dst/file)" = 1 ] || fail "the hard link was kept"
rm -rf dst

# Without mode: what is new looks as if it had just been made, under the umask.
for mask in 022 027; do
    (umask $mask && pcopy --no-preserve=mode src dst && expect_status 0) || exit 1
    same src dst names,bytes,mtime,links
    wide=$((0777 & ~mask))
    for entry in . dir file fifo; do
        got=$((0$(mode_of dst/$entry)))
        [ $((got & ~wide)) = 0 ] || fail "$entry is $(mode_of dst/$entry) under umask $mask"
        [ $((got & 0600)) = $((0600)) ] || fail "$entry is $(mode_of dst/$entry)"
    done
    rm -rf dst
done

# The last word counts.
pcopy -a --no-preserve=links,timestamps src dst
expect_status 0
same src dst names,bytes,mode
[ "$(stat -c %h dst/file)" = 1 ] || fail "the hard link was kept"
rm -rf dst
pcopy --no-preserve=all --preserve=links src dst
expect_status 0
same src dst names,bytes,links
[ "$(mode_of dst/file)" != 4755 ] || fail "the mode was kept"
rm -rf dst
pcopy --no-preserve=all -a src dst
expect_status 0
same src dst "$everything"
rm -rf dst

# ---- owners

if is_root; then
    fresh
    chown -h 12345:54321 src/symlink src/fifo
    chown 12345:54321 src/dir src/file
    chmod 4755 src/file
    chmod 2751 src/dir
    pcopy src dst
    expect_status 0
    for entry in dir file symlink fifo; do
        [ "$(stat -c %u:%g dst/$entry)" = 0:0 ] || fail "$entry has another owner without -p"
    done
    rm -rf dst
    for options in -p -a --preserve=mode,timestamps,ownership,links; do
        # shellcheck disable=SC2086
        pcopy $options src dst
        expect_status 0
        same src dst names,bytes,mode,mtime,owner
        rm -rf dst
    done
    pcopy -a --no-preserve=ownership src dst
    expect_status 0
    [ "$(stat -c %u:%g dst/file)" = 0:0 ] || fail "the owner was kept"
    rm -rf dst

    # One who may not give a file away gets it without the bits that speak for its owner.
    chmod 2755 src/dir
    mkdir -m 777 open
    for options in '' -p; do
        # shellcheck disable=SC2086
        as_nobody "$PCOPY" $options src open/dst
        [ $((0$(mode_of open/dst/file) & 06000)) = 0 ] || [ -z "$options" ] ||
            fail "setuid, and the owner is another one"
        same src open/dst names,bytes,mtime
        rm -rf open/dst
    done
else
    skip_part 'owners need root'
fi

# ---- ACLs and extended attributes

fresh
if setfacl -m u:12345:rw,g:54321:r,m::rw src/file 2>/dev/null; then
    setfacl -m u:12345:rwx src/dir
    setfacl -d -m u:12345:rx src/dir
    find src -depth -exec touch -h -m -d @1000000000.123456789 {} +
    pcopy -a src dst
    expect_status 0
    same src dst "$everything"
    rm -rf dst
    pcopy -a --no-preserve=acl src dst
    expect_status 0
    same src dst names,bytes,mode,mtime
    getfacl -p dst/file dst/dir | grep -q 12345 && fail "an ACL was kept"
    rm -rf dst
fi
fresh
if setfattr -n user.color -v red src/file 2>/dev/null; then
    setfattr -n user.color -v blue src/dir
    setfattr -n user.empty src/dir
    setfattr -n user.binary -v 0x00ff0a00 src
    setfattr -n user.big -v "$(printf 'x%.0s' {1..2000})" src/dir/link
    pcopy -a src dst
    expect_status 0
    same src dst "$everything"
    rm -rf dst
    pcopy -a --no-preserve=xattr src dst
    expect_status 0
    [ -z "$(getfattr -R dst 2>/dev/null)" ] || fail "an attribute was kept"
else
    skip_part 'no extended attributes here (setfattr, file system)'
fi
