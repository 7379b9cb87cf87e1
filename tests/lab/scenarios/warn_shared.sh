#!/bin/bash
# What mounts have in common makes several of them worth less, and there is one warning that names
# them, exactly when it is so. SHARED says what these have in common, so what to expect:
#   superblock   one creates as fast as all; the cure is nosharecache
#   connection   superblocks of their own, but all their calls go to one address of the server
#   nothing      no warning
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

make_tree /lab/src/tree 2 3 100
superblocks=$(stat -c %d /lab/[1-9] | sort -u | wc -l)
connections=$(ss -Htn dst 127.0.0.0/8 dport = :2049 | wc -l)
echo "$LAB_MOUNTS mounts, $superblocks superblocks, $connections connections"
case $SHARED in
superblock) expected="1 1" ;;
connection) expected="$LAB_MOUNTS 1" ;;
nothing) expected="$LAB_MOUNTS $LAB_MOUNTS" ;;
esac
check "these mounts share something else" [ "$superblocks $connections" = "$expected" ]

"$PCOPY" -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err
check "exit status $?" [ $? = 0 ]
check "the trees differ" "$TREECMP" /lab/src/tree /lab/export/copy
cat /tmp/err
if [ "$SHARED" = nothing ]; then
    check "there is a warning" [ ! -s /tmp/err ]
else
    check "there is not one warning" [ "$(wc -l </tmp/err)" = 1 ]
    for ((i = 1; i <= LAB_MOUNTS; i++)); do
        check "the warning does not name /lab/$i" grep -q "/lab/$i\>" /tmp/err
    done
fi
if [ "$SHARED" = superblock ]; then
    check "the warning does not name the cure" grep -q nosharecache /tmp/err
fi
exit "$failed"
