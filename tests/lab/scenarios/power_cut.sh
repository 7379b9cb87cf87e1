#!/bin/bash
# The power is cut (lab --disk --mounts=0) at random moments, ROUNDS times in each of these ways, and the same
# command goes on after the next boot:
#   journal   during a copy with --journal: what the journal has is whole then, what is not is copied
#   file      during a copy with --fsync=file: what it has told of as copied (-v) is whole
#   both      with both, over files that exist
#   ended     up to four seconds after exit status 0: nothing is missing, and nothing was to be done
#   plain     during a copy with neither: only counted, because nothing is promised
# Each boot looks at what the cut before has left, completes it, and begins the next. SEED= repeats
# the moments; WAYS= says which, without it "journal ended".
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

read -r -a ways <<<"${WAYS:-journal ended}"
rounds=${ROUNDS:-2}
show=$(dirname "$TREECMP")/journal_show

# What outlives a cut: the source, and notes. Of the disk only what was flushed does.
state=/lab/share/state
src=/lab/share/src
dst=/lab/export/dst
journal=/lab/export/journal

# note NAME TEXT, and noted NAME
note() {
    mkdir -p $state
    echo "$2" >"$state/$1"
    sync -f $state
}
noted() {
    cat "$state/$1" 2>/dev/null
}

make_source() {
    local i
    make_tree $src 30 12 20000
    for i in 1 2 3; do
        head -c $((12 * 1024 * 1024 + i)) /dev/urandom >$src/d$i/big
    done
    # A hole is no loss.
    truncate -s 3M $src/d4/sparse
    head -c 100000 /dev/urandom | dd of=$src/d4/sparse bs=1M seek=1 conv=notrunc status=none
    find $src -depth -exec touch -h -d '2020-02-03 04:05:06.789012345' {} +
    sync -f $src
}

# Files of the same names, sizes and other times, flushed.
make_others() {
    local file
    cp -r $src $dst
    for file in "$dst"/*/f*; do
        tr '\0-\377' '\377' <"$file" >/tmp/file
        cat /tmp/file >"$file"
    done
    find $dst -type f -exec touch -d @1400000000 {} +
    sync -f $dst
}

options_of() {
    options=(-j 8 --split-size=1M)
    case $1 in
    journal) options+=(-q "--journal=$journal") ;;
    file) options+=(-v --fsync=file) ;;
    both) options+=(-v --fsync=file "--journal=$journal") ;;
    *) options+=(-q) ;;
    esac
}

equal() {
    "$TREECMP" "$1" "$2" >/tmp/differences 2>&1
}

# Whether the copy has come so far that a cut proves something.
has_begun() {
    case $1 in
    journal) "$show" $journal | grep -q ^directory ;;
    file) grep -q /f /lab/share/told ;;
    both) has_begun journal && has_begun file ;;
    *) true ;;
    esac
} 2>/dev/null

# Begins a copy in the way of this boot, and cuts the power.
begin() {
    local way=$1 span=3000 wait
    rm -rf $dst $journal
    [ "$way" != both ] || make_others
    sync -f /lab/export
    RANDOM=$(($(noted seed) + LAB_BOOT))
    # What a system writes back by itself it does soon, and some of it within the copy.
    echo $((RANDOM % 100 + 1)) >/proc/sys/vm/dirty_writeback_centisecs
    echo $((RANDOM % 100 + 1)) >/proc/sys/vm/dirty_expire_centisecs
    if [ "$LAB_DISK" = xfs ]; then
        echo 100 >/proc/sys/fs/xfs/xfssyncd_centisecs
    else
        mount -o remount,commit=1 /lab/export
    fi
    options_of "$way"
    note cut "$way"
    rm -f /lab/share/told
    if [ "$way" = ended ]; then
        "$PCOPY" "${options[@]}" $src $dst || fail "ended: exit status $?"
        span=4000
    else
        # Line by line to the outside, and at once.
        stdbuf -oL "$PCOPY" "${options[@]}" --bwlimit=18M $src $dst 2>/tmp/err |
            dd of=/lab/share/told bs=64K oflag=sync status=none &
    fi
    # Some cuts come at any time, but the first of each way not too early.
    until [ "$LAB_BOOT" -gt ${#ways[@]} ] || has_begun "$way"; do
        sleep 0.1
        span=1500
    done
    wait=$((RANDOM % span))
    sleep "$((wait / 1000)).$(printf %03d $((wait % 1000)))"
    power_cut
}

# What the cut has left, and the same command once more.
look_after() {
    local way held=0 told=0 dir name there
    way=$(noted cut)
    there=$(find $dst -type f 2>/dev/null | wc -l)
    options_of "$way"
    if [ -e $journal ]; then
        while IFS=$'\t' read -r _ _ dir; do
            held=$((held + 1))
            check "$way: $dir is finished, and is not whole" equal "$src/$dir" "$dst/$dir"
        done < <("$show" $journal | grep -P '^directory\t')
    fi
    if [ -e /lab/share/told ]; then
        while IFS= read -r name; do
            name=${name#"$src"/}
            [ -f "$src/$name" ] || continue
            told=$((told + 1))
            cmp "$src/$name" "$dst/$name" >/tmp/differences 2>&1 ||
                fail "$way: $name was copied, and is not whole: $(cat /tmp/differences)" \
                    "$(cd "$dst/${name%/*}" && find . -name "*${name##*/}*" -printf '%f %s %t; ')"
        done </lab/share/told
    fi
    if [ "$way" != ended ]; then
        "$PCOPY" "${options[@]}" $src $dst >/tmp/out 2>/tmp/err
        status=$?
        check "$way: exit status $status: $(head -n 3 /tmp/err)" [ $status = 0 ]
        check "$way: errors: $(head -n 3 /tmp/err)" [ ! -s /tmp/err ]
    fi
    if [ "$way" = plain ]; then
        equal $src $dst || note plain $(($(noted plain) + 1))
    else
        equal $src $dst || fail "$way: the trees differ: $(head -n 5 /tmp/differences)"
    fi
    check "$way: temporary names are left" [ -z "$(find $dst -name '.*.pcopy-*' -print -quit)" ]
    echo "$way: $there files, $held directories finished, $told files told of"
    note "held-$way" $(($(noted "held-$way") + held))
    note "told-$way" $(($(noted "told-$way") + told))
    [ $failed = 0 ] || note failed 1
}

if [ "$LAB_BOOT" = 1 ]; then
    note seed "${SEED:-$RANDOM}"
    echo "SEED=$(noted seed)"
    make_source
else
    look_after
fi
if [ "$LAB_BOOT" -le $((rounds * ${#ways[@]})) ]; then
    begin "${ways[(LAB_BOOT - 1) % ${#ways[@]}]}"
fi
# Else the cuts were not where this is about.
for way in "${ways[@]}"; do
    [[ $way != @(journal|both) ]] || check "$way: no directory was ever finished" \
        [ "$(noted "held-$way")" -gt 0 ]
    [[ $way != @(file|both) ]] || check "$way: no file was ever told of" \
        [ "$(noted "told-$way")" -gt 0 ]
done
[ ! -e $state/plain ] || echo "plain: $(noted plain) of $rounds trees differ after the next run"
[ ! -e $state/failed ] || failed=1
exit "$failed"
