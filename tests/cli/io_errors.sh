#!/bin/bash
# System calls that fail for one entry: exit status 23, one line that names the entry, all others
# copied; nothing is left that looks complete, no temporary name, and a second run mends it.
# strace makes the call fail, and its trace proves that it did.
. "$(dirname "$0")/lib.sh"
need strace

# A sanitized program below strace may not start at all.
if ! ASAN_OPTIONS=detect_leaks=0 strace -f -qq -o /dev/null "$PCOPY" --version >/dev/null 2>&1; then
    skip "strace cannot trace this program here"
fi

mkdir -p src/dir/sub
for name in a dir/bad dir/good dir/sub/file z; do
    make_file "src/$name" 300000
done
ln -s target src/symlink
mkfifo src/fifo
ln src/a src/dir/link
touch -d @1000000000.5 src/dir/bad

data='write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,splice'
input='read,pread64,readv,preadv,preadv2,copy_file_range,sendfile,splice'

# Either there is no such file, or a later run will see that it is not the one of the source.
not_complete() {
    [ ! -e "dst/$1" ] ||
        [ "$(stat -c '%s %.9Y' "src/$1")" != "$(stat -c '%s %.9Y' "dst/$1")" ] ||
        fail "dst/$1 looks complete"
}

# fails NAME CALLS ERROR PATH ARGUMENTS...: copying fails for src/NAME only.
fails() {
    local name=$1 calls=$2 error=$3 path=$4 file
    shift 4
    rm -rf dst
    with_fault "$calls" "error=$error" "$path" "$PCOPY" --retry-wait=0 --on-full=skip "$@" src dst
    expect_status 23
    expect_summary errors 1
    [ "$(wc -l <"$ERR")" = 1 ] || fail "not one line for one error"
    grep -qE "^pcopy: cannot [a-zA-Z ]+ '[^']*$name': $(message "$error")" "$ERR" ||
        fail "another message"
    no_temporary dst
    [ ! -f "src/$name" ] || not_complete "$name"
    for file in a dir/bad dir/good dir/sub/file dir/link z; do
        [[ $file = "$name"* ]] || cmp -s "src/$file" "dst/$file" || fail "$file was not copied"
    done
    pcopy src dst
    expect_status 0
    same src dst
}

message() {
    case $1 in
    EIO) echo 'Input/output error' ;;
    ENOSPC) echo 'No space left on device' ;;
    EDQUOT) echo 'Disk quota exceeded' ;;
    EACCES) echo 'Permission denied' ;;
    EPERM) echo 'Operation not permitted' ;;
    esac
}

bad=$PWD/dst/dir/bad
for options in '-j 1' '-j 8'; do
    # shellcheck disable=SC2086
    {
        fails dir/bad "$data" EIO "$bad" $options
        fails dir/bad "$data" ENOSPC "$bad" $options
        fails dir/bad utimensat EIO "$bad" $options
        fails dir/bad close EIO "$bad" $options
        fails dir/bad close EDQUOT "$bad" $options
        fails dir/bad fsync,fdatasync EIO "$bad" $options --fsync=file
        fails dir/bad "$input" EIO "$PWD/src/dir/bad" $options
        fails dir/sub mkdirat EACCES sub $options
        fails dir/sub mkdirat ENOSPC sub $options
        fails symlink symlinkat ENOSPC symlink $options
        fails fifo mknodat EPERM fifo $options
    }
done
# A directory's own metadata.
fails dir/sub utimensat EIO "$PWD/dst/dir/sub"
# Whichever of the two names is linked to the other.
rm -rf dst
with_fault linkat error=EMLINK '' "$PCOPY" src dst
expect_status 23
expect_summary errors 1
expect_err 'Too many links'
pcopy src dst
expect_status 0
same src dst

# ---- metadata

rm -rf dst
chmod 4711 src/dir/bad
with_fault fchmod,fchmodat error=EIO "$bad" "$PCOPY" --retry-wait=0 src dst
expect_status 23
expect_err "dir/bad'"
not_complete dir/bad
chmod 644 src/dir/bad

# ---- a write that was interrupted is done again

rm -rf dst
with_fault "$data" error=EINTR:when=1 "$bad" "$PCOPY" src dst
expect_status 0
same src dst

# ---- an existing file stays what it is until the new one is complete

for calls in pwrite64,pwritev,copy_file_range,sendfile,splice utimensat fsync renameat,renameat2; do
    rm -rf dst
    mkdir -p dst/dir
    echo old >dst/dir/bad
    rm -rf only
    mkdir -p only/dir
    cp -p src/dir/bad only/dir
    with_fault "$calls" error=EIO '' "$PCOPY" --retry-wait=0 --fsync=file only dst
    expect_status 23
    expect_err "dir/bad'"
    [ "$(cat dst/dir/bad)" = old ] || fail "the old file is gone, and the new one failed ($calls)"
    no_temporary dst
done

# ---- a source that is shorter than it says is an error, not a success

rm -rf dst
with_fault "$input" retval=0 "$PWD/src/dir/bad" "$PCOPY" src dst
expect_status 23
expect_err "dir/bad'"
not_complete dir/bad

# ---- what may pass is tried again

for calls in "$data" utimensat close "$input"; do
    rm -rf dst
    path=$bad
    [ "$calls" != "$input" ] || path=$PWD/src/dir/bad
    with_fault "$calls" error=EIO:when=1..2 "$path" "$PCOPY" --retry-wait=0 src dst
    expect_status 0
    expect_no_err
    grep -qE '^tried again: [12] I/O' "$OUT" || fail "the summary does not say that it was tried again"
    same src dst
done
rm -rf dst
with_fault "$data" error=EIO:when=1..2 "$bad" "$PCOPY" --retries=0 src dst
expect_status 23
not_complete dir/bad

# ---- no room: the end, or a wait

rm -rf dst
with_fault "$data" error=ENOSPC "$bad" "$PCOPY" -j 1 src dst
expect_status 11
expect_err "cannot write 'dst/dir/bad': No space left"
expect_err 'the run failed: No space left'
not_complete dir/bad
no_temporary dst
rm -rf dst
with_fault "$data" error=ENOSPC:when=1..5 "$bad" "$PCOPY" --on-full=wait --retry-wait=0 src dst
expect_status 0
expect_err 'waiting for room'
[ "$(wc -l <"$ERR")" = 1 ] || fail "more than one line"
same src dst

# ---- a directory that cannot be listed to its end

rm -rf dst
with_fault getdents64 error=EIO "$PWD/src/dir/sub" "$PCOPY" --retry-wait=0 src dst
expect_status 23
expect_summary errors 1
expect_err "dir/sub'"
cmp -s src/z dst/z || fail "z was not copied"
