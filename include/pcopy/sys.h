/*
 * sys: the only module that makes file-system system calls.
 *
 * The others see handles (a directory, an open file) and names of one component below them. Nothing
 * here follows a symbolic link below a root: a name is opened with O_NOFOLLOW, and metadata is set
 * through the handle or with AT_SYMLINK_NOFOLLOW.
 *
 * Conventions, for every function unless it says otherwise:
 * - returns 0 (or a count) or a negative errno value of the call it stands for;
 * - EINTR is retried here, short reads and writes are continued here;
 * - thread-safe: no state but the fault hook, which is set while one thread runs;
 * - a handle given out belongs to the caller, who closes it with pc_sys_close();
 * - `dir` is a directory handle, `name` one component (no slash), a NUL-terminated byte string.
 */
#ifndef PCOPY_SYS_H
#define PCOPY_SYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

/* An open directory or file. Passed by value; only sys.c looks inside. */
struct pc_handle {
    int fd;
};

#define PC_HANDLE_NONE ((struct pc_handle){-1})

/* True if `h` is open. */
static inline bool pc_handle_open(struct pc_handle h)
{
    return h.fd >= 0;
}

/* What the program must know of a file system. */
struct pc_fs {
    uint64_t type; /* f_type of statfs(2) */
    bool network;  /* round trips decide, and errors of write-back may come late */
};

/* How a file system is mounted, from /proc/self/mountinfo (proc(5)). */
struct pc_mount_info {
    dev_t superblock;  /* mounts that share a cache and locks have one */
    char type[32];     /* "nfs4", "xfs" */
    char source[256];  /* "server:/export", "/dev/sda1" */
    char options[512]; /* those of the superblock, e.g. "rw,vers=4.2,addr=10.0.0.1" */
};

/* One name of a directory, valid until the next call on its listing. */
struct pc_name {
    const char *name;
    uint64_t ino;
    mode_t type; /* S_IFMT bits, 0 when the file system does not tell (DT_UNKNOWN) */
    off_t next;  /* position behind this name, for pc_sys_list_from() */
};

/* A directory being read in blocks; `buffer` of `size` bytes belongs to the caller. */
struct pc_listing {
    struct pc_handle dir;
    char *buffer;
    size_t size;
    size_t used;
    size_t at;
};

/*
 * A number that tells this host from others, as far as process IDs are concerned: of its name, its
 * machine-id(5), and the PID namespace (containers). Never fails: what cannot be had does not
 * count.
 */
uint32_t pc_sys_host(void);

/*
 * A number that tells the process which has `pid` on this host from all others that ever had or
 * will have it: of the boot (random(4), boot_id) and of the moment in which it began (proc(5),
 * starttime). -ESRCH if there is none, -ENODATA if the kernel does not tell (proc(5), hidepid);
 * then *out stays what it was.
 */
int pc_sys_process(pid_t pid, uint32_t *out);

/*
 * Directory or file named by the user, any number of components, symbolic links followed.
 * O_DIRECTORY is demanded, so a file gives -ENOTDIR. A `place` is opened as by pc_sys_open_place(),
 * else the directory can be listed.
 */
int pc_sys_open_root(const char *path, bool place, struct pc_handle *out);

/*
 * Directory `path` (any number of components) that must lie beneath `dir`: a symbolic link or ".."
 * that leaves it gives -EXDEV (openat2(2), RESOLVE_BENEATH, Linux 5.6).
 */
int pc_sys_open_beneath(struct pc_handle dir, const char *path, bool place, struct pc_handle *out);

/* Directory `name` in `dir`, to be listed; a symbolic link gives -ENOTDIR or -ELOOP. */
int pc_sys_open_dir(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * The same, not to be listed, but to make things in and set metadata of: O_PATH. An NFS client asks
 * the server for the attributes of a directory that is opened in the ordinary way (close-to-open
 * consistency, nfs(5)), and needs no permission to read it. With `follow` a symbolic link to a
 * directory will do, wherever that is.
 */
int pc_sys_open_place(struct pc_handle dir, const char *name, bool follow, struct pc_handle *out);

/*
 * Directory `path` (any number of components) below `dir`, none of which is a symbolic link or ".."
 * (openat2(2), RESOLVE_NO_SYMLINKS, Linux 5.6). A `place` is opened as by pc_sys_open_place(), else
 * the directory can be listed.
 */
int pc_sys_reopen(struct pc_handle dir, const char *path, bool place, struct pc_handle *out);

/* What has that name, to ask for and set its metadata only: O_PATH. A symbolic link itself. */
int pc_sys_open_any(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * Existing file `name` for writing over. As with pc_sys_open_file() the caller looks at what it
 * has got.
 */
int pc_sys_open_existing(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * File `name` for reading. O_NONBLOCK keeps a FIFO put in its place from blocking us; the caller
 * looks at the type with pc_sys_stat(). A symbolic link gives -ELOOP.
 */
int pc_sys_open_file(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * The same for a path of any number of components below `dir`, none of which is a symbolic link or
 * ".." (openat2(2), RESOLVE_BENEATH|RESOLVE_NO_SYMLINKS).
 */
int pc_sys_open_file_beneath(struct pc_handle dir, const char *path, struct pc_handle *out);

/*
 * New file `name` for writing with permission bits `mode` (the process runs with umask 0).
 * -EEXIST if there is anything of that name; without `exclusive` an empty regular file that has no
 * other name is taken as well. Then NFSv4 saves a round trip under the lock of the directory: the
 * Linux client confirms an exclusive create with a SETATTR of its own. *st gets the attributes of
 * the new file, which may be other than asked for: directories hand down groups and ACLs. If they
 * cannot be had the file is closed, and removed if it is known to be new.
 */
int pc_sys_create(struct pc_handle dir, const char *name, mode_t mode, bool exclusive,
                  struct pc_handle *out, struct stat *st);

/* The same, exclusive, for a file of the owner's own that is to be read as well. */
int pc_sys_create_readable(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * File `name` for reading and writing, made for its owner alone if it is not there. As with
 * pc_sys_open_file() the caller looks at what it has got; a symbolic link gives -ELOOP.
 */
int pc_sys_open_or_create(struct pc_handle dir, const char *name, struct pc_handle *out);

/*
 * Locks an open file until it is closed against all others that do so, on NFS those of other hosts
 * too (flock(2)). -EWOULDBLOCK if another has it.
 */
int pc_sys_lock(struct pc_handle h);

/* Takes the lock back before that. */
int pc_sys_unlock(struct pc_handle h);

/* Closes and forgets the handle. The error of a file that was written is an error of its data. */
int pc_sys_close(struct pc_handle *h);

/* Attributes of what is open; of a name, never followed; of a path of the user's, followed or not.
 */
int pc_sys_stat(struct pc_handle h, struct stat *out);
int pc_sys_stat_at(struct pc_handle dir, const char *name, struct stat *out);
int pc_sys_stat_path(const char *path, bool follow, struct stat *out);

/*
 * Attributes of a name as the server has them now, whatever a network client believes (statx(2),
 * AT_STATX_FORCE_SYNC). Elsewhere the same as pc_sys_stat_at().
 */
int pc_sys_stat_now(struct pc_handle dir, const char *name, struct stat *out);

/* What file system `h` is on. */
int pc_sys_fs(struct pc_handle h, struct pc_fs *out);

/*
 * How the file system that `h` is on is mounted; -ENOENT where the kernel does not tell. Asks no
 * server.
 */
int pc_sys_mount_info(struct pc_handle h, struct pc_mount_info *out);

/*
 * True if creating a file in `dir` that is not `exclusive` first looks its name up, unless that is
 * known, and holds the lock of the directory across both round trips. So does NFSv3 before Linux
 * 6.10 (commit 7c6c5249f061); NFSv4 has one call for both. A pc_sys_stat_at() that finds nothing
 * makes the name known, and many threads can do that at the same time. Asks no server.
 */
bool pc_sys_create_looks_up(struct pc_handle dir);

/* Starts a listing at position `from`: 0, or the `next` of a name already seen. */
int pc_sys_list_from(struct pc_listing *l, off_t from);

/* The next name, "." and ".." left out: 1 and `out` filled, 0 at the end, or negative errno. */
int pc_sys_list(struct pc_listing *l, struct pc_name *out);

/*
 * Advice on the page cache for `size` bytes at `at` (0: all that follow); nothing tells whether it
 * was taken. Expect: they will be read soon. Forget: what is cached may go, so that the next read
 * asks the disk or the server (pages that are not written back yet stay, posix_fadvise(2)).
 */
void pc_sys_expect(struct pc_handle h, off_t at, off_t size);
void pc_sys_forget(struct pc_handle h, off_t at, off_t size);

/*
 * True if some of these bytes are known to be cached (cachestat(2), Linux 6.5; not on every file
 * system).
 */
bool pc_sys_is_cached(struct pc_handle h, off_t at, off_t size);

/*
 * Starts writing cached data back, or with `wait` returns when it is written: to the device or
 * server, where it need not be stable yet (sync_file_range(2)). Says nothing about metadata.
 */
int pc_sys_write_back(struct pc_handle h, off_t at, off_t size, bool wait);

/* Reads `size` bytes at `at`; fewer only at the end of the file. Returns the count. */
ssize_t pc_sys_read(struct pc_handle h, void *buffer, size_t size, off_t at);

/* Writes all `size` bytes at `at`, or fails. */
int pc_sys_write(struct pc_handle h, const void *buffer, size_t size, off_t at);

/*
 * The next run of data at or behind `at`: [*begin, *end). -ENXIO when only a hole is left.
 * Where the file system keeps no map of holes the whole rest is data (lseek(2), SEEK_DATA).
 */
int pc_sys_next_data(struct pc_handle h, off_t at, off_t *begin, off_t *end);

/*
 * Lets the file system copy up to `size` bytes between two of its files: copy_file_range(2).
 * Returns the count, which may be short; -EXDEV or -EOPNOTSUPP where it cannot.
 */
ssize_t pc_sys_copy_range(struct pc_handle from, off_t from_at, struct pc_handle to, off_t to_at,
                          size_t size);

/* Makes `to` share the blocks of `from`: FICLONE of ioctl_ficlone(2). */
int pc_sys_clone(struct pc_handle from, struct pc_handle to);

/*
 * Reserves space for the first `size` bytes without changing the size of the file
 * (FALLOC_FL_KEEP_SIZE, fallocate(2)). -EOPNOTSUPP where that cannot be done, as on NFS.
 */
int pc_sys_reserve(struct pc_handle h, off_t size);

/* Sets the size of an open file. */
int pc_sys_truncate(struct pc_handle h, off_t size);

/* Data and metadata of one file to stable storage. */
int pc_sys_fsync(struct pc_handle h);

/* The names in a directory, which may be a place, to stable storage (fsync(2), NOTES). */
int pc_sys_fsync_place(struct pc_handle dir);

/* Only its data, and its size. */
int pc_sys_fdatasync(struct pc_handle h);

/*
 * Everything of the file system that `h` is on to stable storage. Reports each error of write-back
 * once, all since `h` was opened. `h` may be a place, if that can be read: then an error that
 * another process has been told of before is not reported. A place on NFS is left alone: there
 * pc_sys_fsync() has done it for the data of each file, and a name is stable when the server has
 * answered; to open the place would take two or three round trips.
 */
int pc_sys_syncfs(struct pc_handle h);

/* New names. `mode` of pc_sys_mknod() holds the type; `rdev` counts for devices only. */
int pc_sys_mkdir(struct pc_handle dir, const char *name, mode_t mode);
int pc_sys_symlink(struct pc_handle dir, const char *name, const char *target);
int pc_sys_mknod(struct pc_handle dir, const char *name, mode_t mode, dev_t rdev);
int pc_sys_link(struct pc_handle dir, const char *name, struct pc_handle to_dir, const char *to);

/*
 * Target of a symbolic link, at most `size` - 1 bytes and a NUL; -ENAMETOOLONG if it is longer.
 * `name` "" with a handle of pc_sys_open_any() is that link itself.
 */
int pc_sys_readlink(struct pc_handle dir, const char *name, char *buffer, size_t size);

/* Gives `name` the name `to`, in the same directory, replacing what has it. */
int pc_sys_rename(struct pc_handle dir, const char *name, const char *to);

/* Removes a name that is not a directory. */
int pc_sys_unlink(struct pc_handle dir, const char *name);

/* Removes an empty directory. */
int pc_sys_rmdir(struct pc_handle dir, const char *name);

/*
 * Metadata through a handle, which may be one of pc_sys_open_any() or pc_sys_open_place().
 * (uid_t)-1 leaves an id alone. Symbolic links have no mode: -EOPNOTSUPP (or no effect).
 */
int pc_sys_chown(struct pc_handle h, uid_t uid, gid_t gid);
int pc_sys_chmod(struct pc_handle h, mode_t mode);
int pc_sys_times(struct pc_handle h, struct timespec atime, struct timespec mtime);

/*
 * Extended attributes: the names, each NUL-terminated, one behind the other; one value.
 * Return the length. -ERANGE when `size` is too small, -EOPNOTSUPP where there are none, -ENODATA
 * for a name that is not there.
 */
ssize_t pc_sys_list_xattr(struct pc_handle h, char *names, size_t size);
ssize_t pc_sys_get_xattr(struct pc_handle h, const char *name, void *value, size_t size);
int pc_sys_set_xattr(struct pc_handle h, const char *name, const void *value, size_t size);
int pc_sys_remove_xattr(struct pc_handle h, const char *name);

/* Gives `to` the access ACL of `from`, for a directory the default ACL as well. */
int pc_sys_copy_acl(struct pc_handle from, struct pc_handle to, bool directory);

/*
 * True if what is made in `dir` gets an ACL from its default ACL (acl(5)), or if that cannot be
 * told: who believes it looks at what was made.
 */
bool pc_sys_hands_down_acl(struct pc_handle dir);

/* Takes off the access ACL, of a directory the default ACL too. 0 where there are none. */
int pc_sys_drop_acl(struct pc_handle h, bool directory);

/*
 * Test seam. `hook` is asked before each call with the call's name, e.g. "openat"; a negative
 * answer is that call's result, a positive one to "pread" or "pwrite" is how many bytes it moves at
 * most. NULL takes it out. Not thread-safe: set it before threads start.
 */
void pc_sys_set_fault(int (*hook)(const char *call));

#endif
