#!/bin/bash
# examples/pcopy-cron under Debian's cron, for two ticks, so this takes up to two minutes, asleep most
# of the time. The jobs: all is well; still on at the next tick; on for a day; killed; with an error.
# Meanwhile examples/logrotate takes the logs away. All that is in mails and logs and at the
# destinations is looked at.
. "$(dirname "$0")/lib.sh"
need_root
need flock pgrep
for program in cron logrotate; do
    [ -x /usr/sbin/$program ] || skip "Debian's $program is not installed"
done
with_own_mounts

examples=$(realpath "$lib_dir/../../examples")
show=$(dirname "$TREECMP")/journal_show
[ -x "$show" ] || fail "no $show: build it"

# ---- a place where this cron is alone

mkdir bin sbin mail pam
ln -s "$PCOPY" bin/pcopy
ln -s "$examples/pcopy-cron" bin
PATH=$PWD/bin:$PATH
cp -a /usr/sbin/cron /usr/sbin/logrotate sbin
cat >sbin/sendmail <<END
#!/bin/sh
mail=\$(mktemp $PWD/mail/.XXXXXX) && cat >\$mail && mv \$mail $PWD/mail/\${mail##*.}
END
chmod 755 sbin/sendmail
# In containers cron may not open the sessions that the system asks for.
printf '%s required pam_permit.so\n' auth account session >pam/cron
if ! mount --bind sbin /usr/sbin || ! mount --bind pam /etc/pam.d; then
    skip "cannot mount here"
fi
for dir in /run /var/lib /var/log /var/spool /etc/cron.d; do
    mount -t tmpfs -o mode=755 tmpfs $dir || skip "cannot mount here"
done
mkdir -p /var/spool/cron/crontabs
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab

# ---- the jobs

for job in fine slow hung killed broken; do
    make_many src/$job/first 20
    make_many src/$job/second 20
    make_file src/$job/second/big 10000000
done
mkdir -p dst/broken/first/f000003/in_the_way
echo 100K >limit
: >ended
{
    echo "PATH=$PWD/bin:/usr/bin:/bin"
    for job in fine slow hung killed broken; do
        limit=--bwlimit=@$PWD/limit
        [[ $job = [shk]* ]] || limit=''
        echo "* * * * * root pcopy-cron $job -a -j 2 $limit $PWD/src/$job $PWD/dst/$job;" \
            "echo $job \$? >>$PWD/ended"
    done
} >/etc/cron.d/pcopy

# mails JOB: the names of those about it.
mails() {
    find mail -type f -name '[!.]*' -exec grep -l "^Subject: .* pcopy-cron $1 " {} +
}
text() {
    mails "$1" | xargs -r sed -s '1,/^$/d'
}

# Conditions. ended JOB STATUS NUMBER: so many of its commands have; mailed JOB NUMBER: there are so
# many mails; finished JOB DIRECTORY: its journal holds that.
ended() { [ "$(grep -cx "$1 $2" ended)" = "$3" ]; }
mailed() { [ "$(mails "$1" | wc -l)" = "$2" ]; }
finished() { "$show" "/var/lib/pcopy/$1.journal" | grep -q "^directory.*	$2$"; } 2>/dev/null

pid_of() {
    pgrep -f "^pcopy .* $PWD/src/$1 "
}

# wait_for CONDITION...: until it is so.
wait_for() {
    local deadline=$((SECONDS + 90))
    until "$@"; do
        [ $SECONDS -lt $deadline ] || fail "never: $*"
        kill -0 $cron || fail "cron has ended"
        sleep 0.1
    done
}

# ---- the first tick

unshare --pid --fork --kill-child /usr/sbin/cron -f &
cron=$!
# With this process all that cron has started is gone.
trap 'kill -KILL $cron; at_exit' EXIT
wait_for ended broken 23 1
wait_for ended fine 0 1
wait_for finished killed first
kill -KILL "$(pid_of killed)"
wait_for ended killed 137 1
# It goes on behind this directory, and does not look into it.
echo changed >dst/killed/first/f000000
touch -d '25 hours ago' /var/lib/pcopy/hung.lock

# ---- the second tick

wait_for mailed broken 2
wait_for ended fine 0 2
wait_for ended slow 0 1
wait_for ended hung 0 1
wait_for mailed hung 1
run pcopy-cron hung -a "$PWD/src/hung" "$PWD/dst/hung"
expect_status 0
expect_no_out
expect_no_err
kill -USR1 "$(pid_of hung)"
wait_for grep -q 'copying' /var/log/pcopy/hung.log
/usr/sbin/logrotate -f -s state "$examples/logrotate" || fail "logrotate has failed"
echo 0 >limit
wait_for ended slow 0 2
wait_for ended hung 0 2
wait_for ended killed 0 1
wait_for mailed hung 2
{ kill -KILL $cron && wait $cron; } 2>/dev/null
trap at_exit EXIT

# ---- what came of it

command_line=
# mail_is JOB LINE...: all that is in the mails about it, in any order, in so many lines.
mail_is() {
    local job=$1 line
    shift
    [ "$(text "$job" | wc -l)" = $# ] || fail "mail about $job: $(text "$job")"
    for line; do
        text "$job" | grep -q -e "$line" || fail "not in the mail about $job: $line"
    done
}

mail_is fine
mail_is slow
mail_is hung '^pcopy: copying: ' \
    '^pcopy-cron: hung has been running for more than a day; its log is /var/log/pcopy/hung.log$'
mail_is killed 'Killed .* pcopy -q ' \
    '^pcopy-cron: killed: killed by signal 9; the next run goes on where it was$'
for mail in $(mails broken); do
    sed '1,/^$/d' "$mail" >body
    tr '\n' '~' <body | grep -q "^pcopy: [^~']*'[^~]*/first/f000003': Is a directory~pcopy: exit \
status 23: [^~]* 1 errors; [^~]*~$" || fail "mail about broken: $(cat body)"
done

grep -q ": Is a directory$" /var/log/pcopy/broken.log.1 || fail "the error is not in the log"
[ "$(grep -c ' exit status 0: ' /var/log/pcopy/fine.log.1)" = 2 ] || fail "not two runs in the log"

for job in fine slow hung; do
    same src/$job dst/$job "$everything"
done
[ "$(cat dst/killed/first/f000000)" = changed ] || fail "it did not go on, but began anew"
same src/killed/second dst/killed/second "$everything"

# What was on when its log went writes to the end there; the next one begins another.
grep -q ' exit status 0: ' /var/log/pcopy/hung.log.1 || fail "the end is not in the log"
[ ! -e /var/log/pcopy/hung.log ] || fail "there is a log of nothing"
for job in hung killed; do
    run pcopy-cron $job -a "$PWD/src/$job" "$PWD/dst/$job"
    expect_status 0
    expect_no_out
    expect_no_err
    grep -q ' exit status 0: ' /var/log/pcopy/$job.log || fail "it is not in the log"
    same src/$job dst/$job "$everything"
done
run pcopy-cron fine src
expect_status 1
