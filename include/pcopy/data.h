/*
 * data: the bytes of one regular file, from one open file to another: shared blocks, a copy made by
 * the file system, holes left out, or plain reading and writing; a big file in ranges that several
 * threads copy at the same time, over several mount points.
 */
#ifndef PCOPY_DATA_H
#define PCOPY_DATA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "pcopy/journal.h"
#include "pcopy/limit.h"
#include "pcopy/ranges.h"
#include "pcopy/sums.h"
#include "pcopy/sys.h"

enum pc_when { PC_WHEN_AUTO, PC_WHEN_ALWAYS, PC_WHEN_NEVER };

/*
 * What pairs of file systems cannot do, found out once for each: slots by a hash of the two device
 * numbers. A pair that is pushed out by another is only found out again.
 */
#define PC_PAIRS 64
struct pc_pairs {
    atomic_uint_fast64_t slots[PC_PAIRS];
};

/* What all threads of a run share. */
struct pc_data_config {
    size_t buffer_size;         /* bytes */
    uint64_t split_size;        /* a file above it is split; UINT64_MAX: none */
    uint64_t range;             /* bytes: a multiple of what the mounts write at once */
    enum pc_when reflink;       /* shared blocks */
    enum pc_when sparse;        /* holes: those of the source; also for zeros; none */
    bool reserve;               /* space before data */
    bool flush;                 /* each file is flushed when it is complete */
    bool server_copies;         /* both ends are on servers that may copy for us */
    struct pc_ranges *ranges;   /* who helps with big files */
    struct pc_limit *bandwidth; /* bytes a second, or NULL */
    struct pc_limit *operations;
    struct pc_pairs *pairs;
    const atomic_bool *stop; /* copies end at the next block */
    /* Called, by the thread that `owner` stands for, for each block that was written. */
    void (*copied)(void *owner, uint64_t bytes);
};

/* What a thread brings along. */
struct pc_hand {
    char *buffer; /* of `buffer_size` bytes */
    void *owner;
    struct pc_sums_hash *hash; /* gets the data if it is not NULL; such a file is not split */
};

/* A file that is open on one end of the tree. */
struct pc_data_file {
    struct pc_handle file;
    unsigned end;
};

/* One file. Who copies it fills the first part and clears the second. */
struct pc_data {
    const struct stat *src; /* what it was when it was opened */
    /* The files, on the mount points in the order in which these are used. Without a target the
     * source is only read, for its checksum. */
    const struct pc_data_file *from;
    const struct pc_data_file *to;
    unsigned from_count;
    unsigned to_count;
    dev_t to_device;
    struct pc_journal *journal;          /* gets the ranges that are finished, or NULL */
    uint32_t journal_number;             /* of the file in it */
    const struct pc_journal_file *begun; /* what a run before has finished of it, or NULL */

    off_t holes;           /* bytes left out */
    int err;               /* negative errno: the first failure, ... */
    const char *operation; /* ... what failed, as in pc_result */
    const char *why;
    unsigned end; /* where it happened */
    bool shrunk;  /* it failed because the source became shorter */
};

/* True for a file that is copied in ranges. */
bool pc_data_is_big(const struct pc_data_config *config, const struct stat *src);

/*
 * Copies the data that the source had when it was opened: `src->st_size` bytes. Returns true, or
 * false with `err` and what belongs to it. The target must not be longer than that, nor have data
 * where the source has holes.
 */
bool pc_data_copy(const struct pc_data_config *config, struct pc_data *data, struct pc_hand *hand);

#endif
