#!/bin/bash
# --files-from: what rsync_cases.sh cannot say: standard input, every name there is, metadata of
# parents, and that no name leads out of the source.
. "$(dirname "$0")/lib.sh"
work_in_memory

make_tree src
mkdir outside
echo precious >outside/file
outside=$(cd outside && picture)

# with_input FILE COMMAND...: run, with standard input from a file.
with_input() {
    local input=$1
    shift
    # shellcheck disable=SC2016 # of the inner shell
    run bash -c 'exec "${@:2}" <"$1"' bash "$input" "$@"
}

# ---- every name of a tree: the tree, but for the root's own metadata

find src -mindepth 1 -printf '%P\0' >all
find src -mindepth 1 -printf '%P\0' | shuf -z --random-source=all >shuffled
cat all shuffled all >thrice
for options in '-j 1' '-j 8' -a; do
    for list in all shuffled thrice; do
        # shellcheck disable=SC2086
        pcopy $options --files-from=$list -0 src dst
        expect_status 0
        expect_no_err
        touch -r src dst
        same src dst
        no_temporary dst
        remove dst
    done
done
with_input all "$PCOPY" --files-from=- --null src dst
expect_status 0
touch -r src dst
same src dst
# Again: all is there.
pcopy --files-from=shuffled -0 src dst
expect_status 0
expect_summary files 0
remove dst

# ---- lines; the last one needs no end

printf 'sizes/4096\nsymlinks/to_dir\nspecial/fifo\nlinks/a/one\nlinks/b/c/one' >lines
for how in file input; do
    if [ $how = file ]; then
        pcopy --files-from=lines src dst
    else
        with_input lines "$PCOPY" --files-from=- src dst
    fi
    expect_status 0
    expect_no_err
    [ "$(cd dst && find . | sort | tr '\n' ' ')" = "$(tr '\n' ' ' <<'END'
.
./links
./links/a
./links/a/one
./links/b
./links/b/c
./links/b/c/one
./sizes
./sizes/4096
./special
./special/fifo
./symlinks
./symlinks/to_dir
END
    )" ] || fail "other entries than those of the list: $(cd dst && find . | sort)"
    # Parents are as they are in the source, and names of one file are one file.
    for parent in links links/a links/b links/b/c sizes special symlinks; do
        [ "$(stat -c '%a %.9Y' "dst/$parent")" = "$(stat -c '%a %.9Y' "src/$parent")" ] ||
            fail "$parent has other metadata"
    done
    [ dst/links/a/one -ef dst/links/b/c/one ] || fail "the hard link was not kept"
    remove dst
done
# A closed parent.
pcopy --files-from=<(printf 'dirs/0500/below/file\ndirs/0555/file\n') src dst
expect_status 0
[ "$(stat -c %a dst/dirs/0500 dst/dirs/0555)" = 500$'\n'555 ] || fail "a parent has another mode"
remove dst
pcopy --files-from=lines -a src/ dst
expect_status 0
same src/sizes/4096 dst/sizes/4096 "$everything"
remove dst

# ---- what leaves the source is refused, before anything is written

before=$(picture)
for name in .. ../outside/file ../src/sizes/1 sizes/../../outside/file sizes/../.. ./../x \
    sizes/../names/../../src/sizes/1; do
    for position in first last; do
        if [ $position = first ]; then
            pcopy --files-from=<(printf '%s\nsizes/1\n' "$name") src dst
        else
            pcopy --files-from=<(printf 'sizes/1\n%s\n' "$name") src dst
        fi
        expect_status 1
        expect_err "$name"
        pcopy --files-from=<(printf 'sizes/1\0%s\0' "$name") -0 src dst
        expect_status 1
        expect_err "$name"
    done
done
# Nor together with what it cannot mean.
echo sizes/1 >"$base/list"
for arguments in '--delete src' '--delete-excluded src' 'src/sizes src/names' 'src/sizes/1' \
    '-t new src/sizes src/names'; do
    # shellcheck disable=SC2086
    pcopy --files-from="$base/list" $arguments dst
    [ "$status" = 1 ] || [ "$status" = 3 ] || fail "this should be refused"
    [ ! -s "$OUT" ] || fail "something on stdout"
done
pcopy --files-from="$base/missing" src dst
[ "$status" = 1 ] || [ "$status" = 3 ] || fail "there is no list, and the status is $status"
expect_err "$base/missing"
pcopy --files-from=src src dst
[ "$status" != 0 ] || fail "the list is a directory, and the status is 0"
pcopy --files-from= src dst
expect_status 1
[ "$(picture)" = "$before" ] || fail "refused, and still something was written"

# ---- through symbolic links, on either side, nothing is read or written

mkdir links
ln -s ../outside links/out
ln -s real links/inside
mkdir links/real
echo real >links/real/file
pcopy --files-from=<(printf 'out/file\nreal/file\n') links dst
! grep -rqF precious dst || fail "a file outside the source was copied"
[ "$status" = 23 ] || fail "a symbolic link as a parent, and the status is $status"
[ -f dst/real/file ] || fail "the rest was not copied"
remove dst
mkdir -p dst
ln -s ../outside dst/real
pcopy --files-from=<(printf 'real/file\nreal/new\n') links dst
expect_status 23
[ "$(cd outside && picture)" = "$outside" ] || fail "something outside was touched"
remove dst links

# ---- missing names are errors, each of its own; the rest is copied

pcopy --files-from=<(printf 'missing\nsizes/1\nsizes/missing\nno/such/dir\nsizes/1/below\nnames\n') \
    src dst
expect_status 23
# What is told is the name that is not there, which may be one of the parents.
for name in missing sizes/missing no sizes/1; do
    grep -qE "src/$name(/[^']*)?'" "$ERR" || fail "$name is not told"
done
[ "$(wc -l <"$ERR")" = 4 ] || fail "not one line for each missing name"
cmp -s src/sizes/1 dst/sizes/1 || fail "the rest was not copied"
[ -d dst/names ] || fail "a directory of the list was not made"
[ -z "$(ls -A dst/names)" ] || fail "a directory was made with its contents"
remove dst

# ---- many names, and many times the same

make_many many/a/b 3000
make_many many/c 3000
find many -type f -printf '%P\n' >list
yes c/f000001 | head -n 20000 >>list
pcopy -j 8 --files-from=list many dst
expect_status 0
expect_summary files 6000
touch -r many dst
same many dst

# ---- and with the rest: what it would do, over two paths

remove dst
before=$(picture)
pcopy -n -i --files-from=lines src dst
expect_status 0
expect_out '>f+++++++++ sizes/4096'
expect_out 'cd+++++++++ links/b/c/'
[ "$(picture)" = "$before" ] || fail "-n has changed something"
mkdir export
ln -s export m1
ln -s ./export m2
pcopy --allow-rootfs -m m1,m2 --files-from=all -0 src dst
expect_status 0
touch -r src export/dst
same src export/dst
