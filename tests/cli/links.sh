#!/bin/bash
# Hard links: many, across many directories, with many threads at once; again over what a run
# before has left; and as separate files when asked.
. "$(dirname "$0")/lib.sh"
work_in_memory

# 40 directories with 50 files each, every file with a name in each second directory: whichever
# thread meets one of its names first makes it.
for set in even odd; do
    mkdir -p src/$set
    for f in {0..49}; do
        make_file "src/$set/$set$f" $((f * 37))
    done
done
for d in {0..19}; do
    mkdir -p "src/$((d % 5))"
    cp -al src/even "src/$((d % 5))/even$d"
    cp -al src/odd "src/$((d % 5))/odd$d"
done
# Pairs in one directory, and of other kinds than files.
mkdir src/others
for i in {0..49}; do
    echo "$i" >"src/others/a$i"
    ln "src/others/a$i" "src/others/b$i"
    ln -s "$i" "src/others/s$i"
    ln "src/others/s$i" "src/0/s$i"
    mkfifo "src/others/p$i"
    ln "src/others/p$i" "src/0/p$i"
done
# No two files may be taken for one another by size and time.
n=0
while IFS= read -r -d '' file; do
    n=$((n + 1))
    touch -d "@1000000000.$((100000 + n))" "$file"
done < <(find src -type f -print0)
inodes=$(find src -type f -printf '%i\n' | sort -u | wc -l)

for round in 1 2 3; do
    for options in '-j 64' '-j 64 --queue-size=2 --walkers=8' '-j 1'; do
        # shellcheck disable=SC2086
        pcopy $options src dst
        expect_status 0
        expect_summary files "$inodes"
        same src dst
        [ "$round" = 1 ] || {
            rm -rf dst
            continue
        }
        # shellcheck disable=SC2086
        pcopy $options src dst
        expect_status 0
        expect_summary files 0
        same src dst
        rm -rf dst
    done
done

# ---- over what is there already

pcopy src dst
# Some names are missing; some are files of their own, equal or not; two files are tied wrongly.
rm dst/0/even0/even1* dst/1/odd1/odd11 dst/others/a1
cp -p --remove-destination src/others/a2 dst/others/a2
rm dst/others/a3
echo other >dst/others/a3
ln -f dst/others/a4 dst/others/a5
ln -f dst/others/a4 dst/others/b5
ln -f dst/others/a6 dst/others/a7
pcopy -j 64 src dst
expect_status 0
same src dst
no_temporary dst

# A file of the destination that is tied to one outside is replaced, not written into.
echo precious >outside
rm dst/others/a8 dst/others/b8
ln outside dst/others/a8
pcopy -j 64 src dst
expect_status 0
same src dst
[ "$(cat outside)" = precious ] || fail "a file outside was written into"
rm -rf dst

# ---- a group with names that are not copied, and groups across several SRC

pcopy src/0 part
expect_status 0
same src/0 part
rm -rf part
pcopy -j 64 src/0 src/1 src/others parts
expect_status 0
mkdir expected
cp -a src/0 src/1 src/others expected
touch -r parts expected
chmod --reference=parts expected
same expected parts
rm -rf parts

# ---- not kept

pcopy -j 64 --no-preserve=links src dst
expect_status 0
same src dst names,bytes,mode,mtime
[ -z "$(find dst ! -type d -links +1 -print -quit)" ] || fail "a link was kept"
