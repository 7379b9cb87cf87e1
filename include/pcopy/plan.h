/*
 * plan: the SRC and DST operands to roots: which directory becomes which, seen through every mount
 * point. All that can be refused is refused before anything is made at the destination.
 */
#ifndef PCOPY_PLAN_H
#define PCOPY_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "pcopy/mounts.h"
#include "pcopy/options.h"
#include "pcopy/tree.h"

/* One SRC and where it lands. Handles and labels have one element for each end of the tree. */
struct pc_root {
    struct pc_handle *handles; /* open directories, the same one on each mount point of its side;
                                  not open if it does not exist and is not made (`observe`) */
    const char **labels;       /* what messages call them */
    mode_t type;               /* S_IFMT bits of SRC */
    const char *file;          /* SRC is no directory: its name in the source directory, */
    const char *to;            /* and at the destination */
    const char *relative;      /* what relative paths of what is in it begin with, or "" */
    struct stat there;         /* of the destination directory before the run, on its first mount */
    bool made;                 /* it did not exist before */
};

struct pc_plan {
    struct pc_root *roots;
    unsigned count;
    unsigned ends;
    const char *existing; /* the nearest directory on DST's path that exists; as DST with -m */
    struct stat *above;   /* with `o->force`: the directories that sources are, or are below of */
    unsigned above_count;
    bool network; /* a source or the destination is on a network file system */
    char **strings;
    size_t string_count;
};

/*
 * Looks at the operands and refuses what cannot be copied, or, with -m and -M, mount points that do
 * not show the same directory; then makes what is missing of DST's path and opens the roots. With
 * `o->explain` it makes nothing and has no roots. All arguments must outlive the plan; sets
 * `network` of both sets. Returns 0; -EINVAL for a path that makes no sense on the command line;
 * another negative errno for operands that are refused. Then `problem` (of `size` bytes) holds a
 * line that names the operand. The plan is to be freed in any case.
 */
int pc_plan_make(struct pc_plan *p, const struct pc_options *o, struct pc_mounts *sources,
                 struct pc_mounts *targets, char *problem, size_t size);
void pc_plan_free(struct pc_plan *p);

#endif
