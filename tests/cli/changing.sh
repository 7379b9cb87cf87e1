#!/bin/bash
# Sources that change while they are read. Who changed once is copied again. Who never holds still
# is counted as changed, with exit status 24, and its copy has the time from before it was read, so
# that the next run copies it again. Never a hang, never a temporary name, and never a copy that
# looks complete and is a mixture.
. "$(dirname "$0")/lib.sh"
work_in_memory

size=60000000

# Starts a copy; the shell goes on.
start() {
    command_line="pcopy $*"
    "$PCOPY" "$@" >"$OUT" 2>"$ERR" </dev/null &
    pid=$!
}

# finish: waits for what was started, as long as any test may.
finish() {
    local i
    for ((i = 0; i < patience * 20; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.05
    done
    if kill -KILL "$pid" 2>/dev/null; then
        fail "still running after $patience seconds"
    fi
    wait "$pid"
    status=$?
    if grep -q -e 'Sanitizer' -e 'runtime error:' "$ERR"; then
        fail "a sanitizer has found something"
    fi
}

# The copy that is being made, under whatever name.
growing() {
    find dst -type f -size +2M -printf '%b\n' -quit 2>/dev/null
}

# All threads of the copy have, or it is gone.
have_stopped() {
    ! grep -h '^State:' "/proc/$pid/task/"*/status 2>/dev/null | grep -qv T
}

prepare=
# in_the_middle ACTION OPTION...: stops the copy while src/big is read, does ACTION, lets it go on.
# On a busy machine the copy may be done before it is stopped; then all is tried again.
in_the_middle() {
    local action=$1 attempt blocks
    shift
    for attempt in 1 2 3 4 5 6 7 8; do
        rm -rf src dst
        cp -a template src
        eval "$prepare"
        before=$(stat -c %.9Y src/big)
        start "$@" src dst
        until [ -n "$(growing)" ]; do
            kill -0 "$pid" 2>/dev/null || break
        done
        kill -STOP "$pid" 2>/dev/null
        until have_stopped; do
            sleep 0.01
        done
        blocks=$(growing)
        if kill -0 "$pid" 2>/dev/null && [ $((${blocks:-0} * 512)) -lt $((size * 9 / 10)) ]; then
            command_line+=", and in the middle: $action"
            eval "$action"
            kill -CONT "$pid"
            finish
            no_temporary dst
            cmp -s src/other dst/other || fail "another file was not copied"
            return
        fi
        kill -CONT "$pid" 2>/dev/null
        finish
        [ "$status" != 1 ] || fail "exit status 1"
        echo "attempt $attempt came too late"
    done
    fail "the copy cannot be stopped in the middle"
}

mkdir template
make_file template/big $size
make_file template/other 5000
touch -d @1000000000.5 template/big template/other

changes=('head -c 1000000 /dev/urandom >>src/big' 'truncate -s 1000 src/big' ': >src/big'
    'printf x | dd of=src/big bs=1 seek=100000 conv=notrunc status=none'
    'make_file src/new 300000; mv src/new src/big')

# ---- changed once: the second try is good

for change in "${changes[@]}"; do
    in_the_middle "$change" -a
    expect_status 0
    same src/big dst/big
done
# ctime alone tells: the size is the same, and the mtime was put back.
in_the_middle "${changes[3]}; touch -d @1000000000.5 src/big" -a
expect_status 0
same src/big dst/big
# The same under a temporary name, and where the file is written into an old one.
in_the_middle "${changes[1]}" -a --atomic
expect_status 0
same src/big dst/big
prepare='mkdir dst; echo old >dst/big'
for change in "${changes[@]}"; do
    in_the_middle "$change" -a
    expect_status 0
    same src/big dst/big
    in_the_middle "$change" -a --inplace
    expect_status 0
    same src/big dst/big
done
prepare=

# ---- no second try: it is said, and the next run copies it again

for change in "${changes[@]}"; do
    in_the_middle "$change" -a --retries=0
    expect_status 24
    expect_summary changed 1
    expect_summary errors 0
    [ "$(wc -l <"$ERR")" = 1 ] || fail "not one line for one file"
    expect_err "big'"
    # What became shorter than it was cannot be copied as it was: then there may be no copy.
    if [ -e dst/big ] || [ "$(stat -c %s src/big)" -ge $size ]; then
        [ "$(stat -c %.9Y dst/big)" = "$before" ] || fail "the copy has not the time from before"
    fi
    pcopy -a src dst
    expect_status 0
    same src dst
done

# ---- gone, or something else, by the second try

in_the_middle 'rm src/big' -a
expect_status 24
[ "$(wc -l <"$ERR")" -le 1 ] || fail "more than one line for one file"
[ ! -e dst/big ] || cmp -s dst/big template/big || fail "what is left is no copy"

mkdir outside
echo SECRET >outside/file
for change in 'mkdir src/big; echo file >src/big/file' 'ln -s ../outside/file src/big' \
    'mkfifo src/big'; do
    in_the_middle "rm src/big; $change" -a
    [ "$status" = 23 ] || [ "$status" = 24 ] || fail "exit status $status"
    [ ! -f dst/big ] || cmp -s dst/big template/big || fail "what is left is no copy"
    ! grep -q -r -D skip SECRET dst || fail "a symbolic link was followed"
done

# ---- the same where the file has other names: those are still what they were

mkdir template/dir
ln template/big template/dir/again
ln template/big template/zz_again
touch -d @1000000000.5 template/dir template
for change in "${changes[@]}" 'rm src/big' 'rm src/big; mkdir src/big' \
    'rm src/big; ln -s other src/big'; do
    in_the_middle "$change" -a
    case $status in
    0 | 23 | 24) ;;
    *) fail "exit status $status" ;;
    esac
    # Which name is copied and which are linked is chance; either the file was read under another
    # one, or it was noticed.
    [ "$status" != 0 ] || same src dst names,bytes,links
    for name in dir/again zz_again; do
        cmp -s src/$name dst/$name || grep -qF "$name'" "$ERR" ||
            fail "$name is missing or has other data, and nothing is said"
    done
done
rm -r template/dir template/zz_again

# ---- never still: the last try is kept, as changed

# It busily changes one byte; its time goes on with the clock.
for attempt in 1 2 3 4 5; do
    rm -rf src dst
    cp -a template src
    perl -e '
        open my $file, "+<", "src/big" or die;
        while (1) {
            sysseek $file, $n++ % 50000000, 0;
            syswrite $file, "x";
        }' &
    writer=$!
    pcopy -a src dst
    # Not a signal that would be met by what this shell does at its end, were it a copy of it still.
    kill -KILL "$writer"
    wait "$writer" 2>/dev/null
    [ "$status" = 0 ] || break
    echo "attempt $attempt: the file was still"
done
expect_status 24
expect_summary changed 1
expect_err "big'"
no_temporary dst
cmp -s src/other dst/other || fail "another file was not copied"
[ -e dst/big ] || fail "nothing was kept of it"
[ "$(stat -c %.9Y dst/big)" != "$(stat -c %.9Y src/big)" ] || fail "the copy looks complete"
pcopy -a src dst
expect_status 0
same src dst

# ---- something else when it is opened than when it was listed

# before_open WHAT ACTION: src/racer (WHAT makes it) is copied; its opening takes a second,
# in which ACTION happens.
before_open() {
    local attempt begin
    for attempt in 1 2 3 4 5; do
        rm -rf src dst
        mkdir src
        eval "$1"
        make_file src/other 5000
        command_line="$1; pcopy -a src dst, and before it is opened: $2"
        begin=${EPOCHREALTIME/./}
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 strace -f -qq -o "$base/trace" \
            -P racer -e trace=openat -e inject=openat:delay_enter=1000000:when=1 \
            "$PCOPY" -a -j 4 src dst >"$OUT" 2>"$ERR" </dev/null &
        pid=$!
        # Now the directory was listed, for both entries are in one piece of the list.
        until [ "$(stat -c %s dst/other 2>/dev/null)" = 5000 ]; do
            kill -0 "$pid" 2>/dev/null || break
        done
        eval "$2"
        begin=$((${EPOCHREALTIME/./} - begin))
        finish
        # All within the second: so the opening came later.
        if [ $begin -lt 1000000 ] && grep -q 'racer.*(DELAYED)' "$base/trace"; then
            no_temporary dst
            cmp -s src/other dst/other || fail "another file was not copied"
            ! grep -q -r -D skip SECRET dst || fail "a symbolic link was followed"
            return
        fi
        echo "attempt $attempt: it was opened too early"
    done
    fail "the opening cannot be delayed"
}

# A sanitized program below strace may not start at all.
can_trace() {
    command -v strace >/dev/null &&
        ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null "$PCOPY" --version >/dev/null 2>&1
}

if ! can_trace; then
    skip_part "strace cannot trace this program here"
else
    file='make_file src/racer 300000'
    directory='mkdir src/racer; echo file >src/racer/file'
    before_open "$file" 'rm src/racer'
    expect_status 24
    expect_summary vanished 1
    before_open "$file" 'make_file src/racer 400000'
    expect_status 0
    same src dst
    for change in 'ln -s ../outside/file src/racer' 'mkfifo src/racer' "$directory"; do
        before_open "$file" "rm src/racer; $change"
        [ "$status" = 23 ] || [ "$status" = 24 ] || fail "exit status $status"
        [ ! -f dst/racer ] || fail "a file was made of what is none"
    done
    before_open "$directory" 'rm -r src/racer'
    [ "$status" = 24 ] || [ "$status" = 23 ] || fail "exit status $status"
    for change in 'ln -s ../outside src/racer' 'mkfifo src/racer' "$file"; do
        before_open "$directory" "rm -r src/racer; $change"
        [ "$status" = 23 ] || [ "$status" = 24 ] || fail "exit status $status"
    done
fi

# ---- everything at once, for a while

cat >"$base/churn" <<'END'
use strict;
my $n = 0;
srand 1;
sub add {
    my ($how, $name, $data) = @_;
    open my $file, $how, $name or return;
    print $file $data;
}
while (1) {
    my $name = "src/d" . int(rand 10) . "/f" . int(rand 10);
    my $what = int rand 8;
    if ($what == 0) { unlink $name; rmdir $name; }
    elsif ($what == 1 && ! -l $name) { truncate $name, int rand 200000; }
    elsif ($what == 2) { unlink $name; mkdir $name; }
    elsif ($what == 3) { unlink $name; symlink "../../outside/file", $name; }
    elsif ($what == 4 && -f $name && ! -l $name) { add(">>", $name, "x" x 50000); }
    elsif ($what == 5) { rename $name, "src/d" . int(rand 10) . "/f" . int(rand 10); }
    elsif ($what == 6) { link "src/d0/f0", $name; }
    # Never the same size again: times of old kernels are coarse.
    elsif (! -l $name) { add(">", $name, chr(97 + $n % 26) x (80000 + $n++ % 100000)); }
}
END
rm -rf src dst
mkdir -p src/d{0..9}
end=$((SECONDS + 4))
perl "$base/churn" 2>/dev/null &
writer=$!
runs=0
changed=0
while [ $SECONDS -lt $end ]; do
    [ $((runs % 3)) != 2 ] || rm -rf dst
    pcopy -a -j 8 src dst
    case $status in
    0 | 23) ;;
    24) changed=$((changed + 1)) ;;
    *) fail "exit status $status" ;;
    esac
    no_temporary dst
    ! grep -q -r -D skip SECRET dst || fail "a symbolic link was followed"
    runs=$((runs + 1))
done
kill -KILL "$writer" || fail "the writer has ended by itself"
wait "$writer" 2>/dev/null
echo "$runs runs, $changed with something changed or vanished"
# Nothing that was left then passes for complete now.
pcopy -a src dst
while IFS= read -r file; do
    [ ! -f "dst/$file" ] || [ -L "dst/$file" ] || cmp -s "src/$file" "dst/$file" ||
        grep -qF "$file'" "$ERR" || fail "$file passes for complete"
done < <(cd src && find . -type f -printf '%P\n')
rm -rf dst
pcopy -a src dst
expect_status 0
same src dst
