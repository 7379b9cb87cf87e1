#include "pcopy/mounts.h"

#include <errno.h>
#include <stdlib.h>

int pc_mounts_open(struct pc_mounts *m, const char *const *paths, unsigned count, unsigned *bad)
{
    *m = (struct pc_mounts){.count = count ? count : 1, .paths = count ? paths : NULL};
    if (count == 0)
        return 0;
    *bad = 0;
    m->handles = calloc(count, sizeof *m->handles);
    if (!m->handles)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++)
        m->handles[i] = PC_HANDLE_NONE;

    int err = 0;
    for (unsigned i = 0; i < count && !err; i++) {
        *bad = i;
        err = pc_sys_open_root(paths[i], &m->handles[i]);
    }
    if (err)
        pc_mounts_close(m);
    return err;
}

void pc_mounts_close(struct pc_mounts *m)
{
    for (unsigned i = 0; m->handles && i < m->count; i++) {
        if (pc_handle_open(m->handles[i]))
            pc_sys_close(&m->handles[i]);
    }
    free(m->handles);
    m->handles = NULL;
}

unsigned pc_mounts_pick(const struct pc_mounts *m, size_t dir, size_t entry)
{
    return (unsigned)((dir + entry) % m->count);
}
