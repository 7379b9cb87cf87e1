/*
 * One entry to disk.
 *
 *      source dir -> open, fstat -> [hard link? join its group] -> pick a mount -> destination dir
 *      -> create -> data -> owner, xattrs, mode, ACL -> fsync -> times -> close -> [rename]
 *
 * Links, symbolic links and special files take the same way without data. Everything runs on a copy
 * thread; copiers share nothing but the tree. A thread has at most two directories pinned and two
 * files open.
 *
 * INVARIANTS.
 * - What exists is never written into: not a file (others may have it under another name), not a
 *   FIFO, device or symbolic link. It is skipped if it is equal, or replaced by rename.
 * - Until the times are set the mtime of a new file is that of the copy, not of the source. The
 *   times are set after the data was written and (`fsync`) is stable, and are those read before the
 *   data.
 * - A file whose copying fails in any step up to close() is removed.
 */
#include "pcopy/copy.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SHORTER "the file became shorter while it was read"

/* The buffer also takes two targets of symbolic links, to compare them. */
#define TARGETS ((size_t)2 * PATH_MAX)

/* One entry on its way. */
struct job {
    struct pc_copier *c;
    struct pc_entry *e;
    struct pc_result *r;
    struct stat src;
    struct pc_handle from; /* regular files: the source */
    struct pc_handle dir;  /* the destination directory, pinned */
    struct pc_handle to;   /* regular files: the new file */
    const char *name;      /* what it is made under: the entry's name, or `temporary` */
    char temporary[NAME_MAX + 1];
};

int pc_copier_init(struct pc_copier *c, const struct pc_copy_config *config)
{
    struct timespec now;
    *c = (struct pc_copier){.config = config};
    /* Page-aligned, for the sake of file systems that can then move whole pages. */
    const size_t size = config->buffer_size > TARGETS ? config->buffer_size : TARGETS;
    c->buffer = aligned_alloc(4096, (size + 4095) / 4096 * 4096);
    if (!c->buffer)
        return -ENOMEM;
    clock_gettime(CLOCK_REALTIME, &now);
    c->salt = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)getpid() << 40 ^
              (uint64_t)(uintptr_t)c->buffer >> 12;
    return 0;
}

void pc_copier_free(struct pc_copier *c)
{
    free(c->buffer);
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
    if (err == -ENOENT || err == -ESTALE)
        r->outcome = PC_VANISHED;
    return false;
}

/* The end through which an entry is written; mount points of the destination count from 0. */
static unsigned target_end(const struct pc_copy_config *config, const struct pc_entry *e)
{
    return config->sources->count + e->mount;
}

static bool fail_target(const struct job *j, const char *operation, int err)
{
    return fail(j->r, target_end(j->c->config, j->e), operation, err);
}

/*
 * A temporary name that shows whose it is: ".NAME.pcopy-XXXXXXXX", NAME cut short where the whole
 * would not fit into a directory entry.
 */
static void use_temporary_name(struct job *j)
{
    const size_t room = NAME_MAX - strlen("..pcopy-12345678");
    uint64_t x = j->c->salt + ++j->c->temporaries * 0x9e3779b97f4a7c15U;
    x ^= x >> 32;
    snprintf(j->temporary, sizeof j->temporary, ".%.*s.pcopy-%08x", (int)room, j->e->to,
             (unsigned)x);
    j->name = j->temporary;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Bytes [at, end) of the source to the new file. */
static bool copy_range(struct job *j, off_t at, off_t end)
{
    const struct pc_copy_config *config = j->c->config;
    while (at < end) {
        const off_t left = end - at;
        const size_t size = left < (off_t)config->buffer_size ? (size_t)left : config->buffer_size;
        if (atomic_load_explicit(config->stop, memory_order_relaxed))
            return fail_target(j, "write", -ECANCELED);
        const ssize_t n = pc_sys_read(j->from, j->c->buffer, size, at);
        if (n < 0)
            return fail(j->r, PC_SOURCE, "read", (int)n);
        if ((size_t)n < size) {
            j->r->why = SHORTER;
            return fail(j->r, PC_SOURCE, "read", -EIO);
        }
        const int err = pc_sys_write(j->to, j->c->buffer, size, at);
        if (err)
            return fail_target(j, "write", err);
        j->r->bytes += size;
        at += (off_t)size;
    }
    return true;
}

/* Behind the end of a file that became shorter there is no data either: that is no hole. */
static bool shrank(struct job *j)
{
    struct stat now;
    const int err = pc_sys_stat(j->from, &now);
    if (!err && now.st_size >= j->src.st_size)
        return false;
    if (!err)
        j->r->why = SHORTER;
    fail(j->r, PC_SOURCE, err ? "stat" : "read", err ? err : -EIO);
    return true;
}

/* The data between holes, and the hole at the end. */
static bool copy_sparse(struct job *j)
{
    off_t begin = 0;
    off_t end = 0;
    while (end < j->src.st_size) {
        int err = pc_sys_next_data(j->from, end, &begin, &end);
        if (err == -ENXIO && shrank(j))
            return false;
        if (err == -ENXIO || (!err && begin >= j->src.st_size)) {
            err = pc_sys_truncate(j->to, j->src.st_size);
            return err ? fail_target(j, "set size of", err) : true;
        }
        if (err)
            return fail(j->r, PC_SOURCE, "find data in", err);
        /* It has grown, and what came later is not ours; or it changed under our eyes and there is
         * a hole now where we were told of data: then copy the rest as it is, do not ask again. */
        if (end > j->src.st_size || end <= begin)
            end = j->src.st_size;
        if (!copy_range(j, begin, end))
            return false;
    }
    return true;
}

/* The data that the source had when it was opened. */
static bool copy_data(struct job *j)
{
    if (j->src.st_size == 0) {
        /* Under /proc and the like sizes are 0 and lie. Better an error than an empty copy. */
        const ssize_t n = pc_sys_read(j->from, j->c->buffer, 1, 0);
        if (n == 1)
            j->r->why = "it has data although its size is 0";
        return n == 0 ? true : fail(j->r, PC_SOURCE, "read", n < 0 ? (int)n : -EIO);
    }
    /* st_blocks counts 512 bytes (stat(2)). Compression looks like holes too: costs two lseeks. */
    if ((uint64_t)j->src.st_blocks * 512 < (uint64_t)j->src.st_size)
        return copy_sparse(j);
    return copy_range(j, 0, j->src.st_size);
}

/* Everything that happens to a new file while it is open. */
static bool fill(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;
    const char *operation = "stat";
    struct stat now;

    if (!copy_data(j))
        return false;
    int err = pc_sys_stat(j->to, &now);
    if (!err)
        err = pc_meta_apply(&config->keep, j->from, &j->src, j->to, &now, &j->r->lost, &operation);
    if (!err && config->fsync) {
        operation = "flush";
        err = pc_sys_fsync(j->to);
    }
    if (!err && config->keep.times) {
        operation = "set times of";
        err = pc_sys_times(j->to, j->src.st_atim, j->src.st_mtim);
    }
    return err ? fail_target(j, operation, err) : true;
}

/* A new regular file called j->name. 0 or negative errno, what failed is noted by the caller. */
static int make_file(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;
    /* A directory that this run has made holds only what this run has put there. */
    const bool exclusive = !(config->targets->network && j->e->dir->made);
    return pc_sys_create(j->dir, j->name, pc_meta_make_mode(&config->keep, &j->src), exclusive,
                         &j->to);
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
        return pc_sys_symlink(j->dir, j->name, j->c->buffer);
    return pc_sys_mknod(j->dir, j->name,
                        (j->src.st_mode & S_IFMT) | pc_meta_make_mode(&j->c->config->keep, &j->src),
                        j->src.st_rdev);
}

/* True if what is at the destination already is what we would make. */
static bool is_equal(struct job *j, const struct stat *there, const struct pc_entry *first)
{
    const struct pc_keep *keep = &j->c->config->keep;
    if (first) {
        const unsigned end = target_end(j->c->config, first);
        struct pc_handle dir;
        struct stat st;
        if (pc_tree_open(j->c->config->tree, first->dir, end, &dir) != 0)
            return false;
        const int err = pc_sys_stat_at(dir, first->to, &st);
        pc_tree_close(first->dir, end);
        return !err && is_same_file(&st, there);
    }
    if ((j->src.st_mode & S_IFMT) != (there->st_mode & S_IFMT))
        return false;
    if (S_ISREG(j->src.st_mode))
        return is_same_file(&j->src, there) ||
               (there->st_size == j->src.st_size && pc_meta_same_mtime(&j->src, there));
    if (keep->times && !pc_meta_same_mtime(&j->src, there))
        return false;
    if (S_ISLNK(j->src.st_mode)) {
        char *target = j->c->buffer + PATH_MAX;
        return pc_sys_readlink(j->dir, j->e->to, target, PATH_MAX) == 0 &&
               strcmp(target, j->c->buffer) == 0;
    }
    return j->src.st_rdev == there->st_rdev &&
           (!keep->mode || ((j->src.st_mode ^ there->st_mode) & 07777) == 0);
}

/*
 * Makes the entry at the destination: under its own name or, where there is something else that is
 * to be replaced, under a temporary one. False if there is nothing to do or it failed.
 */
static bool make(struct job *j, const struct pc_entry *first)
{
    const bool file = S_ISREG(j->src.st_mode) && !first;
    struct stat there;

    j->name = j->e->to;
    int err = file ? make_file(j) : make_node(j, first);
    if (err == -EEXIST) {
        err = pc_sys_stat_at(j->dir, j->name, &there);
        if (!err && is_equal(j, &there, first)) {
            j->r->outcome = PC_SKIPPED;
            return false;
        }
        if (!err && S_ISDIR(there.st_mode))
            err = -EISDIR;
        if (!err || err == -ENOENT) {
            use_temporary_name(j);
            err = file ? make_file(j) : make_node(j, first);
        }
    }
    if (err == PC_DIR_FAILED) { /* the directory of the first of the group */
        j->r->outcome = PC_ABANDONED;
        return false;
    }
    if (err)
        return fail_target(j, first ? "link" : "create", err);
    atomic_store_explicit(&j->e->dir->touched, true, memory_order_relaxed);
    return true;
}

/* Data and metadata of what was made; then its final name, or away with it. */
static void complete(struct job *j, const struct pc_entry *first)
{
    bool ok = true;
    int err;

    if (first) {
        j->r->outcome = PC_COPIED_LINK;
    } else if (S_ISREG(j->src.st_mode)) {
        j->r->outcome = PC_COPIED_FILE;
        ok = fill(j);
        err = pc_sys_close(&j->to);
        if (ok && err)
            ok = fail_target(j, "close", err);
    } else {
        const char *operation;
        j->r->outcome = S_ISLNK(j->src.st_mode) ? PC_COPIED_SYMLINK : PC_COPIED_SPECIAL;
        err = pc_meta_apply_at(&j->c->config->keep, &j->src, j->dir, j->name, &operation);
        if (err)
            ok = fail_target(j, operation, err);
    }
    if (ok && j->name == j->temporary) {
        err = pc_sys_rename(j->dir, j->name, j->e->to);
        if (err)
            ok = fail_target(j, "replace", err);
        else if (first) /* rename(2) leaves both names if they are links to one file */
            pc_sys_unlink(j->dir, j->name);
    }
    if (!ok)
        pc_sys_unlink(j->dir, j->name); /* what is reported is the failure itself */
}

/* The source: open if it is a regular file, its target in the buffer if it is a symbolic link. */
static bool open_source(struct job *j)
{
    const struct pc_entry *e = j->e;
    const struct pc_copy_config *config = j->c->config;
    const unsigned end = pc_mounts_pick(config->sources, e->dir->seq, e->seq);
    struct pc_handle dir;
    const char *operation = "open";

    int err = pc_tree_open(config->tree, e->dir, end, &dir);
    if (err)
        return fail_source(j->r, operation, err);
    if (e->type == S_IFREG) {
        err = pc_sys_open_file(dir, e->name, &j->from);
        if (!err) {
            operation = "stat";
            err = pc_sys_stat(j->from, &j->src);
        }
    } else {
        operation = "stat";
        err = pc_sys_stat_at(dir, e->name, &j->src);
        if (!err && S_ISLNK(j->src.st_mode)) {
            operation = "read symbolic link";
            err = pc_sys_readlink(dir, e->name, j->c->buffer, PATH_MAX);
        }
    }
    pc_tree_close(e->dir, end);
    if (!err && (j->src.st_mode & S_IFMT) != e->type) {
        j->r->why = "its type changed while the tree was read";
        err = -EINVAL;
    }
    return err ? fail_source(j->r, operation, err) : true;
}

/* An entry that is not a directory and whose source is open. */
static void copy_from(struct job *j)
{
    const struct pc_copy_config *config = j->c->config;
    const struct pc_entry *first = NULL;

    if (config->keep.links && j->src.st_nlink > 1) {
        const int role = pc_tree_join(config->tree, j->e, &j->src);
        if (role < 0) {
            fail(j->r, PC_SOURCE, "note the hard links of", role);
            return;
        }
        if (role == PC_LINK_LATER) { /* the entry may be another thread's by now */
            j->r->outcome = PC_POSTPONED;
            return;
        }
        if (role == PC_LINK_MAKE) {
            first = pc_tree_first(j->e);
            j->e->mount = first->mount; /* a link across mount points gives EXDEV */
        }
    }
    const unsigned end = target_end(config, j->e);
    if (pc_tree_open(config->tree, j->e->dir, end, &j->dir) != 0)
        return; /* pc_copy_dir() will say why */
    if (make(j, first))
        complete(j, first);
    pc_tree_close(j->e->dir, end);
}

/* The end through which a directory is made and gets its metadata. */
static unsigned dir_end(const struct pc_copy_config *config, const struct pc_dir *dir)
{
    return config->sources->count + pc_mounts_pick(config->targets, dir->seq, 0);
}

static void make_dir(struct pc_copier *c, struct pc_dir *dir, struct pc_result *r)
{
    const unsigned end = dir_end(c->config, dir);
    struct pc_handle h;
    if (dir->implied)
        return;
    if (pc_tree_open(c->config->tree, dir, end, &h) == 0) {
        pc_tree_close(dir, end);
        r->outcome = dir->made ? PC_COPIED_DIR : PC_SKIPPED_DIR;
    }
}

void pc_copy_entry(struct pc_copier *c, struct pc_entry *entry, struct pc_result *result)
{
    *result = (struct pc_result){.outcome = PC_ABANDONED};
    if (entry->type == S_IFDIR) {
        make_dir(c, entry->dir, result);
        return;
    }
    struct job j;
    j.c = c;
    j.e = entry;
    j.r = result;
    j.from = PC_HANDLE_NONE;
    entry->mount = pc_mounts_pick(c->config->targets, entry->dir->seq, entry->seq);
    if (open_source(&j))
        copy_from(&j);
    if (pc_handle_open(j.from))
        pc_sys_close(&j.from); /* only read: no error can matter */
}

/* Metadata of a directory that is open at the destination. */
static void complete_dir(const struct pc_copy_config *config, struct pc_dir *dir,
                         struct pc_handle to, struct pc_result *r)
{
    const struct pc_keep *keep = &config->keep;
    const unsigned source = pc_mounts_pick(config->sources, dir->seq, 0);
    struct pc_handle from = PC_HANDLE_NONE;
    struct stat now;
    int err = 0;

    if (keep->acl || keep->xattr) {
        err = pc_tree_open(config->tree, dir, source, &from);
        if (err) {
            fail_source(r, "open", err);
            return;
        }
    }
    const char *operation = "stat";
    if (dir->made) /* nobody has changed it since */
        now = dir->there;
    else
        err = pc_sys_stat(to, &now);
    if (!err)
        err = pc_meta_apply(keep, from, &dir->st, to, &now, &r->lost, &operation);
    /* The times that one mount has cached say nothing of what was made through another. */
    const bool moved = atomic_load_explicit(&dir->touched, memory_order_relaxed);
    if (!err && keep->times && (moved || !pc_meta_same_mtime(&dir->st, &now))) {
        operation = "set times of";
        err = pc_sys_times(to, dir->st.st_atim, dir->st.st_mtim);
    }
    if (err)
        fail(r, dir_end(config, dir), operation, err);
    if (pc_handle_open(from))
        pc_tree_close(dir, source);
}

void pc_copy_dir(struct pc_copier *c, struct pc_dir *dir, struct pc_result *result)
{
    const struct pc_copy_config *config = c->config;
    const unsigned end = dir_end(config, dir);
    struct pc_handle to;

    *result = (struct pc_result){.outcome = PC_ABANDONED};
    if (!dir->error && !dir->implied && pc_tree_open(config->tree, dir, end, &to) == 0) {
        complete_dir(config, dir, to, result);
        pc_tree_close(dir, end);
    }
    if (dir->error) /* whoever came upon it */
        fail(result, dir->error_end, "make or open directory", dir->error);
}
