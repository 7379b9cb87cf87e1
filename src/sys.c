/*
 * The system calls. Everything above sees handles and names; see the header for the conventions.
 *
 * Each wrapper asks the fault hook first, so a test can make the Nth call of a run fail, and each
 * retries EINTR: on NFS mounted with `intr`-like semantics and on FUSE most calls can return it.
 * close() is the exception: Linux has released the descriptor whatever it returns (close(2)).
 */
#include "pcopy/sys.h"

#include <acl/libacl.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <xxhash.h>

static int (*fault_hook)(const char *call);

void pc_sys_set_fault(int (*hook)(const char *call))
{
    fault_hook = hook;
}

static inline int fault(const char *call)
{
    return fault_hook ? fault_hook(call) : 0;
}

/*
 * result = CALL as -errno, retried while a signal interrupts it. `name` is what the hook sees. CALL
 * must not use `result`, which the hook's answer goes through first.
 */
#define RETRY(result, name, call)                                                                  \
    do {                                                                                           \
        (result) = fault(name);                                                                    \
        if ((result) == 0) {                                                                       \
            (result) = (call);                                                                     \
            if ((result) < 0)                                                                      \
                (result) = -errno;                                                                 \
        }                                                                                          \
    } while ((result) == -EINTR)

/*
 * The same for a call that moves up to `size` bytes; CALL moves `most` of them, which is less where
 * the hook says so.
 */
#define RETRY_MOVE(result, name, size, call)                                                       \
    do {                                                                                           \
        (result) = fault(name);                                                                    \
        if ((result) >= 0) {                                                                       \
            const size_t asked = (size_t)(result);                                                 \
            const size_t most = asked && asked < (size) ? asked : (size);                          \
            (result) = (call);                                                                     \
            if ((result) < 0)                                                                      \
                (result) = -errno;                                                                 \
        }                                                                                          \
    } while ((result) == -EINTR)

/* The name of a descriptor for calls that refuse one opened with O_PATH. */
#define PROC_PATH sizeof "/proc/self/fd/-2147483648"

static const char *proc_path(struct pc_handle h, char out[PROC_PATH])
{
    snprintf(out, PROC_PATH, "/proc/self/fd/%d", h.fd);
    return out;
}

/* What a small file of the system says, "" if that cannot be had. */
static void read_text(const char *path, char *text, size_t size)
{
    ssize_t n = 0;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, size - 1);
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
}

uint32_t pc_sys_host(void)
{
    char text[HOST_NAME_MAX + 128] = "";
    struct stat ns;
    gethostname(text, HOST_NAME_MAX);
    read_text("/etc/machine-id", text + strlen(text), 65);
    if (stat("/proc/self/ns/pid", &ns) == 0)
        snprintf(text + strlen(text), 32, "/%llu", (unsigned long long)ns.st_ino);
    return (uint32_t)XXH3_64bits(text, strlen(text));
}

int pc_sys_process(pid_t pid, uint32_t *out)
{
    char path[32];
    char stat[512];
    char text[128];
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return -ESRCH;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    read_text(path, stat, sizeof stat);
    /* The second field, the program's name, is in parentheses and may have any bytes in it. */
    const char *at = strrchr(stat, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return -ENODATA;
    read_text("/proc/sys/kernel/random/boot_id", text, 64);
    snprintf(text + strlen(text), 32, "%.*s", (int)strcspn(at + 1, " "), at + 1);
    *out = (uint32_t)XXH3_64bits(text, strlen(text));
    return 0;
}

static int open_at(struct pc_handle dir, const char *name, int flags, mode_t mode,
                   struct pc_handle *out)
{
    int fd;
    RETRY(fd, "openat", openat(dir.fd, name, flags | O_CLOEXEC, mode));
    *out = PC_HANDLE_NONE;
    if (fd < 0)
        return fd;
    out->fd = fd;
    return 0;
}

/* Any path, by openat2(2) if the way to it is restricted. */
static int open_path(struct pc_handle dir, const char *path, int flags, uint64_t resolve,
                     struct pc_handle *out)
{
    if (!resolve)
        return open_at(dir, path, flags, 0, out);
    const struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC), .resolve = resolve};
    int fd;
    do {
        RETRY(fd, "openat2", (int)syscall(SYS_openat2, dir.fd, path, &how, sizeof how));
        /* -EAGAIN: a rename raced with the resolution of ".." (openat2(2)); ask again. */
    } while (fd == -EAGAIN);
    *out = PC_HANDLE_NONE;
    if (fd < 0)
        return fd;
    out->fd = fd;
    return 0;
}

/*
 * The same as a place. With O_PATH an NFS client answers from its cache, and never asks the server
 * whether the directory is still that one. So there is one look inside. It also has the client ask
 * for permission (ACCESS) once, before many threads come and each do so; whether we may is found
 * out later. If the server no longer knows the directory, opening it in the ordinary way makes the
 * kernel look up its name anew.
 */
static int open_place(struct pc_handle dir, const char *path, int flags, uint64_t resolve,
                      struct pc_handle *out)
{
    for (bool again = false;; again = true) {
        int inside;
        int err = open_path(dir, path, O_PATH | flags, resolve, out);
        if (err)
            return err;
        RETRY(inside, "faccessat", faccessat(out->fd, ".", F_OK, 0));
        if (inside != -ESTALE)
            return 0;
        pc_sys_close(out);
        if (again)
            return inside;
        err = open_path(dir, path, O_RDONLY | flags, resolve, out);
        if (err)
            return err;
        pc_sys_close(out);
    }
}

static int open_dir(struct pc_handle dir, const char *path, bool place, int flags, uint64_t resolve,
                    struct pc_handle *out)
{
    return place ? open_place(dir, path, flags | O_DIRECTORY, resolve, out)
                 : open_path(dir, path, O_RDONLY | flags | O_DIRECTORY, resolve, out);
}

int pc_sys_open_root(const char *path, bool place, struct pc_handle *out)
{
    const struct pc_handle here = {AT_FDCWD};
    return open_dir(here, path, place, 0, 0, out);
}

int pc_sys_open_beneath(struct pc_handle dir, const char *path, bool place, struct pc_handle *out)
{
    return open_dir(dir, path, place, 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, out);
}

int pc_sys_reopen(struct pc_handle dir, const char *path, bool place, struct pc_handle *out)
{
    return open_dir(dir, path, place, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, out);
}

int pc_sys_open_dir(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_dir(dir, name, false, O_NOFOLLOW, 0, out);
}

int pc_sys_open_place(struct pc_handle dir, const char *name, bool follow, struct pc_handle *out)
{
    return open_dir(dir, name, true, follow ? 0 : O_NOFOLLOW, 0, out);
}

int pc_sys_open_file(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_at(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, out);
}

int pc_sys_open_file_beneath(struct pc_handle dir, const char *path, struct pc_handle *out)
{
    return open_path(dir, path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, out);
}

int pc_sys_open_any(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_at(dir, name, O_PATH | O_NOFOLLOW, 0, out);
}

int pc_sys_open_existing(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_at(dir, name, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, out);
}

int pc_sys_create(struct pc_handle dir, const char *name, mode_t mode, bool exclusive,
                  struct pc_handle *out, struct stat *st)
{
    const int flags = O_WRONLY | O_CREAT | O_NOFOLLOW;
    int err;
    if (!exclusive) {
        /* O_NONBLOCK: a FIFO of that name gives ENXIO or opens, but does not block. */
        err = open_at(dir, name, flags | O_NONBLOCK, mode, out);
        exclusive =
            err == -ELOOP || err == -ENXIO || err == -EISDIR || err == -EACCES || err == -ETXTBSY;
    }
    if (exclusive)
        err = open_at(dir, name, flags | O_EXCL, mode, out);
    if (err)
        return err;
    err = pc_sys_stat(*out, st);
    if (!err && !exclusive && (!S_ISREG(st->st_mode) || st->st_size != 0 || st->st_nlink != 1))
        err = -EEXIST;
    if (err)
        pc_sys_close(out);
    if (err && exclusive)
        pc_sys_unlink(dir, name);
    return err;
}

int pc_sys_create_readable(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_at(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR, out);
}

int pc_sys_open_or_create(struct pc_handle dir, const char *name, struct pc_handle *out)
{
    return open_at(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
                   S_IRUSR | S_IWUSR, out);
}

int pc_sys_lock(struct pc_handle h)
{
    int err;
    RETRY(err, "flock", flock(h.fd, LOCK_EX | LOCK_NB));
    return err;
}

int pc_sys_unlock(struct pc_handle h)
{
    int err;
    RETRY(err, "flock", flock(h.fd, LOCK_UN));
    return err;
}

int pc_sys_close(struct pc_handle *h)
{
    int err = fault("close");
    if (close(h->fd) < 0 && err == 0)
        err = -errno;
    *h = PC_HANDLE_NONE;
    return err;
}

int pc_sys_stat(struct pc_handle h, struct stat *out)
{
    int err;
    RETRY(err, "fstat", fstat(h.fd, out));
    return err;
}

int pc_sys_stat_at(struct pc_handle dir, const char *name, struct stat *out)
{
    int err;
    RETRY(err, "fstatat", fstatat(dir.fd, name, out, AT_SYMLINK_NOFOLLOW));
    return err;
}

int pc_sys_stat_now(struct pc_handle dir, const char *name, struct stat *out)
{
    struct statx stx;
    int err;
    RETRY(err, "statx",
          statx(dir.fd, name, AT_SYMLINK_NOFOLLOW | AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &stx));
    /* What was fetched is now what the client believes. */
    return err ? err : pc_sys_stat_at(dir, name, out);
}

int pc_sys_stat_path(const char *path, bool follow, struct stat *out)
{
    int err;
    RETRY(err, "fstatat", fstatat(AT_FDCWD, path, out, follow ? 0 : AT_SYMLINK_NOFOLLOW));
    return err;
}

/* linux/magic.h names only some of these; the rest are from the file systems' own sources. */
static bool is_network(uint64_t type)
{
    switch (type) {
    case NFS_SUPER_MAGIC:
    case AFS_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
    case CIFS_SUPER_MAGIC:
    case SMB2_SUPER_MAGIC:
    case SMB_SUPER_MAGIC:
    case CODA_SUPER_MAGIC:
    case V9FS_MAGIC:
    case FUSE_SUPER_MAGIC: /* sshfs, s3fs, gluster ...: more often remote than not */
    case 0x0BD00BD0:       /* Lustre */
    case 0x47504653:       /* GPFS */
    case 0x19830326:       /* BeeGFS */
    case 0x7461636f:       /* OCFS2 */
    case 0x01161970:       /* GFS2 */
        return true;
    default:
        return false;
    }
}

int pc_sys_fs(struct pc_handle h, struct pc_fs *out)
{
    struct statfs sfs;
    int err;
    RETRY(err, "fstatfs", fstatfs(h.fd, &sfs));
    if (err)
        return err;
    /* CIFS and SMB2 numbers have the top bit set: cut off the sign extension of a signed f_type. */
    out->type = (uint64_t)sfs.f_type & 0xffffffffU;
    out->network = is_network(out->type);
    return 0;
}

/* Two numbers: "0:50", "6.1.0-38-amd64". */
static bool parse_pair(const char *text, char between, unsigned *first, unsigned *second)
{
    char *end;
    *first = (unsigned)strtoul(text, &end, 10);
    if (end == text || *end != between)
        return false;
    *second = (unsigned)strtoul(end + 1, NULL, 10);
    return true;
}

/*
 * A line of mountinfo: "36 35 0:50 / /mnt rw,noatime shared:1 - nfs4 server:/ rw,vers=4.2": mount
 * ID, that of its parent, device number of the superblock; and behind the hyphen type, source and
 * options of the superblock.
 */
static bool parse_mount(const char *line, uint64_t id, struct pc_mount_info *out)
{
    const char *tail = strstr(line, " - ");
    unsigned major;
    unsigned minor;
    char *at;
    if (!tail || strtoull(line, &at, 10) != id)
        return false;
    strtoull(at, &at, 10);
    if (!parse_pair(at, ':', &major, &minor) ||
        sscanf(tail, " - %31s %255s %511s", out->type, out->source, out->options) != 3)
        return false;
    out->superblock = makedev(major, minor);
    return true;
}

int pc_sys_mount_info(struct pc_handle h, struct pc_mount_info *out)
{
    struct statx stx;
    int err;
    RETRY(err, "statx", statx(h.fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx));
    if (err)
        return err;
    FILE *f = fopen("/proc/self/mountinfo", "re");
    if (!f)
        return -errno;
    char *line = NULL;
    size_t size = 0;
    err = -ENOENT;
    while (err && (stx.stx_mask & STATX_MNT_ID) && getline(&line, &size, f) > 0) {
        if (parse_mount(line, stx.stx_mnt_id, out))
            err = 0;
    }
    free(line);
    fclose(f);
    return err;
}

bool pc_sys_create_looks_up(struct pc_handle dir)
{
    struct pc_mount_info info;
    struct utsname kernel;
    unsigned major;
    unsigned minor;
    if (pc_sys_mount_info(dir, &info) != 0 || strcmp(info.type, "nfs") != 0 ||
        uname(&kernel) != 0 || !parse_pair(kernel.release, '.', &major, &minor))
        return false;
    return major < 6 || (major == 6 && minor < 10);
}

int pc_sys_list_from(struct pc_listing *l, off_t from)
{
    l->used = l->at = 0;
    off_t at;
    RETRY(at, "lseek", lseek(l->dir.fd, from, SEEK_SET));
    return at < 0 ? (int)at : 0;
}

int pc_sys_list(struct pc_listing *l, struct pc_name *out)
{
    for (;;) {
        if (l->at == l->used) {
            ssize_t n;
            RETRY(n, "getdents64", getdents64(l->dir.fd, l->buffer, l->size));
            if (n <= 0)
                return (int)n;
            l->used = (size_t)n;
            l->at = 0;
        }
        const struct dirent64 *d = (const void *)(l->buffer + l->at);
        l->at += d->d_reclen;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        out->name = d->d_name;
        out->ino = d->d_ino;
        out->type = (mode_t)DTTOIF(d->d_type);
        out->next = d->d_off;
        return 1;
    }
}

void pc_sys_expect(struct pc_handle h, off_t at, off_t size)
{
    posix_fadvise(h.fd, at, size, POSIX_FADV_WILLNEED);
}

void pc_sys_forget(struct pc_handle h, off_t at, off_t size)
{
    posix_fadvise(h.fd, at, size, POSIX_FADV_DONTNEED);
}

/* The C library of Debian 12 does not know this call; its number is the same on all machines. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

bool pc_sys_is_cached(struct pc_handle h, off_t at, off_t size)
{
    const uint64_t range[2] = {(uint64_t)at, (uint64_t)size};
    uint64_t pages[5] = {0}; /* the first counts those in the cache */
    return syscall(SYS_cachestat, h.fd, range, pages, 0) == 0 && pages[0] > 0;
}

int pc_sys_write_back(struct pc_handle h, off_t at, off_t size, bool wait)
{
    const unsigned flags = SYNC_FILE_RANGE_WRITE |
                           (wait ? SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WAIT_AFTER : 0U);
    int err;
    RETRY(err, "sync_file_range", sync_file_range(h.fd, at, size, flags));
    return err;
}

ssize_t pc_sys_read(struct pc_handle h, void *buffer, size_t size, off_t at)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n;
        RETRY_MOVE(n, "pread", size - done,
                   pread(h.fd, (char *)buffer + done, most, at + (off_t)done));
        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

int pc_sys_write(struct pc_handle h, const void *buffer, size_t size, off_t at)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n;
        RETRY_MOVE(n, "pwrite", size - done,
                   pwrite(h.fd, (const char *)buffer + done, most, at + (off_t)done));
        if (n < 0)
            return (int)n;
        if (n == 0) /* not an error by write(2), but asking again might never end */
            return -EIO;
        done += (size_t)n;
    }
    return 0;
}

int pc_sys_next_data(struct pc_handle h, off_t at, off_t *begin, off_t *end)
{
    off_t pos;
    RETRY(pos, "lseek", lseek(h.fd, at, SEEK_DATA));
    if (pos < 0)
        return (int)pos;
    *begin = pos;
    RETRY(pos, "lseek", lseek(h.fd, *begin, SEEK_HOLE));
    if (pos < 0)
        return (int)pos;
    *end = pos;
    return 0;
}

ssize_t pc_sys_copy_range(struct pc_handle from, off_t from_at, struct pc_handle to, off_t to_at,
                          size_t size)
{
    ssize_t n;
    RETRY(n, "copy_file_range", copy_file_range(from.fd, &from_at, to.fd, &to_at, size, 0));
    return n;
}

int pc_sys_clone(struct pc_handle from, struct pc_handle to)
{
    int err;
    RETRY(err, "ioctl", ioctl(to.fd, FICLONE, from.fd));
    return err;
}

int pc_sys_reserve(struct pc_handle h, off_t size)
{
    int err;
    RETRY(err, "fallocate", fallocate(h.fd, FALLOC_FL_KEEP_SIZE, 0, size));
    return err;
}

int pc_sys_truncate(struct pc_handle h, off_t size)
{
    int err;
    RETRY(err, "ftruncate", ftruncate(h.fd, size));
    return err;
}

int pc_sys_fsync(struct pc_handle h)
{
    int err;
    RETRY(err, "fsync", fsync(h.fd));
    return err;
}

int pc_sys_fdatasync(struct pc_handle h)
{
    int err;
    RETRY(err, "fdatasync", fdatasync(h.fd));
    return err;
}

int pc_sys_fsync_place(struct pc_handle dir)
{
    struct pc_handle open;
    int err = pc_sys_open_dir(dir, ".", &open);
    if (err)
        return err;
    err = pc_sys_fsync(open);
    pc_sys_close(&open);
    return err == -EINVAL ? 0 : err; /* some file systems have no such thing */
}

int pc_sys_syncfs(struct pc_handle h)
{
    int err;
    RETRY(err, "syncfs", syncfs(h.fd));
    if (err == -EBADF) { /* a place: O_PATH */
        struct pc_mount_info info;
        struct pc_handle open;
        if (pc_sys_mount_info(h, &info) == 0 &&
            (strcmp(info.type, "nfs") == 0 || strcmp(info.type, "nfs4") == 0))
            return 0;
        err = pc_sys_open_dir(h, ".", &open);
        if (err)
            return err;
        RETRY(err, "syncfs", syncfs(open.fd));
        pc_sys_close(&open);
    }
    return err;
}

int pc_sys_mkdir(struct pc_handle dir, const char *name, mode_t mode)
{
    int err;
    RETRY(err, "mkdirat", mkdirat(dir.fd, name, mode));
    return err;
}

int pc_sys_symlink(struct pc_handle dir, const char *name, const char *target)
{
    int err;
    RETRY(err, "symlinkat", symlinkat(target, dir.fd, name));
    return err;
}

int pc_sys_mknod(struct pc_handle dir, const char *name, mode_t mode, dev_t rdev)
{
    int err;
    RETRY(err, "mknodat", mknodat(dir.fd, name, mode, rdev));
    return err;
}

int pc_sys_link(struct pc_handle dir, const char *name, struct pc_handle to_dir, const char *to)
{
    int err;
    RETRY(err, "linkat", linkat(dir.fd, name, to_dir.fd, to, 0));
    return err;
}

int pc_sys_readlink(struct pc_handle dir, const char *name, char *buffer, size_t size)
{
    ssize_t n;
    RETRY(n, "readlinkat", readlinkat(dir.fd, name, buffer, size));
    if (n < 0)
        return (int)n;
    if ((size_t)n == size)
        return -ENAMETOOLONG;
    buffer[n] = '\0';
    return 0;
}

int pc_sys_rename(struct pc_handle dir, const char *name, const char *to)
{
    int err;
    RETRY(err, "renameat", renameat(dir.fd, name, dir.fd, to));
    return err;
}

int pc_sys_unlink(struct pc_handle dir, const char *name)
{
    int err;
    RETRY(err, "unlinkat", unlinkat(dir.fd, name, 0));
    return err;
}

int pc_sys_rmdir(struct pc_handle dir, const char *name)
{
    int err;
    RETRY(err, "rmdir", unlinkat(dir.fd, name, AT_REMOVEDIR));
    return err;
}

int pc_sys_chown(struct pc_handle h, uid_t uid, gid_t gid)
{
    int err;
    RETRY(err, "fchown", fchownat(h.fd, "", uid, gid, AT_EMPTY_PATH));
    return err;
}

int pc_sys_chmod(struct pc_handle h, mode_t mode)
{
    int err;
    RETRY(err, "fchmod", fchmod(h.fd, mode));
    if (err == -EBADF) {
        char path[PROC_PATH];
        RETRY(err, "chmod", chmod(proc_path(h, path), mode));
    }
    return err;
}

int pc_sys_times(struct pc_handle h, struct timespec atime, struct timespec mtime)
{
    const struct timespec times[2] = {atime, mtime};
    int err;
    /* AT_EMPTY_PATH since Linux 5.8; unlike futimens(3) it takes a place too. */
    RETRY(err, "futimens", utimensat(h.fd, "", times, AT_EMPTY_PATH));
    return err;
}

/* Extended attributes of what was opened with O_PATH go by its name under /proc. */
#define XATTR(result, name, h, call, path_call)                                                    \
    do {                                                                                           \
        RETRY(result, name, call);                                                                 \
        if ((result) == -EBADF) {                                                                  \
            char path[PROC_PATH];                                                                  \
            proc_path(h, path);                                                                    \
            RETRY(result, name, path_call);                                                        \
        }                                                                                          \
    } while (false)

ssize_t pc_sys_list_xattr(struct pc_handle h, char *names, size_t size)
{
    ssize_t n;
    XATTR(n, "flistxattr", h, flistxattr(h.fd, names, size), listxattr(path, names, size));
    return n;
}

ssize_t pc_sys_get_xattr(struct pc_handle h, const char *name, void *value, size_t size)
{
    ssize_t n;
    XATTR(n, "fgetxattr", h, fgetxattr(h.fd, name, value, size), getxattr(path, name, value, size));
    return n;
}

int pc_sys_set_xattr(struct pc_handle h, const char *name, const void *value, size_t size)
{
    int err;
    XATTR(err, "fsetxattr", h, fsetxattr(h.fd, name, value, size, 0),
          setxattr(path, name, value, size, 0));
    return err;
}

int pc_sys_remove_xattr(struct pc_handle h, const char *name)
{
    int err;
    XATTR(err, "fremovexattr", h, fremovexattr(h.fd, name), removexattr(path, name));
    return err;
}

/* One ACL, by the names under /proc: libacl has no call for the default ACL of a descriptor. */
static int copy_acl(struct pc_handle from, struct pc_handle to, acl_type_t type)
{
    char path[PROC_PATH];
    int err = 0;
    acl_t acl = acl_get_file(proc_path(from, path), type);
    if (!acl)
        return -errno;
    proc_path(to, path);
    if (type == ACL_TYPE_DEFAULT && acl_entries(acl) == 0) {
        if (acl_delete_def_file(path) < 0)
            err = -errno;
    } else if (acl_set_file(path, type, acl) < 0) {
        err = -errno;
    }
    acl_free(acl);
    return err;
}

int pc_sys_copy_acl(struct pc_handle from, struct pc_handle to, bool directory)
{
    int err;
    do {
        err = fault("acl");
        if (!err)
            err = copy_acl(from, to, ACL_TYPE_ACCESS);
        if (!err && directory)
            err = copy_acl(from, to, ACL_TYPE_DEFAULT);
    } while (err == -EINTR);
    return err;
}

/* ACLs are extended attributes to the kernel (acl(5)), and libacl has no call for these two. */
#define ACCESS_ACL  "system.posix_acl_access"
#define DEFAULT_ACL "system.posix_acl_default"

/* Whether there is one of these: 1, 0, or negative errno if that cannot be told. */
static int has_acl(struct pc_handle h, const char *which)
{
    const ssize_t n = pc_sys_get_xattr(h, which, NULL, 0);
    if (n == -ENODATA || n == -EOPNOTSUPP || n == -ENOSYS)
        return 0;
    return n < 0 ? (int)n : n > 0;
}

bool pc_sys_hands_down_acl(struct pc_handle dir)
{
    return has_acl(dir, DEFAULT_ACL) != 0;
}

static int drop_acl(struct pc_handle h, const char *which)
{
    const int has = has_acl(h, which);
    return has > 0 ? pc_sys_remove_xattr(h, which) : has;
}

int pc_sys_drop_acl(struct pc_handle h, bool directory)
{
    const int err = drop_acl(h, ACCESS_ACL);
    return err || !directory ? err : drop_acl(h, DEFAULT_ACL);
}
