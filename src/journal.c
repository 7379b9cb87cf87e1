/*
 * The journal's file, and what is known of it in memory.
 *
 * The file, all numbers little-endian:
 *
 *     "pcopy-j1", 8 bytes      its kind and version
 *     id, 8 bytes              random
 *     records, each
 *         length, 4 bytes      of the payload
 *         type, 1 byte
 *         payload              see below; texts end with a NUL byte
 *         checksum, 8 bytes    XXH3 of type and payload, with the id for its seed
 *
 *     type                  payload
 *     1 identity            texts                          the first record, and only that
 *     2 directory           root 4, path text              finished, and all below it
 *     3 file in progress    root 4, path text, temporary text, number 4,
 *                           size 8, mtime 8 + 4, inode 8   these of its source
 *     4 range               number 4, from 8, to 8         of that file these bytes are finished
 *     5 complete            nothing                        the run was finished
 *
 * A record counts if all before it do, so a file is good up to its first byte that is not: what a
 * crash has torn or left as zeros ends it. The seed makes sure that blocks which belonged to
 * another journal before are not taken for records of this one.
 *
 * Opening never writes into the file. It reads it and makes a new image of it in memory, under a
 * new id, without what is damaged or redundant; the image becomes a file beside it, which is
 * flushed, locked and renamed over it. So there is no moment in which a crash leaves less than
 * there was, and a file that is not empty has a whole identity; and a journal is as long as its
 * outermost finished directories need, plus one record for each directory since. From then on
 * records are only appended.
 *
 * What is redundant shows when the records are read from the last to the first: a directory is
 * recorded after all that is below it, so what lies in one that was seen already goes. Memory holds
 * no more than the image: the outermost finished directories. The table to find them by is keyed
 * by the hashes of paths, each made from that of the path before its last component. So all
 * directories above a path are asked for in one go over it, which matters where paths are long.
 *
 * The lock is on the file, not on its name, and the file is replaced. Who gets the lock of a file
 * that has lost its name meanwhile has come between the rename and the close of its old owner, and
 * tries again with the new one.
 */
#include "pcopy/journal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <xxhash.h>

#include "pcopy/sys.h"

#define MAGIC      "pcopy-j1"
#define MAGIC_SIZE (sizeof MAGIC - 1)
#define HEADER     (MAGIC_SIZE + sizeof(uint64_t))

/* Where things are in a record, and what it has besides its payload. */
#define TYPE_AT    4
#define PAYLOAD_AT 5
#define ROOT_AT    PAYLOAD_AT
#define PATH_AT    (ROOT_AT + 4)
#define FRAME      (PAYLOAD_AT + sizeof(uint64_t))

enum type { IDENTITY = 1, DIRECTORY, FILE_IN_PROGRESS, RANGE, COMPLETE };

/* A record, taken apart: the fields of its type. */
struct record {
    enum type type;
    const void *texts; /* IDENTITY */
    size_t size;
    uint32_t root; /* DIRECTORY, FILE_IN_PROGRESS */
    const char *path;
    const char *temporary; /* FILE_IN_PROGRESS, down to `inode` */
    uint64_t source_size;
    uint64_t seconds;
    uint32_t nanoseconds;
    uint64_t inode;
    uint32_t number; /* this and RANGE */
    struct pc_journal_range range;
};

/* Records one behind the other, as the file has them. */
struct records {
    unsigned char *bytes;
    size_t used;
    size_t room;
    size_t *starts; /* where each begins */
    size_t count;
    size_t starts_room;
    bool lost; /* there was no memory: nothing is added any more */
};

/* A place in the table; free if `at` is 0, where the image has its header. */
struct slot {
    uint64_t hash;
    size_t at;
};

/* A file in progress that was found in the journal. */
struct file {
    uint32_t number;
    struct pc_journal_range *ranges;
    size_t count;
    size_t room;
};

struct pc_journal {
    struct pc_handle dir; /* that the file is in */
    struct pc_handle file;
    const char *name; /* points into `path` */
    char *path;

    /* Read-only once the journal is open. */
    uint64_t id;
    bool resumes;
    struct records image; /* what is to become of the file */
    struct slot *slots;   /* the directories and files of the image, at most half full */
    size_t size;          /* a power of two */
    size_t taken;
    struct file *files; /* sorted by number */
    size_t count;
    size_t files_room;

    /* Of the thread that commits. */
    struct records marked;
    off_t end; /* of the file, as far as it is good */

    pthread_mutex_t lock; /* of what follows, while records are added */
    struct records pending;
    uint32_t next_number;
    int err; /* why no more is committed, or 0 */
};

/* A journal that is being opened. */
struct opening {
    struct pc_journal *j;
    const char *path;
    struct records identity; /* its texts, each with its NUL byte */
    struct records old;      /* the file as it is */
    char *text;
    size_t size;
};

/* Says what is wrong, or worth a note. Returns `err`, for the caller to return. */
__attribute__((format(printf, 3, 4))) static int say(struct opening *o, int err, const char *format,
                                                     ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(o->text, o->size, format, args);
    va_end(args);
    return err;
}

/* The same of what the system has refused to do. */
static int say_cannot(struct opening *o, const char *verb, int err)
{
    return say(o, err, "cannot %s '%s': %s", verb, o->path, strerror(-err));
}

/* --- memory --- */

/* `array` with room for `needed` elements; NULL, and nothing has changed, without memory. */
static void *grown(void *array, size_t *room, size_t needed, size_t element)
{
    size_t more = *room ? *room : 16;
    if (array && needed <= *room)
        return array;
    while (more < needed)
        more *= 2;
    void *bigger = realloc(array, more * element);
    if (bigger)
        *room = more;
    return bigger;
}

static bool reserve(struct records *r, size_t size)
{
    void *bytes = r->lost ? NULL : grown(r->bytes, &r->room, r->used + size, 1);
    if (bytes)
        r->bytes = bytes;
    else
        r->lost = true;
    return bytes != NULL;
}

/* Notes that a record begins there. */
static void put_start(struct records *r, size_t start)
{
    void *starts = r->lost ? NULL : grown(r->starts, &r->starts_room, r->count + 1, sizeof(size_t));
    if (!starts) {
        r->lost = true;
        return;
    }
    r->starts = starts;
    r->starts[r->count++] = start;
}

static void free_records(struct records *r)
{
    free(r->bytes);
    free(r->starts);
}

/* --- records as bytes --- */

static void set_number(unsigned char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_number(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void put_bytes(struct records *r, const void *bytes, size_t size)
{
    if (size == 0 || !reserve(r, size))
        return;
    memcpy(r->bytes + r->used, bytes, size);
    r->used += size;
}

static void put_number(struct records *r, uint64_t value, size_t bytes)
{
    unsigned char number[sizeof value];
    set_number(number, value, bytes);
    put_bytes(r, number, bytes);
}

static void put_text(struct records *r, const char *text)
{
    put_bytes(r, text, strlen(text) + 1);
}

/* The checksum of a record with a payload of `size` bytes. */
static uint64_t checksum(const unsigned char *record, size_t size, uint64_t id)
{
    return XXH3_64bits_withSeed(record + TYPE_AT, 1 + size, id);
}

/* Adds a record, whole or not at all. */
static void put_record(struct records *r, uint64_t id, const struct record *c)
{
    const size_t start = r->used;
    put_number(r, 0, 4); /* the length, which is not known yet */
    put_number(r, c->type, 1);
    switch (c->type) {
    case IDENTITY:
        put_bytes(r, c->texts, c->size);
        break;
    case DIRECTORY:
        put_number(r, c->root, 4);
        put_text(r, c->path);
        break;
    case FILE_IN_PROGRESS:
        put_number(r, c->root, 4);
        put_text(r, c->path);
        put_text(r, c->temporary);
        put_number(r, c->number, 4);
        put_number(r, c->source_size, 8);
        put_number(r, c->seconds, 8);
        put_number(r, c->nanoseconds, 4);
        put_number(r, c->inode, 8);
        break;
    case RANGE:
        put_number(r, c->number, 4);
        put_number(r, c->range.from, 8);
        put_number(r, c->range.to, 8);
        break;
    case COMPLETE:
        break;
    }
    if (!r->lost) {
        const size_t size = r->used - start - PAYLOAD_AT;
        assert(size <= UINT32_MAX);
        set_number(r->bytes + start, size, 4);
        put_number(r, checksum(r->bytes + start, size, id), 8);
        put_start(r, start);
    }
    if (r->lost)
        r->used = start;
}

/* A payload that is being taken apart; `good` until something is not there. */
struct payload {
    const unsigned char *at;
    size_t left;
    bool good;
};

static uint64_t take_number(struct payload *p, size_t bytes)
{
    if (p->left < bytes) {
        p->good = false;
        return 0;
    }
    const uint64_t value = get_number(p->at, bytes);
    p->at += bytes;
    p->left -= bytes;
    return value;
}

static const char *take_text(struct payload *p)
{
    const char *text = (const char *)p->at;
    const size_t length = strnlen(text, p->left);
    if (length == p->left) {
        p->good = false;
        return "";
    }
    p->at += length + 1;
    p->left -= length + 1;
    return text;
}

/* "", or a name that leads nowhere else. */
static bool is_component(const char *name)
{
    return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/');
}

/* Takes a record apart. Returns its length, or 0 if there is none, or none that is good. */
static size_t take_record(const unsigned char *at, size_t left, uint64_t id, struct record *out)
{
    if (left < FRAME)
        return 0;
    const size_t size = get_number(at, 4);
    if (size > left - FRAME || get_number(at + PAYLOAD_AT + size, 8) != checksum(at, size, id))
        return 0;
    struct payload p = {.at = at + PAYLOAD_AT, .left = size, .good = true};
    *out = (struct record){.type = at[TYPE_AT]};
    switch (out->type) {
    case IDENTITY:
        out->texts = p.at;
        out->size = size;
        p.good = size == 0 || p.at[size - 1] == '\0';
        p.left = 0;
        break;
    case DIRECTORY:
        out->root = (uint32_t)take_number(&p, 4);
        out->path = take_text(&p);
        break;
    case FILE_IN_PROGRESS:
        out->root = (uint32_t)take_number(&p, 4);
        out->path = take_text(&p);
        out->temporary = take_text(&p);
        out->number = (uint32_t)take_number(&p, 4);
        out->source_size = take_number(&p, 8);
        out->seconds = take_number(&p, 8);
        out->nanoseconds = (uint32_t)take_number(&p, 4);
        out->inode = take_number(&p, 8);
        p.good = p.good && is_component(out->temporary);
        break;
    case RANGE:
        out->number = (uint32_t)take_number(&p, 4);
        out->range.from = take_number(&p, 8);
        out->range.to = take_number(&p, 8);
        p.good = p.good && out->range.from < out->range.to;
        break;
    case COMPLETE:
        break;
    default:
        p.good = false;
        break;
    }
    return p.good && p.left == 0 ? FRAME + size : 0;
}

/* --- the table of directories and files --- */

static uint64_t hash_of_root(const struct pc_journal *j, enum type type, uint32_t root)
{
    return j->id ^ ((uint64_t)type << 32 | root);
}

/*
 * The first `length` bytes of `path` have `*hash`. Goes on by one component: returns the length
 * with it. There must be one.
 */
static size_t next_component(const char *path, size_t length, uint64_t *hash)
{
    if (path[length] == '/')
        length++;
    const size_t size = strcspn(path + length, "/");
    *hash = XXH3_64bits_withSeed(path + length, size, *hash);
    return length + size;
}

static bool is_record_of(const unsigned char *record, enum type type, uint32_t root,
                         const char *path, size_t length)
{
    const char *its = (const char *)record + PATH_AT;
    return record[TYPE_AT] == type && get_number(record + ROOT_AT, 4) == root &&
           strncmp(its, path, length) == 0 && its[length] == '\0';
}

/* Where the record of the first `length` bytes of `path` is, or where it belongs. */
static struct slot *slot_of(const struct pc_journal *j, enum type type, uint32_t root,
                            const char *path, size_t length, uint64_t hash)
{
    for (size_t i = hash;; i++) {
        struct slot *s = &j->slots[i & (j->size - 1)];
        if (!s->at ||
            (s->hash == hash && is_record_of(j->image.bytes + s->at, type, root, path, length)))
            return s;
    }
}

/* The same of a whole path, whose hash *hash becomes. */
static struct slot *slot_of_path(const struct pc_journal *j, enum type type, uint32_t root,
                                 const char *path, uint64_t *hash)
{
    size_t length = 0;
    *hash = hash_of_root(j, type, root);
    while (path[length])
        length = next_component(path, length, hash);
    return slot_of(j, type, root, path, length, *hash);
}

static bool table_grow(struct pc_journal *j)
{
    const size_t size = j->size ? 2 * j->size : 64;
    struct slot *slots = calloc(size, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < j->size; i++) {
        size_t at = j->slots[i].hash;
        if (!j->slots[i].at)
            continue;
        while (slots[at & (size - 1)].at)
            at++;
        slots[at & (size - 1)] = j->slots[i];
    }
    free(j->slots);
    j->slots = slots;
    j->size = size;
    return true;
}

bool pc_journal_resumes(const struct pc_journal *j)
{
    return j->resumes;
}

bool pc_journal_has(const struct pc_journal *j, unsigned root, const char *path)
{
    uint64_t hash = hash_of_root(j, DIRECTORY, root);
    size_t length = 0;
    while (!slot_of(j, DIRECTORY, root, path, length, hash)->at) {
        if (!path[length])
            return false;
        length = next_component(path, length, &hash);
    }
    return true;
}

/* --- files in progress --- */

static int by_number(const void *a, const void *b)
{
    const uint32_t x = ((const struct file *)a)->number;
    const uint32_t y = ((const struct file *)b)->number;
    return (x > y) - (x < y);
}

static int by_position(const void *a, const void *b)
{
    const uint64_t x = ((const struct pc_journal_range *)a)->from;
    const uint64_t y = ((const struct pc_journal_range *)b)->from;
    return (x > y) - (x < y);
}

static struct file *file_of(const struct pc_journal *j, uint32_t number)
{
    const struct file key = {.number = number};
    return j->count ? bsearch(&key, j->files, j->count, sizeof key, by_number) : NULL;
}

static bool add_file(struct pc_journal *j, uint32_t number)
{
    struct file *files = grown(j->files, &j->files_room, j->count + 1, sizeof *files);
    if (!files)
        return false;
    j->files = files;
    j->files[j->count++] = (struct file){.number = number};
    return true;
}

static bool add_range(struct file *f, struct pc_journal_range range)
{
    struct pc_journal_range *ranges = grown(f->ranges, &f->room, f->count + 1, sizeof *ranges);
    if (!ranges)
        return false;
    f->ranges = ranges;
    f->ranges[f->count++] = range;
    return true;
}

/* Sorts the ranges; those that overlap or touch become one. */
static void join_ranges(struct file *f)
{
    size_t last = 0;
    if (f->count == 0)
        return;
    qsort(f->ranges, f->count, sizeof *f->ranges, by_position);
    for (size_t i = 1; i < f->count; i++) {
        struct pc_journal_range *r = &f->ranges[last];
        if (f->ranges[i].from > r->to)
            f->ranges[++last] = f->ranges[i];
        else if (f->ranges[i].to > r->to)
            r->to = f->ranges[i].to;
    }
    f->count = last + 1;
}

bool pc_journal_find_file(const struct pc_journal *j, unsigned root, const char *path,
                          const struct stat *source, struct pc_journal_file *out)
{
    struct record r;
    uint64_t hash;
    const size_t at = slot_of_path(j, FILE_IN_PROGRESS, root, path, &hash)->at;
    if (!at || !take_record(j->image.bytes + at, j->image.used - at, j->id, &r) ||
        r.source_size != (uint64_t)source->st_size || r.inode != source->st_ino ||
        r.seconds != (uint64_t)source->st_mtim.tv_sec ||
        r.nanoseconds != (uint32_t)source->st_mtim.tv_nsec)
        return false;
    const struct file *f = file_of(j, r.number);
    if (!f)
        return false;
    *out = (struct pc_journal_file){
        .number = r.number,
        .temporary = r.temporary,
        .ranges = f->ranges,
        .count = f->count,
    };
    return true;
}

bool pc_journal_has_range(const struct pc_journal_file *file, uint64_t from, uint64_t to)
{
    for (size_t i = 0; i < file->count; i++) {
        if (file->ranges[i].from <= from && to <= file->ranges[i].to)
            return true;
    }
    return false;
}

/* --- reading --- */

/* The first text of `a` that `b` has not, or NULL. */
static const char *only_in(const struct record *a, const struct record *b)
{
    const char *const a_end = (const char *)a->texts + a->size;
    const char *const b_end = (const char *)b->texts + b->size;
    for (const char *x = a->texts; x < a_end; x += strlen(x) + 1) {
        const char *y = b->texts;
        while (y < b_end && strcmp(x, y) != 0)
            y += strlen(y) + 1;
        if (y >= b_end)
            return x;
    }
    return NULL;
}

/* Whether the journal, which begins with `its`, is that of this run. */
static int check_identity(struct opening *o, const struct record *its, const struct record *ours)
{
    if (its->size == ours->size &&
        (its->size == 0 || memcmp(its->texts, ours->texts, its->size) == 0))
        return 0;
    const char *there = only_in(its, ours);
    const char *here = only_in(ours, its);
    if (there && here)
        return say(o, -EINVAL, "'%s' is the journal of another run: with '%s', not '%s'", o->path,
                   there, here);
    if (there || here)
        return say(o, -EINVAL, "'%s' is the journal of another run: %s '%s'", o->path,
                   there ? "with" : "without", there ? there : here);
    return say(o, -EINVAL, "'%s' is the journal of another run: its options are in another order",
               o->path);
}

/*
 * Finds out where the records of the old file begin, and how many bytes behind them are damaged.
 * `last` is the last record.
 */
static int find_records(struct opening *o, const struct record *ours, struct record *last,
                        size_t *damaged)
{
    struct records *old = &o->old;
    size_t length;
    if (old->used < HEADER || memcmp(old->bytes, MAGIC, MAGIC_SIZE) != 0)
        return say(o, -EBADMSG, "'%s' is no journal of this version of pcopy", o->path);
    const uint64_t id = get_number(old->bytes + MAGIC_SIZE, sizeof id);
    struct record r;
    size_t at = HEADER;
    while ((length = take_record(old->bytes + at, old->used - at, id, &r)) > 0) {
        if ((r.type == IDENTITY) != (old->count == 0))
            break;
        if (r.type == IDENTITY) {
            const int err = check_identity(o, &r, ours);
            if (err)
                return err;
        }
        put_start(old, at);
        at += length;
        *last = r;
        if (r.type == COMPLETE)
            break;
    }
    if (old->count == 0 && !old->lost)
        return say(o, -EBADMSG, "the beginning of the journal '%s' is damaged", o->path);
    *damaged = old->used - at;
    return 0;
}

/* The record that begins there in the old file, which is known to be good. */
static struct record old_record(const struct opening *o, size_t i)
{
    struct record r = {0};
    const size_t at = o->old.starts[i];
    const uint64_t id = get_number(o->old.bytes + MAGIC_SIZE, sizeof id);
    take_record(o->old.bytes + at, o->old.used - at, id, &r);
    return r;
}

/* Takes a directory or a file into the image, unless that has it. False without memory. */
static bool keep(struct pc_journal *j, const struct record *r)
{
    uint64_t hash;
    if (pc_journal_has(j, r->root, r->path) ||
        slot_of_path(j, r->type, r->root, r->path, &hash)->at)
        return true;
    if (j->taken >= j->size / 2 && !table_grow(j))
        return false;
    if (r->type == FILE_IN_PROGRESS && !add_file(j, r->number))
        return false;
    const size_t at = j->image.used;
    put_record(&j->image, j->id, r);
    *slot_of_path(j, r->type, r->root, r->path, &hash) = (struct slot){.hash = hash, .at = at};
    j->taken++;
    return !j->image.lost;
}

/* Takes what is not redundant into the image. False without memory. */
static bool keep_all(struct opening *o)
{
    struct pc_journal *j = o->j;
    bool good = true;
    for (size_t i = o->old.count; good && i-- > 0;) {
        const struct record r = old_record(o, i);
        if (r.type == DIRECTORY || r.type == FILE_IN_PROGRESS)
            good = keep(j, &r);
    }
    if (j->count)
        qsort(j->files, j->count, sizeof *j->files, by_number);
    for (size_t i = 0; good && i < o->old.count; i++) {
        const struct record r = old_record(o, i);
        struct file *f = r.type == RANGE ? file_of(j, r.number) : NULL;
        if (f)
            good = add_range(f, r.range);
    }
    for (size_t i = 0; good && i < j->count; i++) {
        struct file *f = &j->files[i];
        struct record r = {.type = RANGE, .number = f->number};
        join_ranges(f);
        for (size_t k = 0; k < f->count; k++) {
            r.range = f->ranges[k];
            put_record(&j->image, j->id, &r);
        }
    }
    return good && !j->image.lost;
}

/* Makes the image, of what is in the old file if that is to be gone on with. */
static int make_image(struct opening *o)
{
    struct pc_journal *j = o->j;
    const struct record ours = {
        .type = IDENTITY,
        .texts = o->identity.bytes,
        .size = o->identity.used,
    };
    struct record last = {.type = COMPLETE};
    size_t damaged = 0;
    if (o->identity.lost || !table_grow(j))
        return say_cannot(o, "read", -ENOMEM);
    if (getrandom(&j->id, sizeof j->id, 0) != (ssize_t)sizeof j->id)
        return say_cannot(o, "find a number for", -errno);
    put_bytes(&j->image, MAGIC, MAGIC_SIZE);
    put_number(&j->image, j->id, sizeof j->id);
    put_record(&j->image, j->id, &ours);
    if (o->old.used > 0) {
        const int err = find_records(o, &ours, &last, &damaged);
        if (err)
            return err;
    }
    if (o->old.lost || j->image.lost || (last.type != COMPLETE && !keep_all(o)))
        return say_cannot(o, "read", -ENOMEM);
    j->resumes = last.type != COMPLETE;
    if (j->resumes && damaged)
        say(o, 0, "the last %zu bytes of the journal '%s' are damaged: they are cut off", damaged,
            o->path);
    return 0;
}

/* --- opening --- */

/* The name of the file, and the directory that it is in. */
static int open_parent(struct opening *o)
{
    struct pc_journal *j = o->j;
    j->path = strdup(o->path);
    if (!j->path)
        return say_cannot(o, "open", -ENOMEM);
    char *slash = strrchr(j->path, '/');
    const char *parent = slash ? j->path : ".";
    j->name = slash ? slash + 1 : j->path;
    if (slash == j->path)
        parent = "/";
    else if (slash)
        *slash = '\0';
    const int err = pc_sys_open_root(parent, false, &j->dir);
    return err ? say_cannot(o, "open", err) : 0;
}

/* A process that was killed a moment ago may still have the lock. */
static int lock(struct pc_handle file)
{
    const struct timespec pause = {.tv_nsec = 50L * 1000 * 1000};
    int err = pc_sys_lock(file);
    for (int i = 0; i < 20 && err == -EWOULDBLOCK; i++) {
        nanosleep(&pause, NULL);
        err = pc_sys_lock(file);
    }
    return err;
}

static int open_locked(struct opening *o)
{
    struct pc_journal *j = o->j;
    for (;;) {
        struct stat held;
        struct stat named;
        int err = pc_sys_open_or_create(j->dir, j->name, &j->file);
        if (err)
            return say_cannot(o, "open", err);
        err = lock(j->file);
        if (err == -EWOULDBLOCK)
            return say(o, -EBUSY, "another pcopy has the journal '%s' open", o->path);
        if (err)
            return say_cannot(o, "lock", err);
        err = pc_sys_stat(j->file, &held);
        if (!err)
            err = pc_sys_stat_now(j->dir, j->name, &named);
        if (err && err != -ENOENT)
            return say_cannot(o, "stat", err);
        if (!err && held.st_ino == named.st_ino && held.st_dev == named.st_dev)
            return S_ISREG(held.st_mode) ? 0 : say(o, -EBADMSG, "'%s' is no regular file", o->path);
        pc_sys_close(&j->file);
    }
}

/* Reads the old file. */
static int read_old(struct opening *o)
{
    struct stat st;
    int err = pc_sys_stat(o->j->file, &st);
    if (!err && !reserve(&o->old, (size_t)st.st_size))
        err = -ENOMEM;
    if (!err) {
        const ssize_t n = pc_sys_read(o->j->file, o->old.bytes, (size_t)st.st_size, 0);
        if (n < 0)
            err = (int)n;
        else
            o->old.used = (size_t)n;
    }
    return err ? say_cannot(o, "read", err) : 0;
}

/* Makes the image a file, locked, flushed and with the journal's name. */
static int put_image(struct pc_journal *j, const char *temporary)
{
    struct pc_handle file;
    /* That of a run that was killed here: nobody else has the lock. */
    pc_sys_unlink(j->dir, temporary);
    int err = pc_sys_create_readable(j->dir, temporary, &file);
    if (err)
        return err;
    err = pc_sys_lock(file);
    if (!err)
        err = pc_sys_write(file, j->image.bytes, j->image.used, 0);
    if (!err)
        err = pc_sys_fsync(file);
    if (!err)
        err = pc_sys_rename(j->dir, temporary, j->name);
    if (err) {
        pc_sys_unlink(j->dir, temporary);
        pc_sys_close(&file);
        return err;
    }
    pc_sys_close(&j->file);
    j->file = file;
    j->end = (off_t)j->image.used;
    err = pc_sys_fsync(j->dir);
    return err == -EINVAL ? 0 : err; /* some file systems have no such thing (fsync(2)) */
}

static int replace(struct opening *o)
{
    struct pc_journal *j = o->j;
    /* Always the same, so that no more than one is left; not longer, so that it fits. */
    char temporary[64];
    snprintf(temporary, sizeof temporary, ".pcopy-journal-%016" PRIx64,
             XXH3_64bits(j->name, strlen(j->name)));
    const int err = put_image(j, temporary);
    return err ? say_cannot(o, "write", err) : 0;
}

int pc_journal_open(struct pc_journal **out, const char *path, const char *const *identity,
                    char *text, size_t size)
{
    struct opening o = {.path = path, .text = text, .size = size};
    say(&o, 0, "%s", "");
    o.j = calloc(1, sizeof *o.j);
    if (!o.j)
        return say_cannot(&o, "open", -ENOMEM);
    o.j->dir = o.j->file = PC_HANDLE_NONE;
    pthread_mutex_init(&o.j->lock, NULL);
    for (; *identity; identity++)
        put_text(&o.identity, *identity);
    int err = open_parent(&o);
    if (!err)
        err = open_locked(&o);
    if (!err)
        err = read_old(&o);
    if (!err)
        err = make_image(&o);
    if (!err)
        err = replace(&o);
    free_records(&o.identity);
    free_records(&o.old);
    if (err)
        pc_journal_close(o.j);
    else
        *out = o.j;
    return err;
}

/* --- adding --- */

/* Whether the last record is that of a directory that is `path` or below it. */
static bool ends_below(const struct records *r, uint32_t root, const char *path, size_t length)
{
    if (r->count == 0)
        return false;
    const unsigned char *record = r->bytes + r->starts[r->count - 1];
    const char *its = (const char *)record + PATH_AT;
    return record[TYPE_AT] == DIRECTORY && get_number(record + ROOT_AT, 4) == root &&
           strncmp(its, path, length) == 0 &&
           (length == 0 || its[length] == '/' || its[length] == '\0');
}

static void add(struct pc_journal *j, const struct record *r)
{
    if (!j->err)
        put_record(&j->pending, j->id, r);
}

void pc_journal_add_dir(struct pc_journal *j, unsigned root, const char *path)
{
    const struct record r = {.type = DIRECTORY, .root = root, .path = path};
    const size_t length = strlen(path);
    pthread_mutex_lock(&j->lock);
    /* Often those below have just been added. Deep trees need this: the paths of 5000 directories,
     * one in the other, come to 100 MB. */
    while (ends_below(&j->pending, root, path, length))
        j->pending.used = j->pending.starts[--j->pending.count];
    add(j, &r);
    pthread_mutex_unlock(&j->lock);
}

uint32_t pc_journal_add_file(struct pc_journal *j, unsigned root, const char *path,
                             const char *temporary, const struct stat *source)
{
    struct record r = {
        .type = FILE_IN_PROGRESS,
        .root = root,
        .path = path,
        .temporary = temporary,
        .source_size = (uint64_t)source->st_size,
        .seconds = (uint64_t)source->st_mtim.tv_sec,
        .nanoseconds = (uint32_t)source->st_mtim.tv_nsec,
        .inode = source->st_ino,
    };
    assert(is_component(temporary));
    pthread_mutex_lock(&j->lock);
    do
        r.number = j->next_number++;
    while (file_of(j, r.number)); /* lest it gets the ranges of one that was found */
    add(j, &r);
    pthread_mutex_unlock(&j->lock);
    return r.number;
}

void pc_journal_add_range(struct pc_journal *j, uint32_t number, uint64_t from, uint64_t to)
{
    const struct record r = {.type = RANGE, .number = number, .range = {from, to}};
    assert(from < to);
    pthread_mutex_lock(&j->lock);
    add(j, &r);
    pthread_mutex_unlock(&j->lock);
}

/* --- committing --- */

void pc_journal_mark(struct pc_journal *j)
{
    pthread_mutex_lock(&j->lock);
    if (j->marked.used == 0) {
        const struct records empty = j->marked;
        j->marked = j->pending;
        j->pending = empty;
    } else { /* marked twice without a commit */
        put_bytes(&j->marked, j->pending.bytes, j->pending.used);
        j->marked.lost |= j->pending.lost;
    }
    j->pending.used = j->pending.count = 0;
    pthread_mutex_unlock(&j->lock);
}

/* Puts records on the disk, or leaves the file as it was. */
static int append(struct pc_journal *j, const struct records *r)
{
    int err = r->lost ? -ENOMEM : pc_sys_write(j->file, r->bytes, r->used, j->end);
    if (!err)
        err = pc_sys_fdatasync(j->file);
    if (err)
        pc_sys_truncate(j->file, j->end); /* or else the end is taken for torn, which it is */
    else
        j->end += (off_t)r->used;
    return err;
}

int pc_journal_commit(struct pc_journal *j)
{
    if (!j->err && (j->marked.used || j->marked.lost)) {
        const int err = append(j, &j->marked);
        pthread_mutex_lock(&j->lock);
        j->err = err;
        pthread_mutex_unlock(&j->lock);
    }
    j->marked.used = j->marked.count = 0;
    return j->err;
}

int pc_journal_complete(struct pc_journal *j)
{
    const struct record r = {.type = COMPLETE};
    struct records last = {0};
    put_record(&last, j->id, &r);
    const int err = append(j, &last);
    free_records(&last);
    return err;
}

void pc_journal_unlock(struct pc_journal *j)
{
    pc_sys_unlock(j->file);
}

void pc_journal_close(struct pc_journal *j)
{
    if (!j)
        return;
    /* What was written was flushed, so no error can matter. */
    if (pc_handle_open(j->file))
        pc_sys_close(&j->file);
    if (pc_handle_open(j->dir))
        pc_sys_close(&j->dir);
    for (size_t i = 0; i < j->count; i++)
        free(j->files[i].ranges);
    free(j->files);
    free(j->slots);
    free_records(&j->image);
    free_records(&j->marked);
    free_records(&j->pending);
    pthread_mutex_destroy(&j->lock);
    free(j->path);
    free(j);
}
