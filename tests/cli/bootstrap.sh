#!/bin/bash
# scripts/ingestor-bootstrap.sh in dash and busybox: what it refuses, what it would do on Debian and
# on RHEL, and as root what it does with mounts that are none of NFS; and user-data for cloud-init.
# The lab has a scenario with real ones.
. "$(dirname "$0")/lib.sh"
is_root && with_own_mounts

bootstrap=$lib_dir/../../scripts/ingestor-bootstrap.sh
examples=$lib_dir/../../examples

# provide DIR PROGRAM...: a directory for PATH that has only these.
provide() {
    local dir=$1 program
    shift
    mkdir -p "$dir"
    for program; do
        ln -s "$(type -P "$program")" "$dir/$program" || fail "no $program here"
    done
}

# stub FILE: a program of what comes on stdin, which also writes how it was called to `calls`.
stub() {
    {
        echo '#!/bin/sh'
        # shellcheck disable=SC2016
        echo 'echo "${0##*/} $*" >>'"'$PWD/calls'"
        cat
    } >"$1"
    chmod 755 "$1"
}

provide tools sh awk cat chmod cmp cp date dirname env grep id install mkdir mktemp mv rm rmdir \
    sed setsid sleep sort stat tail timeout umount uniq wc
rm tools/sleep
stub tools/sleep <<<"exec $(type -P sleep) 0.2"
for kind in debian fedora bare; do
    cp -a tools $kind
done
stub debian/apt-get </dev/null
for program in fedora/dnf fedora/curl; do
    stub $program </dev/null
done

# bootstrap KIND OPTION...: on that kind of system.
bootstrap() {
    local kind=$1
    shift
    : >calls
    run env -i PATH="$PWD/$kind" HOME=/ "${environment[@]}" "${shell[@]}" "$bootstrap" "$@"
}
environment=()

# expect_refused WORDS OPTION...: with the step, and before anything is done.
expect_refused() {
    local words=$1
    shift
    bootstrap debian --dry-run "$@"
    expect_status 1
    expect_err "ingestor-bootstrap: arguments: "
    expect_err "$words"
    [ ! -s "$OUT" ] || fail "it has done something before"
}

# The mounts that it would make.
would_mount() {
    sed -n 's/^ingestor-bootstrap: would run: mount -t nfs -o //p' "$OUT"
}

expect_mounts() {
    [ "$(would_mount)" = "$1" ] || fail "the mounts are not these:"$'\n'"$1"
}

some=(--servers=10.0.0.11-12 --export=/data)
refusals() {
    expect_refused '--servers=LIST is missing' --export=/data
    expect_refused '--export=PATH is missing' --servers=10.0.0.11
    expect_refused "unknown option '--sevrers=10.0.0.11'. --help lists them" --sevrers=10.0.0.11
    expect_refused "unknown option '-j'. --help lists them; those of pcopy go behind --" -j 64
    local list
    for list in 10.0.0 10.0.0.256 10.0.0.011 10.0.0.1.2 10.0.0.1. 10.0.0.11-12-13 - \
        10.0.0.11-10.0.0.300 a,,b 'nas 1' 'nas;id' -nas fd00::11 '[]' '[fd00::1 2]' '[fd00'; do
        expect_refused "'${list//a,,b/}' is no" "--servers=$list" --export=/data
    done
    expect_refused "written [fd00::11]" --servers=fd00::11 --export=/data
    expect_refused "ends before it begins" --servers=10.0.0.18-11 --export=/data
    expect_refused "more than 256" --servers=10.0.0.0-10.0.1.0 --export=/data
    expect_refused "10.0.0.12" --servers=10.0.0.11-13,10.0.0.12 --export=/data
    expect_refused "does not begin with a slash" --servers=10.0.0.11 --export=data
    expect_refused "no blanks" --servers=10.0.0.11 --export='/da ta'
    expect_refused "no blanks" "${some[@]}" --options='ro, exec'
    expect_refused "there are 3, 4.0, 4.1 and 4.2" "${some[@]}" --vers=4
    expect_refused "numbers from 1 to 999" "${some[@]}" --mounts=0
    expect_refused "there are stop and skip" "${some[@]}" --on-dead=go-on
    expect_refused "--source=/missing does not exist" "${some[@]}" --source=/missing --start
    expect_refused "not LIST:/EXPORT" "${some[@]}" --source=missing
    environment=(INGESTOR_START=no)
    expect_refused "are yes or not set" "${some[@]}"
    environment=()
    expect_refused "--source=WHAT is missing" "${some[@]}" --start
    expect_refused "--destination=DIR is missing" "${some[@]}" --source=/
    is_root || {
        bootstrap debian "${some[@]}"
        expect_status 1
        expect_err "only root can mount"
    }
    bootstrap bare --dry-run "${some[@]}"
    expect_status 1
    expect_err "ingestor-bootstrap: NFS client: neither apt-get nor dnf is here"
    bootstrap debian --dry-run "${some[@]}"
    expect_err "ingestor-bootstrap: pcopy: there is none; --pcopy=WHERE"
    bootstrap debian --dry-run "${some[@]}" --pcopy=missing.deb
    expect_err "ingestor-bootstrap: pcopy: --pcopy=missing.deb does not exist"
    bootstrap debian --dry-run "${some[@]}" --pcopy=https://example.org/pcopy.deb
    expect_err "neither curl nor wget is here"
}

dry_runs() {
    : >pcopy.deb
    bootstrap debian --dry-run "${some[@]}" --pcopy=pcopy.deb --fstab="$PWD/fstab"
    expect_status 0
    expect_no_err
    expect_out "install -y --no-install-recommends nfs-common"
    expect_out "install -y --no-install-recommends $PWD/pcopy.deb"
    expect_out "10.0.0.12:/data /mnt/dst2 nfs vers=3,x-ingestor,_netdev,nofail 0 0"
    expect_mounts "retry=0,vers=3 10.0.0.11:/data /mnt/dst1
retry=0,vers=3 10.0.0.12:/data /mnt/dst2"
    local url='https://example.org/a/pcopy.rpm?sig=a&b=c'
    bootstrap fedora --dry-run "${some[@]}" --pcopy="$url"
    expect_status 0
    expect_out "dnf -q -y install nfs-utils"
    grep -q "would run: curl -fsSL -o /tmp/[^ ]*/pcopy.rpm '$url'" "$OUT" || fail "not downloaded"
    grep -q "would run: dnf -q -y install /tmp/[^ ]*/pcopy.rpm" "$OUT" || fail "not installed"
    bootstrap fedora --dry-run "${some[@]}" --pcopy="$PWD"
    expect_status 0
    expect_out "would run: $PWD/scripts/install-deps build"
    expect_out "would run: cmake --install $PWD/build/release --strip"

    # What several mounts take, by version. What was given is the last.
    bootstrap debian --dry-run "${some[@]}" --pcopy=pcopy.deb --vers=4.2 --mounts=3 --at=/m/a \
        --options=rsize=65536
    expect_mounts \
        "retry=0,vers=4.2,nosharecache,max_connect=2,nconnect=2,rsize=65536 10.0.0.11:/data /m/a1
retry=0,vers=4.2,nosharecache,max_connect=2,nconnect=2,rsize=65536 10.0.0.12:/data /m/a2
retry=0,vers=4.2,nosharecache,max_connect=2,nconnect=2,rsize=65536 10.0.0.11:/data /m/a3"
    bootstrap debian --dry-run "${some[@]}" --pcopy=pcopy.deb --vers=4.1 --mounts=1
    expect_mounts "retry=0,vers=4.1,max_connect=2 10.0.0.11:/data /mnt/dst1"
    bootstrap debian --dry-run --servers=nas --export=/ --pcopy=pcopy.deb --mounts=2
    expect_mounts "retry=0,vers=3,nosharecache,nconnect=2 nas:/ /mnt/dst1
retry=0,vers=3,nosharecache,nconnect=2 nas:/ /mnt/dst2"

    # All kinds of addresses; by the environment, where the command line counts; an NFS source.
    environment=(INGESTOR_SERVERS='nas-1.example.org,[fd00::11],10.0.0.255-10.0.1.0'
        INGESTOR_EXPORT=/data INGESTOR_AT=/never INGESTOR_DRY_RUN=yes INGESTOR_START=yes)
    bootstrap debian --at=/m --pcopy=pcopy.deb --source='[fd00::5%eth0],10.9.0.1:/old/data' \
        --destination='my data' -- --exclude="it's" -j 64
    environment=()
    expect_status 0
    expect_mounts "retry=0,vers=3,ro '[fd00::5%eth0]:/old/data' /mnt/src1
retry=0,vers=3,ro 10.9.0.1:/old/data /mnt/src2
retry=0,vers=3 nas-1.example.org:/data /m1
retry=0,vers=3 '[fd00::11]:/data' /m2
retry=0,vers=3 10.0.0.255:/data /m3
retry=0,vers=3 10.0.1.0:/data /m4"
    expect_out "would run in the background: pcopy -q --verify \
--journal=/var/lib/pcopy/ingest.journal --log-file=/var/log/pcopy-ingest.log -a \
-m /m1,/m2,/m3,/m4 -M /mnt/src1,/mnt/src2 \
'--exclude=it'\\''s' -j 64 -- . 'my data'"
    [ ! -s calls ] || fail "a dry run has called $(cat calls)"
    [ -z "$(find fstab /never* /m[0-9] 2>/dev/null)" ] || fail "a dry run has made something"
}

# As root, the whole of it with mounts of another kind: mount(8) is told which.
real_runs() {
    local before answer
    cp -a debian real
    rm real/umount
    stub real/apt-get <<<"echo exit 0 >$PWD/real/mount.nfs; chmod 755 $PWD/real/mount.nfs"
    stub real/umount <<<"exec $(type -P umount) \"\$@\""
    stub real/mount <<END2
case \$* in
*10.0.0.13*) echo 'mount.nfs: Connection timed out' >&2; exit 32 ;;
esac
exec $(type -P mount) -t tmpfs "\$5" "\$6"
END2
    stub program <<'END2'
case "$*" in
--version) ;;
*--explain*) echo "${EXPLAIN-}"; [ "${EXPLAIN-}" != no ] ;;
*)
    if [ "${STATUS-}" = 143 ]; then
        # Its parent's parent is who has started it.
        echo $$ >pid
        kill "$(awk '{ print $4 }' /proc/$PPID/stat)"
        while :; do sleep; done
    fi
    exit ${STATUS:-0}
    ;;
esac
END2
    printf '# mine\n/dev/sda1 / ext4 defaults 0 1\n' >fstab
    cp fstab fstab.mine
    mkdir -p src
    local all=(--export=/data --at="$PWD/m" --fstab="$PWD/fstab" --journal="$PWD/journal"
        --log-file="$PWD/log" --source="$PWD/src" --destination=d --start --pcopy=program)

    # nothing_left: what failed was taken back.
    nothing_left() {
        [ "$(grep -c "$PWD/m" /proc/self/mounts)" = 0 ] || fail "something is still mounted"
        [ -z "$(find . -maxdepth 1 -name 'm[0-9]')" ] || fail "mount points are left"
        cmp fstab fstab.mine || fail "fstab is another one"
        [ -z "$(find . -name '*.ingestor')" ] || fail "a temporary file is left"
    }

    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.12-13
    expect_status 1
    expect_err "ingestor-bootstrap: mount: 10.0.0.13:/data: mount.nfs: Connection timed out"
    grep -q '^apt-get .* nfs-common' calls || fail "the NFS client was not installed"
    grep -q "^umount $PWD/m1" calls || fail "the first was not unmounted"
    [ -x /usr/local/bin/pcopy ] || fail "pcopy was not installed"
    nothing_left
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.13 --on-dead=skip
    expect_status 1
    expect_err "ingestor-bootstrap: mount: no address is left"
    nothing_left
    for answer in no 'refuse to copy: so'; do
        environment=("EXPLAIN=$answer")
        bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-12
        expect_status 1
        expect_err "ingestor-bootstrap: check: "
        nothing_left
    done
    environment=(STATUS=3)
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-12
    expect_status 1
    expect_err "ingestor-bootstrap: copy: pcopy has ended with status 3"
    nothing_left
    environment=(STATUS=143)
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-12
    expect_status 143
    ! kill -0 "$(cat pid)" 2>/dev/null || fail "the copy that was started is running"
    nothing_left
    environment=()
    echo "10.9.9.9:/data $PWD/m2 nfs defaults 0 0" >>fstab
    cp fstab fstab.mine
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-12
    expect_status 1
    expect_err "ingestor-bootstrap: fstab: "
    expect_err "has 10.9.9.9:/data for $PWD/m2, not 10.0.0.12:/data"
    nothing_left

    # It works; and run again there is nothing to do.
    sed -i '/^10/d' fstab
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-13 --on-dead=skip -- -j 4
    expect_status 0
    expect_out "going on without 10.0.0.13:/data: mount.nfs: Connection timed out"
    expect_out "mounted: $PWD/m1,$PWD/m2"
    expect_out "the copy has ended with status 0"
    grep -qx "pcopy -q --verify --journal=$PWD/journal --log-file=$PWD/log -a -m $PWD/m1,$PWD/m2 \
-j 4 -- $PWD/src d" calls || fail "not copied like this"
    [ "$(sed 1,2d fstab)" = "$(printf "10.0.0.1%d:/data $PWD/m%d nfs \
vers=3,x-ingestor,_netdev,nofail 0 0\n" 1 1 2 2 3 3)" ] || fail "not these lines in fstab"
    before=$(stat -c %i%y fstab && cat /proc/self/mounts)
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-13 --on-dead=skip -- -j 4
    expect_status 0
    expect_out "the copy is done already"
    [ "$(stat -c %i%y fstab && cat /proc/self/mounts)" = "$before" ] || fail "done twice"
    ! grep -v -e '^mount .*10.0.0.13' -e '^umount .*m3$' calls || fail "something was called again"

    # At boot it waits for systemd, which has fstab.
    umount m1
    stub real/systemd-escape <<<"echo \"\$3\""
    stub real/systemctl <<<"[ \"\$2\" != $PWD/m1 ] || mount -t nfs -o - 10.0.0.11:/data \"\$2\""
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11-12 -- -j 4
    expect_status 0
    [ "$(grep '^mount ' calls)" = "mount -t nfs -o - 10.0.0.11:/data $PWD/m1" ] ||
        fail "it has mounted by itself"

    # Fewer mounts: the lines of the others go. At a mount point is something else: it stays.
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11
    expect_status 0
    [ "$(sed 1,2d fstab | cut -d ' ' -f 1)" = 10.0.0.11:/data ] || fail "more lines than mounts"
    cp fstab fstab.mine
    bootstrap real:/usr/local/bin "${all[@]}" --servers=10.0.0.11,10.0.0.14
    expect_status 1
    expect_err "ingestor-bootstrap: mount: at $PWD/m2 is 10.0.0.12:/data, not 10.0.0.14:/data"
    grep -q " $PWD/m2 " /proc/self/mounts || fail "it is not there any more"
    cmp fstab fstab.mine || fail "fstab is another one"
    umount m1 m2
    rm -rf real pid m[0-9] fstab* journal* log /usr/local/bin/pcopy
}

# The program is installed there.
can_mount=
if ! is_root; then
    skip_part 'mounting needs root'
elif ! mount -t tmpfs tmpfs /usr/local/bin; then
    skip_part 'cannot mount here'
else
    can_mount=yes
fi
# In Fedora sh is bash.
for shell in dash 'busybox sh' 'bash --posix'; do
    read -r -a shell <<<"$shell"
    if ! type -P "${shell[0]}" >/dev/null; then
        skip_part "${shell[0]} is not installed"
        continue
    fi
    shell[0]=$(type -P "${shell[0]}")
    refusals
    dry_runs
    [ -z "$can_mount" ] || real_runs
done

# ---- user-data for cloud-init, by the command that the example names

[ -z "$can_mount" ] || umount /usr/local/bin
if ! python3 -c 'import yaml' 2>/dev/null; then
    skip 'python3 has no yaml'
fi
cp "$examples/cloud-init.yaml" "$bootstrap" .
making=$(sed -n 's/^#  *\(sed .*\)/\1/p' cloud-init.yaml)
bash -c "$making" || fail "the command of the example fails"
[ "$(wc -c <user-data)" -le 16384 ] || fail "the user-data are too long for some clouds"
python3 - user-data <<'END' || fail "cloud-init would not take this"
import base64, gzip, sys, yaml
text = open(sys.argv[1]).read()
assert text.startswith("#cloud-config\n")
files = yaml.safe_load(text)["write_files"]
assert all(f["permissions"] == "0755" for f in files)
script, caller = (f["content"] for f in files)
assert files[0]["encoding"] == "gz+b64"
assert gzip.decompress(base64.b64decode(script)) == open("ingestor-bootstrap.sh", "rb").read()
assert files[0]["path"] in caller and "/cloud/scripts/per-boot/" in files[1]["path"]
open("caller", "w").write(caller.replace(files[0]["path"], "./ingestor-bootstrap.sh --dry-run"))
END
chmod 755 ingestor-bootstrap.sh
run env PATH="$PWD/debian:$PWD/fedora" sh caller
expect_status 0
expect_out "-M /mnt/src1 -j 64 --exclude=.snapshot -- . archive"
