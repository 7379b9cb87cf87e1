#!/bin/bash
# Where things land: every combination of SRC, DST and -t.
. "$(dirname "$0")/lib.sh"

fresh() {
    rm -rf ./*
    mkdir -p src/sub other
    echo one >src/file
    echo two >src/sub/file
    echo three >other/file
    echo four >single
    touch -d @1000000000.25 single
    ln -s src link_to_dir
    ln -s single link_to_file
    ln -s nowhere dangling
}

# copies EXPECTED... -- ARGUMENTS: the run succeeds, and EXPECTED is what it made, "NEW=OLD" each.
copies() {
    local pairs=() pair
    while [ "$1" != -- ]; do
        pairs+=("$1")
        shift
    done
    shift
    pcopy "$@"
    expect_status 0
    expect_no_err
    for pair in "${pairs[@]}"; do
        same "${pair#*=}" "${pair%%=*}"
    done
}

# ---- a directory

fresh
copies dst=src -- src dst
copies dst=src -- src dst
[ ! -e dst/src ] || fail "the second run went one level down"
mkdir present
touch present/before
pcopy src present
expect_status 0
[ -e present/before ] || fail "what was there is gone"
same src/sub present/sub
fresh
copies made/up/dst=src -- src made/up/dst
[ "$(stat -c %a made/up)" = 755 ] || fail "a parent is not as the umask wants it"
copies other=src -- src/ other -q
fresh
(umask 027 && copies made/dst=src -- src made/dst && [ "$(stat -c %a made)" = 750 ]) ||
    fail "a parent is not as the umask wants it"
# From inside the source, and to the directory we stand in.
fresh
mkdir empty
(cd src && copies ../dst=. -- . ../dst) || exit 1
(cd empty && copies .=../src -- ../src .) || exit 1
# An empty one, and one into a directory that holds more already.
fresh
mkdir -p empty full/sub
touch full/sub/mine
copies dst=empty -- empty dst
pcopy src full
expect_status 0
[ -e full/sub/mine ] || fail "a file that the source does not have is gone"
cmp -s src/sub/file full/sub/file || fail "sub/file was not copied"

# ---- a file

fresh
copies copy=single -- single copy
copies other/single=single -- single other
copies src/single=single -- single src/
copies made/up/copy=single -- single made/up/copy
fresh
echo old >copy
copies copy=single -- single copy
copies file=src/file -- src/file file
# A slash behind the name of a file that is not there yet asks for a directory.
fresh
pcopy single new/
if [ "$status" = 0 ]; then
    same single new/single
else
    expect_status 3
    [ ! -e new ] || fail "refused, and something was written"
fi

# ---- symbolic links

fresh
copies dst=src -- link_to_dir dst
copies dst2=src -- link_to_dir/ dst2
copies copied_link=link_to_file -- link_to_file copied_link
copies copied_dangling=dangling -- dangling copied_dangling
copies other/dangling=dangling -- dangling other
[ -L copied_link ] || fail "a symlink to a file was followed"
# A destination that is a symlink to a directory is that directory.
fresh
mkdir real
ln -s real dst
copies real=src -- src dst
[ -L dst ] || fail "the symlink at the destination was replaced"
copies real/single=single -- single dst
# Below the source none is followed.
fresh
ln -s ../other src/out
copies dst=src -- src dst
[ -L dst/out ] || fail "a symlink below the source was followed"

# ---- several, and -t

fresh
copies dst/src=src dst/other=other dst/single=single -- src other single dst
copies dst/src=src dst/other=other dst/single=single -- src other single dst
fresh
copies dst/src=src dst/other=other -- src/ other// dst/
fresh
copies dst/src=src -- -t dst src
fresh
copies dst/src=src dst/single=single -- --target-directory=dst src single
copies dst/src=src dst/single=single -- src -t dst single
fresh
copies a/b/c/single=single -- -t a/b/c single
fresh
mkdir dst
copies dst/src=src dst/single=single -- src single dst
fresh
copies dst/link_to_dir=src dst/link_to_file=link_to_file dst/dangling=dangling -- \
    link_to_dir link_to_file dangling dst
copies dst/sub=src/sub -- -t dst src/sub

# ---- names like options, and special files

fresh
echo dash >-a
mkdir -- -j
touch -- -j/x
copies dst=-a -- -- -a dst
copies ./-x=-j -- -- -j -x
fresh
mkfifo fifo
copies copy=fifo -- fifo copy
copies other/fifo=fifo -- fifo other
make_socket socket
copies copied_socket=socket -- socket copied_socket
