/*
 * explain: what the mount points of a copy are and can do, and what pcopy makes of it, in words.
 */
#ifndef PCOPY_EXPLAIN_H
#define PCOPY_EXPLAIN_H

#include "pcopy/mounts.h"
#include "pcopy/options.h"
#include "pcopy/plan.h"

/*
 * The text of --explain, or of --explain --json, for a plan that was made with `explain`. To find
 * out what the destination can do two files are made in the nearest directory of its path that
 * exists, through each mount point, and removed again. The string is the caller's to free; NULL
 * when there is no memory.
 */
char *pc_explain(const struct pc_options *o, const struct pc_plan *plan,
                 const struct pc_mounts *sources, const struct pc_mounts *targets);

/*
 * A line that names the mount points which cannot work in parallel, and the cure; NULL if there are
 * none (or no memory). The string is the caller's to free.
 */
char *pc_explain_sharing(const struct pc_mounts *m);

#endif
