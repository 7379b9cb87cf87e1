# shellcheck shell=bash
# Helpers of the scripts on the pcopy binary: sourced by each of them, not run.
#
# A script that sources this stands in an empty directory of its own, which is removed at the end
# (KEEP=1 leaves it). The first thing that is not as expected ends the script with status 1 and
# says what was run and what came out.

set -u
export LC_ALL=C
umask 022

script=$(realpath "$0")
lib_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 1
PCOPY=${PCOPY:-$lib_dir/../../build/dev/pcopy}
TREECMP=${TREECMP:-$lib_dir/../../build/dev/tests/tools/treecmp}
for tool in "$PCOPY" "$TREECMP"; do
    if [ ! -x "$tool" ]; then
        echo "no $tool: build it, or set PCOPY and TREECMP"
        exit 1
    fi
done
PCOPY=$(realpath "$PCOPY")
TREECMP=$(realpath "$TREECMP")

# ---- the place to work in

base=
skipped=
status=0
command_line=

enter_base() {
    base=$(mktemp -d "$1/pcopy-test.XXXXXX") || exit 1
    # Others than the owner must come through, for as_nobody.
    chmod 755 "$base"
    OUT=$base/stdout
    ERR=$base/stderr
    : >"$OUT"
    : >"$ERR"
    mkdir "$base/work"
    cd "$base/work" || exit 1
}

# rm -rf, also of directories that are closed to us.
remove() {
    is_root || find "$@" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
    rm -rf "$@"
}

remove_base() {
    cd / || return
    if [ "${KEEP:-}" = 1 ]; then
        echo "kept: $base"
    elif [ -n "$base" ]; then
        if [ "${OWN_MOUNTS:-}" = "$$" ]; then
            awk -v base="$base/" 'index($2, base) == 1 { print $2 }' /proc/self/mounts | tac |
                xargs -r umount
        fi
        remove "$base"
    fi
}

at_exit() {
    local result=$?
    remove_base
    if [ "$result" = 0 ] && [ -n "$skipped" ]; then
        echo "SKIP: $skipped"
        exit 77
    fi
}
trap at_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

is_root() {
    [ "$(id -u)" = 0 ]
}

enter_base "${TMPDIR:-/tmp}"

# For scripts that are about numbers and not about a file system: moves to memory, where making
# tens of thousands of files is quick, and starts there with an empty directory. The regular place
# will do where there is no such memory, or too little (containers).
work_in_memory() {
    if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ -w /dev/shm ] &&
        [ "$(df --output=avail -k /dev/shm | tail -n 1)" -gt 1000000 ]; then
        remove_base
        enter_base /dev/shm
    fi
}

# Runs the script again with mounts of its own: nothing it mounts is seen outside or outlives it.
# Goes before anything else; needs root.
with_own_mounts() {
    if [ "${OWN_MOUNTS:-}" != "$$" ]; then
        remove_base
        # exec keeps the process, so the number tells the second time from the first.
        OWN_MOUNTS=$$ exec unshare --mount --propagation private bash "$script"
    fi
}

# ---- skipping

skip() {
    skipped=$1
    exit 0
}

# What cannot be tested here is left out and the rest is tested; the script ends as skipped.
skip_part() {
    skipped=${skipped:+$skipped; }$1
}

need() {
    local program
    for program in "$@"; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

need_root() {
    is_root || skip "needs root"
}

# True if pcopy was built with a sanitizer: it is slower then, and needs more memory.
sanitized() {
    grep -q -e __asan_init -e __tsan_init "$PCOPY"
}

patience=120
sanitized && patience=600

# ---- running and judging

fail() {
    local i
    echo "FAIL: $*"
    for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
        echo "    at ${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]}"
    done
    if [ -n "$command_line" ]; then
        echo "last command: $command_line"
        echo "exit status $status; stdout:"
        head -n 20 "$OUT" | cut -c -400
        echo "stderr:"
        head -n 20 "$ERR" | cut -c -400
    fi
    exit 1
}

# run COMMAND...: leaves its exit status in $status, its output in the files $OUT and $ERR. What
# takes longer than any test should has come to a standstill.
run() {
    command_line=$(printf '%q ' "$@")
    timeout --foreground -k 5 "$patience" "$@" >"$OUT" 2>"$ERR" </dev/null
    status=$?
    [ "$status" != 124 ] || fail "still running after $patience seconds"
    if grep -q -e 'Sanitizer' -e 'runtime error:' "$ERR"; then
        fail "a sanitizer has found something"
    fi
}

pcopy() {
    run "$PCOPY" "$@"
}

# as_nobody COMMAND...: run as a user without rights, also when the script runs as root.
as_nobody() {
    if is_root; then
        need setpriv
        # The folders of the binaries may be closed to others.
        cp -n "$PCOPY" "$base/pcopy"
        cp -n "$TREECMP" "$base/treecmp"
        local command=("${@/#"$PCOPY"/"$base/pcopy"}")
        run setpriv --reuid=65534 --regid=65534 --clear-groups \
            "${command[@]/#"$TREECMP"/"$base/treecmp"}"
    else
        run "$@"
    fi
}

# with_fault CALLS WHAT PATH COMMAND...: run, and each of the system calls CALLS that concerns PATH
# (an absolute path, or a name as the call is given it; '' for all calls) fails. WHAT is how, in the
# words of strace: error=EIO, retval=0, error=EINTR:when=1.
with_fault() {
    local calls=$1 what=$2 path=$3
    shift 3
    # A leak checker cannot work below a tracer.
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        run strace -f -qq -o "$base/trace" ${path:+-P "$path"} -e trace="$calls" \
        -e inject="$calls:$what" "$@"
    grep -q INJECTED "$base/trace" || fail "the fault did not fire: $calls on $path"
}

expect_status() {
    [ "$status" = "$1" ] || fail "exit status $status instead of $1"
}

expect_out() {
    grep -qF -e "$1" "$OUT" || fail "not on stdout: $1"
}

expect_err() {
    grep -qF -e "$1" "$ERR" || fail "not on stderr: $1"
}

expect_no_out() {
    [ ! -s "$OUT" ] || fail "something on stdout"
}

expect_no_err() {
    [ ! -s "$ERR" ] || fail "something on stderr"
}

# summary FIELD: the number before that word in the summary on stdout, e.g. summary skipped.
summary() {
    tail -n 5 "$OUT" | sed -nE "s/^(.* )?([0-9]+) $1( \(.*|,.*)?\$/\2/p"
}

# expect_summary FIELD NUMBER: what the summary on stdout says.
expect_summary() {
    [ "$(summary "$1")" = "$2" ] || fail "the summary says '$(summary "$1")' $1 instead of $2"
}

# same A B [CHECKS]: the two trees are equal.
same() {
    local found
    found=$("$TREECMP" ${3:+--check="$3"} -- "$1" "$2" 2>&1) ||
        fail "$1 and $2 differ${3:+ ($3)}:" $'\n'"$(head -n 40 <<<"$found" | cut -c -400)"
}

# What same looks at after -a.
export everything=names,bytes,mode,mtime,links,owner,xattr,acl

# No name that pcopy uses for itself is left below DIR.
no_temporary() {
    local left
    left=$(find "$1" -name '.*.pcopy-*' -print -quit)
    [ -z "$left" ] || fail "a temporary name is left: $left"
}

# A picture of the whole working directory: equal before and after if nothing was written.
picture() {
    find . -printf '%y %m %U %G %n %s %T@ %C@ %i %l %p\0' | sort -z | cksum
}

# ---- making things to copy

# A file of SIZE bytes that are not zero and not the same twice.
make_file() {
    head -c "$2" /dev/urandom >"$1"
}

# flip FILE OFFSET: the byte there becomes another one, whatever it was.
flip() {
    local byte
    byte=$(($(od -An -tu1 -j "$2" -N 1 "./$1") ^ 1))
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %x $byte)" | dd of="./$1" bs=1 seek="$2" conv=notrunc status=none
}

# A sparse file: of SIZE, with a piece of data at each OFFSET.
make_sparse() {
    local file=$1 size=$2 offset
    shift 2
    truncate -s "$size" "./$file"
    for offset in "$@"; do
        head -c 5000 /dev/urandom |
            dd of="./$file" bs=5000 count=1 seek="$offset" oflag=seek_bytes iflag=fullblock \
                conv=notrunc status=none
    done
}

# make_many DIR NUMBER: that many small files, each with its own content.
make_many() {
    mkdir -p "$1" && (cd "$1" && seq 1 "$2" | split -l 1 -a 6 -d - f)
}

make_socket() {
    perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 1) or die' \
        -- "$1"
}

# A tree with every kind of entry and every awkward name, size, mode and time.
# As another user than root nothing in it is unreadable, and there are no devices.
make_tree() (
    mkdir -p "$1" && cd "$1" || exit 1

    mkdir names
    name_255=$(printf 'n%.0s' {1..255})
    # shellcheck disable=SC2016
    for name in $'new\nline' $'tab\there' -dash --help -- ' ' 'two  spaces ' "it's" 'a"quote' \
        "back\\slash" '*' '?' '$(false)' '%s%n' '~' '#' '...' '.hidden' 'trailing.' 'colon:' \
        $'not utf-8 \xff\xfe' $'\xc3\xbc' $'\e[31mred' $'\x01' "$name_255" ',comma,'; do
        echo "$name" >"names/$name"
        mkdir -p "names/dir/$name"
        echo "$name" >"names/dir/$name/$name"
    done

    mkdir sizes
    for size in 0 1 4095 4096 4097 131071 131072 131073 1048579; do
        make_file "sizes/$size" "$size"
    done
    head -c 300000 /dev/zero >sizes/zeros

    mkdir sparse
    make_sparse sparse/all_hole 1000000
    make_sparse sparse/middle 3000000 1500000
    make_sparse sparse/hole_at_end 3000000 0
    make_sparse sparse/hole_at_start 3000000 2995000
    make_sparse sparse/many_holes 3000000 0 200000 400000 600000 800000 1000000 1200000

    mkdir -p links/a links/b/c links/d
    make_file links/a/one 5000
    ln links/a/one links/a/one_again
    ln links/a/one links/b/one
    ln links/a/one links/b/c/one
    # The same bytes, and still another file.
    cp -p links/a/one links/d/copy
    ln links/d/copy links/d/copy_again
    : >links/empty
    ln links/empty links/b/empty

    mkdir symlinks
    ln -s ../sizes/4096 symlinks/to_file
    ln -s ../names symlinks/to_dir
    ln -s nowhere symlinks/dangling
    ln -s /etc/passwd symlinks/absolute
    ln -s . symlinks/self
    ln -s symlinks/loop symlinks/loop
    ln -s "$(printf 'long/%.0s' {1..200})" symlinks/long
    ln -s $'not utf-8 \xff\n' $'symlinks/\xff\n'
    ln symlinks/dangling links/symlink

    mkdir special
    mkfifo -m 640 special/fifo
    ln special/fifo links/fifo
    make_socket special/socket
    if is_root; then
        mknod -m 600 special/null c 1 3
        mknod -m 660 special/block b 7 250
    fi

    mkdir modes
    modes='0400 0444 0600 0644 0664 0666 0755 0777 0511 1644 4755 2755 6755 4644'
    is_root && modes="0000 0001 0111 $modes"
    for mode in $modes; do
        echo "$mode" >"modes/$mode"
        chmod "$mode" "modes/$mode"
    done

    mkdir times
    for time in -2147483648 -1.5 -0.000000001 0 0.000000001 1.999999999 1000000000.123456789 \
        2147483648.5 4000000000.000000999; do
        echo "$time" >"times/$time"
        touch -d "@$time" "times/$time"
    done

    mkdir -p dirs/empty dirs/deep/1/2/3/4/5/6/7/8/9 dirs/with_file
    echo file >dirs/with_file/file
    modes='0500 0555 0700 0711 0777 1777 2775 3777 4755'
    is_root && modes="0000 0111 0444 $modes"
    for mode in $modes; do
        mkdir -p "dirs/$mode/below"
        echo file >"dirs/$mode/below/file"
        echo file >"dirs/$mode/file"
    done

    # Times last, the innermost first, and modes of directories after all that is in them.
    n=0
    while IFS= read -r -d '' dir; do
        n=$((n + 1))
        touch -d "@$((1500000000 + n)).$((100000000 + n))" "./$dir"
    done < <(find . -depth -type d -print0)
    touch -h -d @1234567890.987654321 symlinks/*
    touch -d @1111111111.000000001 special/fifo special/socket
    for mode in $modes; do
        chmod "$mode" "dirs/$mode"
    done
)
