#!/bin/bash
# Bytes that change on the server, behind the back of the client whose cache still has the old ones,
# with size and mtime kept: --verify=checksum and --verify-only -c look at the server.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

damage() {
    local file=/lab/export/copy/$1 time
    time=$(stat -c %y "$file")
    printf 'DAMAGED' | dd of="$file" bs=1 seek=1000 conv=notrunc status=none
    touch -d "$time" "$file"
}

make_tree /lab/src/tree 10 20 20000
"$PCOPY" -q -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy || fail "the copy failed"
# Every mount has every file in its cache.
for ((i = 1; i <= LAB_MOUNTS; i++)); do
    cat "/lab/$i/copy"/*/* >/dev/null
done
for name in d1/f1 d2/f7 d10/f20; do
    damage "$name"
done

"$PCOPY" --verify-only -c -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err
check "verify-only -c: exit status" [ $? = 23 ]
check "verify-only -c: other files than those damaged" \
    diff <(sort /tmp/out) <(printf '>fc........ %s\n' d1/f1 d10/f20 d2/f7)
"$PCOPY" -q --verify=checksum -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err
check "verify=checksum: exit status" [ $? = 0 ]
check "verify=checksum: three repairs" [ "$(grep -c 'repaired .*: its contents differed' /tmp/err)" = 3 ]
check "the trees differ" "$TREECMP" /lab/src/tree /lab/export/copy
cat /tmp/err
exit "$failed"
