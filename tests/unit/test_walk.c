/*
 * The walker: what it emits, in which order, and what it does about directories that it cannot
 * read.
 */
#include "scratch.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pcopy/walk.h"

#define MANY 1000 /* subdirectories after which walk.c puts a directory back */

/* Some file systems do not tell types; with `untyped` ours does not either. */
static const struct pc_tree_config one_end = {.sources = 1, .ends = 1, .max_handles = 4};

static bool untyped;

ssize_t getdents64(int fd, void *buffer, size_t size) /* NOLINT(readability-*) */
{
    const ssize_t n = syscall(SYS_getdents64, fd, buffer, size);
    for (ssize_t at = 0; untyped && at < n;) {
        struct dirent64 *d = (void *)((char *)buffer + at);
        d->d_type = DT_UNKNOWN;
        at += d->d_reclen;
    }
    return n;
}

/* The source is read through one mount point. */
static const struct pc_mounts sources = {.count = 1};

/* A report of `failed`. */
struct failure {
    char path[256];
    const char *operation;
    int err;
};

/* Everything that a walk has told, in the order it came. */
struct heard {
    struct pc_tree *tree;
    struct pc_walk *walk;
    struct pc_handle handle;
    const char *label;
    size_t threads;

    pthread_mutex_t lock;
    struct pc_entry **entries;
    size_t count;
    size_t room;
    size_t entered;
    size_t resumed; /* directories that were listed in more than one go */
    struct failure failures[16];
    size_t failed;
    int results[16]; /* of the threads */

    size_t emit_until; /* entries after which `emit` returns `emit_error` */
    int emit_error;
    const char *refused; /* directory that `enter` refuses */
    void (*on_enter)(const struct pc_dir *dir);
    void (*on_emit)(const struct pc_entry *entry);
};

static int enter(void *context, struct pc_dir *dir)
{
    struct heard *h = context;
    MUST(S_ISDIR(dir->st.st_mode));
    pthread_mutex_lock(&h->lock);
    for (size_t i = 0; i < h->count; i++) /* nothing of it was emitted yet */
        MUST(h->count > 5000 || h->entries[i]->dir != dir);
    h->entered++;
    pthread_mutex_unlock(&h->lock);
    if (h->on_enter)
        h->on_enter(dir);
    return h->refused && strcmp(dir->name, h->refused) == 0 ? -ELOOP : 0;
}

static int emit(void *context, struct pc_entry *entry)
{
    struct heard *h = context;
    pthread_mutex_lock(&h->lock);
    if (h->count == h->room) {
        h->room = 2 * h->room + 64;
        h->entries = realloc(h->entries, h->room * sizeof(struct pc_entry *));
        MUST(h->entries != NULL);
    }
    h->entries[h->count++] = entry;
    h->resumed += entry->type == S_IFDIR && entry->dir->resume != 0;
    const int result = h->emit_error && h->count > h->emit_until ? h->emit_error : 0;
    pthread_mutex_unlock(&h->lock);
    if (h->on_emit)
        h->on_emit(entry);
    return result;
}

static void failed(void *context, struct pc_dir *dir, const char *name, const char *operation,
                   int err)
{
    struct heard *h = context;
    pthread_mutex_lock(&h->lock);
    MUST(h->failed < sizeof h->failures / sizeof h->failures[0]);
    struct failure *f = &h->failures[h->failed++];
    char *path = pc_tree_path(dir, PC_SOURCE, name);
    snprintf(f->path, sizeof f->path, "%s", path);
    free(path);
    f->operation = operation;
    f->err = err;
    pthread_mutex_unlock(&h->lock);
}

static void *run(void *argument)
{
    struct heard *h = argument;
    pthread_mutex_lock(&h->lock);
    const size_t number = h->threads++;
    pthread_mutex_unlock(&h->lock);
    h->results[number] = pc_walk_run(h->walk);
    return NULL;
}

/* Walks "src" with `threads` threads. */
static void walk(struct heard *h, size_t threads, bool one_file_system)
{
    const struct pc_walk_events events = {h, enter, emit, NULL, failed, {0}};
    pthread_t ids[16];
    struct pc_entry *root;
    h->label = "src";
    h->handle = open_here("src");
    pthread_mutex_init(&h->lock, NULL);
    const struct pc_tree_config config = {.sources = 1, .ends = 1, .max_handles = 2 * threads};
    MUST(pc_tree_new(&h->tree, &config) == 0);
    MUST(pc_tree_add_root(h->tree, &h->handle, &h->label, &root) == 0);
    MUST(pc_walk_new(&h->walk, h->tree, &sources, one_file_system, &events) == 0);
    pc_walk_add(h->walk, root);
    for (size_t i = 0; i < threads; i++)
        MUST(pthread_create(&ids[i], NULL, run, h) == 0);
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    pc_walk_free(h->walk);
}

/* Releases all entries. Returns how many directories that completes; the root must be the last. */
static size_t forget(struct heard *h)
{
    size_t complete = 0;
    bool root = false;
    for (size_t i = 0; i < h->count; i++) {
        for (struct pc_dir *d = pc_tree_release(h->entries[i]); d; d = pc_tree_retire(h->tree, d)) {
            MUST(!root);
            root = !d->parent;
            complete++;
        }
    }
    MUST(root);
    free(h->entries);
    pc_tree_free(h->tree);
    pc_sys_close(&h->handle);
    pthread_mutex_destroy(&h->lock);
    return complete;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The emitted paths, sorted, directories with a slash behind them. */
static char **paths_of(const struct heard *h)
{
    char **paths = calloc(h->count + 1, sizeof *paths);
    MUST(paths != NULL);
    for (size_t i = 0; i < h->count; i++) {
        const struct pc_entry *e = h->entries[i];
        char *path = pc_tree_path(e->dir, PC_SOURCE, e->name);
        MUST(path && asprintf(&paths[i], "%s%s", path, e->type == S_IFDIR ? "/" : "") > 0);
        free(path);
    }
    qsort(paths, h->count, sizeof *paths, by_text);
    return paths;
}

static void free_paths(char **paths)
{
    for (size_t i = 0; paths[i]; i++)
        free(paths[i]);
    free(paths);
}

/* Each directory's own entry must be behind all that is in it. */
static void check_order(const struct heard *h)
{
    for (size_t i = 0; i < h->count; i++) {
        const struct pc_entry *e = h->entries[i];
        if (e->type == S_IFDIR)
            e->dir->make_mode = 1; /* seen */
        else
            assert_int_equal(e->dir->make_mode, 0);
    }
}

/* Fills `names` with the sorted names of the generated tree, and makes that tree. */
static size_t make_tree(char **names, size_t room)
{
    size_t n = 0;
    put_dir("src");
    names[n++] = strdup("src/");
    for (unsigned i = 0; i < 12; i++) {
        char path[128];
        snprintf(path, sizeof path, "src/d%u", i);
        put_dir(path);
        MUST(asprintf(&names[n++], "%s/", path) > 0);
        for (unsigned j = 0; j < 6; j++) {
            snprintf(path, sizeof path, "src/d%u/e%u", i, j);
            put_dir(path);
            MUST(asprintf(&names[n++], "%s/", path) > 0);
            for (unsigned k = 0; k < i; k++) {
                snprintf(path, sizeof path, "src/d%u/e%u/f%u", i, j, k);
                put(path, "");
                names[n++] = strdup(path);
            }
            snprintf(path, sizeof path, "src/d%u/g%u", i, j);
            MUST(symlink("../..", path) == 0);
            names[n++] = strdup(path);
        }
    }
    MUST(n < room);
    qsort(names, n, sizeof *names, by_text);
    return n;
}

static void check_whole_tree(size_t threads)
{
    static char *names[2000];
    const size_t n = make_tree(names, 2000);
    struct heard h = {0};
    walk(&h, threads, false);
    assert_int_equal(h.failed, 0);
    for (size_t i = 0; i < threads; i++)
        assert_int_equal(h.results[i], 0);
    assert_int_equal(h.count, n);
    assert_int_equal(h.entered, 1 + 12 + 12 * 6);
    char **paths = paths_of(&h);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(paths[i], names[i]);
    for (size_t i = 0; i < h.count; i++) {
        const struct pc_entry *e = h.entries[i];
        if (e->type != S_IFDIR)
            assert_int_equal(e->type, e->name[0] == 'g' ? S_IFLNK : S_IFREG);
        else
            assert_false(e->dir->implied);
    }
    check_order(&h);
    free_paths(paths);
    assert_int_equal(forget(&h), 1 + 12 + 12 * 6);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
}

static void each_name_is_emitted_once_by_one_thread(void **state)
{
    (void)state;
    check_whole_tree(1);
}

static void each_name_is_emitted_once_by_eight_threads(void **state)
{
    (void)state;
    check_whole_tree(8);
}

static void types_that_are_not_told_are_looked_up(void **state)
{
    (void)state;
    untyped = true;
    check_whole_tree(2);
    untyped = false;
}

static int stat_fails(const char *call)
{
    static int n;
    return strcmp(call, "fstatat") == 0 && ++n == 2 ? -EACCES : 0;
}

static void a_name_whose_type_cannot_be_told_is_reported_and_the_rest_goes_on(void **state)
{
    (void)state;
    put_dir("src");
    put("src/a", "");
    put("src/b", "");
    put("src/c", "");
    struct heard h = {0};
    untyped = true;
    pc_sys_set_fault(stat_fails);
    walk(&h, 1, false);
    pc_sys_set_fault(NULL);
    untyped = false;
    assert_int_equal(h.results[0], 0);
    assert_int_equal(h.failed, 1);
    assert_string_equal(h.failures[0].operation, "stat");
    assert_int_equal(h.failures[0].err, -EACCES);
    assert_int_equal(strlen(h.failures[0].path), strlen("src/a"));
    assert_int_equal(h.count, 3); /* two names and the directory */
    forget(&h);
}

static void a_directory_knows_its_attributes_before_its_entries_come(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/a");
    MUST(chmod("src/a", 0750) == 0);
    put("src/a/x", "");
    set_mtime("src/a", 1234567, 89);
    struct heard h = {0};
    walk(&h, 1, false);
    assert_int_equal(h.count, 3);
    for (size_t i = 0; i < h.count; i++) {
        const struct pc_dir *d = h.entries[i]->dir;
        if (strcmp(d->name, "a") != 0)
            continue;
        assert_int_equal(d->st.st_ino, look_at("src/a").st_ino);
        assert_int_equal(d->st.st_mode, S_IFDIR | 0750);
        assert_int_equal(d->st.st_mtim.tv_sec, 1234567);
        assert_int_equal(d->st.st_mtim.tv_nsec, 89);
    }
    forget(&h);
}

enum { DIRS = MANY + 300 };

static void make_many(void)
{
    put_dir("src");
    for (unsigned i = 0; i < DIRS; i++) {
        char path[64];
        snprintf(path, sizeof path, "src/d%u", i);
        put_dir(path);
        if (i % 10 == 0) {
            snprintf(path, sizeof path, "src/f%u", i);
            MUST(symlink("x", path) == 0);
        }
    }
}

static void many_subdirectories_are_listed_in_goes(size_t threads)
{
    static unsigned char seen[DIRS];
    static unsigned char files[DIRS];
    struct heard h = {0};
    walk(&h, threads, false);
    assert_int_equal(h.failed, 0);
    assert_int_equal(h.resumed, 1);
    assert_int_equal(h.entered, 1 + DIRS); /* once each, resumed or not */
    assert_int_equal(h.count, 1 + DIRS + DIRS / 10);
    memset(seen, 0, sizeof seen);
    memset(files, 0, sizeof files);
    for (size_t i = 0; i < h.count; i++) {
        const struct pc_entry *e = h.entries[i];
        if (e->type != S_IFDIR)
            files[strtoul(e->name + 1, NULL, 10)]++;
        else if (e->dir->parent)
            seen[strtoul(e->dir->name + 1, NULL, 10)]++;
    }
    for (size_t i = 0; i < DIRS; i++) {
        assert_int_equal(seen[i], 1);
        assert_int_equal(files[i], i % 10 == 0);
    }
    check_order(&h);
    assert_int_equal(forget(&h), 1 + DIRS);
}

/* With one thread: what was found in one go is done before the next go begins. */
static size_t entered_now;
static size_t most_waiting;

static void note_entered(const struct pc_dir *dir)
{
    if (dir->parent)
        entered_now++;
    const struct pc_dir *root = dir->parent ? dir->parent : dir;
    const size_t waiting = atomic_load(&root->pending) - 1;
    if (waiting > most_waiting)
        most_waiting = waiting;
}

static struct pc_tree *free_in;

static int emit_and_free(void *context, struct pc_entry *entry)
{
    size_t *count = context;
    ++*count;
    for (struct pc_dir *d = pc_tree_release(entry); d; d = pc_tree_retire(free_in, d))
        continue;
    return 0;
}

static int enter_and_note(void *context, struct pc_dir *dir)
{
    (void)context;
    note_entered(dir);
    return 0;
}

static void many_directories_are_not_held_at_once(void)
{
    size_t count = 0;
    const struct pc_walk_events events = {&count, enter_and_note, emit_and_free, NULL, failed, {0}};
    const char *label = "src";
    struct pc_handle handle = open_here("src");
    struct pc_walk *w;
    struct pc_entry *root;
    entered_now = most_waiting = 0;
    MUST(pc_tree_new(&free_in, &one_end) == 0);
    MUST(pc_tree_add_root(free_in, &handle, &label, &root) == 0);
    MUST(pc_walk_new(&w, free_in, &sources, false, &events) == 0);
    pc_walk_add(w, root);
    assert_int_equal(pc_walk_run(w), 0);
    pc_walk_free(w);
    pc_tree_free(free_in);
    pc_sys_close(&handle);
    assert_int_equal(count, 1 + DIRS + DIRS / 10);
    assert_int_equal(entered_now, DIRS);
    assert_in_range(most_waiting, MANY / 2, MANY);
}

static void a_directory_of_many_directories_is_resumed_and_never_held_whole(void **state)
{
    (void)state;
    make_many();
    many_subdirectories_are_listed_in_goes(1);
    many_subdirectories_are_listed_in_goes(8);
    many_directories_are_not_held_at_once();
}

static void an_unreadable_directory_is_reported_and_arrives_empty(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/closed");
    put("src/closed/secret", "");
    put("src/open", "");
    set_mtime("src/closed", 1111, 2222);
    MUST(chmod("src/closed", 0300) == 0);
    if (geteuid() == 0)
        become_nobody();
    struct heard h = {0};
    walk(&h, 1, false);
    assert_int_equal(h.results[0], 0);
    assert_int_equal(h.failed, 1);
    assert_string_equal(h.failures[0].path, "src/closed");
    assert_string_equal(h.failures[0].operation, "open directory");
    assert_int_equal(h.failures[0].err, -EACCES);
    char **paths = paths_of(&h);
    assert_int_equal(h.count, 3);
    assert_string_equal(paths[0], "src/");
    assert_string_equal(paths[1], "src/closed/");
    assert_string_equal(paths[2], "src/open");
    free_paths(paths);
    for (size_t i = 0; i < h.count; i++) {
        const struct pc_dir *d = h.entries[i]->dir;
        assert_false(d->implied);
        if (d->parent)
            assert_int_equal(d->st.st_mtim.tv_nsec, 2222);
    }
    assert_int_equal(h.entered, 2);
    forget(&h);
}

/* Two directories wait on the stack when the first of them is entered; then the other one goes. */
static void remove_the_other(const struct pc_dir *dir)
{
    if (dir->parent)
        MUST(rmdir(dir->name[0] == 'a' ? "src/b" : "src/a") == 0);
}

static void replace_the_other(const struct pc_dir *dir)
{
    if (!dir->parent)
        return;
    const char *const other = dir->name[0] == 'a' ? "src/b" : "src/a";
    MUST(rmdir(other) == 0);
    MUST(symlink(scratch_path, other) == 0);
}

static void check_lost_directory(void (*on_enter)(const struct pc_dir *dir), bool vanished)
{
    put_dir("src");
    put_dir("src/a");
    put_dir("src/b");
    struct heard h = {.on_enter = on_enter};
    walk(&h, 1, false);
    assert_int_equal(h.results[0], 0);
    assert_int_equal(h.failed, 1);
    assert_string_equal(h.failures[0].operation, "open directory");
    const int err = h.failures[0].err;
    assert_true(vanished ? err == -ENOENT : err == -ENOTDIR || err == -ELOOP);
    assert_int_equal(h.count, 3);
    unsigned implied = 0;
    for (size_t i = 0; i < h.count; i++)
        implied += h.entries[i]->dir->implied;
    assert_int_equal(implied, 1); /* there is nothing to make of it */
    forget(&h);
}

static void a_directory_that_vanishes_is_reported(void **state)
{
    (void)state;
    check_lost_directory(remove_the_other, true);
}

static void a_directory_that_becomes_a_link_is_not_followed(void **state)
{
    (void)state;
    check_lost_directory(replace_the_other, false);
}

static void a_directory_that_is_refused_is_not_listed(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/a");
    put("src/a/x", "");
    put_dir("src/no");
    put("src/no/x", "");
    put_dir("src/no/way");
    struct heard h = {.refused = "no"};
    walk(&h, 2, false);
    assert_int_equal(h.failed, 1);
    assert_string_equal(h.failures[0].path, "src/no");
    assert_int_equal(h.failures[0].err, -ELOOP);
    assert_int_equal(h.count, 4);
    for (size_t i = 0; i < h.count; i++)
        assert_int_equal(h.entries[i]->dir->implied, strcmp(h.entries[i]->dir->name, "no") == 0);
    forget(&h);
}

static int getdents_fails(const char *call)
{
    return strcmp(call, "getdents64") == 0 ? -EIO : 0;
}

static int lseek_fails(const char *call)
{
    return strcmp(call, "lseek") == 0 ? -EIO : 0;
}

static void a_listing_that_fails_is_reported(void **state)
{
    (void)state;
    int (*const hooks[])(const char *) = {getdents_fails, lseek_fails};
    put_dir("src");
    put("src/a", "");
    for (size_t i = 0; i < 2; i++) {
        struct heard h = {0};
        pc_sys_set_fault(hooks[i]);
        walk(&h, 1, false);
        pc_sys_set_fault(NULL);
        assert_int_equal(h.results[0], 0);
        assert_int_equal(h.failed, 1);
        assert_string_equal(h.failures[0].path, "src");
        assert_string_equal(h.failures[0].operation, "read directory");
        assert_int_equal(h.failures[0].err, -EIO);
        assert_int_equal(h.count, 1);
        forget(&h);
    }
}

static void an_error_of_emit_ends_the_walk_in_all_threads(void **state)
{
    (void)state;
    static char *names[2000];
    const size_t n = make_tree(names, 2000);
    const size_t thread_counts[] = {1, 8};
    for (size_t t = 0; t < 2; t++) {
        for (size_t until = 0; until < n - 1; until += 37) {
            struct heard h = {.emit_until = until, .emit_error = -ECANCELED};
            const size_t threads = thread_counts[t];
            walk(&h, threads, false);
            for (size_t i = 0; i < threads; i++)
                assert_int_equal(h.results[i], -ECANCELED);
            assert_int_equal(h.failed, 0);
            size_t after = 0; /* each thread may have been on its way to one entry more */
            for (size_t i = until; i < h.count; i++)
                after += h.entries[i]->type != S_IFDIR;
            assert_true(after <= threads);
            forget(&h); /* each directory's own entry came, or this would not end with the root */
        }
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
}

static void an_error_for_a_directory_ends_the_walk_too(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/a");
    put_dir("src/b");
    struct heard h = {.emit_until = 0, .emit_error = -ECANCELED};
    walk(&h, 1, false);
    assert_int_equal(h.results[0], -ECANCELED);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.entered, 1); /* those below were not looked into any more */
    forget(&h);
}

static void a_directory_cut_short_gets_no_metadata(void **state)
{
    (void)state;
    put_dir("src");
    put("src/a", "");
    put("src/b", "");
    struct heard h = {.emit_until = 1, .emit_error = -ECANCELED};
    walk(&h, 1, false);
    assert_int_equal(h.count, 3);
    assert_int_equal(h.entries[2]->type, S_IFDIR);
    assert_true(h.entries[2]->dir->implied);
    forget(&h);
}

static void a_walk_of_nothing_ends(void **state)
{
    (void)state;
    const struct pc_walk_events events = {NULL, enter, emit, NULL, failed, {0}};
    struct pc_tree *tree;
    struct pc_walk *w;
    MUST(pc_tree_new(&tree, &one_end) == 0);
    assert_int_equal(pc_walk_new(&w, tree, &sources, false, &events), 0);
    assert_int_equal(pc_walk_run(w), 0);
    pc_walk_free(w);
    pc_walk_free(NULL);
    pc_tree_free(tree);
}

/* In a child with mounts of its own, which end with it. Returns 77 if it may not mount. */
static int walk_over_a_mount(bool one_file_system)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "src/other", "tmpfs", 0, NULL) != 0)
        return 77;
    put("src/other/x", "");
    put_dir("src/other/d");
    struct heard h = {0};
    walk(&h, 1, one_file_system);
    bool other = false;
    for (size_t i = 0; i < h.count; i++) {
        const struct pc_entry *e = h.entries[i];
        other |= e->type == S_IFDIR && strcmp(e->dir->name, "other") == 0 && !e->dir->implied;
    }
    const size_t expected = one_file_system ? 4 : 6;
    const bool good = other && h.failed == 0 && h.count == expected;
    forget(&h);
    return good ? 0 : 1;
}

static void other_file_systems_are_listed_or_left_empty(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/other");
    put_dir("src/same");
    put("src/same/x", "");
    for (int one = 0; one < 2; one++) {
        int status;
        const pid_t child = fork();
        MUST(child >= 0);
        if (child == 0)
            _exit(walk_over_a_mount(one));
        MUST(waitpid(child, &status, 0) == child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
            skip();
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
    alarm(110); /* a lost wake-up is a failure, not a hanging test */
    prefer_memory();
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(each_name_is_emitted_once_by_one_thread),
        SCRATCH_TEST(each_name_is_emitted_once_by_eight_threads),
        SCRATCH_TEST(types_that_are_not_told_are_looked_up),
        SCRATCH_TEST(a_name_whose_type_cannot_be_told_is_reported_and_the_rest_goes_on),
        SCRATCH_TEST(a_directory_knows_its_attributes_before_its_entries_come),
        SCRATCH_TEST(a_directory_of_many_directories_is_resumed_and_never_held_whole),
        SCRATCH_TEST(an_unreadable_directory_is_reported_and_arrives_empty),
        SCRATCH_TEST(a_directory_that_vanishes_is_reported),
        SCRATCH_TEST(a_directory_that_becomes_a_link_is_not_followed),
        SCRATCH_TEST(a_directory_that_is_refused_is_not_listed),
        SCRATCH_TEST(a_listing_that_fails_is_reported),
        SCRATCH_TEST(an_error_of_emit_ends_the_walk_in_all_threads),
        SCRATCH_TEST(an_error_for_a_directory_ends_the_walk_too),
        SCRATCH_TEST(a_directory_cut_short_gets_no_metadata),
        SCRATCH_TEST(a_walk_of_nothing_ends),
        SCRATCH_TEST(other_file_systems_are_listed_or_left_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
