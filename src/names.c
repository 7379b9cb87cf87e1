/*
 * A list of names, read into a tree.
 *
 * Lists have millions of names, so a node is one piece of memory with its component in it, cut from
 * large chunks that are freed as a whole. All nodes are found in one hash table by parent and
 * component, which is gone when the list is read. A node finds the end of its children without a
 * pointer to it, because until then they are a ring: `children` is the last one, whose `next` is
 * the first. straighten() cuts the rings.
 */
#include "pcopy/names.h"

#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <xxhash.h>

#define CHUNK_SIZE ((size_t)64 * 1024) /* hundreds of nodes; what a short list costs */

struct chunk {
    struct chunk *next;
    char bytes[CHUNK_SIZE];
};

struct pc_names {
    struct chunk *chunks; /* nodes are cut from the first one */
    size_t used;          /* of its bytes */
    struct pc_name_node *root;
};

/* Open addressing with linear probing, at most three quarters full. */
struct table {
    struct pc_name_node **slots;
    size_t size; /* a power of two */
    size_t count;
};

/* A list while it is read. */
struct list {
    struct pc_names *names;
    struct table table;
    const char *path;
    bool nul;
    size_t line; /* the number of the one that was read last */
    char *problem;
    size_t problem_size;
};

/* Says what is wrong. Returns `err`, for the caller to return. */
__attribute__((format(printf, 3, 4))) static int refuse(struct list *l, int err, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->problem, l->problem_size, format, args);
    va_end(args);
    return err;
}

/* The same of the line that was read last; `what` ends in the name. */
static int refuse_line(struct list *l, int err, const char *what, const char *name)
{
    return refuse(l, err, "%s %zu of '%s' %s: '%s'", l->nul ? "name" : "line", l->line, l->path,
                  what, name);
}

static int refuse_memory(struct list *l)
{
    return refuse(l, -ENOMEM, "no memory for the names in '%s'", l->path);
}

/* --- nodes --- */

/* A node that is in no table and no ring yet; NULL when there is no memory. */
static struct pc_name_node *new_node(struct pc_names *n, struct pc_name_node *parent,
                                     const char *name, size_t length)
{
    const size_t align = alignof(struct pc_name_node);
    size_t size = offsetof(struct pc_name_node, name) + length + 1;
    size = (size + align - 1) / align * align;
    if (!n->chunks || n->used + size > CHUNK_SIZE) {
        struct chunk *c = malloc(sizeof *c);
        if (!c)
            return NULL;
        c->next = n->chunks;
        n->chunks = c;
        n->used = 0;
    }
    struct pc_name_node *node = (void *)(n->chunks->bytes + n->used);
    n->used += size;
    *node = (struct pc_name_node){.parent = parent};
    memcpy(node->name, name, length);
    node->name[length] = '\0';
    return node;
}

/* Where the child is, or where it belongs. */
static struct pc_name_node **slot_of(const struct table *t, const struct pc_name_node *parent,
                                     const char *name, size_t length)
{
    size_t i = XXH3_64bits_withSeed(name, length, (uintptr_t)parent);
    for (;; i++) {
        struct pc_name_node **slot = &t->slots[i & (t->size - 1)];
        if (!*slot || ((*slot)->parent == parent && strncmp((*slot)->name, name, length) == 0 &&
                       (*slot)->name[length] == '\0'))
            return slot;
    }
}

static int table_grow(struct table *t)
{
    struct table bigger = {.size = t->size ? 2 * t->size : 1024, .count = t->count};
    bigger.slots = calloc(bigger.size, sizeof(struct pc_name_node *));
    if (!bigger.slots)
        return -ENOMEM;
    for (size_t i = 0; i < t->size; i++) {
        struct pc_name_node *node = t->slots[i];
        if (node)
            *slot_of(&bigger, node->parent, node->name, strlen(node->name)) = node;
    }
    free(t->slots);
    *t = bigger;
    return 0;
}

/* The child of that name, made if it is not there; NULL when there is no memory. */
static struct pc_name_node *child_of(struct list *l, struct pc_name_node *parent, const char *name,
                                     size_t length)
{
    struct table *t = &l->table;
    if (t->count >= t->size / 4 * 3 && table_grow(t) != 0)
        return NULL;
    struct pc_name_node **slot = slot_of(t, parent, name, length);
    if (*slot)
        return *slot;

    struct pc_name_node *node = new_node(l->names, parent, name, length);
    if (!node)
        return NULL;
    struct pc_name_node *last = parent->children;
    node->next = last ? last->next : node;
    if (last)
        last->next = node;
    parent->children = node;
    *slot = node;
    t->count++;
    return node;
}

/* Makes the rings of children lists. No recursion: a name may be deeper than any stack. */
static void straighten(struct pc_name_node *root)
{
    struct pc_name_node *node = root;
    while (node) {
        if (node->children) {
            struct pc_name_node *last = node->children;
            node->children = last->next;
            last->next = NULL;
            node = node->children;
            continue;
        }
        while (node && !node->next)
            node = node->parent;
        if (node)
            node = node->next;
    }
}

/* --- lines --- */

/* One name of the list. */
static int add(struct list *l, const char *name)
{
    struct pc_name_node *node = l->names->root;
    for (const char *at = name; *at;) {
        const size_t length = strcspn(at, "/");
        if (length == 2 && strncmp(at, "..", 2) == 0)
            return refuse_line(l, -EINVAL, "has a component '..'", name);
        if (length > NAME_MAX)
            return refuse_line(l, -ENAMETOOLONG, "has a component of more than 255 bytes", name);
        if (length > 0 && !(length == 1 && *at == '.')) {
            node = child_of(l, node, at, length);
            if (!node)
                return refuse_memory(l);
        }
        at += length;
        at += strspn(at, "/");
    }
    node->listed = true;
    return 0;
}

/* All names of an open list. */
static int read_names(struct list *l, FILE *f)
{
    const char end = l->nul ? '\0' : '\n';
    char *line = NULL;
    size_t size = 0;
    int err = 0;
    while (!err) {
        errno = 0;
        const ssize_t got = getdelim(&line, &size, end, f);
        /* Half a line that an error came after is returned like a whole one. */
        if (ferror(f) || (got < 0 && !feof(f))) {
            err = errno ? -errno : -EIO;
            refuse(l, err, "cannot read '%s': %s", l->path, strerror(-err));
        }
        if (err || got < 0)
            break;
        l->line++;
        size_t length = (size_t)got;
        if (line[length - 1] == end)
            line[--length] = '\0';
        if (!l->nul && (line[0] == '#' || line[0] == ';'))
            continue;
        if (strlen(line) != length)
            err = refuse_line(l, -EINVAL, "has a NUL byte (is -0 missing?)", line);
        else if (length > 0)
            err = add(l, line);
    }
    free(line);
    return err;
}

int pc_names_read(struct pc_names **out, const char *path, bool nul, char *problem, size_t size)
{
    const bool standard = strcmp(path, "-") == 0;
    struct list l = {
        .path = path,
        .nul = nul,
        .problem = problem,
        .problem_size = size,
    };
    FILE *f = standard ? stdin : fopen(path, "re");
    if (!f) {
        const int err = -errno;
        return refuse(&l, err, "cannot open '%s': %s", path, strerror(-err));
    }
    int err = 0;
    l.names = calloc(1, sizeof *l.names);
    if (l.names)
        l.names->root = new_node(l.names, NULL, "", 0);
    if (!l.names || !l.names->root)
        err = refuse_memory(&l);
    if (!err)
        err = read_names(&l, f);
    if (!err) {
        straighten(l.names->root);
        *out = l.names;
        l.names = NULL;
    }
    pc_names_free(l.names);
    free(l.table.slots);
    if (!standard)
        fclose(f); /* nothing was written: no error can matter */
    return err;
}

void pc_names_free(struct pc_names *n)
{
    if (!n)
        return;
    while (n->chunks) {
        struct chunk *c = n->chunks;
        n->chunks = c->next;
        free(c);
    }
    free(n);
}

const struct pc_name_node *pc_names_root(const struct pc_names *n)
{
    return n->root;
}
