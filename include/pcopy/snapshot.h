/*
 * snapshot: the names in a directory of the destination with their attributes, as one listing found
 * them.
 *
 * On a network file system a listing answers for all files of a directory at once (READDIRPLUS of
 * NFS), where asking for each takes a round trip. Snapshots are only ever a first look: what they
 * show as different is looked at again before anything is done about it, and what they do not hold
 * is asked for by name.
 */
#ifndef PCOPY_SNAPSHOT_H
#define PCOPY_SNAPSHOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "pcopy/sys.h"

struct pc_snapshot;

/*
 * Lists `dir`, which may be a place. Takes one off *budget for each name that it holds, and stops
 * when nothing is left there: then, or when listing fails, it is not complete. *out is the
 * caller's: pc_snapshot_free(). Returns 0 or -ENOMEM. Thread-safe for different directories.
 */
int pc_snapshot_take(struct pc_snapshot **out, struct pc_handle dir, atomic_size_t *budget);

/* Frees a snapshot that no thread uses any more, and gives its names back to its budget. */
void pc_snapshot_free(struct pc_snapshot *s);

/*
 * The attributes of `name`, which now counts as seen; NULL if it was not found, which says that it
 * is not there only if the snapshot is complete. For any number of threads.
 */
const struct stat *pc_snapshot_find(struct pc_snapshot *s, const char *name);

/* True if all names of the directory are in it. */
bool pc_snapshot_complete(const struct pc_snapshot *s);

/* How many names it holds. */
size_t pc_snapshot_count(const struct pc_snapshot *s);

/*
 * A name that pc_snapshot_find() was never asked for; *cursor is 0 for the first call and moves on.
 * NULL when there is none left. Valid as long as the snapshot.
 */
const char *pc_snapshot_unseen(const struct pc_snapshot *s, size_t *cursor);

#endif
