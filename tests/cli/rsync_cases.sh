#!/bin/bash
# Filters, lists of files, the skip rule and --delete are rsync's. This is a table of cases: each is
# done by rsync and by pcopy from equal starting points, and must end in equal trees, with the same
# exit status and the same itemized lines, which pcopy's dry run has told before.
#
# CASES='*delete*' runs only those whose name matches.
# shellcheck disable=SC2034,SC2317 # functions and variables that are used through their names
. "$(dirname "$0")/lib.sh"
need rsync
work_in_memory

# ---- the trees: make_KIND makes src, and what else there is, in an empty directory

# age SECONDS PATH...: gives all that is there, and below, one whole second as its mtime.
age() {
    local seconds=$1
    shift
    find "$@" -depth -exec touch -h -d "@$seconds" {} +
}

# words FILE...: files that contain their name.
words() {
    local file
    for file; do
        echo "$file" >"$file"
    done
}

make_names() {
    mkdir -p src && cd src || exit
    mkdir -p b/c c/d/e x/b/c lib/sub cache/keep empty .git/objects name sub/name sub/sub/name
    words a b/a b/c/a b/c/keep c/a c/d/f c/d/e/f x/a x/b/a x/b/c/a ab abc
    words foo.o foo.c lib/foo.o lib/foo.c lib/sub/foo.o lib/sub/foo.c lib/readme.txt
    words log1.txt log2.txt logA.txt log_.txt log10.txt .hidden b/.hidden .git/objects/1
    words cache/1 cache/keep/2 name/file sub/name/file sub/sub/name/file c/name
    words 'st*r' star stir 'we[ird' weird 'que?ry' query 'back\slash' 'back\\slash' backslash
    words 'two words' '#hash' ';semi' '+ plus' '- minus' '!' 'tail ' ' lead' ']' -dash '^'
    ln -s b link
    ln -s c b/link
    ln -s nowhere sub/link
    cd .. || exit
    age 1000000000 src
}

# As names, and a destination that was a copy of it until both went on.
make_extras() {
    make_names
    cp -a src dst
    mkdir outside
    words outside/precious
    cd dst || exit
    mkdir -p gone/deep/er b/gone mixed/tmp mixed/plain only_tmp gone_too
    words gone/1 gone/deep/2 gone/deep/er/3 b/gone/file zz.o lib/extra.o extra.c c/d/extra
    words mixed/1.tmp mixed/tmp/2.tmp mixed/plain/3 only_tmp/4.tmp extra.tmp cache/extra
    ln -s ../outside to_outside
    ln -s ../../outside b/to_outside
    ln -s nowhere dangling
    mkfifo fifo
    cd .. || exit
    age 1000000000 dst outside
    touch -d @1000000001 dst/b dst/lib
}

# One file for each way in which two can differ.
make_skip() {
    mkdir -p src/dir/below src/new_dir/below dst/dir/below outside
    local file
    for file in same content size older newer older_size newer_size only_src mode; do
        echo "of the source" >"src/$file"
        echo "of the source" >"dst/$file"
    done
    echo "of another..." | tee dst/content dst/older dst/newer >/dev/null
    echo "longer than that of the source" | tee dst/size dst/older_size dst/newer_size >/dev/null
    cp src/same src/content_and_time
    cp dst/content dst/content_and_time
    cp src/same src/time
    cp src/same dst/time
    cp src/same src/time_and_mode
    cp src/same dst/time_and_mode
    words src/new_dir/file src/new_dir/below/file src/dir/file src/dir/below/file
    cp src/dir/below/file dst/dir/below
    rm dst/only_src
    words dst/only_dst dst/dir/only_dst
    ln -s target src/link
    ln -s target dst/link
    ln -s target src/other_link
    ln -s other dst/other_link
    ln -s target src/new_link
    mkfifo src/fifo dst/fifo src/new_fifo
    age 1000000000 src dst
    touch -d @1100000000 dst/newer dst/newer_size dst/time dst/dir/below
    touch -d @900000000 dst/older dst/older_size dst/content_and_time
    touch -d @900000000 dst/time_and_mode
    chmod 600 dst/mode dst/time_and_mode
    chmod 700 dst/dir
}

# The same as skip, and who owns what.
make_owners() {
    make_skip
    chown 1234 dst/same
    chown :1234 dst/dir
    chown 1234:1234 dst/mode
    chown -h 1234 src/link src/new_dir src/only_src
}

make_sizes() {
    mkdir -p src/dir dst/dir
    local size
    for size in 0 1 999 1000 1023 1024 1025 2048 1048576; do
        head -c "$size" /dev/zero >"src/$size"
        head -c "$size" /dev/zero >"src/dir/$size"
    done
    echo other | tee dst/1 dst/1024 dst/dir/1000 dst/extra >dst/dir/2048
    ln -s "$(printf 'long%.0s' {1..300})" src/link
    age 1000000000 src dst
}

# What lies in the way of another type.
make_types() {
    mkdir -p src/dir src/was_file src/was_link src/was_fifo outside dst
    words src/was_file/below src/was_link/below src/dir/file src/was_empty_dir src/was_link_too
    words src/fifo_too outside/precious
    ln -s target src/link_was_file
    mkfifo src/fifo_was_file
    mkdir dst/was_empty_dir
    words dst/was_file dst/link_was_file dst/fifo_was_file
    ln -s ../outside dst/was_link
    ln -s ../outside/precious dst/was_link_too
    mkfifo dst/was_fifo dst/fifo_too
    age 1000000000 src dst outside
}

make_full_dirs() {
    mkdir -p src dst/file/sub dst/link dst/kept
    words src/file dst/file/1 dst/file/sub/2 dst/link/3
    ln -s target src/link
    words src/other
    age 1000000000 src dst
}

make_many_sources() {
    mkdir -p one/sub two/sub dst/one/gone dst/two/sub/gone dst/three
    words one/a one/b one/sub/a one/sub/one two/a two/b.o two/sub/a plain
    words dst/one/gone/file dst/one/extra dst/two/extra dst/two/b.o dst/extra dst/three/file
    words dst/two/sub/gone/a
    ln -s a one/link
    age 1000000000 one two dst plain
}

# ---- the runner

cases=0
bad=()
because=
ends=
only_judge=
items_differ=
order_decides=
list=
list2=

# Directories that are no copy of anything, and change because what is in them does: dst for several
# sources and for lists, and those that only dst has, if something in them is deleted or protected.
forget_times() {
    touch -ch -d @1 r p r/src p/src
    if [ ! -d r/src ] || [[ " $* " = *files-from* ]]; then
        touch -d @1 r/dst p/dst
    fi
    if [ -d r/src ] && [[ " $* " = *--delete* || " $* " = *--force* ]]; then
        comm -13 <(cd r && find -H src -type d -printf '%P\n' | sort) \
            <(cd r && find dst -type d -printf '%P\n' | sort) |
            sed 's,\(.*\),r/dst/\1\np/dst/\1,' | xargs -rd '\n' touch -ch -d @1
    fi
}

items() {
    sed -nE "$root"'/^([<>ch.][fdLDS]|\*deleting  )/p' "$OUT" | sort
}

# What the table can say of one case besides the arguments, by variables before the row:
#   list=TEXT, list2=TEXT   make the files ../list and ../list2, with the escapes of printf %b
#   ends=N                  pcopy's exit status, where rsync's is another
#   items_differ=yes        pcopy's itemized lines are not rsync's
#   order_decides=yes       the dry run names others, but as many
#   only_judge=FUNCTION     the trees cannot be compared; pcopy's must please this one
#   because=REASON          why pcopy differs on purpose: goes with the three above

# both NAME KIND ARGUMENT... [// ARGUMENT OF PCOPY...]: the contents of src to dst.
both() {
    rsync_operands=(src/ dst) pcopy_operands=(src dst)
    row "$@"
}

# several NAME KIND ARGUMENT... [// ARGUMENT OF PCOPY...]: one, two and the file plain to below dst.
several() {
    rsync_operands=(one two plain dst) pcopy_operands=(one two plain dst)
    row "$@"
}

# The same by pcopy's other way to say it.
targeted() {
    rsync_operands=(one two plain dst) pcopy_operands=(-t dst one two plain)
    row "$@"
}

row() {
    # shellcheck disable=SC2053 # a pattern
    [[ $1 = ${CASES:-*} ]] || return
    cases=$((cases + 1))
    # Rows do not get in each other's way: two at a time, each with a directory and an output of its
    # own. One that fails does not keep the next from telling what is wrong with them.
    [ $cases -le 2 ] || wait -n
    mkdir $cases
    (
        OUT=$PWD/$cases/stdout
        ERR=$PWD/$cases/stderr
        cd $cases && compare "$@"
    ) >$cases.said 2>&1 || echo "$*" >$cases.bad &
}

compare() {
    local name=$1 kind=$2 rsync_arguments=() pcopy_arguments=() entry dry dry_status
    shift 2
    while [ $# -gt 0 ] && [ "$1" != // ]; do
        rsync_arguments+=("$1")
        shift
    done
    if [ $# -gt 0 ]; then
        shift
        pcopy_arguments=("$@")
    else
        pcopy_arguments=("${rsync_arguments[@]}")
    fi
    [ -n "$because" ] || [ -z "$ends$only_judge$items_differ" ] || fail "a difference without reason"

    # The root is no name of a list.
    local root=
    [[ " ${pcopy_arguments[*]} " != *files-from* ]] || root='/ \.\/$/d; '

    mkdir r p
    # A source is only read: one for all is enough. A link leads to it, which both follow.
    for entry in "../made/$kind"/*; do
        if [ "${entry##*/}" = src ]; then
            ln -s "../$entry" r
            ln -s "../$entry" p
        else
            cp -a "$entry" r
            cp -a "$entry" p
        fi
    done
    printf '%b' "$list" >list
    printf '%b' "$list2" >list2

    cd r || exit
    run rsync -aHi "${rsync_arguments[@]}" "${rsync_operands[@]}"
    case $status in
    0 | 23 | 25) ;;
    *) fail "rsync does not take this" ;;
    esac
    local expected=${ends:-$status} rsync_items
    rsync_items=$(items)

    cd ../p || exit
    pcopy -a -n -i "${pcopy_arguments[@]}" "${pcopy_operands[@]}"
    dry=$(items)
    dry_status=$status
    pcopy -a -i "${pcopy_arguments[@]}" "${pcopy_operands[@]}"
    cd .. || exit
    expect_status "$expected"
    [ "$dry_status" = "$status" ] || fail "the dry run has exit status $dry_status"
    local pcopy_items
    pcopy_items=$(items)
    if [ -n "$only_judge" ]; then
        (cd p && "$only_judge") || fail "the tree is not as it should be ($only_judge)"
    else
        forget_times "${pcopy_arguments[@]}"
        same r p "names,bytes,mode,mtime,links$owner"
    fi
    if [ -n "$order_decides" ]; then
        dry=$(cut -c -11 <<<"$dry" | sort)
        pcopy_items=$(cut -c -11 <<<"$pcopy_items" | sort)
    fi
    [ "$dry" = "$pcopy_items" ] || fail "the dry run (>) tells something else:" $'\n'"$(
        diff <(echo "$pcopy_items") <(echo "$dry")
    )"
    [ -n "$items_differ" ] || [ "$rsync_items" = "$pcopy_items" ] ||
        fail "rsync (>) itemizes otherwise:" $'\n'"$(
            diff <(echo "$pcopy_items") <(echo "$rsync_items")
        )"
}

owner=
is_root && owner=,owner

for kind in names extras skip sizes types full_dirs many_sources; do
    mkdir -p made/$kind
    (cd made/$kind && make_$kind) || exit 1
done
is_root && mkdir made/owners && (cd made/owners && make_owners)
before=$(cd made && picture)

# ---- patterns: anchoring and slashes

both 'no filter' names
both 'a name is found anywhere' names --exclude=a
both 'a leading slash anchors' names --exclude=/a
both 'an inner slash does not anchor' names --exclude=b/a
both 'anchored, with an inner slash' names --exclude=/b/a
both 'a tail of three names' names --exclude=b/c/a
both 'a directory' names --exclude=b
both 'an anchored directory' names --exclude=/b
both 'a directory at a tail' names --exclude=sub/name
both 'a trailing slash takes directories only' names --exclude=name/
both 'a trailing slash and a file of that name' names --exclude=a/
both 'a trailing slash does not take a symlink to a directory' names --exclude=link/
both 'a symlink by name' names --exclude=link
both 'anchored directory with trailing slash' names --exclude=/c/d/
both 'a dot file' names --exclude=.hidden
both 'a name that is nowhere' names --exclude=/nowhere/at/all --exclude=zzz
both 'an inner slash and half a name do not match' names --exclude=ib/foo.o

# ---- patterns: wildcards

both 'star' names '--exclude=*.o'
both 'star, anchored' names '--exclude=/*.o'
both 'star matches a leading dot' names '--exclude=*hidden'
both 'star does not cross a slash' names '--exclude=/*/a'
both 'star in the middle of two' names '--exclude=b/*/a'
both 'star as a directory, not anchored' names '--exclude=*/name'
both 'two stars as directories' names '--exclude=/*/*/a'
both 'star takes everything' names '--exclude=*'
both 'star slash takes all directories' names '--exclude=*/'
both 'slash star takes everything at the top' names '--exclude=/*'
both 'star with a trailing slash' names '--exclude=c*/'
both 'star below a directory' names '--exclude=/b/*'
both 'star matches nothing too' names '--exclude=ab*'
both 'question mark' names '--exclude=?'
both 'question marks' names '--exclude=???'
both 'question mark does not match a slash' names '--exclude=/b?a'
both 'a class' names '--exclude=log[1A].txt'
both 'a range' names '--exclude=log[0-9].txt'
both 'a class that is negated by !' names '--exclude=log[!0-9].txt'
both 'a class that is negated by ^' names '--exclude=log[^0-9].txt'
both 'a class with a bracket' names '--exclude=[]]'
both 'a class with a dash' names '--exclude=[-]dash'
both 'a class with an escape' names '--exclude=[\]]'
both 'a named class' names '--exclude=log[[:digit:]].txt'
both 'a named class and more' names '--exclude=log[_[:upper:]].txt'
both 'a class does not match a slash' names '--exclude=/b[/]a'
both 'a class without end' names '--exclude=we[ird'
both 'a range and a star' names '--exclude=log[0-9]*.txt'

# ---- patterns: two and three stars

both 'two stars cross slashes' names '--exclude=/b/**/a'
both 'two stars below a directory' names '--exclude=/b/**'
both 'two stars below any directory of a name' names '--exclude=b/**'
both 'two stars as a leading directory' names '--exclude=**/a'
both 'two stars and a name' names '--exclude=**a'
both 'two stars in the middle' names '--exclude=/c/**/f'
both 'two stars in a name' names '--exclude=lib**foo.o'
both 'two stars, anchored' names '--exclude=/l**.o'
both 'two stars alone' names '--exclude=**'
both 'two stars and a trailing slash' names '--exclude=**/name/'
both 'two stars, anchored, and a trailing slash' names '--exclude=/sub/**/'
both 'three stars take the directory too' names '--exclude=/b/***'
both 'three stars, not anchored' names '--exclude=b/***'
both 'three stars do not take a file' names '--exclude=a/***'
both 'three stars below a tail' names '--exclude=sub/name/***'

# ---- patterns: escapes. Without a wildcard a backslash is itself.

both 'an escaped star' names '--exclude=st\*r'
both 'an escaped star and a star' names '--exclude=st\*[r]'
both 'a star that matches a star' names '--exclude=st*r'
both 'an escaped question mark' names '--exclude=que\?ry'
both 'an escaped bracket' names '--exclude=we\[ird'
both 'a backslash without wildcard' names '--exclude=back\slash'
both 'two backslashes without wildcard' names '--exclude=back\\slash'
both 'two backslashes and a wildcard' names '--exclude=back\\sla?h'
both 'four backslashes and a wildcard' names '--exclude=back\\\\sla?h'
both 'one backslash and a wildcard' names '--exclude=back\sla?h'
both 'a backslash at the end' names --exclude=a*\\
both 'blanks belong to a pattern' names '--exclude=two words' '--exclude=tail ' '--exclude= lead'

# ---- includes, and their order

both 'include before exclude' names '--include=foo.o' '--exclude=*.o'
both 'exclude before include' names '--exclude=*.o' '--include=foo.o'
both 'include alone changes nothing' names '--include=foo.o'
both 'includes without directories' names '--include=*.c' '--exclude=*'
both 'includes with all directories' names '--include=*/' '--include=*.c' '--exclude=*'
both 'include of one path' names --include=/b/ --include=/b/c/ --include=/b/c/a '--exclude=*'
both 'include of a path whose parent is excluded' names --include=/b/c/a '--exclude=*'
both 'include with three stars' names '--include=/b/***' '--exclude=*'
both 'include with two stars' names --include=/b/ '--include=/b/**' '--exclude=*'
both 'an excluded directory is not entered' names --exclude=/b --include=/b/a
both 'an excluded directory, its file included before' names --include=/b/a --exclude=/b
both 'include of a directory only' names --include=/b/ --exclude=/b --exclude=/c
both 'exclude in included directories' names --include=lib/ '--exclude=*.o' '--exclude=/*/'
both 'the first match decides' names --exclude=/b/a --include=a --exclude=b/a --exclude=c
both 'a class excluded, one of it included' names --include=log1.txt '--exclude=log[0-9]*'

# ---- pattern files

list='*.o\n\n# a comment\n; another one\n/b/\n#hash\n;semi\n' \
    both 'exclude-from with comments' names --exclude-from=../list
list='+ foo.o\n- *.o\n- /b/\n' \
    both 'exclude-from with plus and minus' names --exclude-from=../list
list='- /lib/foo.c\n+ foo.c\n- *.c\n+ */\n- /sub\n' \
    both 'exclude-from in its order' names --exclude-from=../list
list='a\nfoo.o\n!\nb\n' \
    both 'exclude-from that is cleared' names --exclude-from=../list
list='foo.o\n!\nb\n' \
    both 'a clearing line clears what came before it' names --exclude=c --exclude-from=../list
list='foo.o\n# comment\nlog1.txt\n' \
    both 'include-from' names --include-from=../list '--exclude=*.o' '--exclude=*.txt'
list='- lib/foo.o\nfoo.o\n+ log1.txt\n' \
    both 'include-from with plus and minus' names --include-from=../list '--exclude=*.o' '--exclude=*.txt'
list='foo.o\n' list2='*.o\nb\n' \
    both 'include-from before exclude-from' names --include-from=../list --exclude-from=../list2
list='foo.o\n' list2='*.o\nb\n' \
    both 'exclude-from before include-from' names --exclude-from=../list2 --include-from=../list
list='tail \ntwo words\n lead\n' \
    both 'blanks belong to a line' names --exclude-from=../list
list='#hash\n;semi\n[#]hash\n' \
    both 'a name that begins like a comment' names --exclude-from=../list
list='foo.c' \
    both 'the last line without its end' names --exclude-from=../list
list='' \
    both 'an empty file' names --exclude-from=/dev/null
list='*.o\n' \
    both 'files and options in their order' names --include=lib/foo.o --exclude-from=../list --include=foo.o
list='+ + plus\n- + plus\n- - minus\n' \
    both 'names that begin with plus and minus' names --exclude-from=../list
list='foo.o\n' \
    both 'a file that is read twice' names --include-from=../list --exclude-from=../list '--exclude=*.o'
both 'a prefix on the command line' names '--exclude=+ foo.o' '--exclude=*.o' '--include=- b'
both 'a clearing mark on the command line' names --exclude=a '--exclude=!' --exclude=b
both 'the name of the clearing mark' names '--exclude=/!'

# ---- several sources: the path begins with the base name

several 'several sources' many_sources
several 'several: a name' many_sources --exclude=a
several 'several: anchored below one' many_sources --exclude=/one/a
several 'several: anchored at nothing' many_sources --exclude=/a
several 'several: not anchored, through the base name' many_sources --exclude=two/sub
several 'several: a whole source' many_sources --exclude=/two
several 'several: a whole source, directories only' many_sources --exclude=two/
several 'several: a file source' many_sources --exclude=plain
several 'several: stars' many_sources '--exclude=/*/sub'
several 'several: includes' many_sources --include=/one/ '--include=/one/***' '--exclude=*'
several 'several: delete' many_sources --delete
several 'several: delete with an exclude' many_sources --delete --exclude=/two/extra '--exclude=b.o'
several 'several: delete excluded' many_sources --delete-excluded '--exclude=b.o'
several 'several: an excluded source and delete' many_sources --delete --exclude=/two
targeted 'several: target directory' many_sources --exclude=/one/sub
targeted 'several: target directory and delete' many_sources --delete

# ---- delete

both 'without delete' extras
both 'delete' extras --delete
both 'delete into an equal tree' names --delete
both 'delete keeps what is excluded' extras --delete '--exclude=*.tmp'
both 'delete keeps an excluded directory' extras --delete --exclude=/gone
both 'delete keeps an excluded directory, with slash' extras --delete --exclude=gone/
both 'delete keeps excluded contents' extras --delete '--exclude=/gone/*'
both 'delete keeps what is excluded on both sides' extras --delete --exclude=cache
both 'delete keeps the contents of what is excluded' extras --delete '--exclude=/cache/**'
both 'delete with includes' extras --delete '--include=zz.o' '--exclude=*.o'
both 'delete below included directories only' extras --delete '--include=*/' '--include=*.c' '--exclude=*'
both 'delete keeps a deep protected file' extras --delete --exclude=/gone/deep/er/3
both 'delete keeps a protected symlink' extras --delete --exclude=to_outside
both 'delete, everything excluded' extras --delete '--exclude=*'
both 'delete excluded' extras --delete-excluded '--exclude=*.tmp'
both 'delete excluded, which the source has' extras --delete-excluded --exclude=/b --exclude=foo.o
both 'delete excluded, a whole directory' extras --delete-excluded --exclude=cache
both 'delete excluded, everything' extras --delete-excluded '--exclude=*'
both 'delete and delete excluded' extras --delete --delete-excluded --exclude=lib
list='- *.tmp\n+ zz.o\n- *.o\n' \
    both 'delete with exclude-from' extras --delete --exclude-from=../list
both 'delete and existing' extras --delete --existing
both 'delete and ignore-existing' extras --delete --ignore-existing
both 'delete and nothing else' extras --delete --existing --ignore-existing
both 'delete with a size limit' extras --delete --max-size=3
both 'delete with the skip rule' skip --delete
both 'delete and checksum' skip --delete --checksum
both 'max-delete that suffices' extras --delete --max-delete=1000
both 'max-delete of zero' extras --delete --max-delete=0

# The cases where rsync's order decides what goes.
deleted_five() {
    [ "$(find dst | wc -l)" = $(($(find ../../made/extras/dst | wc -l) - 5)) ]
}
because='which five go is decided by the order in which directories are read' \
    only_judge=deleted_five items_differ=yes order_decides=yes \
    both 'max-delete that stops' extras --delete --max-delete=5
nothing_deleted() {
    [ "$(find dst | wc -l)" = "$(find ../../made/extras/dst | wc -l)" ]
}
because='rsync has no percentage, and takes 0 for it here' \
    both 'max-delete of a percentage that stops' extras --delete --max-delete=0 // \
    --delete --max-delete=1%
both 'max-delete of a percentage that suffices' extras --delete // --delete --max-delete=90%

# ---- types in the way

both 'another type in the way' types --force
both 'another type in the way and delete' types --force --delete
both 'full directories in the way' full_dirs --force
empty_dir_left() {
    [ -d dst/was_empty_dir ] && [ -f dst/dir/file ] && [ ! -L dst/was_link_too ]
}
because='without --force pcopy leaves even an empty directory' ends=23 items_differ=yes \
    only_judge=empty_dir_left \
    both 'an empty directory in the way' types
because='pcopy replaces no directory without --force' items_differ=yes \
    both 'full directories in the way, no force' full_dirs
both 'full directories in the way and delete' full_dirs --delete
both 'full directories in the way, and what is in them is protected' full_dirs --delete \
    --exclude=1 --exclude=3
both 'full directories in the way, protected and forced' full_dirs --force --exclude=1
both 'full directories in the way, protected, forced and delete' full_dirs --delete --force \
    --exclude=1 --exclude=3
both 'full directories in the way, and none may be deleted' full_dirs --delete --max-delete=0

# ---- the skip rule

both 'size and time' skip
both 'checksum' skip --checksum
both 'checksum, short' skip -c
both 'size only' skip --size-only
both 'ignore times' skip --ignore-times
both 'ignore times, short' skip -I
both 'update' skip --update
both 'update, short' skip -u
both 'existing' skip --existing
both 'ignore-non-existing' skip --ignore-non-existing
both 'ignore-existing' skip --ignore-existing
both 'existing and ignore-existing' skip --existing --ignore-existing
both 'update and checksum' skip --update --checksum
both 'update and size only' skip --update --size-only
both 'update and ignore times' skip --update --ignore-times
both 'checksum and size only' skip --checksum --size-only
both 'checksum and ignore times' skip --checksum --ignore-times
both 'size only and ignore times' skip --size-only --ignore-times
both 'existing and update' skip --existing --update
both 'existing and checksum' skip --existing --checksum
both 'ignore-existing with a filter' skip --ignore-existing --exclude=new_dir
both 'existing with a filter' skip --existing --exclude=size
if is_root; then
    both 'owners' owners
    both 'owners and checksum' owners --checksum
    both 'owners and size only' owners --size-only
    both 'owners and ignore-existing' owners --ignore-existing
    both 'owners and existing' owners --existing
else
    skip_part 'owners need root'
fi

# ---- sizes

for size in 0 1 999 1000 1024 1K 1025 1M 1G; do
    both "max-size $size" sizes "--max-size=$size"
    both "min-size $size" sizes "--min-size=$size"
done
both 'both sizes' sizes --min-size=1000 --max-size=1K
both 'sizes that exclude each other' sizes --min-size=1M --max-size=1K
both 'a size and a filter' sizes --max-size=1K --exclude=dir
both 'a size and delete' sizes --max-size=1K --delete
both 'a size and delete excluded' sizes --min-size=1K --delete-excluded
both 'a size and existing' sizes --max-size=1K --existing

# ---- lists of files

list='a\nb/c/a\nlib/sub/foo.c\n' \
    both 'a list, with implied parents' names --files-from=../list
list='b/c/a\n' \
    both 'a list of one deep file' names --files-from=../list
list='a\n' \
    both 'a list for a tree that is there' extras --files-from=../list
list='b\nempty\nsub/name\n' \
    both 'directories in a list are made without contents' names --files-from=../list
list='b\nb/a\n' \
    both 'a directory and a file of it' names --files-from=../list
list='b/a\nb\n' \
    both 'a file and its directory' names --files-from=../list
list='link\nb/link\nsub/link\n' \
    both 'symlinks in a list' names --files-from=../list
list='a\na\nb/a\n./a\nb//a\nb/./a\na\n' \
    both 'names several times and in several spellings' names --files-from=../list
list='/a\n/b/a\n' \
    both 'leading slashes in a list' names --files-from=../list
list='\n\na\n\nab\n\n' \
    both 'empty lines in a list' names --files-from=../list
list='a\nb/a' \
    both 'the last line of a list without its end' names --files-from=../list
list='\n\n' \
    both 'a list without names for a tree that is there' extras --files-from=../list
list='a\nmissing\nb/missing\nmissing/file\nb/a\n' \
    both 'missing names in a list' names --files-from=../list
list='a/file\nb/a\n' \
    both 'a file where a directory should be in a list' names --files-from=../list
list='st*r\nwe[ird\n#hash\ntail \n lead\nback\\\\slash\n-dash\n' \
    both 'a list has no wildcards' names --files-from=../list
list='a\0b/a\0two words\0' \
    both 'a list with NULs' names --files-from=../list -0
list='a\0b/a' \
    both 'a list with NULs, the last one missing' names --files-from=../list --from0 // \
    --files-from=../list --null
list='a\0\0b/a\0' \
    both 'a list with NULs and an empty name' names --files-from=../list -0
list='a\nfoo.o\nlib/foo.o\nb/a\n' \
    both 'a list and a filter' names --files-from=../list '--exclude=*.o'
list='1\n1024\ndir/1000\ndir/2048\n' \
    both 'a list and a size' sizes --files-from=../list --max-size=1K
list='same\nsize\nonly_src\nnew_dir/file\ndir/below/file\n' \
    both 'a list and existing' skip --files-from=../list --existing
list='same\nsize\ncontent\ntime\nmode\nonly_src\nother_link\nnew_fifo\n' \
    both 'a list and checksum' skip --files-from=../list --checksum

# Those where pcopy means something else.
only_a() {
    [ "$(ls -A dst)" = a ]
}
because='an excluded directory is not entered, whatever is asked for below it; rsync asks only the name' \
    only_judge=only_a items_differ=yes list='a\nb/a\nb/c/a\n' \
    both 'a list and an excluded parent' names --files-from=../list --exclude=/b
empty_dst() {
    [ -d dst ] && [ -z "$(ls -A dst)" ]
}
because='dst is a copy of src, if one without entries; rsync makes none' only_judge=empty_dst \
    both 'an empty list' names --files-from=/dev/null
because='rsync copies the files of the root; pcopy takes a directory without its contents' \
    only_judge=empty_dst items_differ=yes list='.\n' \
    both 'a list of the root' names --files-from=../list
nothing_made() {
    [ ! -e dst ]
}
because='rsync takes .. if it stays inside, by the letters; what b is may be a link' \
    only_judge=nothing_made items_differ=yes ends=1 list='b/../a\nab\n' \
    both 'a list with .. inside' names --files-from=../list
made_without_contents() {
    [ -d dst/b ] && [ -z "$(ls -A dst/b)" ]
}
because="rsync copies the files of a directory that ends in a slash; pcopy's lists name it only" \
    only_judge=made_without_contents items_differ=yes list='b/\n' \
    both 'a directory with a slash in a list' names --files-from=../list
because='rsync cuts .. off the front; pcopy takes no name that leaves the source' \
    only_judge=nothing_made items_differ=yes ends=1 list='a\n../src/a\n' \
    both 'a list that leaves the source' names --files-from=../list

# ----

wait
[ "$before" = "$(cd made && picture)" ] || fail "something was written to a source"
[ "$cases" -ge 60 ] || [ -n "${CASES:-}" ] || fail "only $cases cases"
for ((i = 1; i <= cases; i++)); do
    if [ -s $i.bad ]; then
        cat $i.said
        echo "in the case: $(cat $i.bad)"
        bad+=("$(cat $i.bad)")
    fi
done
[ "${#bad[@]}" = 0 ] || {
    echo "FAIL: ${#bad[@]} of $cases cases:"
    printf '    %s\n' "${bad[@]}"
    exit 1
}
echo "$cases cases"
