/*
 * An array of names in the order they were listed, and over it a hash table of open addressing that
 * is built when the listing is done; the names themselves stand in one growing block. Nothing
 * changes afterwards but the marks of what was seen.
 */
#include "pcopy/snapshot.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define BUFFER ((size_t)64 * 1024)

struct item {
    struct stat st;
    size_t name; /* where it begins in `names` */
    atomic_bool seen;
};

struct pc_snapshot {
    atomic_size_t *budget;
    struct item *items;
    size_t count;
    size_t room;
    char *names;
    size_t names_size;
    size_t names_room;
    uint32_t *table; /* 1 + the index of an item, 0: free */
    size_t mask;
    bool complete;
};

/* Makes room for one more element; `array` is of `room` elements of `size` bytes. */
static bool grow(void **array, size_t *room, size_t needed, size_t size)
{
    size_t more = *room ? *room : 16;
    if (needed <= *room)
        return true;
    while (more < needed)
        more *= 2;
    void *bigger = realloc(*array, more * size);
    if (!bigger)
        return false;
    *array = bigger;
    *room = more;
    return true;
}

static int add(struct pc_snapshot *s, const char *name, const struct stat *st)
{
    const size_t length = strlen(name) + 1;
    void *items = s->items;
    void *names = s->names;
    const bool good = grow(&items, &s->room, s->count + 1, sizeof *s->items) &&
                      grow(&names, &s->names_room, s->names_size + length, 1);
    s->items = items;
    s->names = names;
    if (!good)
        return -ENOMEM;
    struct item *item = &s->items[s->count++];
    item->st = *st;
    item->name = s->names_size;
    atomic_init(&item->seen, false);
    memcpy(s->names + s->names_size, name, length);
    s->names_size += length;
    return 0;
}

/* Takes one name off the budget. */
static bool afford(atomic_size_t *budget)
{
    /* relaxed: only the number counts. */
    size_t left = atomic_load_explicit(budget, memory_order_relaxed);
    while (left) {
        if (atomic_compare_exchange_weak_explicit(budget, &left, left - 1, memory_order_relaxed,
                                                  memory_order_relaxed))
            return true;
    }
    return false;
}

/* Lists and looks. Returns 0 (whether it is complete or not) or -ENOMEM. */
static int list(struct pc_snapshot *s, struct pc_handle dir, char *buffer)
{
    struct pc_listing l = {.buffer = buffer, .size = BUFFER};
    struct pc_name found;
    struct stat st;
    int n = 0;

    if (pc_sys_open_dir(dir, ".", &l.dir) != 0)
        return 0;
    bool whole = true;
    int err = 0;
    while (!err && (n = pc_sys_list(&l, &found)) > 0) {
        /* Between two blocks, so that an NFS client sees the attributes it got being used, and goes
         * on asking for them with the names. */
        if (pc_sys_stat_at(dir, found.name, &st) != 0) {
            whole = false;
        } else if (!afford(s->budget)) {
            whole = false;
            break;
        } else {
            err = add(s, found.name, &st);
        }
    }
    s->complete = whole && !err && n == 0;
    pc_sys_close(&l.dir);
    return err;
}

static size_t slot_of(const struct pc_snapshot *s, const char *name)
{
    return XXH3_64bits(name, strlen(name)) & s->mask;
}

/* The table, at most half full. */
static int index_names(struct pc_snapshot *s)
{
    size_t size = 16;
    while (size < 2 * s->count)
        size *= 2;
    s->table = calloc(size, sizeof *s->table);
    if (!s->table)
        return -ENOMEM;
    s->mask = size - 1;
    for (size_t i = 0; i < s->count; i++) {
        size_t at = slot_of(s, s->names + s->items[i].name);
        while (s->table[at])
            at = (at + 1) & s->mask;
        s->table[at] = (uint32_t)(i + 1);
    }
    return 0;
}

int pc_snapshot_take(struct pc_snapshot **out, struct pc_handle dir, atomic_size_t *budget)
{
    struct pc_snapshot *s = calloc(1, sizeof *s);
    char *buffer = malloc(BUFFER);
    int err = s && buffer ? 0 : -ENOMEM;
    if (s)
        s->budget = budget;
    if (!err)
        err = list(s, dir, buffer);
    if (!err)
        err = index_names(s);
    free(buffer);
    if (err)
        pc_snapshot_free(s);
    else
        *out = s;
    return err;
}

void pc_snapshot_free(struct pc_snapshot *s)
{
    if (!s)
        return;
    /* relaxed: as in afford(). */
    atomic_fetch_add_explicit(s->budget, s->count, memory_order_relaxed);
    free(s->table);
    free(s->names);
    free(s->items);
    free(s);
}

const struct stat *pc_snapshot_find(struct pc_snapshot *s, const char *name)
{
    for (size_t at = slot_of(s, name); s->table[at]; at = (at + 1) & s->mask) {
        struct item *item = &s->items[s->table[at] - 1];
        if (strcmp(s->names + item->name, name) == 0) {
            /* relaxed: read when the directory is complete, which orders it. */
            atomic_store_explicit(&item->seen, true, memory_order_relaxed);
            return &item->st;
        }
    }
    return NULL;
}

bool pc_snapshot_complete(const struct pc_snapshot *s)
{
    return s->complete;
}

size_t pc_snapshot_count(const struct pc_snapshot *s)
{
    return s->count;
}

const char *pc_snapshot_unseen(const struct pc_snapshot *s, size_t *cursor)
{
    while (*cursor < s->count) {
        const struct item *item = &s->items[(*cursor)++];
        if (!atomic_load_explicit(&item->seen, memory_order_relaxed))
            return s->names + item->name;
    }
    return NULL;
}
