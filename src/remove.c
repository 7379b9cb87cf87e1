/*
 * Down into the first subdirectory that is found, and when a directory is empty up again and away
 * with it. Only the directory worked in is open: the way up is "..", which somebody may have
 * changed by moving the directory elsewhere, so what is found there must be what we came from. What
 * was removed is not listed again, so each directory is simply listed from its start until it is
 * empty.
 */
#include "pcopy/remove.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER ((size_t)32 * 1024)

/* A directory that we are in. */
struct level {
    struct level *up;
    dev_t dev;
    ino_t ino;
    char name[];
};

/* Opens `name` in `dir`, which is on device `dev`, as the next level. */
static int descend(struct pc_handle dir, const char *name, dev_t dev, struct level **top,
                   struct pc_handle *out)
{
    struct stat st;
    int err = pc_sys_open_dir(dir, name, out);
    if (err)
        return err;
    err = pc_sys_stat(*out, &st);
    if (!err && st.st_dev != dev)
        err = -EBUSY;
    struct level *l = err ? NULL : malloc(sizeof *l + strlen(name) + 1);
    if (!l) {
        pc_sys_close(out);
        return err ? err : -ENOMEM;
    }
    *l = (struct level){.up = *top, .dev = st.st_dev, .ino = st.st_ino};
    memcpy(l->name, name, strlen(name) + 1);
    *top = l;
    return 0;
}

/* Opens the directory above *h, which must be `above`, in its place. */
static int ascend(struct pc_handle *h, const struct level *above)
{
    struct pc_handle up;
    struct stat st;
    int err = pc_sys_open_dir(*h, "..", &up);
    if (err)
        return err;
    err = pc_sys_stat(up, &st);
    if (!err && (st.st_dev != above->dev || st.st_ino != above->ino))
        err = -ESTALE;
    pc_sys_close(h);
    *h = up;
    return err;
}

/* Removes what is in a directory up to its first subdirectory: 1 and its name, or 0 at the end. */
static int empty(struct pc_handle h, char *buffer, struct pc_name *found)
{
    struct pc_listing l = {.dir = h, .buffer = buffer, .size = BUFFER};
    int n = pc_sys_list_from(&l, 0);
    if (n < 0)
        return n;
    while ((n = pc_sys_list(&l, found)) > 0) {
        mode_t type = found->type;
        if (type == 0) {
            struct stat st;
            n = pc_sys_stat_at(h, found->name, &st);
            type = st.st_mode & S_IFMT;
        }
        if (n >= 0 && type == S_IFDIR)
            return 1;
        if (n >= 0)
            n = pc_sys_unlink(h, found->name);
        if (n < 0 && n != -ENOENT)
            return n;
    }
    return n;
}

/* Removes directory `name`, which is there and one. */
static int remove_dir(struct pc_handle dir, const char *name, dev_t dev)
{
    struct level *top = NULL;
    struct pc_handle h = PC_HANDLE_NONE;
    struct pc_handle next;
    struct pc_name found;
    char *buffer = malloc(BUFFER);

    int err = buffer ? descend(dir, name, dev, &top, &h) : -ENOMEM;
    while (!err && top) {
        const int n = empty(h, buffer, &found);
        if (n < 0) {
            err = n;
        } else if (n > 0) {
            err = descend(h, found.name, dev, &top, &next);
            if (!err) {
                pc_sys_close(&h);
                h = next;
            }
        } else {
            struct level *done = top;
            if (done->up)
                err = ascend(&h, done->up);
            if (!err)
                err = pc_sys_rmdir(done->up ? h : dir, done->name);
            top = done->up;
            free(done);
        }
    }
    while (top) {
        struct level *l = top;
        top = l->up;
        free(l);
    }
    if (pc_handle_open(h))
        pc_sys_close(&h);
    free(buffer);
    return err;
}

int pc_remove(struct pc_handle dir, const char *name)
{
    struct stat st;
    int err = pc_sys_unlink(dir, name);
    if (err != -EISDIR && err != -EPERM) /* the latter is what POSIX has for a directory */
        return err;
    const int why = err;
    err = pc_sys_stat(dir, &st);
    if (!err)
        err = remove_dir(dir, name, st.st_dev);
    return err == -ENOTDIR ? why : err;
}
