#!/bin/sh
# ingestor-bootstrap.sh OPTION... [-- OPTION-OF-PCOPY...]: makes a machine that has booted one that
# takes in data over several mounts of one NFS export. Installs the NFS client and pcopy, mounts
# every address, checks with `pcopy --explain`, writes fstab, and starts the first copy in the
# background: it copies (-a), then compares all once more (--verify).
#   --servers=LIST      addresses of the server, with commas between them: names, 10.0.0.11,
#                       [fd00::11] and ranges, 10.0.0.11-18 or 10.0.0.250-10.0.1.5
#   --export=PATH       what they export
#   --vers=V            NFS version: 3, 4.0, 4.1 or 4.2 (3)
#   --options=O         more mount options
#   --mounts=N          mounts; they go round the addresses (one for each)
#   --at=PREFIX         the mount points are PREFIX1, PREFIX2, ... (/mnt/dst)
#   --wait=SECONDS      for an address to be mounted (30)
#   --on-dead=WHAT      if it is not then: stop, or skip it (stop)
#   --pcopy=WHERE       where to take pcopy from if there is none: a deb, an rpm or the program, as
#                       a file or a URL; or a directory with the sources
#   --source=WHAT       what to copy: a path, or LIST:/EXPORT, which is mounted read-only
#   --source-at=PREFIX  the mount points of that (/mnt/src)
#   --destination=DIR   where to, relative to the export
#   --start             start the copy
#   --journal=FILE      what is finished (/var/lib/pcopy/ingest.journal)
#   --log-file=FILE     what pcopy says (/var/log/pcopy-ingest.log)
#   --fstab=FILE        where the mounts are written to (/etc/fstab)
#   --dry-run           change nothing, print what would be done
# Each can be given by the environment instead: --on-dead=skip is INGESTOR_ON_DEAD=skip, and --start
# INGESTOR_START=yes.
#
# Run again it does what is not done yet, and goes on with a copy that was ended. What fails is
# named with its step, and what this run has mounted and written to fstab is taken back.
set -u
export LC_ALL=C
umask 022

servers=${INGESTOR_SERVERS-}
exported=${INGESTOR_EXPORT-}
vers=${INGESTOR_VERS:-3}
options=${INGESTOR_OPTIONS-}
mounts=${INGESTOR_MOUNTS-}
at=${INGESTOR_AT:-/mnt/dst}
wait=${INGESTOR_WAIT:-30}
on_dead=${INGESTOR_ON_DEAD:-stop}
pcopy_from=${INGESTOR_PCOPY-}
source=${INGESTOR_SOURCE-}
source_at=${INGESTOR_SOURCE_AT:-/mnt/src}
destination=${INGESTOR_DESTINATION-}
start=${INGESTOR_START-}
journal=${INGESTOR_JOURNAL:-/var/lib/pcopy/ingest.journal}
log_file=${INGESTOR_LOG_FILE:-/var/log/pcopy-ingest.log}
fstab=${INGESTOR_FSTAB:-/etc/fstab}
dry_run=${INGESTOR_DRY_RUN-}

# What this run has done and would take back: the mounts and directories, the last one first.
work='' mounted='' made='' fstab_written='' copy=''

say() {
    printf 'ingestor-bootstrap: %s\n' "$*"
}

fail() {
    say "$step: $*" >&2
    exit 1
}

# shellcheck disable=SC2317 # called by the trap
clean_up() {
    status=$?
    trap '' HUP INT TERM
    if [ $status != 0 ]; then
        if [ -n "$copy" ]; then
            # It leads a group of its own.
            kill -- "-$copy"
            wait "$copy"
        fi 2>/dev/null
        [ -z "$fstab_written" ] || write_fstab "$work/fstab.old"
        for dir in $mounted; do
            umount "$dir" || say "cannot unmount $dir again" >&2
        done
        for dir in $made; do
            rmdir "$dir"
        done 2>/dev/null
    fi
    [ -z "$work" ] || rm -rf "$work"
}

# quoted WORD...: as a shell would take them, a blank before each.
quoted() {
    for word; do
        case $word in
        '' | *[!A-Za-z0-9_./:=,@%+-]*)
            printf " '%s'" "$(printf '%s\n' "$word" | sed "s/'/'\\\\''/g")"
            ;;
        *) printf ' %s' "$word" ;;
        esac
    done
}

# run COMMAND...: with --dry-run it is only printed.
run() {
    if [ -n "$dry_run" ]; then
        say "would run:$(quoted "$@")"
    else
        "$@"
    fi
}

# --- arguments ---

# number A.B.C.D: the address as a number. Fails if it is none.
number() (
    case $1 in
    *[!0-9.]* | *.) exit 1 ;;
    esac
    IFS=.
    # shellcheck disable=SC2086 # is to be split
    set -- $1
    [ $# = 4 ] || exit 1
    sum=0
    for part; do
        case $part in
        '' | 0?* | ????*) exit 1 ;;
        esac
        [ "$part" -le 255 ] || exit 1
        sum=$((sum * 256 + part))
    done
    echo $sum
)

# expand LIST: its addresses, one a line.
expand() (
    IFS=,
    set -f
    for item in $1; do
        case $item in
        '[]' | '['*[!0-9A-Za-z:.%_-]*']') fail "'$item' is no IPv6 address" ;;
        '['*:*']') echo "$item" ;;
        *:*) fail "'$item' is no address; IPv6 is written [fd00::11]" ;;
        *[!0-9.-]*)
            case $item in
            -* | *[!A-Za-z0-9._-]*) fail "'$item' is no address" ;;
            esac
            echo "$item"
            ;;
        *)
            first=${item%%-*} last=${item#*-}
            case $last in
            *.*) ;;
            *) last=${first%.*}.$last ;;
            esac
            if ! from=$(number "$first") || ! to=$(number "$last"); then
                fail "'$item' is no address and no range like 10.0.0.11-18"
            fi
            [ "$from" -le "$to" ] || fail "the range '$item' ends before it begins"
            [ $((to - from)) -lt 256 ] || fail "the range '$item' has more than 256 addresses"
            while [ "$from" -le "$to" ]; do
                echo "$((from >> 24)).$((from >> 16 & 255)).$((from >> 8 & 255)).$((from & 255))"
                from=$((from + 1))
            done
            ;;
        esac
    done
)

# addresses OPTION LIST: the same, and there is one, and none twice.
addresses() (
    list=$(expand "$2") || exit
    [ -n "$list" ] || fail "$1 names no address"
    twice=$(printf '%s\n' "$list" | sort | uniq -d)
    [ -z "$twice" ] || fail "$1 has one twice; several mounts of it are --mounts=N:" "$twice"
    echo "$list"
)

# check_path OPTION PATH: it goes into fstab, and into a list with commas.
check_path() {
    case $2 in
    *[[:space:]]* | *[\\\#,\'\"]*) fail "$1=$2: no blanks, commas, quotes, backslashes and #" ;;
    /*) ;;
    *) fail "$1=$2 does not begin with a slash" ;;
    esac
}

step=arguments
while [ $# -gt 0 ]; do
    case $1 in
    --servers=*) servers=${1#*=} ;;
    --export=*) exported=${1#*=} ;;
    --vers=*) vers=${1#*=} ;;
    --options=*) options=${1#*=} ;;
    --mounts=*) mounts=${1#*=} ;;
    --at=*) at=${1#*=} ;;
    --wait=*) wait=${1#*=} ;;
    --on-dead=*) on_dead=${1#*=} ;;
    --pcopy=*) pcopy_from=${1#*=} ;;
    --source=*) source=${1#*=} ;;
    --source-at=*) source_at=${1#*=} ;;
    --destination=*) destination=${1#*=} ;;
    --start) start=yes ;;
    --journal=*) journal=${1#*=} ;;
    --log-file=*) log_file=${1#*=} ;;
    --fstab=*) fstab=${1#*=} ;;
    --dry-run) dry_run=yes ;;
    --help)
        sed -n '2,/^set -u/s/^# \{0,1\}//p' "$0"
        exit
        ;;
    --)
        shift
        break
        ;;
    *) fail "unknown option '$1'. --help lists them; those of pcopy go behind --" ;;
    esac
    shift
done

case $start:$dry_run in
: | yes: | :yes | yes:yes) ;;
*) fail "INGESTOR_START and INGESTOR_DRY_RUN are yes or not set" ;;
esac
[ -n "$servers" ] || fail "--servers=LIST is missing: the addresses of the server, 10.0.0.11-18"
[ -n "$exported" ] || fail "--export=PATH is missing: what the server exports"
servers=$(addresses --servers "$servers") || exit
check_path --export "$exported"
check_path --at "$at"
case $vers in
3 | 4.[012]) ;;
*) fail "--vers=$vers: there are 3, 4.0, 4.1 and 4.2" ;;
esac
case $options in
*[[:space:]]* | *[\\\#\'\"]*) fail "--options=$options: no blanks, quotes, backslashes and #" ;;
esac
for n in "${mounts:-1}" "$wait"; do
    case $n in
    '' | 0* | *[!0-9]* | ????*) fail "--mounts and --wait are numbers from 1 to 999, unlike '$n'" ;;
    esac
done
case $on_dead in
stop | skip) ;;
*) fail "--on-dead=$on_dead: there are stop and skip" ;;
esac
sources=
case $source in
'') ;;
/*) [ -e "$source" ] || fail "--source=$source does not exist" ;;
*:/*)
    sources=$(addresses --source "${source%%:/*}") || exit
    source_export=/${source#*:/}
    check_path --source "$source_export"
    check_path --source-at "$source_at"
    [ "$source_at" != "$at" ] || fail "--source-at and --at are the same"
    ;;
*) fail "--source=$source is no path that begins with a slash, and not LIST:/EXPORT" ;;
esac
if [ -n "$source" ] || [ -n "$start" ]; then
    [ -n "$source" ] || fail "--source=WHAT is missing: what to copy"
    [ -n "$destination" ] || fail "--destination=DIR is missing: where to, below the export"
fi
for file in "$journal" "$log_file" "$fstab"; do
    case $file in
    /*) ;;
    *) fail "'$file' does not begin with a slash" ;;
    esac
done
[ -n "$dry_run" ] || [ "$(id -u)" = 0 ] || fail "only root can mount; --dry-run works without"

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
work=$(mktemp -d) || fail "cannot make a temporary directory"

# --- packages ---

# install_package DEBIAN RPM: names of packages, or the path of one, for either kind of system.
install_package() {
    if command -v apt-get >/dev/null; then
        # A machine that has just booted may have no lists, and may be installing on its own.
        run apt-get -q update || say "going on with the package lists that are there"
        run env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
            install -y --no-install-recommends "$1"
    elif command -v dnf >/dev/null; then
        run dnf -q -y install "$2"
    else
        fail "neither apt-get nor dnf is here; install $2 by hand"
    fi || fail "$1 cannot be installed"
}

download() {
    if command -v curl >/dev/null; then
        run curl -fsSL -o "$2" "$1"
    elif command -v wget >/dev/null; then
        run wget -q -O "$2" "$1"
    else
        fail "neither curl nor wget is here"
    fi || fail "cannot download $1"
}

build_pcopy() {
    run "$1/scripts/install-deps" build &&
        run cmake -S "$1" --preset release -DPCOPY_TESTS=OFF -DPCOPY_BENCH=OFF &&
        run cmake --build "$1/build/release" &&
        run cmake --install "$1/build/release" --strip
}

install_pcopy() {
    file=$pcopy_from
    case $file in
    '') fail "there is none; --pcopy=WHERE says where to take it from" ;;
    http://* | https://*)
        # What follows a question mark is for the server.
        file=${file%%\?*}
        file=$work/${file##*/}
        download "$pcopy_from" "$file"
        ;;
    *)
        [ -e "$file" ] || fail "--pcopy=$file does not exist"
        [ "${file#/}" != "$file" ] || file=$PWD/$file
        ;;
    esac
    case $file in
    *.deb | *.rpm) install_package "$file" "$file" ;;
    *)
        if [ -d "$file" ]; then
            build_pcopy "$file"
        else
            run install -D -m 755 "$file" /usr/local/bin/pcopy
        fi || fail "cannot be had from $file"
        ;;
    esac
    [ -n "$dry_run" ] || pcopy --version || fail "$pcopy_from gives no pcopy that runs from $PATH"
}

# --- mounts ---

# nfs_options ADDRESSES MOUNTS, both numbers: what lets that many mounts work in parallel. They go
# before the options that were given, which count.
nfs_options() {
    all=vers=$vers
    each=$((($2 + $1 - 1) / $1))
    case $vers in
    4.[12])
        # The client sees that it is one server: one superblock and one connection for all.
        [ "$2" = 1 ] || all=$all,nosharecache
        [ "$1" = 1 ] || all=$all,max_connect=$(($1 < 16 ? $1 : 16))
        ;;
    *) [ $each = 1 ] || all=$all,nosharecache ;;
    esac
    [ $each = 1 ] || all=$all,nconnect=$((each < 16 ? each : 16))
    all=$all${options:+,$options}
}

# mounted_at DIRECTORY: prints what is.
mounted_at() {
    awk -v dir="$1" '$2 == dir { source = $1 } END { print source }' /proc/self/mounts
}

# mount_one SOURCE DIRECTORY OPTIONS: true if it is mounted, now or before; else `problem` says why
# not. Something else that is mounted there is nobody's wish.
mount_one() {
    there=$(mounted_at "$2")
    if [ -z "$there$dry_run" ] && command -v systemctl >/dev/null; then
        # At boot systemd may be about to mount it, as fstab says; then it is not to be done twice.
        timeout "$wait" systemctl start "$(systemd-escape -p --suffix=mount "$2")" 2>/dev/null
        there=$(mounted_at "$2")
    fi
    case $there in
    "$1")
        timeout "$wait" stat -f "$2" >/dev/null 2>&1 && return
        problem="is mounted at $2, but says nothing"
        return 1
        ;;
    ?*) fail "at $2 is $there, not $1" ;;
    esac
    if [ ! -d "$2" ]; then
        run mkdir -p "$2" || fail "cannot make $2"
        made="$2 $made"
    fi
    # In fstab without retry=0: at the next boot the server may be late.
    if [ -n "$dry_run" ]; then
        run mount -t nfs -o "retry=0,$3" "$1" "$2"
    else
        problem=$(timeout "$wait" mount -t nfs -o "retry=0,$3" "$1" "$2" 2>&1)
        status=$?
        if [ $status != 0 ]; then
            [ $status != 124 ] || problem="no answer in $wait seconds"
            umount "$2" 2>/dev/null # it may have been too late by a little
            return 1
        fi
    fi
    mounted="$2 $mounted"
}

# mount_all ADDRESSES EXPORT PREFIX NUMBER OPTIONS: sets `points`, the mount points with commas, and
# adds to the lines for fstab.
mount_all() {
    points='' dead='' n=0
    while [ $n -lt "$4" ]; do
        for address in $1; do
            [ $n -lt "$4" ] || break
            n=$((n + 1))
            echo "$address:$2 $3$n nfs $5,x-ingestor,_netdev,nofail 0 0" >>"$work/lines"
            case $dead in
            *" $address "*) ;;
            *)
                if mount_one "$address:$2" "$3$n" "$5"; then
                    points=$points${points:+,}$3$n
                    continue
                fi
                dead="$dead $address "
                [ "$on_dead" = skip ] || fail "$address:$2: $problem"
                say "going on without $address:$2: $problem"
                ;;
            esac
        done
    done
    [ -n "$points" ] || fail "no address is left"
}

# write_fstab FILE: becomes fstab, at once or not at all.
write_fstab() {
    { [ -e "$fstab" ] || : >"$fstab"; } && cp -p "$fstab" "$fstab.ingestor" &&
        cat "$1" >"$fstab.ingestor" && mv "$fstab.ingestor" "$fstab" || return
    ! command -v systemctl >/dev/null || systemctl daemon-reload 2>/dev/null || :
}

# Lines with x-ingestor are ours: each is replaced where it is, or goes with its mount point. A line
# of somebody else for a mount point stays, if it says the same.
make_fstab() {
    awk -v fstab="$fstab" -v at="$at" -v source_at="${sources:+$source_at}" '
    function numbered(dir, prefix) {
        return prefix != "" && index(dir, prefix) == 1 &&
            substr(dir, length(prefix) + 1) ~ /^[0-9]+$/
    }
    FNR == NR { dirs[++n] = $2; source[$2] = $1; line[$2] = $0; next }
    /^[ \t]*#/ { print; next }
    $4 ~ /(^|,)x-ingestor(,|$)/ && (numbered($2, at) || numbered($2, source_at)) {
        if ($2 in line && !($2 in put))
            print line[$2]
        put[$2] = 1
        next
    }
    $2 in line {
        if ($1 != source[$2]) {
            print fstab " has " $1 " for " $2 ", not " source[$2] >"/dev/stderr"
            exit 1
        }
        put[$2] = 1
    }
    { print }
    END {
        for (i = 1; i <= n; i++)
            if (!(dirs[i] in put))
                print line[dirs[i]]
    }' "$work/lines" "$work/fstab.old"
}

# --- the copy ---

# start_copy COMMAND...: in the background, away from this process and its terminal. Sees it through
# its first seconds: `copy_status` is "running", or how it has ended, and `said` what it has said.
start_copy() {
    [ -e "$log_file" ] || : >>"$log_file"
    lines=$(wc -l <"$log_file")
    # shellcheck disable=SC2016 # for the shell that is started
    setsid sh -c '
        mark=$1 done=$2 log=$3
        shift 3
        trap : TERM # ends when pcopy has
        "$@" || exit
        echo "$(date "+%Y-%m-%d %H:%M:%S") ingestor: copied, then verified in a second pass" >>"$log"
        printf "%s\n" "$mark" >"$done"
    ' sh "$mark" "$journal.done" "$log_file" "$@" </dev/null >/dev/null 2>&1 &
    copy=$! copy_status=running
    for _ in 1 2 3; do
        sleep 1
        if ! kill -0 $copy 2>/dev/null; then
            wait $copy
            copy_status=$? copy=''
            break
        fi
    done
    said=$(tail -n +$((lines + 1)) "$log_file")
}

# ---

step="NFS client"
command -v mount.nfs >/dev/null || install_package nfs-common nfs-utils

step=pcopy
command -v pcopy >/dev/null || install_pcopy

step=mount
source_points=
if [ -n "$sources" ]; then
    n=$(echo "$sources" | wc -l)
    nfs_options "$n" "$n"
    mount_all "$sources" "$source_export" "$source_at" "$n" "$all,ro"
    source_points=$points
fi
n=$(echo "$servers" | wc -l)
nfs_options "$n" "${mounts:-$n}"
mount_all "$servers" "$exported" "$at" "${mounts:-$n}" "$all"

# What a copy that is done is known by, for the next run.
mark=$(quoted "$@" "$source" "$servers:$exported" "$destination")
if [ -n "$source_points" ]; then
    set -- -M "$source_points" "$@" -- .
else
    set -- "$@" -- "${source:-$work}"
fi
set -- -a -m "$points" "$@" "${destination:-.}"

# What was mounted before was checked then. The check makes and removes files, so it would change
# the time of a directory that was copied.
step=check
if [ -n "$mounted" ]; then
    run pcopy --explain "$@" >"$work/explained" || fail "pcopy refuses these mounts"
    cat "$work/explained"
    ! grep -q 'refuse to copy:' "$work/explained" || fail "pcopy would refuse to copy"
fi

step=fstab
cat "$fstab" >"$work/fstab.old" 2>/dev/null
make_fstab >"$work/fstab.new" || fail "nothing is changed there"
if cmp -s "$work/fstab.old" "$work/fstab.new"; then
    :
elif [ -n "$dry_run" ]; then
    say "would have in $fstab:"
    cat "$work/lines"
else
    fstab_written=yes
    write_fstab "$work/fstab.new" || fail "cannot write $fstab"
fi
[ -n "$dry_run" ] || say "mounted: $points${source_points:+, to be read: $source_points}"

step=copy
[ -n "$source" ] || exit 0
set -- pcopy -q --verify --journal="$journal" --log-file="$log_file" "$@"
if [ -z "$start" ]; then
    say "to copy:$(quoted "$@")"
    exit 0
fi
if [ "$(cat "$journal.done" 2>/dev/null)" = "$mark" ]; then
    say "the copy is done already, as $journal.done says"
    exit 0
fi
if [ -n "$dry_run" ]; then
    say "would run in the background:$(quoted "$@")"
    exit 0
fi
mkdir -p "$(dirname "$journal")" "$(dirname "$log_file")" || fail "no place for journal and log"
start_copy "$@"
case $copy_status:$said in
3:*'journal of another run: with '*mounts=*)
    say "other mounts than before: what was finished is looked at again"
    rm -f "$journal"
    start_copy "$@"
    ;;
esac
case $copy_status:$said in
running:*) say "the copy is running; the log is $log_file" ;;
0:* | 2[0345]:* | 30:*) say "the copy has ended with status $copy_status; the log is $log_file" ;;
3:*'another pcopy has the journal'*) say "the copy is running already; the log is $log_file" ;;
1:)
    # Words that it does not know it tells of before it opens the log.
    "$@"
    fail "pcopy does not take these options"
    ;;
*) fail "pcopy has ended with status $copy_status: $said" ;;
esac
copy=
