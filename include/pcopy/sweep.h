/*
 * sweep: takes away what is in a directory of the destination and not in its source: the temporary
 * names of runs that were killed and, where that is asked for, everything else.
 *
 * A temporary name is ".NAME.pcopy-HOST-PID-BORN-N" in the directory of NAME. A process that is
 * killed leaves it; the next run on that host sees that no process PID is there, or only another
 * one, which has not that BORN; so it is after a boot. Names of other hosts are left when they are
 * younger than a day, as are those of living processes.
 */
#ifndef PCOPY_SWEEP_H
#define PCOPY_SWEEP_H

#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pcopy/filter.h"
#include "pcopy/mounts.h"
#include "pcopy/tree.h"

/* How directories are swept; read-only but for the counters. */
struct pc_sweep {
    struct pc_tree *tree;
    const struct pc_mounts *sources;
    uint32_t host;                  /* of pc_sys_host() */
    uint32_t born;                  /* of pc_sys_process() for this one, or 0: not known */
    const struct pc_filter *filter; /* what it excludes stays, or NULL */
    bool extras;                    /* what the source does not have goes, */
    bool delete_excluded;           /* and what the filter excludes, whether it has that or not */
    bool observe;                   /* nothing is changed, `removed` is told what would be */
    atomic_size_t *allowance;       /* how many may still go */
    atomic_size_t *refused;         /* counts those that stay for that reason */
    atomic_size_t *total;           /* counts the names that were there before */
    /*
     * `owner` is what pc_sweep() was given. The path is relative, of something of that type that is
     * gone; or which could not be removed for `err`, with the name "" if the directory could not be
     * listed, or it could not be told of each of its names whether the source has it.
     */
    void (*removed)(void *owner, const char *path, mode_t type);
    void (*failed)(void *owner, struct pc_dir *dir, unsigned end, const char *name, int err);
};

/* A new temporary name for `name`, which is cut short where the whole would not fit. */
void pc_sweep_name(const struct pc_sweep *s, const char *name, char out[NAME_MAX + 1]);

/*
 * Sweeps a complete directory that is open as `to` on `end`; `extras` holds only if its source was
 * listed to its end without an error. What has a name in the source stays, whatever it is; so do
 * NFS's ".nfsXXXX" names, what is mounted there, and what the filter excludes. Symbolic links are
 * removed, not followed. Thread-safe.
 */
void pc_sweep(const struct pc_sweep *s, void *owner, struct pc_dir *dir, unsigned end,
              struct pc_handle to);

/*
 * Removes directory `name` in `dir`, open as `to`, which is in the way of something else, and tells
 * what was in it, for which the rules above hold. With `pretend` nothing is removed.
 * Returns 0, -ENOTEMPTY if something has to stay, or what pc_remove() returns.
 */
int pc_sweep_away(const struct pc_sweep *s, void *owner, struct pc_dir *dir, struct pc_handle to,
                  const char *name, bool pretend);

#endif
