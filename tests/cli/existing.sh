#!/bin/bash
# What is in the way at the destination: replaced where that is safe, an error of that one entry
# where it is not, and nothing outside the destination is ever touched.
. "$(dirname "$0")/lib.sh"

fresh() {
    chmod -R u+rwx src dst outside 2>/dev/null
    rm -rf src dst outside
    mkdir -p src/dir/sub dst outside/dir
    echo new >src/file
    echo new >src/dir/file
    echo new >src/dir/sub/file
    echo new >src/zz_last
    echo precious >outside/file
    echo precious >outside/dir/file
    outside=$(cd outside && picture)
}

outside_untouched() {
    [ "$(cd outside && picture)" = "$outside" ] || fail "something outside was touched"
}

# one_error PATH: the run failed on this one entry, and has copied all others.
one_error() {
    expect_status 23
    expect_summary errors 1
    [ "$(wc -l <"$ERR")" = 1 ] || fail "more than one line for one error"
    expect_err "$1'"
    no_temporary dst
    local file
    while IFS= read -r file; do
        [[ $file = "$1"* ]] || cmp -s "src/$file" "dst/$file" || fail "$file was not copied"
    done < <(cd src && find . -type f -printf '%P\n')
}

# ---- a type in the way

fresh
mkdir -p dst/file/keep
pcopy src dst
one_error file
[ -d dst/file/keep ] || fail "a directory was removed for a file"

fresh
mkdir dst/file
pcopy src dst
one_error file

for make in 'echo old >dst/dir' 'mkfifo dst/dir' 'make_socket dst/dir' 'ln -s nowhere dst/dir'; do
    fresh
    eval "$make"
    before=$(stat -c '%i %F' dst/dir)
    pcopy src dst
    one_error dir
    [ "$(stat -c '%i %F' dst/dir)" = "$before" ] || fail "what was in the way is gone"
done

# A symlink where a directory should be is not followed, at whatever depth.
for link in dir dir/sub; do
    for options in '' -a '-j 64' "--allow-rootfs -m $PWD,$PWD/."; do
        fresh
        mkdir -p "dst/${link%/*}"
        rm -rf "dst/$link"
        ln -s "$PWD/outside/dir" "dst/$link"
        to=$PWD/dst
        # shellcheck disable=SC2086
        pcopy $options src "$to"
        outside_untouched
        one_error "$link"
    done
done

# ---- an existing file that differs is replaced, never written into

for make in 'echo old and longer >dst/file' ': >dst/file' 'ln outside/file dst/file' \
    'ln -s ../outside/file dst/file' 'ln -s ../outside/new dst/file' 'ln -s file dst/file' \
    'mkfifo dst/file' 'make_socket dst/file' 'install -m 000 /dev/null dst/file'; do
    fresh
    eval "$make"
    pcopy src dst
    expect_status 0
    expect_no_err
    same src dst
    no_temporary dst
    [ "$(cat outside/file)" = precious ] || fail "a file outside was written into"
    [ ! -e outside/new ] || fail "a file outside was made"
    [ "$(stat -c %h dst/file)" = 1 ] || fail "the file is still tied to another one"
done
# One that is read, or run, keeps its old content for those who have it open.
fresh
echo old >dst/file
exec 9<dst/file
pcopy src dst
expect_status 0
[ "$(cat <&9)" = old ] || fail "a file was overwritten under its reader"
exec 9<&-
fresh
cp "$(command -v sleep)" dst/file
dst/file 60 &
sleeper=$!
pcopy src dst
expect_status 0
same src dst
kill "$sleeper"
wait "$sleeper" 2>/dev/null

# Same size and another time, same time and another size: both differ.
fresh
echo old >dst/file
touch -d @1 dst/file
echo longer >dst/zz_last
touch -r src/zz_last dst/zz_last
pcopy src dst
expect_status 0
same src dst
# Same size and time: taken as equal and left alone.
fresh
echo OLD >dst/file
touch -r src/file dst/file
pcopy src dst
expect_status 0
expect_summary skipped 1
[ "$(cat dst/file)" = OLD ] || fail "size and time were equal, and it was copied"

# ---- symlinks and special files

fresh
ln -s new_target src/link
mkfifo src/fifo
for make in 'ln -s old_target dst/link' \
    'echo old >dst/link; echo >dst/fifo' \
    'ln -s ../outside/dir dst/link; ln -s ../outside/file dst/fifo' \
    'ln outside/file dst/link; make_socket dst/fifo'; do
    rm -rf dst
    mkdir dst
    eval "$make"
    pcopy src dst
    expect_status 0
    same src dst
    no_temporary dst
    [ "$(cat outside/file outside/dir/file)" = precious$'\n'precious ] ||
        fail "a file outside was written into"
done
fresh
ln -s target src/link
mkdir dst/link
pcopy src dst
expect_status 23
expect_summary errors 1
expect_err "link'"

# ---- a name of 255 bytes leaves no room for a temporary one, and a temporary one may exist

fresh
name=$(printf 'n%.0s' {1..255})
echo new >"src/$name"
echo old and longer >"dst/$name"
pcopy src dst
expect_status 0
same src dst

# ---- what the source does not have stays

fresh
mkdir dst/mine
echo mine >dst/mine/file
pcopy src dst
expect_status 0
[ "$(cat dst/mine/file)" = mine ] || fail "a file that the source does not have is gone"

# ---- a destination directory that is closed to its owner is opened for the copy

fresh
pcopy src dst
echo newer and longer >src/dir/sub/file
echo more >src/dir/more
chmod 555 src/dir dst/dir
chmod 500 src/dir/sub
chmod 000 dst/dir/sub
pcopy src dst
expect_status 0
same src dst
