#!/bin/bash
# While pcopy runs, another process swaps directories and files for symbolic links that lead out of
# the tree, and back, as fast as it can. Errors are fine. But what the links lead to must never
# arrive if they stand in the source, and if they stand in the destination, nothing may be made,
# changed or removed where they lead.
. "$(dirname "$0")/lib.sh"
work_in_memory
SWAP=${SWAP:-$(dirname "$TREECMP")/swap}
[ -x "$SWAP" ] || fail "no $SWAP: build it, or set SWAP"

# How long each of the races below goes on. One round in a few is a hit where there is a hole.
budget=${RACE_SECONDS:-1}
dirs=12
fifos=60
files=1024
threads=16

# plant DIR WORD: a tree in which each kind of entry is there often enough to be hit. WORD is what
# its files say.
plant() {
    local i
    for ((i = 0; i < dirs; i++)); do
        mkdir -p "$1/d$i/sub/1/2/3"
        echo "$2" | tee "$1/d$i/file" "$1/d$i/sub/file" "$1/d$i/sub/1/file" \
            "$1/d$i/sub/1/2/3/file" "$1/f$i" >/dev/null
        chmod 711 "$1/d$i"
        mkfifo -m 626 "$1/d$i/fifo"
    done
    # More of these: the moment between making and finishing one is short.
    (cd "$1" && eval mkfifo -m 626 "p{1..$fifos}")
    if is_root; then
        chown 1234:5678 "$1"/p* "$1"/d*/file "$1"/d0
    fi
    find "$1" -depth -exec touch -h -d "$3" {} +
}

# links TO: for each thing in the tree a symbolic link to that of the same name in TO.
links() {
    local i
    rm -rf links
    if [ ! -d "links_to_$1" ]; then
        mkdir "links_to_$1"
        for ((i = 0; i < dirs; i++)); do
            ln -s "$PWD/$1/d$i" "links_to_$1/d$i"
            ln -s "$PWD/$1/d$i/sub" "links_to_$1/d$i-sub"
            ln -s "$PWD/$1/f$i" "links_to_$1/f$i"
        done
        for ((i = 1; i <= fifos; i++)); do
            ln -s "$PWD/$1/p$i" "links_to_$1/p$i"
        done
    fi
    cp -a "links_to_$1" links
}

# pairs TREE KIND...: sets `pairs` to what is swapped there.
pairs() {
    local i tree=$1 kind
    shift
    pairs=()
    for ((i = 0; i < dirs; i++)); do
        for kind; do
            case $kind in
            dir) pairs+=("$tree/d$i" "links/d$i") ;;
            sub) pairs+=("$tree/d$i/sub" "links/d$i-sub") ;;
            file) pairs+=("$tree/f$i" "links/f$i") ;;
            # A directory that a file replaces.
            gone) pairs+=("$tree/f$i/sub" "links/d$i-sub") ;;
            esac
        done
    done
    [[ " $* " != *' fifo '* ]] || for ((i = 1; i <= fifos; i++)); do
        pairs+=("$tree/p$i" "links/p$i")
    done
}

# race NAME RESET CHECK OPTION...: copies src to dst again and again while `pairs` are swapped;
# RESET is called before and CHECK after each copy.
race() {
    local name=$1 reset=$2 check=$3 end n rounds=0 swaps=0 swapper
    shift 3
    hits=0
    end=$((SECONDS + budget))
    while [ $SECONDS -lt $end ] || [ $rounds -lt 5 ]; do
        "$reset"
        "$SWAP" "${how[@]}" 60 "${pairs[@]}" >swaps &
        swapper=$!
        # Before it is a program of its own, a signal would end it as a copy of this shell, with all
        # that this shell does at its end.
        until [ -s swaps ]; do
            kill -0 "$swapper" 2>/dev/null || fail "$SWAP has not begun"
        done
        # With few open files directories are closed and opened again all the time.
        run bash -c 'ulimit -n "$1"; shift; exec "$@"' - "$files" \
            "$PCOPY" -a -j "$threads" --fsync=none "$@" src dst
        kill "$swapper"
        wait "$swapper"
        n=$(tail -n 1 swaps)
        swaps=$((swaps + n))
        rounds=$((rounds + 1))
        case $status in
        0) ;;
        23 | 24) hits=$((hits + 1)) ;;
        *) fail "$name: exit status $status" ;;
        esac
        "$check" "$name, round $rounds"
    done
    echo "$name: $rounds copies, $swaps swaps, $hits copies met one"
    [ $swaps -gt $rounds ] || fail "$name: there were no swaps"
}

# ---- in the source

plant src good 2001-01-01
plant secrets SECRET 2002-02-02

cp -a src good
fresh_source() {
    rm -rf dst src
    cp -a good src
    links secrets
}

no_secret() {
    local found
    # grep follows no symbolic link here, and those may well have been copied.
    found=$(grep -r -l -D skip SECRET dst)
    [ -z "$found" ] || fail "$1: a secret has arrived: $(head -n 5 <<<"$found" | tr '\n' ' ')"
}

for how in '' -m; do
    how=(${how:+"$how"})
    pairs src dir sub file
    race "src${how[*]}" fresh_source no_secret
done
how=()
files=40
threads=4
race 'src, few open files' fresh_source no_secret
files=1024
threads=16
# Fewer pairs, so that each is swapped more often while it is copied.
pairs src file
race 'src, files' fresh_source no_secret

# ---- in the destination

rm -rf src dst outside
plant src good 2001-01-01
plant outside precious 2003-03-03
# Neither what has the name of a temporary file there.
for ((i = 0; i < dirs; i++)); do
    echo precious >"outside/d$i/.file.pcopy-0badcafe"
done
outside=$(cd outside && picture)

outside_untouched() {
    if [ "$(cd outside && picture)" != "$outside" ]; then
        fail "$1: something outside was touched:" \
            "$(find outside -cnewer stamp -printf '%P ' | head -c 500)"
    fi
}

no_destination() {
    rm -rf dst
    links outside
    touch stamp
}

# Everything is there already, and differs.
plant old old 1999-09-09
old_destination() {
    rm -rf dst
    cp -a old dst
    links outside
    touch stamp
}

# A directory stands where a file is to be, with directories that are swapped while they go.
dirs_for_files() {
    local i
    rm -rf dst
    for ((i = 0; i < dirs; i++)); do
        mkdir -p "dst/f$i/sub" "dst/f$i/a/b"
        : | tee "dst/f$i/file" "dst/f$i/sub/file" "dst/f$i/sub/other" "dst/f$i/a/b/c"
    done
    links outside
    touch stamp
}

how=()
pairs dst dir sub file fifo
race 'dst, new' no_destination outside_untouched
race 'dst, old' old_destination outside_untouched
# A symbolic link instead of a directory is an error: where there was none nothing was tested.
[ $hits -gt 0 ] || fail "no copy has met a swap"
how=(-m)
race 'dst, new -m' no_destination outside_untouched
race 'dst, old -m' old_destination outside_untouched
how=()
files=40
threads=4
race 'dst, new, few open files' no_destination outside_untouched
race 'dst, old, few open files' old_destination outside_untouched
files=1024
threads=16
# What is set of a FIFO could be set by its name.
pairs dst fifo
race 'dst, FIFOs' no_destination outside_untouched
pairs dst dir sub file
race 'dst, --inplace' old_destination outside_untouched --inplace
pairs dst file
race 'dst, files --inplace' old_destination outside_untouched --inplace
pairs dst gone
race 'dst, --force' dirs_for_files outside_untouched --force
