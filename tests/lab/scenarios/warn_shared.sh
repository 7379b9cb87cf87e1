#!/bin/bash
# Mounts that share a superblock gain nothing. Exactly then there is one warning, which names all of
# them and the cure. SHARED=yes or no is what these mounts must be for the test to mean anything.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 2 3 100
superblocks=$(stat -c %d /lab/[1-9] | sort -u | wc -l)
echo "$LAB_MOUNTS mounts, $superblocks superblocks"
if [ "$SHARED" = yes ]; then
    check "the mounts do not share one superblock" [ "$superblocks" = 1 ]
else
    check "mounts share a superblock" [ "$superblocks" = "$LAB_MOUNTS" ]
fi

"$PCOPY" -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err
check "exit status $?" [ $? = 0 ]
check "the trees differ" "$TREECMP" /lab/src/tree /lab/export/copy
cat /tmp/err
if [ "$SHARED" = yes ]; then
    check "there is not one warning" [ "$(grep -c nosharecache /tmp/err)" = 1 ]
    for ((i = 1; i <= LAB_MOUNTS; i++)); do
        check "the warning does not name /lab/$i" grep -q "/lab/$i\>" /tmp/err
    done
else
    check "there is a warning" [ ! -s /tmp/err ]
fi
exit "$failed"
