#include "pcopy/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int pc_mounts_open(struct pc_mounts *m, const char *const *paths, unsigned count, bool allow_root,
                   unsigned *bad)
{
    struct stat root;
    struct stat st;

    *m = (struct pc_mounts){.count = count ? count : 1, .paths = count ? paths : NULL};
    if (count == 0)
        return 0;
    *bad = 0;
    m->handles = calloc(count, sizeof *m->handles);
    m->devices = calloc(count, sizeof *m->devices);
    if (!m->handles || !m->devices) {
        free(m->handles);
        m->handles = NULL;
        pc_mounts_close(m);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++)
        m->handles[i] = PC_HANDLE_NONE;

    int err = pc_sys_stat_path("/", true, &root);
    for (unsigned i = 0; i < count && !err; i++) {
        *bad = i;
        err = pc_sys_open_root(paths[i], true, &m->handles[i]);
        if (!err)
            err = pc_sys_stat(m->handles[i], &st);
        if (!err)
            m->devices[i] = st.st_dev;
        if (!err && !allow_root && st.st_dev == root.st_dev)
            err = -ENODEV;
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
    free(m->devices);
    m->handles = NULL;
    m->devices = NULL;
}

/*
 * Makes a directory through the first and looks for it through the others. On NFS a directory takes
 * one round trip to make, and a file up to three.
 */
static int probe(const struct pc_handle *dirs, unsigned count, unsigned *bad)
{
    struct timespec now;
    struct stat made;
    struct stat seen;
    char name[64];

    /* A name that nobody has asked for before, so no mount can have cached that it is missing. */
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, sizeof name, ".pcopy-probe-%ld-%lld-%ld", (long)getpid(), (long long)now.tv_sec,
             now.tv_nsec);
    *bad = 0;
    int err = pc_sys_mkdir(dirs[0], name, S_IRWXU);
    if (err)
        return err;
    err = pc_sys_stat_at(dirs[0], name, &made);
    for (unsigned i = 1; i < count && !err; i++) {
        *bad = i;
        err = pc_sys_stat_at(dirs[i], name, &seen);
        if (err == -ENOENT || (!err && seen.st_ino != made.st_ino))
            err = -EXDEV;
    }
    const int rmdir_err = pc_sys_rmdir(dirs[0], name);
    if (!err && rmdir_err) {
        *bad = 0;
        err = rmdir_err;
    }
    return err;
}

int pc_mounts_agree(const struct pc_mounts *m, const char *path, bool writable, unsigned *bad)
{
    struct pc_handle *dirs = calloc(m->count, sizeof *dirs);
    struct stat first = {0};
    struct stat st;
    bool sure = true;
    unsigned opened = 0;
    int err = 0;

    *bad = 0;
    if (!dirs)
        return -ENOMEM;
    while (opened < m->count && !err) {
        *bad = opened;
        err = pc_sys_open_beneath(m->handles[opened], path, true, &dirs[opened]);
        if (err)
            break;
        err = pc_sys_stat(dirs[opened], opened == 0 ? &first : &st);
        opened++;
        if (err || opened == 1)
            continue;
        if (st.st_ino != first.st_ino)
            err = -EXDEV;
        sure = sure && st.st_dev == first.st_dev;
    }
    if (err == -ENOENT) /* it is there on the first */
        err = -EXDEV;
    if (!err && !sure && writable)
        err = probe(dirs, m->count, bad);
    for (unsigned i = 0; i < opened; i++)
        pc_sys_close(&dirs[i]);
    free(dirs);
    return err;
}

/*
 * True if a mount has several connections: to one address (nconnect), or to all addresses of the
 * server that its client knows, which its calls then go round (max_connect; nfs(5)).
 */
static bool has_connections(const char *options)
{
    char value[16];
    return (pc_mounts_option(options, "max_connect", value, sizeof value) ||
            pc_mounts_option(options, "nconnect", value, sizeof value)) &&
           strtoul(value, NULL, 10) > 1;
}

enum pc_sharing pc_mounts_sharing(const struct pc_mounts *m, unsigned i, unsigned *other)
{
    enum pc_sharing sharing = PC_SHARING_NOTHING;
    struct pc_mount_info mine;
    struct pc_mount_info info;
    struct pc_fs fs;
    char address[128];
    char another[128];

    if (!m->paths || pc_sys_mount_info(m->handles[i], &mine) != 0)
        return sharing;
    const bool addressed = !has_connections(mine.options) &&
                           pc_mounts_option(mine.options, "addr", address, sizeof address);
    for (unsigned j = 0; j < i; j++) {
        if (pc_sys_mount_info(m->handles[j], &info) != 0)
            continue;
        /* Asked last because it takes a round trip; only network file systems have an address. */
        if (info.superblock == mine.superblock && pc_sys_fs(m->handles[i], &fs) == 0 &&
            fs.network) {
            *other = j;
            return PC_SHARING_SUPERBLOCK;
        }
        if (sharing == PC_SHARING_NOTHING && addressed &&
            pc_mounts_option(info.options, "addr", another, sizeof another) &&
            strcmp(address, another) == 0) {
            *other = j;
            sharing = PC_SHARING_CONNECTION;
        }
    }
    return sharing;
}

void pc_mounts_unify(const struct pc_mounts *m, unsigned i, struct stat *st)
{
    if (m->devices && st->st_dev == m->devices[i])
        st->st_dev = m->devices[0];
}

unsigned pc_mounts_pick(const struct pc_mounts *m, size_t dir, size_t entry)
{
    return (unsigned)((dir + entry) % m->count);
}

bool pc_mounts_option(const char *options, const char *name, char *value, size_t size)
{
    const size_t length = strlen(name);
    *value = '\0';
    for (const char *at = options; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, name, length) != 0)
            continue;
        const size_t n = strcspn(at, ",");
        if (n == length)
            return true;
        if (at[length] == '=') {
            snprintf(value, size, "%.*s", (int)(n - length - 1), at + length + 1);
            return true;
        }
    }
    return false;
}
