/*
 * meta: owner, extended attributes, mode, ACL and times, in the order in which they hold.
 *
 * Changing the owner clears setuid, setgid and capabilities (chown(2)), so it comes first. Extended
 * attributes come before the mode, because they cannot be set on a file that has become read-only
 * for us. The mode is set by chmod and the ACL after it, since setting an ACL alone loses setuid,
 * setgid and the sticky bit. Times are the caller's last act (pc_sys_times()): everything else
 * moves ctime only, but writing moves mtime.
 *
 * All functions are thread-safe.
 */
#ifndef PCOPY_META_H
#define PCOPY_META_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "pcopy/sys.h"

/* What a copy keeps of its source, and as whom we run. */
struct pc_keep {
    bool mode;
    bool owner;
    bool times;
    bool links;
    bool acl;
    bool xattr;
    mode_t umask; /* where the mode is not kept */
    uid_t uid;    /* effective ids of the process */
    gid_t gid;
};

/* What the destination could not hold: bits of the set that pc_meta_apply() adds to. */
enum pc_lost {
    PC_LOST_ACL = 1,
    PC_LOST_XATTR = 2,
    PC_LOST_OWNER = 4,
    PC_LOST_TIMES = 8,  /* kept, but coarser; found by pc_copy_entry() */
    PC_LOST_HOLES = 16, /* likewise */
};

/* In what a copy differs from its source: bits of a set. */
enum pc_diff {
    PC_DIFF_MISSING = 1,  /* there is no copy */
    PC_DIFF_EXTRA = 2,    /* there is no source */
    PC_DIFF_TYPE = 4,     /* it is something else */
    PC_DIFF_LINK = 8,     /* it is not the file that its hard link says */
    PC_DIFF_CONTENT = 16, /* data, target of a symbolic link, number of a device */
    PC_DIFF_SIZE = 32,
    PC_DIFF_MTIME = 64,
    PC_DIFF_MODE = 128,
    PC_DIFF_OWNER = 256,
    PC_DIFF_GROUP = 512,
    PC_DIFF_ACL = 1024,
    PC_DIFF_XATTR = 2048,
};

/*
 * Permission bits to make something with whose source is `src`: never wider than it will end, for
 * anybody, so bits of group and others wait if these are still to change, and a directory that
 * others may write in is closed to them while it is filled. Directories are always open to their
 * owner.
 */
mode_t pc_meta_make_mode(const struct pc_keep *keep, const struct stat *src);

/*
 * Gives `to`, which is ours, what is kept of its source, except the times. `from` is the open
 * source and `src` its attributes; `now` are those of `to`. Only what differs is set; what is not
 * `new` also loses the extended attributes and the ACL that its source does not have. Either may be
 * a handle of pc_sys_open_any(): so symbolic links and special files go the same way. Adds to *lost
 * what could not be kept. On failure returns a negative errno and sets *operation to a verb with
 * its object, for the message.
 */
int pc_meta_apply(const struct pc_keep *keep, struct pc_handle from, const struct stat *src,
                  struct pc_handle to, const struct stat *now, bool new, unsigned *lost,
                  const char **operation);

/*
 * What of the kept mode and owner differs between `src` and its copy `now`, as far as
 * pc_meta_apply() can change it: PC_DIFF_MODE, PC_DIFF_OWNER, PC_DIFF_GROUP.
 */
unsigned pc_meta_compare(const struct pc_keep *keep, const struct stat *src,
                         const struct stat *now);

/*
 * Adds to *diffs what of the kept ACLs and extended attributes differs, and to *lost what the
 * destination cannot hold. The handles may be those of pc_sys_open_any(). 0 or a negative errno.
 */
int pc_meta_compare_xattrs(const struct pc_keep *keep, struct pc_handle from, struct pc_handle to,
                           unsigned *diffs, unsigned *lost);

/* True if `now` has the mtime of `src`, as far as times in steps of `granularity` (ns) can tell. */
bool pc_meta_same_mtime(const struct stat *src, const struct stat *now, int64_t granularity);

/*
 * Finds out in what steps (ns) the file system of `file` keeps times, by changing those of the
 * file. Returns 0, -ERANGE if it does not keep what is set, or what pc_sys_times() and
 * pc_sys_stat() do.
 */
int pc_meta_granularity(struct pc_handle file, int64_t *out);

#endif
