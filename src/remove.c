/*
 * Down into each subdirectory that is found, and when a directory is done up again and away with
 * it. Only the directory worked in is open: the way up is "..", which somebody may have changed by
 * moving the directory elsewhere, so what is found there must be what we came from. Listing goes on
 * at the position where it was left. Positions may shift when names before them are removed (tmpfs
 * counts), so a directory is listed again until a whole turn has removed nothing.
 */
#include "pcopy/remove.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER ((size_t)32 * 1024)

/* A directory that we are in. */
struct level {
    struct level *up;
    dev_t dev;
    ino_t ino;
    size_t length; /* of its path */
    off_t next;    /* where its listing goes on */
    bool removed;  /* something, since it was listed from its start */
    bool kept;     /* something is still in it */
};

/* One removal. */
struct work {
    const struct pc_remove_events *events;
    bool privileged;
    struct level *top;
    struct pc_handle h; /* of `top` */
    char *path;
    size_t room;
    char *buffer;
};

/* Sets the path to that of `name` below the first `length` characters of it. */
static int set_path(struct work *w, size_t length, const char *name)
{
    const size_t size = strlen(name) + 1;
    const size_t needed = length + 1 + size;
    if (needed > w->room) {
        char *bigger = realloc(w->path, 2 * needed);
        if (!bigger)
            return -ENOMEM;
        w->path = bigger;
        w->room = 2 * needed;
    }
    if (length)
        w->path[length++] = '/';
    memcpy(w->path + length, name, size);
    return 0;
}

/* The last component of the path that is `length` long. */
static const char *last_name(const struct work *w, size_t length)
{
    const char *at = w->path + length;
    while (at > w->path && at[-1] != '/')
        at--;
    return at;
}

static bool may_go(const struct work *w, mode_t type, bool goes)
{
    return w->events->may(w->events->context, w->path, type, goes);
}

static void tell(const struct work *w, mode_t type)
{
    w->events->removed(w->events->context, w->path, type);
}

/* Gives the owner of a directory the rights to empty it; whether that works shows later. */
static void open_up(struct pc_handle dir, const char *name)
{
    struct pc_handle h;
    struct stat st;
    if (pc_sys_open_any(dir, name, &h) != 0)
        return;
    if (pc_sys_stat(h, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & S_IRWXU) != S_IRWXU)
        pc_sys_chmod(h, (st.st_mode & 07777) | S_IRWXU);
    pc_sys_close(&h);
}

/* Opens the directory that the path names, in `dir` on device `dev`, as the next level. */
static int descend(struct work *w, struct pc_handle dir, const char *name, dev_t dev)
{
    struct pc_handle h;
    struct stat st;
    if (!w->privileged && !w->events->pretend)
        open_up(dir, name);
    int err = pc_sys_open_dir(dir, name, &h);
    if (err)
        return err;
    err = pc_sys_stat(h, &st);
    if (!err && st.st_dev != dev)
        err = -EBUSY;
    struct level *l = err ? NULL : malloc(sizeof *l);
    if (!l) {
        pc_sys_close(&h);
        return err ? err : -ENOMEM;
    }
    *l =
        (struct level){.up = w->top, .dev = st.st_dev, .ino = st.st_ino, .length = strlen(w->path)};
    if (w->top)
        pc_sys_close(&w->h);
    w->h = h;
    w->top = l;
    return 0;
}

/* Opens the directory above the one we are in, which must be `above`, in its place. */
static int ascend(struct work *w, const struct level *above)
{
    struct pc_handle up;
    struct stat st;
    int err = pc_sys_open_dir(w->h, "..", &up);
    if (err)
        return err;
    err = pc_sys_stat(up, &st);
    if (!err && (st.st_dev != above->dev || st.st_ino != above->ino))
        err = -ESTALE;
    pc_sys_close(&w->h);
    w->h = up;
    return err;
}

/* Goes on in a directory to its next subdirectory: 1, in the path; or 0 at its end. */
static int empty(struct work *w)
{
    struct level *l = w->top;
    struct pc_listing listing = {.dir = w->h, .buffer = w->buffer, .size = BUFFER};
    struct pc_name found;
    int n = pc_sys_list_from(&listing, l->next);
    while (n >= 0) {
        n = pc_sys_list(&listing, &found);
        if (n == 0 && l->removed && !w->events->pretend) {
            l->removed = l->kept = false;
            n = pc_sys_list_from(&listing, 0);
            continue;
        }
        if (n <= 0)
            return n;
        l->next = found.next;
        n = set_path(w, l->length, found.name);
        mode_t type = found.type;
        if (n == 0 && type == 0) {
            struct stat st;
            n = pc_sys_stat_at(w->h, found.name, &st);
            type = st.st_mode & S_IFMT;
        }
        if (n == 0 && !may_go(w, type, type != S_IFDIR)) {
            l->kept = true;
            continue;
        }
        if (n == 0 && type == S_IFDIR)
            return 1;
        if (n == 0 && !w->events->pretend)
            n = pc_sys_unlink(w->h, found.name);
        if (n == 0) {
            l->removed = true;
            tell(w, type);
        } else if (n == -ENOENT) {
            n = 0;
        }
    }
    return n;
}

/* Leaves a directory that is done, and removes it unless something is still in it. */
static int leave(struct work *w, struct pc_handle dir, bool *kept)
{
    struct level *done = w->top;
    struct level *up = done->up;
    int err = up ? ascend(w, up) : 0;
    w->path[done->length] = '\0';
    if (!err && !done->kept && !may_go(w, S_IFDIR, true))
        done->kept = true;
    if (!err && !done->kept && !w->events->pretend) {
        err = pc_sys_rmdir(up ? w->h : dir, last_name(w, done->length));
        if (err == -ENOTEMPTY) { /* something has come meanwhile */
            err = 0;
            done->kept = true;
        }
    }
    if (!err && !done->kept)
        tell(w, S_IFDIR);
    if (up)
        *(done->kept ? &up->kept : &up->removed) = true;
    else
        *kept = done->kept;
    w->top = up;
    free(done);
    return err;
}

/* Removes directory `name`, which is there and one. */
static int remove_dir(struct work *w, struct pc_handle dir, const char *name, dev_t dev)
{
    bool kept = false;
    w->buffer = malloc(BUFFER);
    int err = w->buffer ? descend(w, dir, name, dev) : -ENOMEM;
    while (!err && w->top) {
        const int n = empty(w);
        if (n < 0)
            err = n;
        else if (n > 0)
            err = descend(w, w->h, last_name(w, strlen(w->path)), dev);
        else
            err = leave(w, dir, &kept);
    }
    while (w->top) {
        struct level *l = w->top;
        w->top = l->up;
        free(l);
    }
    if (pc_handle_open(w->h))
        pc_sys_close(&w->h);
    free(w->buffer);
    return err ? err : kept;
}

int pc_remove(struct pc_handle dir, const char *name, const struct pc_remove_events *events)
{
    struct work w = {.events = events, .privileged = geteuid() == 0, .h = PC_HANDLE_NONE};
    struct stat st;
    int err = set_path(&w, 0, name);
    if (!err)
        err = pc_sys_stat_at(dir, name, &st);
    if (err)
        goto out;
    if (!may_go(&w, st.st_mode & S_IFMT, !S_ISDIR(st.st_mode))) {
        err = 1;
    } else if (!S_ISDIR(st.st_mode)) {
        err = events->pretend ? 0 : pc_sys_unlink(dir, name);
        if (!err)
            tell(&w, st.st_mode & S_IFMT);
    } else {
        err = pc_sys_stat(dir, &st);
        if (!err)
            err = remove_dir(&w, dir, name, st.st_dev);
    }
out:
    free(w.path);
    return err;
}
