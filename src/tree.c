/*
 * Directories, their handles, entries and hard-link groups.
 *
 * HANDLES. Opening a directory below a root takes its parent's handle, and at the destination
 * making it comes first. So pc_tree_open() climbs to the nearest ancestor that is open (a root
 * always is) and comes down again, opening one level at a time, or in leaps where all is known to
 * exist; it pins two directories at most. Which thread needs a directory first makes it: on a
 * network file system directories are then made in parallel.
 *
 * An end is pinned by `users`: -1 closed, 0 open and idle, n > 0 in use. Pinning an open end is one
 * compare-and-swap. Opening happens under the directory's own lock, because it may take a round
 * trip and must not keep other directories waiting. Open ends sit in the slots of a clock
 * (second-chance replacement) under the tree's lock: when no slot is free, the hand looks for an
 * idle end that was not used since it came by last, closes it and gives its slot away. An evicted
 * end is opened again when somebody needs it. Lock order: a directory's lock, then the tree's.
 *
 * With `max_handles` >= 3 for each thread the hand always finds an idle end. It is given three
 * turns because others use ends meanwhile; should that not do, the caller gets -EMFILE.
 *
 * GROUPS. The names of one inode (st_nlink > 1) form a group, found by device and inode number. Its
 * first entry is copied; those that come meanwhile wait in the group and are processed again by the
 * thread that copied the first; later ones are linked at once. If copying the first fails the next
 * one is copied instead. The group keeps its first entry, and thereby the directory of the first
 * open to linking (it gets its final mode only when all links are done), until as many names were
 * seen as the inode has links. Names outside the source are never seen; such groups are taken apart
 * at the end by pc_tree_take_first().
 */
#include "pcopy/tree.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "pcopy/snapshot.h"

#define NO_SLOT ((size_t)-1)

/* Names that all snapshots together may hold: some 30 MiB. */
#define SNAPSHOT_NAMES ((size_t)128 * 1024)

enum group_state { EMPTY, COPYING, READY };

/* A table of inodes: chained, doubled when it is full. */
struct node {
    struct node *next; /* in its bucket */
    dev_t dev;
    ino_t ino;
};

struct table {
    struct node **buckets;
    size_t size; /* a power of two */
    size_t count;
};

struct pc_group {
    struct node node; /* of the source */
    nlink_t nlink;
    nlink_t seen;    /* names that have joined */
    unsigned active; /* names that have joined and not left */
    enum group_state state;
    struct pc_entry *first;   /* READY: at the destination; owned */
    struct pc_entry *waiting; /* COPYING: owned */
};

/* Which file of the source has which of the destination that has several names. */
struct claim {
    struct node node; /* of the destination */
    dev_t dev;
    ino_t ino;
};

struct pc_tree {
    struct pc_tree_config config;
    bool privileged;
    atomic_size_t dirs;
    atomic_size_t names_left; /* of SNAPSHOT_NAMES */

    pthread_mutex_t lock; /* the clock */
    struct pc_dir_end **slots;
    size_t slot_count;
    size_t hand;

    pthread_mutex_t links_lock; /* for all below */
    struct table groups;
    size_t swept; /* buckets of groups that pc_tree_take_first() has found empty */
    struct table claims;
};

/* --- inodes --- */

static int table_init(struct table *table)
{
    table->size = 1024;
    table->buckets = calloc(table->size, sizeof(struct node *));
    return table->buckets ? 0 : -ENOMEM;
}

/* Frees all nodes, which are the first members of what was allocated. */
static void table_free(struct table *table)
{
    for (size_t i = 0; table->buckets && i < table->size; i++) {
        while (table->buckets[i]) {
            struct node *n = table->buckets[i];
            table->buckets[i] = n->next;
            free(n);
        }
    }
    free(table->buckets);
}

static struct node **bucket_of(const struct table *table, dev_t dev, ino_t ino)
{
    const uint64_t key[2] = {dev, ino};
    return &table->buckets[XXH3_64bits(key, sizeof key) & (table->size - 1)];
}

static struct node *table_find(const struct table *table, dev_t dev, ino_t ino)
{
    struct node *n = *bucket_of(table, dev, ino);
    while (n && (n->dev != dev || n->ino != ino))
        n = n->next;
    return n;
}

/* Doubles the table when it is full; without memory it stays as it is, only slower. */
static void table_grow(struct table *table)
{
    struct table bigger = {.size = 2 * table->size, .count = table->count};
    if (table->count <= table->size)
        return;
    bigger.buckets = calloc(bigger.size, sizeof(struct node *));
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i < table->size; i++) {
        while (table->buckets[i]) {
            struct node *n = table->buckets[i];
            table->buckets[i] = n->next;
            struct node **head = bucket_of(&bigger, n->dev, n->ino);
            n->next = *head;
            *head = n;
        }
    }
    free(table->buckets);
    *table = bigger;
}

/* Adds a new node of `size` bytes, zero but for the node. NULL when there is no memory. */
static void *table_add(struct table *table, size_t size, dev_t dev, ino_t ino)
{
    struct node *n = calloc(1, size);
    if (!n)
        return NULL;
    struct node **head = bucket_of(table, dev, ino);
    *n = (struct node){*head, dev, ino};
    *head = n;
    table->count++;
    table_grow(table);
    return n;
}

static void table_remove(struct table *table, struct node *n)
{
    struct node **at = bucket_of(table, n->dev, n->ino);
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    table->count--;
    free(n);
}

/* --- the tree --- */

int pc_tree_new(struct pc_tree **out, const struct pc_tree_config *config)
{
    struct pc_tree *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    t->config = *config;
    t->privileged = geteuid() == 0;
    t->slot_count = config->max_handles;
    t->slots = calloc(t->slot_count, sizeof(struct pc_dir_end *));
    if (!t->slots || table_init(&t->groups) != 0 || table_init(&t->claims) != 0) {
        free(t->slots);
        table_free(&t->groups);
        table_free(&t->claims);
        free(t);
        return -ENOMEM;
    }
    atomic_init(&t->dirs, 0);
    atomic_init(&t->names_left, SNAPSHOT_NAMES);
    pthread_mutex_init(&t->lock, NULL);
    pthread_mutex_init(&t->links_lock, NULL);
    *out = t;
    return 0;
}

void pc_tree_free(struct pc_tree *t)
{
    if (!t)
        return;
    table_free(&t->groups);
    table_free(&t->claims);
    pthread_mutex_destroy(&t->links_lock);
    pthread_mutex_destroy(&t->lock);
    free(t->slots);
    free(t);
}

/* Pins an end that is open. */
static bool pin(struct pc_dir_end *e)
{
    int users = atomic_load_explicit(&e->users, memory_order_relaxed);
    while (users >= 0) {
        /* acquire: pairs with the release in open_end(); the handle is seen. */
        if (atomic_compare_exchange_weak_explicit(&e->users, &users, users + 1,
                                                  memory_order_acquire, memory_order_relaxed)) {
            if (!atomic_load_explicit(&e->recent, memory_order_relaxed))
                atomic_store_explicit(&e->recent, true, memory_order_relaxed);
            return true;
        }
    }
    return false;
}

static void unpin(struct pc_dir_end *e)
{
    /* release: pairs with the acquire in evict(); our use of the handle is over. */
    atomic_fetch_sub_explicit(&e->users, 1, memory_order_release);
}

/* Closes an end that nobody uses. Under the tree's lock. */
static bool evict(struct pc_dir_end *e)
{
    int idle = 0;
    /* acquire: pairs with the release in unpin(). */
    if (!atomic_compare_exchange_strong_explicit(&e->users, &idle, -1, memory_order_acquire,
                                                 memory_order_relaxed))
        return false;
    pc_sys_close(&e->handle); /* nothing was written through it: no error can matter */
    return true;
}

static int take_slot(struct pc_tree *t, struct pc_dir_end *e)
{
    int err = -EMFILE;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < 3 * t->slot_count; i++) {
        const size_t at = t->hand;
        struct pc_dir_end *other = t->slots[at];
        t->hand = (at + 1) % t->slot_count;
        if (other) {
            if (atomic_exchange_explicit(&other->recent, false, memory_order_relaxed))
                continue;
            if (!evict(other))
                continue;
        }
        t->slots[at] = e;
        e->slot = at;
        err = 0;
        break;
    }
    pthread_mutex_unlock(&t->lock);
    return err;
}

static void drop_slot(struct pc_tree *t, struct pc_dir_end *e)
{
    pthread_mutex_lock(&t->lock);
    /* Unless it was evicted before, and its slot given to another. */
    if (e->slot != NO_SLOT && t->slots[e->slot] == e) {
        t->slots[e->slot] = NULL;
        if (atomic_load_explicit(&e->users, memory_order_relaxed) >= 0)
            pc_sys_close(&e->handle);
    }
    pthread_mutex_unlock(&t->lock);
}

static int new_entry(struct pc_dir *dir, const char *name, mode_t type, struct pc_entry **out)
{
    const size_t length = strlen(name) + 1;
    struct pc_entry *e = malloc(sizeof *e + length);
    if (!e)
        return -ENOMEM;
    *e = (struct pc_entry){.dir = dir, .type = type};
    memcpy(e->name, name, length);
    e->to = e->name;
    *out = e;
    return 0;
}

/* A directory with its own entry, which is its first hold. */
static int new_dir(struct pc_tree *t, struct pc_dir *parent, const char *name,
                   struct pc_entry **out)
{
    /* The ends stand behind the name, where their alignment allows it. */
    const size_t align = _Alignof(struct pc_dir_end);
    size_t at = sizeof(struct pc_dir) + strlen(name) + 1;
    at = (at + align - 1) / align * align;

    struct pc_dir *d = calloc(1, at + t->config.ends * sizeof(struct pc_dir_end));
    if (!d)
        return -ENOMEM;
    int err = new_entry(d, "", S_IFDIR, out);
    if (err) {
        free(d);
        return err;
    }
    d->parent = parent;
    d->seq = atomic_fetch_add_explicit(&t->dirs, 1, memory_order_relaxed);
    d->ends = (void *)((char *)d + at);
    for (unsigned i = 0; i < t->config.ends; i++) {
        atomic_init(&d->ends[i].users, -1);
        atomic_init(&d->ends[i].recent, false);
        d->ends[i].handle = PC_HANDLE_NONE;
        d->ends[i].slot = NO_SLOT;
    }
    atomic_init(&d->pending, 1);
    atomic_init(&d->touched, false);
    atomic_init(&d->made, false);
    atomic_init(&d->snapshot, NULL);
    pthread_mutex_init(&d->lock, NULL);
    memcpy(d->name, name, strlen(name) + 1);
    if (parent) {
        /* relaxed: the caller lists the parent, so that is held already. */
        atomic_fetch_add_explicit(&parent->pending, 1, memory_order_relaxed);
    }
    return 0;
}

int pc_tree_add_root(struct pc_tree *t, const struct pc_handle *handles, const char *const *labels,
                     struct pc_entry **out)
{
    int err = new_dir(t, NULL, "", out);
    if (err)
        return err;
    struct pc_dir *d = (*out)->dir;
    d->labels = labels;
    d->relative = "";
    for (unsigned i = 0; i < t->config.ends; i++) {
        d->ends[i].handle = handles[i];
        /* One pin that is never taken back: a root is always open. */
        atomic_init(&d->ends[i].users, 1);
    }
    return 0;
}

int pc_tree_add_dir(struct pc_tree *t, struct pc_dir *parent, const char *name,
                    struct pc_entry **out)
{
    return new_dir(t, parent, name, out);
}

int pc_tree_add_entry(struct pc_dir *dir, const char *name, mode_t type, struct pc_entry **out)
{
    int err = new_entry(dir, name, type, out);
    if (err)
        return err;
    (*out)->seq = dir->listed++;
    /* relaxed: as in new_dir(). */
    atomic_fetch_add_explicit(&dir->pending, 1, memory_order_relaxed);
    return 0;
}

/* Opens what may be a directory at the destination; the error of a symbolic link is -ENOTDIR. */
static int open_place(const struct pc_tree *t, struct pc_handle parent, const char *name,
                      struct pc_handle *h)
{
    int err = pc_sys_open_place(parent, name, false, h);
    if (err == -ELOOP)
        err = -ENOTDIR;
    if (err == -ENOTDIR && t->config.keep_dirlinks)
        err = pc_sys_open_place(parent, name, true, h);
    return err;
}

/* True if directories that are missing at the destination are made. */
static bool makes(const struct pc_tree *t)
{
    return !t->config.observe && !t->config.existing;
}

/* A new directory, and what is to be known of it later. */
static int look_at_new(struct pc_dir *d, struct pc_handle h)
{
    if (d->parent->hands_down_acl) {
        const int err = pc_sys_drop_acl(h, true);
        if (err)
            return err;
    }
    /* relaxed: whoever asks has opened the directory, or does not rely on it. */
    atomic_store_explicit(&d->made, true, memory_order_relaxed);
    /* Asked now the client knows the attributes of a new directory; later that is a round trip. */
    return pc_sys_stat(h, &d->there);
}

/* A directory that was there before; `known`: its attributes, if its parent's snapshot has them. */
static int look_at_old(struct pc_tree *t, struct pc_dir *d, struct pc_handle h,
                       const struct stat *known)
{
    int err = 0;
    if (known)
        d->there = *known;
    else
        err = pc_sys_stat(h, &d->there);
    if (t->config.acl)
        d->hands_down_acl = pc_sys_hands_down_acl(h);
    if (err || t->privileged || t->config.observe)
        return err;
    /* One that its owner may not write in: open it up until it gets its mode. */
    if (d->there.st_uid == geteuid() && (d->there.st_mode & S_IRWXU) != S_IRWXU) {
        err = pc_sys_chmod(h, (d->there.st_mode & 07777) | S_IRWXU);
        d->opened_up = true;
    }
    return err;
}

/* Makes a directory at the destination, or finds it there. Under its lock. */
static int make(struct pc_tree *t, struct pc_dir *d, struct pc_handle parent, struct pc_handle *h)
{
    int made = pc_sys_mkdir(parent, d->name, d->make_mode);
    if (made != 0 && made != -EEXIST)
        return made;
    int err = open_place(t, parent, d->name, h);
    if (err == -ENOENT && made == -EEXIST) { /* what this mount believed in is gone */
        made = pc_sys_mkdir(parent, d->name, d->make_mode);
        if (made == 0 || made == -EEXIST)
            err = open_place(t, parent, d->name, h);
    }
    if (err == -ENOTDIR && made == -EEXIST && t->config.force) {
        err = pc_sys_unlink(parent, d->name);
        if (!err)
            err = made = pc_sys_mkdir(parent, d->name, d->make_mode);
        if (!err)
            err = open_place(t, parent, d->name, h);
    }
    if (made == 0) {
        atomic_store_explicit(&d->touched, true, memory_order_relaxed);
        atomic_store_explicit(&d->parent->touched, true, memory_order_relaxed);
    }
    if (err || d->placed)
        return err;
    err = made == 0 ? look_at_new(d, *h) : look_at_old(t, d, *h, NULL);
    if (err)
        pc_sys_close(h);
    return err;
}

/*
 * The first time at the destination: opens it if its parent's snapshot or, where nothing is made,
 * the server has it, else makes it. Under its lock.
 */
static int place(struct pc_tree *t, struct pc_dir *d, struct pc_snapshot *around,
                 struct pc_handle parent, struct pc_handle *h)
{
    const struct stat *known = around ? pc_snapshot_find(around, d->name) : NULL;
    const bool missing = around && !known && pc_snapshot_complete(around);
    int err = -ENOENT;
    if (known && !S_ISDIR(known->st_mode) && !(S_ISLNK(known->st_mode) && t->config.keep_dirlinks))
        err = -ENOTDIR;
    else if (known || (!makes(t) && !missing))
        err = open_place(t, parent, d->name, h);
    if (err == 0) {
        err = look_at_old(t, d, *h, known && S_ISDIR(known->st_mode) ? known : NULL);
        if (err)
            pc_sys_close(h);
        return err;
    }
    if (makes(t))
        return make(t, d, parent, h);
    if (err != -ENOENT && !(err == -ENOTDIR && t->config.force))
        return err;
    d->absent = true;
    return 0;
}

/* Puts what was just opened into the cache, pinned. Under the directory's lock. */
static int keep_open(struct pc_tree *t, struct pc_dir_end *e, struct pc_handle h)
{
    const int err = take_slot(t, e);
    if (err) {
        pc_sys_close(&h);
        return err;
    }
    e->handle = h;
    atomic_store_explicit(&e->recent, true, memory_order_relaxed);
    /* release: pairs with the acquire in pin(). */
    atomic_store_explicit(&e->users, 1, memory_order_release);
    return 0;
}

/*
 * What was in a directory, pinned on the destination end `h`, before this run. NULL where nothing
 * was, where few of its names are asked for, or without memory.
 */
static struct pc_snapshot *snapshot(struct pc_tree *t, struct pc_dir *d, struct pc_handle h)
{
    /* acquire: pairs with the release below. */
    struct pc_snapshot *s = atomic_load_explicit(&d->snapshot, memory_order_acquire);
    if (s || d->made || d->few || d->names)
        return s;
    pthread_mutex_lock(&d->lock);
    s = atomic_load_explicit(&d->snapshot, memory_order_relaxed); /* somebody was faster */
    if (!s && pc_snapshot_take(&s, h, &t->names_left) == 0)
        atomic_store_explicit(&d->snapshot, s, memory_order_release);
    pthread_mutex_unlock(&d->lock);
    return s;
}

/* Opens `d` on an end where it is not open, making it where it has to be. Under its lock. */
static int open_first(struct pc_tree *t, struct pc_dir *d, unsigned end, struct pc_snapshot *around,
                      struct pc_handle parent, struct pc_handle *h)
{
    int err = 0;
    if (end < t->config.sources)
        return pc_sys_open_dir(parent, d->name, h);
    if (d->error)
        return d->error;
    if (d->placed) {
        /* Made through another mount it may be missing here: a cached negative lookup. Then making
         * it again asks the server, which says EEXIST. */
        err = open_place(t, parent, d->name, h);
        if ((err == -ENOENT || err == -ESTALE) && makes(t))
            err = make(t, d, parent, h);
    } else if (!d->absent) {
        err = place(t, d, around, parent, h);
        d->placed = !err && !d->absent;
    }
    return err;
}

/* Opens `d`, whose parent is pinned on this end, and pins it. */
static int open_end(struct pc_tree *t, struct pc_dir *d, unsigned end)
{
    struct pc_dir_end *e = &d->ends[end];
    const struct pc_handle parent = d->parent->ends[end].handle;
    const bool source = end < t->config.sources;
    struct pc_snapshot *around = source ? NULL : snapshot(t, d->parent, parent);
    struct pc_handle h = PC_HANDLE_NONE;
    unsigned tried = 0;
    int err = 0;

    pthread_mutex_lock(&d->lock);
    if (pin(e)) /* somebody was faster */
        goto out;
    do
        err = open_first(t, d, end, around, parent, &h);
    while (err && !source && !d->error && err != -ESTALE &&
           pc_retry_again(&t->config.retry, err, &tried));
    if (!err && d->absent) {
        err = PC_DIR_ABSENT;
        goto out;
    }
    if (!err)
        err = keep_open(t, e, h);
    if (err && !source && err != -ESTALE) { /* the parent's handle is stale: see pc_tree_forget() */
        if (!d->error) {
            d->error = err;
            d->error_end = end;
        }
        err = PC_DIR_FAILED;
    }
out:
    pthread_mutex_unlock(&d->lock);
    return err;
}

/*
 * Opens `d` from `above`, an ancestor more than one level up that is pinned, in one call: a deep
 * tree is left from its bottom, and by then the handles at its top have been closed. All on the
 * way must exist, and be no symbolic links; the path must be shorter than PATH_MAX. True if `d` is
 * pinned.
 */
static bool leap(struct pc_tree *t, const struct pc_dir *above, struct pc_dir *d, unsigned end)
{
    struct pc_dir_end *e = &d->ends[end];
    const bool source = end < t->config.sources;
    struct pc_handle h;
    char path[PATH_MAX];
    char *at = path + sizeof path - 1;

    *at = '\0';
    for (const struct pc_dir *up = d; up != above; up = up->parent) {
        const size_t n = strlen(up->name);
        if (*at)
            *--at = '/';
        at -= n;
        memcpy(at, up->name, n);
    }
    bool open = true;
    pthread_mutex_lock(&d->lock);
    if (!pin(e))
        open = (source || (d->placed && !d->error)) &&
               pc_sys_reopen(above->ends[end].handle, at, !source, &h) == 0 &&
               keep_open(t, e, h) == 0;
    pthread_mutex_unlock(&d->lock);
    return open;
}

int pc_tree_open(struct pc_tree *t, struct pc_dir *dir, unsigned end, struct pc_handle *out)
{
    struct pc_dir *above = NULL; /* the level we have come down to, pinned */
    int err = 0;

    if (pin(&dir->ends[end]))
        above = dir;
    if (above && !pc_handle_open(dir->ends[end].handle)) {
        unpin(&dir->ends[end]);
        return PC_DIR_ABSENT; /* a root */
    }
    while (above != dir) {
        struct pc_dir *d = dir;
        size_t length = strlen(d->name) + 1; /* of the path from the nearest that is open */
        while (!pin(&d->parent->ends[end])) {
            d = d->parent;
            length += strlen(d->name) + 1;
        }
        struct pc_dir *const base = d->parent;
        struct pc_dir *far = dir;
        if (!pc_handle_open(base->ends[end].handle)) {
            unpin(&base->ends[end]);
            return PC_DIR_ABSENT;
        }
        for (; length > PATH_MAX; far = far->parent)
            length -= strlen(far->name) + 1;
        if (far != d && leap(t, base, far, end))
            d = far;
        else
            err = open_end(t, d, end);
        unpin(&base->ends[end]);
        if (above)
            unpin(&above->ends[end]);
        if (err)
            return err;
        above = d;
    }
    *out = dir->ends[end].handle;
    return 0;
}

void pc_tree_close(struct pc_dir *dir, unsigned end)
{
    unpin(&dir->ends[end]);
}

void pc_tree_forget(struct pc_tree *t, struct pc_dir *dir, unsigned end)
{
    pthread_mutex_lock(&t->lock);
    for (; dir->parent; dir = dir->parent) {
        struct pc_dir_end *e = &dir->ends[end];
        if (e->slot != NO_SLOT && t->slots[e->slot] == e && evict(e))
            t->slots[e->slot] = NULL;
    }
    pthread_mutex_unlock(&t->lock);
}

int pc_tree_look(struct pc_tree *t, struct pc_dir *dir, unsigned end, const char *name,
                 struct stat *out)
{
    /* acquire: pairs with the release in snapshot(). */
    struct pc_snapshot *s = atomic_load_explicit(&dir->snapshot, memory_order_acquire);
    const struct stat *found = s ? pc_snapshot_find(s, name) : NULL;
    struct pc_handle h;
    int err = -ENOENT;

    if (!found && !(s && pc_snapshot_complete(s)) &&
        !atomic_load_explicit(&dir->made, memory_order_relaxed)) {
        err = pc_tree_open(t, dir, end, &h);
        if (err)
            return err;
        s = snapshot(t, dir, h);
        found = s ? pc_snapshot_find(s, name) : NULL;
        err = -ENOENT;
        if (!found && !dir->made && !(s && pc_snapshot_complete(s)))
            err = pc_sys_stat_at(h, name, out);
        pc_tree_close(dir, end);
    }
    if (!found)
        return err;
    *out = *found;
    return 0;
}

/* Takes back one hold. */
static struct pc_dir *unhold(struct pc_dir *d)
{
    /* acq_rel: whoever takes the last hold sees what all others did to the directory. */
    return atomic_fetch_sub_explicit(&d->pending, 1, memory_order_acq_rel) == 1 ? d : NULL;
}

struct pc_dir *pc_tree_release(struct pc_entry *entry)
{
    struct pc_dir *d = entry->dir;
    free(entry);
    return unhold(d);
}

struct pc_dir *pc_tree_retire(struct pc_tree *t, struct pc_dir *dir)
{
    struct pc_dir *parent = dir->parent;
    if (parent) {
        for (unsigned i = 0; i < t->config.ends; i++)
            drop_slot(t, &dir->ends[i]);
    }
    pc_snapshot_free(atomic_load_explicit(&dir->snapshot, memory_order_relaxed));
    pthread_mutex_destroy(&dir->lock);
    free(dir);
    return parent ? unhold(parent) : NULL;
}

int pc_tree_join(struct pc_tree *t, struct pc_entry *entry, const struct stat *st)
{
    int role = PC_LINK_COPY;
    pthread_mutex_lock(&t->links_lock);

    struct pc_group *g = entry->group;
    if (!g) {
        g = (void *)table_find(&t->groups, st->st_dev, st->st_ino);
        if (!g) {
            g = table_add(&t->groups, sizeof *g, st->st_dev, st->st_ino);
            if (!g) {
                pthread_mutex_unlock(&t->links_lock);
                return -ENOMEM;
            }
            g->nlink = st->st_nlink;
        }
        g->seen++;
        g->active++;
        entry->group = g;
    }
    switch (g->state) {
    case EMPTY:
        g->state = COPYING;
        break;
    case COPYING:
        entry->next = g->waiting;
        g->waiting = entry;
        role = PC_LINK_LATER;
        break;
    case READY:
        role = PC_LINK_MAKE;
        break;
    }
    pthread_mutex_unlock(&t->links_lock);
    return role;
}

const struct pc_entry *pc_tree_first(const struct pc_entry *entry)
{
    return entry->group->first;
}

struct pc_left pc_tree_leave(struct pc_tree *t, struct pc_entry *entry, bool there)
{
    struct pc_left left = {NULL, NULL};
    struct pc_group *g = entry->group;

    entry->next = NULL;
    pthread_mutex_lock(&t->links_lock);
    if (g->state == COPYING) { /* and the entry is the one that was copied */
        g->state = there ? READY : EMPTY;
        left.again = g->waiting;
        g->waiting = NULL;
        if (there)
            g->first = entry;
    }
    if (g->first != entry)
        left.done = entry;
    g->active--;
    if (g->active == 0 && g->seen >= g->nlink) {
        if (g->first) {
            g->first->next = left.done;
            left.done = g->first;
        }
        table_remove(&t->groups, &g->node);
    }
    pthread_mutex_unlock(&t->links_lock);
    return left;
}

struct pc_entry *pc_tree_take_first(struct pc_tree *t)
{
    struct pc_entry *first = NULL;
    pthread_mutex_lock(&t->links_lock);
    size_t i = t->swept;
    while (!first && i < t->groups.size) {
        struct pc_group *g = (void *)t->groups.buckets[i];
        while (g && g->active) /* another thread's last entry: that thread comes here afterwards */
            g = (void *)g->node.next;
        if (g) {
            first = g->first; /* NULL if copying it failed */
            table_remove(&t->groups, &g->node);
        } else {
            if (i == t->swept && !t->groups.buckets[i])
                t->swept++;
            i++;
        }
    }
    pthread_mutex_unlock(&t->links_lock);
    return first;
}

bool pc_tree_claim(struct pc_tree *t, const struct stat *there, const struct stat *src)
{
    pthread_mutex_lock(&t->links_lock);
    struct claim *c = (void *)table_find(&t->claims, there->st_dev, there->st_ino);
    if (!c) {
        c = table_add(&t->claims, sizeof *c, there->st_dev, there->st_ino);
        if (c) {
            c->dev = src->st_dev;
            c->ino = src->st_ino;
        }
    }
    const bool ours = c && c->dev == src->st_dev && c->ino == src->st_ino;
    pthread_mutex_unlock(&t->links_lock);
    return ours;
}

char *pc_tree_path(const struct pc_dir *dir, unsigned end, const char *name)
{
    const struct pc_dir *d;
    size_t length = strlen(name) + 1;
    for (d = dir; d->parent; d = d->parent)
        length += strlen(d->name) + 1;
    const char *label = end == PC_RELATIVE ? d->relative : d->labels[end];
    length += strlen(label) + 1;

    char *path = malloc(length);
    if (!path)
        return NULL;
    /* From the back: the name, then each directory's, then the root's label. */
    char *at = path + length;
    *--at = '\0';
    size_t n = strlen(name);
    at -= n;
    memcpy(at, name, n);
    for (d = dir; d->parent; d = d->parent) {
        if (*at)
            *--at = '/';
        n = strlen(d->name);
        at -= n;
        memcpy(at, d->name, n);
    }
    n = strlen(label);
    if (*at && n && label[n - 1] != '/')
        *--at = '/';
    at -= n;
    memcpy(at, label, n);
    memmove(path, at, strlen(at) + 1);
    return path;
}
