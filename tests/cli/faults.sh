#!/bin/bash
# One system call of the finished program fails: the first of its kind, the second, and so on until
# there are no more. Either all is copied, or a line says what was not; nothing looks complete that
# is not; no temporary name is left; and the next run sets all right. tests/unit/test_faults.c has
# many more cases; this is the program as it is installed, and the calls that are not made in sys.c.
. "$(dirname "$0")/lib.sh"
work_in_memory

inject=$(dirname "$TREECMP")/inject.so
[ -e "$inject" ] || fail "no $inject: build it"

mkdir -p src/dir/closed
make_file src/small 10
make_file src/dir/big 600000
make_file src/dir/closed/file 5000
make_sparse src/dir/sparse 300000 100000
: >src/dir/empty
ln src/small src/dir/linked
ln -s small src/symlink
mkfifo src/dir/fifo
touch -d @1000000000.123456789 src/small src/dir/* src/dir/closed/*

cp -a src old
echo old >old/small
make_file old/dir/big 600000
rm old/dir/closed/file old/dir/empty
mkdir old/dir/empty old/extra
ln old/small old/extra/name
touch -d @1100000000 old/small old/dir
chmod 555 src/dir/closed old/dir/closed

# nth_fails CALL N ERRNO OPTIONS...: a run in which that happens. False if there were fewer calls.
nth_fails() {
    local call=$1 nth=$2 errno=$3
    shift 3
    rm -f proof
    run env INJECT_CALL="$call" INJECT_NTH="$nth" INJECT_ERRNO="$errno" INJECT_PROOF=proof \
        LD_PRELOAD="$inject" "$PCOPY" -a -q --retries=0 "$@" --checksum-file=list src dst
    [ -e proof ]
}

not_half() {
    local file
    for file in small dir/big dir/closed/file dir/sparse dir/linked; do
        [ ! -f "dst/$file" ] || cmp -s "src/$file" "dst/$file" ||
            [ "$(stat -c '%s %.9Y' "src/$file")" != "$(stat -c '%s %.9Y' "dst/$file")" ] ||
            fail "dst/$file looks complete"
    done
}

expect_honest() {
    [ -z "$(find . -name '.*pcopy-*' -print -quit)" ] || fail "a temporary name is left"
    not_half
    case $status in
    0)
        expect_no_err
        same src dst "$everything"
        ;;
    3 | 11 | 23 | 24)
        grep -qE "^pcopy: cannot [a-zA-Z ]+ '[^']+': " "$ERR" || fail "no line for an error"
        ;;
    *)
        fail "exit status $status"
        ;;
    esac
}

# each_fails BEFORE CALL ERRNO STEP OPTIONS...: each STEPth of the calls fails once. BEFORE is what is
# at the destination before, "nothing" or "old".
total=0
each_fails() {
    local before=$1 call=$2 errno=$3 step=$4 nth
    shift 4
    for ((nth = 1; ; nth += step)); do
        remove dst list
        [ "$before" = nothing ] || cp -a "$before" dst
        nth_fails "$call" "$nth" "$errno" "$@" || break
        total=$((total + 1))
        expect_honest
        case $errno-$call in
        4-close) ;; # is an error: nobody knows what was not written
        0-* | 4-*) expect_status 0 ;;
        esac
        pcopy -a -q "$@" --checksum-file=list src dst
        expect_status 0
        same src dst "$everything"
        pcopy -q --check-against=list dst
        expect_status 0
    done
    expect_status 0
    [ "$nth" -gt 1 ] || fail "no call of $call"
}

# Errors as numbers: EINTR 4, EIO 5, ENOMEM 12, EMFILE 24, ENOSPC 28, ESTALE 116; 0 a short count.
each_fails nothing open 5 1 -j 1
each_fails nothing read 5 1 -j 1
each_fails nothing openat 24 3 -j 1
each_fails nothing pread 5 1 -j 1
each_fails nothing pread 0 1 -j 1
each_fails nothing pwrite 28 1 -j 1
each_fails nothing pwrite 0 1 -j 1
each_fails nothing pwrite 4 1 -j 1
each_fails nothing fsync 5 1 -j 1 --fsync=file
each_fails nothing close 5 3 -j 1
each_fails nothing mkdirat 28 1 -j 1
each_fails nothing linkat 5 1 -j 1
each_fails nothing rename 28 1 -j 1
each_fails nothing utimensat 5 1 -j 1
each_fails nothing getdents64 116 1 -j 1

each_fails old openat 5 3 -j 1 --delete
each_fails old pwrite 5 1 -j 4 --delete --inplace
each_fails old close 28 5 -j 4 --delete
each_fails old renameat 5 1 -j 1 --delete
each_fails old linkat 12 1 -j 1 --delete
each_fails old utimensat 4 2 -j 1 --delete
each_fails old getdents64 5 1 -j 1 --delete
each_fails old getdents64 4 2 -j 1 --delete

echo "$total faults"
