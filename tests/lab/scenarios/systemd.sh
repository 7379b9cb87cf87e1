#!/bin/bash
# The units for systemd, under a systemd: sandboxed as they are, a job on a disk keeps all that can be
# kept, and one over NFS does its work; the timer starts one. Who writes where it may not, is killed,
# or takes too long is in a mail; who is stopped is not. What was killed is gone on with, and there
# are never two runs. Wants --disk=ext4.
# shellcheck disable=SC2317 # wait_for calls conditions by their names
set -u
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$LAB/lib.sh"

system=/lib/systemd
if [ ! -x $system/systemd ] || ! command -v systemctl >/dev/null; then
    echo "SKIP: systemd is not installed"
    exit 77
fi
src=/lab/export/src

# ---- units: pcopy's, with a mail program, and what systemd cannot do without

units=/lab/units
mkdir $units /lab/mail
cp "$LAB"/../../examples/systemd/*@.* $units
cp $system/system/{sysinit,basic,timers,shutdown}.target \
    $system/system/systemd-journald{.socket,-dev-log.socket,.service} $units
cp "$PCOPY" /usr/local/bin/pcopy
cat >/usr/sbin/sendmail <<'END'
#!/bin/sh
mail=$(mktemp /lab/mail/.XXXXXX) && cat >$mail && mv $mail /lab/mail/${mail##*.}
END
chmod 755 /usr/sbin/sendmail

# job NAME WRITABLE ARGUMENTS [SETTING]
job() {
    mkdir "$units/pcopy@$1.service.d"
    cat >"$units/pcopy@$1.service.d/job.conf" <<END
[Unit]
RequiresMountsFor=$2

[Service]
Environment="ARGUMENTS=$3"
ReadWritePaths=$2
${4-}
END
}

job disk /lab/export "-a -m /lab/export $src disk"
job nfs /lab/1 "-a -m /lab/1 $src nfs"
job outside /lab/1 "-a $src /lab/export/outside"
job slow /lab/export "-a --bwlimit=@/lab/limit $src /lab/export/slow"
job late /lab/export "-a --bwlimit=@/lab/limit $src /lab/export/late" TimeoutStartSec=3s
mkdir "$units/pcopy@disk.timer.d"
printf '[Timer]\nOnCalendar=\nOnCalendar=*:*:0/5\nAccuracySec=1ms\n' \
    >$units/pcopy@disk.timer.d/often.conf
printf '[Unit]\nWants=basic.target systemd-journald.service\n' >$units/lab.target

# ---- what there is to keep

make_tree $src 10 10 1000
head -c 20000000 /dev/urandom >$src/d9/big
touch $src/d1/{setuid,acl,xattr}
mkdir $src/d1/setgid
chown -R 1000:2000 $src/d2 $src/d1/set?id
chmod 4755 $src/d1/setuid
chmod 3770 $src/d1/setgid
chmod 0 $src/d2
setfacl -m u:1234:rw $src/d1/acl
setfacl -d -m g:1234:rwx $src/d1/setgid
for attribute in user.a trusted.a security.a; do
    setfattr -n $attribute -v value $src/d1/xattr
done
setfattr -n security.capability -v 0x0100000200200000000000000000000000000000 $src/d1/xattr
mknod -m 640 $src/d1/device c 1 3
mknod -m 640 $src/d1/block b 7 200
mkfifo $src/d1/fifo
ln -s nowhere $src/d1/link
ln $src/d1/f1 $src/d3/another

# ---- systemd, which takes this for a container

mount -t cgroup2 cgroup2 /sys/fs/cgroup
env -i container=lab SYSTEMD_UNIT_PATH=$units PATH="$PATH" \
    unshare --pid --fork --mount-proc --cgroup --kill-child $system/systemd --unit=lab.target &
manager=$!

inside() {
    nsenter -t "$(pgrep -P $manager)" --mount --pid --cgroup "$@"
}
control() {
    inside systemctl "$@"
}
property() {
    control show -P "$2" "pcopy@$1.service"
}

# wait_for WHAT CONDITION...: until it is so.
wait_for() {
    local deadline=$((SECONDS + 60))
    until "${@:2}"; do
        [ $SECONDS -lt $deadline ] || {
            fail "never: $1"
            inside journalctl --no-pager
            exit 1
        }
        sleep 0.2
    done
}

is_up() {
    control is-active -q lab.target 2>/dev/null
}
mailed() {
    grep -rl --exclude='.*' "^Subject: pcopy job $1 has failed on " /lab/mail |
        xargs -r grep "$2" | grep -q .
}
# runs JOB STATUS: how many have ended so, by the log.
runs() {
    grep -c " exit status $2: " "/var/log/pcopy/$1.log"
}
runs_are() {
    [ "$(runs "$1" "$2")" -ge "$3" ]
}

wait_for "systemd is up" is_up

# ---- all that can be kept; and over NFS

check "the job on a disk has failed" control start pcopy@disk
check "the copy on a disk differs" \
    "$TREECMP" --check=names,bytes,mode,mtime,links,owner,xattr,acl $src /lab/export/disk
check "the job over NFS has failed" control start pcopy@nfs
check "the copy over NFS differs" \
    "$TREECMP" --check=names,bytes,mode,mtime,links,owner $src /lab/export/nfs
control start pcopy@disk.timer
wait_for "a run of the timer" runs_are disk 0 2
control stop pcopy@disk.timer

# ---- elsewhere

check "a job has written where it may not" eval '! control start pcopy@outside 2>/dev/null'
check "it is there" [ ! -e /lab/export/outside ]
wait_for "a mail about what was outside" mailed outside 'Read-only file system'

# ---- stopped; killed, and gone on with; never two

echo 1M >/lab/limit
control start --no-block pcopy@slow
wait_for "the copy has begun" [ -e /lab/export/slow/d9 ]
control stop pcopy@slow
check "what was stopped has failed" [ "$(property slow Result)" = success ]
check "it did not end as pcopy does" runs_are slow 20 1

control start --no-block pcopy@slow
wait_for "the copy has begun" [ -e /var/lib/pcopy/slow.journal ]
sleep 1
pid=$(property slow MainPID)
control start --no-block pcopy@slow
sleep 1
check "there was a second run" [ "$(property slow MainPID)" = "$pid" ]
control kill -s KILL pcopy@slow
wait_for "a mail about what was killed" mailed slow status=9/KILL
echo 0 >/lab/limit
check "the next run has failed" control start pcopy@slow
check "its copy differs" \
    "$TREECMP" --check=names,bytes,mode,mtime,links,owner,xattr,acl $src /lab/export/slow

# ---- who hangs

echo 1M >/lab/limit
check "a job that takes too long has not failed" eval '! control start pcopy@late 2>/dev/null'
wait_for "a mail about what took too long" mailed late 'timed out'
check "there are other mails" [ "$(find /lab/mail -type f | wc -l)" = 3 ]
cat /lab/mail/*
kill -KILL $manager
exit "$failed"
