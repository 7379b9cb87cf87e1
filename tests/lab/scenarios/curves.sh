#!/bin/bash
# The points of one curve, a line of CSV for each as bench/curves wants them, with round trip and
# mount points as the lab has them. CURVE:
#   flat     files a second, all in one directory, for each of MOUNTS and THREADS
#   tree     the same with 25 files in each directory
#   clients  as flat with 64 threads, but for each of MOUNTS as many processes, each over one mount
#            point with its share of the names; to one directory, and to one each
#   bytes    one file of SIZE, for each of MOUNTS and THREADS; wants --rate
# cp -a and rsync -a, which have one thread and one mount point, are points of each but clients.
#
# A point takes about SECONDS_EACH, and more with many threads: one thread makes few files in that
# time and many make many, so the number of files follows the rate of the point before, and only
# rates can be compared. Those of files are of the middle half of a point, by the times that the
# server has given to them: to start 256 threads takes the lab seconds, and other machines some
# hundredths of one.
# The last column is the share of the time in which the lab's one processor was busy. Where that is
# near to 100, it is what limits, and not round trips.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

: "${CURVE:?}"
read -r -a threads <<<"${THREADS:-1 2 4 8 16 32 64 128 256}"
read -r -a mounts <<<"${MOUNTS:-1 2 4}"

ticks() {
    awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8, $2 + $3 + $4 + $5 + $6 + $7 + $8 }' /proc/stat
}

# The files that were made in a second, from when a quarter of them was complete until three were.
middle_rate() {
    find /lab/export/copy -type f -printf '%C@\n' | sort -n | awk '
        { done[NR] = $1 }
        END {
            first = int(NR / 4) + 1; last = int(NR * 3 / 4)
            if (done[last] > done[first])
                printf "%.2f", (last - first) / (done[last] - done[first])
        }'
}

# point PROGRAM MOUNTS THREADS COMMAND...: from cold caches, a copy of the `files` of /lab/src/tree
# with `bytes` in all to /lab/export/copy. Sets `rate`.
point() {
    local program=$1 n=$2 j=$3 before busy
    shift 3
    LAB_MOUNTS=$n mounts_renew ""
    before=$(ticks)
    counted "$files" "$@"
    busy=$(awk -v a="$before" -v b="$(ticks)" 'BEGIN {
        split(a, x); split(b, y); printf "%.0f", 100 * (y[1] - x[1]) / (y[2] - x[2]) }')
    check "$program: exit status $status" [ "$status" = 0 ]
    check "$program: something is missing" [ "$bytes" = \
        "$(find /lab/export/copy -type f -printf '%s\n' | awk '{ sum += $1 } END { print +sum }')" ]
    rate=$(middle_rate)
    rm -r /lab/export/copy
    echo "$CURVE,$LAB_RTT,$program,$n,$j,$files,$bytes,$seconds,$rate,$rpcs,$busy"
}

# pcopy MOUNTS THREADS
pcopy() {
    point pcopy "$1" "$2" "$PCOPY" -q -j "$2" -m "$(mounts "$1")" /lab/src/tree copy
}

# Those of one thread.
others() {
    point cp 1 1 cp -a /lab/src/tree/. /lab/1/copy
    point rsync 1 1 rsync -a /lab/src/tree/ /lab/1/copy
}

# make_files THREADS: so many that they take the time of a point, if `rate` is what is made in a
# second.
make_files() {
    files=$(awk -v rate="$rate" -v seconds="${SECONDS_EACH:-2}" -v threads="$1" \
        'BEGIN { print 25 * int(rate * seconds * (1 + threads / 128) / 25 + 2) }')
    bytes=$((files * 4096))
    rm -rf /lab/src/tree
    if [ "$CURVE" = tree ]; then
        make_tree /lab/src/tree $((files / 25)) 25 4096
    else
        make_tree /lab/src/made 1 "$files" 4096
        mv /lab/src/made/d1 /lab/src/tree
    fi
}

# next_point COMMAND MOUNTS THREADS...: with the rate of the last one. Up to twice as many threads
# or mounts are up to twice as fast, so take something between.
next_point() {
    make_files "$3"
    "$@"
    rate=$(awk -v rate="$rate" 'BEGIN { print 1.4 * rate }')
}

# clients MOUNTS THREADS [each]: a process for each mount point, with its share of the names, to one
# directory, or to one each.
# shellcheck disable=SC2317 # called by counted
clients() {
    local n=$1 i pids=() bad=0
    for ((i = 1; i <= n; i++)); do
        "$PCOPY" -q -j "$2" --files-from="/tmp/names.$i" /lab/src/tree "/lab/$i/copy${3:+/$i}" &
        pids+=($!)
    done
    for i in "${pids[@]}"; do
        wait "$i" || bad=$?
    done
    return "$bad"
}

# share MOUNTS THREADS [each]
# shellcheck disable=SC2317 # called by next_point
share() {
    local i
    for ((i = 1; i <= $1; i++)); do
        find /lab/src/tree -type f -printf '%f\n' | split -n "r/$i/$1" >"/tmp/names.$i"
    done
    point "clients${3:+-$3}" "$1" "$2" clients "$@"
}

# What one thread does: a few round trips for each file, and the computing of the lab.
one_thread=$(awk -v rtt="$LAB_RTT" 'BEGIN { print 1000 / (5 * rtt + 3) }')

for ((round = 0; round < ${ROUNDS:-1}; round++)); do
    case $CURVE in
    flat | tree)
        rate=$one_thread
        make_files 1
        others
        for n in "${mounts[@]}"; do
            rate=$one_thread
            for j in "${threads[@]}"; do
                next_point pcopy "$n" "$j"
            done
        done
        ;;
    clients)
        for each in '' each; do
            rate=$(awk -v rtt="$LAB_RTT" 'BEGIN { print 1000 / (rtt + 3) }')
            for n in "${mounts[@]}"; do
                next_point share "$n" 64 $each
            done
        done
        ;;
    bytes)
        files=1
        mkdir -p /lab/src/tree
        head -c "${SIZE:-128M}" /dev/urandom >/lab/src/tree/file
        bytes=$(stat -c %s /lab/src/tree/file)
        others
        for n in "${mounts[@]}"; do
            for j in "${threads[@]}"; do
                pcopy "$n" "$j"
            done
        done
        ;;
    esac
done
exit "$failed"
