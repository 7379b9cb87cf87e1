#!/bin/bash
# Without a terminal, and in the background of one: SIGUSR1 is answered with a line on stderr and
# ends nothing, the terminal is not read, and no signal of it stops the run.
. "$(dirname "$0")/lib.sh"
need setsid script
work_in_memory

make_many src 100
make_file src/big 6000000

# background COMMAND...: starts it with the descriptors that cron gives, as $pid.
background() {
    command_line="$* &"
    "$@" </dev/null >"$OUT" 2>"$ERR" &
    pid=$!
}

finished() {
    wait "$pid"
    status=$?
    ! grep -q Sanitizer "$ERR" || fail "a sanitizer has found something"
}

# Waits for a condition that has to come.
await() {
    local tries=$((patience * 20))
    until "$@"; do
        ((tries-- > 0)) || fail "never came: $*"
        sleep 0.05
    done
}

# ---- SIGUSR1

state='[0-9]+ files, [0-9]+ directories, [0-9]+ bytes \([0-9.]+ ([KMGT]i)?B\), [0-9]+ skipped,'
state="$state [0-9]+ deleted, [0-9]+ vanished, [0-9]+ changed, [0-9]+ errors;"
state="$state [0-9.]+ seconds, [0-9]+ files/s, [0-9.]+ ([KMGT]i)?B/s"

told() {
    grep -qE "^pcopy: $1: $state\$" "$ERR"
}

background setsid "$PCOPY" -q --bwlimit=2M src dst
await [ -e dst ]
kill -USR1 "$pid"
await told copying
kill -USR1 "$pid"
finished
expect_status 0
[ "$(grep -cE "^pcopy: copying: $state\$" "$ERR")" = 2 ] || fail "not a line for each signal"
[ "$(wc -l <"$ERR")" = 2 ] || fail "more than these lines"
[ ! -s "$OUT" ] || fail "something on stdout with -q"
same src dst

# While it still waits for its list of names, and nothing could be told.
rm -rf dst
mkfifo list
background "$PCOPY" -q --files-from=list src dst
exec 9>list # opened when it is read
kill -USR1 "$pid"
ls src >&9
exec 9>&-
finished
expect_status 0
told copying || fail "a signal before the copy was not answered"

# To those who were told to ignore it, it is nothing.
rm -rf dst
# shellcheck disable=SC2016 # for the shell that is started
background bash -c 'trap "" USR1; exec "$0" "$@"' "$PCOPY" -q --bwlimit=6M src dst
await [ -e dst ]
kill -USR1 "$pid"
finished
expect_status 0
expect_no_err

# ---- while the destination is flushed

if command -v strace >/dev/null; then
    rm -rf dst
    background env ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" \
        strace -f -qq -o "$base/trace" -e trace=syncfs -e inject=syncfs:delay_enter=2000000 \
        "$PCOPY" -q src dst
    await grep -qs syncfs "$base/trace"
    # The signal to stop comes too late: all was copied.
    child=$(pgrep -P "$pid")
    kill -USR1 "$child"
    kill -TERM "$child"
    finished
    expect_status 0
    told flushing || fail "not told that it flushes"
    [ "$(wc -l <"$ERR")" = 1 ] || fail "more than this line"
    same src dst
else
    skip_part 'strace is not installed'
fi

# ---- in the background of a terminal, where `stty tostop` stops who writes to it

rm -rf dst
cat >commands <<END
stty tostop
"$PCOPY" -v --bwlimit=3M src dst &
wait
echo "status=\$?"
END
run script -qec 'exec bash -m commands' typescript
command_line='pcopy in the background of a terminal'
tr -d '\r' <typescript >"$OUT"
grep -qx 'status=0' "$OUT" || fail "it did not end well"
grep -qx 'src/f000099' "$OUT" || fail "names are missing on the terminal"
expect_out 'bytes (5.7 MiB)'
! grep -q 'files/s.*; 0 errors' "$OUT" || fail "progress over what is typed at the terminal"
same src dst

# ---- the terminal is not read

if command -v strace >/dev/null; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    rm -rf dst
    run script -qec "strace -f -qq -o '$base/trace' -e trace=desc '$PCOPY' src dst" typescript
    expect_status 0
    grep -q 'write(1,' "$base/trace" || fail "nothing was traced"
    ! grep -E '(read|readv|pread64|poll|ppoll|select)\(0,' "$base/trace" || fail "it reads"
fi
