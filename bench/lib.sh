# shellcheck shell=bash disable=SC2034 # variables of the scripts that source this
# What the benchmarks on local file systems share. Wants a mount namespace of its own.

die() {
    echo "bench/${0##*/}: $*" >&2
    exit 1
}

is_number() {
    [[ $1 =~ ^[1-9][0-9]*$ ]] || die "not a number: '$1'"
}

# In MiB.
available_memory() {
    awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo
}

# ---- file systems

# Makes `work`, a tmpfs. Below it lie the source, the image and the mount point of the file system
# that is measured.
enter_work() {
    work=$(mktemp -d) || exit 1
    trap leave_work EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    mount -t tmpfs -o size=100%,nr_inodes=0 pcopy-bench "$work" || exit 1
    mkdir "$work/source" "$work/mnt"
}

leave_work() {
    umount -R "$work" 2>/dev/null || umount -R -l "$work"
    rmdir "$work"
}

# make_file_system FS MEBIBYTES: mounts a new one on $work/mnt.
make_file_system() {
    local image=$work/image
    truncate -s "${2}M" "$image"
    case $1 in
    tmpfs) mount -t tmpfs -o size=100%,nr_inodes=0 pcopy-bench "$work/mnt" && return ;;
    ext4) mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$image" ;;
    xfs) mkfs.xfs -q -f "$image" ;;
    esac && mount -o loop "$image" "$work/mnt" && return
    die "cannot make $1"
}

remove_file_system() {
    umount "$work/mnt"
    rm -f "$work/image"
}

# ---- a quiet machine

busy_ticks() {
    awk '$1 == "cpu" { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

# Waits, five seconds at most, for a fifth of a second in which the processors do next to nothing.
runs=0
runs_on_busy_machine=0
wait_for_idle() {
    local before i
    ((runs++))
    for ((i = 0; i < 25; i++)); do
        before=$(busy_ticks)
        sleep 0.2
        (($(busy_ticks) - before <= 4)) && return
    done
    ((runs_on_busy_machine++))
}

print_busy() {
    echo "$runs_on_busy_machine of $runs runs began on a machine that was busy with something else."
}

# ---- numbers, with a fixed point

# Microseconds as seconds.
seconds() {
    printf '%d.%03d' $(($1 / 1000000)) $(($1 / 1000 % 1000))
}

quotient() {
    local hundredths=$((${2:-0} ? (100 * ${1:-0} + ${2:-0} / 2) / ${2:-1} : 0))
    ((hundredths)) || { printf -- '-' && return; }
    printf '%d.%02d' $((hundredths / 100)) $((hundredths % 100))
}

# median_of NUMBERS: one a line.
median_of() {
    local sorted n
    mapfile -t sorted < <(sort -n <<<"${1%$'\n'}")
    n=${#sorted[@]}
    echo $(((sorted[(n - 1) / 2] + sorted[n / 2]) / 2))
}

# ---- what a table is about

# print_machine COPIER...: and the versions of these.
print_machine() {
    local system version copier
    system=$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)
    echo "- $(date -u '+%Y-%m-%d %H:%M UTC'), $system, Linux $(uname -r)," \
        "load $(cut -d ' ' -f 1-3 /proc/loadavg)"
    echo "- $(nproc) x $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)," \
        "$(awk '$1 == "MemTotal:" { print int($2 / 1024) }' /proc/meminfo) MiB"
    for copier; do
        version=$("$copier" --version 2>/dev/null | head -n 1) && echo "- $version"
    done
}
