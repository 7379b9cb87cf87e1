#!/bin/bash
# Each exit status, one by one.
. "$(dirname "$0")/lib.sh"

# ---- 0: all done

make_many src/dir 10
pcopy src dst
expect_status 0
expect_no_err
same src dst

# ---- 1 and 3: refused; usage.sh has all the cases

pcopy --nonsense src dst
expect_status 1
pcopy missing dst
expect_status 3

# ---- 11: the run as a whole failed. Here: the file system cannot say that all is on disk.

if command -v strace >/dev/null; then
    with_fault syncfs error=EIO "$PWD/dst_11" "$PCOPY" src dst_11
    expect_status 11
    expect_err 'Input/output error'
    same src dst_11
else
    skip_part 'strace is not installed'
fi

# ---- 23: some entries failed, the others are copied

chmod 000 src/dir/f000003
mkdir -m 777 for_nobody
as_nobody "$PCOPY" src for_nobody/dst
expect_status 23
expect_err "pcopy: cannot open 'src/dir/f000003': Permission denied"
[ "$(wc -l <"$ERR")" = 1 ] || fail "more than one line for one error"
expect_summary errors 1
expect_summary files 9
[ ! -e for_nobody/dst/dir/f000003 ] || fail "a file that cannot be read was made"
"$TREECMP" --check=bytes,mode,mtime src/dir/f000004 for_nobody/dst/dir/f000004 >/dev/null ||
    fail "another file is wrong"
chmod 644 src/dir/f000003
as_nobody "$PCOPY" src for_nobody/dst
expect_status 0
same src for_nobody/dst
# A directory that cannot be read is one error, too.
mkdir -m 000 src/closed
as_nobody "$PCOPY" src for_nobody/dst
expect_status 23
expect_err "src/closed': Permission denied"
expect_summary errors 1
rmdir src/closed

# ---- 24: entries vanished while we read. The program is stopped at its first file, all that it has
# not copied yet is deleted, and what it had listed before is not there when it goes on.

work_in_memory
for attempt in 1 2 3 4 5; do
    rm -rf many many_dst
    make_many many 20000
    command_line='pcopy -j 1 many many_dst, with files of many deleted while it ran'
    "$PCOPY" -j 1 --walkers=1 --queue-size=2 many many_dst >"$OUT" 2>"$ERR" &
    pid=$!
    until [ -n "$(find many_dst -name 'f*' -print -quit 2>/dev/null)" ]; do
        kill -0 "$pid" 2>/dev/null || break
    done
    kill -STOP "$pid"
    # Each thread stops when it sees the signal.
    while grep -qs '^State:.[RSD]' /proc/"$pid"/task/*/status; do
        sleep 0.01
    done
    comm -23 <(ls many) <(ls many_dst) | (cd many && xargs -r rm)
    kill -CONT "$pid"
    wait "$pid"
    status=$?
    [ "$status" = 0 ] || break
    echo "attempt $attempt came too late"
done
expect_status 24
expect_err vanished
[ "$(summary vanished)" -ge 1 ] || fail "the summary does not count what vanished"
expect_summary errors 0
# All that is left of the source is there; a file that was just being read may have come through.
[ -z "$(comm -23 <(ls many) <(ls many_dst))" ] || fail "a file that did not vanish is missing"
same many many_dst bytes,mode

# ---- 23, not 24, when there are errors as well

if command -v strace >/dev/null; then
    mkdir -p both/gone both_dst/in_the_way
    touch both/gone/file both/in_the_way
    with_fault openat,openat2 error=ENOENT "$PWD/both/gone" "$PCOPY" both both_dst
    expect_status 23
    expect_summary errors 1
    expect_summary vanished 1
fi

# ---- --fail-on: which of these findings there is a status for. All is done and counted as before.

rm -rf src listed listed_dst
mkdir -p src listed_dst/file
echo 1 >src/file
# In the way of the file is a directory with something in it.
echo 1 >listed_dst/file/in_the_way
for list in '' errors lost,errors vanished,changed,errors; do
    pcopy ${list:+--fail-on="$list"} src listed_dst
    expect_status 23
done
for list in none vanished changed,deletions,lost; do
    pcopy --fail-on="$list" src listed_dst
    expect_status 0
    expect_summary errors 1
    expect_err "listed_dst/file'"
done

if command -v strace >/dev/null; then
    for list in '' vanished lost,vanished none changed,errors; do
        rm -rf both_dst
        mkdir both_dst
        rm -f both/in_the_way
        with_fault openat,openat2 error=ENOENT "$PWD/both/gone" "$PCOPY" \
            ${list:+--fail-on="$list"} both both_dst
        case $list in
        none | changed*) expect_status 0 ;;
        *) expect_status 24 ;;
        esac
        expect_summary vanished 1
    done
fi

rm -rf listed_dst
mkdir listed_dst
echo 1 >listed_dst/extra
pcopy --delete --max-delete=0 src listed_dst
expect_status 25
pcopy --delete --max-delete=0 --fail-on=errors,vanished src listed_dst
expect_status 0
expect_err 'kept entries of the destination from being removed'
[ -e listed_dst/extra ] || fail "something was removed"

# What the destination cannot keep: here the owner, for who is not root.
if is_root; then
    mkdir -p for_nobody
    chmod 777 for_nobody
    for list in '' errors lost errors,lost none; do
        rm -rf for_nobody/dst
        as_nobody "$PCOPY" --preserve=ownership ${list:+--fail-on="$list"} src for_nobody/dst
        case $list in
        *lost) expect_status 23 ;;
        *) expect_status 0 ;;
        esac
        expect_summary errors 0
        expect_err 'owners are not all kept'
    done
else
    skip_part 'to lose owners needs root'
fi

# A difference is what was asked for, and a run that has failed has failed.
rm -rf listed_dst
pcopy --fail-on=none --verify-only src listed_dst
expect_status 23
pcopy --fail-on=none missing listed_dst
expect_status 3
run bash -c '"$0" --fail-on=none src listed_dst >/dev/full' "$PCOPY"
expect_status 11
for list in errors,none none,none; do
    pcopy --fail-on=$list src listed_dst
    expect_status 1
    expect_err '--fail-on=none stands alone'
done
pcopy --fail-on=error src listed_dst
expect_status 1
expect_err "--fail-on does not know 'error'"

# ---- 20: ended by a signal; signals.sh has what must hold then
