/*
 * mounts: the mount points through which the destination is written.
 *
 * Without -m there is one. With -m A,B,... there are several mounts of one export: the same
 * directory of the server, reached over different connections. Thread-safe once opened.
 */
#ifndef PCOPY_MOUNTS_H
#define PCOPY_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "pcopy/sys.h"

struct pc_mounts {
    unsigned count;
    const char *const *paths;  /* as given; NULL for a single destination without -m */
    struct pc_handle *handles; /* of the mount points; none without -m */
    bool network;
};

/*
 * Opens `count` mount points; `paths` must outlive them. With count 0 there is one destination that
 * is not named by a mount point. Returns 0, -ENOMEM, or what opening failed with; *bad is then the
 * index of the path.
 */
int pc_mounts_open(struct pc_mounts *m, const char *const *paths, unsigned count, unsigned *bad);

/* Closes the mount points. */
void pc_mounts_close(struct pc_mounts *m);

/*
 * The mount point for the `entry`th entry of the `dir`th directory, from 0 to count - 1.
 * The entries of one directory go round-robin, because what limits one mount is the lock of the
 * directory (the client holds it across each CREATE); directories start at different mounts, so that
 * many small ones are spread as well.
 */
unsigned pc_mounts_pick(const struct pc_mounts *m, size_t dir, size_t entry);

#endif
