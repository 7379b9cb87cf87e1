#!/bin/bash
# What comes in the mail of a cron job, which runs pcopy -q: nothing when all went well; else each
# thing that went wrong, once, and what became of the run in the last line.
. "$(dirname "$0")/lib.sh"
work_in_memory

# cron ARGUMENT...: runs pcopy with what cron gives to a job; $OUT is the mail.
cron() {
    command_line="pcopy $*, from cron"
    # shellcheck disable=SC2016 # for the shell that is started
    env -i PATH=/usr/bin:/bin HOME=/ SHELL=/bin/sh LOGNAME=root \
        setsid /bin/sh -c 'exec "$0" "$@" 2>&1' "$PCOPY" "$@" </dev/null >"$OUT"
    status=$?
    cp "$OUT" "$ERR"
    ! grep -q -e Sanitizer -e 'runtime error:' "$OUT" || fail "a sanitizer has found something"
}

expect_no_mail() {
    expect_status 0
    [ ! -s "$OUT" ] || fail "there is something to read"
}

# expect_mail STATUS LINES: so many lines and then the one with the exit status.
expect_mail() {
    expect_status "$1"
    tail -n 1 "$OUT" | grep -q "^pcopy: exit status $1: .* files, .* errors; .* seconds, " ||
        fail "the last line does not say what became of it"
    [ "$(wc -l <"$OUT")" = $(($2 + 1)) ] || fail "not $2 lines and the last one"
    [ "$(sort "$OUT" | uniq -d)" = '' ] || fail "a line comes twice"
}

need setsid
mkdir -p src/dir src/.snapshot
echo 1 >src/dir/file
echo 2 >src/other

# ---- all is well: no mail, and no advice either, which is in the log

cron -q --log-file=log src dst
expect_no_mail
grep -q 'exclude=.snapshot' log || fail "the advice is not in the log"
same src dst
cron -q --delete --verify src dst
expect_no_mail
pcopy src dst2
expect_err 'exclude=.snapshot'

# ---- something is not: each error once, also with several passes, and the end

rm -rf dst
mkdir -p dst/other/in_the_way dst/dir/file/in_the_way
for option in '' --verify '--verify --verify-rounds=5' '--delete --max-delete=50% --verify'; do
    # shellcheck disable=SC2086
    cron -q $option src dst
    expect_mail 23 2
    expect_out "pcopy: cannot create 'dst/other': Is a directory"
    expect_out ' 2 errors; '
done
# Without -q the summary has it.
pcopy --verify src dst
expect_status 23
[ "$(wc -l <"$ERR")" = 3 ] || fail "an error comes twice, or the advice does not"
expect_summary errors 2

# Errors are told even if they are not to fail.
cron -q --fail-on=none src dst
expect_status 0
[ "$(wc -l <"$OUT")" = 2 ] || fail "the errors are not told"

# ---- what is to be no failure is not told

rm -rf dst
pcopy src dst
echo 3 >dst/extra
cron -q --delete --max-delete=0 src dst
expect_mail 25 1
rm -f log
cron -q --delete --max-delete=0 --fail-on=errors --log-file=log src dst
expect_no_mail
grep -q 'max-delete has kept' log || fail "it is not in the log"

if command -v strace >/dev/null; then
    rm -rf dst log
    with_fault openat,openat2 error=ENOENT "$PWD/src/dir" "$PCOPY" -q src dst
    expect_status 24
    [ "$(wc -l <"$ERR")" = 2 ] || fail "not what vanished, and the end"
    rm -rf dst
    with_fault openat,openat2 error=ENOENT "$PWD/src/dir" \
        "$PCOPY" -q --fail-on=errors --log-file=log src dst
    expect_status 0
    expect_no_err
    grep -q 'it vanished' log || fail "what vanished is not in the log"
else
    skip_part 'strace is not installed'
fi

# What is lost is told, also where it is no failure.
if is_root; then
    rm -rf for_nobody
    mkdir -m 777 for_nobody
    as_nobody "$PCOPY" -q --preserve=ownership src for_nobody/dst
    expect_status 0
    expect_err 'owners are not all kept'
    [ "$(wc -l <"$ERR")" = 1 ] || fail "it is not told once"
else
    skip_part 'to lose owners needs root'
fi

# ---- a refusal is one line; time that is over is told

cron -q missing dst
expect_status 3
[ "$(wc -l <"$OUT")" = 1 ] || fail "not one line"
rm -rf dst
make_file src/big 3000000
cron -q --bwlimit=500K --stop-after=1s src dst
expect_mail 30 1
expect_out 'pcopy: ended because its time is over'

# ---- a comparison only has an exit status

cron -q --verify-only src dst
expect_status 23
[ ! -s "$OUT" ] || fail "there is something to read"
