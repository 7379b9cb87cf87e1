/*
 * copy: one entry from the source to the destination, and a directory's metadata when it is
 * complete.
 *
 * A new file is made under its final name; one that is there and differs is replaced by a temporary
 * name and rename, or written over where the options ask for it. The mtime is set last and marks a
 * file as complete, so a run that is killed anywhere leaves nothing that a check of size and mtime
 * takes for a copy. What fails is removed again.
 */
#ifndef PCOPY_COPY_H
#define PCOPY_COPY_H

#include <stdatomic.h>
#include <stdint.h>

#include "pcopy/compare.h"
#include "pcopy/data.h"
#include "pcopy/journal.h"
#include "pcopy/meta.h"
#include "pcopy/mounts.h"
#include "pcopy/retry.h"
#include "pcopy/sweep.h"
#include "pcopy/tree.h"

/* What all copiers of a run share; read-only but for `granularity` and what `data` says. */
struct pc_copy_config {
    struct pc_tree *tree;
    const struct pc_mounts *sources; /* the first ends of the tree ... */
    const struct pc_mounts *targets; /* ... and those behind them */
    struct pc_data_config data;
    struct pc_keep keep;
    struct pc_rule rule;
    struct pc_sweep sweep;          /* of directories that are complete */
    struct pc_sums_writer *sums;    /* gets the checksum of each regular file, or NULL */
    struct pc_journal *journal;     /* of big files that are begun, or NULL */
    const struct pc_filter *filter; /* has rules on attributes, or NULL */
    bool sweep_only;                /* of directories: nothing else is done, but for their times */
    bool observe;                   /* change nothing, only say what would be done */
    bool forget;                 /* compare contents with the disk or server, not with our cache */
    bool fsync;                  /* each file before its times are set */
    bool force;                  /* a directory in the way of something else is removed */
    bool inplace;                /* an existing file is written over */
    bool atomic;                 /* a new file too gets its name when it is complete */
    struct pc_retry retry;       /* also of a file that changes while it is read */
    atomic_llong *granularity;   /* of times on each end, in ns; 0 as long as it is not known */
    const struct stat *precious; /* directories that a source is in or below: not to be removed */
    unsigned precious_count;
};

/* One per copy thread. */
struct pc_copier {
    const struct pc_copy_config *config;
    struct pc_hand hand;        /* its owner is passed on to the events of `sweep` as well */
    struct pc_data_file *files; /* of a big file: one on each mount point, of the source first */
};

enum pc_outcome {
    PC_COPIED_FILE,
    PC_COPIED_SYMLINK,
    PC_COPIED_SPECIAL,
    PC_COPIED_DIR,
    PC_COPIED_LINK,
    PC_MENDED,      /* it was there, and only its metadata had to be set */
    PC_SKIPPED,     /* it was there and equal, or the rule says to leave it */
    PC_SKIPPED_DIR, /* it was there */
    PC_VANISHED,    /* its source is gone */
    PC_CHANGED,     /* it changed while it was read, each time; `err` is 0 if a copy is there */
    PC_FAILED,      /* `err`, `operation` and `end` say how; `why` if errno does not */
    PC_ABANDONED,   /* nothing was done: the run ends, or its directory is not to be had */
    PC_POSTPONED,   /* the entry now belongs to its hard-link group */
    PC_CROWDED,     /* nothing was done: pc_ranges_put_aside() */
};

struct pc_result {
    enum pc_outcome outcome;
    unsigned diffs;        /* pc_diff bits: what was, or would be, set right */
    unsigned lost;         /* pc_lost bits */
    int err;               /* negative errno */
    const char *operation; /* a verb with its object, e.g. "set mode of" */
    const char *why;       /* in place of the text of `err`, or NULL */
    unsigned end;          /* of the tree, where it happened, or what was lost was lost */
};

/* Gives a copier its buffer. 0 or -ENOMEM. */
int pc_copier_init(struct pc_copier *c, const struct pc_copy_config *config, void *owner);
void pc_copier_free(struct pc_copier *c);

/*
 * With `observe` in the configuration the results of the following two are the same, but nothing is
 * done.
 *
 * Copies one entry, or for type S_IFDIR makes the directory. The entry stays the caller's, except
 * with PC_POSTPONED. If it has joined a group (entry->group) the caller calls pc_tree_leave().
 */
void pc_copy_entry(struct pc_copier *c, struct pc_entry *entry, struct pc_result *result);

/*
 * Gives a complete directory its metadata, or reports why it is not there. If it was there before
 * the run it is swept first (sweep.h).
 */
void pc_copy_dir(struct pc_copier *c, struct pc_dir *dir, struct pc_result *result);

#endif
