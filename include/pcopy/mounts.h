/*
 * mounts: the mount points through which one side of the copy is reached.
 *
 * Without -m (or -M for the source) there is one, and it has no name. With -m A,B,... there are
 * several mounts of one export: the same directory of the server, over different connections. A set
 * is thread-safe once it is opened.
 */
#ifndef PCOPY_MOUNTS_H
#define PCOPY_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "pcopy/sys.h"

struct pc_mounts {
    unsigned count;
    const char *const *paths;  /* as given; NULL where the one mount point has no name */
    struct pc_handle *handles; /* of the named mount points, */
    dev_t *devices;            /* and the numbers of their superblocks */
    bool network;              /* set by who opens directories on them, ... */
    bool look_up;              /* ... also of the destination; see pc_sys_create_looks_up() */
};

/* What mount points have in common that keeps them from working in parallel. */
enum pc_sharing {
    PC_SHARING_NOTHING,
    PC_SHARING_SUPERBLOCK, /* one cache and one lock for each directory: nothing is parallel */
    PC_SHARING_CONNECTION, /* one server address: no more bandwidth than one mount */
};

/*
 * Opens `count` mount points; `paths` must outlive them. With count 0 the set has one without a
 * name. A path on the root file system has nothing mounted on it, and unless `allow_root` gives
 * -ENODEV. Returns 0, -ENOMEM, or what opening failed with; *bad is then the index of the path.
 */
int pc_mounts_open(struct pc_mounts *m, const char *const *paths, unsigned count, bool allow_root,
                   unsigned *bad);

/*
 * Calls `visit` for the mount points from `first` on, for all at the same time: what takes each of
 * them round trips takes no longer for many than for one. Returns 0, or the first error in the
 * order of the mount points; *bad is then the index of that one.
 */
int pc_mounts_visit(const struct pc_mounts *m, unsigned first,
                    int (*visit)(void *context, unsigned i), void *context, unsigned *bad);

/* Closes the mount points. */
void pc_mounts_close(struct pc_mounts *m);

/*
 * Finds out whether directory `path` (relative, it exists on the first mount point) is the same one
 * on all. Inode numbers tell most; to be sure, if `writable`, a probe directory is made through the
 * first, looked for through the others, and removed. Returns 0; -EXDEV if *bad is the index of one
 * that shows something else; or another negative errno of *bad.
 */
int pc_mounts_agree(const struct pc_mounts *m, const char *path, bool writable, unsigned *bad);

/*
 * What mount point `i` shares with one that comes before it in the set; *other is the first such.
 * Only network file systems can be told apart.
 */
enum pc_sharing pc_mounts_sharing(const struct pc_mounts *m, unsigned i, unsigned *other);

/*
 * THE choice: the mount point for the `entry`th entry of the `dir`th directory, 0 to count - 1.
 *
 * The entries of one directory go round-robin, because what limits one mount is the lock of the
 * directory, which the client holds across the round trip of each CREATE. Directories start at
 * different mount points, so that many small ones are spread as well.
 *
 * Measured against keeping each directory to one mount point (NFSv3, three mounts, 10 ms, 500
 * files; docs/BENCHMARKS.md): in one directory 4.8 s against 11.8 s; in 20 directories no
 * difference in seconds, though 0.6 calls more for each file, because what one mount changes makes
 * the others ask for ACCESS again.
 */
unsigned pc_mounts_pick(const struct pc_mounts *m, size_t dir, size_t entry);

/*
 * Makes attributes that were seen through mount point `i` comparable with those seen through
 * others: one file has one device number then, that of the first.
 */
void pc_mounts_unify(const struct pc_mounts *m, unsigned i, struct stat *st);

/*
 * Value of option `name` among mount options "a,name=value,b" in `value` of `size` bytes; "" for
 * one that has no value. False, and an empty `value`, if it is not there.
 */
bool pc_mounts_option(const char *options, const char *name, char *value, size_t size);

#endif
