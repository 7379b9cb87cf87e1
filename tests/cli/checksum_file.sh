#!/bin/bash
# --checksum-file writes what `xxhsum -c` takes, whatever the way in which a file got to the
# destination, or did not need to. --check-against finds what xxhsum finds.
. "$(dirname "$0")/lib.sh"
need xxhsum

make_tree src
# xxhsum before 0.8.2 cannot have a line end in a name.
mkdir plain
cp -a src/sizes src/sparse src/links src/times src/modes plain
mkdir plain/names
for name in -dash ' ' 'two  spaces ' '*' '#' '...' '.hidden' $'\xc3\xbc' $'not utf-8 \xff' 'colon:'; do
    echo "$name" >"plain/names/$name"
done

files=$(find src -type f -printf . | wc -c)
plain_files=$(find plain -type f -printf . | wc -c)

# happy LIST TREE: xxhsum finds all of the list in the tree.
happy() {
    local list
    list=$(realpath "$1")
    run env -C "$2" xxhsum -c --strict "$list"
    expect_status 0
    [ "$(grep -c ': OK$' "$OUT")" = "$(find "$2" -type f | wc -l)" ] ||
        fail "not each file is in the list"
}

# ---- new files, skipped ones, changed ones: always the whole tree

for options in '' '-a -j 8' '-j 1' '-c' '--verify=checksum' '--inplace' '--buffer-size=4K'; do
    remove dst
    # shellcheck disable=SC2086
    pcopy $options --checksum-file=list plain dst
    expect_status 0
    expect_no_err
    [ "$(wc -l <list)" = "$plain_files" ] || fail "$(wc -l <list) lines for $plain_files files"
    happy list dst
    sort list >first
    # Skipped files are read for their sums.
    # shellcheck disable=SC2086
    pcopy $options --checksum-file=list plain dst
    expect_status 0
    expect_summary files 0
    diff <(sort list) first >/dev/null || fail "another list for skipped files"
    # Some changed.
    echo more >>dst/sizes/4096
    rm dst/names/'*' dst/sparse/middle
    # shellcheck disable=SC2086
    pcopy $options --checksum-file=list plain dst
    expect_status 0
    diff <(sort list) first >/dev/null || fail "another list for changed files"
    happy list dst
done

# The same that xxhsum itself would write.
(cd plain && find . -type f -printf '%P\0' | xargs -0 xxhsum -H2 --) >own 2>/dev/null
diff <(sort own) <(sort list) >/dev/null || fail "xxhsum writes another list"

# ---- every name

remove dst
pcopy -a --checksum-file=list src dst
expect_status 0
expect_no_err
pcopy --check-against=list dst
expect_status 0
expect_no_err
[ "$(wc -l <list)" = "$files" ] || fail "$(wc -l <list) lines for $files files, one a line"
# All that xxhsum can take of it.
grep -av '[\]' list >simple
run env -C dst xxhsum -c --strict "$PWD/simple"
expect_status 0

# ---- several sources, a single file, filters

pcopy --checksum-file=list src/sizes plain/names several
expect_status 0
happy list several
pcopy --exclude=/sizes --checksum-file=list plain part
expect_status 0
happy list part
pcopy --checksum-file=list plain/sizes/4096 single
expect_status 0
[ "$(cut -d ' ' -f 1 list)" = "$(xxhsum -H2 plain/sizes/4096 2>/dev/null | cut -d ' ' -f 1)" ] ||
    fail "the sum of a single file is wrong"
mkdir empty
pcopy --checksum-file=list empty none
expect_status 0
[ -f list ] || fail "there is no list"
[ ! -s list ] || fail "the list should be empty"

# ---- what cannot be written

before=$(picture)
pcopy --checksum-file=missing/list plain new
[ "$status" != 0 ] || fail "there is no list, and the status is 0"
expect_err missing/list
[ "$(picture)" = "$before" ] || fail "there is no list, and still something was copied"
rm -rf new
pcopy -n --checksum-file=new_list plain new
expect_status 0
[ ! -s new_list ] || [ "$(wc -l <new_list)" = "$plain_files" ] || fail "half a list"
rm -f new_list
[ ! -e new ] || fail "-n has made the destination"
if [ -w /dev/full ]; then
    pcopy --checksum-file=/dev/full plain new
    [ "$status" != 0 ] || fail "the list could not be written, and the status is 0"
fi

# ---- --check-against, and xxhsum's opinion

remove dst
pcopy --checksum-file=list plain dst
expect_status 0

# agrees STATUS [PATH...]: pcopy's status is this, it names these, and xxhsum finds as many.
agrees() {
    local expected=$1 path xxhsum_finds
    shift
    xxhsum_finds=$(cd dst && xxhsum -c "$OLDPWD/list" 2>&1 | grep -acE ': (FAILED|Could not)|FAILED')
    pcopy --check-against=list dst
    expect_status "$expected"
    for path; do
        grep -qF -e "$path" "$OUT" "$ERR" || fail "$path is not named"
    done
    ! grep -qF sizes/131072 "$OUT" "$ERR" || fail "a good file is named"
    if [ "$expected" = 0 ]; then
        expect_no_err
    else
        [ "$xxhsum_finds" -ge $# ] || fail "xxhsum does not agree"
    fi
}

before=$(picture)
agrees 0
[ "$(picture)" = "$before" ] || fail "--check-against has changed something"
cp -a dst/sizes/4097 kept
flip dst/sizes/4097 4000
touch -r kept dst/sizes/4097
agrees 23 sizes/4097
rm dst/names/.hidden
agrees 23 sizes/4097 names/.hidden
mv kept dst/sizes/4097
agrees 23 names/.hidden
echo .hidden >dst/names/.hidden
agrees 0
# Another length, another type.
echo more >>dst/sizes/1
agrees 23 sizes/1
cp -p plain/sizes/1 dst/sizes/1
rm dst/sizes/0
mkdir dst/sizes/0
pcopy --check-against=list dst
expect_status 23
expect_err sizes/0
rmdir dst/sizes/0
# A link is not the file that it leads to.
ln -s "$PWD/plain/sizes/0" dst/sizes/0
pcopy --check-against=list dst
expect_status 23
rm dst/sizes/0
cp -p plain/sizes/0 dst/sizes/0
# Extras are none of its business.
echo extra >dst/extra
agrees 0

# A list of xxhsum's own.
pcopy --check-against=own dst
expect_status 0

# ---- lists that are none, and names that lead out

pcopy --check-against=missing dst
[ "$status" != 0 ] || fail "there is no list, and the status is 0"
expect_err "missing'"
pcopy --check-against=empty dst
[ "$status" != 0 ] || fail "the list is a directory, and the status is 0"
pcopy --check-against=list missing
expect_status 3
for line in nonsense '0123  file' 'zz000000000000000000000000000000  sizes/0' \
    "$(head -c 32 list)"; do
    {
        head -n 3 list
        echo "$line"
        tail -n +4 list
    } >bad
    pcopy --check-against=bad dst
    [ "$status" != 0 ] || fail "a bad line, and the status is 0: $line"
    grep -q 4 "$ERR" || fail "the number of the line is not told"
done
echo secret >secret
for name in ../secret "$PWD/secret" sizes/../../secret; do
    echo "$(xxhsum -H2 secret 2>/dev/null | cut -d ' ' -f 1)  $name" >out
    pcopy --check-against=out dst
    [ "$status" != 0 ] || fail "a name that leads out of the tree was read: $name"
done
as_nobody true
chmod 000 list
as_nobody "$PCOPY" --check-against=list dst
[ "$status" != 0 ] || fail "the list cannot be read, and the status is 0"
chmod 644 list
chmod 000 dst/sizes/4096
chmod 644 dst/modes/*
as_nobody "$PCOPY" --check-against=list dst
expect_status 23
expect_err "sizes/4096': Permission denied"

for arguments in '--check-against=list' '--check-against=list dst dst' '--checksum-file= plain new' \
    '--check-against= dst'; do
    # shellcheck disable=SC2086
    pcopy $arguments
    expect_status 1
done
