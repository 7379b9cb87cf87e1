#!/bin/bash
# -n changes nothing, whatever else is asked for, and with -i it says line for line what a run
# without it then does.
. "$(dirname "$0")/lib.sh"

# The itemized lines of the last run; names may have line ends, so these are just all but the summary.
items() {
    grep -aE '^([<>ch.][fdLDS][^ ]* *|\*deleting  ) ' "$OUT" | sort
}

# Of names that are one file, the threads decide which comes first and which are tied to it.
any_first() {
    sed -E 's,^[>hc][fSL][^ ]* +(links/[^ ]*|special/fifo|symlinks/dangling)( [-=]> .*)?$,\1,' |
        sort
}

# predicts ARGUMENTS...: -n changes nothing, and says what the same without it says.
predicts() {
    local before after said
    before=$(picture)
    pcopy -n -i "$@"
    after=$(picture)
    [ "$before" = "$after" ] || fail "-n has changed something"
    local dry_status=$status
    said=$(items)
    pcopy -i "$@"
    [ "$status" = "$dry_status" ] || fail "exit status $status, and $dry_status with -n"
    said=$(any_first <<<"$said")
    after=$(items | any_first)
    [ "$said" = "$after" ] ||
        fail "-n (<) has told something else:" $'\n'"$(diff <(echo "$said") <(echo "$after"))"
}

make_tree src

for options in '-j 1 --walkers=1' '-j 8' '-j 1 --walkers=1 -a' '-a -j 8 --delete'; do
    remove dst
    # A new destination: each entry is named, and the tree is not made.
    # shellcheck disable=SC2086
    pcopy -n $options src dst
    expect_status 0
    [ ! -e dst ] || fail "-n has made the destination"
    # shellcheck disable=SC2086
    predicts $options src dst
    expect_status 0
    same src dst
    grep -qxF 'cd+++++++++ ./' "$OUT" || fail "the root is not named"
    for line in '>f+++++++++ sizes/4096' 'cd+++++++++ dirs/empty/' \
        'cL+++++++++ symlinks/to_dir -> ../names' 'cS+++++++++ special/fifo' \
        'cS+++++++++ special/socket'; do
        # Of the two names of the FIFO one is tied to the other.
        [ "${line##* }" = special/fifo ] || grep -qxF -e "$line" "$OUT" || fail "no line '$line'"
    done
    is_root && { grep -qxF 'cD+++++++++ special/null' "$OUT" || fail "no line for a device"; }
    grep -qE '^hf\+{9} links/.* => links/' "$OUT" || fail "no line for a hard link"

    # An unchanged one: nothing to say.
    # shellcheck disable=SC2086
    predicts $options src dst
    expect_status 0
    [ -z "$(items)" ] || fail "nothing has changed, and something is named"

    # A changed one, in every way.
    echo longer >>dst/sizes/4096
    rm dst/sizes/1 dst/names/... dst/symlinks/to_dir dst/special/socket
    chmod 604 dst/sizes/4095
    touch -d @1 dst/sizes/4097 dst/names dst/times/0
    ln -sfn elsewhere dst/symlinks/to_file
    remove dst/dirs/deep
    mkdir -p dst/extra/dir
    echo extra | tee dst/extra/dir/file >dst/links/extra
    ln -s ../src dst/extra/link
    # shellcheck disable=SC2086
    predicts $options src dst
    expect_status 0
    for line in '>f+++++++++ sizes/1' '.f...p..... sizes/4095' '>f..t...... sizes/4097' \
        '>f.st...... sizes/4096'; do
        grep -qxF -e "$line" "$OUT" || fail "no line '$line'"
    done
    case $options in
    *--delete*)
        for line in '*deleting   extra/' '*deleting   extra/dir/' '*deleting   extra/dir/file' \
            '*deleting   extra/link' '*deleting   links/extra'; do
            grep -qxF -e "$line" "$OUT" || fail "no line '$line'"
        done
        same src dst
        ;;
    *)
        [ -e dst/extra/dir/file ] || fail "something was deleted without --delete"
        ! grep -q deleting "$OUT" || fail "a deletion is named without --delete"
        ;;
    esac
done

# ---- with what else changes things

remove small dst
mkdir -p small/dir dst/file small/dir2
echo file | tee small/file small/dir/file >small/dir2/file
echo in the way >dst/dir
touch -d @1 small/dir/file
for options in --force '--force -j 1' --inplace --atomic '--size-only' -c -I -u --existing \
    --ignore-existing '--delete-excluded --exclude=dir2' '--max-size=1' --fsync=file; do
    remove two
    cp -a dst two
    # shellcheck disable=SC2086
    predicts $options small two
    remove two
    # shellcheck disable=SC2086
    predicts -a $options small two
done
remove dst

# ---- a destination that is not there, and its parents neither

for dst in new up/and/down/new new/; do
    before=$(picture)
    pcopy -n small "$dst"
    expect_status 0
    pcopy --dry-run -i small "$dst"
    expect_status 0
    grep -qxF '>f+++++++++ dir/file' "$OUT" || fail "nothing was told"
    pcopy -n -t "$dst" small
    expect_status 0
    [ "$(picture)" = "$before" ] || fail "-n has changed something"
done

# ---- a single file, several sources, a list of checksums

before=$(picture)
pcopy -n -i small/file new
expect_status 0
expect_out '>f+++++++++ '
pcopy -n -i small/dir small/dir2 new
expect_status 0
expect_out '>f+++++++++ dir2/file'
pcopy -n -q small new
expect_status 0
[ ! -s "$OUT" ] || fail "-q, and something on stdout"
[ "$(picture)" = "$before" ] || fail "-n has changed something"

# ---- over two paths: no probe is left, and none is made

mkdir export
ln -s export m1
ln -s ./export m2
before=$(picture)
pcopy -n -i --allow-rootfs -m m1,m2 small dst
expect_status 0
expect_out '>f+++++++++ dir/file'
[ "$(picture)" = "$before" ] || fail "-n has changed something"
predicts --allow-rootfs -m m1,m2 small dst
expect_status 0
same small export/dst
