#!/bin/bash
# The whole pipeline with almost no queue and with few and many threads, again and again: no entry
# is lost or done twice, and no run stands still. Made for ThreadSanitizer.
. "$(dirname "$0")/lib.sh"
work_in_memory

# 3,000 entries: small and empty directories, names tied across directories, symlinks, and a few
# files of several buffers.
for d in {0..59}; do
    dir=src/$((d % 3))/$((d % 7))/$d
    mkdir -p "$dir/empty" src/all
    make_many "$dir" 30
    ln "$dir/f000003" "src/all/$d"
    ln "$dir/f000004" "$dir/empty/tied"
    ln -s f000000 "$dir/symlink"
    mkdir "$dir"/sub{1..8}
done
for i in {1..8}; do
    make_file "src/big$i" $((i * 150000))
done
entries=$(find src | wc -l)

rounds=3
sanitized && rounds=1
for ((round = 1; round <= rounds; round++)); do
    for jobs in 1 2 3 8 32 128; do
        for walkers in 1 4; do
            options="--fsync=none --queue-size=2 --buffer-size=4K --walkers=$walkers -j $jobs"
            # shellcheck disable=SC2086
            pcopy -v $options src dst
            expect_status 0
            expect_no_err
            # Every entry is told of once, the root with it or not.
            lines=$(head -n -3 "$OUT" | sort -u | wc -l)
            [ "$lines" = "$(head -n -3 "$OUT" | wc -l)" ] || fail "an entry was done twice"
            [ "$lines" -ge $((entries - 1)) ] || fail "$lines lines for $entries entries"
            same src dst
            # Once more: nothing but skipping, the fastest way through the queue.
            # shellcheck disable=SC2086
            pcopy $options src dst
            expect_status 0
            expect_summary files 0
            rm -rf dst
        done
    done
done
