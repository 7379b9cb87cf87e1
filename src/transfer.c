/*
 * The pipeline, top to bottom.
 *
 *      walker threads            queue              copy threads
 *      list directories  ->  entries, sharded  ->  copy one entry each,
 *      (walk.c)              by directory          finish directories (copy.c)
 *
 * pc_transfer_run() opens the roots, starts the threads, waits for them in the order in which the
 * data flows, flushes and reports. Follow one file: a walker finds its name and emit()s it; push
 * gives it away; a copy thread pops it in work(), process() copies it and accounts for it, and
 * finish() gives it back to its directory. When that was the last thing pending there, the
 * directory gets its metadata, and then perhaps its parent.
 *
 * THREADS. main; walkers; copy threads; a monitor that waits for signals and writes progress; with
 * a journal a keeper, which flushes and records what is finished; and the watch, which sees mount
 * points hang. That ends the process, for another to go on (failover.h). Only walkers wait for room
 * in the queue. For a copy thread waits the join at the end, and another one for whose big file it
 * is in a range (ranges.c).
 *
 * OWNERSHIP. An entry belongs to one stage at a time: the queue, a copy thread, its hard-link
 * group, or the big files that were put aside. Whoever has it last calls finish() (or, when the run
 * was stopped before it got that far, discard()), exactly once. `pending` counts what is on its
 * way; when it is zero, settle() closes the queue and the copy threads end.
 *
 * PASSES. The same pipeline runs over the tree once to copy, once more to remove if it has to be
 * known first how much would go (--max-delete=N%), and, to verify, until a pass finds nothing to
 * set right. Each pass has a tree, a queue and threads of its own; roots and counters stay.
 *
 * STOPPING. The first signal, or the time to stop, sets `stop` and cancels the queue: walkers
 * cannot push any more, files in flight end at the next block and are removed (big ones that are in
 * the journal stay), what is left in the queue is discarded. Directories that are not complete keep
 * a wrong mtime, which is what marks them as such. A second signal ends the process at once. While
 * all is flushed at the end, nothing is left to stop: only the second signal counts then.
 */
#include "pcopy/transfer.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "pcopy/check.h"
#include "pcopy/copy.h"
#include "pcopy/explain.h"
#include "pcopy/failover.h"
#include "pcopy/journal.h"
#include "pcopy/names.h"
#include "pcopy/plan.h"
#include "pcopy/queue.h"
#include "pcopy/ranges.h"
#include "pcopy/walk.h"
#include "pcopy/watch.h"

/* Descriptors that are neither a thread's nor a directory's: standard ones, roots, a reserve. */
#define RESERVED_FILES 24
/* A copy thread has for a moment three directories open, as has a walker. Its files: one on each
 * mount point. */
#define DIRS_PER_THREAD 3
#define MAX_OPEN_DIRS   8192
#define SHARDS          64
/* A big file is copied in ranges of so many bytes: large enough that a disk or a server reads ahead
 * and that taking one costs nothing, small enough that all threads end at about the same time. */
#define RANGE ((size_t)8 << 20)

enum pass { PASS_COPY, PASS_DELETE, PASS_VERIFY };

/* What is watched of one side. */
struct side {
    struct run *run;
    bool source;
    const char *const *paths;
    struct pc_watch *watch;
};

struct run {
    const struct pc_options *options;
    struct pc_report *report;
    struct side sides[2]; /* the source's, the destination's */
    struct pc_mounts sources;
    struct pc_mounts targets;
    struct pc_plan plan;
    struct pc_tree *tree;
    struct pc_queue *queue;
    struct pc_walk *walk;
    struct pc_copy_config config;
    struct pc_names *names;      /* of --files-from */
    struct pc_sums_writer *sums; /* of --checksum-file */
    struct pc_journal *journal;
    _Atomic enum pass pass;  /* atomic for the monitor, that says it */
    enum pc_changes changes; /* how they are printed */
    unsigned jobs;
    unsigned walkers;
    size_t max_dirs;
    size_t range; /* of big files, in bytes */
    struct worker *workers;
    atomic_int failure;        /* negative errno that ended the run, or 0 */
    atomic_int signal;         /* that ended the run, or 0 */
    atomic_llong *granularity; /* of each end, for the copiers */
    atomic_uint *lost;         /* of each end: pc_lost bits that were reported */
    atomic_size_t allowance;   /* deletions that may still be made */
    atomic_size_t refused;     /* deletions that were not made for that reason */
    atomic_size_t total;       /* names at the destination before the run */
    atomic_size_t extra;       /* those of them that the source does not have */

    pthread_mutex_t lock; /* for `queue`, which comes and goes with its pass */
    struct pc_ranges *ranges;
    struct pc_limit *bandwidth;
    struct pc_limit *operations;
    struct pc_pairs pairs;
    struct pc_retry retry;
    atomic_size_t pending; /* entries that are queued, put aside or being copied; and the walk */

    pthread_t monitor;
    atomic_bool monitored; /* it was started */
    sigset_t signals;
    pthread_t keeper; /* of the journal, until this is posted */
    sem_t done;
    timer_t timers[2]; /* of --stop-after and --stop-at, that come as signals */
    unsigned timer_count;
    atomic_bool stop;
    atomic_bool expired;  /* its time was over */
    atomic_bool flushing; /* at the end, when all is copied */
    atomic_bool noted;    /* that there are snapshots in the source; that was said, */
    atomic_bool waits;    /* for room; so was that, */
    bool journal_failed;  /* and that */
    int unflushed;        /* why the destination could not be flushed, or 0 */
    bool server_copies;
};

struct worker {
    struct run *run;
    unsigned number;
    size_t cursor; /* where its search in the queue starts */
    pthread_t thread;
    struct pc_copier copier;
};

/* Walkers count in a slot of their own, behind the copy threads'. */
static unsigned walker_slot(const struct run *run)
{
    return run->options->jobs ? run->options->jobs : PC_MAX_JOBS;
}

/* Ends the run early; the first reason counts. */
static void stop(struct run *run, int failure)
{
    int none = 0;
    atomic_compare_exchange_strong(&run->failure, &none, failure);
    atomic_store_explicit(&run->stop, true, memory_order_relaxed);
    pthread_mutex_lock(&run->lock);
    if (run->queue)
        pc_queue_cancel(run->queue);
    pthread_mutex_unlock(&run->lock);
}

/* --- telling --- */

static void report_error(struct run *run, unsigned slot, struct pc_dir *dir, unsigned end,
                         const char *name, const char *operation, int err, const char *why)
{
    char *path = pc_tree_path(dir, end, name);
    atomic_store_explicit(&dir->unfinished, true, memory_order_relaxed);
    if (pc_report_error(run->report, operation, path ? path : name, err, why)) {
        const enum pc_count kind = PC_COUNT_FAILED + (enum pc_count)pc_retry_class(err);
        pc_report_count(run->report, slot, PC_COUNT_ERRORS, 1);
        pc_report_count(run->report, slot, kind, 1);
    }
    free(path);
}

static void report_vanished(struct run *run, unsigned slot, struct pc_dir *dir, const char *name)
{
    char *path = pc_tree_path(dir, PC_SOURCE, name);
    atomic_store_explicit(&dir->unfinished, true, memory_order_relaxed);
    if (pc_report_finding(run->report, PC_FINDING_VANISHED, "copy", path ? path : name, -ENOENT,
                          "it vanished while the tree was read"))
        pc_report_count(run->report, slot, PC_COUNT_VANISHED, 1);
    free(path);
}

static void report_changed(struct run *run, unsigned slot, struct pc_dir *dir, const char *name,
                           const struct pc_result *r)
{
    char *path = pc_tree_path(dir, PC_SOURCE, name);
    const char *operation = r->err ? "copy" : "copy all of";
    const char *why = r->err ? r->why : "it changed each time it was read; the last copy is kept";
    atomic_store_explicit(&dir->unfinished, true, memory_order_relaxed);
    if (pc_report_finding(run->report, PC_FINDING_CHANGED, operation, path ? path : name, r->err,
                          why))
        pc_report_count(run->report, slot, PC_COUNT_CHANGED, 1);
    free(path);
}

/* What a destination cannot keep is said once for each mount point, or with --strict each time. */
static void report_lost(struct run *run, unsigned slot, struct pc_dir *dir, const char *name,
                        const struct pc_result *r)
{
    static const struct {
        enum pc_lost lost;
        const char *what;
        const char *why;
    } kinds[] = {
        {PC_LOST_ACL, "ACLs", "the file system does not hold them"},
        {PC_LOST_XATTR, "extended attributes", "the file system does not hold all of them"},
        {PC_LOST_OWNER, "owners", "only root may give files away"},
        {PC_LOST_TIMES, "times", "those of the file system are coarser"},
        {PC_LOST_HOLES, "holes", "the file system does not have them"},
    };
    pc_report_count(run->report, slot, PC_COUNT_LOST, 1);
    const unsigned new =
        run->options->strict ? r->lost : r->lost & ~atomic_fetch_or(&run->lost[r->end], r->lost);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char operation[64];
        if (!(new &kinds[i].lost))
            continue;
        if (run->options->strict) {
            snprintf(operation, sizeof operation, "keep %s of", kinds[i].what);
            report_error(run, slot, dir, r->end, name, operation, 0, kinds[i].why);
        } else {
            pc_report_note(run->report, "%s are not all kept in '%s': %s", kinds[i].what,
                           run->plan.roots[0].labels[r->end], kinds[i].why);
        }
    }
}

/* Something that was set right, or would be. `e` is NULL for a directory that is complete. */
static void print_change(struct worker *w, const struct pc_dir *dir, const struct pc_entry *e,
                         const struct pc_result *r)
{
    const bool link = r->outcome == PC_COPIED_LINK;
    const struct pc_entry *first = link ? pc_tree_first(e) : NULL;
    char *target = link ? pc_tree_path(first->dir, PC_RELATIVE, first->to) : NULL;
    char *path = pc_tree_path(dir, PC_RELATIVE, e ? e->to : "");
    const struct pc_change change = {
        .path = path ? path : "?",
        .type = e ? e->type : S_IFDIR,
        .diffs = r->diffs,
        .due = r->outcome != PC_MENDED,
        .link = link,
        .target = link                    ? target
                  : e && S_ISLNK(e->type) ? w->copier.hand.buffer
                                          : NULL,
    };
    pc_report_change(w->run->report, &change);
    free(path);
    free(target);
}

static void report_change(struct worker *w, const struct pc_dir *dir, const struct pc_entry *e,
                          const struct pc_result *r)
{
    struct run *run = w->run;
    if (run->changes != PC_CHANGES_NONE) /* nobody pays for paths that are not printed */
        print_change(w, dir, e, r);
    if (run->pass == PASS_VERIFY || run->options->verify_only)
        pc_report_count(run->report, w->number, PC_COUNT_DIFFERS, 1);
    if (run->pass == PASS_VERIFY) {
        char differences[160];
        char *path = pc_tree_path(dir, run->sources.count, e ? e->to : "");
        pc_report_differences(r->diffs, differences, sizeof differences);
        pc_report_note(run->report, "repaired '%s': %s", path ? path : "?", differences);
        free(path);
    }
}

static void account(struct worker *w, struct pc_dir *dir, const struct pc_entry *e,
                    const struct pc_result *r)
{
    static const enum pc_count counts[] = {
        [PC_COPIED_FILE] = PC_COUNT_FILES,       [PC_COPIED_SYMLINK] = PC_COUNT_SYMLINKS,
        [PC_COPIED_SPECIAL] = PC_COUNT_SPECIALS, [PC_COPIED_DIR] = PC_COUNT_DIRS,
        [PC_COPIED_LINK] = PC_COUNT_LINKS,       [PC_SKIPPED] = PC_COUNT_SKIPPED,
        [PC_MENDED] = PC_COUNT_MENDED,
    };
    struct run *run = w->run;
    const char *name = e ? e->name : "";
    if (r->lost)
        report_lost(run, w->number, dir, name, r);

    switch (r->outcome) {
    case PC_COPIED_FILE:
    case PC_COPIED_SYMLINK:
    case PC_COPIED_SPECIAL:
    case PC_COPIED_DIR:
    case PC_COPIED_LINK:
    case PC_MENDED:
        if (run->pass == PASS_COPY) {
            pc_report_count(run->report, w->number, counts[r->outcome], 1);
            if (r->outcome == PC_MENDED && e)
                pc_report_count(run->report, w->number, PC_COUNT_SKIPPED, 1);
        }
        report_change(w, dir, e, r);
        if (run->options->verbose && r->outcome != PC_MENDED) {
            char *path = pc_tree_path(dir, PC_SOURCE, name);
            pc_report_entry(run->report, path ? path : name);
            free(path);
        }
        break;
    case PC_SKIPPED:
        if (run->pass == PASS_COPY)
            pc_report_count(run->report, w->number, PC_COUNT_SKIPPED, 1);
        break;
    case PC_VANISHED:
        report_vanished(run, w->number, dir, name);
        break;
    case PC_CHANGED:
        report_changed(run, w->number, dir, name, r);
        break;
    case PC_FAILED:
        report_error(run, w->number, dir, r->end, name, r->operation, r->err, r->why);
        if (run->options->on_full == PC_ON_FULL_STOP && r->end >= run->sources.count &&
            pc_retry_class(r->err) == PC_ERROR_FULL)
            stop(run, r->err);
        break;
    case PC_SKIPPED_DIR:
    case PC_ABANDONED:
    case PC_POSTPONED:
    case PC_CROWDED:
        break;
    }
}

/* True while what could be deleted is only counted. */
static bool is_counting(const struct run *run)
{
    return run->options->max_delete_share && run->pass == PASS_COPY;
}

/* Data was written. */
static void copied(void *owner, uint64_t bytes)
{
    const struct worker *w = owner;
    pc_report_count(w->run->report, w->number, PC_COUNT_BYTES, bytes);
}

/* Something is gone that the source does not have, or would be. */
static void removed(void *owner, const char *path, mode_t type)
{
    struct worker *w = owner;
    struct run *run = w->run;
    const struct pc_change change = {.path = path, .type = type, .diffs = PC_DIFF_EXTRA};
    atomic_fetch_add_explicit(&run->extra, 1, memory_order_relaxed);
    if (is_counting(run))
        return;
    pc_report_count(run->report, w->number, PC_COUNT_DELETED, 1);
    if (run->options->verify_only || run->pass == PASS_VERIFY)
        pc_report_count(run->report, w->number, PC_COUNT_DIFFERS, 1);
    pc_report_change(run->report, &change);
}

static void not_removed(void *owner, struct pc_dir *dir, unsigned end, const char *name, int err)
{
    struct worker *w = owner;
    if (!is_counting(w->run))
        report_error(w->run, w->number, dir, end, name,
                     *name ? "delete" : "look for what is to be deleted in", err, NULL);
}

/* Something is tried again. */
static void note_retry(void *context, int err)
{
    struct run *run = context;
    const enum pc_error_class class = pc_retry_class(err);
    pc_report_count(run->report, walker_slot(run), PC_COUNT_RETRIES + (enum pc_count) class, 1);
    if (class == PC_ERROR_FULL && !atomic_exchange(&run->waits, true))
        pc_report_note(run->report, "the destination is full: waiting for room");
}

/* --- copy threads --- */

/* Tells the journal of a directory that is finished, or the one above that not all of it is. */
static void record(struct run *run, struct pc_dir *d)
{
    if (run->pass != PASS_COPY || !run->journal)
        return;
    /* What --max-delete has kept may be in this one; if not, it is only looked at again. */
    if (atomic_load_explicit(&d->unfinished, memory_order_relaxed) || atomic_load(&run->refused)) {
        if (d->parent)
            atomic_store_explicit(&d->parent->unfinished, true, memory_order_relaxed);
        return;
    }
    char *path = pc_tree_path(d, PC_RELATIVE, "");
    if (path) /* else it is only not recorded */
        pc_journal_add_dir(run->journal, 0, path);
    free(path);
}

/* Gives an entry back. Its directory, and those above it, are finished if it was their last. */
static void finish(struct worker *w, struct pc_entry *entry)
{
    struct run *run = w->run;
    for (struct pc_dir *d = pc_tree_release(entry); d; d = pc_tree_retire(run->tree, d)) {
        struct pc_result result;
        if (atomic_load_explicit(&run->stop, memory_order_relaxed))
            continue;
        pc_copy_dir(&w->copier, d, &result);
        account(w, d, NULL, &result);
        record(run, d);
    }
}

/* Puts list `a` before list `b`. */
static struct pc_entry *chained(struct pc_entry *a, struct pc_entry *b)
{
    struct pc_entry *last = a;
    if (!a)
        return b;
    while (last->next)
        last = last->next;
    last->next = b;
    return a;
}

/* What is no longer pending: when it was the last, the copy threads may go. */
static void settle(struct run *run)
{
    /* acq_rel: whoever comes last has seen what all others did. */
    if (atomic_fetch_sub_explicit(&run->pending, 1, memory_order_acq_rel) == 1)
        pc_queue_close(run->queue);
}

/* One entry to its end, and those that have waited for it: names of the same inode. */
static void process(struct worker *w, struct pc_entry *todo)
{
    struct run *run = w->run;
    todo->next = NULL;
    while (todo) {
        struct pc_entry *e = todo;
        struct pc_result r;
        todo = e->next;

        if (run->pass == PASS_DELETE) {
            finish(w, e);
            continue;
        }
        pc_copy_entry(&w->copier, e, &r);
        if (r.outcome == PC_POSTPONED)
            continue; /* another thread has it now */
        if (r.outcome == PC_CROWDED) {
            atomic_fetch_add_explicit(&run->pending, 1, memory_order_relaxed); /* we are, too */
            pc_ranges_put_aside(run->ranges, e);
            continue;
        }
        account(w, e->dir, e, &r);
        if (!e->group) {
            finish(w, e);
            continue;
        }
        /* A run that goes on has to see all names of a file, to link them to each other. */
        atomic_store_explicit(&e->dir->unfinished, true, memory_order_relaxed);
        const bool there = r.outcome == PC_COPIED_FILE || r.outcome == PC_COPIED_SYMLINK ||
                           r.outcome == PC_COPIED_SPECIAL || r.outcome == PC_COPIED_LINK ||
                           r.outcome == PC_MENDED || r.outcome == PC_SKIPPED ||
                           (r.outcome == PC_CHANGED && !r.err);
        struct pc_left left = pc_tree_leave(run->tree, e, there);
        todo = chained(left.again, todo);
        while (left.done) {
            e = left.done;
            left.done = e->next;
            finish(w, e);
        }
    }
    settle(run);
}

/* An item of the queue that is no entry: it wakes a thread that can help with a big file. */
static struct pc_entry call;

static void call_helpers(void *context, unsigned count)
{
    struct run *run = context;
    /* No room means that nobody waits. */
    for (unsigned i = 0; i < count && pc_queue_try_push(run->queue, i, &call) == 0; i++)
        continue;
}

/*
 * The next entry, or NULL when there are no more. A thread that finds neither small nor big files
 * to copy waits in the queue, where entries come, and calls for help.
 */
static struct pc_entry *next_entry(struct worker *w)
{
    struct run *run = w->run;
    struct pc_entry *e;
    for (;;) {
        enum pc_turn turn = PC_TURN_NONE;
        if (pc_ranges_waiting(run->ranges)) {
            turn = pc_ranges_turn(run->ranges, true, &w->copier.hand, &e);
            if (turn == PC_TURN_NONE) {
                e = pc_queue_try_pop(run->queue, &w->cursor);
                turn = e ? PC_TURN_ENTRY : PC_TURN_NONE;
                if (!e)
                    pc_ranges_note(run->ranges, false);
            }
            if (turn == PC_TURN_NONE)
                turn = pc_ranges_turn(run->ranges, false, &w->copier.hand, &e);
        }
        if (turn == PC_TURN_NONE)
            e = pc_queue_pop(run->queue, &w->cursor);
        if (turn != PC_TURN_HELPED && e != &call)
            return e;
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct run *run = w->run;
    struct pc_entry *e;

    while ((e = next_entry(w)))
        process(w, e);

    /* Hard-link groups with names outside of the source still hold their first entry. They can be
     * taken apart when no entry is on its way any more that might belong to one. */
    while (atomic_load(&run->pending) == 0 && (e = pc_tree_take_first(run->tree)))
        finish(w, e);
    return NULL;
}

/* --- walkers --- */

/* Releases an entry that nothing more is done with; directories do not get their metadata. */
static void discard(struct run *run, struct pc_entry *entry)
{
    for (struct pc_dir *d = pc_tree_release(entry); d; d = pc_tree_retire(run->tree, d))
        continue;
}

static int enter(void *context, struct pc_dir *dir)
{
    struct run *run = context;
    for (unsigned i = 0; i < run->plan.count; i++) {
        const struct pc_root *root = &run->plan.roots[i];
        if (dir->st.st_dev == root->there.st_dev && dir->st.st_ino == root->there.st_ino)
            return -ELOOP; /* reached through a bind mount: the copy would copy itself */
    }
    dir->make_mode = pc_meta_make_mode(&run->config.keep, &dir->st);
    if (strcmp(dir->name, ".snapshot") == 0 && !atomic_exchange(&run->noted, true))
        pc_report_hint(run->report, "the source shows '.snapshot' directories, and they are copied "
                                    "too; --exclude=.snapshot leaves them out");
    return 0;
}

/* True for a directory that a run before has finished, which the journal knows. */
static bool is_finished(const struct run *run, const char *path, mode_t type)
{
    return run->journal && run->pass == PASS_COPY && type == S_IFDIR &&
           pc_journal_has(run->journal, 0, path);
}

static bool excludes(void *context, const struct pc_dir *dir, const char *name, mode_t type)
{
    struct run *run = context;
    char *path = pc_tree_path(dir, PC_RELATIVE, name);
    const bool out = path && (pc_filter_excludes(run->options->filter, path, type == S_IFDIR) ||
                              is_finished(run, path, type));
    free(path);
    return out;
}

static int emit(void *context, struct pc_entry *entry)
{
    struct run *run = context;
    /* relaxed: the walk itself is pending as well. */
    atomic_fetch_add_explicit(&run->pending, 1, memory_order_relaxed);
    const int err = pc_queue_push(run->queue, entry->dir->seq, entry);
    if (err) {
        discard(run, entry);
        settle(run);
    }
    return err;
}

static void walk_failed(void *context, struct pc_dir *dir, const char *name, const char *operation,
                        int err)
{
    struct run *run = context;
    /* What a list names and is not there has not been seen to vanish. */
    if ((err == -ENOENT && !dir->names) || err == -ESTALE)
        report_vanished(run, walker_slot(run), dir, name);
    else
        report_error(run, walker_slot(run), dir, PC_SOURCE, name, operation, err,
                     err == -ELOOP ? "it is the destination" : NULL);
}

static void *walk(void *argument)
{
    struct run *run = argument;
    const int err = pc_walk_run(run->walk);
    if (err && err != -ECANCELED)
        stop(run, err);
    return NULL;
}

/* --- mount points that hang --- */

/* True if the run is to end; while mount points are opened there is no monitor to say so. */
static bool is_ending(struct run *run)
{
    const struct timespec none = {0};
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, PC_FAILOVER_SIGNAL);
    if (!run->monitored && pc_failover_supervised() && sigtimedwait(&set, &info, &none) > 0 &&
        info.si_value.sival_int != SIGUSR1) {
        atomic_store(&run->signal, info.si_value.sival_int);
        atomic_store(&run->stop, true);
    }
    return atomic_load(&run->stop);
}

static void silent(void *context, unsigned i, int err, bool first, bool others)
{
    const struct side *side = context;
    struct run *run = side->run;
    const char *path = side->paths[i];
    if (first)
        pc_report_note(run->report, "'%s' has not answered for %u seconds%s%s", path,
                       run->options->stall_time, err ? ": " : "", err ? strerror(-err) : "");
    if (is_ending(run)) {
        pc_report_note(run->report, "ended without waiting for '%s'", path);
        pc_failover_end(atomic_load(&run->expired)  ? PC_STATUS_TIME
                        : atomic_load(&run->signal) ? PC_STATUS_SIGNAL
                                                    : PC_STATUS_RUN);
    }
    if (others && pc_failover_can_leave(side->source)) {
        pc_report_note(run->report, "starting over without '%s': what is complete is skipped",
                       path);
        if (run->journal)
            pc_journal_unlock(run->journal);
        pc_failover_leave(side->source, i);
    }
    if (err && !others) /* what hangs may come back; this one goes from error to error */
        stop(run, err);
}

static void answers(void *context, unsigned i)
{
    const struct side *side = context;
    pc_report_note(side->run->report, "'%s' answers again", side->paths[i]);
}

/* Watches the paths of one side, if it is not watched yet; if that cannot be, it is not. */
static void watch(struct run *run, bool source, const char *const *paths, unsigned count)
{
    struct side *side = &run->sides[source ? 0 : 1];
    const struct pc_watch_config config = {paths,  count,   run->options->stall_time,
                                           silent, answers, side};
    if (side->watch || run->options->stall_time == 0)
        return;
    *side = (struct side){.run = run, .source = source, .paths = paths};
    pc_watch_start(&side->watch, &config);
}

/* --- signals and progress --- */

/* What is being done, in a word. */
static const char *activity(const struct run *run)
{
    static const char *const words[] = {
        [PASS_COPY] = "copying",
        [PASS_DELETE] = "deleting",
        [PASS_VERIFY] = "verifying",
    };
    if (run->options->check_against)
        return "checking";
    if (atomic_load(&run->flushing))
        return "flushing";
    return run->options->observe ? "comparing" : words[atomic_load(&run->pass)];
}

#define MONITOR_ENDS SIGRTMIN
#define TIME_IS_OVER (SIGRTMIN + 1)

/* What was wrong with the file of a limit when it was last looked at. */
static void note_limits(struct run *run)
{
    char text[512];
    while (pc_limit_note(run->bandwidth, text, sizeof text) ||
           pc_limit_note(run->operations, text, sizeof text))
        pc_report_note(run->report, "%s", text);
}

static void *monitor(void *argument)
{
    struct run *run = argument;
    const struct timespec tenth = {.tv_nsec = 100L * 1000 * 1000};
    const bool progress = pc_report_has_progress(run->report);
    const bool ticks = progress || run->bandwidth || run->operations;
    for (;;) {
        siginfo_t info;
        int number =
            ticks ? sigtimedwait(&run->signals, &info, &tenth) : sigwaitinfo(&run->signals, &info);
        if (number == PC_FAILOVER_SIGNAL)
            number = info.si_value.sival_int;
        note_limits(run);
        if (number == MONITOR_ENDS)
            return NULL;
        if (number == TIME_IS_OVER) {
            atomic_store(&run->expired, true);
            stop(run, 0);
        } else if (number == SIGUSR1) {
            pc_report_state(run->report, activity(run));
        } else if (number > 0) {
            if (atomic_exchange(&run->signal, number))
                _exit(PC_STATUS_SIGNAL);
            stop(run, 0);
        } else if (progress && errno == EAGAIN) {
            pc_report_progress(run->report);
        }
    }
}

/*
 * The monitor gets a signal when it is `at` by `clock`: so it need not look at clocks, and one that
 * is set meanwhile counts as it is set.
 */
static int set_timer(struct run *run, clockid_t clock, const struct timespec *at)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = TIME_IS_OVER};
    const struct itimerspec when = {.it_value = *at};
    timer_t *timer = &run->timers[run->timer_count];
    if (at->tv_sec == 0)
        return 0;
    if (timer_create(clock, &event, timer) != 0)
        return -errno;
    run->timer_count++;
    return timer_settime(*timer, TIMER_ABSTIME, &when, NULL) != 0 ? -errno : 0;
}

static void delete_timers(struct run *run)
{
    while (run->timer_count)
        timer_delete(run->timers[--run->timer_count]);
}

/*
 * Signals that are to do nothing before there is a monitor: SIGUSR1, which is answered then, and
 * SIGTTOU, so that a background job may write to its terminal whatever `stty tostop` says.
 */
static void block_early(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Signals go to the monitor alone; those that we were started to ignore (nohup) to nobody. */
static int start_monitor(struct run *run)
{
    sigemptyset(&run->signals);
    sigaddset(&run->signals, MONITOR_ENDS);
    sigaddset(&run->signals, TIME_IS_OVER);
    pc_failover_add_signals(&run->signals);
    pthread_sigmask(SIG_BLOCK, &run->signals, NULL);
    int err = set_timer(run, CLOCK_MONOTONIC, &run->options->stop_after);
    if (!err)
        err = set_timer(run, CLOCK_REALTIME, &run->options->stop_at);
    if (!err)
        err = -pthread_create(&run->monitor, NULL, monitor, run);
    if (err)
        delete_timers(run);
    atomic_store(&run->monitored, !err);
    return err;
}

static void end_monitor(struct run *run)
{
    const struct timespec now = {0};
    delete_timers(run);
    pthread_kill(run->monitor, MONITOR_ENDS);
    pthread_join(run->monitor, NULL);
    /* What came too late is not for the next run of this process. */
    while (sigtimedwait(&run->signals, NULL, &now) > 0)
        continue;
}

/* --- the run --- */

static unsigned processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}

/* RANGE, made a multiple of what the mount points of the destination write at once. */
static size_t choose_range(const struct run *run)
{
    size_t range = RANGE;
    for (unsigned end = run->sources.count; run->targets.network && end < run->plan.ends; end++) {
        struct pc_mount_info info;
        char wsize[24] = "";
        if (pc_handle_open(run->plan.roots[0].handles[end]) &&
            pc_sys_mount_info(run->plan.roots[0].handles[end], &info) == 0)
            pc_mounts_option(info.options, "wsize", wsize, sizeof wsize);
        const size_t size = strtoul(wsize, NULL, 10);
        if (size && range % size)
            range = (range / size + 1) * size;
    }
    return range;
}

/*
 * Whether the servers of both ends may copy for us. NFS can from 4.2 on (RFC 7862, section 4).
 * Where it cannot, the kernel copies by itself when it is asked: holes are filled, and nothing is
 * gained.
 */
static bool can_servers_copy(const struct run *run)
{
    bool can = run->sources.network && run->targets.network;
    for (unsigned end = 0; can && end < run->plan.ends; end++) {
        const struct pc_handle h = run->plan.roots[0].handles[end];
        struct pc_mount_info info;
        char version[16];
        if (!pc_handle_open(h))
            continue;
        can = pc_sys_mount_info(h, &info) == 0;
        if (can && strncmp(info.type, "nfs", 3) == 0)
            can = pc_mounts_option(info.options, "vers", version, sizeof version) &&
                  strcmp(version, "4.2") >= 0;
    }
    return can;
}

/*
 * How many threads, and how many directories are kept open. Where a round trip decides, many
 * threads wait at the same time; on a local disk more threads than processors only take turns.
 * Returns 0, or -EMFILE where open files do not suffice for one copy thread.
 */
static int choose_sizes(struct run *run)
{
    const struct pc_options *o = run->options;
    const unsigned local = processors() < 2 ? 2 : processors();
    run->jobs = o->jobs ? o->jobs : run->plan.network ? 64 : local;
    run->range = choose_range(run);
    run->server_copies = can_servers_copy(run);
    run->retry = (struct pc_retry){
        .tries = o->retries,
        .wait = o->retry_wait * 1000,
        .wait_when_full = o->on_full == PC_ON_FULL_WAIT,
        .stop = &run->stop,
        .retried = note_retry,
        .context = run,
    };
    run->walkers = o->walkers ? o->walkers : run->sources.network ? 8 : 1;

    struct rlimit limit = {1024, 1024};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);

    size_t files = limit.rlim_cur > (1U << 20) ? 1U << 20 : (size_t)limit.rlim_cur;
    const size_t fixed = RESERVED_FILES + (size_t)run->plan.count * run->plan.ends +
                         run->sources.count + run->targets.count +
                         (size_t)DIRS_PER_THREAD * run->walkers;
    const size_t own = (size_t)run->sources.count + run->targets.count;
    const size_t each = own + DIRS_PER_THREAD;
    if (files < fixed + each) {
        pc_report_note(run->report,
                       "the limit of %llu open files is too low: this run needs %zu (ulimit -n)",
                       (unsigned long long)limit.rlim_cur, fixed + each);
        return -EMFILE;
    }
    files -= fixed;
    if (run->jobs > files / each) {
        const unsigned fit = (unsigned)(files / each);
        pc_report_hint(run->report, "the limit of %llu open files allows %u copy threads, not %u",
                       (unsigned long long)limit.rlim_cur, fit, run->jobs);
        run->jobs = fit;
    }
    /* What the files of the copy threads leave over, plus the walkers' directories. */
    const size_t dirs = files - own * run->jobs + (size_t)DIRS_PER_THREAD * run->walkers;
    run->max_dirs = dirs < MAX_OPEN_DIRS ? dirs : MAX_OPEN_DIRS;
    return 0;
}

/*
 * Whether what is in the way goes: with --delete it would anyway, but not before a share of it is
 * known; to --verify-only it differs.
 */
static bool is_forced(const struct pc_options *o)
{
    return o->force || (o->delete &&!o->max_delete_share) || o->verify_only;
}

/* How the threads of a pass copy. */
static void configure(struct run *run)
{
    const struct pc_options *o = run->options;
    const bool verify = run->pass == PASS_VERIFY;
    run->config = (struct pc_copy_config){
        .tree = run->tree,
        .sources = &run->sources,
        .targets = &run->targets,
        .keep = o->keep,
        .rule = o->rule,
        .filter = pc_filter_has_attributes(o->filter) ? o->filter : NULL,
        .sums = run->pass == PASS_COPY ? run->sums : NULL,
        .journal = run->pass == PASS_COPY ? run->journal : NULL,
        .sweep_only = run->pass == PASS_DELETE,
        .observe = o->observe,
        .forget = verify || o->verify_only,
        .fsync = o->fsync == PC_FSYNC_FILE || run->targets.network,
        .force = is_forced(o),
        .inplace = o->inplace && !verify,
        .atomic = o->atomic || verify,
        .retry = run->retry,
        .data =
            {
                .buffer_size = o->buffer_size,
                .split_size = o->split_size ? o->split_size : UINT64_MAX,
                .range = run->range,
                .reflink = o->reflink,
                .sparse = o->sparse,
                .reserve = o->preallocate,
                .flush = o->fsync == PC_FSYNC_FILE || run->targets.network,
                .server_copies = run->server_copies,
                .ranges = run->ranges,
                .bandwidth = run->bandwidth,
                .operations = run->operations,
                .pairs = &run->pairs,
                .stop = &run->stop,
                .copied = copied,
            },
        .granularity = run->granularity,
        .precious = run->plan.above,
        .precious_count = run->plan.above_count,
        .sweep =
            {
                .tree = run->tree,
                .sources = &run->sources,
                .host = pc_sys_host(),
                .filter = pc_filter_has_names(o->filter) ? o->filter : NULL,
                .extras = o->delete,
                .delete_excluded = o->delete_excluded,
                .observe = o->observe || is_counting(run),
                .allowance = &run->allowance,
                .refused = &run->refused,
                .total = &run->total,
                .removed = removed,
                .failed = not_removed,
            },
    };
    pc_sys_process(getpid(), &run->config.sweep.born); /* or else it stays 0 */
    /* What was not flushed when a run was ended may have its size and mtime and not its data, and
     * if the disk has failed the page cache still has what did not get there. */
    if (run->journal && pc_journal_resumes(run->journal) && !run->config.fsync && !verify)
        run->config.rule.checksum = run->config.forget = true;
    if (verify) {
        run->config.rule.checksum |= o->verify_data;
        run->config.rule.ignore_times = false;
    }
}

/* Everything the threads of a pass need. */
static int prepare(struct run *run)
{
    const struct pc_options *o = run->options;
    const bool some = pc_filter_has_names(o->filter) || run->journal;
    const struct pc_walk_events events = {run,         enter,     emit, some ? excludes : NULL,
                                          walk_failed, run->retry};
    struct pc_queue *queue = NULL;
    const struct pc_tree_config tree = {
        .sources = run->sources.count,
        .ends = run->plan.ends,
        .max_handles = run->max_dirs,
        .observe = o->observe,
        .existing = o->rule.existing,
        .force = is_forced(o),
        .keep_dirlinks = o->keep_dirlinks,
        .acl = o->keep.acl,
        .retry = run->retry,
    };
    int err = pc_tree_new(&run->tree, &tree);
    if (!err)
        err = pc_queue_new(&queue, SHARDS, o->queue_size, run->plan.network);
    if (!err)
        err = pc_ranges_new(&run->ranges, run->jobs, call_helpers, run);
    if (!err)
        err = pc_walk_new(&run->walk, run->tree, &run->sources, o->one_file_system, &events);
    pthread_mutex_lock(&run->lock);
    run->queue = queue;
    if (queue && atomic_load(&run->stop)) /* before there was a queue to cancel */
        pc_queue_cancel(queue);
    pthread_mutex_unlock(&run->lock);
    if (err)
        return err;
    configure(run);
    run->workers = calloc(run->jobs, sizeof *run->workers);
    return run->workers ? 0 : -ENOMEM;
}

/* Frees what prepare() has made. */
static void clean_up(struct run *run)
{
    pc_walk_free(run->walk);
    pc_ranges_free(run->ranges);
    pthread_mutex_lock(&run->lock);
    pc_queue_free(run->queue);
    run->queue = NULL;
    pthread_mutex_unlock(&run->lock);
    pc_tree_free(run->tree);
    free(run->workers);
    run->walk = NULL;
    run->ranges = NULL;
    run->tree = NULL;
    run->workers = NULL;
}

/* Starts copy threads, as many as can be had. */
static int start_workers(struct run *run, unsigned *started)
{
    const unsigned wanted = run->jobs;
    unsigned n = 0;
    int err = 0;
    while (n < wanted && !err) {
        struct worker *w = &run->workers[n];
        w->run = run;
        w->number = n;
        w->cursor = (size_t)n * SHARDS / wanted;
        err = pc_copier_init(&w->copier, &run->config, w);
        if (err)
            break;
        err = -pthread_create(&w->thread, NULL, work, w);
        if (err)
            pc_copier_free(&w->copier);
        else
            n++;
    }
    if (n && n < wanted)
        pc_report_note(run->report, "only %u of %u copy threads could be started: %s", n, wanted,
                       strerror(-err));
    *started = n;
    return n ? 0 : err;
}

/* A root that the filter leaves out as a whole. */
static bool is_excluded(const struct run *run, const struct pc_root *root)
{
    const char *path = root->file ? root->to : root->relative;
    return *path && pc_filter_has_names(run->options->filter) &&
           pc_filter_excludes(run->options->filter, path, !root->file);
}

/* What is known of a root's directory before anything is done in it. */
static void introduce(struct run *run, const struct pc_root *root, struct pc_dir *dir)
{
    const struct pc_handle there = root->handles[run->sources.count];
    /* Looking at the mount points may have moved its mtime, on only one of them visibly. */
    atomic_store_explicit(&dir->touched, run->targets.count > 1 || root->made,
                          memory_order_relaxed);
    atomic_store_explicit(&dir->made, root->made, memory_order_relaxed);
    dir->placed = true;
    dir->there = root->there;
    dir->relative = root->relative;
    dir->hands_down_acl =
        run->options->keep.acl && pc_handle_open(there) && pc_sys_hands_down_acl(there);
    dir->implied = dir->few = root->file;
    if (run->names) {
        dir->names = pc_names_root(run->names);
        dir->implied = !dir->names->listed;
    }
}

/* Feeds the roots: either directories, to the walk, or single files, to the queue. */
static int feed_roots(struct run *run, bool directories)
{
    for (unsigned i = 0; i < run->plan.count; i++) {
        const struct pc_root *root = &run->plan.roots[i];
        struct pc_entry *dir;
        struct pc_entry *file;
        if (directories != S_ISDIR(root->type) || is_excluded(run, root) ||
            is_finished(run, root->relative, root->type))
            continue;
        int err = pc_tree_add_root(run->tree, root->handles, root->labels, &dir);
        if (err)
            return err;
        introduce(run, root, dir->dir);
        if (!root->file) {
            pc_walk_add(run->walk, dir);
            continue;
        }
        err = pc_tree_add_entry(dir->dir, root->file, root->type, &file);
        if (!err) {
            file->to = root->to;
            err = emit(run, file);
        }
        discard(run, dir);
        if (err)
            return err;
    }
    return 0;
}

/* Starts walkers, as many as can be had. Returns how many. */
static unsigned start_walkers(struct run *run, pthread_t *threads)
{
    unsigned n = 0;
    while (n < run->walkers && pthread_create(&threads[n], NULL, walk, run) == 0)
        n++;
    return n;
}

static void end_walkers(struct run *run, const pthread_t *threads, unsigned count)
{
    if (count == 0) /* the walk still owns its roots, and this thread has nothing else to do */
        walk(run);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static void end_workers(struct run *run, unsigned count)
{
    size_t cursor = 0;
    struct pc_entry *e;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(run->workers[i].thread, NULL);
        pc_copier_free(&run->workers[i].copier);
    }
    /* What is left when the run was stopped. */
    while ((e = pc_queue_try_pop(run->queue, &cursor))) {
        if (e != &call)
            discard(run, e);
    }
    while (pc_ranges_turn(run->ranges, false, NULL, &e) == PC_TURN_ENTRY)
        discard(run, e);
    while ((e = pc_tree_take_first(run->tree)))
        discard(run, e);
}

/*
 * The destination to stable storage: each of its file systems once. What the kernel could not write
 * it gives up, and says so once: a second try would find nothing left to write, so there is none.
 * On a network each file was flushed when it was complete, and what has failed then was made good.
 */
static int flush(struct run *run)
{
    if (run->targets.network || run->unflushed)
        return run->unflushed;
    for (unsigned i = 0; i < run->plan.count; i++) {
        const struct pc_root *root = &run->plan.roots[i];
        for (unsigned end = run->sources.count; end < run->plan.ends; end++) {
            if (!pc_handle_open(root->handles[end]))
                continue;
            const int err = pc_sys_syncfs(root->handles[end]);
            if (err) {
                pc_report_error(run->report, "flush", root->labels[end], err, NULL);
                run->unflushed = err;
            }
        }
    }
    return run->unflushed;
}

/* --- the journal --- */

#define SECOND     INT64_C(1000000000)
#define LEAST_WAIT (SECOND / 10)

static int64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

/* What the journal was told until now is flushed, and then recorded. */
static void commit(struct run *run)
{
    pc_journal_mark(run->journal);
    int err = flush(run);
    if (err) {
        stop(run, err);
        return;
    }
    err = pc_journal_commit(run->journal);
    if (err && !run->journal_failed)
        pc_report_error(run->report, "write to the journal", run->options->journal, err, NULL);
    run->journal_failed = err;
}

/*
 * Commits now and then, so seldom that no more than a twentieth of the time goes into it: flushing
 * the destination is not for nothing.
 */
static void *keep_journal(void *argument)
{
    struct run *run = argument;
    int64_t at = now() + LEAST_WAIT;
    for (;;) {
        const struct timespec until = {.tv_sec = at / SECOND, .tv_nsec = at % SECOND};
        if (sem_clockwait(&run->done, CLOCK_MONOTONIC, &until) == 0)
            return NULL;
        if (errno != ETIMEDOUT)
            continue;
        const int64_t begin = now();
        commit(run);
        const int64_t end = now();
        at = end + (20 * (end - begin) > LEAST_WAIT ? 20 * (end - begin) : LEAST_WAIT);
    }
}

static int start_keeper(struct run *run)
{
    sem_init(&run->done, 0, 0);
    return run->journal ? -pthread_create(&run->keeper, NULL, keep_journal, run) : 0;
}

static void end_keeper(struct run *run)
{
    if (run->journal) {
        sem_post(&run->done);
        pthread_join(run->keeper, NULL);
        commit(run);
    }
    sem_destroy(&run->done);
}

/*
 * The journal of a run that has come to its end is done with, whatever has failed in it: the next
 * one looks at all again. Else one file that can never be read would keep a mirror from seeing what
 * changes in directories that are finished.
 */
static enum pc_status end_journal(struct run *run, enum pc_status status)
{
    const bool early = status == PC_STATUS_RUN || atomic_load(&run->stop);
    const int err = early ? 0 : pc_journal_complete(run->journal);
    if (!err)
        return status == PC_STATUS_DONE && run->journal_failed ? PC_STATUS_PARTIAL : status;
    pc_report_error(run->report, "write to the journal", run->options->journal, err, NULL);
    return PC_STATUS_RUN;
}

/*
 * One pass: starts all threads and waits for them. A negative errno is a failure of the run. The
 * walkers come first: the first copy threads find work while the last are still being started.
 */
static int make_pass(struct run *run, enum pass pass)
{
    pthread_t walkers[PC_MAX_WALKERS];
    unsigned working = 0;
    run->pass = pass;
    atomic_init(&run->pending, 1);
    int err = prepare(run);
    if (!err) {
        err = feed_roots(run, true);
        const unsigned walking = start_walkers(run, walkers);
        if (!err)
            err = start_workers(run, &working);
        if (!err)
            err = feed_roots(run, false);
        if (err && err != -ECANCELED)
            stop(run, err);
        end_walkers(run, walkers, walking);
        settle(run);
        end_workers(run, working);
        err = atomic_load(&run->failure);
    }
    clean_up(run);
    return err;
}

/* Roots as the pass before has left them. */
static int look_again(struct run *run)
{
    int err = 0;
    for (unsigned i = 0; i < run->plan.count && !err; i++) {
        struct pc_root *root = &run->plan.roots[i];
        const struct pc_handle there = root->handles[run->sources.count];
        if (!pc_handle_open(there))
            continue;
        root->made = false;
        err = pc_sys_stat_now(there, ".", &root->there);
        if (err)
            pc_report_error(run->report, "stat", root->labels[run->sources.count], err, NULL);
    }
    return err;
}

/* With --max-delete=N%: deletes what the first pass has counted, if that is not too much. */
static int delete_share(struct run *run)
{
    const size_t total = atomic_load(&run->total);
    const size_t extra = atomic_load(&run->extra);
    if (extra * 100 > total * run->options->max_delete_share) {
        atomic_store(&run->refused, extra);
        atomic_store(&run->allowance, 0); /* for the passes to come */
        return 0;
    }
    const int err = look_again(run);
    return err ? err : make_pass(run, PASS_DELETE);
}

/* Passes until one finds nothing to set right. *left says that the last one did. */
static int verify(struct run *run, bool *left)
{
    int err = 0;
    *left = true;
    for (unsigned i = 0; i < run->options->verify_rounds && *left && !err; i++) {
        const uint64_t before = pc_report_total(run->report, PC_COUNT_DIFFERS);
        /* Only what was written back can be let go, and read again from where it went. */
        err = run->options->verify_data || run->options->rule.checksum ? flush(run) : 0;
        if (!err)
            err = look_again(run);
        if (!err)
            err = make_pass(run, PASS_VERIFY);
        *left =
            !atomic_load(&run->stop) && pc_report_total(run->report, PC_COUNT_DIFFERS) != before;
    }
    return err;
}

/* All passes. */
static int transfer(struct run *run, bool *left)
{
    const struct pc_options *o = run->options;
    run->lost = calloc(run->plan.ends, sizeof *run->lost);
    run->granularity = calloc(run->plan.ends, sizeof *run->granularity);
    if (!run->lost || !run->granularity)
        return -ENOMEM;
    atomic_init(&run->allowance, o->max_delete);
    int err = choose_sizes(run);
    if (!err)
        err = start_keeper(run);
    if (err)
        return err;
    err = make_pass(run, PASS_COPY);
    end_keeper(run);
    if (!err)
        err = atomic_load(&run->failure); /* of its last commit */
    if (!err && is_counting(run) && !atomic_load(&run->stop))
        err = delete_share(run);
    if (!err && o->verify && !o->observe && !atomic_load(&run->stop))
        err = verify(run, left);
    return err;
}

/* Opens a set of mount points. */
static bool open_mounts(struct run *run, struct pc_mounts *m, const struct pc_mount_list *list)
{
    unsigned bad;
    const int err = pc_mounts_open(m, list->paths, list->count, run->options->allow_rootfs, &bad);
    if (err)
        pc_report_error(run->report, "use mount point", list->paths[bad], err,
                        err == -ENODEV ? "nothing is mounted there, it is on the root file system: "
                                         "mount it, or give --allow-rootfs"
                                       : NULL);
    return err == 0;
}

/* Makes the limit of an option, if that was given. */
static bool set_limit(struct run *run, const char *option, const char *text, struct pc_limit **out)
{
    char problem[512];
    const int err = text ? pc_limit_new(out, text, problem, sizeof problem) : 0;
    if (err)
        pc_report_note(run->report, "%s: %s", option, problem);
    return !err;
}

static enum pc_status open_log(struct run *run)
{
    const struct pc_options *o = run->options;
    const int err =
        o->log_file ? pc_report_log(run->report, o->log_file, 0666 & ~o->keep.umask) : 0;
    if (err)
        pc_report_error(run->report, "write", o->log_file, err, NULL);
    return err ? PC_STATUS_REFUSED : PC_STATUS_DONE;
}

/* Opens what the operands name, or says why not. */
static enum pc_status open_all(struct run *run)
{
    const struct pc_options *o = run->options;
    char problem[1024];

    if (!set_limit(run, "--bwlimit", o->bwlimit, &run->bandwidth) ||
        !set_limit(run, "--iops-limit", o->iops_limit, &run->operations))
        return PC_STATUS_USAGE;
    if (o->files_from &&
        pc_names_read(&run->names, o->files_from, o->nul, problem, sizeof problem) != 0) {
        pc_report_note(run->report, "%s", problem);
        return PC_STATUS_USAGE;
    }
    int err = 0;
    if (o->journal) {
        err = pc_journal_open(&run->journal, o->journal, (const char *const *)o->identity, problem,
                              sizeof problem);
        if (*problem)
            pc_report_note(run->report, "%s", problem);
        if (err)
            return PC_STATUS_REFUSED;
    }
    if (o->checksum_file && !o->observe)
        err = pc_sums_create(&run->sums, o->checksum_file, 0666 & ~o->keep.umask);
    if (err)
        pc_report_error(run->report, "write", o->checksum_file, err, NULL);
    if (err || !open_mounts(run, &run->sources, &o->source_mounts) ||
        !open_mounts(run, &run->targets, &o->mounts))
        return PC_STATUS_REFUSED;
    err = pc_plan_make(&run->plan, o, &run->sources, &run->targets, problem, sizeof problem);
    if (err)
        pc_report_note(run->report, "%s", problem);
    return !err ? PC_STATUS_DONE : err == -EINVAL ? PC_STATUS_USAGE : PC_STATUS_REFUSED;
}

static enum pc_status explain(struct run *run)
{
    char *text = pc_explain(run->options, &run->plan, &run->sources, &run->targets);
    if (!text)
        return PC_STATUS_RUN;
    const enum pc_status status = pc_report_print(run->report, text);
    free(text);
    return status;
}

/* Says who has stopped the run, if somebody has. */
static enum pc_status note_stop(struct run *run)
{
    const int number = atomic_load(&run->signal);
    if (number) {
        pc_report_note(run->report, "ended by a signal: %s", strsignal(number));
        return PC_STATUS_SIGNAL;
    }
    if (atomic_load(&run->expired)) {
        pc_report_note(run->report, "ended because its time is over; a next run skips what is "
                                    "complete");
        return PC_STATUS_TIME;
    }
    return PC_STATUS_DONE;
}

/* The exit status, as far as deletions or verification have a say. `left`: see verify(). */
static enum pc_status judge(struct run *run, enum pc_status status, bool left)
{
    const struct pc_options *o = run->options;
    if (left)
        pc_report_note(run->report, "the last of %u rounds of verification still found differences",
                       o->verify_rounds);
    const bool refused = atomic_load(&run->refused);
    const bool matters = o->fail_on & PC_FINDING_DELETIONS;
    if (refused)
        (matters ? pc_report_note : pc_report_hint)(
            run->report, "--max-delete has kept entries of the destination from being removed");
    if (status != PC_STATUS_DONE)
        return status;
    if (left || (o->verify_only && pc_report_total(run->report, PC_COUNT_DIFFERS)))
        return PC_STATUS_PARTIAL;
    return refused && matters ? PC_STATUS_DELETIONS : PC_STATUS_DONE;
}

/* The list of checksums to where it belongs. */
static int end_sums(struct run *run)
{
    const int err = pc_sums_finish(run->sums);
    run->sums = NULL;
    if (err)
        pc_report_error(run->report, "write", run->options->checksum_file, err, NULL);
    return err;
}

/* --check-against: another program, as it were, with the same options. */
static enum pc_status check(struct run *run)
{
    const struct pc_options *o = run->options;
    struct pc_check check = {
        .list = o->check_against,
        .mounts = &run->targets,
        .tree = o->target,
        .buffer_size = o->buffer_size,
        .stop = &run->stop,
        .report = run->report,
    };
    const char *problem = o->check_against;
    size_t number = 0;

    if (!open_mounts(run, &run->targets, &o->mounts))
        return PC_STATUS_REFUSED;
    check.jobs = o->jobs ? o->jobs : run->targets.paths ? 64 : processors();
    int err = start_monitor(run);
    if (!err) {
        err = pc_check_run(&check, &problem, &number);
        end_monitor(run);
    }
    if (number)
        pc_report_note(run->report, "line %zu of '%s' is no checksum", number, problem);
    else if (err)
        pc_report_error(run->report, "read", problem, err, NULL);
    enum pc_status status = note_stop(run);
    if (status == PC_STATUS_DONE && err)
        status = PC_STATUS_REFUSED;
    if (status == PC_STATUS_DONE && pc_report_total(run->report, PC_COUNT_DIFFERS))
        status = PC_STATUS_PARTIAL;
    return pc_report_end(run->report, status);
}

/* The copy itself, and what is to be said about it. */
static enum pc_status copy(struct run *run)
{
    enum pc_status status;
    char *warning;
    const struct pc_mounts *const sides[] = {&run->sources, &run->targets};
    for (unsigned i = 0; i < 2; i++) {
        warning = pc_explain_sharing(sides[i]);
        if (warning)
            pc_report_hint(run->report, "%s", warning);
        free(warning);
    }

    if (run->sources.network)
        watch(run, true, (const char *const *)run->options->sources, run->options->source_count);
    if (run->targets.network)
        watch(run, false, (const char *const *)&run->options->target, 1);

    bool left = false;
    int err = start_monitor(run);
    const bool watched = !err;
    if (!err)
        err = transfer(run, &left);
    if (!err && run->sums && !atomic_load(&run->stop))
        err = end_sums(run);
    status = note_stop(run);
    if (status == PC_STATUS_DONE && err) {
        pc_report_note(run->report, "the run failed: %s", strerror(-err));
        status = PC_STATUS_RUN;
    } else if (status == PC_STATUS_DONE && run->options->fsync != PC_FSYNC_NONE &&
               !run->options->observe) {
        atomic_store(&run->flushing, true);
        status = flush(run) == 0 ? PC_STATUS_DONE : PC_STATUS_RUN;
    }
    if (watched)
        end_monitor(run);
    status = judge(run, status, left);
    return pc_report_end(run->report, run->journal ? end_journal(run, status) : status);
}

/* How changes are printed. */
static enum pc_changes choose_changes(const struct pc_options *o)
{
    const bool differences = o->verify_only || o->check_against;
    if (!o->itemize && (!differences || o->quiet))
        return PC_CHANGES_NONE;
    if (differences && o->json)
        return PC_CHANGES_JSON;
    return differences && o->nul ? PC_CHANGES_NAMES : PC_CHANGES_ITEMIZED;
}

enum pc_status pc_transfer_run(const struct pc_options *o)
{
    struct run run = {.options = o, .changes = choose_changes(o)};

    block_early();
    umask(0); /* modes are given as they shall be; o->keep.umask has the user's */
    pthread_mutex_init(&run.lock, NULL);
    const struct pc_report_config report = {
        .threads = walker_slot(&run) + 1,
        .quiet = o->quiet,
        .verbose = o->verbose,
        .dry = o->observe,
        .changes = run.changes,
        .fail_on = o->fail_on,
        .check = o->check_against,
        .verdict = o->quiet && !o->verify_only && !o->check_against,
        .summary = !o->quiet && !o->verify_only && !(o->check_against && (o->json || o->nul)),
    };
    if (pc_report_new(&run.report, &report) != 0)
        return PC_STATUS_RUN;

    enum pc_status status = open_log(&run);
    if (o->source_mounts.count)
        watch(&run, true, o->source_mounts.paths, o->source_mounts.count);
    if (o->mounts.count)
        watch(&run, false, o->mounts.paths, o->mounts.count);
    if (status == PC_STATUS_DONE)
        status = o->check_against ? check(&run) : open_all(&run);
    if (status == PC_STATUS_DONE && !o->check_against)
        status = o->explain ? explain(&run) : copy(&run);

    if (run.sums) /* the run did not get to its end */
        pc_sums_abandon(run.sums);
    pc_watch_stop(run.sides[0].watch);
    pc_watch_stop(run.sides[1].watch);
    pc_plan_free(&run.plan);
    pc_journal_close(run.journal);
    pc_limit_free(run.bandwidth);
    pc_limit_free(run.operations);
    pc_names_free(run.names);
    pc_mounts_close(&run.targets);
    pc_mounts_close(&run.sources);
    pc_report_free(run.report);
    free(run.granularity);
    free(run.lost);
    pthread_mutex_destroy(&run.lock);
    return status;
}
