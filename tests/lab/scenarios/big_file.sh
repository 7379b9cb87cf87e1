#!/bin/bash
# One file of SIZE (256M), over one mount and over all: each address of the server has a line of its
# own, as slow as the lab's --rate says. pcopy with one mount has to fill one line, and with three
# mounts all three.
#
# The line rate is what the netem of an address lets through, counted as it counts: whole packets,
# with the headers of Ethernet, IP and TCP, of RPC and NFS. The table has both, the bytes of the
# file and those on the lines to the server, for each second and in percent of one line.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

: "${LAB_RATE:?this wants --rate, e.g. --rate=100mbit}"
rate=$(awk -v rate="$LAB_RATE" 'BEGIN {
    factor = rate ~ /gbit$/ ? 1e9 : rate ~ /mbit$/ ? 1e6 : rate ~ /kbit$/ ? 1e3 : 1
    printf "%.0f", rate * factor / 8 }')
size=${SIZE:-256M}

# What has gone to the addresses of the server, in bytes.
sent() {
    tc -s qdisc show dev lo | awk '
        $1 == "qdisc" { to_server = / parent 10:/ }
        to_server && $1 == "Sent" { sum += $2 }
        END { printf "%.0f", sum }'
}

mkdir /lab/src/tree
head -c "$size" /dev/urandom >/lab/src/tree/file
bytes=$(stat -c %s /lab/src/tree/file)

# percent BYTES SECONDS: of one line.
percent() {
    awk -v bytes="$1" -v seconds="$2" -v rate="$rate" \
        'BEGIN { printf "%.1f", 100 * bytes / seconds / rate }'
}

one_line="one line, of $((rate / 1000)) kB/s:"
echo "| $size, NFSv$LAB_VERS | seconds | MB/s | % of $one_line file | sent | RPCs |"
echo "|---|---|---|---|---|---|"
for ((round = 0; round < ${ROUNDS:-3}; round++)); do
    for program in pcopy1 "pcopy$LAB_MOUNTS" cp; do
        before=$(sent)
        # The row of race() is about small files; it checks the copy on the server.
        race /lab/src/tree /lab/1 1 "$program" >/tmp/row
        grep -v '^|' /tmp/row
        rm -r "/lab/export/$races"
        printf '| %s | %s | %.2f | %s | %s | %.0f |\n' "$(cut -d '|' -f 2 /tmp/row | xargs)" \
            "$seconds" "$(awk -v b="$bytes" -v s="$seconds" 'BEGIN { print b / s / 1e6 }')" \
            "$(percent "$bytes" "$seconds")" "$(percent $(($(sent) - before)) "$seconds")" "$rpcs"
    done
done

one=$(median pcopy1)
all=$(median "pcopy$LAB_MOUNTS")
echo
ratio "one mount / $LAB_MOUNTS mounts" pcopy1 "pcopy$LAB_MOUNTS"
ratio "cp / pcopy with one mount" cp pcopy1
ratio "cp / pcopy with $LAB_MOUNTS mounts" cp "pcopy$LAB_MOUNTS"
echo "pcopy with one mount: $(percent "$bytes" "$one") % of one line's rate"
echo "pcopy with $LAB_MOUNTS mounts: $(percent "$bytes" "$all") % of one line's rate"
# Nine tenths of what as many lines would give: the ranges are few, and the last one ends alone.
check "$LAB_MOUNTS mounts are less than 0.9 x $LAB_MOUNTS times as fast as one" \
    at_most "$(awk -v n="$LAB_MOUNTS" 'BEGIN { print 0.9 * n }')" \
    "$(awk -v a="$one" -v b="$all" 'BEGIN { print a / b }')"
check "one mount is faster than its line: the rate was not in effect" \
    at_most "$(awk -v b="$bytes" -v r="$rate" 'BEGIN { print b / r }')" "$one"
check "one mount takes more than 1.1 times what its line takes" \
    at_most "$one" "$(awk -v b="$bytes" -v r="$rate" 'BEGIN { print 1.1 * b / r }')"
exit "$failed"
