#!/bin/bash
# BIG (10) files of BIGSIZE (96M, above the default of --split-size) and SMALL (100000) of SMALLSIZE
# (300) bytes: each alone, then both in one tree. Big files need the line and small ones round trips,
# so together they should take little longer than what takes longer alone; the last line says how
# much. Wants --rate, --rtt and about --mem=6G.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

big=${BIG:-10} bigsize=${BIGSIZE:-96M} small=${SMALL:-100000} smallsize=${SMALLSIZE:-300}
directories=$(((small + 99) / 100))

# The big ones lie beside the small ones' directories: a walker may come by either first.
make_tree /lab/src/tree/small "$directories" $(((small + directories - 1) / directories)) \
    "$smallsize"
mkdir /lab/src/tree/big
for ((i = 1; i <= big; i++)); do
    head -c "$bigsize" /dev/urandom >"/lab/src/tree/big/$i"
done
find /lab/src/tree -maxdepth 2 -exec touch -d '2020-02-03 04:05:06.789012345' {} +
echo "$big files of $bigsize, $(find /lab/src/tree/small -type f | wc -l) of $smallsize bytes," \
    "NFSv$LAB_VERS, $LAB_MOUNTS mounts, round trip $LAB_RTT ms, ${LAB_RATE:-no limit} each"
echo

# turn WHAT SRC: over all mounts, from cold caches.
turn() {
    mounts_renew ""
    counted 1 "$PCOPY" -q -j 64 -m "$(mounts "$LAB_MOUNTS")" "$2" copy
    check "$1: exit status $status" [ "$status" = 0 ]
    check "$1: the trees differ" "$TREECMP" "$2" /lab/export/copy >/tmp/compared
    rm -r /lab/export/copy
    took[$1]+=" $seconds"
    printf '| %s | %s | %.0f |\n' "$1" "$seconds" "$rpcs"
}

echo "| tree | seconds | RPCs |"
echo "|---|---|---|"
for ((round = 0; round < ${ROUNDS:-1}; round++)); do
    turn big /lab/src/tree/big
    turn small /lab/src/tree/small
    turn both /lab/src/tree
done
echo
longer=big
if at_most "$(median big)" "$(median small)"; then
    longer=small
fi
ratio "both / $longer, which takes longer alone" both $longer
# Printed to be read; LIMIT makes it a test.
if [ -n "${LIMIT:-}" ]; then
    check "together they take more than $LIMIT times as long" at_most \
        "$(awk -v a="$(median both)" -v b="$(median $longer)" 'BEGIN { print a / b }')" "$LIMIT"
fi
exit "$failed"
