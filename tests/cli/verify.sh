#!/bin/bash
# --verify: a second pass finds what is not as it should be, says so, mends it, and the exit status
# tells whether the last look found anything. --verify-only: what it takes, and what it leaves alone.
. "$(dirname "$0")/lib.sh"

# A copy in which two files have the size and the mtime of the source, and other contents.
fresh() {
    remove src dst
    mkdir -p src/dir/sub
    make_file src/file 5000
    make_file src/dir/lie 300000
    make_file src/dir/sub/lie 7
    make_file src/empty 0
    ln -s target src/link
    find src -depth -exec touch -h -d @1234567890.123456789 {} +
    pcopy -a src dst
    expect_status 0
}

lie() {
    local file
    for file; do
        flip "$file" 3
        touch -r "src/${file#*/}" "$file"
    done
}

# repaired PATH WORDS: stderr says of this entry that it was repaired, and why.
repaired() {
    grep -qE "^pcopy: repaired '([^']*/)?$1': .*$2" "$ERR" || fail "$1 was not told as repaired"
}

# ---- a new destination, an unchanged one: nothing is found, nothing is said

for options in --verify --verify=checksum '--verify -c' '--verify -a' '--verify=checksum -a -j 8' \
    '--verify --delete' '--verify --verify-rounds=1' '--verify=checksum --verify-rounds=1 -j 1'; do
    fresh
    rm -rf dst
    for _ in new unchanged; do
        # shellcheck disable=SC2086
        pcopy $options src dst
        expect_status 0
        expect_no_err
        same src dst
        # shellcheck disable=SC2086
        pcopy -q $options src dst
        expect_status 0
        expect_no_err
        [ ! -s "$OUT" ] || fail "-q, and something on stdout"
    done
done

# ---- size and time lie: only the contents tell

fresh
lie dst/dir/lie dst/dir/sub/lie
pcopy --verify src dst
expect_status 0
expect_no_err
! cmp -s src/dir/lie dst/dir/lie || fail "contents were looked at without being asked for"
pcopy --verify-only src dst
expect_status 0
pcopy --verify-only -c src dst
expect_status 23
expect_out '>fc........ dir/lie'
expect_out '>fc........ dir/sub/lie'
pcopy --verify=checksum src dst
expect_status 0
repaired dir/lie content
repaired dir/sub/lie content
[ "$(wc -l <"$ERR")" = 2 ] || fail "not one line for each repair"
same src dst "$everything"
no_temporary dst
# -q keeps what is an event.
lie dst/dir/lie
pcopy -q --verify=checksum src dst
expect_status 0
repaired dir/lie content
[ ! -s "$OUT" ] || fail "-q, and something on stdout"
same src dst

# Found in the last round that is allowed: mended, but nobody has looked again.
fresh
lie dst/dir/lie
pcopy --verify=checksum --verify-rounds=1 src dst
expect_status 23
same src dst
pcopy --verify=checksum --verify-rounds=1 src dst
expect_status 0
expect_no_err
lie dst/dir/lie
pcopy --verify=checksum --verify-rounds=2 src dst
expect_status 0
same src dst

# ---- hard links stay what they are

fresh
make_file src/dir/one 5000
ln src/dir/one src/two
ln src/dir/one src/dir/sub/three
touch -d @1234567890 src/dir/one
pcopy src dst
expect_status 0
lie dst/dir/one
pcopy --verify=checksum src dst
expect_status 0
same src dst
# One of them has become a file of its own, which lies.
cp -p dst/two dst/new
mv dst/new dst/two
lie dst/two
pcopy --verify=checksum src dst
expect_status 0
same src dst
no_temporary dst

# ---- a read-only directory, and one that others own nothing of

fresh
mkdir -m 777 for_nobody
chmod 555 src/dir src/dir/sub
pcopy src for_nobody/dst
flip for_nobody/dst/dir/lie 3
touch -r src/dir/lie for_nobody/dst/dir/lie
touch -r src/dir for_nobody/dst/dir
is_root && chown -R 65534:65534 for_nobody
as_nobody "$PCOPY" --verify=checksum src for_nobody/dst
expect_status 0
repaired dir/lie content
same src for_nobody/dst
no_temporary for_nobody
# What cannot be read cannot be verified.
chmod 000 src/dir/lie
as_nobody "$PCOPY" --verify=checksum src for_nobody/dst
expect_status 23
expect_err "dir/lie': Permission denied"
as_nobody "$PCOPY" --verify-only -c src for_nobody/dst
expect_status 23
remove for_nobody

# ---- calls that say they have done it, and have not: found by the second pass

if command -v strace >/dev/null && ASAN_OPTIONS=detect_leaks=0 \
    strace -f -qq -o /dev/null "$PCOPY" --version >/dev/null 2>&1; then
    # A file with another mtime is copied again, under a temporary name, for which the call works; what
    # is set where it is stays what it is.
    for case in '23 fchmod dir/lie mode' '0 utimensat dir/lie mtime' '23 utimensat dir/sub mtime' \
        '23 renameat,renameat2 file size'; do
        read -r expected calls name cause <<<"$case"
        fresh
        chmod 4755 src/dir/lie
        rm -r dst/dir
        echo longer >>dst/file
        path=$PWD/dst/$name
        [[ $calls != rename* ]] || path='file'
        with_fault "$calls" retval=0 "$path" "$PCOPY" src dst
        expect_status 0
        rm -r dst/dir
        with_fault "$calls" retval=0 "$path" "$PCOPY" --verify src dst
        expect_status "$expected"
        repaired "$name" "$cause"
        no_temporary dst/dir
        pcopy --verify src dst
        expect_status 0
        expect_no_err
        same src dst
    done
else
    skip_part 'strace is not installed, or cannot trace this program here'
fi

# ---- --verify-only: operands as a copy has them, nothing is made

fresh
mkdir else
before=$(picture)
pcopy --verify-only src missing
expect_status 23
expect_out '>f+++++++++ dir/lie'
pcopy --verify-only -t else src/dir src/file
expect_status 23
expect_out '>f+++++++++ dir/lie'
pcopy --verify-only src/file dst/file
expect_status 0
pcopy --verify-only src/file dst
expect_status 0
pcopy --verify-only src/dir/lie dst/file
expect_status 23
pcopy --verify-only -t dst src/dir src/file src/link
expect_status 0
pcopy --verify-only --exclude=lie src dst
expect_status 0
pcopy --compare missing dst
expect_status 3
pcopy --verify-only -q src missing
expect_status 23
pcopy --verify-only src missing/below
expect_status 23
[ "$(picture)" = "$before" ] || fail "--verify-only has changed something"
[ ! -e missing ] || fail "--verify-only has made something"
# What filters leave out is no difference, and no extra.
echo extra >dst/extra.tmp
rm dst/dir/lie
touch -r src/dir dst/dir
touch -r src dst
pcopy --verify-only --exclude=lie src dst
expect_status 0
pcopy --verify-only --delete --exclude=lie '--exclude=*.tmp' src dst
expect_status 0
pcopy --verify-only --delete-excluded '--exclude=*.tmp' src dst
expect_status 23
expect_out '*deleting   extra.tmp'

# ---- a tree with everything, unreadable bits and all

make_tree tree
pcopy -a --verify=checksum tree copy
expect_status 0
expect_no_err
pcopy --verify-only -a -c --delete tree copy
expect_status 0
expect_no_err
same tree copy "$everything"

# ---- what makes no sense

fresh
before=$(picture)
for arguments in --verify=nonsense --verify= '--verify --verify-rounds=0' \
    '--verify --verify-rounds=x' '--verify --verify-rounds=-1'; do
    # shellcheck disable=SC2086
    pcopy $arguments src dst
    expect_status 1
    expect_err verify
done
[ "$(picture)" = "$before" ] || fail "refused, and still something was changed"
