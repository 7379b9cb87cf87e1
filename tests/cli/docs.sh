#!/bin/bash
# The commands in docs/ are true: each is run, and where another program's stands beside it that one
# too; then both have left the same files, of the same contents, at the same places.
#
# What is taken: the rows of tables whose first two cells are code and nothing else, theirs and
# ours; blocks that begin with "```sh theirs" and "```sh ours"; and the latter alone.
. "$(dirname "$0")/lib.sh"
is_root && with_own_mounts
work_in_memory

docs=$lib_dir/../../docs
mkdir bin commands
ln -s "$PCOPY" bin/pcopy
export PATH=$PWD/bin:$PATH

# ---- the commands, as files NUMBER.theirs and NUMBER.ours, and NUMBER.place

for page in "$docs"/*.md; do
    awk -v page="${page##*/}" -v first="$(find commands -type f | wc -l)" '
    function begin(kind) {
        if (kind == "theirs" || !pending)
            n++
        pending = kind == "theirs"
        printf "%s:%d\n", page, NR >sprintf("commands/%03d.place", first + n)
        return sprintf("commands/%03d.%s", first + n, kind)
    }
    /^```/ { file = "" }
    /^```sh (theirs|ours)$/ { file = begin($2); next }
    file { print >file }
    /^\| `[^`]+` \| `[^`]+` \|/ {
        split($0, code, "`")
        gsub(/\\\|/, "|", code[2])
        print code[2] >begin("theirs")
        print code[4] >begin("ours")
    }' "$page"
done
[ "$(find commands -name '*.ours' | wc -l)" -ge 40 ] || fail "not all commands of the pages"

# ---- what they are run on

mkdir -p before/src/a/deep before/src/b before/src/build before/src/empty before/one before/two \
    before/three before/glibc-2.36/stdio-common before/old
for name in src/a/1.c src/a/deep/2.c 'src/b/with a space' src/b/3.o src/build/made src/.hidden \
    one/a two/b three/c glibc-2.36/Makefile glibc-2.36/stdio-common/printf.c; do
    make_file "before/$name" 5000
done
ln before/src/a/1.c before/src/b/again.c
ln -s ../a before/src/b/link
touch -d '2020-02-03 04:05:06' before/src/*/* before/src/.hidden
# An older copy: one file is missing, one has changed, one is not in the source any more.
cp -a before/src/. before/old
rm before/old/a/deep/2.c
make_file before/old/b/3.o 4000
make_file before/old/gone 100
touch -d '2019-01-01' before/old/b/3.o before/old/gone
printf '*.o\n/build/\n' >before/patterns
printf 'a/1.c\nb/with a space\n' >before/names

if is_root && mount -t tmpfs tmpfs /mnt 2>/dev/null; then
    mkdir /mnt/export /mnt/dst1 /mnt/dst2
    mount --bind /mnt/export /mnt/dst1
    mount --bind /mnt/export /mnt/dst2
else
    skip_part "mount points need root"
    grep -l /mnt commands/* | xargs -r rm
fi

# try KIND FILE: the command in a copy of `before`, and in `after.KIND` what it has left: regular
# files, without lists, logs and journals.
try() {
    rm -rf here
    cp -a before here
    cd here || exit
    run bash -e -o pipefail "../$2"
    command_line=$(cat "../$2")
    [ "$status" = 0 ] || fail "$place: $1 ended with an error"
    if [ -d /mnt/export ]; then
        mkdir mnt
        find /mnt/export -mindepth 1 -maxdepth 1 -exec mv -t mnt {} +
    fi
    find . -type f ! -path './parts*' ! -name manifest ! -name 'run.*' -exec cksum {} + |
        sort -k 3 >"../after.$1"
    cd .. || exit
}

for ours in commands/*.ours; do
    theirs=${ours%ours}theirs
    place=$(cat "${ours%ours}place")
    try ours "$ours"
    [ -e "$theirs" ] || continue
    for program in rsync parallel fpsync msrsync; do
        if grep -qw $program "$theirs" && ! command -v $program >/dev/null; then
            # No distribution has msrsync.
            [[ $program = msrsync || $skipped = *$program* ]] ||
                skip_part "$program is not installed"
            continue 2
        fi
    done
    try theirs "$theirs"
    cmp -s after.theirs after.ours || fail "$place: they end with different files:" \
        $'\n'"$(diff after.theirs after.ours)"
done
