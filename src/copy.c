/*
 * One entry to disk.
 *
 *      look at the destination -> open or stat the source -> [hard link? join its group]
 *      -> [there and equal? done] -> pick a mount -> destination dir -> create -> data
 *      -> [changed meanwhile? again] -> owner, xattrs, mode, ACL -> fsync -> times -> close
 *      -> [rename]
 *
 * Links, symbolic links and special files take the same way without data. Everything runs on a copy
 * thread; copiers share nothing but the tree and, of a big file, its data (data.c). A thread has at
 * most two directories pinned and two files open, of a big file one on each mount point, and three
 * directories more while it removes one (pc_sweep_away()).
 *
 * INVARIANTS.
 * - What exists is never written into: it is skipped if it is equal, or replaced by rename. Only
 *   with `inplace`, and only a regular file that has no other name, is written over.
 * - Until the times are set the mtime of a new file is that of the copy, not of the source. The
 *   times are set after the data was written and (`fsync`) is stable, and are those read before the
 *   data.
 * - A file whose copying fails in any step up to close() is removed (but for `inplace`: it keeps an
 *   mtime that is not that of its source).
 * - What was made is named once, when it is made; after that it is its handle that counts, and
 *   open_node() checks that the handle is of what was made. Only rename and unlink name it again.
 *
 * Temporary names are those of sweep.h, which finds them again after a process was killed.
 */
#include "pcopy/copy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcopy/names.h"

/* The buffer also takes two targets of symbolic links, to compare them. */
#define TARGETS ((size_t)2 * PATH_MAX)

/* One entry on its way. */
struct job {
    struct pc_copier *c;
    struct pc_entry *e;
    struct pc_result *r;
    struct stat src;
    struct stat there; /* what has the name at the destination, if it `exists` */
    bool exists;
    bool sure;   /* that this is so now, not only in a listing */
    bool joined; /* its hard-link group, whose first is `first` if it is there */
    const struct pc_entry *first;
    bool pinned;           /* `dir` is */
    struct pc_handle from; /* the source, unless a look was enough */
    struct pc_handle dir;  /* the destination directory, for open_target() to open */
    struct pc_handle to;   /* the new file; others once they are made */
    struct stat now;       /* what it has */
    unsigned source;       /* the end that `from` is on, */
    unsigned end;          /* and the one that `to` is on */
    const char *name;      /* what it is made under: the entry's name, or `temporary` */
    bool over;             /* it is written over, not new */
    off_t holes;           /* bytes left out */
    bool journaled;        /* its ranges are, */
    uint32_t number;       /* under this number, */
    bool continues;        /* and it was `begun` by a run before */
    struct pc_journal_file begun;
    char temporary[NAME_MAX + 1];
};

int pc_copier_init(struct pc_copier *c, const struct pc_copy_config *config, void *owner)
{
    *c = (struct pc_copier){.config = config, .hand.owner = owner};
    /* Page-aligned, for the sake of file systems that can then move whole pages. */
    const size_t size = config->data.buffer_size > TARGETS ? config->data.buffer_size : TARGETS;
    c->hand.buffer = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    c->files = calloc((size_t)config->sources->count + config->targets->count, sizeof *c->files);
    int err = c->hand.buffer && c->files ? 0 : -ENOMEM;
    if (!err && config->sums)
        err = pc_sums_start(&c->hand.hash);
    if (err)
        pc_copier_free(c);
    return err;
}

void pc_copier_free(struct pc_copier *c)
{
    if (c->hand.hash)
        pc_sums_free(c->hand.hash);
    free(c->files);
    free(c->hand.buffer);
}

/* Notes what went wrong. Returns false, for the caller to return. */
static bool fail(struct pc_result *r, unsigned end, const char *operation, int err)
{
    r->outcome = err == -ECANCELED ? PC_ABANDONED : PC_FAILED;
    r->end = end;
    r->operation = operation;
    r->err = err;
    return false;
}

/* As fail(), for a source that may be gone since it was listed: that is no error of ours. */
static bool fail_source(struct pc_result *r, const char *operation, int err)
{
    fail(r, PC_SOURCE, operation, err);
    if (err == -ENOENT)
        r->outcome = PC_VANISHED;
    return false;
}

/* The end through which an entry is written; mount points of the destination count from 0. */
static unsigned target_end(const struct pc_copy_config *config, const struct pc_entry *e)
{
    return config->sources->count + e->mount;
}

/* The end through which a directory is made and gets its metadata. */
static unsigned dir_end(const struct pc_copy_config *config, const struct pc_dir *dir)
{
    return config->sources->count + pc_mounts_pick(config->targets, dir->seq, 0);
}

/* What was seen through one end of the destination, as if it were through the first. */
static void unify(const struct pc_copy_config *config, unsigned end, struct stat *st)
{
    pc_mounts_unify(config->targets, end - config->sources->count, st);
}

static atomic_llong *granularity_of(const struct job *j)
{
    return &j->c->config->granularity[j->end];
}

static bool fail_target(const struct job *j, const char *operation, int err)
{
    return fail(j->r, j->end, operation, err);
}

/* Gives the job a new temporary name. */
static void use_temporary_name(struct job *j)
{
    pc_sweep_name(&j->c->config->sweep, j->e->to, j->temporary);
    j->name = j->temporary;
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * Opens a file of the job, which is open on one mount point of its side, on the others as well, so
 * that a big file can use all of them. One through which it is not to be had, or does not look the
 * same yet, is left out. Fills `files` in the order in which they are used. Returns how many.
 */
static unsigned open_elsewhere(const struct job *j, bool target, struct pc_data_file *files)
{
    const struct pc_copy_config *config = j->c->config;
    const struct pc_mounts *m = target ? config->targets : config->sources;
    const unsigned base = target ? config->sources->count : 0;
    const struct stat *known = target ? &j->now : &j->src;
    unsigned count = 1;
    for (unsigned i = 1; i < m->count; i++) {
        const unsigned end = base + (files[0].end - base + i) % m->count;
        struct pc_handle dir;
        struct pc_handle file;
        struct stat st;
        if (pc_tree_open(config->tree, j->e->dir, end, &dir) != 0)
            continue;
        int err = target ? pc_sys_open_existing(dir, j->name, &file)
                         : pc_sys_open_file(dir, j->e->name, &file);
        pc_tree_close(j->e->dir, end);
        if (err)
            continue;
        err = pc_sys_stat(file, &st);
        if (!err && S_ISREG(st.st_mode) && st.st_ino == known->st_ino &&
            (target ||
             (st.st_size == known->st_size && is_same_time(&st.st_mtim, &known->st_mtim))))
            files[count++] = (struct pc_data_file){file, end};
        else
            pc_sys_close(&file);
    }
    return count;
}

/* Closes what open_elsewhere() has opened, when it is stable where it has to be. */
static bool close_elsewhere(struct job *j, bool written, struct pc_data_file *files, unsigned count)
{
    bool good = true;
    for (unsigned i = 1; i < count; i++) {
        const char *operation = "flush";
        int err = written && j->c->config->fsync ? pc_sys_fsync(files[i].file) : 0;
        const int closed = pc_sys_close(&files[i].file);
        if (!err) {
            operation = "close";
            err = closed;
        }
        if (err && written && good)
            good = fail(j->r, files[i].end, operation, err);
    }
    return good;
}

/*
 * The data to the new file, if there is one, and to the checksum if one is wanted. *shrunk: as in
 * pc_data.
 */
static bool copy_data(struct job *j, bool *shrunk)
{
    const struct pc_copy_config *config = j->c->config;
    struct pc_data_file *from = j->c->files;
    struct pc_data_file *to = from + config->sources->count;
    const bool target = pc_handle_open(j->to);
    const bool big = pc_data_is_big(&config->data, &j->src);
    from[0] = (struct pc_data_file){j->from, j->source};
    to[0] = (struct pc_data_file){j->to, j->end};
    const unsigned from_count = big ? open_elsewhere(j, false, from) : 1;
    const unsigned to_count = !target ? 0 : big ? open_elsewhere(j, true, to) : 1;
    struct pc_data data = {
        .src = &j->src,
        .from = from,
        .from_count = from_count,
        .to = to,
        .to_count = to_count,
        .to_device = j->now.st_dev,
        .journal = target && j->journaled ? config->journal : NULL,
        .journal_number = j->number,
        .begun = target && j->continues ? &j->begun : NULL,
    };
    if (j->c->hand.hash)
        pc_sums_reset(j->c->hand.hash);
    bool good = pc_data_copy(&config->data, &data, &j->c->hand);
    if (!good) {
        fail(j->r, data.end, data.operation, data.err);
        j->r->why = data.why;
    }
    *shrunk = data.shrunk;
    j->holes = data.holes;
    close_elsewhere(j, false, from, from_count);
    if (!close_elsewhere(j, good, to, to_count))
        good = false;
    j->e->summed = good && j->c->hand.hash;
    if (j->e->summed)
        j->e->sum = pc_sums_end(j->c->hand.hash);
    return good;
}

/* Notes that there is no copy because the source is not what it was. */
static bool changed(const struct job *j, const char *why)
{
    fail(j->r, PC_SOURCE, "copy", -ESTALE);
    j->r->outcome = PC_CHANGED;
    j->r->why = why;
    return false;
}

/*
 * The source changed since it was opened: what was copied may be half of one and half of the other.
 */
static bool has_changed(const struct job *j)
{
    struct stat now;
    return pc_sys_stat(j->from, &now) == 0 &&
           (now.st_size != j->src.st_size || !is_same_time(&now.st_mtim, &j->src.st_mtim) ||
            !is_same_time(&now.st_ctim, &j->src.st_ctim));
}

/* Owner, attributes, mode: of anything that is open. */
static bool apply(struct job *j)
{
    const char *operation;
    /* What a special file has inherited is still there; a regular one was made without. */
    const bool inherited = j->e->dir->hands_down_acl && !S_ISREG(j->src.st_mode);
    const int err = pc_meta_apply(&j->c->config->keep, j->from, &j->src, j->to, &j->now,
                                  !j->over && !inherited, &j->r->lost, &operation);
    return err ? fail_target(j, operation, err) : true;
}

/*
 * Then the times. Whether the file system keeps them whole is looked at until it was seen: where it
 * does, one question in all.
 */
static bool apply_times(struct job *j)
{
    atomic_llong *granularity = granularity_of(j);
    struct stat now;
    if (!j->c->config->keep.times)
        return true;
    const int err = pc_sys_times(j->to, j->src.st_atim, j->src.st_mtim);
    if (err)
        return fail_target(j, "set times of", err);
    /* relaxed: a fact of its own, and who does not see it yet only asks once more. */
    const long nsec = j->src.st_mtim.tv_nsec;
    if (nsec == 0 || atomic_load_explicit(granularity, memory_order_relaxed) == 1 ||
        pc_sys_stat(j->to, &now) != 0)
        return true;
    if (!pc_meta_same_mtime(&j->src, &now, 1))
        j->r->lost |= PC_LOST_TIMES;
    else if (nsec % 1000 != 0)
        atomic_store_explicit(granularity, 1, memory_order_relaxed);
    return true;
}

/*
 * Fewer bytes of holes than this are not missed: file systems differ in the size of their blocks.
 */
#define HOLES_MISSED ((off_t)256 * 1024)

/* Everything that happens to a file while it is open. */
static bool fill(struct job *j, bool last_try)
{
    const struct pc_copy_config *config = j->c->config;
    struct stat after;

    bool shrunk;
    const bool copied = copy_data(j, &shrunk);
    if ((copied || shrunk) && has_changed(j)) {
        j->r->outcome = PC_CHANGED;
        if (!copied || !last_try)
            return false;
    }
    if (!copied)
        return false;
    if (j->holes >= HOLES_MISSED && pc_sys_stat(j->to, &after) == 0 &&
        (uint64_t)after.st_blocks * 512 >= (uint64_t)j->src.st_size)
        j->r->lost |= PC_LOST_HOLES;
    if (!apply(j))
        return false;
    if (config->fsync) {
        const int err = pc_sys_fsync(j->to);
        if (err)
            return fail_target(j, "flush", err);
    }
    return apply_times(j);
}

/* A new regular file called j->name. 0 or negative errno, what failed is noted by the caller. */
static int make_file(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;
    /* A directory that this run has made holds only what this run has put there. */
    const bool exclusive = !(config->targets->network && j->e->dir->made);
    if (!exclusive && config->targets->look_up)
        pc_sys_stat_at(j->dir, j->name, &j->now); /* whatever it finds: creating tells */
    int err = pc_sys_create(j->dir, j->name, pc_meta_make_mode(&config->keep, &j->src), exclusive,
                            &j->to, &j->now);
    if (!err && j->e->dir->hands_down_acl) { /* before there is data that it could open to others */
        err = pc_sys_drop_acl(j->to, false);
        if (!err)
            err = pc_sys_stat(j->to, &j->now);
        if (err) {
            pc_sys_close(&j->to);
            pc_sys_unlink(j->dir, j->name);
        }
    }
    return err;
}

/*
 * Opens an existing regular file that nobody else has under another name, to write over it. First
 * it is closed to those who may not read the new data. Sets j->over; else it is to be replaced.
 */
static void open_over(struct job *j, const struct stat *there)
{
    const struct pc_keep *keep = &j->c->config->keep;
    struct stat *now = &j->now;
    if (!S_ISREG(there->st_mode) || there->st_nlink != 1 ||
        pc_sys_open_existing(j->dir, j->e->to, &j->to) != 0)
        return;
    const mode_t mode = pc_meta_make_mode(keep, &j->src);
    bool good = pc_sys_stat(j->to, now) == 0;
    unify(j->c->config, j->end, now);
    good = good && is_same_file(now, there) && now->st_nlink == 1;
    if (good && keep->owner && keep->uid == 0 && now->st_uid != j->src.st_uid)
        good = pc_sys_chown(j->to, j->src.st_uid, (gid_t)-1) == 0;
    if (good && (now->st_mode & 07777 & ~mode))
        good = pc_sys_chmod(j->to, now->st_mode & mode) == 0;
    /* Holes must not show what was there before. And to cut a file whose blocks are shared already
     * would unshare its last one. */
    const bool holes = j->c->config->data.sparse == PC_WHEN_ALWAYS ||
                       (uint64_t)j->src.st_blocks * 512 < (uint64_t)j->src.st_size;
    if (good && (holes || now->st_size > j->src.st_size))
        good = pc_sys_truncate(j->to, holes ? 0 : j->src.st_size) == 0;
    good = good && pc_sys_stat(j->to, now) == 0;
    if (!good)
        pc_sys_close(&j->to);
    j->over = good;
}

/* Symbolic link, special file, or with `first` a hard link, called j->name. */
static int make_node(struct job *j, const struct pc_entry *first)
{
    if (first) {
        const unsigned end = target_end(j->c->config, first);
        struct pc_handle dir;
        int err = pc_tree_open(j->c->config->tree, first->dir, end, &dir);
        if (err)
            return err;
        err = pc_sys_link(dir, first->to, j->dir, j->name);
        pc_tree_close(first->dir, end);
        return err;
    }
    if (S_ISLNK(j->src.st_mode))
        return pc_sys_symlink(j->dir, j->name, j->c->hand.buffer);
    return pc_sys_mknod(j->dir, j->name,
                        (j->src.st_mode & S_IFMT) | pc_meta_make_mode(&j->c->config->keep, &j->src),
                        j->src.st_rdev);
}

/*
 * The source: its attributes, and its target in the buffer if it is a symbolic link. Without `open`
 * it is only looked at, which does where nothing is to be copied.
 */
static bool open_source(struct job *j, bool open)
{
    struct pc_entry *e = j->e;
    const struct pc_copy_config *config = j->c->config;
    const unsigned end = pc_mounts_pick(config->sources, e->dir->seq, e->seq);
    struct pc_handle dir;
    const char *operation = "open";
    j->source = end;

    int err = pc_tree_open(config->tree, e->dir, end, &dir);
    if (err)
        return fail_source(j->r, operation, err);
    if (open)
        err = e->type == S_IFREG ? pc_sys_open_file(dir, e->name, &j->from)
                                 : pc_sys_open_any(dir, e->name, &j->from);
    if (!err) {
        operation = "stat";
        err = open ? pc_sys_stat(j->from, &j->src) : pc_sys_stat_at(dir, e->name, &j->src);
    }
    const bool other = !err && (j->src.st_mode & S_IFMT) != e->type;
    if (!err && !other && S_ISLNK(j->src.st_mode)) {
        operation = "read symbolic link";
        err = open ? pc_sys_readlink(j->from, "", j->c->hand.buffer, PATH_MAX)
                   : pc_sys_readlink(dir, e->name, j->c->hand.buffer, PATH_MAX);
    }
    pc_tree_close(e->dir, end);
    if (other || (open && (err == -ELOOP || err == -ENXIO)))
        return changed(j, "its type changed while the tree was read");
    return err ? fail_source(j->r, operation, err) : true;
}

static void close_source(struct job *j)
{
    if (pc_handle_open(j->from))
        pc_sys_close(&j->from); /* only read: no error can matter */
}

/* Opens a source that was only looked at. */
static bool reopen_source(struct job *j)
{
    const struct stat before = j->src;
    if (!open_source(j, true))
        return false;
    if (j->e->group && !is_same_file(&j->src, &before))
        /* The other names of the group are those of the file that was here before. */
        return changed(j, "another file has taken its place while it was read");
    return true;
}

/* Pins the destination directory on the end of the entry. False if it is not to be had. */
static bool open_target(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;
    if (j->pinned)
        return true;
    const int err = pc_tree_open(config->tree, j->e->dir, j->end, &j->dir);
    j->pinned = err == 0;
    if (err && err != PC_DIR_FAILED && err != PC_DIR_ABSENT) /* pc_copy_dir() will say why */
        fail_target(j, "open the directory of", err);
    return j->pinned;
}

/*
 * In what steps the destination keeps times, where it cannot be asked by making a file: both times
 * that it has are multiples of them, and the kernel sets ctime as fine as it can.
 */
static int64_t guess_granularity(const struct stat *there)
{
    int64_t step = 1;
    while (step < 1000000000 && there->st_ctim.tv_nsec % (step * 10) == 0 &&
           there->st_mtim.tv_nsec % (step * 10) == 0)
        step *= 10;
    return step;
}

/*
 * True if an existing file has the mtime of its source, or what its file system has made of it. The
 * first time that the two are equal in whole seconds only, a file is made to find out.
 */
static bool has_mtime(struct job *j, const struct stat *there)
{
    atomic_llong *granularity = granularity_of(j);
    struct pc_handle file;
    struct stat st;
    int64_t found = 1;

    if (pc_meta_same_mtime(&j->src, there, 1))
        return true;
    if (!pc_meta_same_mtime(&j->src, there, 2000000000))
        return false;
    /* relaxed: as in apply_times(). */
    long long known = atomic_load_explicit(granularity, memory_order_relaxed);
    /* Making a file for it is worth a round trip only where the answer decides. */
    const bool decides = (j->src.st_mode & S_IFMT) == (there->st_mode & S_IFMT) &&
                         (!S_ISREG(j->src.st_mode) || j->src.st_size == there->st_size);
    if (known == 0 && (j->c->config->observe || !decides))
        return pc_meta_same_mtime(&j->src, there, guess_granularity(there));
    if (known == 0) {
        if (!open_target(j))
            return false;
        use_temporary_name(j);
        if (pc_sys_create(j->dir, j->temporary, S_IRUSR | S_IWUSR, true, &file, &st) == 0) {
            if (pc_meta_granularity(file, &found) != 0)
                found = 1;
            pc_sys_close(&file);
            if (pc_sys_unlink(j->dir, j->temporary) != 0)
                pc_sys_unlink(j->dir, j->temporary); /* else it is left for the next run */
            atomic_store_explicit(&j->e->dir->touched, true, memory_order_relaxed);
        }
        j->name = j->e->to;
        known = found;
        atomic_store_explicit(granularity, known, memory_order_relaxed);
    }
    return pc_meta_same_mtime(&j->src, there, known);
}

/* In what hard link `there` differs from the first of its group. */
static unsigned compare_link(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    const unsigned end = dir_end(config, first->dir);
    struct stat st;
    if (first->renewed || pc_tree_look(config->tree, first->dir, end, first->to, &st) != 0)
        return PC_DIFF_LINK;
    unify(config, end, &st);
    return is_same_file(&st, &j->there) ? 0 : PC_DIFF_LINK;
}

/* In what `there` differs from the source, as far as that can be told without opening them. */
static unsigned compare(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    if (first)
        return compare_link(j, first);
    unsigned diffs =
        pc_compare(&config->rule, &config->keep, &j->src, &j->there, has_mtime(j, &j->there));
    if (S_ISLNK(j->src.st_mode) && !(diffs & PC_DIFF_TYPE)) {
        char *target = j->c->hand.buffer + PATH_MAX;
        if (!open_target(j) || pc_sys_readlink(j->dir, j->e->to, target, PATH_MAX) != 0 ||
            strcmp(target, j->c->hand.buffer) != 0)
            diffs |= PC_DIFF_CONTENT;
    }
    /* Of names that are one file at the destination and several at the source only those of one
     * source may stay. */
    if (!(diffs & PC_DIFF_TYPE) && !S_ISDIR(j->there.st_mode) && j->there.st_nlink > 1 &&
        config->keep.links && !pc_compare_is_due(&config->rule, &j->src, diffs) &&
        !pc_tree_claim(config->tree, &j->there, &j->src))
        diffs |= PC_DIFF_LINK;
    return diffs;
}

/* The data of two files of the same size. False, and noted, if that could not be told. */
static bool compare_data(struct job *j, unsigned *diffs)
{
    const struct pc_copy_config *config = j->c->config;
    const bool look = !pc_handle_open(j->from);
    struct pc_handle to = PC_HANDLE_NONE;
    unsigned which = 0;

    if ((look && !reopen_source(j)) || !open_target(j))
        return false;
    int n = pc_sys_open_file(j->dir, j->e->to, &to);
    if (n) {
        *diffs |= PC_DIFF_CONTENT; /* what cannot be read is replaced */
        return true;
    }
    if (config->forget)
        pc_sys_forget(to, 0, 0);
    n = pc_compare_data(j->from, to, j->src.st_size, j->c->hand.buffer, config->data.buffer_size,
                        config->data.stop, &which);
    pc_sys_close(&to);
    if (n < 0 && which == 0)
        return fail(j->r, PC_SOURCE, "read", n);
    if (n == -ECANCELED)
        return fail_target(j, "read", n);
    if (n <= 0)
        *diffs |= PC_DIFF_CONTENT;
    return true;
}

/* Opens what is at the destination, if that is still `there`, to compare or set its metadata. */
static bool open_there(struct job *j)
{
    if (pc_handle_open(j->to))
        return true;
    if (!open_target(j))
        return false;
    int err = pc_sys_open_any(j->dir, j->e->to, &j->to);
    if (!err)
        err = pc_sys_stat(j->to, &j->now);
    if (!err)
        unify(j->c->config, j->end, &j->now);
    if (!err && !is_same_file(&j->now, &j->there))
        err = -ESTALE;
    return err ? fail_target(j, "look at", err) : true;
}

/* ACLs and extended attributes. False, and noted, if that could not be told. */
static bool compare_xattrs(struct job *j, unsigned *diffs)
{
    const struct pc_keep *keep = &j->c->config->keep;
    if (!keep->acl && !keep->xattr)
        return true;
    if ((!pc_handle_open(j->from) && !reopen_source(j)) || !open_there(j))
        return false;
    const int err = pc_meta_compare_xattrs(keep, j->from, j->to, diffs, &j->r->lost);
    return err ? fail_target(j, "compare extended attributes of", err) : true;
}

static void close_there(struct job *j)
{
    if (pc_handle_open(j->to))
        pc_sys_close(&j->to);
}

/* Waits until one more may be made or changed. False if the run ends before that. */
static bool wait_for_turn(const struct job *j)
{
    const struct pc_data_config *data = &j->c->config->data;
    const int err = pc_limit_take(data->operations, 1, data->stop);
    return err ? fail_target(j, "wait for", err) : true;
}

/* Gives what is there, and is equal but for its metadata, the metadata too. */
static void mend(struct job *j, unsigned diffs)
{
    const struct pc_keep *keep = &j->c->config->keep;
    j->r->diffs = diffs;
    j->r->outcome = diffs ? PC_MENDED : PC_SKIPPED;
    if (!diffs || j->c->config->observe)
        return;
    if (((keep->acl || keep->xattr) && !pc_handle_open(j->from) && !reopen_source(j)) ||
        !open_there(j))
        return;
    j->over = true;
    if (wait_for_turn(j) && apply(j) && (diffs & PC_DIFF_MTIME))
        apply_times(j);
}

/* A file that the rule leaves alone whatever it is. */
static bool is_left_alone(const struct job *j)
{
    const struct pc_rule *rule = &j->c->config->rule;
    if (!j->exists)
        return rule->existing;
    if (is_same_file(&j->src, &j->there))
        return true;
    if (S_ISDIR(j->there.st_mode))
        return false;
    return rule->ignore_existing ||
           (rule->update && S_ISREG(j->src.st_mode) && S_ISREG(j->there.st_mode) &&
            (j->there.st_mtim.tv_sec > j->src.st_mtim.tv_sec ||
             (j->there.st_mtim.tv_sec == j->src.st_mtim.tv_sec &&
              j->there.st_mtim.tv_nsec > j->src.st_mtim.tv_nsec)));
}

/*
 * Finds out whether the entry is to be made anew. If it is not, what there was to do is done, and
 * the result says so.
 */
static bool is_due(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    const struct pc_rule *rule = &config->rule;
    unsigned diffs = PC_DIFF_MISSING;

    if (!is_left_alone(j)) {
        if (j->exists)
            diffs = compare(j, first);
        if (j->exists && diffs && !j->sure) {
            /* A listing may be out of date: what differs is looked at once more. */
            if (!open_target(j))
                return false;
            const int err = pc_sys_stat_now(j->dir, j->e->to, &j->there);
            if (err && err != -ENOENT)
                return fail_target(j, "stat", err);
            j->exists = !err;
            j->sure = true;
            unify(config, j->end, &j->there);
            return is_due(j, first);
        }
        if (pc_compare_is_due(rule, &j->src, diffs)) {
            j->r->diffs = diffs;
            return true;
        }
        if (!first && rule->checksum && S_ISREG(j->src.st_mode)) {
            if (!compare_data(j, &diffs))
                return false;
            if (diffs & PC_DIFF_CONTENT) {
                j->r->diffs = diffs;
                return true;
            }
        }
        if (!first) {
            if (compare_xattrs(j, &diffs))
                mend(j, diffs);
            close_there(j);
            return false;
        }
    }
    j->r->outcome = PC_SKIPPED;
    return false;
}
/* A directory that may go if something else is to have its name. */
static int remove_dir(struct job *j, const struct stat *there)
{
    const struct pc_copy_config *config = j->c->config;
    if (!config->force)
        return -EISDIR;
    for (unsigned i = 0; i < config->precious_count; i++) {
        if (is_same_file(there, &config->precious[i])) {
            j->r->why = "it is or contains the source";
            return -EBUSY;
        }
    }
    return pc_sweep_away(&config->sweep, j->c->hand.owner, j->e->dir, j->dir, j->e->to,
                         config->observe);
}

/* Makes the entry, called j->name. */
static int make_one(struct job *j, const struct pc_entry *first)
{
    return S_ISREG(j->src.st_mode) && !first ? make_file(j) : make_node(j, first);
}

/* Opens the file that a run before has begun, if it is there as that has left it. */
static bool take_up(struct job *j, const char *path)
{
    const struct pc_copy_config *config = j->c->config;
    if (!pc_journal_find_file(config->journal, 0, path, &j->src, &j->begun) ||
        pc_sys_open_existing(j->dir, j->begun.temporary, &j->to) != 0)
        return false;
    if (pc_sys_stat(j->to, &j->now) != 0 || !S_ISREG(j->now.st_mode) || j->now.st_nlink != 1 ||
        j->now.st_size > j->src.st_size) {
        pc_sys_close(&j->to);
        return false;
    }
    snprintf(j->temporary, sizeof j->temporary, "%s", j->begun.temporary);
    j->name = j->temporary;
    j->number = j->begun.number;
    return true;
}

/* The same under a temporary name. */
static int make_temporary(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    const bool journaled = config->journal && S_ISREG(j->src.st_mode) && !first &&
                           pc_data_is_big(&config->data, &j->src) && !j->c->hand.hash;
    char *path = journaled ? pc_tree_path(j->e->dir, PC_RELATIVE, j->e->to) : NULL;
    int err = -EEXIST;
    j->journaled = path;
    j->continues = path && take_up(j, path);
    if (j->continues)
        err = 0;
    for (int i = 0; i < 100 && err == -EEXIST; i++) {
        use_temporary_name(j);
        err = make_one(j, first);
        if (!err && path)
            j->number = pc_journal_add_file(config->journal, 0, path, j->name, &j->src);
    }
    free(path);
    return err;
}

/* Makes the entry where something else has its name, if that may be replaced. */
static int replace(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    int err = 0;
    if (S_ISDIR(j->there.st_mode))
        err = remove_dir(j, &j->there);
    else if (S_ISREG(j->src.st_mode) && !first && config->inplace)
        open_over(j, &j->there);
    return err && err != -ENOENT ? err : j->over ? 0 : make_temporary(j, first);
}

/*
 * Makes the entry at the destination: under its own name or, where there is something else that is
 * to be replaced, under a temporary one. False if there is nothing to do or that failed.
 */
static bool make(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    /* The last bytes of a big file may be there before the first: its size says nothing. */
    const bool at_last = S_ISREG(j->src.st_mode) && !first &&
                         (config->atomic || pc_data_is_big(&config->data, &j->src));
    int err = 0;

    j->name = j->e->to;
    j->over = false;
    j->holes = 0;
    j->journaled = j->continues = false;
    if (!wait_for_turn(j))
        return false;
    if (!j->exists) {
        err = at_last ? make_temporary(j, first) : make_one(j, first);
        if (err == -EEXIST) { /* it has come meanwhile */
            err = pc_sys_stat_at(j->dir, j->name, &j->there);
            unify(j->c->config, j->end, &j->there);
            j->exists = j->sure = !err;
            if (j->exists && !is_due(j, first))
                return false;
            if (err == -ENOENT)
                err = make_temporary(j, first);
        }
    }
    if (j->exists)
        err = replace(j, first);
    if (err == PC_DIR_FAILED) { /* the directory of the first of the group */
        j->r->outcome = PC_ABANDONED;
        return false;
    }
    if (err)
        return fail_target(j, first ? "link" : "create", err);
    j->e->renewed = !j->over;
    atomic_store_explicit(&j->e->dir->touched, true, memory_order_relaxed);
    return true;
}
/* What was just made under j->name, if that is still what it names. */
static bool open_node(struct job *j)
{
    int err = pc_sys_open_any(j->dir, j->name, &j->to);
    if (!err)
        err = pc_sys_stat(j->to, &j->now);
    if (!err && (((j->now.st_mode ^ j->src.st_mode) & S_IFMT) || j->now.st_nlink > 1)) {
        j->r->why = "somebody else has put something in its place";
        err = -EEXIST;
    }
    return err ? fail_target(j, "set metadata of", err) : true;
}

/* What becomes of an entry that is due, in one word. */
static enum pc_outcome outcome_of(const struct stat *src, const struct pc_entry *first)
{
    return first                   ? PC_COPIED_LINK
           : S_ISREG(src->st_mode) ? PC_COPIED_FILE
           : S_ISLNK(src->st_mode) ? PC_COPIED_SYMLINK
                                   : PC_COPIED_SPECIAL;
}

/* Data and metadata of what was made; then its final name, or away with it. */
static void complete(struct job *j, const struct pc_entry *first, bool last_try)
{
    bool ok = true;
    int err;

    j->r->outcome = outcome_of(&j->src, first);
    if (!first)
        ok = S_ISREG(j->src.st_mode) ? fill(j, last_try)
                                     : open_node(j) && apply(j) && apply_times(j);
    if (pc_handle_open(j->to)) {
        err = pc_sys_close(&j->to);
        if (ok && err)
            ok = fail_target(j, "close", err);
    }
    if (ok && j->name == j->temporary) {
        err = pc_sys_rename(j->dir, j->name, j->e->to);
        if (err)
            ok = fail_target(j, "replace", err);
        else if (first) /* rename(2) leaves both names if they are links to one file */
            pc_sys_unlink(j->dir, j->name);
        /* What was flushed was the file under its temporary name. */
        if (ok && j->c->config->fsync && !j->c->config->targets->network) {
            err = pc_sys_fsync_place(j->dir);
            if (err)
                ok = fail_target(j, "flush the directory of", err);
        }
    }
    /* What the journal has begun stays if the run ends: the next one goes on with it. */
    if (!ok && !j->over && !(j->journaled && j->r->outcome == PC_ABANDONED))
        pc_sys_unlink(j->dir, j->name); /* what is reported is the failure itself */
}

/* Notes what `observe` would make in a directory, and so in those above. */
static void touch_all(struct pc_dir *dir)
{
    for (; dir; dir = dir->parent)
        atomic_store_explicit(&dir->touched, true, memory_order_relaxed);
}

/* True for a directory that is made only if something in it is. */
static bool is_on_the_way(const struct pc_dir *dir)
{
    return dir->names && !dir->names->listed;
}

static void make_dir(struct pc_copier *c, struct pc_dir *dir, struct pc_result *r)
{
    const unsigned end = dir_end(c->config, dir);
    struct pc_handle h;
    if (dir->implied || is_on_the_way(dir))
        return;
    const int err = pc_tree_open(c->config->tree, dir, end, &h);
    if (err == 0)
        pc_tree_close(dir, end);
    if (err == 0 && !dir->made)
        r->outcome = PC_SKIPPED_DIR;
    else if (err == 0 || (err == PC_DIR_ABSENT && (!c->config->rule.existing || !dir->parent)))
        r->outcome = PC_COPIED_DIR;
    if (err == PC_DIR_ABSENT && dir->parent && r->outcome == PC_COPIED_DIR)
        touch_all(dir->parent);
    r->diffs = r->outcome == PC_COPIED_DIR ? PC_DIFF_MISSING : 0;
}

/* Copies an entry that is due, again and again while its source changes. */
static void copy_due(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    const unsigned diffs = j->r->diffs;
    if (config->observe) {
        const bool in_the_way = j->exists && S_ISDIR(j->there.st_mode) && open_target(j);
        const int err = in_the_way ? remove_dir(j, &j->there) : 0;
        if (err) {
            fail_target(j, first ? "link" : "create", err);
            return;
        }
        j->r->outcome = outcome_of(&j->src, first);
        j->e->renewed = true;
        touch_all(j->e->dir);
        return;
    }
    if ((!pc_handle_open(j->from) && !reopen_source(j)) || !open_target(j))
        return;
    for (unsigned tries = 0; make(j, first); tries++) {
        const bool last_try = tries >= config->retry.tries;
        complete(j, first, last_try);
        if (j->r->outcome != PC_CHANGED || last_try)
            break;
        close_source(j);
        *j->r = (struct pc_result){.outcome = PC_ABANDONED, .diffs = diffs, .end = j->end};
        if (!reopen_source(j))
            break;
    }
}

/* The checksum of a file that was not copied now: of a hard link that of the first. */
static bool sum_up(struct job *j, const struct pc_entry *first)
{
    if (first) {
        j->e->sum = first->sum;
        j->e->summed = first->summed;
    }
    if (j->e->summed)
        return true;
    bool shrunk;
    return (pc_handle_open(j->from) || reopen_source(j)) && copy_data(j, &shrunk);
}

/* Adds a file that is at the destination to the list of checksums. */
static void list_sum(struct job *j, const struct pc_entry *first)
{
    const struct pc_copy_config *config = j->c->config;
    const enum pc_outcome o = j->r->outcome;
    if (!j->c->hand.hash || !S_ISREG(j->src.st_mode) || (j->exists && is_left_alone(j)) ||
        (o != PC_COPIED_FILE && o != PC_COPIED_LINK && o != PC_SKIPPED && o != PC_MENDED) ||
        !sum_up(j, first))
        return;
    char *path = pc_tree_path(j->e->dir, PC_RELATIVE, j->e->to);
    const int err = path ? pc_sums_add(config->sums, j->e->sum, path) : -ENOMEM;
    free(path);
    if (err) {
        char *text = j->c->hand.buffer;
        fail(j->r, PC_SOURCE, "list the checksum of", err);
        j->r->why = strerror_r(-err, text, j->c->config->data.buffer_size); /* not to be retried */
    }
}

/* An entry that is not a directory and whose source is known. */
static void copy_from(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;

    if (config->filter && pc_filter_excludes_attributes(config->filter, &j->src))
        return;
    if (config->keep.links && j->src.st_nlink > 1 && !j->joined) {
        const int role = pc_tree_join(config->tree, j->e, &j->src);
        if (role < 0) {
            fail(j->r, PC_SOURCE, "note the hard links of", role);
            return;
        }
        if (role == PC_LINK_LATER) { /* the entry may be another thread's by now */
            j->r->outcome = PC_POSTPONED;
            return;
        }
        j->joined = true;
        if (role == PC_LINK_MAKE) {
            j->first = pc_tree_first(j->e);
            j->e->mount = j->first->mount; /* a link across mount points gives EXDEV */
            j->end = target_end(config, j->first);
        }
    }
    j->r->end = j->end;
    if (is_due(j, j->first))
        copy_due(j, j->first);
    list_sum(j, j->first);
}

/* Notes that there are enough threads at big files already, while others have small ones. */
static bool is_crowded(struct job *j)
{
    const struct pc_data_config *data = &j->c->config->data;
    const bool big = S_ISREG(j->src.st_mode) && pc_data_is_big(data, &j->src);
    if (!data->ranges || j->c->config->observe)
        return false;
    pc_ranges_note(data->ranges, !big);
    if (!big || j->e->waited || !pc_ranges_crowded(data->ranges))
        return false;
    j->r->outcome = PC_CROWDED;
    return true;
}

/*
 * Looks for the entry at the destination: in what a listing has said, or after a failure, which may
 * have left something there, by asking. False if there is nothing more to do.
 */
static bool look_for(struct job *j, bool again)
{
    const struct pc_copy_config *config = j->c->config;
    const struct pc_dir *dir = j->e->dir;
    unsigned end = j->end;
    int err;
    if (again) {
        if (!open_target(j))
            return false;
        err = pc_sys_stat_now(j->dir, j->e->to, &j->there);
        j->sure = true;
    } else {
        end = dir_end(config, dir);
        err = pc_tree_look(config->tree, j->e->dir, end, j->e->to, &j->there);
        if (err == PC_DIR_FAILED || (err == PC_DIR_ABSENT && config->rule.existing))
            return false; /* pc_copy_dir() will say why */
    }
    j->exists = !err;
    unify(config, end, &j->there);
    return !err || err == -ENOENT || err == PC_DIR_ABSENT || fail_target(j, "stat", err);
}

/* Lets go of what a try has opened. */
static void close_job(struct job *j)
{
    close_source(j);
    if (j->pinned)
        pc_tree_close(j->e->dir, j->end);
    j->pinned = false;
}

/* True if the entry is to be tried again, after a while. */
static bool is_passing(const struct job *j, unsigned *tried)
{
    const struct pc_copy_config *config = j->c->config;
    const struct pc_result *r = j->r;
    if (r->outcome != PC_FAILED || r->why || !pc_retry_again(&config->retry, r->err, tried))
        return false;
    if (r->err == -ESTALE) {
        pc_tree_forget(config->tree, j->e->dir, j->source);
        pc_tree_forget(config->tree, j->e->dir, j->end);
    }
    return true;
}

void pc_copy_entry(struct pc_copier *c, struct pc_entry *entry, struct pc_result *result)
{
    const struct pc_copy_config *config = c->config;
    *result = (struct pc_result){.outcome = PC_ABANDONED};
    if (entry->type == S_IFDIR) {
        make_dir(c, entry->dir, result);
        return;
    }
    struct job j = {.c = c, .e = entry, .r = result, .from = PC_HANDLE_NONE, .to = PC_HANDLE_NONE};
    unsigned tried = 0;
    entry->mount = pc_mounts_pick(config->targets, entry->dir->seq, entry->seq);
    j.end = target_end(config, entry);
    do {
        *result = (struct pc_result){.outcome = PC_ABANDONED};
        if (look_for(&j, tried > 0) && open_source(&j, !j.exists && !config->observe) &&
            !is_crowded(&j))
            copy_from(&j);
        close_job(&j);
    } while (is_passing(&j, &tried));
}

/* As has_mtime(), but without a file to find out. */
static bool has_dir_mtime(const struct pc_copy_config *config, const struct pc_dir *dir)
{
    const atomic_llong *granularity = &config->granularity[dir_end(config, dir)];
    const long long known = atomic_load_explicit(granularity, memory_order_relaxed);
    return pc_meta_same_mtime(&dir->st, &dir->there,
                              known ? known : guess_granularity(&dir->there));
}

/*
 * In what a directory that was there before differs from its source; the handles are open where
 * they are needed.
 */
static int compare_dir(const struct pc_copy_config *config, const struct pc_keep *keep,
                       struct pc_dir *dir, struct pc_handle from, struct pc_handle to,
                       struct pc_result *r)
{
    int err = 0;
    r->diffs = pc_compare(&config->rule, keep, &dir->st, &dir->there, has_dir_mtime(config, dir));
    /* A listing may be out of date, or another mount's idea; as in is_due(). */
    if (r->diffs && config->targets->network &&
        !atomic_load_explicit(&dir->touched, memory_order_relaxed)) {
        err = pc_sys_stat_now(to, ".", &dir->there);
        if (!err)
            r->diffs =
                pc_compare(&config->rule, keep, &dir->st, &dir->there, has_dir_mtime(config, dir));
    }
    if (!err && (keep->acl || keep->xattr))
        err = pc_meta_compare_xattrs(keep, from, to, &r->diffs, &r->lost);
    return err;
}

static void set_dir_times(const struct pc_copy_config *config, struct pc_dir *dir,
                          struct pc_handle to, struct pc_result *r)
{
    int err = 0;
    if (config->keep.times && !config->observe)
        err = pc_sys_times(to, dir->st.st_atim, dir->st.st_mtim);
    if (err)
        fail(r, dir_end(config, dir), "set times of", err);
}

/* Metadata of a directory that is open at the destination. */
static void complete_dir(const struct pc_copy_config *config, struct pc_dir *dir,
                         struct pc_handle to, struct pc_result *r)
{
    struct pc_keep keep = config->keep;
    const unsigned source = pc_mounts_pick(config->sources, dir->seq, 0);
    struct pc_handle from = PC_HANDLE_NONE;
    const char *operation = "look at";
    int err = 0;

    if (config->sweep_only) {
        if (atomic_load_explicit(&dir->touched, memory_order_relaxed))
            set_dir_times(config, dir, to, r);
        return;
    }
    if ((keep.acl || keep.xattr) && !dir->unread) {
        err = pc_tree_open(config->tree, dir, source, &from);
        if (err) {
            fail_source(r, "open", err);
            return;
        }
    } else {
        keep.acl = keep.xattr = false;
    }
    if (!dir->made)
        err = compare_dir(config, &keep, dir, from, to, r);
    if (!err && r->diffs && !dir->made)
        r->outcome = PC_MENDED;
    if (!err && !config->observe && (dir->made || r->diffs || dir->opened_up)) {
        struct stat now = dir->there; /* nobody has changed it since */
        if (dir->opened_up)
            now.st_mode |= S_IRWXU;
        err = pc_meta_apply(&keep, from, &dir->st, to, &now, dir->made, &r->lost, &operation);
    }
    /* The times that one mount has cached say nothing of what was made through another. */
    if (err)
        fail(r, dir_end(config, dir), operation, err);
    else if (atomic_load_explicit(&dir->touched, memory_order_relaxed) ||
             (r->diffs & PC_DIFF_MTIME))
        set_dir_times(config, dir, to, r);
    if (pc_handle_open(from))
        pc_tree_close(dir, source);
}

void pc_copy_dir(struct pc_copier *c, struct pc_dir *dir, struct pc_result *result)
{
    const struct pc_copy_config *config = c->config;
    const unsigned end = dir_end(config, dir);
    struct pc_handle to;

    *result = (struct pc_result){.outcome = PC_ABANDONED, .end = end};
    if (is_on_the_way(dir) && !dir->error && !dir->placed &&
        !atomic_load_explicit(&dir->touched, memory_order_relaxed))
        return;
    int err = PC_DIR_FAILED;
    unsigned tried = 0;
    if (!dir->error && !dir->implied) {
        while ((err = pc_tree_open(config->tree, dir, end, &to)) == -ESTALE &&
               pc_retry_again(&config->retry, err, &tried))
            pc_tree_forget(config->tree, dir, end);
    }
    if (is_on_the_way(dir) && ((err == 0 && dir->made) || err == PC_DIR_ABSENT)) {
        result->outcome = PC_COPIED_DIR; /* make_dir() did not know */
        result->diffs = PC_DIFF_MISSING;
    }
    if (err == 0) {
        if (!dir->made)
            pc_sweep(&config->sweep, c->hand.owner, dir, end, to);
        const struct pc_result before = *result;
        do {
            *result = before;
            complete_dir(config, dir, to, result);
        } while (result->outcome == PC_FAILED &&
                 pc_retry_again(&config->retry, result->err, &tried));
        pc_tree_close(dir, end);
    }
    if (err == PC_DIR_FAILED) /* it, or one above it, which has said so */
        atomic_store_explicit(&dir->unfinished, true, memory_order_relaxed);
    if (dir->error) /* whoever came upon it */
        fail(result, dir->error_end, "make or open directory", dir->error);
    else if (err == -ESTALE)
        fail(result, end, "make or open directory", err);
}
