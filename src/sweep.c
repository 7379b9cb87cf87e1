/*
 * Candidates come from the directory's snapshot, which knows the names that nobody has asked for,
 * or from a new listing where there is none or not a whole one. Each is then looked for in the
 * source by name: an entry that was found there and whose copying failed is not a name that the
 * source does not have.
 */
#include "pcopy/sweep.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pcopy/remove.h"
#include "pcopy/snapshot.h"

#define MARK   ".pcopy-"
#define BUFFER ((size_t)64 * 1024)

void pc_sweep_name(const struct pc_sweep *s, const char *name, char out[NAME_MAX + 1])
{
    static atomic_uint made;
    char tail[48];
    const int n = snprintf(tail, sizeof tail, MARK "%08x-%x-%x-%x", (unsigned)s->host,
                           (unsigned)getpid(), (unsigned)s->born, atomic_fetch_add(&made, 1));
    size_t room = strnlen(name, NAME_MAX - 1 - (size_t)n);
    while (room > 1 && ((unsigned char)name[room] & 0xc0) == 0x80)
        room--; /* not in the midst of a UTF-8 character: some file systems would refuse it */
    snprintf(out, NAME_MAX + 1, ".%.*s%s", (int)room, name, tail);
}

/* A hexadecimal number that ends with `end`; goes on behind it. */
static bool take_hex(const char **at, char end, unsigned long *out)
{
    char *stop;
    if (!isxdigit((unsigned char)**at))
        return false;
    *out = strtoul(*at, &stop, 16);
    *at = stop + 1;
    return *stop == end;
}

/* Who has made a temporary name. */
struct maker {
    unsigned long host;
    unsigned long pid;
    unsigned long born;
};

/* True for a temporary name; whose it is, is then known. */
static bool is_temporary(const char *name, struct maker *m)
{
    const char *tail = NULL;
    unsigned long n;
    for (const char *at = name; (at = strstr(at, MARK)); at++)
        tail = at + strlen(MARK);
    return *name == '.' && tail && tail != name + strlen(MARK) && take_hex(&tail, '-', &m->host) &&
           take_hex(&tail, '-', &m->pid) && take_hex(&tail, '-', &m->born) &&
           take_hex(&tail, '\0', &n);
}

/* True if nobody will miss a temporary name: that of a process that is gone. */
static bool is_leftover(const struct pc_sweep *s, struct pc_handle dir, const char *name,
                        const struct maker *m)
{
    struct stat st;
    uint32_t born;
    if (m->host == s->host) {
        const int err = pc_sys_process((pid_t)m->pid, &born);
        return err == -ESRCH || (!err && m->born && m->born != born);
    }
    /* Not the mtime, which is that of the source just before the rename. */
    return pc_sys_stat_at(dir, name, &st) == 0 && S_ISREG(st.st_mode) &&
           st.st_ctim.tv_sec + (time_t)24 * 60 * 60 < time(NULL);
}

/* What an NFS client makes of a file that is removed while somebody has it open. */
static bool is_silly_renamed(const char *name)
{
    const size_t n = strlen(".nfs");
    return strncmp(name, ".nfs", n) == 0 && strlen(name + n) >= 8 &&
           strspn(name + n, "0123456789abcdefABCDEF") == strlen(name + n);
}

/* One directory being swept. */
struct work {
    const struct pc_sweep *s;
    void *owner;
    struct pc_dir *dir;
    unsigned end;
    struct pc_handle to;
    int err; /* why it could not be told of a name whether it is to go */
};

/* 0 if the source has that name, whatever it is there; -ENOENT if not; or why nobody can tell. */
static int look_in_source(const struct work *w, const char *name)
{
    const unsigned end = pc_mounts_pick(w->s->sources, w->dir->seq, 0);
    struct pc_handle h;
    struct stat st;
    int err = pc_tree_open(w->s->tree, w->dir, end, &h);
    if (err) /* -ENOENT would say that the directory is gone, not the name */
        return err == -ENOENT ? -ESTALE : err;
    err = pc_sys_stat_at(h, name, &st);
    pc_tree_close(w->dir, end);
    return err;
}

static bool excluded(const struct work *w, const char *path, mode_t type)
{
    if (!w->s->filter)
        return false;
    char *full = pc_tree_path(w->dir, PC_RELATIVE, path);
    const bool is = !full || pc_filter_excludes(w->s->filter, full, type == S_IFDIR);
    free(full);
    return is;
}

/* Takes one off what may still go, or counts one that has to stay. */
static bool allowed(const struct pc_sweep *s)
{
    /* relaxed: only the numbers count. */
    size_t left = atomic_load_explicit(s->allowance, memory_order_relaxed);
    while (left) {
        if (atomic_compare_exchange_weak_explicit(s->allowance, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return true;
    }
    atomic_fetch_add_explicit(s->refused, 1, memory_order_relaxed);
    return false;
}

static bool may(void *context, const char *path, mode_t type, bool goes)
{
    const struct work *w = context;
    const char *slash = strrchr(path, '/');
    if (is_silly_renamed(slash ? slash + 1 : path))
        return false;
    /* Below a directory that goes, and for the names themselves: see consider(). */
    if (slash && !w->s->delete_excluded && excluded(w, path, type))
        return false;
    return !goes || allowed(w->s);
}

static void removed(void *context, const char *path, mode_t type)
{
    const struct work *w = context;
    char *full = pc_tree_path(w->dir, PC_RELATIVE, path);
    atomic_store_explicit(&w->dir->touched, true, memory_order_relaxed);
    if (strchr(path, '/')) /* the others were counted with the directory */
        atomic_fetch_add_explicit(w->s->total, 1, memory_order_relaxed);
    w->s->removed(w->owner, full ? full : path, type);
    free(full);
}

/* Whether a name at the destination is to go: 1, 0, or why nobody can tell. */
static int is_extra(const struct work *w, const char *name)
{
    struct stat st;
    int err = pc_sys_stat_at(w->to, name, &st);
    if (err)
        return err == -ENOENT ? 0 : err;
    if (excluded(w, name, st.st_mode & S_IFMT))
        return w->s->delete_excluded;
    err = look_in_source(w, name);
    return err == -ENOENT ? 1 : err;
}

/* One name that is at the destination. */
static void consider(struct work *w, const char *name)
{
    const struct pc_sweep *s = w->s;
    struct maker maker;

    if (is_temporary(name, &maker)) {
        if (!s->observe && is_leftover(s, w->to, name, &maker) &&
            look_in_source(w, name) == -ENOENT && pc_sys_unlink(w->to, name) == 0)
            atomic_store_explicit(&w->dir->touched, true, memory_order_relaxed);
        return;
    }
    if (!s->extras || !w->dir->whole)
        return;
    const int extra = is_extra(w, name);
    if (extra < 0)
        w->err = extra;
    if (extra <= 0)
        return;
    const struct pc_remove_events events = {w, s->observe, may, removed};
    const int err = pc_remove(w->to, name, &events);
    if (err < 0 && err != -ENOENT && err != -EBUSY)
        s->failed(w->owner, w->dir, w->end, name, err);
}

/* All names there are. */
static void consider_all(struct work *w)
{
    char *buffer = malloc(BUFFER);
    struct pc_listing l = {.buffer = buffer, .size = BUFFER};
    struct pc_name found;
    int n = buffer ? pc_sys_open_dir(w->to, ".", &l.dir) : -ENOMEM;
    if (n == 0) {
        while ((n = pc_sys_list(&l, &found)) > 0) {
            atomic_fetch_add_explicit(w->s->total, 1, memory_order_relaxed);
            consider(w, found.name);
        }
        pc_sys_close(&l.dir);
    }
    if (n < 0)
        w->err = n;
    free(buffer);
}

void pc_sweep(const struct pc_sweep *s, void *owner, struct pc_dir *dir, unsigned end,
              struct pc_handle to)
{
    struct pc_snapshot *snapshot = atomic_load_explicit(&dir->snapshot, memory_order_acquire);
    struct work w = {.s = s, .owner = owner, .dir = dir, .end = end, .to = to};
    const bool known = snapshot && pc_snapshot_complete(snapshot);
    size_t cursor = 0;
    const char *name;

    if (known) {
        atomic_fetch_add_explicit(s->total, pc_snapshot_count(snapshot), memory_order_relaxed);
        while ((name = pc_snapshot_unseen(snapshot, &cursor)))
            consider(&w, name);
    } else if (!dir->names) {
        consider_all(&w);
    }
    if (w.err && s->extras && dir->whole) /* once, and not for each name */
        s->failed(owner, dir, end, "", w.err);
}

/* The name itself is still there, only another thing. */
static void removed_inside(void *context, const char *path, mode_t type)
{
    if (strchr(path, '/'))
        removed(context, path, type);
}

int pc_sweep_away(const struct pc_sweep *s, void *owner, struct pc_dir *dir, struct pc_handle to,
                  const char *name, bool pretend)
{
    struct work w = {.s = s, .owner = owner, .dir = dir, .to = to};
    const struct pc_remove_events events = {&w, pretend, may, removed_inside};
    const int err = pc_remove(to, name, &events);
    return err > 0 ? -ENOTEMPTY : err;
}
