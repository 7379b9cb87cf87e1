/*
 * Directories and their handles, entries, hard-link groups: alone, and with many threads.
 */
#include "scratch.h"

#include <pthread.h>
#include <sched.h>

#include "pcopy/tree.h"

#define DST 1

#define PER_THREAD 3 /* handles that pc_tree_new() asks for */

/* A tree over the directories "src" and "dst", which are made if they are missing. */
struct fixture {
    struct pc_tree *tree;
    struct pc_handle handles[2];
    const char *labels[2];
    struct pc_entry *root; /* its own entry */
};

static void plant(struct fixture *f, size_t max_handles)
{
    *f = (struct fixture){.labels = {"src", "dst"}};
    MUST(mkdir("src", 0755) == 0 || errno == EEXIST);
    MUST(mkdir("dst", 0755) == 0 || errno == EEXIST);
    f->handles[PC_SOURCE] = open_here("src");
    f->handles[DST] = open_here("dst");
    const struct pc_tree_config config = {.sources = 1, .ends = 2, .max_handles = max_handles};
    MUST(pc_tree_new(&f->tree, &config) == 0);
    MUST(pc_tree_add_root(f->tree, f->handles, f->labels, &f->root) == 0);
}

/* The own entry of a new directory `name`, which is made in the source. */
static struct pc_entry *grow(struct fixture *f, struct pc_dir *parent, const char *name)
{
    struct pc_entry *e;
    char *path = pc_tree_path(parent, PC_SOURCE, name);
    MUST(path && (mkdir(path, 0755) == 0 || errno == EEXIST));
    free(path);
    MUST(pc_tree_add_dir(f->tree, parent, name, &e) == 0);
    e->dir->make_mode = 0700;
    return e;
}

static struct pc_entry *entry_in(struct pc_dir *dir, const char *name)
{
    struct pc_entry *e;
    MUST(pc_tree_add_entry(dir, name, S_IFREG, &e) == 0);
    return e;
}

/* Releases an entry and all that becomes complete by it. Returns the number of directories. */
static unsigned release(struct fixture *f, struct pc_entry *e)
{
    unsigned n = 0;
    for (struct pc_dir *d = pc_tree_release(e); d; d = pc_tree_retire(f->tree, d))
        n++;
    return n;
}

static void fell(struct fixture *f)
{
    pc_tree_free(f->tree);
    pc_sys_close(&f->handles[0]);
    pc_sys_close(&f->handles[1]);
}

static void check_path(const struct pc_dir *dir, unsigned end, const char *name, const char *path)
{
    char *found = pc_tree_path(dir, end, name);
    assert_non_null(found);
    assert_string_equal(found, path);
    free(found);
}

/* --- entries and directories --- */

static void entries_carry_what_they_were_added_with(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    struct pc_entry *a = grow(&f, f.root->dir, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    assert_int_equal(f.root->type, S_IFDIR);
    assert_int_equal(a->type, S_IFDIR);
    assert_null(f.root->dir->parent);
    assert_ptr_equal(b->dir->parent, a->dir);
    assert_string_equal(a->dir->name, "a");
    assert_true(f.root->dir->seq < a->dir->seq && a->dir->seq < b->dir->seq);
    for (size_t i = 0; i < 3; i++) {
        struct pc_entry *e;
        assert_int_equal(pc_tree_add_entry(a->dir, "x", S_IFIFO, &e), 0);
        assert_string_equal(e->name, "x");
        assert_string_equal(e->to, "x");
        assert_int_equal(e->type, S_IFIFO);
        assert_int_equal(e->seq, i);
        assert_ptr_equal(e->dir, a->dir);
        assert_null(e->group);
        assert_int_equal(a->dir->listed, i + 1);
        assert_int_equal(release(&f, e), 0);
    }
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

static void a_directory_is_complete_after_its_listing_its_entries_and_its_children(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    struct pc_dir *root = f.root->dir;
    struct pc_entry *a = grow(&f, root, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    struct pc_dir *dir_a = a->dir;
    struct pc_dir *dir_b = b->dir;
    struct pc_entry *in_a = entry_in(dir_a, "x");
    struct pc_entry *in_b = entry_in(dir_b, "y");

    assert_null(pc_tree_release(f.root));
    assert_null(pc_tree_release(in_a));
    assert_null(pc_tree_release(a));
    assert_null(pc_tree_release(b));
    assert_ptr_equal(pc_tree_release(in_b), dir_b); /* the last one */
    assert_ptr_equal(pc_tree_retire(f.tree, dir_b), dir_a);
    assert_ptr_equal(pc_tree_retire(f.tree, dir_a), root);
    assert_null(pc_tree_retire(f.tree, root));
    fell(&f);
}

static void paths_are_joined_from_the_label_down(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    struct pc_dir *root = f.root->dir;
    struct pc_entry *a = grow(&f, root, "a");
    struct pc_entry *b = grow(&f, a->dir, "bb");
    f.labels[DST] = "/mnt/";
    check_path(root, PC_SOURCE, "", "src");
    check_path(root, PC_SOURCE, "x", "src/x");
    check_path(a->dir, PC_SOURCE, "", "src/a");
    check_path(b->dir, PC_SOURCE, "", "src/a/bb");
    check_path(b->dir, PC_SOURCE, "name", "src/a/bb/name");
    check_path(root, DST, "", "/mnt/");
    check_path(root, DST, "x", "/mnt/x");
    check_path(b->dir, DST, "name", "/mnt/a/bb/name");
    f.labels[DST] = "/";
    check_path(root, DST, "", "/");
    check_path(b->dir, DST, "", "/a/bb");
    f.labels[DST] = "";
    check_path(root, DST, "x", "x");
    check_path(b->dir, DST, "x", "a/bb/x");
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

/* --- handles --- */

#define DEEP 300

/* A chain of directories, all with the name "d". */
static void grow_chain(struct fixture *f, struct pc_entry *chain[DEEP])
{
    struct pc_dir *at = f->root->dir;
    struct pc_handle parent = f->handles[PC_SOURCE];
    for (size_t i = 0; i < DEEP; i++) {
        MUST(mkdirat(parent.fd, "d", 0755) == 0);
        struct pc_handle h = {.fd = openat(parent.fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        MUST(pc_handle_open(h));
        MUST(pc_tree_add_dir(f->tree, at, "d", &chain[i]) == 0);
        at = chain[i]->dir;
        at->make_mode = 0700;
        MUST(fstat(h.fd, &at->st) == 0);
        if (i)
            close(parent.fd);
        parent = h;
    }
    close(parent.fd);
}

static void a_chain_deeper_than_the_cache_opens_anywhere(void **state)
{
    (void)state;
    static struct pc_entry *chain[DEEP];
    struct fixture f;
    plant(&f, 4);
    const unsigned before = open_files();
    grow_chain(&f, chain);
    assert_int_equal(open_files(), before);
    for (size_t i = 0; i < 2 * (size_t)DEEP; i++) {
        struct pc_dir *d = chain[(i * 7919 + DEEP - 1) % DEEP]->dir;
        struct pc_handle h;
        struct stat st;
        assert_int_equal(pc_tree_open(f.tree, d, PC_SOURCE, &h), 0);
        assert_int_equal(pc_sys_stat(h, &st), 0);
        assert_int_equal(st.st_ino, d->st.st_ino);
        assert_true(open_files() <= before + 4);
        pc_tree_close(d, PC_SOURCE);
    }
    struct pc_handle h; /* at the destination all that is above comes into being */
    assert_int_equal(pc_tree_open(f.tree, chain[DEEP - 1]->dir, DST, &h), 0);
    assert_true(open_files() <= before + 4);
    pc_tree_close(chain[DEEP - 1]->dir, DST);
    for (size_t i = 0; i < DEEP; i++)
        assert_true(chain[i]->dir->made);
    for (size_t i = DEEP; i-- > 0;)
        assert_int_equal(release(&f, chain[i]), 1);
    release(&f, f.root);
    assert_int_equal(open_files(), before); /* retired directories leave nothing open */
    fell(&f);
}

static void what_is_pinned_is_not_evicted(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    struct pc_entry *dirs[20];
    for (size_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%zu", i);
        dirs[i] = grow(&f, f.root->dir, name);
    }
    struct pc_handle held;
    struct stat before;
    struct stat after;
    assert_int_equal(pc_tree_open(f.tree, dirs[0]->dir, PC_SOURCE, &held), 0);
    assert_int_equal(pc_sys_stat(held, &before), 0);
    for (size_t i = 1; i < 60; i++) {
        struct pc_handle h;
        assert_int_equal(pc_tree_open(f.tree, dirs[1 + i % 19]->dir, PC_SOURCE, &h), 0);
        assert_int_not_equal(h.fd, held.fd);
        pc_tree_close(dirs[1 + i % 19]->dir, PC_SOURCE);
    }
    assert_int_equal(pc_sys_stat(held, &after), 0);
    assert_int_equal(after.st_ino, before.st_ino);
    pc_tree_close(dirs[0]->dir, PC_SOURCE);
    for (size_t i = 0; i < 20; i++)
        release(&f, dirs[i]);
    release(&f, f.root);
    fell(&f);
}

static void a_retired_directory_takes_no_others_handle_along(void **state)
{
    (void)state;
    enum { BROTHERS = 60 };
    struct pc_entry *dirs[BROTHERS];
    struct fixture f;
    plant(&f, 4);
    for (size_t i = 0; i < BROTHERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%zu", i);
        dirs[i] = grow(&f, f.root->dir, name);
    }
    const unsigned before = open_files();
    for (size_t i = 0; i < BROTHERS; i++) {
        struct pc_handle h;
        struct stat st;
        assert_int_equal(pc_tree_open(f.tree, dirs[i]->dir, PC_SOURCE, &h), 0);
        if (i >= 10) /* evicted long ago */
            release(&f, dirs[i - 10]);
        assert_int_equal(pc_sys_stat(h, &st), 0);
        assert_true(open_files() <= before + 4);
        pc_tree_close(dirs[i]->dir, PC_SOURCE);
    }
    for (size_t i = BROTHERS - 10; i < BROTHERS; i++)
        release(&f, dirs[i]);
    assert_int_equal(open_files(), before);
    release(&f, f.root);
    fell(&f);
}

static int refuse_openat(const char *call)
{
    return strcmp(call, "openat") == 0 ? -EIO : 0;
}

static void an_open_directory_is_not_opened_again(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 8);
    struct pc_entry *a = grow(&f, f.root->dir, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    for (unsigned end = 0; end < 2; end++) {
        struct pc_handle first;
        struct pc_handle second;
        assert_int_equal(pc_tree_open(f.tree, a->dir, end, &first), 0);
        pc_tree_close(a->dir, end);
        assert_int_equal(pc_tree_open(f.tree, b->dir, end, &first), 0);
        pc_tree_close(b->dir, end);
        pc_sys_set_fault(refuse_openat);
        assert_int_equal(pc_tree_open(f.tree, b->dir, end, &second), 0);
        assert_int_equal(first.fd, second.fd);
        pc_tree_close(b->dir, end);
        assert_int_equal(pc_tree_open(f.tree, a->dir, end, &second), 0);
        pc_tree_close(a->dir, end);
        pc_sys_set_fault(NULL);
    }
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

/* A copy thread has the directory of an entry pinned while it opens that of one it links to. */
static void the_handles_of_a_thread_are_enough_for_two_deep_directories(void **state)
{
    (void)state;
    for (unsigned end = 0; end < 2; end++) {
        struct fixture f;
        plant(&f, PER_THREAD);
        struct pc_entry *dirs[6];
        dirs[0] = grow(&f, f.root->dir, "a");
        dirs[1] = grow(&f, dirs[0]->dir, "b");
        dirs[2] = grow(&f, dirs[1]->dir, "c");
        dirs[3] = grow(&f, f.root->dir, "x");
        dirs[4] = grow(&f, dirs[3]->dir, "y");
        dirs[5] = grow(&f, dirs[4]->dir, "z");
        struct pc_handle h;
        const int one = pc_tree_open(f.tree, dirs[2]->dir, end, &h);
        const int two = pc_tree_open(f.tree, dirs[5]->dir, end, &h);
        if (two == 0)
            pc_tree_close(dirs[5]->dir, end);
        pc_tree_close(dirs[2]->dir, end);
        for (size_t i = 6; i-- > 0;)
            release(&f, dirs[i]);
        release(&f, f.root);
        fell(&f);
        assert_int_equal(one, 0);
        assert_int_equal(two, 0);
    }
}

/* --- making directories --- */

static void missing_directories_are_made_and_existing_ones_found(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 8);
    struct pc_entry *a = grow(&f, f.root->dir, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    struct pc_entry *c = grow(&f, b->dir, "c");
    b->dir->make_mode = 0751;
    MUST(mkdir("dst/a", 0750) == 0);
    struct pc_handle h;
    assert_int_equal(pc_tree_open(f.tree, c->dir, DST, &h), 0);
    struct stat st;
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_int_equal(st.st_ino, look_at("dst/a/b/c").st_ino);
    pc_tree_close(c->dir, DST);
    assert_false(a->dir->made);
    assert_true(b->dir->made && c->dir->made);
    assert_true(a->dir->touched && b->dir->touched);
    assert_false(f.root->dir->touched);
    assert_int_equal(look_at("dst/a").st_mode, S_IFDIR | 0750);
    assert_int_equal(look_at("dst/a/b").st_mode, S_IFDIR | 0751);
    assert_int_equal(look_at("dst/a/b/c").st_mode, S_IFDIR | 0700);
    release(&f, c);
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

static void an_existing_directory_is_opened_up_for_its_owner(void **state)
{
    (void)state;
    if (geteuid() == 0)
        MUST(chown(".", NOBODY, NOBODY) == 0);
    if (geteuid() == 0)
        become_nobody();
    struct fixture f;
    plant(&f, 8);
    struct pc_entry *a = grow(&f, f.root->dir, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    MUST(mkdir("dst/a", 0550) == 0);
    struct pc_handle h;
    assert_int_equal(pc_tree_open(f.tree, b->dir, DST, &h), 0);
    pc_tree_close(b->dir, DST);
    assert_int_equal(look_at("dst/a").st_mode, S_IFDIR | 0750);
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

static void the_source_says_why_and_is_asked_again(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 8);
    struct pc_entry *a = grow(&f, f.root->dir, "a");
    struct pc_entry *b = grow(&f, a->dir, "b");
    struct pc_handle h;
    MUST(rmdir("src/a/b") == 0);
    assert_int_equal(pc_tree_open(f.tree, b->dir, PC_SOURCE, &h), -ENOENT);
    MUST(symlink("/", "src/a/b") == 0);
    const int err = pc_tree_open(f.tree, b->dir, PC_SOURCE, &h);
    assert_true(err == -ENOTDIR || err == -ELOOP);
    MUST(unlink("src/a/b") == 0 && mkdir("src/a/b", 0700) == 0);
    assert_int_equal(pc_tree_open(f.tree, b->dir, PC_SOURCE, &h), 0);
    pc_tree_close(b->dir, PC_SOURCE);
    release(&f, b);
    release(&f, a);
    release(&f, f.root);
    fell(&f);
}

static void below_what_is_in_the_way_all_fails_and_one_has_the_cause(void **state)
{
    (void)state;
    for (int link = 0; link < 2; link++) {
        struct fixture f;
        plant(&f, 8);
        struct pc_entry *a = grow(&f, f.root->dir, "a");
        struct pc_entry *b = grow(&f, a->dir, "b");
        struct pc_entry *c = grow(&f, b->dir, "c");
        struct pc_entry *good = grow(&f, f.root->dir, "good");
        if (link)
            MUST(symlink(scratch_path, "dst/a") == 0);
        else
            put("dst/a", "in the way");
        struct pc_handle h;
        for (int i = 0; i < 2; i++) {
            assert_int_equal(pc_tree_open(f.tree, c->dir, DST, &h), PC_DIR_FAILED);
            assert_int_equal(pc_tree_open(f.tree, a->dir, DST, &h), PC_DIR_FAILED);
        }
        assert_true(a->dir->error == -ENOTDIR || a->dir->error == -ELOOP);
        assert_int_equal(b->dir->error, 0);
        assert_int_equal(c->dir->error, 0);
        assert_false(is_there("b"));
        assert_int_equal(pc_tree_open(f.tree, good->dir, DST, &h), 0);
        pc_tree_close(good->dir, DST);
        assert_int_equal(pc_tree_open(f.tree, c->dir, PC_SOURCE, &h), 0);
        pc_tree_close(c->dir, PC_SOURCE);
        release(&f, good);
        release(&f, c);
        release(&f, b);
        release(&f, a);
        release(&f, f.root);
        fell(&f);
        scratch_remove("dst");
    }
}

/* --- many threads on one tree --- */

#define WIDTH   7
#define DIRS    (WIDTH + WIDTH * WIDTH + WIDTH * WIDTH * WIDTH)
#define THREADS 16

struct crowd {
    struct fixture f;
    struct pc_entry *dirs[DIRS];
    atomic_uint_least64_t made_ino[DIRS]; /* of the destination, 0 until one was seen */
    unsigned rounds;
    bool hold; /* one directory while another one is opened, as for a hard link */
    atomic_uint wrong;
};

struct member {
    struct crowd *crowd;
    uint32_t seed;
    pthread_t thread;
};

static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    *x ^= *x << 5;
    return *x;
}

static void grow_bush(struct crowd *c)
{
    size_t n = 0;
    for (size_t i = 0; n < DIRS; i++) {
        struct pc_dir *parent = i ? c->dirs[i - 1]->dir : c->f.root->dir;
        for (unsigned j = 0; j < WIDTH; j++) {
            char name[16];
            snprintf(name, sizeof name, "d%u", j);
            struct pc_entry *e = grow(&c->f, parent, name);
            char *path = pc_tree_path(e->dir, PC_SOURCE, "");
            e->dir->st = look_at(path);
            free(path);
            c->dirs[n++] = e;
        }
    }
}

static void *hammer(void *argument)
{
    struct member *m = argument;
    struct crowd *c = m->crowd;
    for (unsigned i = 0; i < c->rounds; i++) {
        const size_t at = next_random(&m->seed) % DIRS;
        const unsigned end = next_random(&m->seed) % 2;
        struct pc_dir *held = c->dirs[next_random(&m->seed) % DIRS]->dir;
        struct pc_dir *d = c->dirs[at]->dir;
        struct pc_handle h;
        struct stat st;
        if (c->hold && pc_tree_open(c->f.tree, held, end, &h) != 0) {
            atomic_fetch_add(&c->wrong, 1);
            continue;
        }
        if (pc_tree_open(c->f.tree, d, end, &h) != 0) {
            atomic_fetch_add(&c->wrong, 1);
            if (c->hold)
                pc_tree_close(held, end);
            continue;
        }
        if (c->hold)
            pc_tree_close(held, end);
        bool right = pc_sys_stat(h, &st) == 0;
        if (end == PC_SOURCE) {
            right &= st.st_ino == d->st.st_ino;
        } else {
            uint_least64_t none = 0;
            right &= atomic_compare_exchange_strong(&c->made_ino[at], &none, st.st_ino) ||
                     none == st.st_ino;
        }
        if (!right)
            atomic_fetch_add(&c->wrong, 1);
        pc_tree_close(d, end);
    }
    return NULL;
}

static atomic_uint mkdirs;

static int count_mkdir(const char *call)
{
    if (strcmp(call, "mkdirat") == 0)
        atomic_fetch_add(&mkdirs, 1);
    return 0;
}

static void run_crowd(struct crowd *c, size_t threads)
{
    struct member members[THREADS];
    for (size_t i = 0; i < threads; i++) {
        members[i] = (struct member){.crowd = c, .seed = (uint32_t)i * 7727 + 1};
        MUST(pthread_create(&members[i].thread, NULL, hammer, &members[i]) == 0);
    }
    for (size_t i = 0; i < threads; i++)
        pthread_join(members[i].thread, NULL);
}

static void hammer_a_tree(size_t threads, size_t max_handles, unsigned rounds, bool hold)
{
    struct crowd *c = calloc(1, sizeof *c);
    MUST(c != NULL);
    c->rounds = rounds;
    c->hold = hold;
    plant(&c->f, max_handles);
    grow_bush(c);
    const unsigned before = open_files();
    run_crowd(c, threads);
    const unsigned wrong = atomic_load(&c->wrong);
    const bool bounded = open_files() <= before + max_handles;
    unsigned bad = 0;
    for (size_t i = 0; i < DIRS; i++) {
        const uint_least64_t ino = atomic_load(&c->made_ino[i]);
        char *path = pc_tree_path(c->dirs[i]->dir, DST, "");
        bad += ino && look_at(path).st_ino != ino;
        free(path);
    }
    for (size_t i = DIRS; i-- > 0;)
        MUST(release(&c->f, c->dirs[i]) == 1);
    MUST(release(&c->f, c->f.root) == 1);
    const bool closed = open_files() == before;
    fell(&c->f);
    free(c);
    scratch_remove("dst");
    assert_int_equal(wrong, 0);
    assert_int_equal(bad, 0);
    assert_true(bounded);
    assert_true(closed);
}

static void handles_are_always_those_of_the_directory(void **state)
{
    (void)state;
    hammer_a_tree(4, 16, 4000, false);
    hammer_a_tree(THREADS, 4 * THREADS, 1500, false);
    hammer_a_tree(THREADS, 3 * DIRS, 1500, false);
}

static int hesitate(const char *call)
{
    if (strcmp(call, "openat") == 0)
        sched_yield(); /* others open what is above, below and beside meanwhile */
    return 0;
}

static void the_handles_of_all_threads_are_enough_for_all(void **state)
{
    (void)state;
    pc_sys_set_fault(hesitate);
    hammer_a_tree(2, PER_THREAD * 2, 20000, true);
    hammer_a_tree(THREADS, PER_THREAD * THREADS, 3000, true);
}

static void a_directory_is_made_once_whoever_comes_first(void **state)
{
    (void)state;
    struct crowd *c = calloc(1, sizeof *c);
    MUST(c != NULL);
    c->rounds = 2000;
    plant(&c->f, 3 * DIRS);
    grow_bush(c);
    atomic_store(&mkdirs, 0);
    pc_sys_set_fault(count_mkdir);
    run_crowd(c, 8);
    pc_sys_set_fault(NULL);
    unsigned made = 0;
    for (size_t i = 0; i < DIRS; i++)
        made += c->dirs[i]->dir->made;
    for (size_t i = DIRS; i-- > 0;)
        release(&c->f, c->dirs[i]);
    release(&c->f, c->f.root);
    fell(&c->f);
    const unsigned wrong = atomic_load(&c->wrong);
    free(c);
    assert_int_equal(wrong, 0);
    assert_true(made > DIRS / 2);
    assert_int_equal(atomic_load(&mkdirs), made);
}

/* --- hard-link groups --- */

static struct stat inode(ino_t ino, nlink_t nlink)
{
    return (struct stat){.st_dev = 1, .st_ino = ino, .st_nlink = nlink};
}

static size_t length(const struct pc_entry *list)
{
    size_t n = 0;
    for (; list; list = list->next)
        n++;
    return n;
}

static void release_all(struct fixture *f, struct pc_entry *list)
{
    while (list) {
        struct pc_entry *e = list;
        list = e->next;
        release(f, e);
    }
}

static void the_first_is_copied_others_wait_and_late_ones_link(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    const struct stat st = inode(7, 4);
    struct pc_entry *e[4];
    for (size_t i = 0; i < 4; i++)
        e[i] = entry_in(f.root->dir, "x");
    assert_int_equal(pc_tree_join(f.tree, e[0], &st), PC_LINK_COPY);
    assert_int_equal(pc_tree_join(f.tree, e[1], &st), PC_LINK_LATER);
    assert_int_equal(pc_tree_join(f.tree, e[2], &st), PC_LINK_LATER);

    struct pc_left left = pc_tree_leave(f.tree, e[0], true);
    assert_null(left.done); /* the group keeps it, for the others to link to */
    assert_int_equal(length(left.again), 2);

    assert_int_equal(pc_tree_join(f.tree, e[3], &st), PC_LINK_MAKE);
    assert_ptr_equal(pc_tree_first(e[3]), e[0]);
    left = pc_tree_leave(f.tree, e[3], true);
    assert_null(left.again);
    assert_ptr_equal(left.done, e[3]);
    release_all(&f, left.done);

    for (size_t i = 1; i < 3; i++) { /* those that waited come again, with the group they have */
        assert_int_equal(pc_tree_join(f.tree, e[i], &st), PC_LINK_MAKE);
        assert_ptr_equal(pc_tree_first(e[i]), e[0]);
        left = pc_tree_leave(f.tree, e[i], i == 1);
        assert_null(left.again);
        assert_int_equal(length(left.done), i); /* with the last one goes the first */
        release_all(&f, left.done);
    }
    assert_null(pc_tree_take_first(f.tree));
    assert_int_equal(release(&f, f.root), 1);
    fell(&f);
}

static void a_name_that_waited_counts_once(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    const struct stat st = inode(7, 3);
    struct pc_entry *a = entry_in(f.root->dir, "a");
    struct pc_entry *b = entry_in(f.root->dir, "b");
    assert_int_equal(pc_tree_join(f.tree, a, &st), PC_LINK_COPY);
    assert_int_equal(pc_tree_join(f.tree, b, &st), PC_LINK_LATER);
    struct pc_left left = pc_tree_leave(f.tree, a, true);
    assert_ptr_equal(left.again, b);
    assert_int_equal(pc_tree_join(f.tree, b, &st), PC_LINK_MAKE);
    left = pc_tree_leave(f.tree, b, true);
    assert_int_equal(length(left.done), 1); /* the third name may still come */
    release_all(&f, left.done);
    struct pc_entry *c = entry_in(f.root->dir, "c");
    assert_int_equal(pc_tree_join(f.tree, c, &st), PC_LINK_MAKE);
    assert_ptr_equal(pc_tree_first(c), a);
    left = pc_tree_leave(f.tree, c, true);
    assert_int_equal(length(left.done), 2);
    release_all(&f, left.done);
    assert_int_equal(release(&f, f.root), 1);
    fell(&f);
}

static void when_the_first_fails_the_next_is_copied(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    const struct stat st = inode(7, 3);
    struct pc_entry *e[3];
    for (size_t i = 0; i < 3; i++)
        e[i] = entry_in(f.root->dir, "x");
    assert_int_equal(pc_tree_join(f.tree, e[0], &st), PC_LINK_COPY);
    assert_int_equal(pc_tree_join(f.tree, e[1], &st), PC_LINK_LATER);
    struct pc_left left = pc_tree_leave(f.tree, e[0], false);
    assert_ptr_equal(left.done, e[0]);
    assert_ptr_equal(left.again, e[1]);
    release_all(&f, left.done);

    assert_int_equal(pc_tree_join(f.tree, e[1], &st), PC_LINK_COPY);
    left = pc_tree_leave(f.tree, e[1], true);
    assert_null(left.done);
    assert_null(left.again);
    assert_int_equal(pc_tree_join(f.tree, e[2], &st), PC_LINK_MAKE);
    assert_ptr_equal(pc_tree_first(e[2]), e[1]);
    left = pc_tree_leave(f.tree, e[2], true);
    assert_int_equal(length(left.done), 2);
    release_all(&f, left.done);
    assert_int_equal(release(&f, f.root), 1);
    fell(&f);
}

static void a_group_that_failed_to_the_last_leaves_nothing(void **state)
{
    (void)state;
    struct fixture f;
    plant(&f, 4);
    const struct stat st = inode(7, 2);
    for (int i = 0; i < 2; i++) {
        struct pc_entry *e = entry_in(f.root->dir, "x");
        assert_int_equal(pc_tree_join(f.tree, e, &st), PC_LINK_COPY);
        struct pc_left left = pc_tree_leave(f.tree, e, false);
        assert_ptr_equal(left.done, e);
        assert_null(left.again);
        release_all(&f, left.done);
    }
    assert_null(pc_tree_take_first(f.tree));
    assert_int_equal(release(&f, f.root), 1);
    fell(&f);
}

static void inodes_are_told_apart_by_device_and_number(void **state)
{
    (void)state;
    enum { EACH = 3000 }; /* enough for many of them to meet in one bucket */
    static struct pc_entry *first[2][EACH];
    struct fixture f;
    plant(&f, 4);
    for (size_t i = 0; i < 2 * (size_t)EACH; i++) {
        struct stat st = inode(i % 2 ? 7 : i + 100, 2);
        st.st_dev = i % 2 ? i : 7;
        struct pc_entry *e = entry_in(f.root->dir, "x");
        first[i % 2][i / 2] = e;
        assert_int_equal(pc_tree_join(f.tree, e, &st), PC_LINK_COPY);
        assert_null(pc_tree_leave(f.tree, e, true).done);
    }
    for (size_t i = 0; i < 2 * (size_t)EACH; i++) {
        struct stat st = inode(i % 2 ? 7 : i + 100, 2);
        st.st_dev = i % 2 ? i : 7;
        struct pc_entry *e = entry_in(f.root->dir, "y");
        assert_int_equal(pc_tree_join(f.tree, e, &st), PC_LINK_MAKE);
        assert_ptr_equal(pc_tree_first(e), first[i % 2][i / 2]);
        release_all(&f, pc_tree_leave(f.tree, e, true).done);
    }
    assert_int_equal(release(&f, f.root), 1);
    fell(&f);
}

static void groups_with_names_elsewhere_are_taken_apart_at_the_end(void **state)
{
    (void)state;
    enum { GROUPS = 5000 }; /* more than the table has at first */
    static bool taken[GROUPS];
    struct fixture f;
    plant(&f, 4);
    for (size_t i = 0; i < GROUPS; i++) {
        const struct stat st = inode(i + 1, 3);
        struct pc_entry *e = entry_in(f.root->dir, "x");
        e->mount = (unsigned)i;
        assert_int_equal(pc_tree_join(f.tree, e, &st), PC_LINK_COPY);
        release_all(&f, pc_tree_leave(f.tree, e, i % 3 != 0).done); /* some have no first */
    }
    for (size_t i = 0; i < GROUPS; i++) {
        const struct stat st = inode(i + 1, 3);
        struct pc_entry *e = entry_in(f.root->dir, "x");
        e->mount = (unsigned)i;
        const bool first = i % 3 == 0;
        assert_int_equal(pc_tree_join(f.tree, e, &st), first ? PC_LINK_COPY : PC_LINK_MAKE);
        if (!first)
            assert_int_equal(pc_tree_first(e)->mount, i);
        release_all(&f, pc_tree_leave(f.tree, e, i % 2 != 0).done);
    }
    memset(taken, 0, sizeof taken);
    struct pc_entry *e;
    assert_null(pc_tree_release(f.root)); /* the groups hold the directory */
    unsigned complete = 0;
    while ((e = pc_tree_take_first(f.tree))) {
        assert_false(taken[e->mount]);
        taken[e->mount] = true;
        complete += release(&f, e);
    }
    for (size_t i = 0; i < GROUPS; i++)
        assert_int_equal(taken[i], i % 3 != 0 || i % 2 != 0);
    assert_int_equal(complete, 1);
    fell(&f);
}

#define INODES 300
#define NAMES  7

struct linking {
    struct fixture f;
    struct pc_entry *entries[INODES * NAMES]; /* of inode i / NAMES */
    nlink_t nlink;
    atomic_size_t next;
    atomic_uint tries[INODES];
    atomic_uint copied[INODES];
    atomic_uint done[INODES * NAMES];
    atomic_uint wrong;
    atomic_uint complete; /* directories */
};

static void finish_links(struct linking *l, struct pc_entry *list)
{
    while (list) {
        struct pc_entry *e = list;
        list = e->next;
        atomic_fetch_add(&l->done[e->mount], 1);
        for (struct pc_dir *d = pc_tree_release(e); d; d = pc_tree_retire(l->f.tree, d))
            atomic_fetch_add(&l->complete, 1);
    }
}

/* As a copy thread does it; every second inode fails twice before it can be copied. */
static void process_link(struct linking *l, struct pc_entry *todo)
{
    while (todo) {
        struct pc_entry *e = todo;
        todo = e->next;
        const size_t i = e->mount / NAMES;
        const struct stat st = inode(i + 1, l->nlink);
        bool there = true;
        switch (pc_tree_join(l->f.tree, e, &st)) {
        case PC_LINK_LATER:
            continue;
        case PC_LINK_MAKE:
            there = pc_tree_first(e) != e && pc_tree_first(e)->mount / NAMES == i &&
                    atomic_load(&l->copied[i]) == 1;
            if (!there)
                atomic_fetch_add(&l->wrong, 1);
            break;
        case PC_LINK_COPY:
            sched_yield();
            there = i % 2 == 0 || atomic_fetch_add(&l->tries[i], 1) >= 2;
            if (there)
                atomic_fetch_add(&l->copied[i], 1);
            break;
        default:
            atomic_fetch_add(&l->wrong, 1);
        }
        struct pc_left left = pc_tree_leave(l->f.tree, e, there);
        if (left.again) {
            struct pc_entry *last = left.again;
            while (last->next)
                last = last->next;
            last->next = todo;
            todo = left.again;
        }
        finish_links(l, left.done);
    }
}

static void *link_thread(void *argument)
{
    struct linking *l = argument;
    size_t at;
    while ((at = atomic_fetch_add(&l->next, 1)) < (size_t)INODES * NAMES) {
        /* A stride brings names of one inode near each other or far apart. */
        struct pc_entry *e = l->entries[at * 1009 % (INODES * NAMES)];
        e->next = NULL;
        process_link(l, e);
    }
    return NULL;
}

static void run_linking(size_t threads, nlink_t nlink, bool sorted)
{
    struct linking *l = calloc(1, sizeof *l);
    pthread_t ids[64];
    MUST(l != NULL);
    plant(&l->f, 4);
    l->nlink = nlink;
    struct pc_entry *dir = grow(&l->f, l->f.root->dir, "d");
    for (size_t i = 0; i < (size_t)INODES * NAMES; i++) {
        struct pc_entry *e = entry_in(dir->dir, "x");
        e->mount = (unsigned)i;
        l->entries[sorted ? i * 1009 % (INODES * NAMES) : i] = e;
    }
    release(&l->f, dir);
    for (size_t i = 0; i < threads; i++)
        MUST(pthread_create(&ids[i], NULL, link_thread, l) == 0);
    for (size_t i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    struct pc_entry *e;
    unsigned left = 0;
    while ((e = pc_tree_take_first(l->f.tree))) {
        e->next = NULL;
        finish_links(l, e);
        left++;
    }
    assert_int_equal(atomic_load(&l->wrong), 0);
    for (size_t i = 0; i < INODES; i++)
        assert_int_equal(atomic_load(&l->copied[i]), 1);
    for (size_t i = 0; i < (size_t)INODES * NAMES; i++)
        assert_int_equal(atomic_load(&l->done[i]), 1);
    assert_int_equal(left, nlink > NAMES ? INODES : 0);
    assert_int_equal(atomic_load(&l->complete), 1);
    assert_int_equal(release(&l->f, l->f.root), 1);
    fell(&l->f);
    free(l);
}

static void each_inode_is_copied_once_and_each_name_is_done_once(void **state)
{
    (void)state;
    const size_t threads[] = {1, 2, 3, 8, 32};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        for (int round = 0; round < 4; round++) {
            run_linking(threads[i], NAMES, round % 2);
            run_linking(threads[i], NAMES + 2, round % 2);
        }
    }
}

int main(void)
{
    alarm(110);
    prefer_memory();
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(entries_carry_what_they_were_added_with),
        SCRATCH_TEST(a_directory_is_complete_after_its_listing_its_entries_and_its_children),
        SCRATCH_TEST(paths_are_joined_from_the_label_down),
        SCRATCH_TEST(a_chain_deeper_than_the_cache_opens_anywhere),
        SCRATCH_TEST(what_is_pinned_is_not_evicted),
        SCRATCH_TEST(a_retired_directory_takes_no_others_handle_along),
        SCRATCH_TEST(an_open_directory_is_not_opened_again),
        SCRATCH_TEST(the_handles_of_a_thread_are_enough_for_two_deep_directories),
        SCRATCH_TEST(missing_directories_are_made_and_existing_ones_found),
        SCRATCH_TEST(an_existing_directory_is_opened_up_for_its_owner),
        SCRATCH_TEST(the_source_says_why_and_is_asked_again),
        SCRATCH_TEST(below_what_is_in_the_way_all_fails_and_one_has_the_cause),
        SCRATCH_TEST(handles_are_always_those_of_the_directory),
        SCRATCH_TEST(the_handles_of_all_threads_are_enough_for_all),
        SCRATCH_TEST(a_directory_is_made_once_whoever_comes_first),
        SCRATCH_TEST(the_first_is_copied_others_wait_and_late_ones_link),
        SCRATCH_TEST(a_name_that_waited_counts_once),
        SCRATCH_TEST(when_the_first_fails_the_next_is_copied),
        SCRATCH_TEST(a_group_that_failed_to_the_last_leaves_nothing),
        SCRATCH_TEST(inodes_are_told_apart_by_device_and_number),
        SCRATCH_TEST(groups_with_names_elsewhere_are_taken_apart_at_the_end),
        SCRATCH_TEST(each_inode_is_copied_once_and_each_name_is_done_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
