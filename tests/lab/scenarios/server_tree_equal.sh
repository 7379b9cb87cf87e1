#!/bin/bash
# 20,000 files over all mounts: what the server has then is compared with the source, for a new
# tree, for one that was lost but of whose names the other mounts believe other things, and once
# more when nothing is left to do.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

copy() {
    local what=$1
    shift
    if ! "$PCOPY" "$@" -a -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err; then
        fail "$what: pcopy failed"
        head -n 10 /tmp/err
    fi
    check "$what: the trees differ" "$TREECMP" /lab/src/tree /lab/export/copy
    echo "$what: $(find /lab/export/copy -type f | wc -l) files on the server, $SECONDS s"
}

# Every name of the source, looked up through one mount.
look_up_all() {
    find /lab/src/tree -mindepth 1 -printf "/lab/$1/copy/%P\0" | xargs -0 stat >/dev/null 2>&1
}

make_tree /lab/src/tree 400 50 300
for ((i = 1; i <= 400; i += 20)); do
    ln "/lab/src/tree/d$i/f1" "/lab/src/tree/d$((i + 1))/link"
    ln -s "../d$i" "/lab/src/tree/d$i/symlink"
done
# Deep, and every level is new.
mkdir -p "/lab/src/tree/$(seq -s / 1 60)"
find /lab/src/tree -depth -type d -exec touch -d '2021-03-04 05:06:07.5' {} +
echo "tree: $(find /lab/src/tree | wc -l) entries, $SECONDS s"

copy "a new tree"

# Caches that believe for a minute what they have seen once. All but the first mount are asked for
# every name after the server has lost it: half of the directories as a whole, and the files of the
# others.
mounts_renew acregmin=60,acregmax=60,acdirmin=60,acdirmax=60
rm -rf /lab/export/copy/d*[02468] /lab/export/copy/d*/* /lab/export/copy/1
for ((i = 2; i <= LAB_MOUNTS; i++)); do
    look_up_all $i
done
copy "a lost tree, with stale names"
copy "nothing to do"
# All three looked through different mounts; hard links and metadata are still found to be the same.
"$PCOPY" --verify-only -a -m "$(mounts "$LAB_MOUNTS")" /lab/src/tree copy >/tmp/out 2>/tmp/err
status=$?
check "verify-only: exit status $status" [ $status = 0 ]
check "verify-only: $(wc -l </tmp/out) differences: $(head -n 3 /tmp/out)" [ ! -s /tmp/out ]
exit "$failed"
