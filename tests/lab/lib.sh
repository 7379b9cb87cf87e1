# shellcheck shell=bash disable=SC2034,SC2153 # variables of the scenarios and from the lab
# What the lab's first process and the scenarios share. The server, the mounts and the network may
# be changed by a scenario while a copy runs.

# --- server and mounts ---

export_start() {
    exportfs -o rw,no_root_squash,fsid=0,insecure,no_subtree_check,sync 127.0.0.0/8:/lab/export
}

export_stop() {
    exportfs -u 127.0.0.0/8:/lab/export
}

# A stopped server refuses connections; one that does not answer is what network_block makes.
server_start() {
    rpc.nfsd -G 10 -L 10 64
}

server_stop() {
    rpc.nfsd 0
}

# mount_start I OPTIONS: I is the number of the address and of the mount point.
mount_start() {
    local path=/ opts=vers=$LAB_VERS,proto=tcp
    if [ "$LAB_VERS" = 3 ]; then
        path=/lab/export opts+=,nolock
    fi
    mount -t nfs -o "$opts${LAB_OPTS:+,$LAB_OPTS}${2:+,$2}" "127.0.0.$1:$path" "/lab/$1"
}

# mounts N: the first N mount points, as --mounts takes them.
mounts() {
    seq -s , -f /lab/%.0f "$1"
}

# mounts_renew OPTIONS: mounts everything again, so that no client cache knows anything, perhaps
# with more options.
mounts_renew() {
    local i
    for ((i = 1; i <= LAB_MOUNTS; i++)); do
        umount "/lab/$i" && mount_start $i "$1" || return
    done
}

# --- network ---
#
# Server and client are one kernel, so all packets go through the one queue of lo. Those sent to
# port 2049 of 127.0.0.I go to class 10:I, those that come from there to class 20:I, and each class
# has a netem of its own, which delays, limits or drops. What is not NFS passes.

network_us=0 # one way
declare -A network_rates network_losses

network_apply() {
    local i=$1 side class
    if ! tc qdisc show dev lo root | grep -q prio; then
        tc qdisc add dev lo root handle 1: prio bands 3 \
            priomap 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 || return
        tc filter add dev lo parent 1: u32 match ip dport 2049 0xffff flowid 1:1 || return
        tc filter add dev lo parent 1: u32 match ip sport 2049 0xffff flowid 1:2 || return
        tc qdisc add dev lo parent 1:1 handle 10: prio bands 16 || return
        tc qdisc add dev lo parent 1:2 handle 20: prio bands 16 || return
    fi
    for side in 10:dst 20:src; do
        class=${side%:*}:$(printf %x "$i")
        if ! tc filter show dev lo parent "${side%:*}:" | grep -q "flowid $class "; then
            tc filter add dev lo parent "${side%:*}:" u32 match ip "${side#*:}" "127.0.0.$i" \
                flowid "$class" || return
        fi
        tc qdisc replace dev lo parent "$class" netem limit 100000 delay "${network_us}us" \
            rate "${network_rates[$i]:-0bit}" loss "${network_losses[$i]:-0%}" || return
    done
}

network_apply_all() {
    local i
    for ((i = 1; i <= LAB_MOUNTS; i++)); do
        network_apply $i || return
    done
}

# network_rtt MS: the round trip to every address, half of it on each way.
network_rtt() {
    network_us=$(awk -v ms="$1" 'BEGIN { printf "%d", ms * 500 }')
    network_apply_all
}

# network_rate I RATE: what goes to address I, and what comes from it, is no faster than RATE.
network_rate() {
    network_rates[$1]=$2
    network_apply "$1"
}

network_block() {
    network_losses[$1]=100%
    network_apply "$1"
}

network_unblock() {
    unset "network_losses[$1]"
    network_apply "$1"
}

# As the command line of lab says. A scenario that sources this finds it done.
network_start() {
    local i
    for ((i = 1; i <= LAB_MOUNTS; i++)); do
        network_rates[$i]=$LAB_RATE
    done
    network_us=$(awk -v ms="$LAB_RTT" 'BEGIN { printf "%d", ms * 500 }')
    if [ "$network_us" != 0 ] || [ -n "$LAB_RATE" ]; then
        network_apply_all
    fi
}

# --- power ---

# Everything stops where it is, and the lab boots again with what its disk and /lab/share have then.
# The scenario runs once more from its beginning; LAB_BOOT counts: 1, 2, ...
power_cut() {
    echo >/dev/ttyS1
    sleep 60
}

# --- scenarios ---

failed=0

fail() {
    echo "FAIL: $*"
    failed=1
}

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    "$@" || fail "$what"
}

# at_most A B, for fractions.
at_most() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'
}

# make_tree DIR DIRECTORIES FILES SIZE: as many directories with as many files each. No two files
# are alike, and all times lie in the past: a time that nobody has set is seen.
make_tree() {
    local dir=$1 directories=$2
    (cd "$(mkdir -p "$dir" && echo "$dir")" && seq -f d%.0f "$directories" | xargs mkdir) || return
    awk -v dir="$dir" -v directories="$directories" -v files="$3" -v size="$4" '
    BEGIN {
        srand(1)
        while (length(base) < size)
            base = base sprintf("%c", 32 + int(95 * rand()))
        for (d = 1; d <= directories; d++)
            for (f = 1; f <= files; f++) {
                path = sprintf("%s/d%d/f%d", dir, d, f)
                printf "%s", substr(path base, 1, size) > path
                close(path)
            }
    }'
    find "$dir" -depth -print0 | xargs -0 touch -h -d '2020-02-03 04:05:06.789012345'
}

# counted FILES COMMAND...: sets `status`, `seconds`, `calls`, the calls per file by operation, and
# `rpcs`, their sum; output and errors are in /tmp/out and /tmp/err.
counted() {
    local files=$1 begin
    shift
    "$LAB/rpc" snap >/tmp/rpc
    begin=$EPOCHREALTIME
    "$@" >/tmp/out 2>/tmp/err
    status=$?
    seconds=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }')
    read -r rpcs calls < <("$LAB/rpc" diff /tmp/rpc "$files")
    if [ $status != 0 ]; then
        echo "exit status $status: $*"
        head -n 10 /tmp/err
    fi
}

# race SRC DIRECTORY FILES PROGRAM...: copies SRC to a new directory in DIRECTORY with one program
# after the other, from cold caches, and prints a row of a table for each. The seconds of each
# are in `took`, for median(). A program is floor, cp, rsync, rclone, or pcopyN with N mounts.
# Of floor also those of `loop` are kept: without its directories, which one thread makes beforehand.
declare -A took
races=0

race() {
    local src=$1 into=$2 files=$3 dst program label command
    shift 3
    for program; do
        dst=$into/$((races += 1))
        case $program in
        floor)
            label="floor, 64 threads"
            command=("$FLOOR" --fsync --interleave "$src" "$dst" 64)
            ;;
        pcopy1)
            label="pcopy -j 64"
            command=("$PCOPY" -q -j 64 "$src" "$dst")
            ;;
        pcopy*)
            label="pcopy -j 64 -m, ${program#pcopy} mounts"
            command=("$PCOPY" -q -j 64 -m "$(mounts "${program#pcopy}")" "$src" "$races")
            ;;
        rclone)
            label="rclone, 64 transfers, 64 checkers"
            command=(rclone copy -q --transfers 64 --checkers 64 "$src" "$dst")
            ;;
        *)
            label="$program -a"
            command=("$program" -a "$src/." "$dst")
            ;;
        esac
        mounts_renew ""
        counted "$files" "${command[@]}"
        printf '| %s | %s | %.2f | %s |\n' "$label" "$seconds" "$rpcs" "$calls"
        took[$program]+=" $seconds"
        if [ "$program" = floor ]; then
            took[loop]+=" $(cut -d ' ' -f 1 /tmp/out)"
        fi
        check "$program: exit status $status" [ "$status" = 0 ]
        # What lies on NFS is looked at on the server, where it takes no round trips.
        check "$program: the contents differ" \
            diff -rq "${src/#\/lab\/1\//\/lab\/export\/}" "${dst/#\/lab\/1\//\/lab\/export\/}"
    done
}

race_head() {
    echo "| command | seconds | RPCs/file | calls |"
    echo "|---|---|---|---|"
}

# sorted PROGRAM: its seconds, the least first.
sorted() {
    tr ' ' '\n' <<<"${took[$1]# }" | sort -g | tr '\n' ' '
}

# median PROGRAM: of the seconds of all its turns.
median() {
    sorted "$1" | awk '{ printf "%.2f", ($int((NF + 1) / 2) + $int(NF / 2 + 1)) / 2 }'
}

# ratio WHAT A B: of two programs, by the medians of all their turns, and by the least.
ratio() {
    awk -v what="$1" -v ma="$(median "$2")" -v mb="$(median "$3")" -v as="$(sorted "$2")" \
        -v bs="$(sorted "$3")" '
    BEGIN {
        a = as + 0; b = bs + 0 # the first of them
        printf "%s: medians %.2f s / %.2f s = %.2f, minima %.2f s / %.2f s = %.2f\n", what,
            ma, mb, ma / mb, a, b, a / b
    }'
}
