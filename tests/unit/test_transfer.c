/*
 * The whole pipeline in this process: with many and few threads, with every system call failing in
 * turn, and ended by signals. What is compared is compared here, not by the source under test.
 */
#include "scratch.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "pcopy/transfer.h"

/* Sanitizers make every call slow: under them the sweeps take longer steps. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STRIDE 3
#else
#define STRIDE 1
#endif

/* Flushing is counted and not done: a thousand runs would wait for the disk. */
static atomic_uint fsyncs;
static atomic_uint syncfss;

int fsync(int fd)
{
    (void)fd;
    atomic_fetch_add(&fsyncs, 1);
    return 0;
}

int syncfs(int fd)
{
    (void)fd;
    atomic_fetch_add(&syncfss, 1);
    return 0;
}

/* --- runs --- */

struct way {
    unsigned jobs;
    unsigned walkers;
    size_t queue_size;
    bool two_mounts; /* m1 and m2, which are one directory */
    bool everything; /* owner, ACLs, extended attributes */
    enum pc_fsync fsync;
    const char *journal;
};

static const struct way plain = {.jobs = 1, .walkers = 1, .queue_size = 8192};

/* One that leaves nothing out. */
static struct pc_filter *no_filter(void)
{
    static struct pc_filter *filter;
    if (!filter)
        MUST(pc_filter_new(&filter) == 0);
    return filter;
}

/* "src" to "dst". */
static enum pc_status run(const struct way *way)
{
    static char *identity[] = {NULL};
    static const char *source = "src";
    static const char *mounts[2] = {"m1", "m2"};
    const struct pc_options o = {
        .sources = &source,
        .source_count = 1,
        .target = "dst",
        .mounts = {mounts, way->two_mounts ? 2 : 0},
        .allow_rootfs = true,
        .jobs = way->jobs,
        .walkers = way->walkers,
        .keep = {.mode = true,
                 .times = true,
                 .links = true,
                 .owner = way->everything,
                 .acl = way->everything,
                 .xattr = way->everything,
                 .umask = 022,
                 .uid = geteuid(),
                 .gid = getegid()},
        .quiet = true,
        .filter = no_filter(),
        .journal = way->journal,
        .identity = identity,
        .fsync = way->fsync,
        .fail_on = PC_FINDINGS,
        .queue_size = way->queue_size,
        .buffer_size = 4096,
    };
    return pc_transfer_run(&o);
}

/* Standard error goes nowhere meanwhile. */
static int silenced = -1;

static void silence(void)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    silenced = dup(STDERR_FILENO);
    MUST(null >= 0 && silenced >= 0 && dup2(null, STDERR_FILENO) >= 0);
    close(null);
}

static void unsilence(void)
{
    MUST(dup2(silenced, STDERR_FILENO) >= 0);
    close(silenced);
}

/* --- comparing --- */

static char difference[2 * PATH_MAX + 128];

static bool differ(const char *path, const char *what)
{
    snprintf(difference, sizeof difference, "%s: %s", path, what);
    return false;
}

/* Inodes of one side by those of the other, to see that hard links are the same. */
static struct {
    ino_t a;
    ino_t b;
} linked[4096];
static size_t linked_count;

static bool same_link(const struct stat *a, const struct stat *b)
{
    if (a->st_nlink != b->st_nlink)
        return false;
    for (size_t i = 0; i < linked_count; i++) {
        if (linked[i].a == a->st_ino || linked[i].b == b->st_ino)
            return linked[i].a == a->st_ino && linked[i].b == b->st_ino;
    }
    MUST(linked_count < sizeof linked / sizeof linked[0]);
    linked[linked_count].a = a->st_ino;
    linked[linked_count++].b = b->st_ino;
    return true;
}

static bool same_xattr(const char *a, const char *b)
{
    char values[2][64] = {"", ""};
    return lgetxattr(a, "user.colour", values[0], sizeof values[0]) ==
               lgetxattr(b, "user.colour", values[1], sizeof values[1]) &&
           memcmp(values[0], values[1], sizeof values[0]) == 0;
}

static size_t count_names(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    if (!d)
        return 0;
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

/* True if `b` is what a copy of `a` shall be; else `difference` says where it is not. */
static bool is_copy(const char *a, const char *b, bool everything)
{
    struct stat sa;
    struct stat sb;
    MUST(lstat(a, &sa) == 0);
    if (lstat(b, &sb) != 0)
        return differ(a, "is missing");
    if (sa.st_mode != sb.st_mode)
        return differ(a, "type or mode");
    if (sa.st_mtim.tv_sec != sb.st_mtim.tv_sec || sa.st_mtim.tv_nsec != sb.st_mtim.tv_nsec)
        return differ(a, "mtime");
    if (everything && (sa.st_uid != sb.st_uid || sa.st_gid != sb.st_gid))
        return differ(a, "owner");
    if (everything && !S_ISLNK(sa.st_mode) && !same_xattr(a, b))
        return differ(a, "extended attribute");
    if (S_ISREG(sa.st_mode) && (sa.st_size != sb.st_size || !same_bytes(a, b)))
        return differ(a, "content");
    if (!S_ISDIR(sa.st_mode) && (sa.st_nlink > 1 || sb.st_nlink > 1) && !same_link(&sa, &sb))
        return differ(a, "hard links");
    if (S_ISLNK(sa.st_mode)) {
        char targets[2][PATH_MAX] = {"", ""};
        MUST(readlink(a, targets[0], PATH_MAX - 1) > 0);
        if (readlink(b, targets[1], PATH_MAX - 1) < 0 || strcmp(targets[0], targets[1]) != 0)
            return differ(a, "target");
    }
    if (!S_ISDIR(sa.st_mode))
        return true;
    if (count_names(a) != count_names(b))
        return differ(a, "number of names");
    DIR *d = opendir(a);
    MUST(d != NULL);
    bool same = true;
    const struct dirent *e;
    while (same && (e = readdir(d))) {
        char paths[2][PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(paths[0], PATH_MAX, "%s/%s", a, e->d_name);
        snprintf(paths[1], PATH_MAX, "%s/%s", b, e->d_name);
        same = is_copy(paths[0], paths[1], everything);
    }
    closedir(d);
    return same;
}

static bool is_equal_tree(const char *a, const char *b, bool everything)
{
    linked_count = 0;
    return is_copy(a, b, everything);
}

/* True if what a run has left is honest: nothing looks finished that is not, no temporary names. */
static bool is_honest(const char *src, const char *dst, bool temporaries_allowed)
{
    DIR *d = opendir(dst);
    if (!d)
        return true;
    bool good = true;
    const struct dirent *e;
    while (good && (e = readdir(d))) {
        char paths[2][PATH_MAX];
        struct stat a;
        struct stat b;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(paths[0], PATH_MAX, "%s/%s", src, e->d_name);
        snprintf(paths[1], PATH_MAX, "%s/%s", dst, e->d_name);
        MUST(lstat(paths[1], &b) == 0);
        if (strstr(e->d_name, ".pcopy-"))
            good = temporaries_allowed || differ(paths[1], "a temporary is left");
        else if (S_ISDIR(b.st_mode))
            good = is_honest(paths[0], paths[1], temporaries_allowed);
        else if (lstat(paths[0], &a) == 0 && S_ISREG(a.st_mode) && S_ISREG(b.st_mode) &&
                 a.st_size == b.st_size && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
                 a.st_mtim.tv_nsec == b.st_mtim.tv_nsec)
            good =
                same_bytes(paths[0], paths[1]) || differ(paths[1], "it looks complete and is not");
    }
    closedir(d);
    return good;
}

/* --- every call fails once --- */

/* One of each kind, in few entries. `variant` changes contents and times. */
static void make_small_tree(const char *top, uint32_t variant)
{
    char at[PATH_MAX];
#define AT(name) (snprintf(at, sizeof at, "%s/%s", top, name), at)
    put_dir(top);
    put_dir(AT("d"));
    put_dir(AT("d/e"));
    put_dir(AT("d/e/empty"));
    put_noise(AT("two-blocks"), 5000, variant);
    put_noise(AT("d/setuid"), 10, variant);
    put("name", "x");
    MUST(rename("name", AT("d/e/small")) == 0);
    put(AT("nothing"), "");
    MUST(chmod(AT("d/setuid"), 04711) == 0);
    MUST(chmod(AT("nothing"), 0400) == 0);
    put_noise(AT("holes"), 3000, variant + 2);
    MUST(truncate(AT("holes"), 300000) == 0);
    const int fd = open(AT("holes"), O_WRONLY | O_CLOEXEC);
    MUST(fd >= 0 && pwrite(fd, "data", 4, 200000) == 4 && close(fd) == 0);
    MUST(symlink(variant ? "one target" : "another", AT("d/link")) == 0);
    MUST(mkfifo(AT("d/fifo"), 0600) == 0);
    put_noise(AT("d/linked"), 100, variant + 1);
    char other[PATH_MAX];
    snprintf(other, sizeof other, "%s/d/e/linked-too", top);
    MUST(link(AT("d/linked"), other) == 0);
    setxattr(AT("two-blocks"), "user.colour", "green", 5, 0);
    const char *const names[] = {"d/e/small", "d/linked", "two-blocks", "d/link",
                                 "d/fifo",    "nothing",  "holes",      "d/setuid",
                                 "d/e/empty", "d/e",      "d",          "."};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        set_mtime(AT(names[i]), 1000000000 + (time_t)i + (time_t)100 * variant, (long)i + 1);
    set_mtime(AT("d/fifo"), 5, 6); /* in each variant: that of another time is another test's */
    set_mtime(AT("d"), 1000000000 + variant, 7);
    MUST(chmod(AT("d/e"), 0555) == 0);
#undef AT
}

static atomic_int calls_left;
static atomic_int fault;
static atomic_bool fired;
static char fired_call[32];

static int fail_once(const char *call)
{
    if (atomic_fetch_sub(&calls_left, 1) != 0)
        return 0;
    snprintf(fired_call, sizeof fired_call, "%s", call);
    atomic_store(&fired, true);
    return atomic_load(&fault);
}

/* What is at the destination before the run that has the fault. */
enum before {
    NOTHING,
    ANOTHER, /* a tree with other contents, files in each other's place */
    EQUAL,   /* the finished copy */
    BEFORES
};

static const char *const before_names[] = {"nothing", "another tree", "an equal tree"};

static void prepare(enum before before, const struct way *way)
{
    const char *const dst = way->two_mounts ? "m1/dst" : "dst";
    scratch_remove(dst);
    if (before == EQUAL)
        MUST(run(way) == PC_STATUS_DONE);
    if (before == ANOTHER)
        make_small_tree(dst, 1);
}

static bool sweep_failed(const char *text, int n, enum before before, const struct way *way,
                         enum pc_status status)
{
    printf("fault %d (%s, %s) onto %s, -j %u%s, status %d: %s: %s\n", n, fired_call,
           strerror(-atomic_load(&fault)), before_names[before], way->jobs,
           way->two_mounts ? ", two mounts" : "", (int)status, text, difference);
    return false;
}

/* Each call fails once, from the first to where there are no more. Prints what is wrong with a
 * run. */
static bool sweep(const struct way *way, enum before before, int err, int step)
{
    const char *const dst = way->two_mounts ? "m1/dst" : "dst";
    bool good = true;
    unsigned failures = 0;
    atomic_store(&fault, err);
    silence();
    for (int n = 0;; n += step) {
        prepare(before, way);
        *difference = '\0';
        atomic_store(&fired, false);
        atomic_store(&calls_left, n);
        pc_sys_set_fault(fail_once);
        const enum pc_status status = run(way);
        pc_sys_set_fault(NULL);
        if (!atomic_load(&fired)) {
            good &= status == PC_STATUS_DONE || sweep_failed("no fault", n, before, way, status);
            break;
        }
        if (!is_honest("src", dst, strcmp(fired_call, "unlinkat") == 0))
            good = sweep_failed("dishonest", n, before, way, status);
        if (status == PC_STATUS_DONE && !is_equal_tree("src", dst, way->everything))
            good = sweep_failed("done but not equal", n, before, way, status);
        failures += status != PC_STATUS_DONE;
        const enum pc_status second = run(way);
        if (second != PC_STATUS_DONE)
            good = sweep_failed("the next run failed", n, before, way, second);
        else if (!is_equal_tree("src", dst, way->everything))
            good = sweep_failed("not repaired", n, before, way, status);
        if (n > 5000)
            good = sweep_failed("there is no end", n, before, way, status);
        if (n > 5000)
            break;
    }
    unsilence();
    return good && (int)failures > 20 / step;
}

static void sweep_all(struct way way, int step)
{
    bool good = true;
    make_small_tree("src", 0);
    if (way.two_mounts) {
        put_dir("m1");
        MUST(symlink("m1", "m2") == 0);
    }
    for (int before = NOTHING; before < BEFORES; before++) {
        good &= sweep(&way, (enum before)before, -EIO, step * STRIDE);
        good &= sweep(&way, (enum before)before, -ENOSPC, 7 * STRIDE);
    }
    assert_true(good);
}

static void one_fault_is_reported_and_repaired_by_the_next_run(void **state)
{
    (void)state;
    sweep_all(plain, 1);
}

static void one_fault_is_reported_and_repaired_with_four_threads(void **state)
{
    (void)state;
    sweep_all((struct way){.jobs = 4, .walkers = 2, .queue_size = 8192}, 2);
}

static void one_fault_is_reported_and_repaired_over_two_mounts(void **state)
{
    (void)state;
    sweep_all((struct way){.jobs = 1, .walkers = 1, .queue_size = 64, .two_mounts = true}, 1);
}

static void one_fault_is_reported_and_repaired_with_all_metadata_and_fsync(void **state)
{
    (void)state;
    sweep_all(
        (struct way){
            .jobs = 1, .walkers = 1, .queue_size = 64, .everything = true, .fsync = PC_FSYNC_FILE},
        1);
}

/* In a child, which can lower its limit without having to raise it again. */
static void one_fault_is_reported_and_repaired_with_few_descriptors(void **state)
{
    (void)state;
    make_small_tree("src", 0);
    char at[64];
    for (int i = 0; i < 6; i++) { /* more directories than handles */
        snprintf(at, sizeof at, "src/d%d", i);
        put_dir(at);
        snprintf(at, sizeof at, "src/d%d/e", i);
        put_dir(at);
        snprintf(at, sizeof at, "src/d%d/e/f", i);
        put_dir(at);
        snprintf(at, sizeof at, "src/d%d/e/f/file", i);
        put(at, "text");
    }
    fflush(stdout);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        const struct rlimit limit = {36, 36};
        MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        const bool good = sweep(&plain, NOTHING, -EIO, STRIDE) && sweep(&plain, EQUAL, -EIO, 5);
        fflush(stdout);
        _exit(good ? 0 : 1);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

/* --- many threads, small queues --- */

#define STRESS_DIRS  120
#define STRESS_FILES 9

/* About 1,500 entries; the names of an inode are far apart. */
static void make_big_tree(void)
{
    char path[PATH_MAX];
    char other[PATH_MAX];
    put_dir("src");
    for (unsigned i = 0; i < STRESS_DIRS; i++) {
        if (i % 10 == 0)
            snprintf(path, sizeof path, "src/d%u", i);
        else
            snprintf(path, sizeof path, "src/d%u/d%u", i / 10 * 10, i);
        put_dir(path);
        for (unsigned j = 0; j < STRESS_FILES; j++) {
            const size_t n = strlen(path);
            snprintf(path + n, sizeof path - n, "/f%u", j);
            put_noise(path, (size_t)(i * 37 + j * 1001) % 9000, i * 100 + j);
            path[n] = '\0';
        }
        snprintf(other, sizeof other, "%.3000s/link", path);
        MUST(symlink("f0", other) == 0);
        snprintf(other, sizeof other, "%.3000s/fifo", path);
        MUST(mkfifo(other, 0640) == 0);
        snprintf(other, sizeof other, "%.3000s/hard", path);
        if (i < 40) {
            put_noise(other, 3000, i);
            continue;
        }
        const unsigned first = i % 40;
        if (first % 10 == 0)
            snprintf(path, sizeof path, "src/d%u/hard", first);
        else
            snprintf(path, sizeof path, "src/d%u/d%u/hard", first / 10 * 10, first);
        MUST(link(path, other) == 0);
    }
    for (unsigned i = 0; i < STRESS_DIRS; i += 10) { /* read-only, times of their own */
        snprintf(path, sizeof path, "src/d%u", i);
        set_mtime(path, 1000000 + (time_t)i, 5);
        MUST(chmod(path, i % 20 ? 0555 : 02755) == 0);
    }
    set_mtime("src", 999999, 7);
}

static void nothing_is_lost_or_doubled_whatever_the_threads(void **state)
{
    (void)state;
    const unsigned jobs[] = {1, 2, 3, 8, 32, 128};
    const unsigned walkers[] = {1, 4, 16};
    make_big_tree();
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        for (size_t j = 0; j < sizeof walkers / sizeof walkers[0]; j++) {
            const struct way way = {.jobs = jobs[i], .walkers = walkers[j], .queue_size = 2};
            assert_int_equal(run(&way), PC_STATUS_DONE);
            if (!is_equal_tree("src", "dst", false))
                fail_msg("-j %u, %u walkers: %s", jobs[i], walkers[j], difference);
            /* A second run finds all as it shall be; each third time it finds half of it. */
            if (j == 2) {
                scratch_remove("dst/d30");
                scratch_remove("dst/d80/d85");
                MUST(unlink("dst/d0/d3/hard") == 0);
            }
            assert_int_equal(run(&way), PC_STATUS_DONE);
            if (!is_equal_tree("src", "dst", false))
                fail_msg("again, -j %u, %u walkers: %s", jobs[i], walkers[j], difference);
            scratch_remove("dst");
        }
    }
}

static void two_mounts_share_the_work(void **state)
{
    (void)state;
    make_big_tree();
    put_dir("m1");
    MUST(symlink("m1", "m2") == 0);
    for (unsigned jobs = 1; jobs < 64; jobs += 21) {
        const struct way way = {.jobs = jobs, .walkers = 2, .queue_size = 2, .two_mounts = true};
        assert_int_equal(run(&way), PC_STATUS_DONE);
        if (!is_equal_tree("src", "m1/dst", false))
            fail_msg("-j %u: %s", jobs, difference);
        scratch_remove("m1/dst");
    }
}

static void few_descriptors_are_enough_for_many_threads(void **state)
{
    (void)state;
    make_big_tree();
    const rlim_t limits[] = {48, 64, 100};
    for (size_t i = 0; i < 3; i++) {
        const pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            const struct rlimit limit = {limits[i], limits[i]};
            MUST(setrlimit(RLIMIT_NOFILE, &limit) == 0);
            const struct way way = {.jobs = 128, .walkers = 4, .queue_size = 64};
            silence();
            const enum pc_status status = run(&way);
            unsilence();
            const bool good = status == PC_STATUS_DONE && is_equal_tree("src", "dst", false);
            if (!good)
                fprintf(stderr, "%u files: status %d, %s\n", (unsigned)limits[i], (int)status,
                        difference);
            _exit(good ? 0 : 1);
        }
        int status;
        MUST(waitpid(child, &status, 0) == child);
        scratch_remove("dst");
        assert_int_equal(status, 0);
    }
}

/* --- flushing --- */

static void what_was_asked_for_is_flushed(void **state)
{
    (void)state;
    const enum pc_fsync asked[] = {PC_FSYNC_NONE, PC_FSYNC_END, PC_FSYNC_FILE};
    make_small_tree("src", 0);
    for (size_t i = 0; i < 3; i++) {
        struct way way = plain;
        way.fsync = asked[i];
        atomic_store(&fsyncs, 0);
        atomic_store(&syncfss, 0);
        assert_int_equal(run(&way), PC_STATUS_DONE);
        assert_int_equal(atomic_load(&syncfss), asked[i] == PC_FSYNC_NONE ? 0 : 1);
        assert_int_equal(atomic_load(&fsyncs), asked[i] == PC_FSYNC_FILE ? 6 : 0);
        scratch_remove("dst");
    }
}

static atomic_uint syncfs_calls;

/* The kernel tells an error of write-back once. */
static int syncfs_fails_once(const char *call)
{
    return strcmp(call, "syncfs") == 0 && atomic_fetch_add(&syncfs_calls, 1) == 0 ? -EIO : 0;
}

static void a_flush_that_fails_fails_the_run(void **state)
{
    (void)state;
    const enum pc_fsync asked[] = {PC_FSYNC_END, PC_FSYNC_END, PC_FSYNC_NONE};
    make_small_tree("src", 0);
    for (size_t i = 0; i < 3; i++) {
        struct way way = plain;
        way.fsync = asked[i];
        way.journal = i > 0 ? "j" : NULL;
        atomic_store(&syncfs_calls, 0);
        silence();
        pc_sys_set_fault(syncfs_fails_once);
        const enum pc_status status = run(&way);
        pc_sys_set_fault(NULL);
        unsilence();
        assert_int_equal(status, PC_STATUS_RUN);
        assert_int_equal(atomic_load(&syncfs_calls), 1);
        scratch_remove("dst");
    }
}

/* --- directories that are not to be had --- */

static const char *failing_call;
static int failing_with;
static atomic_int before_it; /* so many such calls go well */

static int fail_one(const char *call)
{
    const bool it = strcmp(call, failing_call) == 0 && atomic_fetch_sub(&before_it, 1) == 0;
    return it ? failing_with : 0;
}

static enum pc_status run_failing(const struct way *way, const char *call, int n, int err)
{
    failing_call = call;
    failing_with = err;
    atomic_store(&before_it, n);
    silence();
    pc_sys_set_fault(fail_one);
    const enum pc_status status = run(way);
    pc_sys_set_fault(NULL);
    unsilence();
    assert_true(atomic_load(&before_it) < 0); /* it was made */
    return status;
}

static const struct way journaled = {
    .jobs = 1, .walkers = 1, .queue_size = 64, .journal = "journal"};

/* The directory below it has no error of its own, and is there no more than the one above. */
static void what_is_below_a_directory_that_failed_is_not_finished(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/d");
    put_dir("src/d/below");
    const enum pc_status status = run_failing(&journaled, "mkdirat", 1, -ENOSPC);
    assert_int_equal(status, PC_STATUS_RUN);
    assert_false(is_there("dst/d"));
    assert_int_equal(run(&journaled), PC_STATUS_DONE);
    assert_true(is_there("dst/d/below"));
}

static int stale_below(const char *call)
{
    return strcmp(call, "mkdirat") == 0 && is_there("dst") ? -ESTALE : 0;
}

/* Nothing in it fails in its place. */
static void an_empty_directory_that_stays_stale_is_an_error(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/d");
    silence();
    pc_sys_set_fault(stale_below);
    const enum pc_status status = run(&plain);
    pc_sys_set_fault(NULL);
    unsilence();
    assert_false(is_there("dst/d"));
    assert_int_equal(status, PC_STATUS_PARTIAL);
}

/* --- the journal --- */

static void an_error_of_the_journals_last_flush_fails_the_run(void **state)
{
    (void)state;
    make_small_tree("src", 0);
    struct way way = journaled;
    way.fsync = PC_FSYNC_END; /* which flushes once more: the kernel tells an error once */
    assert_int_equal(run_failing(&way, "syncfs", 0, -EIO), PC_STATUS_RUN);
}

static void a_journal_that_cannot_be_written_reaches_the_exit_status(void **state)
{
    (void)state;
    make_small_tree("src", 0);
    assert_int_equal(run_failing(&journaled, "fdatasync", 0, -EIO), PC_STATUS_PARTIAL);
    assert_true(is_equal_tree("src", "dst", false));
    scratch_remove("dst");
    assert_int_equal(run_failing(&journaled, "fdatasync", 1, -EIO), PC_STATUS_RUN);
}

/* --- exit status --- */

static void the_status_tells_refusals_from_failures(void **state)
{
    (void)state;
    const struct way mounts = {.jobs = 1, .walkers = 1, .queue_size = 8, .two_mounts = true};
    silence();
    const enum pc_status no_source = run(&plain);
    put_dir("src");
    put_dir("m1");
    const enum pc_status no_mount = run(&mounts);
    put("dst", "");
    const enum pc_status in_the_way = run(&plain);
    MUST(unlink("dst") == 0);
    put("src/f", "");
    put_dir("dst");
    put_dir("dst/f");
    const enum pc_status partial = run(&plain);
    unsilence();
    assert_int_equal(no_source, PC_STATUS_REFUSED);
    assert_int_equal(no_mount, PC_STATUS_REFUSED);
    assert_int_equal(in_the_way, PC_STATUS_REFUSED);
    assert_int_equal(partial, PC_STATUS_PARTIAL);
}

static int remove_before_open(const char *call)
{
    static unsigned n;
    if (strcmp(call, "pread") == 0 && n++ == 0)
        MUST(unlink("src/a") == 0 || unlink("src/b") == 0);
    if (strcmp(call, "pread") == 0 && !is_there("src/a") && is_there("src/b"))
        unlink("src/b");
    return 0;
}

static void what_vanishes_is_no_error_of_ours(void **state)
{
    (void)state;
    put_dir("src");
    put("src/a", "text");
    put("src/b", "text");
    silence();
    pc_sys_set_fault(remove_before_open); /* while one is read the other one goes */
    const enum pc_status status = run(&plain);
    pc_sys_set_fault(NULL);
    unsilence();
    assert_int_equal(status, PC_STATUS_VANISHED);
}

static void single_files_are_copied_too(void **state)
{
    (void)state;
    const char *sources[] = {"f", "l", "d"};
    put_noise("f", 10000, 1);
    put_dir("d");
    put("d/x", "text");
    MUST(symlink("f", "l") == 0 && link("f", "g") == 0);
    for (unsigned jobs = 1; jobs < 10; jobs += 4) {
        const struct pc_options o = {
            .sources = sources,
            .source_count = 3,
            .target = "a/b",
            .into = true,
            .jobs = jobs,
            .walkers = 1,
            .keep =
                {.mode = true, .times = true, .links = true, .uid = geteuid(), .gid = getegid()},
            .quiet = true,
            .filter = no_filter(),
            .fsync = PC_FSYNC_NONE,
            .queue_size = 2,
            .buffer_size = 4096,
        };
        assert_int_equal(pc_transfer_run(&o), PC_STATUS_DONE);
        assert_true(same_bytes("f", "a/b/f"));
        assert_int_equal(look_at("a/b/f").st_nlink, 1); /* its other name is no operand */
        assert_true(S_ISLNK(look_at("a/b/l").st_mode));
        assert_true(is_equal_tree("d", "a/b/d", false));
        assert_int_equal(look_at("a").st_mode & 07777, 0777);
        scratch_remove("a");
    }
}

/* --- signals --- */

static atomic_int signal_after;
static int signals_wanted;
static int signal_number;

static int raise_and_wait(const char *call)
{
    (void)call;
    if (atomic_fetch_sub(&signal_after, 1) != 0)
        return 0;
    for (int i = 0; i < signals_wanted; i++) {
        kill(getpid(), signal_number);
        poll(NULL, 0, 300); /* the monitor takes it meanwhile */
    }
    return 0;
}

/* Status of a run in a child that a signal reaches after some calls. */
static int run_with_signal(int number, int after, int wanted, const struct way *way, bool ignored)
{
    int status;
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        alarm(60);
        silence();
        if (ignored)
            signal(number, SIG_IGN);
        signal_number = number;
        signals_wanted = wanted;
        atomic_store(&signal_after, after);
        pc_sys_set_fault(raise_and_wait);
        _exit((int)run(way));
    }
    MUST(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void a_signal_ends_the_run_and_leaves_it_honest(void **state)
{
    (void)state;
    const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    make_big_tree();
    for (int i = 0; i < 9; i++) {
        const struct way way = {.jobs = (unsigned)i % 3 * 7 + 1, .walkers = 2, .queue_size = 64};
        if (i >= 6) { /* half of it has to be replaced */
            MUST(run(&way) == PC_STATUS_DONE);
            for (unsigned j = 0; j < STRESS_FILES; j++) {
                char path[64];
                snprintf(path, sizeof path, "dst/d%u/f%u", 10 * j, j);
                put(path, "old");
            }
        }
        const int status = run_with_signal(numbers[i % 3], 60 + i * 300, 1, &way, false);
        assert_int_equal(status, PC_STATUS_SIGNAL);
        if (!is_honest("src", "dst", false))
            fail_msg("%s", difference);
        assert_int_equal(run(&way), PC_STATUS_DONE);
        if (!is_equal_tree("src", "dst", false))
            fail_msg("%s", difference);
        scratch_remove("dst");
    }
}

static void a_signal_in_a_file_ends_it_at_the_next_block(void **state)
{
    (void)state;
    put_dir("src");
    put_noise("src/f", 400000, 1);
    put_noise("src/g", 400000, 2);
    const int status = run_with_signal(SIGTERM, 60, 1, &plain, false);
    assert_int_equal(status, PC_STATUS_SIGNAL);
    assert_false(is_there("dst/f") && is_there("dst/g"));
    assert_true(is_honest("src", "dst", false));
}

static void a_second_signal_ends_the_process_at_once(void **state)
{
    (void)state;
    make_small_tree("src", 0);
    /* The copy thread would wait for nine seconds. */
    const time_t before = time(NULL);
    assert_int_equal(run_with_signal(SIGTERM, 60, 30, &plain, false), PC_STATUS_SIGNAL);
    assert_true(time(NULL) - before < 5);
}

static void a_signal_that_was_ignored_stays_ignored(void **state)
{
    (void)state;
    make_small_tree("src", 0);
    assert_int_equal(run_with_signal(SIGHUP, 60, 1, &plain, true), PC_STATUS_DONE);
    assert_true(is_equal_tree("src", "dst", false));
}

int main(void)
{
    alarm(STRIDE * 115); /* a run that never ends is a failure, not a hanging test */
    prefer_memory();
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(one_fault_is_reported_and_repaired_by_the_next_run),
        SCRATCH_TEST(one_fault_is_reported_and_repaired_with_four_threads),
        SCRATCH_TEST(one_fault_is_reported_and_repaired_over_two_mounts),
        SCRATCH_TEST(one_fault_is_reported_and_repaired_with_all_metadata_and_fsync),
        SCRATCH_TEST(one_fault_is_reported_and_repaired_with_few_descriptors),
        SCRATCH_TEST(nothing_is_lost_or_doubled_whatever_the_threads),
        SCRATCH_TEST(two_mounts_share_the_work),
        SCRATCH_TEST(few_descriptors_are_enough_for_many_threads),
        SCRATCH_TEST(what_was_asked_for_is_flushed),
        SCRATCH_TEST(a_flush_that_fails_fails_the_run),
        SCRATCH_TEST(what_is_below_a_directory_that_failed_is_not_finished),
        SCRATCH_TEST(an_empty_directory_that_stays_stale_is_an_error),
        SCRATCH_TEST(an_error_of_the_journals_last_flush_fails_the_run),
        SCRATCH_TEST(a_journal_that_cannot_be_written_reaches_the_exit_status),
        SCRATCH_TEST(the_status_tells_refusals_from_failures),
        SCRATCH_TEST(what_vanishes_is_no_error_of_ours),
        SCRATCH_TEST(single_files_are_copied_too),
        SCRATCH_TEST(a_signal_ends_the_run_and_leaves_it_honest),
        SCRATCH_TEST(a_signal_in_a_file_ends_it_at_the_next_block),
        SCRATCH_TEST(a_second_signal_ends_the_process_at_once),
        SCRATCH_TEST(a_signal_that_was_ignored_stays_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
