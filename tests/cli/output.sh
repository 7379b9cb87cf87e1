#!/bin/bash
# What is printed, and where: the summary, -q, -v, errors, and the progress line that only a
# terminal gets to see.
. "$(dirname "$0")/lib.sh"
work_in_memory

mkdir -p src/dir
echo 1234 >src/file
echo 12345678 >src/dir/file
ln src/file src/link
ln -s file src/symlink
mkfifo src/fifo

# ---- the summary

pcopy src dst
expect_status 0
expect_no_err
expect_summary files 2
expect_summary directories 2
expect_summary symlinks 1
expect_summary 'hard links' 1
expect_summary 'special files' 1
expect_summary bytes 14
expect_summary skipped 0
expect_summary vanished 0
expect_summary errors 0
grep -qE '[0-9.]+ seconds, [0-9]+ files/s, [0-9.]+ ([KMGT]i)?B/s' "$OUT" || fail "no rates"
[ "$(wc -l <"$OUT")" = 3 ] || fail "the summary has not three lines"

echo 1 >src/dir/more
pcopy src dst
expect_summary files 1
expect_summary bytes 2
[ "$(summary skipped)" -ge 2 ] || fail "what was skipped is not counted"

# ---- -q and -v

rm -rf dst
for option in -q --quiet '-q -v'; do
    # shellcheck disable=SC2086
    pcopy $option src dst
    expect_status 0
    expect_no_err
    [[ $option = *-v* ]] || [ ! -s "$OUT" ] || fail "something on stdout with $option"
    rm -rf dst
done
# Errors are printed all the same.
mkdir -p dst/file
pcopy -q src dst
expect_status 23
[ ! -s "$OUT" ] || fail "something on stdout with -q"
[ "$(wc -l <"$ERR")" = 2 ] || fail "not the error and the end on stderr"
rm -rf dst

for option in -v --verbose '-v -j 64'; do
    # shellcheck disable=SC2086
    pcopy $option src dst
    expect_status 0
    for name in file dir dir/file dir/more link symlink fifo; do
        [ "$(grep -cE "(^|/)$name\$" "$OUT")" -ge 1 ] || fail "$name is not listed"
    done
    # Each entry once; the root itself may be listed or not.
    [ "$(head -n -3 "$OUT" | sort | uniq -d)" = '' ] || fail "an entry is listed twice"
    lines=$(head -n -3 "$OUT" | wc -l)
    [ "$lines" = 7 ] || [ "$lines" = 8 ] || fail "$lines lines for 7 entries"
    # What was not copied is not listed.
    # shellcheck disable=SC2086
    pcopy $option src dst
    ! grep -qE '(^|/)(file|link|symlink|fifo)$' "$OUT" || fail "what was skipped is listed"
    rm -rf dst
done

# ---- names that are no text

rm -rf src
mkdir -p src
nasty=$'a\nb\e[31m\xff\x01\x7f\r\t'
echo 1 >"src/$nasty"
mkdir -p "dst/$nasty"
pcopy src dst
expect_status 23
[ "$(wc -l <"$ERR")" = 1 ] || fail "not one line on stderr"
! tr -d '\n' <"$ERR" | grep -q '[^[:print:]]' || fail "an unprintable byte on stderr"
expect_err '\x1b'
expect_err '\xff'
rm -rf dst
pcopy -v src dst
expect_status 0
[ "$(wc -l <"$OUT")" -le 5 ] || fail "a name with a newline makes two lines"
! tr -d '\n' <"$OUT" | grep -q '[^[:print:]]' || fail "an unprintable byte on stdout"
rm -rf dst
# In an operand, too.
pcopy "src/missing$nasty" dst
expect_status 3
[ "$(wc -l <"$ERR")" = 1 ] || fail "not one line on stderr"
! tr -d '\n' <"$ERR" | grep -q '[^[:print:]]' || fail "an unprintable byte on stderr"

# A name is shown where it is: below the source, or below the destination.
rm -rf src
mkdir -p src/dir/sub dst/dir/sub/file
echo 1 >src/dir/sub/file
pcopy src dst
expect_status 23
grep -qE "^pcopy: cannot [a-z ]+ '.*dir/sub/file': " "$ERR" || fail "another form of message"
rm -rf dst

# ---- progress: for a terminal only

need script
make_many src/many 20000
run bash -c '"$0" src dst 2>&1 | cat' "$PCOPY"
expect_status 0
! grep -q $'\r' "$OUT" || fail "progress in a pipe"
[ "$(wc -l <"$OUT")" = 3 ] || fail "more than the summary in a pipe"
rm -rf dst

start=$(date +%s%N)
run script -qec "$(printf '%q ' "$PCOPY" -j 2 src dst) >summary" typescript
took=$((($(date +%s%N) - start) / 1000000))
expect_status 0
updates=$(tr -cd '\r' <typescript | wc -c)
[ "$took" -lt 500 ] || [ "$updates" -ge 1 ] || fail "no progress on a terminal in $took ms"
[ "$updates" -le $((took / 100 + 3)) ] || fail "$updates updates in $took ms"
[ "$took" -lt 500 ] || grep -q 'files/s.*B/s' typescript || fail "no rates in the progress line"
[ "$(wc -l <summary)" = 3 ] || fail "the summary is not on stdout alone"
! grep -q $'\r' summary || fail "progress on stdout"
same src dst
rm -rf dst
run script -qec "$(printf '%q ' "$PCOPY" -q -j 2 src dst)" typescript
expect_status 0
! grep -q files/s typescript || fail "progress with -q"

# ---- snapshots that readdir shows are copied, and named once with the way to leave them out

mkdir -p snap/a/.snapshot snap/b/.snapshot
pcopy snap snap_dst
expect_status 0
[ "$(grep -c 'exclude=.snapshot' "$ERR")" = 1 ] || fail "the note is not there once"
[ -d snap_dst/b/.snapshot ] || fail ".snapshot was left out"
pcopy -q --exclude=.snapshot snap snap_dst2
expect_no_err
[ ! -e snap_dst2/a/.snapshot ] || fail ".snapshot was copied"

# ---- stdout that cannot be written is an error

run bash -c '"$0" src dst2 >/dev/full' "$PCOPY"
[ "$status" != 0 ] || fail "the summary was lost and the exit status is 0"
expect_err 'No space left on device'
