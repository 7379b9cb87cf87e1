#!/bin/bash
# What is skipped: what rsync_cases.sh cannot say. That metadata is mended without the data being
# copied, limits by time, and destinations that cannot keep the time to the nanosecond.
. "$(dirname "$0")/lib.sh"

inode() {
    stat -c %i "$1"
}

fresh() {
    remove src dst
    mkdir src
    echo content >src/file
    touch -d @1500000000.123456789 src/file
    touch -d @1500000000 src
    cp -a src dst
    before=$(inode dst/file)
}

# untouched: the data was not copied.
untouched() {
    [ "$(inode dst/file)" = "$before" ] || fail "the data was copied"
    expect_status 0
    expect_no_err
    expect_summary files 0
}

# ---- metadata that differs is set, and the file stays the one it was

fresh
chmod 604 dst/file
pcopy src dst
untouched
same src dst
for option in -c --size-only; do
    fresh
    touch -d @1000000000 dst/file
    pcopy $option src dst
    untouched
    same src dst
    # Not if times are not kept.
    touch -d @1000000000 dst/file
    pcopy $option --no-preserve=timestamps src dst
    untouched
    [ "$(stat -c %Y dst/file)" = 1000000000 ] || fail "a time was set that is not kept"
done
fresh
chmod 604 dst/file
pcopy --no-preserve=mode src dst
untouched
[ "$(stat -c %a dst/file)" = 604 ] || fail "a mode was set that is not kept"
if is_root; then
    for option in -p -a --preserve=ownership; do
        fresh
        chown 1234:1234 dst/file dst
        chmod 4755 src/file dst/file
        pcopy $option src dst
        untouched
        same src dst names,bytes,mode,mtime,owner
    done
    fresh
    chown 1234 dst/file
    pcopy src dst
    untouched
    [ "$(stat -c %u dst/file)" = 1234 ] || fail "an owner was set that is not kept"
else
    skip_part 'owners need root'
fi
fresh
if setfattr -n user.color -v red src/file 2>/dev/null; then
    touch -d @1500000000.123456789 src/file
    setfattr -n user.color -v blue dst/file
    setfattr -n user.extra -v 1 dst/file
    setfattr -n user.dir -v 1 src
    pcopy -a src dst
    untouched
    same src dst "$everything"
    setfattr -n user.color -v green dst/file
    pcopy src dst
    untouched
    [ "$(getfattr --only-values -n user.color dst/file)" = green ] ||
        fail "an attribute was set that is not kept"
else
    skip_part 'no extended attributes here (setfattr, file system)'
fi
fresh
if setfacl -m u:12345:rw src/file 2>/dev/null; then
    touch -d @1500000000.123456789 src/file
    pcopy -a src dst
    untouched
    same src dst "$everything"
    setfacl -b src/file
    pcopy -a src dst
    untouched
    same src dst "$everything"
fi

# ---- the nanosecond counts; the size counts first

fresh
touch -d @1500000000.123456788 dst/file
pcopy src dst
expect_summary files 1
same src dst
fresh
echo CONTENT >dst/file
touch -r src/file dst/file
pcopy src dst
untouched
[ "$(cat dst/file)" = CONTENT ] || fail "size and time were equal, and it was copied"
pcopy -c src dst
expect_summary files 1
same src dst
fresh
pcopy -I src dst
expect_summary files 1
same src dst
# -u: the same time is not newer; a nanosecond later is.
fresh
echo longer content >dst/file
touch -d @1500000000.123456790 dst/file
pcopy -u src dst
expect_summary files 0
touch -r src/file dst/file
pcopy -u src dst
expect_summary files 1
same src dst

# ---- -c reads what it must, and no more

fresh
: >src/empty
: >dst/empty
make_sparse src/sparse 3000000 1500000
cp -a src/sparse dst/sparse
make_file src/big 3000000
cp src/big dst/big
cp dst/big dst/tail
cp dst/tail src/tail
flip dst/tail 2999999
touch -d @1 dst/empty dst/sparse dst/big dst/tail
pcopy -c src dst
expect_status 0
expect_summary files 1
same src dst

# ---- younger and older than

remove src dst
mkdir -p src/dir
now=$(date +%s)
for age in 10 3000 100000 1000000 100000000; do
    echo "$age" >"src/$age"
    ln -s x "src/dir/$age"
    touch -h -d "@$((now - age))" "src/$age" "src/dir/$age"
done
touch -d "@$((now - 1000))" reference

# takes OPTION VALUE AGE...: with this limit exactly these ages are copied.
takes() {
    local option=$1 value=$2 found
    shift 2
    remove dst
    TZ=${zone:-UTC} pcopy "$option=$value" src dst
    expect_status 0
    expect_no_err
    for found in 'dst -maxdepth 1 -type f' 'dst/dir -type l'; do
        # shellcheck disable=SC2086
        found=$(find $found -printf '%f\n' | sort -n | tr '\n' ' ')
        [ "$found" = "${*:+$* }" ] || fail "$option=$value takes $found instead of $*"
    done
    [ -d dst/dir ] || fail "directories have no age"
}

takes --newer-than 90s 10
takes --newer-than 15m 10
takes --newer-than 12h 10 3000
takes --newer-than 3d 10 3000 100000
takes --newer-than 2w 10 3000 100000 1000000
takes --newer-than 5000w 10 3000 100000 1000000 100000000
takes --newer-than 1s
takes --older-than 90s 3000 100000 1000000 100000000
takes --older-than 3d 1000000 100000000
takes --older-than 5000w
takes --newer-than "@$((now - 200000))" 10 3000 100000
takes --older-than "@$((now - 200000))" 1000000 100000000
takes --newer-than "$PWD/reference" 10
takes --older-than reference 3000 100000 1000000 100000000
for zone in UTC Europe/Berlin XYZ+3 XYZ-11:30; do
    at=$((now - 200000))
    for format in '%Y-%m-%d %H:%M:%S' '%Y-%m-%dT%H:%M:%S' '%Y-%m-%d %H:%M' '%Y-%m-%dT%H:%M'; do
        takes --newer-than "$(TZ=$zone date -d @$at "+$format")" 10 3000 100000
    done
    # To the second, in local time.
    takes --newer-than "$(TZ=$zone date -d @$((now - 3005)) '+%Y-%m-%d %H:%M:%S')" 10 3000
    takes --newer-than "$(TZ=$zone date -d @$((now - 2995)) '+%Y-%m-%d %H:%M:%S')" 10
    takes --newer-than "$(TZ=$zone date -d @$((now - 5 * 86400)) +%Y-%m-%d)" 10 3000 100000
done
zone=
remove dst
pcopy --newer-than=12h --older-than=15m src dst
expect_status 0
[ "$(find dst -type f -printf '%f ')" = '3000 ' ] || fail "both limits take something else"
# What is left out is no reason to delete.
mkdir -p dst2
cp -a src/. dst2
pcopy --delete --newer-than=12h src dst2
expect_status 0
same src dst2
before=$(picture)
for value in '' x 5 5y -3d 2026-13-01 2026-02-30 '2026-11-25 25:00' '2026-11-25 10' @x @ missing; do
    pcopy --newer-than="$value" src new
    expect_status 1
    expect_err newer-than
done
for value in '' x -1 1.x 99999999999999999999G 1X; do
    pcopy --max-size="$value" src new
    expect_status 1
    expect_err max-size
done
[ "$(picture)" = "$before" ] || fail "refused, and still something was written"

# ---- a destination whose times are whole seconds

if ! is_root; then
    skip_part 'mounting needs root'
elif ! command -v mkfs.ext3 >/dev/null; then
    skip_part 'mkfs.ext3 is not installed'
elif ! unshare --mount --propagation private bash -c '
    truncate -s 32M image && mkdir coarse && mkfs.ext3 -q -I 128 image && mount -o loop image coarse' \
    >/dev/null 2>&1; then
    skip_part 'an ext3 cannot be mounted here'
else
    make_tree tree
    # shellcheck disable=SC2016 # of the inner shell
    run unshare --mount --propagation private bash -c '
        mount -o loop image coarse && cd coarse || exit 99
        "$0" -q --exclude=/times --exclude=/names ../tree dst || exit 98
        "$0" --exclude=/times --exclude=/names ../tree dst >first || exit 97
        "$0" -i --exclude=/times --exclude=/names ../tree dst >second || exit 96
        "$0" --verify-only -c --exclude=/times --exclude=/names ../tree dst || exit 95
        cat first second' "$PCOPY"
    expect_status 0
    grep -qE '(^| )0 files( |$|,)' "$OUT" || fail "copied again for the nanoseconds"
    ! grep -qE '^([<>ch.][fdLDS])' "$OUT" || fail "something is named, and all is equal"
fi
