/*
 * The bytes of a file, in the cheapest way that the two file systems know:
 *
 *      share the blocks (FICLONE)  ->  done, whatever the size
 *      else range after range: next_range() takes one, copy_range() copies it
 *              let the server copy (copy_file_range), where both ends are on a network
 *              or read and write, leaving out zeros where that is asked for
 *
 * A range is a piece of one run of data between holes and ends where a multiple of `range` bytes is
 * reached, so no two ranges share a page or what a mount writes at once. Holes are never taken.
 *
 * THREADS. A small file is copied by the thread that has it. For a big one copy_next() runs in
 * several threads at the same time (ranges.h): they share `struct file`, whose changing part is
 * under its lock, and have nothing else in common but the open files. A range goes through the
 * mount point that its offset selects. The first failure counts; it leaves no range to be taken.
 *
 * PAGE CACHE. A big file must not push what others have cached out of memory, nor fill it with data
 * that waits to be written until every writer is held up: so write-back of a range is started when
 * it is complete, and when the copy is WINDOW ranges further on, it is waited for and the range is
 * let go. What somebody else has cached of the source stays.
 */
#include "pcopy/data.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

/*
 * Ranges of a file that may wait to be written. 32 files of 128 MiB to ext4 in memory, 2 threads:
 * 1.6 times the speed of cp with 4, whose pages then add up to what the kernel slows writers down
 * for; 1.9 times with 2.
 */
#define WINDOW 2

/* A file of so many ranges is copied in them even if it is not split, for what PAGE CACHE says. */
#define LARGE_RANGES 4

/* What is written back at once while a range is copied. */
#define PIECE ((off_t)1024 * 1024)

/* Zeros are left out in whole blocks of this size, the smallest that common file systems have. */
#define BLOCK ((size_t)4096)

/*
 * Below this size blocks are not shared unless that is asked for: the work of the file system on
 * its maps is then more than reading and writing what is in the cache. XFS, one thread: 50 us for a
 * file of 16 KiB either way, 39 against 78 us for one of 64 KiB, 40 against 120 us for 256 KiB.
 */
#define CLONE_MIN ((off_t)32 * 1024)

/* Most that one call of copy_file_range() gets: it cannot be interrupted. */
#define OFFLOAD_MAX ((size_t)1 << 30)

/* A file on its way. */
struct file {
    struct pc_big big; /* for ranges.h, which hands it back to copy_next() */
    const struct pc_data_config *config;
    struct pc_data *data;
    struct pc_sums_hash *hash;
    bool large;         /* it is copied in ranges, by one thread or by several */
    atomic_bool detect; /* zeros are looked for */
    atomic_bool offload;
    pthread_mutex_t lock; /* for what follows, and the results in `data` */
    off_t at;             /* what comes before is taken */
    off_t run_end;        /* of the run of data that `at` is in, if it is not behind it */
    bool map;             /* the source is asked where its holes are */
};

struct range {
    off_t at;
    off_t end;
};

/* --- what pairs of file systems can do --- */

enum { CANNOT_CLONE = 1, CANNOT_OFFLOAD = 2, CANNOT = 3 };

static atomic_uint_fast64_t *slot_of(const struct file *f, uint64_t *key)
{
    uint64_t h = (uint64_t)f->data->src->st_dev * 0x9e3779b97f4a7c15U;
    h = (h ^ (uint64_t)f->data->to_device) * 0x9e3779b97f4a7c15U;
    *key = h & ~(uint64_t)CANNOT;
    return &f->config->pairs->slots[h >> 32 & (PC_PAIRS - 1)];
}

static bool can(const struct file *f, unsigned what)
{
    uint64_t key;
    /* relaxed, here and below: a fact of its own; who does not see it finds it out. */
    const uint64_t known = atomic_load_explicit(slot_of(f, &key), memory_order_relaxed);
    return (known & ~(uint64_t)CANNOT) != key || !(known & what);
}

/* Notes that a call is not for this pair, if that is what its error means. */
static void note_cannot(const struct file *f, unsigned what, int err)
{
    uint64_t key;
    atomic_uint_fast64_t *slot = slot_of(f, &key);
    if (err != -EXDEV && err != -EOPNOTSUPP && err != -ENOSYS && err != -ENOTTY && err != -EINVAL)
        return;
    const uint64_t known = atomic_load_explicit(slot, memory_order_relaxed);
    if ((known & ~(uint64_t)CANNOT) == key)
        what |= (unsigned)(known & CANNOT);
    atomic_store_explicit(slot, key | what, memory_order_relaxed);
}

/* --- one range --- */

/* Notes a failure if it is the first, and ends the file. Returns false. */
static bool fail(struct file *f, unsigned end, const char *operation, int err)
{
    struct pc_data *d = f->data;
    pthread_mutex_lock(&f->lock);
    f->at = d->src->st_size;
    if (!d->err) {
        d->err = err;
        d->end = end;
        d->operation = operation;
    }
    pthread_mutex_unlock(&f->lock);
    return false;
}

static bool fail_short(struct file *f)
{
    pthread_mutex_lock(&f->lock);
    if (!f->data->err) {
        f->data->why = "the file became shorter while it was read";
        f->data->shrunk = true;
    }
    pthread_mutex_unlock(&f->lock);
    return fail(f, PC_SOURCE, "read", -EIO);
}

static void leave_out(struct file *f, off_t bytes)
{
    pthread_mutex_lock(&f->lock);
    f->data->holes += bytes;
    pthread_mutex_unlock(&f->lock);
}

/* How many bytes at the start of the buffer, in whole blocks, are zero, or are not. */
static size_t same_blocks(const char *buffer, size_t size, bool *zero)
{
    size_t n = 0;
    while (n < size) {
        const size_t length = size - n < BLOCK ? size - n : BLOCK;
        const char *block = buffer + n;
        const bool is_zero = block[0] == 0 && memcmp(block, block + 1, length - 1) == 0;
        if (n == 0)
            *zero = is_zero;
        else if (is_zero != *zero)
            break;
        n += length;
    }
    return n;
}

/* Writes the buffer, or what of it is not zero. */
static int write_block(struct file *f, struct pc_handle to, const char *buffer, size_t size,
                       off_t at)
{
    /* relaxed: it says how to copy, not what. */
    if (!atomic_load_explicit(&f->detect, memory_order_relaxed))
        return pc_sys_write(to, buffer, size, at);
    size_t done = 0;
    while (done < size) {
        bool zero = false;
        const size_t n = same_blocks(buffer + done, size - done, &zero);
        const int err = zero ? 0 : pc_sys_write(to, buffer + done, n, at + (off_t)done);
        if (err)
            return err;
        if (zero)
            leave_out(f, (off_t)n);
        done += n;
    }
    return 0;
}

static int wait_for_limits(const struct file *f, size_t size)
{
    const struct pc_data_config *config = f->config;
    int err = atomic_load_explicit(config->stop, memory_order_relaxed) ? -ECANCELED : 0;
    if (!err)
        err = pc_limit_take(config->operations, 1, config->stop);
    return err ? err : pc_limit_take(config->bandwidth, size, config->stop);
}

/* Lets the file system copy, as far as it does. */
static bool offload(struct file *f, struct pc_handle from, const struct pc_data_file *to,
                    struct range *r, void *owner)
{
    while (r->at < r->end && atomic_load_explicit(&f->offload, memory_order_relaxed)) {
        const off_t left = r->end - r->at;
        const size_t size = left < (off_t)OFFLOAD_MAX ? (size_t)left : OFFLOAD_MAX;
        const int err = wait_for_limits(f, size);
        if (err)
            return fail(f, to->end, "write", err);
        const ssize_t n = pc_sys_copy_range(from, r->at, to->file, r->at, size);
        if (n == -ENOSPC || n == -EDQUOT)
            return fail(f, to->end, "write", (int)n);
        if (n <= 0) { /* or 0 of a file that became shorter: reading will tell */
            note_cannot(f, CANNOT_OFFLOAD, (int)n);
            atomic_store_explicit(&f->offload, false, memory_order_relaxed);
            break;
        }
        r->at += n;
        f->config->copied(owner, (uint64_t)n);
    }
    return true;
}

static bool is_all_taken(struct file *f)
{
    pthread_mutex_lock(&f->lock);
    const bool all = f->at >= f->data->src->st_size;
    pthread_mutex_unlock(&f->lock);
    return all;
}

/* Keeps the page cache for others; see PAGE CACHE. */
static bool let_go(struct file *f, const struct range *r, const struct pc_data_file *to,
                   bool was_cached)
{
    const struct pc_data *d = f->data;
    const off_t length = (off_t)f->config->range;
    const uint64_t number = (uint64_t)r->at / f->config->range;
    const off_t behind = (off_t)(number - WINDOW) * length;

    if (!was_cached)
        pc_sys_forget(d->from[number % d->from_count].file, r->at, r->end - r->at);
    if (!to)
        return true;
    /* Nobody comes later to wait for the last ones. An NFS client that has a lot on its way starts
     * no more unless somebody waits, so fsync() would write them, one mount after the other. */
    const bool wait = f->config->flush && is_all_taken(f);
    int err = pc_sys_write_back(to->file, r->at, r->end - r->at, wait);
    if (!err && number >= WINDOW) {
        to = &d->to[(number - WINDOW) % d->to_count];
        err = pc_sys_write_back(to->file, behind, length, true);
        pc_sys_forget(to->file, behind, length);
    }
    return err ? fail(f, to->end, "write", err) : true;
}

/*
 * Tells the journal that a range is there. It records that after the destination was flushed
 * (pc_journal_commit()), which on a network is done for each file.
 */
static bool record(struct file *f, const struct range *r, const struct pc_data_file *to)
{
    const struct pc_data *d = f->data;
    if (!d->journal || !to)
        return true;
    const int err = f->config->flush ? pc_sys_fsync(to->file) : 0;
    if (err)
        return fail(f, to->end, "flush", err);
    pc_journal_add_range(d->journal, d->journal_number, (uint64_t)r->at, (uint64_t)r->end);
    return true;
}

/*
 * Of a file that is to be flushed, sends what was written up to `at`, a piece at a time, so that
 * the connection is in use while the next one is read.
 */
static bool send_on(struct file *f, const struct pc_data_file *to, off_t *sent, off_t at)
{
    struct pc_ranges *ranges = f->config->ranges;
    if (!f->config->flush || at - *sent < PIECE)
        return true;
    const bool wait = ranges && pc_ranges_begin(ranges);
    const int err = pc_sys_write_back(to->file, *sent, at - *sent, wait);
    if (wait)
        pc_ranges_end(ranges);
    *sent = at;
    return err ? fail(f, to->end, "write", err) : true;
}

/* Bytes of the source to the new file, if there is one, and to the checksum. */
static bool copy_range(struct file *f, struct range r, struct pc_hand *hand)
{
    const struct pc_data_config *config = f->config;
    const struct pc_data *d = f->data;
    const struct range whole = r;
    off_t sent = r.at; /* write-back of what comes before was started */
    const uint64_t number = (uint64_t)r.at / config->range;
    const struct pc_handle from = d->from[number % d->from_count].file;
    const struct pc_data_file *to = d->to_count ? &d->to[number % d->to_count] : NULL;
    if (d->begun && pc_journal_has_range(d->begun, (uint64_t)r.at, (uint64_t)r.end))
        return true;
    const bool was_cached = f->large && pc_sys_is_cached(from, r.at, r.end - r.at);
    if (to && !offload(f, from, to, &r, hand->owner))
        return false;
    if (f->large && !was_cached && r.at < r.end)
        pc_sys_expect(from, r.at, r.end - r.at);
    while (r.at < r.end) {
        const off_t left = r.end - r.at;
        const size_t size = left < (off_t)config->buffer_size ? (size_t)left : config->buffer_size;
        int err = wait_for_limits(f, size);
        if (err)
            return fail(f, to ? to->end : PC_SOURCE, "copy", err);
        const ssize_t n = pc_sys_read(from, hand->buffer, size, r.at);
        if (n < 0)
            return fail(f, PC_SOURCE, "read", (int)n);
        if ((size_t)n < size)
            return fail_short(f);
        if (f->hash)
            pc_sums_update(f->hash, hand->buffer, size);
        if (to) {
            err = write_block(f, to->file, hand->buffer, size, r.at);
            if (err)
                return fail(f, to->end, "write", err);
            config->copied(hand->owner, size);
        }
        r.at += (off_t)size;
        if (to && f->large && !send_on(f, to, &sent, r.at))
            return false;
    }
    return !f->large || (let_go(f, &whole, to, was_cached) && record(f, &whole, to));
}

/* --- all ranges --- */

/* Behind the end of a file that became shorter there is no data either: that is no hole. */
static int find_end(const struct file *f, bool *shrunk)
{
    struct stat now;
    const int err = pc_sys_stat(f->data->from[0].file, &now);
    *shrunk = !err && now.st_size < f->data->src->st_size;
    return err;
}

/* A hole is so many zeros to the checksum. */
static void pass_hole(struct file *f, off_t end)
{
    f->data->holes += end - f->at;
    if (f->hash)
        pc_sums_zeros(f->hash, (uint64_t)(end - f->at));
    f->at = end;
}

/*
 * Goes to the next run of data, under lock. Returns 0 or a negative errno of `*operation`; with
 * *shrunk it is nothing but that.
 */
static int next_run(struct file *f, const char **operation, bool *shrunk)
{
    const off_t size = f->data->src->st_size;
    off_t begin = f->at;
    off_t end = size;
    if (!f->map) {
        f->run_end = size;
        return 0;
    }
    int err = pc_sys_next_data(f->data->from[0].file, f->at, &begin, &end);
    if (err == -ENXIO) {
        *operation = "stat";
        err = find_end(f, shrunk);
        begin = end = size;
    } else {
        *operation = "find data in";
    }
    if (err || *shrunk)
        return err;
    /* It has grown, and what came later is not ours; or it changed under our eyes and there is a
     * hole now where we were told of data: then copy the rest as it is, do not ask again. */
    if (begin > size)
        begin = size;
    if (end > size || end <= begin)
        end = size;
    /* Fewer blocks than bytes, and yet no hole: there is no map, or it is compressed. */
    if (f->at == 0 && begin == 0 && end == size)
        atomic_store_explicit(&f->detect, f->data->to_count > 0, memory_order_relaxed);
    pass_hole(f, begin);
    f->run_end = end;
    return 0;
}

/* Takes the next range. False if there is none left. */
static bool next_range(struct file *f, struct range *r)
{
    const off_t size = f->data->src->st_size;
    const off_t length = (off_t)f->config->range;
    const char *operation = NULL;
    bool shrunk = false;
    int err = 0;

    pthread_mutex_lock(&f->lock);
    if (f->at < size && f->at >= f->run_end)
        err = next_run(f, &operation, &shrunk);
    const bool found = !err && !shrunk && f->at < size;
    if (found) {
        r->at = f->at;
        r->end = (f->at / length + 1) * length;
        if (r->end > f->run_end || !f->large)
            r->end = f->run_end;
        f->at = r->end;
    }
    pthread_mutex_unlock(&f->lock);
    if (shrunk)
        return fail_short(f);
    return err ? fail(f, PC_SOURCE, operation, err) : found;
}

/* Copies the range that is next; see pc_big. */
static bool copy_next(struct pc_big *big, struct pc_hand *hand)
{
    struct file *f = (struct file *)big; /* its first member */
    struct range r = {0};
    return next_range(f, &r) && copy_range(f, r, hand);
}

/* Shares the blocks of the source. False if the data is still to be copied. */
static bool share(struct file *f)
{
    const struct pc_data *d = f->data;
    const enum pc_when when = f->config->reflink;
    if (d->to_count == 0 || when == PC_WHEN_NEVER || f->config->sparse != PC_WHEN_AUTO ||
        (when == PC_WHEN_AUTO && (d->src->st_size < CLONE_MIN || !can(f, CANNOT_CLONE))))
        return false;
    const int err = pc_sys_clone(d->from[0].file, d->to[0].file);
    if (err && when == PC_WHEN_ALWAYS)
        fail(f, f->data->to[0].end, "share the blocks of the source with", err);
    else if (err)
        note_cannot(f, CANNOT_CLONE, err);
    return !err;
}

bool pc_data_is_big(const struct pc_data_config *config, const struct stat *src)
{
    return (uint64_t)src->st_size > config->split_size;
}

/* Ranges that others could take. */
static unsigned count_ranges(const struct file *f)
{
    const uint64_t n = (uint64_t)f->data->src->st_size / f->config->range;
    return n < 1024 ? (unsigned)n : 1024;
}

bool pc_data_copy(const struct pc_data_config *config, struct pc_data *data, struct pc_hand *hand)
{
    const struct stat *src = data->src;
    struct file f = {
        .big.step = copy_next,
        .config = config,
        .data = data,
        .hash = hand->hash,
        .large =
            pc_data_is_big(config, src) || (uint64_t)src->st_size >= LARGE_RANGES * config->range,
        .detect = config->sparse == PC_WHEN_ALWAYS && data->to_count,
        .lock = PTHREAD_MUTEX_INITIALIZER,
        /* st_blocks counts 512 bytes (stat(2)). Compression looks like holes too. */
        .map = config->sparse != PC_WHEN_NEVER &&
               (uint64_t)src->st_blocks * 512 < (uint64_t)src->st_size,
    };
    if (src->st_size == 0) {
        /* Under /proc and the like sizes are 0 and lie. Better an error than an empty copy. */
        const ssize_t n = pc_sys_read(data->from[0].file, hand->buffer, 1, 0);
        if (n == 1)
            data->why = "it has data although its size is 0";
        return n == 0 ? true : fail(&f, PC_SOURCE, "read", n < 0 ? (int)n : -EIO);
    }
    const bool shared = share(&f);
    if (data->err || (shared && !f.hash))
        return !data->err;
    if (shared) /* then it is only read */
        data->to_count = 0;
    atomic_init(&f.offload, config->server_copies && config->reflink != PC_WHEN_NEVER && !f.hash &&
                                config->sparse == PC_WHEN_AUTO && can(&f, CANNOT_OFFLOAD));
    if (config->reserve && data->to_count && !f.map) {
        const int err = pc_sys_reserve(data->to[0].file, src->st_size);
        if (err && err != -EOPNOTSUPP)
            return fail(&f, data->to[0].end, "reserve space for", err);
    }

    if (pc_data_is_big(config, src) && config->ranges)
        pc_ranges_copy(config->ranges, &f.big, hand, f.hash ? 0 : count_ranges(&f));
    else
        while (copy_next(&f.big, hand))
            continue;
    if (!data->err && data->holes && data->to_count) {
        const int err = pc_sys_truncate(data->to[0].file, src->st_size);
        if (err)
            return fail(&f, data->to[0].end, "set size of", err);
    }
    return !data->err;
}
