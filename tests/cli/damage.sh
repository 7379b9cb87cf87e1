#!/bin/bash
# 200 random damages to a copy. Of each it is known which way of comparing promises to find it:
# --verify-only names exactly those and changes nothing, and --verify mends exactly those. The
# damages are those of SEED, which is printed.
. "$(dirname "$0")/lib.sh"

SEED=${SEED:-20261125}
echo "SEED=$SEED"
RANDOM=$SEED

modes=(default checksum archive archive_checksum delete)
declare -A options=(
    [default]='' [checksum]=-c [archive]=-a [archive_checksum]='-a -c' [delete]=--delete
)

# ---- the tree

file_victims=() symlink_victims=() dir_victims=() group_victims=() pair_victims=()
mkdir src
for d in d{0..11}; do
    mkdir "src/$d"
    for i in {0..13}; do
        make_file "src/$d/f$i" $((RANDOM % 20000 + 1))
        file_victims+=("$d/f$i")
    done
    for i in {0..4}; do
        ln -s "target$i" "src/$d/s$i"
        symlink_victims+=("$d/s$i")
        mkdir -p "src/$d/l$i/z"
        echo x >"src/$d/l$i/x"
        echo y >"src/$d/l$i/z/y"
        # Those that the links below go to must stay what they are.
        [ "$i" -lt 2 ] || dir_victims+=("$d/l$i")
    done
    for i in 0 1; do
        make_file "src/$d/g$i" 100
        ln "src/$d/g$i" "src/$d/g${i}_2"
        ln "src/$d/g$i" "src/$d/l$i/g${i}_3"
        group_victims+=("$d/g$i")
        make_file "src/$d/p$i" 100
        cp "src/$d/p$i" "src/$d/p${i}_2"
        pair_victims+=("$d/p$i")
    done
done
find src -depth -exec touch -h -d @1500000000.250000000 {} +
pcopy -a src dst
expect_status 0
same src dst "$everything"

owners=
is_root && owners=yes
[ -n "$owners" ] || skip_part 'damaged owners need root'
xattrs=
touch probe
setfattr -n user.probe -v 1 probe 2>/dev/null && xattrs=yes
rm probe
[ -n "$xattrs" ] || skip_part 'no extended attributes here (setfattr, file system)'

# take CLASS: sets $victim to one that has no damage yet.
take() {
    local -n pool=$1
    [ ${#pool[@]} -gt 0 ] || return
    local at=$((RANDOM % ${#pool[@]}))
    victim=${pool[at]}
    pool[at]=${pool[-1]}
    unset 'pool[-1]'
}

# ---- who must find what: in $base/want.MODE a name a line. Of names that are tied, or should be, at
# least one must be found: they stand in one line of $base/either.

promise() {
    local mode path=$1
    shift
    for mode; do
        printf '%s\n' "$path" >>"$base/want.$mode"
    done
}

all() {
    promise "$1" "${modes[@]}"
}

all_below() {
    local path
    while IFS= read -r path; do
        all "$path"
    done < <(find "src/$1" -printf "$1/%P\n" | sed 's,/$,,')
}

: >"$base/either"
flips=() extras=() dir_times=()

# A change of a file behind the back of its times.
keeping_times() {
    "$@"
    touch -r "src/$victim" "dst/$victim"
}

one_byte() {
    local at size
    size=$(stat -c %s "dst/$victim")
    at=$((RANDOM % size))
    # Another value, whatever it is: its lowest bit is turned.
    perl -e 'open(my $f, "+<", $ARGV[0]) or die; seek($f, $ARGV[1], 0); read($f, my $c, 1);
        seek($f, $ARGV[1], 0); print $f chr(ord($c) ^ 1)' "dst/$victim" "$at"
}

damage_flip() {
    take file_victims || return
    keeping_times one_byte
    promise "$victim" checksum archive_checksum
    flips+=("$victim")
}

damage_truncate() {
    take file_victims || return
    keeping_times truncate -s $((RANDOM % $(stat -c %s "src/$victim"))) "dst/$victim"
    all "$victim"
}

damage_grow() {
    take file_victims || return
    keeping_times truncate -s +$((RANDOM % 9000 + 1)) "dst/$victim"
    all "$victim"
}

damage_remove() {
    take file_victims || return
    rm "dst/$victim"
    all "$victim"
}

damage_file_to_dir() {
    take file_victims || return
    rm "dst/$victim"
    mkdir "dst/$victim"
    touch -r "src/$victim" "dst/$victim"
    all "$victim"
}

damage_file_to_symlink() {
    take file_victims || return
    rm "dst/$victim"
    ln -s "$PWD/src/$victim" "dst/$victim"
    touch -h -r "src/$victim" "dst/$victim"
    all "$victim"
}

damage_mode() {
    take file_victims || return
    chmod 604 "dst/$victim"
    all "$victim"
}

damage_mtime() {
    take file_victims || return
    if [ $((RANDOM % 2)) = 0 ]; then
        touch -d @1400000000.25 "dst/$victim"
    else
        touch -d @1500000000.250000001 "dst/$victim"
    fi
    all "$victim"
}

damage_owner() {
    [ -n "$owners" ] && take file_victims || return
    chown 1234 "dst/$victim"
    promise "$victim" archive archive_checksum
}

damage_group() {
    [ -n "$owners" ] && take symlink_victims || return
    chown -h :1234 "dst/$victim"
    promise "$victim" archive archive_checksum
}

damage_xattr() {
    [ -n "$xattrs" ] && take file_victims || return
    setfattr -n user.damage -v "$RANDOM" "dst/$victim"
    promise "$victim" archive archive_checksum
}

damage_link_target() {
    take symlink_victims || return
    ln -sfn "target$RANDOM" "dst/$victim"
    touch -h -r "src/$victim" "dst/$victim"
    all "$victim"
}

damage_symlink_to_file() {
    take symlink_victims || return
    rm "dst/$victim"
    readlink "src/$victim" >"dst/$victim"
    touch -h -r "src/$victim" "dst/$victim"
    all "$victim"
}

damage_remove_symlink() {
    take symlink_victims || return
    rm "dst/$victim"
    all "$victim"
}

damage_remove_dir() {
    take dir_victims || return
    rm -r "dst/$victim"
    all_below "$victim"
}

damage_dir_to_file() {
    take dir_victims || return
    rm -r "dst/$victim"
    echo file >"dst/$victim"
    touch -r "src/$victim" "dst/$victim"
    all_below "$victim"
}

damage_dir_to_symlink() {
    take dir_victims || return
    rm -r "dst/$victim"
    ln -s "$PWD/src/$victim" "dst/$victim"
    touch -h -r "src/$victim" "dst/$victim"
    all_below "$victim"
}

damage_dir_mode() {
    take dir_victims || return
    chmod 711 "dst/$victim"
    all "$victim"
}

damage_dir_mtime() {
    take dir_victims || return
    dir_times+=("$victim")
    all "$victim"
}

damage_dir_xattr() {
    [ -n "$xattrs" ] && take dir_victims || return
    setfattr -n user.damage -v "$RANDOM" "dst/$victim"
    promise "$victim" archive archive_checksum
}

damage_break_links() {
    take group_victims || return
    local of=${victim##*/}
    cp -p "dst/$victim" "dst/$victim.new"
    mv "dst/$victim.new" "dst/${victim}_2"
    echo "$victim ${victim}_2 ${victim%/*}/l${of#g}/${of}_3" >>"$base/either"
}

damage_join_files() {
    take pair_victims || return
    ln -f "dst/$victim" "dst/${victim}_2"
    echo "$victim ${victim}_2" >>"$base/either"
}

damage_extra_file() {
    victim=d$((RANDOM % 12))/extra$damages
    echo extra >"dst/$victim"
    promise "$victim" delete
    extras+=("$victim")
}

damage_extra_symlink() {
    victim=d$((RANDOM % 12))/extra$damages
    ln -s "$PWD/src" "dst/$victim"
    promise "$victim" delete
    extras+=("$victim")
}

damage_extra_dir() {
    victim=d$((RANDOM % 12))/extra$damages
    mkdir "dst/$victim"
    echo extra >"dst/$victim/file"
    promise "$victim" delete
    promise "$victim/file" delete
    extras+=("$victim")
}

mapfile -t kinds < <(compgen -A function damage_)
damages=0
while [ "$damages" -lt 200 ]; do
    # A kind that has no more victims, or cannot be done here, makes room for another one.
    "${kinds[RANDOM % ${#kinds[@]}]}" && damages=$((damages + 1))
done

# Names that came and went have touched their directories.
while IFS= read -r dir; do
    if [ -d "dst/$dir" ] && [ ! -L "dst/$dir" ]; then
        touch -r "src/$dir" "dst/$dir"
    fi
done < <(find src -type d -printf '%P\n')
for dir in "${dir_times[@]}"; do
    touch -d @1400000000 "dst/$dir"
done

# ---- finding

# expect_found MODE: the names in the file found, sorted, are the promised ones.
expect_found() {
    local group name hits wrong
    wrong=$(uniq -d found)
    [ -z "$wrong" ] || fail "named twice: $wrong"
    while read -ra group; do
        hits=0
        for name in "${group[@]}"; do
            ! grep -qxF -e "$name" found || hits=$((hits + 1))
        done
        [ "$hits" -gt 0 ] || fail "none of ${group[*]} was found ($1)"
    done <"$base/either"
    wrong=$(diff <(sort "$base/want.$1") \
        <(grep -vxFf <(tr ' ' '\n' <"$base/either") found)) ||
        fail "<: not found, >: found though it is none ($1):" $'\n'"$wrong"
}

before=$(picture)
# Without a place for them in the picture.
cd "$base" || exit 1
for mode in "${modes[@]}"; do
    # shellcheck disable=SC2086
    pcopy --verify-only ${options[$mode]} -0 work/src work/dst
    expect_status 23
    tr '\0' '\n' <"$OUT" | sed 's,/$,,' | sort >found
    expect_found "$mode"
done

# As lines.
itemized() {
    grep -E '^([<>ch.][fdLDS]|\*deleting  )' "$OUT"
}
path_of() {
    sed -E 's/^.{12}//; s/ (->|=>) .*//; s,/$,,' | sort
}
pcopy --verify-only -a -c -i work/src work/dst
expect_status 23
itemized | path_of >found
expect_found archive_checksum
pcopy --compare --delete work/src work/dst
expect_status 23
itemized | path_of >found
expect_found delete

# As JSON: the same paths, each with what differs.
if command -v python3 >/dev/null; then
    pcopy --verify-only --json work/src work/dst
    expect_status 23
    python3 -c '
import json, sys
types = {"file", "directory", "symlink"}
for line in sys.stdin:
    entry = json.loads(line)
    assert set(entry) >= {"path", "type", "itemize", "differs"}, line
    assert len(entry["itemize"]) == 11, line
    assert isinstance(entry["differs"], list) and entry["differs"], line
    kind = {"f": "file", "d": "directory", "L": "symlink"}[entry["itemize"][1]]
    assert entry["type"] == kind, line
    assert (entry["itemize"][3] == "s") == ("size" in entry["differs"]), line
    print(entry["path"].rstrip("/"))' <"$OUT" >found 2>"$base/python" ||
        fail "the JSON is not as it should be: $(tail -n 2 "$base/python")"
    sort -o found found
    expect_found default
else
    skip_part 'python3 is not installed'
fi

cd work || exit 1
[ "$(picture)" = "$before" ] || fail "--verify-only has changed something"

# ---- mending

# left TREE CHECKS: the names that treecmp finds to differ.
left() {
    "$TREECMP" --check="$2" src "$1" | sed '$d; s/: .*//' | sort -u
}

# repaired: the names of which stderr says so.
repaired() {
    sed -nE "s/^pcopy: repaired '(.*\/)?(d[0-9]+\/[^']*)': .*/\2/p" "$ERR" | sort
}

for mode in "${modes[@]}"; do
    rm -rf mended
    cp -a dst mended
    checks=names,bytes,mode,mtime,links
    [[ $mode != archive* ]] || checks=$everything

    # The copy mends all that it sees, and then the second pass sees nothing.
    # shellcheck disable=SC2086
    pcopy --verify --force ${options[$mode]} src mended
    expect_status 0
    expect_no_err
    {
        [[ $mode = *checksum ]] || printf '%s\n' "${flips[@]}"
        [ "$mode" = delete ] || printf '%s\n' "${extras[@]}"
    } | sort >"$base/unseen"
    wrong=$(diff "$base/unseen" <(left mended "$checks")) ||
        fail "<: mended though it need not be, >: still wrong ($mode):" $'\n'"$wrong"

    # shellcheck disable=SC2086
    pcopy --verify=checksum --force ${options[$mode]} src mended
    expect_status 0
    wrong=$(diff <([[ $mode = *checksum ]] || printf '%s\n' "${flips[@]}" | sort) <(repaired)) ||
        fail "<: not told as repaired, >: told though it was well ($mode):" $'\n'"$wrong"

    # shellcheck disable=SC2086
    pcopy --verify-only -c ${options[$mode]} src mended
    expect_status 0
    [ ! -s "$OUT" ] || [ -z "$(itemized)" ] || fail "equal, and still something is named"
    for extra in "${extras[@]}"; do
        [ "$mode" = delete ] || rm -r "mended/$extra"
    done
    # Their directories have another time now.
    ! left mended "$checks" | grep -vxE 'd[0-9]+' || fail "not mended ($mode)"
done
