/*
 * walk: source directories to entries, by several threads at once.
 *
 * The walker opens and lists directories and hands out what it finds; it does not open or stat
 * files, and knows nothing of copying. A directory of any size is streamed.
 */
#ifndef PCOPY_WALK_H
#define PCOPY_WALK_H

#include <stdbool.h>

#include "pcopy/mounts.h"
#include "pcopy/retry.h"
#include "pcopy/tree.h"

struct pc_walk;

/* What the walker calls, from any of its threads. `context` is the caller's own. */
struct pc_walk_events {
    void *context;
    /*
     * A directory was opened: `st` is set, no entry of it was emitted yet. A negative errno keeps
     * it from being listed, and is reported through `failed`.
     */
    int (*enter)(void *context, struct pc_dir *dir);
    /*
     * An entry was found, or (type S_IFDIR) a directory was listed to its end. The entry is now the
     * callee's. Any result but 0 ends the walk: directories are still emitted, unlisted.
     */
    int (*emit)(void *context, struct pc_entry *entry);
    /* Whether a name is left out, and a directory all that is below it; NULL: none is. */
    bool (*excludes)(void *context, const struct pc_dir *dir, const char *name, mode_t type);
    /* A directory, or `name` in it, could not be read: `operation` is a verb with its object. */
    void (*failed)(void *context, struct pc_dir *dir, const char *name, const char *operation,
                   int err);
    struct pc_retry retry; /* of opening and reading directories */
};

/*
 * Makes a walk over `tree`, which reads each directory through one of the mount points `sources`
 * (to outlive the walk). With `one_file_system` directories on other devices than their root's are
 * emitted, but not listed. `events` is copied. Returns 0 or -ENOMEM.
 */
int pc_walk_new(struct pc_walk **out, struct pc_tree *tree, const struct pc_mounts *sources,
                bool one_file_system, const struct pc_walk_events *events);

/*
 * Adds the entry of a directory to be walked; the walk now owns it. If the directory has `names`
 * (names.h) these are looked for in it, and nothing else. Before the threads start.
 */
void pc_walk_add(struct pc_walk *w, struct pc_entry *root);

/*
 * Walks until all is listed; run by each walker thread. Returns 0, or the first error that ended
 * the walk: -ENOMEM or what `emit` returned.
 */
int pc_walk_run(struct pc_walk *w);

/* Frees a walk that no thread runs any more. */
void pc_walk_free(struct pc_walk *w);

#endif
