#!/bin/bash
# --log-file: all that is said, and with -q what would be, in a file to which several runs append.
. "$(dirname "$0")/lib.sh"
work_in_memory

stamp='[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} '

# The lines of the log without the times, which each of them must have.
said() {
    ! grep -qvE "^$stamp" log || fail "a line without a time: $(grep -vE -m 1 "^$stamp" log)"
    sed -E "s/^$stamp//" log
}

expect_log() {
    said | grep -qxF -e "$1" || fail "not in the log: $1"
}

mkdir -p src/dir
echo 1234 >src/file
echo 5678 >src/dir/file
ln -s file src/link
nasty=$'a\nb\e[31m'
echo 1 >"src/$nasty"

# ---- the summary, and the end

pcopy --log-file=log src dst
expect_status 0
said | head -n 3 | cmp -s - "$OUT" || fail "the summary is another one in the log"
said | tail -n 1 | grep -q '^pcopy: exit status 0: ' || fail "the last line does not say the end"
[ "$(wc -l <log)" = 4 ] || fail "more than that"

# ---- appended, in local time, whatever -q says

rm -rf dst
mkdir -p dst/file
run env TZ=XXX-5:30 "$PCOPY" -q --log-file=log src dst
expect_status 23
[ ! -s "$OUT" ] || fail "something on stdout with -q"
[ "$(wc -l <log)" -gt 8 ] || fail "the log was not appended to"
while IFS= read -r line; do
    [[ $line = *'exit status'* ]] || expect_log "$line"
done <"$ERR"
expect_log "$(head -n 1 "$ERR")"
said | grep -q '^pcopy: exit status 23: .* 1 errors; ' || fail "the exit status is not in the log"
now=$(TZ=XXX-5:30 date +%s)
then=$(TZ=XXX-5:30 date -d "$(tail -n 1 log | cut -c -19)" +%s)
((now - then >= 0 && now - then <= 60)) || fail "the time is not the local one"

# ---- names and changes, where they are asked for; a name is one line and plays no tricks

rm -rf dst log
pcopy -q --log-file=log src dst
[ "$(wc -l <log)" = 4 ] || fail "names in the log"
rm -rf dst log
pcopy -q -v --log-file=log src dst
expect_log src/dir/file
expect_log 'src/a\nb\x1b[31m'
rm -rf dst log
pcopy -i --log-file=log src dst
head -n -3 "$OUT" >changes
said | head -n -4 | cmp -s - changes || fail "other changes in the log"
expect_log 'cL+++++++++ link -> file'

# Whatever the form on stdout is, that of the log is a line.
rm -rf dst/file log
for form in --json -0; do
    pcopy --verify-only $form --log-file=log src dst
    expect_status 23
    ! grep -qa -e 'would copy' -e 'exit status' "$OUT" || fail "the summary on stdout"
done
[ "$(said | grep -cx '>f+++++++++ file')" = 2 ] || fail "the difference is not in the log"

pcopy -q src dst --checksum-file=sums
rm log
pcopy -q --check-against=sums --log-file=log dst
expect_status 0
expect_log '3 files checked, 0 differ, 0 errors'
[ ! -s "$OUT" ] || fail "something on stdout with -q"
pcopy --check-against=sums --log-file=log dst
expect_out '3 files checked, 0 differ, 0 errors'

# ---- the file

rm -rf dst log
(umask 027 && "$PCOPY" -q --log-file=log src dst)
[ "$(stat -c %a log)" = 640 ] || fail "the mode of the log is $(stat -c %a log)"
chmod 600 log
pcopy -q --log-file=log src dst
[ "$(stat -c %a log)" = 600 ] || fail "the mode of a log that exists was changed"

# What cannot be opened is refused before anything is written.
rm -rf dst
for file in missing/log src; do
    pcopy --log-file=$file src dst
    expect_status 3
    expect_err "pcopy: cannot write '$file': "
    [ ! -e dst ] || fail "something was written"
done
pcopy --log-file= src dst
expect_status 1

# What cannot be written is told once, and fails the run.
pcopy -q -v --log-file=/dev/full src dst
expect_status 11
[ "$(grep -c 'cannot write to the log file: No space left on device' "$ERR")" = 1 ] ||
    fail "it is not told once"
same src dst

# ---- several processes

rm -rf src dst log
make_many src 500
for i in 1 2 3 4; do
    "$PCOPY" -q -v -j 4 --log-file=log src "dst$i" >/dev/null &
done
wait
[ "$(said | grep -cxE 'src/f[0-9]{6}')" = 2000 ] || fail "lines have got lost or mixed"
[ "$(said | grep -c 'exit status 0: ')" = 4 ] || fail "not four ends"

# ---- a standard stream that is closed is not the log, nor anything else that is opened

rm -rf dst log
mkdir -p dst/f000000/in_the_way
run bash -c '"$0" -q --log-file=log src dst 2>&-' "$PCOPY"
expect_status 23
expect_log "pcopy: cannot create 'dst/f000000': Is a directory"
run bash -c '"$0" src dst5 <&- >&-' "$PCOPY"
expect_status 11
expect_err 'cannot write to standard output: Bad file descriptor'
same src dst5
