/*
 * remove: takes a tree away at the destination.
 */
#ifndef PCOPY_REMOVE_H
#define PCOPY_REMOVE_H

#include "pcopy/sys.h"

/*
 * Removes `name` in `dir`, with all that is below it if it is a directory. Symbolic links are
 * removed, never followed; a directory on another file system (a mount point) is left, and gives
 * -EBUSY. Needs three descriptors however deep the tree is. Stops at the first failure and returns
 * it: -ESTALE if somebody moved a directory away under our feet, -ENOMEM, or what a call of sys
 * returned. Thread-safe.
 */
int pc_remove(struct pc_handle dir, const char *name);

#endif
