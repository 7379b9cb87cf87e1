/*
 * plan: the SRC and DST operands to roots: which directory becomes which, seen through every mount
 * point. All that can be refused is refused before anything is made at the destination.
 */
#ifndef PCOPY_PLAN_H
#define PCOPY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "pcopy/mounts.h"
#include "pcopy/options.h"
#include "pcopy/tree.h"

/* One SRC and where it lands. Handles and labels have one element for each end of the tree. */
struct pc_root {
    struct pc_handle
        *handles;        /* open directories: the source, then the destination on each mount */
    const char **labels; /* what messages call them */
    mode_t type;         /* S_IFMT bits of SRC */
    const char *file;    /* SRC is no directory: its name in the source directory, */
    const char *to;      /* and at the destination */
    dev_t dev;           /* of the destination directory, on the first mount */
    ino_t ino;
};

struct pc_plan {
    struct pc_root *roots;
    unsigned count;
    unsigned ends;
    bool network; /* a source or the destination is on a network file system */
    char **strings;
    size_t string_count;
};

/*
 * Makes the plan and opens its roots; what is missing of DST's path is made, once everything else is
 * checked. `o` and `m` must outlive the plan; sets m->network. Returns 0; -EINVAL for a DST that makes
 * no sense on the command line; another negative errno for operands that are refused. Then `problem`
 * (of `size` bytes) holds a line that names the operand. The plan is to be freed in any case.
 */
int pc_plan_make(struct pc_plan *p, const struct pc_options *o, struct pc_mounts *m, char *problem,
                 size_t size);
void pc_plan_free(struct pc_plan *p);

#endif
