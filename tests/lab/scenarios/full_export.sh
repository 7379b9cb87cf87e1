#!/bin/bash
# An export of 20 MiB (the lab's --size) and 60 MiB to copy, in small files and in one: what is not
# whole on the server is named in the errors, and nothing else is. With more room, a second run
# completes the tree.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

sums() {
    (cd "$1" && find . -type f -print0 | xargs -0r cksum | sort)
}

# The names in the error lines, below the tree.
named() {
    sed -n "s/^pcopy: [^']*'\([^']*\)'.*/\1/p" /tmp/err |
        sed -e 's|^/lab/src/[a-z]*/||' -e 's|^/lab/[0-9]*/||' -e 's|^copy/||' | sort -u
}

copy() {
    timeout -k 5 200 "$PCOPY" --on-full=skip -m "$(mounts "$LAB_MOUNTS")" "/lab/src/$1" copy >/tmp/out 2>/tmp/err
    status=$?
}

# full NAME: copies /lab/src/NAME.
full() {
    local name=$1
    copy "$name"
    ((status > 0 && status < 124)) || fail "$name: exit status $status"
    (cd "/lab/src/$name" && find . -type f -printf '%P\n' | sort) >/tmp/files
    comm -12 <(sums "/lab/src/$name") <(sums /lab/export/copy) | sed 's|^.* \./||' | sort >/tmp/whole
    comm -23 /tmp/files /tmp/whole >/tmp/lost
    named | comm -12 - /tmp/files >/tmp/named
    echo "$name: $(wc -l </tmp/files) files, $(wc -l </tmp/whole) whole, $(wc -l </tmp/lost) not," \
        "$(wc -l </tmp/named) named, $SECONDS s"
    check "$name: the export was not full" [ -s /tmp/lost ]
    if ! cmp -s /tmp/lost /tmp/named; then
        fail "$name: not whole and not named: $(comm -23 /tmp/lost /tmp/named | wc -l)," \
            "whole, but named: $(comm -13 /tmp/lost /tmp/named | wc -l)"
        comm -3 /tmp/lost /tmp/named | head -n 10
        head -n 10 /tmp/err
    fi
    check "$name: temporary files are left" \
        [ -z "$(find /lab/export/copy -name '.*.pcopy-*' -print -quit)" ]

    mount -o remount,size=200m /lab/export
    copy "$name"
    if [ $status != 0 ]; then
        fail "$name: with more room: exit status $status"
        head -n 10 /tmp/err
    fi
    check "$name: with more room: the trees differ" "$TREECMP" "/lab/src/$name" /lab/export/copy
    echo "$name: completed, $SECONDS s"
    rm -rf /lab/export/copy
    mount -o "remount,size=$LAB_SIZE" /lab/export
}

make_tree /lab/src/small 60 256 4096
mkdir /lab/src/big
head -c 60M /dev/urandom >/lab/src/big/file
full small
full big
exit "$failed"
