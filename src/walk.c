/*
 * The walker.
 *
 * The directories that wait to be listed are a stack of their own entries, shared by all walker
 * threads. Taking the newest first keeps the stack short: it holds the brothers along one path, not
 * a whole level of the tree. A directory that has more than MANY subdirectories is put back (with
 * the position it was read to) below the ones found so far, so that not even a directory of ten
 * million subdirectories is held whole.
 *
 * A directory's own entry stays with the walker until the listing is complete and is then emitted:
 * who gets it knows that all other entries were emitted before. Once the walk is ended by an error
 * the directories on the stack are emitted without being listed, because each entry holds its
 * directory and must find its way to whoever releases it.
 */
#include "pcopy/walk.h"

#include <errno.h>
#include <stdlib.h>

#include "pcopy/names.h"

#define MANY   1000
#define BUFFER ((size_t)64 * 1024)

struct pc_walk {
    struct pc_tree *tree;
    const struct pc_mounts *sources;
    struct pc_walk_events events;
    bool one_file_system;

    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    struct pc_entry *stack;
    unsigned busy; /* threads that are listing, and may find more */
    int error;     /* what ended the walk */
};

int pc_walk_new(struct pc_walk **out, struct pc_tree *tree, const struct pc_mounts *sources,
                bool one_file_system, const struct pc_walk_events *events)
{
    struct pc_walk *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    w->tree = tree;
    w->sources = sources;
    w->events = *events;
    w->one_file_system = one_file_system;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    *out = w;
    return 0;
}

void pc_walk_free(struct pc_walk *w)
{
    if (!w)
        return;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void pc_walk_add(struct pc_walk *w, struct pc_entry *root)
{
    root->next = w->stack;
    w->stack = root;
}

/* What one thread has found and not yet put on the stack, newest first. */
struct found {
    struct pc_entry *list;
    struct pc_entry *oldest;
    size_t count;
};

static void found_add(struct found *f, struct pc_entry *e)
{
    e->next = f->list;
    f->list = e;
    if (!f->oldest)
        f->oldest = e;
    f->count++;
}

/* One name that was found, or is in the list, in `dir`, open as `h`; type 0 if that is unknown. */
static int take(struct pc_walk *w, struct pc_dir *dir, struct pc_handle h, const char *name,
                mode_t type, const struct pc_name_node *node, struct found *found)
{
    const struct pc_walk_events *ev = &w->events;
    struct pc_entry *e;
    struct stat st;

    if (type == 0) {
        const int err = pc_sys_stat_at(h, name, &st);
        if (err) {
            ev->failed(ev->context, dir, name, node ? "find" : "stat", err);
            return 0;
        }
        type = st.st_mode & S_IFMT;
    }
    if (ev->excludes && ev->excludes(ev->context, dir, name, type))
        return 0;
    if (type == S_IFDIR) {
        const int err = pc_tree_add_dir(w->tree, dir, name, &e);
        if (err)
            return err;
        e->dir->names = node;
        found_add(found, e);
        return 0;
    }
    if (node && node->children)
        ev->failed(ev->context, dir, name, "look into", -ENOTDIR);
    if (node && !node->listed)
        return 0;
    const int err = pc_tree_add_entry(dir, name, type, &e);
    return err ? err : ev->emit(ev->context, e);
}

/* What the list names in a directory. Returns 1, or an error. */
static int take_listed(struct pc_walk *w, struct pc_dir *dir, struct pc_handle h,
                       struct found *found)
{
    int err = 0;
    for (const struct pc_name_node *n = dir->names->children; n && !err; n = n->next)
        err = take(w, dir, h, n->name, 0, n, found);
    return err ? err : 1;
}

/* Lists what is left of an open directory. Returns 1 at its end, 0 to be continued, or an error. */
static int list(struct pc_walk *w, struct pc_dir *dir, struct pc_listing *l, struct found *found)
{
    const struct pc_walk_events *ev = &w->events;
    struct pc_name name;
    int n;

    if (dir->names)
        return take_listed(w, dir, l->dir, found);
    int err = pc_sys_list_from(l, dir->resume);
    if (err) {
        ev->failed(ev->context, dir, "", "read directory", err);
        return 1;
    }
    for (unsigned tried = 0;; tried = 0) {
        while ((n = pc_sys_list(l, &name)) < 0 && pc_retry_again(&w->events.retry, n, &tried))
            continue; /* a listing goes on where it failed */
        if (n <= 0)
            break;
        err = take(w, dir, l->dir, name.name, name.type, NULL, found);
        if (err)
            return err;
        if (found->count == MANY) {
            dir->resume = name.next;
            return 0;
        }
    }
    if (n < 0)
        ev->failed(ev->context, dir, "", "read directory", n);
    dir->whole = n == 0;
    return 1;
}

/* The mount point through which a directory is read. */
static unsigned end_of(const struct pc_walk *w, const struct pc_dir *dir)
{
    return pc_mounts_pick(w->sources, dir->seq, 0);
}

/* The attributes of a directory that was just opened, or could not be. */
static int enter(struct pc_walk *w, struct pc_dir *dir, const struct pc_handle *h)
{
    int err = 0;
    if (h) {
        err = pc_sys_stat(*h, &dir->st);
    } else if (dir->parent) {
        const unsigned end = end_of(w, dir->parent);
        struct pc_handle parent;
        err = pc_tree_open(w->tree, dir->parent, end, &parent);
        if (!err) {
            err = pc_sys_stat_at(parent, dir->name, &dir->st);
            pc_tree_close(dir->parent, end);
        }
        if (!err && !S_ISDIR(dir->st.st_mode))
            err = -ENOTDIR;
    }
    if (!err)
        err = w->events.enter(w->events.context, dir);
    return err;
}

/* Works on one directory; returns as list() does. What goes wrong with it is reported. */
static int visit(struct pc_walk *w, struct pc_entry *entry, char *buffer, struct found *found)
{
    const struct pc_walk_events *ev = &w->events;
    struct pc_dir *dir = entry->dir;
    struct pc_listing l = {.buffer = buffer, .size = BUFFER};

    const unsigned end = end_of(w, dir);

    unsigned tried = 0;
    int err;

    while ((err = pc_tree_open(w->tree, dir, end, &l.dir)) != 0 &&
           pc_retry_again(&w->events.retry, err, &tried)) {
        if (err == -ESTALE)
            pc_tree_forget(w->tree, dir, end);
    }
    if (err) {
        ev->failed(ev->context, dir, "", "open directory", err);
        dir->unread = true;
        /* It exists, but we may not look into it: it arrives empty, with its metadata. */
        if (dir->resume == 0 && enter(w, dir, NULL) != 0)
            dir->implied = true;
        return 1;
    }
    if (dir->resume == 0) {
        err = enter(w, dir, &l.dir);
        if (err) {
            ev->failed(ev->context, dir, "", "enter directory", err);
            dir->implied = true;
        }
    }
    int result = 1;
    const bool other_device = dir->parent && dir->st.st_dev != dir->parent->st.st_dev;
    if (!err && !(w->one_file_system && other_device))
        result = list(w, dir, &l, found);
    pc_tree_close(dir, end);
    return result;
}

static void put_on_stack(struct pc_walk *w, struct found *found)
{
    if (!found->list)
        return;
    found->oldest->next = w->stack;
    w->stack = found->list;
    pthread_cond_broadcast(&w->changed);
}

int pc_walk_run(struct pc_walk *w)
{
    char *buffer = malloc(BUFFER);
    pthread_mutex_lock(&w->lock);
    if (!buffer && !w->error)
        w->error = -ENOMEM;
    for (;;) {
        while (!w->stack && w->busy)
            pthread_cond_wait(&w->changed, &w->lock);
        struct pc_entry *e = w->stack;
        if (!e)
            break;
        w->stack = e->next;
        w->busy++;
        int result = w->error;
        pthread_mutex_unlock(&w->lock);

        struct found found = {NULL, NULL, 0};
        if (result == 0)
            result = visit(w, e, buffer, &found);
        if (result == 0) {
            found.oldest->next = e; /* to be continued, below its subdirectories */
            found.oldest = e;
        } else {
            if (result < 0)
                e->dir->implied = true; /* not all of it is known: its times would lie */
            const int err = w->events.emit(w->events.context, e);
            if (result > 0)
                result = err;
        }

        pthread_mutex_lock(&w->lock);
        if (result < 0 && !w->error)
            w->error = result;
        put_on_stack(w, &found);
        if (--w->busy == 0)
            pthread_cond_broadcast(&w->changed);
    }
    const int err = w->error;
    pthread_mutex_unlock(&w->lock);
    free(buffer);
    return err;
}
