#!/bin/bash
# --delete: what the source does not have goes, and nothing else does: not below a directory that was
# not read to its end, not behind a symbolic link or a mount point, not what others still need.
. "$(dirname "$0")/lib.sh"
work_in_memory

fresh() {
    remove src dst outside
    mkdir -p src/dir/sub src/other dst outside/dir
    echo file | tee src/file src/dir/file src/dir/sub/file >src/other/file
    echo precious | tee outside/file >outside/dir/file
    cp -a src/. dst
    mkdir -p dst/gone/deep dst/dir/gone
    echo gone | tee dst/gone/deep/1 dst/gone/2 dst/dir/gone/3 dst/dir/4 dst/dir/sub/5 >dst/6
    outside=$(cd outside && picture)
}

gone() {
    local path
    for path; do
        if [ -e "$path" ] || [ -L "$path" ]; then
            fail "$path is still there"
        fi
    done
}

there() {
    local path
    for path; do
        [ -e "$path" ] || fail "$path was deleted"
    done
}

outside_untouched() {
    [ "$(cd outside && picture)" = "$outside" ] || fail "something outside was touched"
}

# ---- nor does a share let go what is in the way of a file, before it is known to be small enough

fresh
remove src/dir
echo now a file >src/dir
cp -a dst before
pcopy --delete --max-delete=10% src dst
expect_status 23
expect_err "dst/dir': Is a directory"
same before/dir dst/dir
pcopy --delete --max-delete=10% --force src dst
same src/dir dst/dir
remove before

# ---- a share that was refused stays refused in the passes that follow

fresh
pcopy --delete --max-delete=10% --verify src dst
expect_status 25
[ "$(find dst -name '[0-9]' | wc -l)" = 6 ] || fail "verification has deleted what --max-delete kept"

# ---- extras go, also in directories that are equal but for them

for options in '' '-j 1' '-a -j 8' '-c' '--force'; do
    fresh
    # shellcheck disable=SC2086
    pcopy --delete $options src dst
    expect_status 0
    expect_no_err
    same src dst
done
fresh
pcopy src dst
expect_status 0
[ "$(find dst -name '[0-9]' | wc -l)" = 6 ] || fail "something was deleted without --delete"
# Of every type and with every name.
make_tree tree
mkdir many
pcopy -a tree many
expect_status 0
remove tree
mkdir tree
pcopy --delete tree many
expect_status 0
expect_no_err
[ -z "$(ls -A many)" ] || fail "something is left"
rm -rf tree many

# ---- symbolic links are removed, not followed

fresh
ln -s ../outside dst/link
ln -s "$PWD/outside/dir" dst/dir/link
ln -s ../../outside/file dst/dir/sub/link
ln -s ../../outside dst/gone/deep/link
pcopy --delete src dst
expect_status 0
same src dst
outside_untouched
# One where the source has a directory is not followed either, whatever becomes of it.
for options in --delete '--delete --force'; do
    fresh
    rm -rf dst/dir
    ln -s ../outside/dir dst/dir
    # shellcheck disable=SC2086
    pcopy $options src dst
    outside_untouched
done
same src dst

# ---- a source directory that cannot be read

fresh
mkdir src/closed dst/closed
echo keep >dst/closed/keep
echo keep >dst/closed/keep2
mkdir dst/closed/keep3
echo keep >dst/closed/keep3/file
chmod 000 src/closed
is_root && chown -R 65534:65534 dst src
as_nobody "$PCOPY" --delete src dst
expect_status 23
expect_err "closed': Permission denied"
for keep in keep keep2 keep3/file; do
    [ -e dst/closed/$keep ] || fail "deleted below a directory that could not be read: $keep"
done
chmod 755 src/closed

if command -v strace >/dev/null && ASAN_OPTIONS=detect_leaks=0 \
    strace -f -qq -o /dev/null "$PCOPY" --version >/dev/null 2>&1; then
    for when in '' :when=2+; do
        fresh
        make_many src/dir/many 2000
        make_many dst/dir/many 2000
        echo keep | tee dst/dir/many/keep >dst/dir/many/zzz
        rm src/dir/many/f001999
        with_fault getdents64 "error=EIO$when" "$PWD/src/dir/many" "$PCOPY" --retry-wait=0 --delete src dst
        expect_status 23
        expect_err "dir/many'"
        [ "$(find dst/dir/many -type f | wc -l)" = 2002 ] ||
            fail "deleted in a directory that was not read to its end ($when)"
    done
    # One that cannot be opened: sub, by its name in the open src/dir.
    for error in EIO EACCES; do
        fresh
        with_fault openat,openat2 error=$error "$PWD/src/dir" "$PCOPY" --retry-wait=0 --delete src dst
        expect_status 23
        expect_err "src/dir/sub'"
        there dst/dir/sub/5 dst/dir/sub/file dst/dir/file
        gone dst/gone dst/6
    done
    # A destination that cannot be read is an error, not an empty one.
    fresh
    with_fault getdents64 error=EIO "$PWD/dst/dir" "$PCOPY" --retry-wait=0 --delete src dst
    [ "$status" != 0 ] || fail "extras could not be looked for, and the status is 0"
    [ -e dst/dir/4 ] || fail "deleted in a directory that was not read"
    # What cannot be removed is one error, and the rest goes.
    fresh
    with_fault unlinkat error=EACCES 4 "$PCOPY" --delete src dst
    expect_status 23
    expect_err "dir/4'"
    there dst/dir/4
    gone dst/dir/sub/5 dst/gone
else
    skip_part 'strace is not installed, or cannot trace this program here'
fi

# A destination directory that cannot be read is an error, not an empty one.
if is_root; then
    fresh
    chown -R 65534:65534 dst
    chown 0:0 dst/dir
    chmod 711 dst/dir
    touch -r src/dir dst/dir
    as_nobody "$PCOPY" --delete src dst
    expect_status 23
    expect_err "dst/dir': Permission denied"
    as_nobody "$PCOPY" --verify-only --delete src dst
    expect_status 23
fi

# ---- other programs' names: what NFS clients keep of open files, and temporary names of the living

fresh
echo open >dst/.nfs0000000abc12
mkdir dst/gone/held
echo open >dst/gone/held/.nfs00000000deadbeef00000001
pcopy --delete src dst
[ "$(cat dst/.nfs0000000abc12)" = open ] || fail "a file that is open elsewhere was removed"
[ -e dst/gone/held/.nfs00000000deadbeef00000001 ] ||
    fail "a file that is open elsewhere was removed with its directory"
gone dst/gone/deep dst/6 dst/dir/4

# A temporary name of this host, taken from a run that is stopped in the middle.
fresh
mkdir big
yes | head -c 200000000 >big/file
"$PCOPY" -q --atomic --fsync=none big dst/dir &
pid=$!
for ((i = 0; i < 500; i++)); do
    temporary=$(find dst/dir -name '.file.pcopy-*' -print -quit)
    [ -z "$temporary" ] || break
    sleep 0.01
done
kill -STOP "$pid" 2>/dev/null
temporary=$(find dst/dir -name '.file.pcopy-*' -print -quit)
# A process that is stopped would outlive the test.
fail_with_it() {
    kill -KILL $pid
    fail "$@"
}
if [ -n "$temporary" ]; then
    pcopy --delete src dst
    expect_status 0
    [ -e "$temporary" ] || fail_with_it "the temporary name of a living process was removed"
    [ ! -e dst/dir/4 ] || fail_with_it "the rest is not gone"
    # The same number, but of another process: one of the last boot, it may be.
    IFS=- read -r mark host number born last <<<"${temporary##*/}"
    other=dst/dir/$mark-$host-$number-$(printf %x $((0x$born ^ 1)))-$last
    echo left >"$other"
    pcopy src dst
    expect_status 0
    [ ! -e "$other" ] || fail_with_it "a temporary name of another process is still there"
    [ -e "$temporary" ] || fail_with_it "the one of a living process was removed with it"
    kill -KILL $pid
    kill -CONT $pid
    wait $pid 2>/dev/null
    pcopy --delete src dst
    expect_status 0
    [ ! -e "$temporary" ] || fail "the temporary name of a killed process is still there"
    same src dst
else
    kill -CONT $pid
    wait $pid
    skip_part 'no temporary name was seen'
fi
rm -rf big

# ---- limits

entries=$(fresh && find dst -mindepth 1 | wc -l)
for limit in 0 1 3 8; do
    fresh
    pcopy --delete --max-delete=$limit src dst
    expect_status 25
    [ "$(find dst -mindepth 1 | wc -l)" = $((entries - limit)) ] ||
        fail "not $limit were deleted, but $((entries - $(find dst -mindepth 1 | wc -l)))"
    for file in file dir/file dir/sub/file other/file; do
        cmp -s src/$file dst/$file || fail "$file of the source is gone"
    done
    # -n tells as many.
    fresh
    pcopy -n -i --delete --max-delete=$limit src dst
    expect_status 25
    [ "$(grep -c deleting "$OUT")" = "$limit" ] || fail "-n tells another number than $limit"
done
for limit in 9 100 100%; do
    fresh
    pcopy --delete --max-delete=$limit src dst
    expect_status 0
    same src dst
done
# 9 of 16 entries: 56 of 100.
for limit in 0% 1% 50%; do
    fresh
    before=$(picture)
    pcopy --delete --max-delete=$limit src dst
    expect_status 25
    [ "$(find dst -mindepth 1 | wc -l)" = "$entries" ] || fail "more than $limit, and some are gone"
    pcopy -n --delete --max-delete=$limit src dst
    expect_status 25
done
fresh
pcopy --delete --max-delete=60% src dst
expect_status 0
same src dst
for limit in -1 x '' 1.5 101% % 5%% 0x10; do
    fresh
    before=$(picture)
    pcopy --delete --max-delete="$limit" src dst
    expect_status 1
    expect_err max-delete
    [ "$(picture)" = "$before" ] || fail "refused, and still something was changed"
done

# ---- only in what is copied: DIR/basename

fresh
mkdir -p to/dir/gone to/unrelated
echo keep | tee to/keep >to/unrelated/keep
for arguments in 'src/dir src/other to' '-t to src/dir'; do
    mkdir -p to/dir/gone to/other
    echo gone | tee to/dir/gone/file >to/dir/extra
    # shellcheck disable=SC2086
    pcopy --delete $arguments
    expect_status 0
    same src/dir to/dir
    there to/keep to/unrelated/keep
done
pcopy --delete src/file to
expect_status 0
there to/keep to/unrelated/keep to/dir/file

# Together with a list: refused.
echo file >list
before=$(picture)
pcopy --delete --files-from=list src dst
expect_status 1
[ "$(picture)" = "$before" ] || fail "refused, and still something was changed"

# ---- ended by a signal

fresh
remove src dst
mkdir src dst
for d in {0..39}; do
    make_many "src/d$d" 250
    make_many "dst/d$d" 250
    find "src/d$d" -type f -name '*7' -delete
    # Newer at the source, so that there is something to copy.
    find "src/d$d" -type f -name '*3' -exec sh -c 'for f; do echo newer and longer >"$f"; done' sh {} +
done
(cd dst && find . -mindepth 1 | sort) >before
for attempt in 1 2 3 4 5; do
    remove copy
    cp -a dst copy
    command_line='pcopy --delete src copy, with SIGTERM in the middle'
    env --default-signal "$PCOPY" -j 2 --delete --fsync=none src copy >"$OUT" 2>"$ERR" &
    pid=$!
    # The first that is deleted says that it is at work.
    there=(copy/d*/f000007)
    while [ ${#there[@]} = 40 ]; do
        kill -0 "$pid" 2>/dev/null || break
        there=(copy/d*/f000007)
    done
    kill -TERM "$pid" 2>/dev/null
    wait "$pid"
    status=$?
    (cd copy && find . -mindepth 1 | sort) >after
    comm -23 before after >deleted
    while IFS= read -r name; do
        [ ! -e "src/$name" ] || fail "deleted, and the source has it: $name"
    done <deleted
    no_temporary copy
    [ $status = 0 ] || break
    echo "attempt $attempt came too late"
done
expect_status 20
pcopy --delete src copy
expect_status 0
same src copy

# A run that is refused, or has no source, deletes nothing.
before=$(picture)
pcopy --delete missing copy
expect_status 3
pcopy --delete src missing copy
expect_status 3
[ "$(picture)" = "$before" ] || fail "refused, and still something was changed"
