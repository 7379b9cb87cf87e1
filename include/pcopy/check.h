/*
 * check: the files of a tree against a list of checksums.
 */
#ifndef PCOPY_CHECK_H
#define PCOPY_CHECK_H

#include <stdatomic.h>
#include <stddef.h>

#include "pcopy/mounts.h"
#include "pcopy/report.h"

struct pc_check {
    const char *list;               /* "-": standard input */
    const struct pc_mounts *mounts; /* through which the tree is read in turn */
    const char *tree;               /* a directory; with named mount points relative to them */
    unsigned jobs;                  /* threads; they count in the first so many slots of `report` */
    size_t buffer_size;             /* bytes, of each */
    const atomic_bool *stop;        /* ends it early */
    struct pc_report *report;
};

/*
 * Reads every file that the list names from the disk or server and compares its XXH3-128. What
 * differs is reported as a change and counted (PC_COUNT_DIFFERS); what is missing, is no regular
 * file, or lies outside of the tree is an error. PC_COUNT_FILES counts what was read. Returns 0, or
 * a negative errno if there was nothing to check: then *problem is the path that could not be
 * opened or read, and *line that of a bad line of the list, or 0.
 */
int pc_check_run(const struct pc_check *check, const char **problem, size_t *line);

#endif
