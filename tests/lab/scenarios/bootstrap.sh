#!/bin/bash
# scripts/ingestor-bootstrap.sh as the only step on a system that has booted: it mounts all
# addresses, names one that is dead and stops or goes on, copies a tree in two phases in the
# background, and run again changes nothing. What it has written to fstab brings the mounts back.
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

log=/var/log/pcopy-ingest.log
fstab=$(cat /etc/fstab)
export=/ options=''
if [ "$LAB_VERS" = 3 ]; then
    export=/lab/export options=nolock
fi

# bootstrap OPTION...: leaves `status`, and what it has said in /tmp/out and /tmp/err.
bootstrap() {
    local begin=$SECONDS
    sh "$LAB/../../scripts/ingestor-bootstrap.sh" --export=$export --vers="$LAB_VERS" \
        --options="$options" --pcopy="$PCOPY" --wait=5 "$@" >/tmp/out 2>/tmp/err </dev/null
    status=$?
    echo "--- $* ($begin-$SECONDS s)"
    cat /tmp/out /tmp/err
}

mounted() {
    grep -c ' /mnt/dst[1-9] nfs' /proc/self/mounts
}

# All that it could have changed.
picture() {
    cat /proc/self/mounts
    stat -c '%n %i %y %z' /etc/fstab /var/log/pcopy-ingest.log /var/lib/pcopy/* /usr/local/bin/pcopy
    find /lab/export -printf '%p %i %T@ %C@\n' | sort
}

# wait_for COMMAND...
wait_for() {
    local i
    for ((i = 0; i < 150; i++)); do
        "$@" && return
        sleep 0.1
    done
    fail "never: $*"
}


umount /lab/[1-9]
make_tree /lab/src/tree 5 20 4096

# ---- an address that is dead

network_block 3
bootstrap --servers=127.0.0.1-3
check "dead: exit status $status" [ $status = 1 ]
check "dead: it is not named" grep -q '^ingestor-bootstrap: mount: 127.0.0.3:' /tmp/err
check "dead: something is mounted" [ "$(mounted)" = 0 ]
check "dead: mount points are left" [ -z "$(find /mnt -name 'dst*')" ]
check "dead: fstab has changed" [ "$(cat /etc/fstab)" = "$fstab" ]

network_unblock 3

# ---- a copy in two phases

arguments=(--servers=127.0.0.1-3 --source=/lab/src/tree --destination=data/run1 --start)
bootstrap "${arguments[@]}"
check "exit status $status" [ $status = 0 ]
check "not three mounts" [ "$(mounted)" = 3 ]
superblocks=$(stat -c %d /mnt/dst[1-3] | sort -u | wc -l)
connections=$(ss -Htn dst 127.0.0.0/8 dport = :2049 | awk '{ print $5 }' | sort -u | wc -l)
check "$superblocks superblocks, $connections addresses" [ "$superblocks $connections" = "3 3" ]
wait_for [ -e /var/lib/pcopy/ingest.journal.done ]
check "the trees differ" "$TREECMP" /lab/src/tree /lab/export/data/run1
cat $log
check "the log does not tell the end" grep -q 'pcopy: exit status 0: ' $log
check "the log does not tell of two phases" grep -q 'copied, then verified' $log

# ---- again

sleep 0.1
picture >/tmp/before
bootstrap "${arguments[@]}"
check "again: exit status $status" [ $status = 0 ]
check "again: something has changed" diff /tmp/before <(picture)

if [ "$LAB_VERS" = 3 ]; then
    # The rest is the same in all versions.
    exit "$failed"
fi

# ---- a copy that runs is not started twice, and outlives who has started it

arguments=(--servers=127.0.0.1-3 --source=/lab/src/tree --destination=data/run2 --start
    --journal=/var/lib/pcopy/run2 -- --bwlimit=10K)
bootstrap "${arguments[@]}"
check "running: exit status $status" [ $status = 0 ]
pid=$(pidof pcopy)
check "it is in our session" [ "$(ps -o sid= -p "$pid")" != "$(ps -o sid= -p $$)" ]
bootstrap "${arguments[@]}"
check "running: exit status $status" [ $status = 0 ]
check "it does not say that it is running" grep -q 'is running already' /tmp/out
check "it is another one" [ "$(pidof pcopy)" = "$pid" ]

# ---- after a reboot: the mounts come from fstab; the copy goes on, also if an address is dead now

kill -KILL "$pid"
wait_for bash -c '! pidof pcopy >/dev/null'
umount /mnt/dst[1-3]
check "not all from fstab" mount -a -t nfs
check "not three from fstab" [ "$(mounted)" = 3 ]
umount /mnt/dst[1-3]
fstab=$(cat /etc/fstab)
network_block 3
arguments[-1]=--bwlimit=0
bootstrap "${arguments[@]:0:4}" --on-dead=skip "${arguments[@]:4}"
check "rebooted: exit status $status" [ $status = 0 ]
check "rebooted: it is not named" grep -q 'going on without 127.0.0.3:' /tmp/out
check "rebooted: not two mounts" [ "$(mounted)" = 2 ]
check "rebooted: fstab has changed" [ "$(cat /etc/fstab)" = "$fstab" ]
wait_for [ -e /var/lib/pcopy/run2.done ]
check "rebooted: the trees differ" "$TREECMP" /lab/src/tree /lab/export/data/run2

# ---- several mounts of one address

umount /mnt/dst[12]
bootstrap --servers=127.0.0.1 --mounts=2 --at=/mnt/one
superblocks=$(stat -c %d /mnt/one[12] | sort -u | wc -l)
check "$superblocks superblocks of two mounts" [ "$superblocks" = 2 ]
check "there is a warning" [ "$(grep -c 'warn:' /tmp/out)" = 0 ]
echo "$SECONDS s"
exit "$failed"
