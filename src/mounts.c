#include "pcopy/mounts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One call of what pc_mounts_visit() was given. */
struct call {
    int (*visit)(void *context, unsigned i);
    void *context;
    unsigned i;
    int err;
    bool apart; /* in a thread of its own */
    pthread_t thread;
};

static void *make_call(void *argument)
{
    struct call *c = argument;
    c->err = c->visit(c->context, c->i);
    return NULL;
}

int pc_mounts_visit(const struct pc_mounts *m, unsigned first,
                    int (*visit)(void *context, unsigned i), void *context, unsigned *bad)
{
    struct call *calls = calloc(m->count, sizeof *calls);
    int err = 0;

    *bad = first;
    if (!calls)
        return -ENOMEM;
    for (unsigned i = first; i < m->count; i++) {
        struct call *c = &calls[i];
        *c = (struct call){.visit = visit, .context = context, .i = i};
        /* The last is this thread's own, and so is one that no thread can be had for. */
        c->apart = i + 1 < m->count && pthread_create(&c->thread, NULL, make_call, c) == 0;
        if (!c->apart)
            make_call(c);
    }
    for (unsigned i = first; i < m->count; i++) {
        if (calls[i].apart)
            pthread_join(calls[i].thread, NULL);
        if (!err && calls[i].err) {
            err = calls[i].err;
            *bad = i;
        }
    }
    free(calls);
    return err;
}

static int open_mount(void *context, unsigned i)
{
    struct pc_mounts *m = context;
    struct stat st;
    int err = pc_sys_open_root(m->paths[i], true, &m->handles[i]);
    if (!err)
        err = pc_sys_stat(m->handles[i], &st);
    if (!err)
        m->devices[i] = st.st_dev;
    return err;
}

int pc_mounts_open(struct pc_mounts *m, const char *const *paths, unsigned count, bool allow_root,
                   unsigned *bad)
{
    struct stat root;

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
    if (!err)
        err = pc_mounts_visit(m, 0, open_mount, m, bad);
    for (unsigned i = 0; i < count && !err && !allow_root; i++) {
        *bad = i;
        if (m->devices[i] == root.st_dev)
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

/* One directory as the mount points show it. */
struct view {
    const struct pc_mounts *m;
    const char *path;
    struct pc_handle *dirs;
    struct stat *seen; /* the directory, then the probe in it */
    char probe[64];
};

static int open_view(void *context, unsigned i)
{
    const struct view *v = context;
    const int err = pc_sys_open_beneath(v->m->handles[i], v->path, true, &v->dirs[i]);
    return err ? err : pc_sys_stat(v->dirs[i], &v->seen[i]);
}

static int look_for_probe(void *context, unsigned i)
{
    const struct view *v = context;
    return pc_sys_stat_at(v->dirs[i], v->probe, &v->seen[i]);
}

/*
 * Whether all have seen the same inode; if not, -EXDEV. `err` is what looking has come to: what a
 * mount point does not find is there on the first.
 */
static int compare_views(const struct view *v, int err, unsigned *bad)
{
    for (unsigned i = 1; i < v->m->count && !err; i++) {
        *bad = i;
        if (v->seen[i].st_ino != v->seen[0].st_ino)
            err = -EXDEV;
    }
    return err == -ENOENT ? -EXDEV : err;
}

/*
 * Makes a directory through the first and looks for it through the others. On NFS a directory takes
 * one round trip to make, and a file up to three.
 */
static int probe(struct view *v, unsigned *bad)
{
    struct timespec now;

    /* A name that nobody has asked for before, so no mount can have cached that it is missing. */
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(v->probe, sizeof v->probe, ".pcopy-probe-%ld-%lld-%ld", (long)getpid(),
             (long long)now.tv_sec, now.tv_nsec);
    *bad = 0;
    int err = pc_sys_mkdir(v->dirs[0], v->probe, S_IRWXU);
    if (err)
        return err;
    err = compare_views(v, pc_mounts_visit(v->m, 0, look_for_probe, v, bad), bad);
    const int rmdir_err = pc_sys_rmdir(v->dirs[0], v->probe);
    if (!err && rmdir_err) {
        *bad = 0;
        err = rmdir_err;
    }
    return err;
}

int pc_mounts_agree(const struct pc_mounts *m, const char *path, bool writable, unsigned *bad)
{
    struct view v = {.m = m, .path = path};
    bool sure = true;
    int err = -ENOMEM;

    *bad = 0;
    v.dirs = calloc(m->count, sizeof *v.dirs);
    v.seen = calloc(m->count, sizeof *v.seen);
    if (!v.dirs || !v.seen)
        goto out;
    for (unsigned i = 0; i < m->count; i++)
        v.dirs[i] = PC_HANDLE_NONE;
    err = compare_views(&v, pc_mounts_visit(m, 0, open_view, &v, bad), bad);
    for (unsigned i = 1; i < m->count; i++)
        sure = sure && v.seen[i].st_dev == v.seen[0].st_dev;
    if (!err && !sure && writable)
        err = probe(&v, bad);
    for (unsigned i = 0; i < m->count; i++) {
        if (pc_handle_open(v.dirs[i]))
            pc_sys_close(&v.dirs[i]);
    }
out:
    free(v.seen);
    free(v.dirs);
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
