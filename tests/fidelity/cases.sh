# shellcheck shell=bash disable=SC2034,SC2154,SC2317 # called through names; variables of run
# The cases: what a copy must keep, and what it must never touch. Sourced by run, which has what is
# called here besides tests/cli/lib.sh: copy, set_command, is_pcopy, need_*, not_for.
#
# A case is a property (name and what holds, in one line) and a function case_NAME. It starts in an
# empty directory, makes `src` and perhaps `dst`, copies, and calls fail if the property does not
# hold. It contains nothing but its property: one copier's other gaps must not decide it.

cases=()
declare -A about
property() {
    cases+=("$1")
    about[$1]=$2
}

# copies [OPTION]...: copy, and all must be well.
copies() {
    copy "$@"
    expect_status 0
    if is_pcopy; then
        expect_no_err
    fi
}

# What an error of single entries looks like: pcopy's status is told, of others only that it is one.
expect_partial() {
    if is_pcopy; then
        expect_status 23
    else
        [ "$status" != 0 ] || fail "exit status 0 in spite of an error"
    fi
}

# An outside that nobody may touch, and its picture.
make_outside() {
    mkdir -p outside/dir
    echo precious >outside/file
    echo precious >outside/dir/file
    outside=$(cd outside && picture)
}

expect_outside_untouched() {
    [ "$(cd outside && picture)" = "$outside" ] || fail "something outside was touched"
}

inode() {
    stat -c %i -- "$1"
}

# Gives all of src times of its own, the innermost first. ctime is not to be had, and need not.
age() {
    find src -depth -exec touch -h -d @1234567890.123456789 {} +
}

# ---- data

property bytes 'data of files of all sizes'
case_bytes() {
    local size
    mkdir src
    for size in 0 1 511 4095 4096 4097 65537 131072 1048575 1048577 5000001; do
        make_file "src/$size" "$size"
    done
    head -c 300000 /dev/zero >src/zeros
    copies
    same src dst names,bytes
}

property holes 'holes, also beyond 4 GiB'
case_holes() {
    mkdir src
    make_sparse src/all_hole 1000000
    make_sparse src/middle 3000000 1500000
    make_sparse src/at_end 3000000 0
    make_sparse src/at_start 3000000 2995000
    make_sparse src/many 30000000 0 2000000 4000000 6000000 8000000 10000000 12000000
    make_sparse src/large 4300000000 4299990000
    [ "$(stat -c %b src/middle)" -lt 1000 ] || skip 'no holes here'
    # NFS before 4.2 has holes, but does not tell where.
    perl -e 'open(my $f, "<", "src/all_hole"); exit(sysseek($f, 0, 3) ? 1 : 0)' ||
        skip 'holes are not told here'
    copies
    same src dst names,bytes
    # What XFS allocates ahead, and what is not yet written, must not decide.
    sync -f dst
    local name blocks
    for name in all_hole middle at_end at_start many large; do
        # A tenth of the size may be there without need.
        blocks=$(($(stat -c %b "src/$name") + $(stat -c %s "src/$name") / 5120))
        [ "$(stat -c %b "dst/$name")" -le $blocks ] ||
            fail "$name has $(stat -c %b "dst/$name") blocks, not $(stat -c %b "src/$name")"
    done
}

# ---- mode and owner

property mode 'mode, with setuid, setgid and sticky bit'
case_mode() {
    local mode
    mkdir src
    for mode in 0000 0001 0444 0600 0644 0666 0777 1644 2755 2644 4755 6711 7777; do
        echo "$mode" >"src/$mode"
        mkdir "src/d$mode"
        echo "$mode" >"src/d$mode/file"
        chmod "$mode" "src/$mode" "src/d$mode"
    done
    if ! is_root; then
        chmod u+r src/*
        chmod u+rwx src/d*
    fi
    # Not a bit of the umask is left in what is kept.
    umask 077
    copies
    same src dst names,mode
}

property owner 'owner and group, up to 4294967294'
case_owner() {
    local id
    need_root
    mkdir src
    for id in 0 1 65533 65535 65536 2147483647 2147483648 4294967294; do
        echo "$id" >"src/$id"
        chown "$id:7" "src/$id"
        mkdir "src/d$id"
        chown "7:$id" "src/d$id"
    done
    copies
    same src dst names,owner
}

property setuid_owner 'setuid and setgid of files of another owner'
case_setuid_owner() {
    need_root
    mkdir src
    echo uid >src/uid
    echo gid >src/gid
    echo both >src/both
    chown 1234:5678 src/*
    chmod 4711 src/uid
    chmod 2755 src/gid
    chmod 6750 src/both
    copies
    same src dst names,mode,owner
}

property setgid_parent 'group and mode below a setgid directory of the destination'
case_setgid_parent() {
    need_root
    mkdir -p src/dir/sub dst
    echo file >src/file
    echo file >src/dir/sub/file
    mkfifo src/dir/fifo
    chown 0:99 dst
    chmod 2775 dst
    copies
    same src/dir dst/dir names,mode,owner
    same src/file dst/file mode,owner
}

# ---- times

property mtime 'mtime of files in nanoseconds, before 1970 and after 2038'
case_mtime() {
    local time
    mkdir src
    for time in -2147483648 -86400.000000001 -1.5 -0.000000001 0 0.000000001 1.999999999 \
        1000000000.123456789 2147483647.999999999 2147483648 4294967296.5 9999999999.000000999; do
        echo "$time" >"src/$time"
        touch -d "@$time" "src/$time"
    done
    touch -d @1234567890 src
    copies
    same src dst names,mtime
}

property mtime_dirs 'mtime of directories'
case_mtime_dirs() {
    local dir n=0
    mkdir -p src/a/b/c/d/e src/empty
    mkdir src/wide{1..50}
    touch src/a/b/c/file src/wide{1..50}/file
    while IFS= read -r -d '' dir; do
        n=$((n + 1))
        touch -d "@$((1400000000 + n)).$((100000000 + n))" "./$dir"
    done < <(find src -depth -type d -print0)
    copies
    same src dst names,mtime
    # A second run finds them complete, or completes them.
    copies
    same src dst names,mtime
}

# relatime leaves a time of access alone that lies in the future, but not by a day.
property atime 'atime of files and directories in nanoseconds'
case_atime() {
    local entry n=0 now
    now=$(date +%s)
    mkdir -p src/dir
    make_file src/file 5000
    make_file src/dir/file 500000
    : >src/empty
    ln -s file src/symlink
    for entry in src/dir/file src/dir src/file src/empty src; do
        n=$((n + 1))
        touch -m -d @1234567890.5 $entry
        touch -a -d "@$((now + 3600 + n)).$((123456780 + n))" $entry
    done
    (cd src && stat -c '%n %x' dir/file dir file empty .) >want
    copies
    (cd dst && stat -c '%n %x' dir/file dir file empty .) >got
    cmp -s want got || fail "atimes differ: $(diff want got | head -n 4 | tr '\n' ' ')"
}

# ---- symbolic links and special files

property symlinks 'targets of symbolic links, whatever they are'
case_symlinks() {
    mkdir -p src/dir
    echo file >src/file
    ln -s file src/to_file
    ln -s dir src/to_dir
    ln -s nowhere src/dangling
    ln -s /etc/passwd src/absolute
    ln -s .. src/up
    ln -s loop src/loop
    ln -s $'new\nline \xff\xfe' $'src/not utf-8 \xff\n'
    ln -s "$(printf 'long/%.0s' {1..200})" src/long
    # 4095 bytes are what Linux allows; not every file system does.
    ln -s "$(printf '%04095d' 0)" src/longest 2>/dev/null || rm -f src/longest
    copies
    same src dst names,bytes
}

property symlink_owner 'owner of symbolic links'
case_symlink_owner() {
    need_root
    mkdir src
    ln -s nowhere src/dangling
    ln -s . src/dir
    chown -h 1234:5678 src/dangling src/dir
    copies
    same src dst names,owner
}

property symlink_times 'mtime of symbolic links'
case_symlink_times() {
    mkdir src
    ln -s nowhere src/dangling
    ln -s . src/dir
    touch -h -d @1234567890.987654321 src/dangling
    touch -h -d @-5.5 src/dir
    touch -d @1234567890 src
    copies
    same src dst names,mtime
}

property hard_links 'hard links between files, also between many'
case_hard_links() {
    mkdir -p src/a src/b/c
    make_file src/a/one 5000
    # So many that a copier that cuts the tree into lists has cut here.
    perl -e 'for (1 .. 2000) {
        link "src/a/one", "src/a/one$_" and link "src/a/one", "src/b/c/one$_" or die $!
    }' || skip 'no hard links here'
    : >src/empty
    ln src/empty src/b/empty
    # The same bytes, and still another file.
    cp -p src/a/one src/b/copy
    ln src/b/copy src/b/c/copy
    copies
    same src dst names,bytes,links
}

property hard_links_special 'hard links between symbolic links and special files'
case_hard_links_special() {
    mkdir -p src/dir
    ln -s nowhere src/symlink
    mkfifo src/fifo
    make_socket src/socket
    ln src/symlink src/dir/symlink
    ln src/fifo src/dir/fifo
    ln src/socket src/dir/socket
    if is_root; then
        mknod src/null c 1 3
        ln src/null src/dir/null
    fi
    [ "$(stat -c %h src/symlink)" = 2 ] || skip 'no hard links to symbolic links here'
    copies
    same src dst names,links
}

property fifos 'FIFOs, with mode, owner and mtime'
case_fifos() {
    mkdir src
    mkfifo -m 640 src/fifo
    mkfifo -m 777 src/open
    ! is_root || chown 1234:5678 src/fifo
    age
    touch -d @1111111111.000000001 src/fifo
    copies
    same src dst names,mode,owner,mtime
}

property sockets 'sockets, with mode, owner and mtime'
case_sockets() {
    mkdir src
    make_socket src/socket
    chmod 640 src/socket
    ! is_root || chown 1234:5678 src/socket
    age
    touch -d @1111111111.000000001 src/socket
    copies
    same src dst names,mode,owner,mtime
}

property devices 'devices, with mode, owner and mtime'
case_devices() {
    need_root
    mkdir src
    mknod -m 600 src/null c 1 3 || skip 'no devices here'
    mknod -m 660 src/block b 7 250
    mknod -m 444 src/large b 2000 300000
    chown 1234:5678 src/block
    age
    touch -d @1111111111.000000001 src/block
    copies
    same src dst names,bytes,mode,owner,mtime
}

# ---- ACLs and extended attributes

property acl_access 'access ACLs of files and directories'
case_acl_access() {
    need_acl
    mkdir -p src/dir
    echo file >src/file
    echo file >src/none
    setfacl -m u:12345:rw,g:54321:r,m::rw src/file
    setfacl -m u:12345:rwx,g:4294967294:-,o::- src/dir
    copies
    same src dst names,mode,acl
}

property acl_default 'default ACLs of directories'
case_acl_default() {
    need_acl
    mkdir -p src/dir/sub
    setfacl -d -m u:12345:rx,g:54321:rwx src/dir
    # What was there before keeps its own, what was made afterwards has inherited some.
    echo file >src/dir/file
    mkdir src/dir/later
    copies
    same src dst names,mode,acl
}

# XFS shows root its ACLs a second time, as trusted.SGI_ACL_FILE: elsewhere that is litter.
property acl_other_fs 'ACLs on a file system of another kind, and nothing besides'
case_acl_other_fs() {
    need_acl
    mkdir -p src/dir
    echo file >src/file
    setfacl -m u:12345:rw src/file
    setfacl -m u:12345:rwx src/dir
    setfacl -d -m u:12345:rx src/dir
    mount_lesser ext4
    DST=lesser/dst copies
    same src lesser/dst names,mode,acl
    ! getfattr -R -h -m - lesser/dst 2>/dev/null | grep -q SGI ||
        fail "an attribute of XFS is on ext4"
}

property acl_inherited 'no ACL that the source has not, below a default ACL of the destination'
case_acl_inherited() {
    need_acl
    mkdir -p src/dir/sub dst
    echo file >src/file
    echo file >src/dir/file
    mkfifo -m 640 src/dir/fifo
    chmod 600 src/file
    chmod 750 src/dir/sub
    setfacl -d -m u:12345:rwx,g:54321:rwx,o::rwx dst
    copies
    same src/dir dst/dir names,mode,acl
    same src/file dst/file mode,acl
}

property xattr_user 'extended attributes of users, on files and directories'
case_xattr_user() {
    need_attribute user.test
    mkdir -p src/dir
    echo file >src/file
    echo file >src/read_only
    setfattr -n user.color -v red src/file
    setfattr -n user.color -v blue src/dir
    setfattr -n user.empty src/file
    setfattr -n user.binary -v 0x00ff0a00 src
    setfattr -n user.big -v "$(printf 'x%.0s' {1..2000})" src/file
    setfattr -n $'user.not utf-8 \xff' -v odd src/dir
    setfattr -n user.color -v green src/read_only
    chmod 444 src/read_only
    copies
    same src dst names,xattr
}

property xattr_trusted 'trusted attributes, on files and directories'
case_xattr_trusted() {
    need_attribute trusted.test
    mkdir -p src/dir
    echo file >src/file
    setfattr -n trusted.color -v red src/file
    setfattr -n trusted.color -v blue src/dir
    copies
    same src dst names,xattr
}

property xattr_symlink 'trusted attributes, on symbolic links'
case_xattr_symlink() {
    need_attribute trusted.test
    mkdir src
    ln -s nowhere src/symlink
    ln -s . src/to_dir
    setfattr -h -n trusted.color -v red src/symlink || skip 'none on symbolic links here'
    setfattr -h -n trusted.color -v blue src/to_dir
    copies
    same src dst names,xattr
}

property xattr_special 'trusted attributes, on FIFOs, sockets and devices'
case_xattr_special() {
    need_attribute trusted.test
    mkdir src
    mkfifo src/fifo
    make_socket src/socket
    mknod src/null c 1 3
    setfattr -n trusted.color -v red src/fifo || skip 'none on FIFOs here'
    setfattr -n trusted.color -v blue src/socket
    setfattr -n trusted.color -v green src/null
    copies
    same src dst names,xattr
}

property xattr_security 'attributes of the security space'
case_xattr_security() {
    need_attribute security.test
    mkdir -p src/dir
    echo file >src/file
    setfattr -n security.color -v red src/file
    setfattr -n security.color -v blue src/dir
    copies
    same src dst names,xattr
}

# cap_net_raw+ep, as setcap writes it.
capability=0x0100000200200000000000000000000000000000

property capability 'file capabilities, also of files of another owner'
case_capability() {
    need_attribute security.test
    mkdir src
    echo root >src/root
    echo other >src/other
    chown 1234:5678 src/other
    chmod 755 src/*
    # chown takes capabilities away, so they come last; a copier must do likewise.
    setfattr -n security.capability -v $capability src/root || skip 'no capabilities here'
    setfattr -n security.capability -v $capability src/other
    copies
    same src dst names,mode,owner,xattr
}

# ---- names

property names 'names with newlines, dashes, bytes that are not UTF-8, 255 bytes'
case_names() {
    local name
    mkdir src
    # shellcheck disable=SC2016
    for name in $'new\nline' $'tab\there' -dash --help -- ' ' 'two  spaces ' "it's" 'a"quote' \
        "back\\slash" '*' '?' '$(false)' '%s%n' '~' '#' '...' '.hidden' 'trailing.' 'colon:' \
        $'not utf-8 \xff\xfe' $'\xc3\xbc' $'\e[31mred' $'\x01' "$(printf 'n%.0s' {1..255})" \
        ',comma,' 'name.rclonelink' ':' '-> arrow' "$(printf '\xff%.0s' {1..255})"; do
        echo "$name" >"src/$name"
        mkdir -p "src/dir/$name"
        echo "$name" >"src/dir/$name/$name"
    done
    copies
    same src dst names,bytes
}

# What looks like a temporary name and is none of a killed run: in the source (which may have been
# the destination of one), or at the destination without being one of pcopy.
property look_alikes 'files that are named like temporary files of the copier'
case_look_alikes() {
    local name
    mkdir -p src/dir dst/dir
    for name in .file.pcopy-0badcafe .file.pcopy-0badcafe-3ffffff-1-0 .pcopy-0badcafe-3ffffff-1-0 \
        .file.aBcDeF file.partial .pcopy-00000000 .x.pcopy-0123456789abcdef; do
        echo "$name" >"src/$name"
        echo "$name" >"src/dir/$name"
    done
    echo file >src/file
    age
    for name in .mine.pcopy-notes .mine.pcopy-2-1-1-0-end .mine.pcopy-1-2-1 \
        mine.pcopy-1-3ffffff-1-0; do
        echo mine >"dst/dir/$name"
        touch -d @1000000000 "dst/dir/$name"
    done
    copies
    same src/dir/.file.pcopy-0badcafe dst/dir/.file.pcopy-0badcafe
    for name in .mine.pcopy-notes .mine.pcopy-2-1-1-0-end .mine.pcopy-1-2-1 \
        mine.pcopy-1-3ffffff-1-0; do
        [ "$(cat "dst/dir/$name")" = mine ] || fail "a file of somebody else is gone: $name"
        rm "dst/dir/$name"
    done
    echo newer >src/file
    echo newer >src/dir/more
    copies
    same src dst names,bytes
}

# levels NUMBER NAME: that many directories below each other in src, and a file in the last.
levels() {
    # The shell asks at each cd for the whole path.
    perl -e '
        my ($number, $name) = @ARGV;
        mkdir "src" and chdir "src" or die;
        for (1 .. $number) {
            mkdir $name and chdir $name or die "level $_: $!";
        }
        open my $file, ">", "file" or die;
        print $file "bottom\n";
        symlink "target", "symlink" or die;' "$1" "$2" || skip 'no such depth here'
}

property long_paths 'paths longer than PATH_MAX'
case_long_paths() {
    levels 30 "$(printf 'n%.0s' {1..250})"
    copies
    same src dst names,bytes
}

property deep '5,000 levels of directories'
case_deep() {
    levels 5000 d
    copies
    same src dst names,bytes
}

property many_entries '100,000 entries in one directory'
case_many_entries() {
    # A sanitizer would take minutes for them.
    local number=100000
    [ -n "${PCOPY-}" ] && sanitized && number=5000
    make_many src/dir $number
    copies
    same src dst names,bytes,mtime
}

property few_descriptors 'at most 256 open files'
case_few_descriptors() {
    local i
    mkdir -p src/wide
    (cd src/wide && mkdir {1..500} && for i in *; do echo "$i" >"$i/file"; done)
    for i in {1..50}; do
        make_file "src/$i" 200000
        ln "src/$i" "src/wide/$i/tied"
    done
    ulimit -n 256
    set_command
    ! is_pcopy || command+=(-j 64)
    run "${command[@]}"
    expect_status 0
    same src dst names,bytes,links
}

# ---- existing destinations: what is in the way

in_the_way() {
    mkdir -p src/dir/sub dst
    echo new >src/file
    echo new >src/dir/file
    echo new >src/dir/sub/file
    echo new >src/zz_last
    age
    make_outside
}

# All but the entry NAME and what is below it has arrived.
rest_arrived() {
    local path
    while IFS= read -r path; do
        [[ $path = "$1" || $path = "$1"/* ]] || cmp -s "src/$path" "dst/$path" ||
            fail "$path was not copied"
    done < <(cd src && find . -type f -printf '%P\n')
}

property file_for_dir 'a file where a directory must be: an error, and the file stays'
case_file_for_dir() {
    in_the_way
    echo old >dst/dir
    copy
    [ "$(cat dst/dir)" = old ] || fail "the file in the way is gone"
    expect_partial
    ! is_pcopy || expect_err "dir'"
    rest_arrived dir
}

property dir_for_file 'a directory where a file must be: an error, and the directory stays'
case_dir_for_file() {
    in_the_way
    mkdir -p dst/file/sub
    echo mine >dst/file/sub/mine
    copy
    [ "$(cat dst/file/sub/mine)" = mine ] || fail "the directory in the way is gone"
    expect_partial
    ! is_pcopy || expect_err "file'"
    rest_arrived file
}

property empty_dir_for_file 'an empty directory where a file must be: an error, and it stays'
case_empty_dir_for_file() {
    in_the_way
    mkdir dst/file
    copy
    [ -d dst/file ] || fail "the directory in the way is gone"
    expect_partial
    rest_arrived file
}

property force_file_for_dir 'with --force: the file gives way to the directory'
case_force_file_for_dir() {
    local make
    for make in 'echo old >dst/dir' 'mkfifo dst/dir' 'make_socket dst/dir'; do
        rm -rf src dst outside
        in_the_way
        eval "$make"
        copies --force
        same src dst names,bytes,mode,mtime
        ! is_pcopy || no_temporary dst
    done
}

property force_dir_for_file 'with --force: the directory gives way to the file'
case_force_dir_for_file() {
    in_the_way
    mkdir -p dst/file/sub/closed dst/file/.hidden
    echo mine >dst/file/sub/mine
    echo mine >dst/file/.hidden/mine
    chmod 500 dst/file/sub/closed
    ln -s ../../outside dst/file/to_outside
    ln -s ../../../outside/dir dst/file/sub/to_outside
    ln outside/file dst/file/sub/linked
    outside=$(cd outside && picture)
    # Its link count goes down with the name that is removed; that is no touching of it.
    copies --force
    same src dst names,bytes,mode,mtime
    [ "$(cat outside/file outside/dir/file)" = precious$'\n'precious ] ||
        fail "something outside was removed"
    [ "$(find outside | wc -l)" = 4 ] || fail "something outside was made or removed"
}

property force_dir_for_symlink 'with --force: the directory gives way to a symbolic link or FIFO'
case_force_dir_for_symlink() {
    in_the_way
    ln -s nowhere src/symlink
    mkfifo src/fifo
    mkdir -p dst/symlink/sub dst/fifo/sub
    echo mine >dst/symlink/sub/mine
    copies --force
    same src dst names,bytes,mode
    expect_outside_untouched
}

# What has to give way may have the source in it.
property force_source_below 'with --force: never removes the source itself'
case_force_source_below() {
    mkdir -p dst/name/source
    echo precious >dst/name/source/name
    echo precious >dst/name/source/other
    SRC=dst/name/source
    copy --force
    [ "$(cat dst/name/source/other)" = precious ] || fail "the source was removed"
    [ "$(cat dst/name/source/name)" = precious ] || fail "the source was removed"
    expect_partial
}

property symlink_for_dir 'a symbolic link where a directory must be is never followed'
case_symlink_for_dir() {
    local link
    for link in dir dir/sub; do
        rm -rf src dst outside
        in_the_way
        mkdir -p "dst/${link%/*}"
        rm -rf "dst/$link"
        ln -s "$PWD/outside/dir" "dst/$link"
        copy
        expect_outside_untouched
        rest_arrived "$link"
        if is_pcopy; then
            expect_status 23
            [ -L "dst/$link" ] || fail "the symbolic link was replaced"
        fi
    done
}

property force_symlink_for_dir 'with --force: the symbolic link gives way to the directory'
case_force_symlink_for_dir() {
    local target
    for target in "$PWD/outside/dir" nowhere ../outside/file; do
        rm -rf src dst outside
        in_the_way
        ln -s "$target" dst/dir
        copies --force
        expect_outside_untouched
        same src dst names,bytes,mode,mtime
    done
}

property keep_dirlinks 'with --keep-dirlinks: a symbolic link to a directory is used as one'
case_keep_dirlinks() {
    local target
    in_the_way
    mkdir dst/real
    ln -s real dst/dir
    copies --keep-dirlinks
    [ -L dst/dir ] || fail "the symbolic link was replaced"
    same src/dir dst/real names,bytes,mode
    rest_arrived ''
    # One that leads to no directory is no directory.
    for target in nowhere ../outside/file; do
        rm -rf dst
        mkdir dst
        ln -s "$target" dst/dir
        copy --keep-dirlinks
        expect_outside_untouched
        [ ! -e dst/nowhere ] || fail "the target of a dangling symbolic link was made"
        ! is_pcopy || expect_status 23
        rest_arrived dir
    done
}

property keep_dirlinks_outside 'with --keep-dirlinks: also if it leads out of the destination'
case_keep_dirlinks_outside() {
    in_the_way
    mkdir real
    echo mine >real/mine
    ln -s ../real dst/dir
    copies --keep-dirlinks
    [ -L dst/dir ] || fail "the symbolic link was replaced"
    [ "$(cat real/mine)" = mine ] || fail "what was there is gone"
    rm real/mine
    same src/dir real names,bytes,mode
    rest_arrived ''
}

# ---- existing destinations: what is replaced, and how

property reader_keeps_old 'who reads a file that is replaced keeps the old one'
case_reader_keeps_old() {
    mkdir src dst
    echo new and longer >src/file
    echo old >dst/file
    exec 9<dst/file
    copies
    [ "$(cat <&9)" = old ] || fail "a file was overwritten under its reader"
    exec 9<&- # NFS keeps the old one under a name of its own until then
    same src dst names,bytes
    ! is_pcopy || no_temporary dst
}

# unusual FUNCTION [OPTION]...: destinations that are something else than a file of their own.
unusual() {
    local make
    local -a makes=('ln outside/file dst/file' 'ln -s ../outside/file dst/file'
        'ln -s ../outside/new dst/file' 'ln -s file dst/file' 'mkfifo dst/file'
        'make_socket dst/file' 'install -m 000 /dev/null dst/file')
    ! is_root || makes+=('mknod dst/file c 1 3' 'mknod dst/file b 7 250')
    # Who opens a FIFO waits for ever.
    patience=10
    for make in "${makes[@]}"; do
        rm -rf src dst outside
        mkdir src dst outside
        make_file src/file 5000
        echo precious >outside/file
        age
        eval "$make"
        copies "$@"
        [ "$(tr -d '\0' <outside/file)" = precious ] ||
            fail "a file outside was written into ($make)"
        [ ! -e outside/new ] || fail "a file outside was made ($make)"
        same src dst names,bytes,mode,mtime
        [ "$(stat -c %h dst/file)" = 1 ] || fail "the file is still tied to another ($make)"
    done
}

property never_written_into 'FIFOs, devices, symlinks and shared files are never written into'
case_never_written_into() {
    unusual
}

property inplace_unusual 'with --inplace: FIFOs, devices, symlinks, shared files are not either'
case_inplace_unusual() {
    unusual --inplace
}

property inplace 'with --inplace: a file is written into, its inode stays'
case_inplace() {
    local name before
    local -A before
    mkdir src dst
    make_file src/longer 300000
    make_file dst/longer 5000
    make_file src/shorter 5000
    make_file dst/shorter 300000
    : >src/empty
    make_file dst/empty 5000
    make_sparse src/sparse 3000000 1500000
    make_file dst/sparse 3500000
    # Of the same data but for some bytes.
    make_file src/similar 300000
    cp src/similar dst/similar
    printf x | dd of=dst/similar bs=1 seek=100000 conv=notrunc status=none
    chmod 640 src/*
    age
    for name in longer shorter empty sparse similar; do
        before[$name]=$(inode dst/$name)
    done
    copies --inplace
    for name in longer shorter empty sparse similar; do
        [ "$(inode dst/$name)" = "${before[$name]}" ] || fail "$name has another inode"
    done
    same src dst names,bytes,mode,mtime
}

property inplace_metadata 'with --inplace: no attribute or ACL of the old file is left'
case_inplace_metadata() {
    need_acl
    need_attribute user.test
    mkdir src dst
    echo new and longer >src/file
    setfattr -n user.mine -v yes src/file
    echo old >dst/file
    setfattr -n user.mine -v no dst/file
    setfattr -n user.old -v yes dst/file
    setfacl -m u:12345:rw dst/file
    ! is_root || chown 1234:5678 dst/file
    chmod 4755 dst/file
    copies --inplace
    same src dst names,bytes,mode,owner,xattr,acl
}

property same_file 'a destination that is its source is left alone'
case_same_file() {
    local option
    for option in '' --inplace; do
        rm -rf src dst
        mkdir src dst
        make_file src/file 5000
        make_file src/other 5000
        cp src/file was
        ln src/file dst/file
        # One option or none.
        copy ${option:+"$option"}
        cmp -s src/file was || fail "the source was changed"
        [ "$(inode src/file)" = "$(inode dst/file)" ] || fail "it was replaced"
        cmp -s src/other dst/other || fail "the rest was not copied"
        ! is_pcopy || expect_status 0
        is_pcopy || break
    done
}

property source_is_shared 'a source is never written into through a link at the destination'
case_source_is_shared() {
    mkdir src dst
    make_file src/a 5000
    make_file src/b 6000
    cp src/a was_a
    cp src/b was_b
    ln src/b dst/a
    ln -s ../src/a dst/b
    copy
    cmp -s src/a was_a || fail "src/a was changed"
    cmp -s src/b was_b || fail "src/b was changed"
    same src dst names,bytes
}

property break_links 'hard links at the destination that are two files in the source are undone'
case_break_links() {
    mkdir src dst
    make_file src/a 5000
    make_file src/b 5000
    age
    echo old >dst/a
    ln dst/a dst/b
    copies
    same src dst names,bytes,links
}

property break_links_equal 'the same if both files are equal in size and mtime'
case_break_links_equal() {
    mkdir src
    make_file src/a 5000
    cp src/a src/b
    age
    mkdir dst
    cp -p src/a dst/a
    ln dst/a dst/b
    copies
    same src dst names,bytes,mtime,links
}

property links_again 'hard links that came later are made by a second run'
case_links_again() {
    mkdir -p src/dir
    make_file src/a 5000
    ln src/a src/dir/b
    age
    copies
    ln src/a src/c
    mkfifo src/fifo
    age
    copies
    same src dst names,bytes,links
    # Other data under all names: they stay one file.
    make_file src/a 6000
    age
    copies
    same src dst names,bytes,links
}

property second_run 'a second run leaves alone what is equal'
case_second_run() {
    mkdir -p src/dir
    make_file src/file 5000
    make_file src/dir/file 5000
    ln src/file src/dir/link
    mkfifo src/fifo
    ln -s file src/symlink
    age
    copies
    find dst ! -type d -printf '%p %i %C@\n' | sort >want
    sleep 0.05
    copies
    find dst ! -type d -printf '%p %i %C@\n' | sort >got
    cmp -s want got || fail "$(diff want got | grep -c '^>') of $(wc -l <want) were made again"
    same src dst names,bytes,mtime
}

property second_run_coarse 'a second run does so where times are kept in whole seconds'
case_second_run_coarse() {
    make_fine_times
    DST=lesser/dst
    copy
    find lesser/dst ! -type d -printf '%p %i %C@\n' | sort >want
    # ctime is in seconds too.
    sleep 1.1
    copy
    find lesser/dst ! -type d -printf '%p %i %C@\n' | sort >got
    cmp -s want got || fail "$(diff want got | grep -c '^>') of $(wc -l <want) were made again"
}

property second_run_metadata 'a second run brings mode and owner of a file whose data is equal'
case_second_run_metadata() {
    mkdir src
    make_file src/file 5000
    age
    copies
    chmod 4710 src/file
    if is_root; then
        chown 1234:5678 src/file
        chmod 4710 src/file
    fi
    age
    copies
    same src dst names,bytes,mode,owner,mtime
}

property existing_dir 'an existing directory gets mode, owner, times and ACL of its source'
case_existing_dir() {
    mkdir -p src/dir/sub dst/dir/sub
    echo file >src/dir/sub/file
    chmod 2751 src/dir
    chmod 700 src/dir/sub
    chmod 777 dst/dir dst/dir/sub
    ! is_root || chown 1234:5678 dst/dir
    if command -v setfacl >/dev/null; then
        setfacl -m u:12345:rwx dst/dir/sub 2>/dev/null
        setfacl -d -m u:12345:rwx dst/dir/sub 2>/dev/null
    fi
    age
    copies
    same src/dir dst/dir names,bytes,mode,owner,mtime,acl
}

property existing_dir_xattr 'an existing directory keeps no attribute that its source has not'
case_existing_dir_xattr() {
    need_attribute user.test
    mkdir -p src/dir dst/dir
    setfattr -n user.new -v yes src/dir
    setfattr -n user.old -v yes dst/dir
    copies
    same src/dir dst/dir names,xattr
}

property extra_stays 'what the source has not stays'
case_extra_stays() {
    mkdir -p src/dir dst/dir dst/mine
    echo new >src/dir/file
    echo mine >dst/mine/file
    echo mine >dst/dir/mine
    copies
    [ "$(cat dst/mine/file dst/dir/mine)" = mine$'\n'mine ] || fail "a file is gone"
}

# ---- killed runs

# kill_copy CONDITION [OPTION]...: kills the copier, with all that it has started, as soon as the
# condition holds. On a busy machine that may be too late; then all is tried again.
kill_copy() {
    local condition=$1 pid attempt
    shift
    for attempt in {1..40}; do
        rm -rf dst
        mkdir dst
        prepare_dst
        set_command "$@"
        command_line="${command[*]}, killed in the middle"
        setsid "${command[@]}" >"$OUT" 2>"$ERR" </dev/null &
        pid=$!
        until eval "$condition"; do
            kill -0 "$pid" 2>/dev/null || break
        done
        kill -KILL -- "-$pid" 2>/dev/null
        # Bash tells of a killed job; nobody wants to know.
        wait "$pid" 2>/dev/null
        status=$?
        [ "$status" = 0 ] || return 0
        echo "attempt $attempt came too late"
    done
    skip 'it was done before it could be killed'
}

large_is_there() {
    [ -n "$(find dst -type f -size +1M -print -quit 2>/dev/null)" ]
}

property killed_old_stays 'killed while a file is replaced: the old one is whole'
case_killed_old_stays() {
    mkdir src
    make_file src/file 200000000
    prepare_dst() {
        echo old >dst/file
    }
    kill_copy large_is_there
    [ "$(head -c 100 dst/file | tr -d '\0')" = old ] || cmp -s src/file dst/file ||
        fail "the old file is gone, the new one is not complete"
    copies
    cmp -s src/file dst/file || fail "a second run does not mend it"
}

property killed_litter 'killed while a file is replaced: the next run leaves no litter'
case_killed_litter() {
    mkdir -p src/dir
    make_file src/dir/file 200000000
    prepare_dst() {
        mkdir dst/dir
        echo old >dst/dir/file
    }
    kill_copy large_is_there
    copies
    same src dst names,bytes,mtime
}

property killed_mended 'killed while a file is new: the next run completes it'
case_killed_mended() {
    mkdir src
    make_file src/file 200000000
    prepare_dst() {
        :
    }
    kill_copy large_is_there
    copies
    same src/file dst/file bytes,mtime
    ! is_pcopy || same src dst
}

property atomic 'with --atomic: a new file has its name only when it is complete'
case_atomic() {
    mkdir -p src/dir
    make_file src/dir/file 200000000
    age
    prepare_dst() {
        :
    }
    kill_copy large_is_there --atomic
    [ ! -e dst/dir/file ] || cmp -s src/dir/file dst/dir/file ||
        fail "there is an incomplete file under its name"
    copies --atomic
    same src/dir/file dst/dir/file bytes,mtime
    ! is_pcopy || same src dst
}

# ---- other users than root

# Copies as somebody without rights, to open/dst.
copy_as_nobody() {
    [ -d open ] || mkdir -m 777 open
    DST=open/dst
    set_command "$@"
    as_nobody "${command[@]}"
}

property unreadable 'without rights: what cannot be read is reported, the rest is copied'
case_unreadable() {
    mkdir -p src/dir/closed src/open
    echo file >src/dir/closed/file
    echo file >src/dir/unreadable
    echo file >src/dir/readable
    echo file >src/open/file
    echo file >src/zz
    ! is_root || chown -R 65534:65534 src
    chmod 000 src/dir/closed src/dir/unreadable
    copy_as_nobody
    local file
    for file in dir/readable open/file zz; do
        cmp -s "src/$file" "open/dst/$file" || fail "$file was not copied"
    done
    expect_partial
    if is_pcopy; then
        expect_err dir/closed
        expect_err dir/unreadable
        expect_summary errors 2
        [ "$(wc -l <"$ERR")" = 2 ] || fail "not one line for each error"
    fi
}

property own_tree 'without rights: an own tree is kept with everything, read-only ones too'
case_own_tree() {
    mkdir -p src/read_only/sub src/private
    make_file src/read_only/file 5000
    make_file src/read_only/sub/file 5000
    make_file src/private/file 5000
    ln src/private/file src/private/link
    ln -s file src/private/symlink
    mkfifo src/private/fifo
    chmod 444 src/read_only/file
    chmod 4755 src/private/file
    ! command -v setfattr >/dev/null || setfattr -n user.a -v b src/read_only/file 2>/dev/null
    ! command -v setfacl >/dev/null || setfacl -m u:12345:r src/read_only 2>/dev/null
    ! is_root || chown -hR 65534:65534 src
    chmod 4755 src/private/file
    age
    chmod 555 src/read_only/sub src/read_only
    chmod 700 src/private
    copy_as_nobody
    expect_status 0
    ! is_pcopy || expect_no_err
    same src open/dst "$everything"
}

property others_tree 'without rights: owners that cannot be kept are no failure and no noise'
case_others_tree() {
    local i
    need_root
    mkdir -p src/dir
    for i in {1..20}; do
        echo "$i" >"src/dir/$i"
    done
    ln -s nowhere src/symlink
    chown -hR 1234:5678 src
    age
    copy_as_nobody
    expect_status 0
    [ "$(wc -l <"$ERR")" -le 1 ] || fail "$(wc -l <"$ERR") lines on stderr"
    same src open/dst names,bytes,mode,mtime
}

# ---- no window in which others may do more than in the end

# Follows the calls that make and change `secret` files. The mode that a file ends with is in its
# name; none has a bit for the group and for others, so with an owner to come both have to wait.
property no_window 'no file is at any moment open to more than in the end'
case_no_window() {
    local mode line made=0 want got changed=' '
    local calls="open,openat,creat,mkdir,mkdirat,mknod,mknodat,chmod,fchmod,fchmodat,?fchmodat2"
    need_root
    need_trace
    mkdir src
    for mode in 0600 0640 0604 4750 2710 6710 0400; do
        echo secret >"src/secret_$mode"
        mkdir "src/dir_secret_$mode"
    done
    mkfifo src/secret_fifo_0640
    chown 1234:5678 src/*
    for mode in 0600 0640 0604 4750 2710 6710 0400; do
        chmod "$mode" "src/secret_$mode" "src/dir_secret_$mode"
    done
    chmod 0640 src/secret_fifo_0640
    set_command
    umask 000
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 run strace -f -qq -y -o trace \
        -e trace="$calls",chown,fchown,lchown,fchownat "${command[@]}"
    expect_status 0
    same src dst names,mode,owner

    while IFS= read -r line; do
        [[ $line =~ (dir_)?secret_(fifo_)?([0-7]{4}) ]] || continue
        name=${BASH_REMATCH[0]}
        want=$((8#${BASH_REMATCH[3]}))
        case $line in
        *chown*)
            changed+="$name "
            continue
            ;;
        *O_CREAT* | *mkdir* | *mknod* | *creat\(*)
            [[ $line =~ ,\ ([A-Z_]+\|)*(0[0-7]*)(\)|,|\ \<unfinished) ]] ||
                fail "not understood: $line"
            made=$((made + 1))
            ;;
        *chmod*)
            [[ $line =~ ,\ (0[0-7]*)(\)|,|\ \<unfinished) ]] || fail "not understood: $line"
            BASH_REMATCH[2]=${BASH_REMATCH[1]}
            ;;
        *) continue ;;
        esac
        # Some give the type along with it.
        got=$((8#${BASH_REMATCH[2]} & 07777))
        # On a directory setuid means nothing, setgid little, and it is the owner's to write to.
        [[ $name != dir_* ]] || want=$((want | 0700)) got=$((got & 01777))
        # A temporary right of the owner to write is no gift to anybody.
        [ $((got & ~(want | 0200))) = 0 ] || fail "wider than in the end: $line"
        [[ $changed = *" $name "* ]] || [ $((got & 06077)) = 0 ] ||
            fail "before it has its owner: $line"
    done <trace
    [ $made -ge 15 ] || fail "only $made of 15 were seen to be made"
}

# ---- what the destination cannot hold

# One peer says this always.
noise="can't access tty"

# Everything of src is copied to lesser/dst, which cannot hold it: that is said.
said_once() {
    DST=lesser/dst
    copy
    if is_pcopy; then
        expect_status 0
        [ "$(wc -l <"$ERR")" = 1 ] || fail "$(wc -l <"$ERR") lines on stderr instead of 1"
        grep -qiE "$1" "$ERR" || fail "it does not say what is lost: $1"
    else
        grep -qv "$noise" "$ERR" || [ "$status" != 0 ] || fail "nothing is said"
    fi
    same src lesser/dst names,bytes
}

said_strictly() {
    DST=lesser/dst
    copy --strict
    expect_status 23
    grep -qiE "$1" "$ERR" || fail "it does not say what is lost: $1"
}

make_acls() {
    local i
    need_acl
    mkdir -p src/dir
    for i in {1..20}; do
        echo "$i" >"src/dir/$i"
        setfacl -m u:12345:rw "src/dir/$i"
    done
    setfacl -d -m u:12345:rwx src/dir
    mount_lesser ramfs
}

make_attributes() {
    local i
    need_attribute user.test
    mkdir -p src/dir
    for i in {1..20}; do
        echo "$i" >"src/dir/$i"
        setfattr -n user.color -v red "src/dir/$i"
    done
    setfattr -n user.color -v red src/dir
    mount_lesser ramfs
}

make_fine_times() {
    local i
    mkdir -p src/dir
    for i in {1..20}; do
        echo "$i" >"src/dir/$i"
    done
    age
    mount_lesser ext4 -I 128
}

make_vfat() {
    mkdir -p src/dir
    make_sparse src/sparse 3000000 1500000
    echo file >src/dir/file
    # Even seconds, as vfat counts them.
    find src -depth -exec touch -d @1234567890 {} +
    grep -qw vfat /proc/filesystems || modprobe vfat 2>/dev/null || skip 'no vfat here'
    mount_lesser vfat
}

property lost_acl 'ACLs that the destination cannot hold are not lost in silence'
case_lost_acl() {
    make_acls
    said_once 'ACL'
}

property lost_acl_strict 'with --strict: ACLs that the destination cannot hold: an error'
case_lost_acl_strict() {
    make_acls
    said_strictly 'ACL'
}

property lost_xattr 'extended attributes that the destination cannot hold are not lost in silence'
case_lost_xattr() {
    make_attributes
    said_once 'attribute|xattr'
}

property lost_xattr_strict 'with --strict: attributes that the destination cannot hold: an error'
case_lost_xattr_strict() {
    make_attributes
    said_strictly 'attribute|xattr'
}

property lost_times 'times that the destination cannot hold are not lost in silence'
case_lost_times() {
    make_fine_times
    said_once 'time'
    # Half a second is lost there too.
    find src -depth -exec touch -d @1234567890.5 {} +
    rm -rf lesser/dst
    said_once 'time'
}

property lost_times_strict 'with --strict: times that the destination cannot hold: an error'
case_lost_times_strict() {
    make_fine_times
    said_strictly 'time'
}

property lost_owner_strict 'with --strict: owners that cannot be kept are an error'
case_lost_owner_strict() {
    need_root
    mkdir -p src/dir
    echo file >src/dir/file
    chown -R 1234:5678 src
    copy_as_nobody --strict
    expect_status 23
    grep -qi 'owner' "$ERR" || fail "it does not say what is lost"
}

property lost_holes 'holes and owners that the destination cannot hold are not either (vfat)'
case_lost_holes() {
    make_vfat
    DST=lesser/dst
    copy
    same src lesser/dst names,bytes
    if is_pcopy; then
        expect_status 0
        [ "$(grep -ci hole "$ERR")" = 1 ] || fail "holes are not spoken of, or more than once"
        [ "$(sort "$ERR" | uniq -d | wc -l)" = 0 ] || fail "something is said twice"
    else
        grep -qv "$noise" "$ERR" || [ "$status" != 0 ] || fail "nothing is said"
    fi
}

# ---- everything together

property whole_tree 'every kind of entry in one tree, with a second run'
case_whole_tree() {
    pcopy_only
    make_tree src
    copies
    same src dst "$everything"
    copies
    same src dst "$everything"
    expect_summary files 0
    rm -rf dst
    copies --atomic
    same src dst "$everything"
}
