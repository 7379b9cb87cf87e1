#!/bin/bash
# Files that are copied in ranges over three mounts, to them and from them: sizes around a range, one
# that is sparse, over others that exist. The server has the same bytes then, and all mounts had a
# part in it.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

all=$(mounts "$LAB_MOUNTS")
mebibyte=1048576
large=$((100 * mebibyte + 17))
pieces=(0 12345 8388607 500000001 1073741824 2147400000)

# sparse FILE: 2 GiB with some data, one piece over the end of a range.
sparse() {
    local at
    truncate -s 2G "$1"
    for at in "${pieces[@]}"; do
        head -c 70001 /dev/urandom |
            dd of="$1" bs=64K seek="$at" oflag=seek_bytes iflag=fullblock conv=notrunc status=none
    done
    truncate -s 2G "$1"
}

make_sources() {
    local size
    mkdir -p "$1"
    for size in $((mebibyte - 1)) $((8 * mebibyte)) $((8 * mebibyte + 1)) $large; do
        head -c "$size" /dev/urandom >"$1/$size"
    done
    sparse "$1/sparse"
    find "$1" -exec touch -d '2020-02-03 04:05:06.789012345' {} +
}

# each_has_its_share OPERATION WHAT: no mount made less than a half of what would be its share.
each_has_its_share() {
    local shares
    shares=$("$LAB/rpc" each "$1")
    echo "$2: $1 $(tr '\n' ' ' <<<"$shares")"
    check "$2: not $LAB_MOUNTS mounts have counters" [ "$(wc -l <<<"$shares")" = "$LAB_MOUNTS" ]
    # shellcheck disable=SC2016 # awk's variables
    check "$2: the mounts have no equal part in the calls $1" awk -v mounts="$LAB_MOUNTS" '
        { calls[NR] = $2; sum += $2 }
        END {
            for (i = 1; i <= NR; i++)
                bad = bad || 2 * mounts * calls[i] < sum
            exit bad || !sum
        }' <<<"$shares"
}

# run WHAT SRC DST OPTION...: from cold caches. SRC and DST are what the server or a tmpfs has.
run() {
    local what=$1 src=$2 dst=$3 begin=$SECONDS
    shift 3
    "$PCOPY" --split-size=1M -j 12 "$@" >/tmp/out 2>/tmp/err
    status=$?
    check "$what: exit status $status" [ $status = 0 ]
    # That mounts of NFSv4.2 share a connection is true, and is said: see warn_shared.sh.
    grep -v 'these mount points share one connection' /tmp/err >/tmp/errors
    check "$what: errors: $(head -n 5 /tmp/errors)" [ ! -s /tmp/errors ]
    check "$what: the trees differ" "$TREECMP" "$src" "$dst"
    check "$what: temporary names are left" [ -z "$(find "$dst" -name '.*.pcopy-*' -print -quit)" ]
    echo "$what: $((SECONDS - begin)) s"
}

# few_bytes WHAT DIR: the holes are holes.
few_bytes() {
    local kibibytes
    kibibytes=$(du -sk "$2/sparse" | cut -f 1)
    check "$1: the sparse file takes $kibibytes KiB" [ "$kibibytes" -lt 4096 ]
}

# others DIR: files of the same names, longer and shorter and as long, full of 0xff.
others() {
    local file change=(0 100000 -100000) n=0 size
    mkdir "$1"
    for file in /lab/export/tree/*; do
        size=$(stat -c %s "$file")
        # Of the sparse one only the first MiB: no old byte may be seen through a hole.
        [ "$size" -le $large ] || size=$mebibyte
        head -c $((size + change[n++ % 3])) /dev/zero | tr '\0' '\377' >"$1/${file##*/}"
    done
    find "$1" -type f -exec touch -d @1400000000 {} +
}

make_sources /lab/export/tree
cp -a /lab/export/tree /lab/src/tree

# ---- to the mounts

mounts_renew ""
mkdir /lab/src/one
ln "/lab/src/tree/$large" /lab/src/one
run "one file over all mounts" /lab/src/one /lab/export/one -m "$all" /lab/src/one one
each_has_its_share WRITE "one file over all mounts"
rm -r /lab/export/one

mounts_renew ""
run "to all mounts" /lab/src/tree /lab/export/copy -m "$all" /lab/src/tree copy
few_bytes "to all mounts" /lab/export/copy
each_has_its_share WRITE "to all mounts"
run "nothing to do" /lab/src/tree /lab/export/copy -m "$all" /lab/src/tree copy
check "nothing to do: something was copied" grep -q '^0 bytes ' /tmp/out
rm -r /lab/export/copy

for inplace in '' --inplace; do
    what="over others${inplace:+ $inplace}"
    others /lab/export/copy
    mounts_renew ""
    # shellcheck disable=SC2086
    run "$what" /lab/src/tree /lab/export/copy -m "$all" $inplace /lab/src/tree copy
    few_bytes "$what" /lab/export/copy
    each_has_its_share WRITE "$what"
    rm -r /lab/export/copy
done
rm -r /lab/src/tree /lab/src/one

# ---- from the mounts

# Over NFSv3 nobody tells where the holes are: zeros have to be found.
mounts_renew ""
run "from all mounts" /lab/export/tree /lab/src/copy -M "$all" tree /lab/src/copy
few_bytes "from all mounts" /lab/src/copy
each_has_its_share READ "from all mounts"
rm -r /lab/src/copy

# ---- and both; over NFSv4.2 the server copies by itself

for reflink in auto never; do
    mounts_renew ""
    run "from all to all mounts, $reflink" /lab/export/tree /lab/export/copy \
        -M "$all" -m "$all" --reflink=$reflink tree copy
    few_bytes "from all to all mounts, $reflink" /lab/export/copy
    if [ $reflink = never ] || [ "$LAB_VERS" = 3 ]; then
        each_has_its_share READ "from all to all mounts, $reflink"
        each_has_its_share WRITE "from all to all mounts, $reflink"
    else
        "$LAB/rpc" each COPY
    fi
    rm -r /lab/export/copy
done
exit "$failed"
