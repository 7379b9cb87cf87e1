/*
 * compare: whether a copy is what its source is: the skip rule, and what verification looks for.
 * All functions are thread-safe.
 */
#ifndef PCOPY_COMPARE_H
#define PCOPY_COMPARE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pcopy/meta.h"

/* What of an existing file makes it due for copying. All false: size and mtime. */
struct pc_rule {
    bool checksum;        /* size and contents */
    bool size_only;       /* size */
    bool ignore_times;    /* all files are due */
    bool update;          /* those that are newer at the destination are not */
    bool ignore_existing; /* none that exists is */
    bool existing;        /* none that does not exist is */
};

/*
 * In what `there` differs from its source `src`, by their attributes: pc_diff bits. `same_mtime`
 * says whether the times are equal as far as the file systems can tell. Where the rule looks at
 * contents these are still to be compared.
 */
unsigned pc_compare(const struct pc_rule *rule, const struct pc_keep *keep, const struct stat *src,
                    const struct stat *there, bool same_mtime);

/* True if what differs takes a new copy; other differences are set right where they are. */
bool pc_compare_is_due(const struct pc_rule *rule, const struct stat *src, unsigned diffs);

/*
 * Compares two open files of `size` bytes. `buffer` of `room` bytes is the caller's. Returns 1 if
 * they are equal, 0 if they are not; a negative errno of reading, and *which is then 0 for `a`,
 * else 1; -ECANCELED once *stop is true.
 */
int pc_compare_data(struct pc_handle a, struct pc_handle b, off_t size, char *buffer, size_t room,
                    const atomic_bool *stop, unsigned *which);

#endif
