/*
 * All threads take lines from the one reader, under a lock, and read one file each.
 */
#include "pcopy/check.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pcopy/meta.h"
#include "pcopy/sums.h"

struct work {
    const struct pc_check *check;
    struct pc_handle *trees; /* the tree on each mount point */
    pthread_mutex_t lock;    /* for all below */
    struct pc_sums_reader *reader;
    size_t taken;
    size_t line; /* a bad one */
    int err;     /* of the list */
};

struct thread {
    struct work *work;
    unsigned number;
    pthread_t id;
};

/* The next line of the list: true, with a name to be freed. */
static bool take(struct work *w, struct pc_sum *sum, char **name, unsigned *mount)
{
    const char *found;
    pthread_mutex_lock(&w->lock);
    const int n = w->err ? 0 : pc_sums_next(w->reader, sum, &found, &w->line);
    *name = n > 0 ? strdup(found) : NULL;
    if (n < 0)
        w->err = n;
    else if (n > 0 && !*name)
        w->err = -ENOMEM;
    *mount = (unsigned)(w->taken++ % w->check->mounts->count);
    pthread_mutex_unlock(&w->lock);
    return *name;
}

/* The checksum of a file as the disk or server has it. */
static int sum_of(const struct work *w, unsigned mount, const char *name, char *buffer,
                  struct pc_sums_hash *hash, struct pc_sum *out)
{
    const size_t size = w->check->buffer_size;
    struct pc_handle h;
    struct stat st;
    int err = pc_sys_open_file_beneath(w->trees[mount], name, &h);
    if (err)
        return err;
    err = pc_sys_stat(h, &st);
    if (!err && !S_ISREG(st.st_mode))
        err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    pc_sys_forget(h, 0, 0);
    pc_sums_reset(hash);
    ssize_t n = err ? 0 : (ssize_t)size;
    for (off_t at = 0; !err && (size_t)n == size; at += n) {
        n = pc_sys_read(h, buffer, size, at);
        if (n < 0)
            err = (int)n;
        else
            pc_sums_update(hash, buffer, (size_t)n);
        if (atomic_load_explicit(w->check->stop, memory_order_relaxed))
            err = -ECANCELED;
    }
    pc_sys_close(&h);
    *out = pc_sums_end(hash);
    return err;
}

static void *run(void *argument)
{
    struct thread *t = argument;
    struct work *w = t->work;
    struct pc_report *report = w->check->report;
    struct pc_sums_hash *hash = NULL;
    char *buffer = malloc(w->check->buffer_size);
    struct pc_sum expected;
    struct pc_sum found;
    unsigned mount;
    char *name;

    const int out_of_memory = buffer ? pc_sums_start(&hash) : -ENOMEM;
    if (out_of_memory) {
        pthread_mutex_lock(&w->lock);
        w->err = out_of_memory;
        pthread_mutex_unlock(&w->lock);
    }
    while (!atomic_load_explicit(w->check->stop, memory_order_relaxed) &&
           take(w, &expected, &name, &mount)) {
        const int err = sum_of(w, mount, name, buffer, hash, &found);
        if (err && err != -ECANCELED) {
            pc_report_count(report, t->number, PC_COUNT_ERRORS, 1);
            pc_report_error(report, "check", name, err, NULL);
        } else if (!err) {
            pc_report_count(report, t->number, PC_COUNT_FILES, 1);
            if (found.high != expected.high || found.low != expected.low) {
                const struct pc_change change = {
                    .path = name, .type = S_IFREG, .diffs = PC_DIFF_CONTENT, .due = true};
                pc_report_count(report, t->number, PC_COUNT_DIFFERS, 1);
                pc_report_change(report, &change);
            }
        }
        free(name);
    }
    if (hash)
        pc_sums_free(hash);
    free(buffer);
    return NULL;
}

/* Opens the tree on every mount point. */
static int open_trees(struct work *w)
{
    const struct pc_mounts *m = w->check->mounts;
    w->trees = calloc(m->count, sizeof *w->trees);
    if (!w->trees)
        return -ENOMEM;
    for (unsigned i = 0; i < m->count; i++)
        w->trees[i] = PC_HANDLE_NONE;
    int err = 0;
    for (unsigned i = 0; i < m->count && !err; i++)
        err = m->paths ? pc_sys_open_beneath(m->handles[i], w->check->tree, false, &w->trees[i])
                       : pc_sys_open_root(w->check->tree, false, &w->trees[i]);
    return err;
}

int pc_check_run(const struct pc_check *check, const char **problem, size_t *line)
{
    struct work w = {.check = check};
    struct thread *threads = calloc(check->jobs, sizeof *threads);
    unsigned n = 0;

    *line = 0;
    *problem = check->tree;
    pthread_mutex_init(&w.lock, NULL);
    int err = threads ? open_trees(&w) : -ENOMEM;
    if (!err) {
        *problem = check->list;
        err = pc_sums_open(&w.reader, check->list);
    }
    for (; !err && n < check->jobs; n++) {
        threads[n] = (struct thread){.work = &w, .number = n};
        if (pthread_create(&threads[n].id, NULL, run, &threads[n]) != 0)
            break;
    }
    if (!err && n == 0)
        err = -EAGAIN;
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i].id, NULL);
    if (!err)
        err = w.err;
    if (err == -EINVAL)
        *line = w.line;
    if (w.reader)
        pc_sums_close(w.reader);
    for (unsigned i = 0; w.trees && i < check->mounts->count; i++) {
        if (pc_handle_open(w.trees[i]))
            pc_sys_close(&w.trees[i]);
    }
    free(w.trees);
    free(threads);
    pthread_mutex_destroy(&w.lock);
    return err;
}
