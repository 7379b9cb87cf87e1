/*
 * remove: takes a tree away at the destination.
 */
#ifndef PCOPY_REMOVE_H
#define PCOPY_REMOVE_H

#include <stdbool.h>

#include "pcopy/sys.h"

/* Who has a say in what goes. `path` begins with the name that pc_remove() was given. */
struct pc_remove_events {
    void *context;
    bool pretend; /* nothing is removed, but all is asked and told */
    /*
     * Whether it may go. Of a directory first whether it may be looked into, and with `goes` when
     * it is empty. May be asked again after a no.
     */
    bool (*may)(void *context, const char *path, mode_t type, bool goes);
    /* It is gone. */
    void (*removed)(void *context, const char *path, mode_t type);
};

/*
 * Removes `name` in `dir`, with all that is below it if it is a directory. Symbolic links are
 * removed, never followed. Needs three descriptors however deep the tree is. Returns 0; 1 if
 * something stays that may not go, or a directory that holds such; or stops at the first failure
 * and returns it: -EBUSY for a directory on another file system (a mount point), -ESTALE if
 * somebody moved a directory away under our feet, -ENOMEM, or what a call of sys returned.
 * Thread-safe.
 */
int pc_remove(struct pc_handle dir, const char *name, const struct pc_remove_events *events);

#endif
