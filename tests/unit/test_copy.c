/*
 * One entry to the destination: every kind, onto nothing, onto its equal and onto what is in the
 * way,
 * and what is left when it fails.
 */
#include "scratch.h"

#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "pcopy/copy.h"
#include "pcopy/snapshot.h"

#define OTHER 1234 /* somebody else's ids */

/* From "src" to "dst", by one copier. */
static struct {
    struct pc_tree *tree;
    struct pc_mounts sources;
    struct pc_mounts targets;
    struct pc_copy_config config;
    struct pc_copier copier;
    struct pc_handle handles[2];
    struct pc_entry *root;
    atomic_bool stop;
    atomic_llong granularity[3];
    struct pc_result result;
    uint64_t bytes; /* written by the last copy */
    struct pc_pairs pairs;
} all;

static const char *const labels[2] = {"src", "dst"};

static time_t seconds_ahead;

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += seconds_ahead;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

static void count_bytes(void *owner, uint64_t bytes)
{
    (void)owner;
    all.bytes += bytes;
}

static unsigned retried; /* tries again, */
static int retried_for;  /* the last for this error */

static void note_retry(void *context, int err)
{
    (void)context;
    retried++;
    retried_for = err;
}

static atomic_size_t counters[3]; /* of a sweep */

static void note_removed(void *owner, const char *path, mode_t type)
{
    (void)owner, (void)path, (void)type;
}

static int setup(void **state)
{
    unsigned bad;
    scratch_enter(state);
    put_dir("src");
    put_dir("dst");
    memset(&all, 0, sizeof all);
    all.handles[0] = open_here("src");
    all.handles[1] = open_here("dst");
    const struct pc_tree_config tree = {.sources = 1, .ends = 2, .max_handles = 16};
    MUST(pc_tree_new(&all.tree, &tree) == 0);
    MUST(pc_tree_add_root(all.tree, all.handles, labels, &all.root) == 0);
    MUST(pc_mounts_open(&all.sources, NULL, 0, false, &bad) == 0);
    MUST(pc_mounts_open(&all.targets, NULL, 0, false, &bad) == 0);
    all.config = (struct pc_copy_config){
        .tree = all.tree,
        .sources = &all.sources,
        .targets = &all.targets,
        .keep = {.mode = true,
                 .times = true,
                 .links = true,
                 .umask = 022,
                 .uid = geteuid(),
                 .gid = getegid()},
        .data = {.buffer_size = 4096,
                 .split_size = UINT64_MAX,
                 .range = 8192,
                 .pairs = &all.pairs,
                 .stop = &all.stop,
                 .copied = count_bytes},
        .granularity = all.granularity,
        .retry = {.stop = &all.stop, .retried = note_retry},
        .sweep = {.tree = all.tree,
                  .sources = &all.sources,
                  .host = pc_sys_host(),
                  .allowance = &counters[0],
                  .refused = &counters[1],
                  .total = &counters[2],
                  .removed = note_removed},
    };
    MUST(pc_sys_process(getpid(), &all.config.sweep.born) == 0);
    atomic_init(&counters[0], SIZE_MAX);
    MUST(pc_copier_init(&all.copier, &all.config, NULL) == 0);
    return 0;
}

static void finish(struct pc_entry *e)
{
    while (e) {
        struct pc_entry *next = e->next;
        for (struct pc_dir *d = pc_tree_release(e); d; d = pc_tree_retire(all.tree, d))
            continue;
        e = next;
    }
}

static int teardown(void **state)
{
    struct pc_entry *e;
    while ((e = pc_tree_take_first(all.tree))) {
        e->next = NULL;
        finish(e);
    }
    finish(all.root);
    pc_tree_free(all.tree);
    pc_copier_free(&all.copier);
    pc_mounts_close(&all.targets);
    pc_mounts_close(&all.sources);
    pc_sys_close(&all.handles[0]);
    pc_sys_close(&all.handles[1]);
    return scratch_leave(state);
}

#define COPY_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Lets the next copy see what the test has changed since the one before. */
static void forget(struct pc_dir *dir)
{
    pc_snapshot_free(atomic_exchange(&dir->snapshot, NULL));
}

/* Copies "src/NAME", as a copy thread does it. */
static enum pc_outcome copy_in(struct pc_dir *dir, const char *name, mode_t type)
{
    struct pc_entry *e;
    forget(dir);
    all.bytes = 0;
    MUST(pc_tree_add_entry(dir, name, type, &e) == 0);
    e->next = NULL;
    pc_copy_entry(&all.copier, e, &all.result);
    if (all.result.outcome == PC_POSTPONED)
        return PC_POSTPONED;
    if (!e->group) {
        finish(e);
        return all.result.outcome;
    }
    const enum pc_outcome o = all.result.outcome;
    const struct pc_left left =
        pc_tree_leave(all.tree, e,
                      o == PC_COPIED_FILE || o == PC_COPIED_LINK || o == PC_SKIPPED ||
                          o == PC_MENDED || o == PC_COPIED_SYMLINK || o == PC_COPIED_SPECIAL);
    MUST(!left.again);
    finish(left.done);
    return o;
}

static enum pc_outcome copy(const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "src/%s", name);
    return copy_in(all.root->dir, name, look_at(path).st_mode & S_IFMT);
}

/* Names in "dst" that are not `name`. */
static unsigned others_than(const char *name)
{
    unsigned n = 0;
    DIR *d = opendir("dst");
    MUST(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d)))
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
             strcmp(e->d_name, name) != 0;
    closedir(d);
    return n;
}

static void check_failure(unsigned end, const char *operation, int err)
{
    assert_int_equal(all.result.outcome, PC_FAILED);
    assert_int_equal(all.result.end, end);
    assert_string_equal(all.result.operation, operation);
    assert_int_equal(all.result.err, err);
}

static struct stat check_same(const char *name)
{
    char paths[2][PATH_MAX];
    snprintf(paths[0], PATH_MAX, "src/%s", name);
    snprintf(paths[1], PATH_MAX, "dst/%s", name);
    const struct stat a = look_at(paths[0]);
    const struct stat b = look_at(paths[1]);
    assert_int_equal(a.st_mode, b.st_mode);
    assert_int_equal(a.st_mtim.tv_sec, b.st_mtim.tv_sec);
    assert_int_equal(a.st_mtim.tv_nsec, b.st_mtim.tv_nsec);
    if (S_ISREG(a.st_mode)) {
        assert_int_equal(a.st_size, b.st_size);
        assert_true(same_bytes(paths[0], paths[1]));
    }
    assert_int_equal(others_than(name), 0);
    return b;
}

/* --- every kind --- */

static void files_of_all_sizes_are_copied(void **state)
{
    (void)state;
    const size_t sizes[] = {0, 1, 4095, 4096, 4097, 8192, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_noise("src/f", sizes[i], (uint32_t)i);
        MUST(chmod("src/f", i % 2 ? 0640 : 0444) == 0);
        set_mtime("src/f", 1000 + (time_t)i, 123456789);
        assert_int_equal(copy("f"), PC_COPIED_FILE);
        assert_int_equal(all.bytes, sizes[i]);
        check_same("f");
        MUST(unlink("dst/f") == 0 && unlink("src/f") == 0);
    }
    assert_true(all.root->dir->touched);
}

static void symbolic_links_are_copied_as_they_are(void **state)
{
    (void)state;
    char target[4096];
    char found[4096] = "";
    memset(target, 'x', 4095);
    for (size_t i = 100; i < 4095; i += 100)
        target[i] = '/';
    target[4095] = '\0';
    const char *const targets[] = {"nowhere", "/", "../src", target};
    for (size_t i = 0; i < 4; i++) {
        MUST(symlink(targets[i], "src/l") == 0);
        set_mtime("src/l", 77, 88);
        assert_int_equal(copy("l"), PC_COPIED_SYMLINK);
        check_same("l");
        const ssize_t n = readlink("dst/l", found, sizeof found);
        assert_int_equal(n, strlen(targets[i]));
        assert_memory_equal(found, targets[i], (size_t)n);
        assert_int_equal(copy("l"), PC_SKIPPED);
        MUST(unlink("src/l") == 0 && unlink("dst/l") == 0);
    }
}

static void special_files_are_made_anew(void **state)
{
    (void)state;
    MUST(mkfifo("src/fifo", 0620) == 0);
    set_mtime("src/fifo", 77, 88);
    assert_int_equal(copy("fifo"), PC_COPIED_SPECIAL);
    check_same("fifo");
    assert_int_equal(copy("fifo"), PC_SKIPPED);
    MUST(unlink("dst/fifo") == 0);

    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "src/sock"};
    const int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    MUST(s >= 0 && bind(s, (const struct sockaddr *)&address, sizeof address) == 0);
    close(s);
    MUST(chmod("src/sock", 0600) == 0);
    assert_int_equal(copy("sock"), PC_COPIED_SPECIAL);
    check_same("sock");
    MUST(unlink("dst/sock") == 0);

    if (geteuid() != 0)
        skip();
    MUST(mknod("src/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
    assert_int_equal(copy("null"), PC_COPIED_SPECIAL);
    assert_int_equal(check_same("null").st_rdev, makedev(1, 3));
    MUST(unlink("dst/null") == 0 && mknod("dst/null", S_IFCHR | 0666, makedev(1, 5)) == 0);
    assert_int_equal(copy("null"), PC_COPIED_SPECIAL); /* another device is not the same */
    assert_int_equal(check_same("null").st_rdev, makedev(1, 3));
}

static void a_special_file_of_somebody_else_ends_with_its_mode(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    all.config.keep.owner = true;
    MUST(mkfifo("src/fifo", 0664) == 0 && chown("src/fifo", OTHER, OTHER + 1) == 0);
    assert_int_equal(copy("fifo"), PC_COPIED_SPECIAL);
    const struct stat st = check_same("fifo");
    assert_int_equal(st.st_uid, OTHER);
    assert_int_equal(st.st_gid, OTHER + 1);
}

static void holes_stay_holes(void **state)
{
    (void)state;
    enum { BIG = 1 << 20 };
    const struct {
        off_t data[3]; /* where 5000 bytes are, 0 for none behind the first */
        off_t size;
    } table[] = {
        {{0, 2 * BIG, 5 * BIG}, 8 * BIG},
        {{BIG, 0, 0}, BIG + 5000},
        {{3 * BIG, 0, 0}, 9 * BIG},
        {{-1, 0, 0}, 4 * BIG},
        {{0, 0, 0}, 4 * BIG},
        {{1, BIG - 1, 0}, BIG + 4999},
        {{0, 3 * BIG, 0}, 3 * BIG + 5000 + 1},
    };
    char bytes[5000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i % 251 + 1);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const int fd = open("src/f", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        MUST(fd >= 0 && ftruncate(fd, table[i].size) == 0);
        for (size_t j = 0; j < 3; j++) {
            const off_t at = table[i].data[j];
            if (at >= 0 && (at > 0 || j == 0))
                MUST(pwrite(fd, bytes, sizeof bytes, at) == sizeof bytes);
        }
        MUST(close(fd) == 0);
        set_mtime("src/f", 5, 6);
        assert_int_equal(copy("f"), PC_COPIED_FILE);
        const struct stat st = check_same("f");
        const struct stat src = look_at("src/f");
        if (src.st_blocks * 512 < src.st_size / 2)
            assert_true(st.st_blocks <= src.st_blocks + 64);
        MUST(unlink("src/f") == 0 && unlink("dst/f") == 0);
    }
}

static void an_entry_lands_under_the_name_it_is_given(void **state)
{
    (void)state;
    struct pc_entry *e;
    put("src/a", "text");
    MUST(pc_tree_add_entry(all.root->dir, "a", S_IFREG, &e) == 0);
    e->to = "b";
    pc_copy_entry(&all.copier, e, &all.result);
    assert_int_equal(all.result.outcome, PC_COPIED_FILE);
    assert_true(same_bytes("src/a", "dst/b"));
    put("dst/b", "other text");
    pc_copy_entry(&all.copier, e, &all.result);
    assert_int_equal(all.result.outcome, PC_COPIED_FILE);
    assert_true(same_bytes("src/a", "dst/b"));
    assert_int_equal(others_than("b"), 0);
    finish(e);
}

/* --- hard links --- */

static void hard_links_are_linked(void **state)
{
    (void)state;
    put_noise("src/a", 5000, 1);
    MUST(link("src/a", "src/b") == 0 && link("src/a", "src/c") == 0);
    assert_int_equal(copy("a"), PC_COPIED_FILE);
    assert_int_equal(copy("b"), PC_COPIED_LINK);
    assert_int_equal(all.bytes, 0);
    put("dst/c", "in the way");
    assert_int_equal(copy("c"), PC_COPIED_LINK);
    assert_int_equal(look_at("dst/a").st_nlink, 3);
    assert_int_equal(look_at("dst/a").st_ino, look_at("dst/b").st_ino);
    assert_int_equal(look_at("dst/a").st_ino, look_at("dst/c").st_ino);
    assert_true(same_bytes("src/a", "dst/c"));
    assert_int_equal(others_than("a"), 2);
    assert_int_equal(copy("a"), PC_SKIPPED); /* a second run */
    assert_int_equal(copy("b"), PC_SKIPPED);
    assert_int_equal(copy("c"), PC_SKIPPED);
}

static void hard_links_of_symbolic_links_and_fifos_are_linked(void **state)
{
    (void)state;
    MUST(symlink("x", "src/a") == 0 && link("src/a", "src/b") == 0);
    MUST(mkfifo("src/f", 0600) == 0 && link("src/f", "src/g") == 0);
    assert_int_equal(copy("a"), PC_COPIED_SYMLINK);
    assert_int_equal(copy("b"), PC_COPIED_LINK);
    assert_int_equal(copy("f"), PC_COPIED_SPECIAL);
    assert_int_equal(copy("g"), PC_COPIED_LINK);
    assert_int_equal(look_at("dst/a").st_ino, look_at("dst/b").st_ino);
    assert_int_equal(look_at("dst/f").st_ino, look_at("dst/g").st_ino);
}

static void hard_links_become_files_if_links_are_not_kept(void **state)
{
    (void)state;
    all.config.keep.links = false;
    put("src/a", "text");
    MUST(link("src/a", "src/b") == 0);
    assert_int_equal(copy("a"), PC_COPIED_FILE);
    assert_int_equal(copy("b"), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/a").st_nlink, 1);
    assert_true(same_bytes("src/a", "dst/b"));
}

static void the_second_name_is_copied_if_the_first_cannot(void **state)
{
    (void)state;
    put("src/a", "text");
    MUST(link("src/a", "src/b") == 0);
    put_dir("dst/a");
    assert_int_equal(copy("a"), PC_FAILED);
    assert_int_equal(copy("b"), PC_COPIED_FILE);
    assert_true(same_bytes("src/a", "dst/b"));
}

static int stat_at_fails(const char *call)
{
    static unsigned n;
    return strcmp(call, "fstatat") == 0 && ++n == 2 ? -EIO : 0;
}

/* rename(2) does nothing, successfully, if both names are of one inode. */
static void linking_a_name_that_is_linked_already_leaves_no_temporary(void **state)
{
    (void)state;
    put("src/a", "text");
    MUST(link("src/a", "src/b") == 0);
    assert_int_equal(copy("a"), PC_COPIED_FILE);
    MUST(link("dst/a", "dst/b") == 0);
    pc_sys_set_fault(stat_at_fails); /* so that it does not see that they are one */
    copy("b");
    pc_sys_set_fault(NULL);
    assert_int_equal(others_than("a"), 1);
}

/* Two mount points that are not one directory, so that it shows which one was taken. */
static void links_go_through_the_mount_point_of_their_first(void **state)
{
    (void)state;
    const char *const three[3] = {"src", "dst", "other"};
    struct pc_handle handles[3];
    struct pc_entry *root;
    struct pc_entry *e[2];
    struct pc_tree *tree;
    struct pc_copier copier;
    put_dir("other");
    put("src/a", "text");
    MUST(link("src/a", "src/b") == 0);
    for (int i = 0; i < 3; i++)
        handles[i] = open_here(three[i]);
    struct pc_mounts targets = {.count = 2};
    struct pc_copy_config config = all.config;
    config.targets = &targets;
    const struct pc_tree_config of_three = {.sources = 1, .ends = 3, .max_handles = 16};
    MUST(pc_tree_new(&tree, &of_three) == 0);
    MUST(pc_tree_add_root(tree, handles, three, &root) == 0);
    config.tree = tree;
    MUST(pc_copier_init(&copier, &config, NULL) == 0);
    for (int i = 0; i < 2; i++) {
        MUST(pc_tree_add_entry(root->dir, i ? "b" : "a", S_IFREG, &e[i]) == 0);
        pc_copy_entry(&copier, e[i], &all.result);
        assert_int_equal(all.result.outcome, i ? PC_COPIED_LINK : PC_COPIED_FILE);
        struct pc_left left = pc_tree_leave(tree, e[i], true);
        while (left.done) {
            struct pc_entry *done = left.done;
            left.done = done->next;
            assert_null(pc_tree_release(done));
        }
    }
    struct pc_dir *dir = pc_tree_release(root);
    assert_non_null(dir);
    assert_null(pc_tree_retire(tree, dir));
    pc_tree_free(tree);
    for (int i = 0; i < 2; i++) {
        const char *const both[2] = {i ? "other/a" : "dst/a", i ? "other/b" : "dst/b"};
        assert_int_equal(is_there(both[0]), is_there(both[1]));
    }
    assert_int_not_equal(is_there("dst/a"), is_there("other/a"));
    pc_copier_free(&copier);
    for (int i = 0; i < 3; i++)
        pc_sys_close(&handles[i]);
}

/* --- what is at the destination already --- */

static void a_link_or_fifo_of_another_time_or_mode_is_not_equal(void **state)
{
    (void)state;
    MUST(symlink("target", "src/l") == 0 && symlink("target", "dst/l") == 0);
    set_mtime("src/l", 5, 6);
    set_mtime("dst/l", 5, 7);
    copy("l");
    check_same("l");
    MUST(unlink("dst/l") == 0);
    MUST(mkfifo("src/p", 0600) == 0 && mkfifo("dst/p", 0600) == 0);
    set_mtime("src/p", 5, 6);
    set_mtime("dst/p", 6, 6);
    copy("p");
    check_same("p");
    MUST(unlink("dst/p") == 0 && mkfifo("dst/p", 0640) == 0);
    set_mtime("dst/p", 5, 6);
    copy("p");
    check_same("p");
}

static void equal_size_and_mtime_are_skipped(void **state)
{
    (void)state;
    put("src/f", "text");
    put("dst/f", "TEXT");
    set_mtime("src/f", 5, 6);
    set_mtime("dst/f", 5, 6);
    const struct stat before = look_at("dst/f");
    assert_int_equal(copy("f"), PC_SKIPPED);
    assert_int_equal(look_at("dst/f").st_ino, before.st_ino);
    assert_int_equal(look_at("dst/f").st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    assert_false(all.root->dir->touched);
    assert_false(same_bytes("src/f", "dst/f"));
}

static void what_differs_is_replaced_not_written_into(void **state)
{
    (void)state;
    const struct {
        const char *content;
        time_t seconds;
        long nanoseconds;
    } table[] = {{"TEXT", 5, 7}, {"TEXT", 6, 6}, {"longer", 5, 6}, {"", 5, 6}};
    put("src/f", "text");
    set_mtime("src/f", 5, 6);
    for (size_t i = 0; i < 4; i++) {
        put("dst/f", table[i].content);
        set_mtime("dst/f", table[i].seconds, table[i].nanoseconds);
        MUST(chmod("dst/f", 0444) == 0);
        MUST(link("dst/f", "other-name") == 0);
        const struct stat before = look_at("other-name");
        assert_int_equal(copy("f"), PC_COPIED_FILE);
        check_same("f");
        assert_int_not_equal(look_at("dst/f").st_ino, before.st_ino);
        const struct stat after = look_at("other-name"); /* who else has the file keeps it */
        assert_int_equal(after.st_size, strlen(table[i].content));
        assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        assert_int_equal(after.st_nlink, 1);
        MUST(unlink("other-name") == 0);
        MUST(unlink("dst/f") == 0);
    }
}

static void anything_but_a_directory_is_replaced(void **state)
{
    (void)state;
    put("precious", "keep me");
    put("src/file", "text");
    MUST(symlink("target", "src/link") == 0);
    MUST(mkfifo("src/fifo", 0600) == 0);
    const char *const names[] = {"file", "link", "fifo"};
    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 5; j++) {
            char path[64];
            snprintf(path, sizeof path, "dst/%s", names[i]);
            if (j == 0)
                put(path, "other text");
            else if (j == 1)
                MUST(symlink("../precious", path) == 0);
            else if (j == 2)
                MUST(mkfifo(path, 0640) == 0);
            else if (j == 3)
                MUST(link("precious", path) == 0);
            else
                MUST(symlink("../new-name", path) == 0);
            const enum pc_outcome outcome = copy(names[i]);
            if (i != j || i != 2) { /* a FIFO for a FIFO is another test */
                const enum pc_outcome expected[] = {PC_COPIED_FILE, PC_COPIED_SYMLINK,
                                                    PC_COPIED_SPECIAL};
                assert_int_equal(outcome, expected[i]);
                check_same(names[i]);
            }
            assert_int_equal(look_at("precious").st_size, 7);
            assert_int_equal(look_at("precious").st_nlink, 1);
            assert_false(is_there("new-name"));
            MUST(unlink(path) == 0);
        }
    }
}

static void a_directory_is_not_replaced(void **state)
{
    (void)state;
    put("src/f", "text");
    put_dir("dst/f");
    put("dst/f/inside", "");
    assert_int_equal(copy("f"), PC_FAILED);
    check_failure(1, "create", -EISDIR);
    assert_true(is_there("dst/f/inside"));
    assert_int_equal(others_than("f"), 0);
}

static char temporary[NAME_MAX + 2];

/* While it is made the new file is beside the old one, which is whole. */
static int look_for_temporary(const char *call)
{
    if (strcmp(call, "renameat") != 0)
        return 0;
    DIR *d = opendir("dst");
    MUST(d != NULL);
    const struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' && strstr(e->d_name, ".pcopy-"))
            snprintf(temporary, sizeof temporary, "%s", e->d_name);
    }
    closedir(d);
    return 0;
}

static void a_temporary_name_shows_whose_it_is_and_fits(void **state)
{
    (void)state;
    char names[3][NAME_MAX + 1] = {"f"};
    memset(names[1], 'n', 239);
    memset(names[2], 'n', NAME_MAX);
    for (size_t i = 0; i < 3; i++) {
        char src[PATH_MAX];
        char dst[PATH_MAX];
        char start[PATH_MAX];
        snprintf(src, sizeof src, "src/%s", names[i]);
        snprintf(dst, sizeof dst, "dst/%s", names[i]);
        put(src, "new");
        put(dst, "old text");
        *temporary = '\0';
        pc_sys_set_fault(look_for_temporary);
        assert_int_equal(copy(names[i]), PC_COPIED_FILE);
        pc_sys_set_fault(NULL);
        snprintf(start, sizeof start, ".%.200s", names[i]);
        assert_memory_equal(temporary, start, strlen(start));
        const char *tail = strstr(temporary, ".pcopy-");
        assert_non_null(tail);
        char pid[32];
        snprintf(pid, sizeof pid, "-%x-%x-", (unsigned)getpid(), (unsigned)all.config.sweep.born);
        assert_int_equal(strspn(tail + 7, "0123456789abcdef"), 8);
        assert_memory_equal(tail + 15, pid, strlen(pid));
        assert_true(strspn(tail + 15 + strlen(pid), "0123456789abcdef") > 0);
        assert_true(strlen(temporary) <= NAME_MAX);
        if (i == 0)
            assert_int_equal(tail - temporary, 2);
        else if (i == 2)
            assert_int_equal(strlen(temporary), NAME_MAX);
        check_same(names[i]);
        MUST(unlink(dst) == 0);
    }
}

/* --- the source --- */

static void what_is_gone_has_vanished(void **state)
{
    (void)state;
    const mode_t types[] = {S_IFREG, S_IFLNK, S_IFIFO};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(copy_in(all.root->dir, "gone", types[i]), PC_VANISHED);
    assert_int_equal(others_than(""), 0);
}

static void what_has_another_type_than_listed_is_not_copied(void **state)
{
    (void)state;
    put("secret", "text");
    put("src/f", "text");
    MUST(symlink("../secret", "src/link") == 0);
    MUST(mkfifo("src/fifo", 0600) == 0);
    put_dir("src/d");
    assert_int_equal(copy_in(all.root->dir, "link", S_IFREG), PC_CHANGED);
    assert_int_equal(all.result.err, -ESTALE);
    assert_int_equal(copy_in(all.root->dir, "fifo", S_IFREG), PC_CHANGED); /* and does not block */
    assert_string_equal(all.result.why, "its type changed while the tree was read");
    assert_int_equal(all.result.end, PC_SOURCE);
    assert_int_equal(copy_in(all.root->dir, "d", S_IFREG), PC_CHANGED);
    assert_int_equal(copy_in(all.root->dir, "f", S_IFLNK), PC_CHANGED);
    assert_int_equal(copy_in(all.root->dir, "f", S_IFIFO), PC_CHANGED);
    assert_int_equal(others_than(""), 0);
}

static void an_unreadable_file_fails_and_leaves_nothing(void **state)
{
    (void)state;
    put("src/f", "text");
    MUST(chmod("src/f", 0) == 0);
    if (geteuid() == 0) {
        MUST(chown("src/f", OTHER, OTHER) == 0);
        become_nobody();
    }
    assert_int_equal(copy("f"), PC_FAILED);
    check_failure(PC_SOURCE, "open", -EACCES);
    assert_int_equal(others_than(""), 0);
}

static void data_under_a_size_of_0_is_refused(void **state)
{
    (void)state;
    struct pc_entry *root;
    struct pc_handle handles[2] = {open_here("/proc/self"), open_here("dst")};
    const char *const proc_labels[2] = {"/proc/self", "dst"};
    MUST(pc_tree_add_root(all.tree, handles, proc_labels, &root) == 0);
    assert_int_equal(copy_in(root->dir, "status", S_IFREG), PC_FAILED);
    check_failure(PC_SOURCE, "read", -EIO);
    assert_string_equal(all.result.why, "it has data although its size is 0");
    assert_int_equal(others_than(""), 0);
    finish(root);
    pc_sys_close(&handles[0]);
    pc_sys_close(&handles[1]);
}

/* What happens to the source, or to the run, when the `after`th `on` is made. */
static const char *on;
static unsigned after;
static void (*event)(void);

static int at_event(const char *call)
{
    if (strcmp(call, on) == 0 && after-- == 0)
        event();
    return 0;
}

static void when(const char *call, unsigned count, void (*what)(void))
{
    on = call;
    after = count;
    event = what;
    pc_sys_set_fault(at_event);
}

static void shrink(void)
{
    MUST(truncate("src/f", 5000) == 0);
}

static void grow(void)
{
    const int fd = open("src/f", O_WRONLY | O_APPEND | O_CLOEXEC);
    MUST(fd >= 0 && write(fd, "more", 4) == 4 && close(fd) == 0);
}

static void stop(void)
{
    atomic_store(&all.stop, true);
}

static void of_a_source_that_shrinks_nothing_is_left(void **state)
{
    (void)state;
    put_noise("src/f", 20000, 1);
    when("pread", 1, shrink);
    assert_int_equal(copy("f"), PC_CHANGED);
    assert_int_equal(all.result.err, -EIO);
    assert_string_equal(all.result.why, "the file became shorter while it was read");
    assert_int_equal(others_than(""), 0);

    put_noise("src/f", 20000, 1);
    put("dst/f", "old");
    when("pread", 1, shrink);
    assert_int_equal(copy("f"), PC_CHANGED);
    assert_int_equal(look_at("dst/f").st_size, 3); /* the old one is as it was */
    assert_int_equal(others_than("f"), 0);
}

static void of_a_source_with_holes_that_shrinks_nothing_is_left(void **state)
{
    (void)state;
    put_noise("src/f", 20000, 1);
    MUST(truncate("src/f", 1 << 20) == 0);
    const struct stat st = look_at("src/f");
    if (st.st_blocks * 512 >= st.st_size)
        skip();
    when("pread", 1, shrink);
    assert_int_equal(copy("f"), PC_CHANGED);
    assert_int_equal(others_than(""), 0);

    put_noise("src/f", 20000, 1);
    MUST(truncate("src/f", 1 << 20) == 0);
    when("lseek", 2, shrink); /* the data was read; what is left looks like a hole */
    assert_int_equal(copy("f"), PC_CHANGED);
    assert_int_equal(others_than(""), 0);
}

static void of_a_source_that_grows_what_was_there_is_copied(void **state)
{
    (void)state;
    put_noise("src/f", 20000, 1);
    set_mtime("src/f", 5, 6);
    when("pread", 1, grow);
    assert_int_equal(copy("f"), PC_CHANGED);
    assert_int_equal(all.result.err, 0);
    const struct stat st = look_at("dst/f");
    assert_int_equal(st.st_size, 20000);
    assert_int_equal(st.st_mtim.tv_sec,
                     5); /* so that the next run sees that it has changed since */
    assert_int_equal(st.st_mtim.tv_nsec, 6);
    pc_sys_set_fault(NULL);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
}

static void punch(void)
{
    const int fd = open("src/f", O_WRONLY | O_CLOEXEC);
    MUST(fd >= 0);
    if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20) != 0)
        MUST(errno == EOPNOTSUPP);
    close(fd);
}

static void a_source_with_holes_that_grows_or_is_punched_ends_at_its_size(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        put_noise("src/f", 20000, 1);
        MUST(truncate("src/f", 1 << 20) == 0);
        grow(); /* data at the end, so that the last run of data is what grows */
        const off_t size = look_at("src/f").st_size;
        set_mtime("src/f", 5, 6);
        if (i == 0)
            when("lseek", 2, grow);
        else
            when("lseek", 1, punch); /* after it was said that there is data */
        assert_int_equal(copy("f"), PC_CHANGED);
        assert_int_equal(all.result.err, 0);
        pc_sys_set_fault(NULL);
        assert_int_equal(look_at("dst/f").st_size, size);
        assert_int_equal(look_at("dst/f").st_mtim.tv_nsec, 6);
        MUST(unlink("src/f") == 0 && unlink("dst/f") == 0);
    }
}

static void what_changed_while_it_was_read_is_copied_again(void **state)
{
    (void)state;
    void (*const events[])(void) = {grow, shrink};
    all.config.retry.tries = 1;
    for (size_t i = 0; i < 2; i++) {
        for (int old = 0; old < 2; old++) {
            put_noise("src/f", 20000, 1);
            scratch_remove("dst/f");
            if (old)
                put("dst/f", "old");
            when("pread", 1, events[i]);
            assert_int_equal(copy("f"), PC_COPIED_FILE);
            pc_sys_set_fault(NULL);
            check_same("f");
            assert_int_equal(others_than("f"), 0);
        }
    }
}

static int grow_at_each_read(const char *call)
{
    if (strcmp(call, "pread") == 0)
        grow();
    return 0;
}

static void what_never_stops_changing_is_told_and_its_last_copy_kept(void **state)
{
    (void)state;
    all.config.retry.tries = 3;
    put_noise("src/f", 3000, 1);
    pc_sys_set_fault(grow_at_each_read);
    assert_int_equal(copy("f"), PC_CHANGED);
    pc_sys_set_fault(NULL);
    assert_int_equal(all.result.err, 0);
    assert_int_equal(look_at("dst/f").st_size, 3000 + 3 * 4);
    assert_int_equal(others_than("f"), 0);
}

static void chmod_source(void)
{
    MUST(chmod("src/f", 0600) == 0);
}

static void metadata_that_changes_meanwhile_arrives_too(void **state)
{
    (void)state;
    all.config.retry.tries = 1;
    put("src/f", "text");
    when("pwrite", 0, chmod_source);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    assert_int_equal(look_at("dst/f").st_mode & 07777, 0600);
}

static void remove_source(void)
{
    grow();
    MUST(unlink("src/f") == 0);
}

static void what_is_removed_after_it_changed_has_vanished(void **state)
{
    (void)state;
    all.config.retry.tries = 2;
    put("src/f", "text");
    when("pwrite", 0, remove_source);
    assert_int_equal(copy("f"), PC_VANISHED);
    assert_int_equal(others_than(""), 0);
}

static void remove_target(void)
{
    MUST(unlink("dst/f") == 0);
}

static void what_somebody_removes_while_we_look_at_it_is_made_anew(void **state)
{
    (void)state;
    put("src/f", "text");
    put("dst/f", "old");
    when("fstatat", 0, remove_target);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
}

static void a_run_that_is_stopped_ends_in_the_middle_of_a_file(void **state)
{
    (void)state;
    put_noise("src/f", 100000, 1);
    when("pwrite", 3, stop);
    assert_int_equal(copy("f"), PC_ABANDONED);
    assert_true(all.bytes <= 4 * 4096);
    assert_int_equal(others_than(""), 0);

    put("dst/f", "old");
    atomic_store(&all.stop, false);
    when("pwrite", 3, stop);
    assert_int_equal(copy("f"), PC_ABANDONED);
    assert_int_equal(look_at("dst/f").st_size, 3);
    assert_int_equal(others_than("f"), 0);
}

/* --- order and failures --- */

static char calls[64][16];
static size_t call_count;
static const char *failing;

static int record(const char *call)
{
    MUST(call_count < 64);
    snprintf(calls[call_count++], sizeof calls[0], "%s", call);
    return failing && strcmp(call, failing) == 0 ? -EIO : 0;
}

static int place_of(const char *call)
{
    for (size_t i = 0; i < call_count; i++) {
        if (strcmp(calls[i], call) == 0)
            return (int)i;
    }
    return -1;
}

/* The first one behind place `at`. */
static int place_behind(int at, const char *call)
{
    for (size_t i = (size_t)at + 1; i < call_count; i++) {
        if (strcmp(calls[i], call) == 0)
            return (int)i;
    }
    return -1;
}

static void times_are_set_after_all_else_but_close_and_rename(void **state)
{
    (void)state;
    for (int fsync = 0; fsync < 2; fsync++) {
        all.config.fsync = fsync;
        call_count = 0;
        failing = NULL;
        put_noise("src/f", 5000, 1);
        put("dst/f", "old");
        MUST(chmod("src/f", 04755) == 0);
        /* In the same second as the old one, whose size is another: nothing is probed for that. */
        set_mtime("src/f", 1600000000, 123456789);
        set_mtime("dst/f", 1600000000, 987654321);
        pc_sys_set_fault(record);
        assert_int_equal(copy("f"), PC_COPIED_FILE);
        pc_sys_set_fault(NULL);
        const int times = place_of("futimens");
        assert_true(times > place_of("pwrite") && times > place_of("fchmod"));
        assert_true(place_behind(times, "close") > times);
        assert_true(place_of("renameat") > place_behind(times, "close"));
        assert_int_equal(place_of("fsync") > place_of("fchmod"), fsync);
        assert_true(place_of("fsync") < times);
        check_same("f");
        MUST(unlink("dst/f") == 0);
    }
}

/* --- trying again --- */

static const char *failing_call;
static unsigned failures; /* still to come */
static int failure;

static int fail_some(const char *call)
{
    if (strcmp(call, failing_call) != 0 || failures == 0)
        return 0;
    failures--;
    return failure;
}

static void let_fail(const char *call, unsigned times, int err)
{
    failing_call = call;
    failures = times;
    failure = err;
    retried = 0;
    pc_sys_set_fault(fail_some);
}

static void what_may_pass_is_tried_again(void **state)
{
    (void)state;
    const char *const calls_to_fail[] = {"openat", "fstat", "pread",    "pwrite",
                                         "fsync",  "close", "futimens", "fchmod"};
    const int errors[] = {-EIO, -ESTALE, -ETIMEDOUT};
    all.config.retry.tries = 2;
    all.config.fsync = true;
    for (size_t c = 0; c < sizeof calls_to_fail / sizeof calls_to_fail[0]; c++) {
        for (size_t i = 0; i < 3; i++) {
            put_noise("src/f", 10000, 1);
            MUST(chmod("src/f", 04755) == 0);
            let_fail(calls_to_fail[c], 2, errors[i]);
            assert_int_equal(copy("f"), PC_COPIED_FILE);
            assert_int_equal(failures, 0);
            assert_true(retried == 2 || retried == 1); /* of closing the source nobody cares */
            assert_int_equal(retried_for, errors[i]);
            check_same("f");

            MUST(unlink("dst/f") == 0);
            let_fail(calls_to_fail[c], 1000, errors[i]);
            assert_int_equal(copy("f"), PC_FAILED);
            assert_int_equal(all.result.err, errors[i]);
            assert_int_equal(retried, 2);
            pc_sys_set_fault(NULL);
            assert_int_equal(others_than(""), 0);
        }
    }
}

static void what_does_not_pass_is_not_tried_again(void **state)
{
    (void)state;
    const int errors[] = {-EACCES, -EPERM, -ENAMETOOLONG, -ENOSPC, -EDQUOT};
    put_noise("src/f", 10000, 1);
    all.config.retry.tries = 2;
    for (size_t i = 0; i < 5; i++) {
        let_fail("pwrite", 1, errors[i]);
        assert_int_equal(copy("f"), PC_FAILED);
        assert_int_equal(retried, 0);
        assert_int_equal(others_than(""), 0);
    }
    /* For room it is waited for as long as it takes. */
    all.config.retry.wait_when_full = true;
    let_fail("pwrite", 7, -ENOSPC);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    assert_int_equal(retried, 7);
    check_same("f");
}

static void hard_links_are_tried_again_too(void **state)
{
    (void)state;
    put_noise("src/a", 5000, 1);
    MUST(link("src/a", "src/b") == 0);
    all.config.retry.tries = 1;
    let_fail("pwrite", 1, -EIO);
    assert_int_equal(copy("a"), PC_COPIED_FILE);
    assert_int_equal(retried, 1);
    let_fail("linkat", 1, -EIO);
    assert_int_equal(copy("b"), PC_COPIED_LINK);
    assert_int_equal(retried, 1);
    assert_int_equal(look_at("dst/a").st_nlink, 2);
}

static void a_new_file_is_never_wider_than_it_ends(void **state)
{
    (void)state;
    put("src/f", "text");
    MUST(chmod("src/f", 0600) == 0);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/f").st_mode & 07777, 0600);
    MUST(unlink("dst/f") == 0);
    call_count = 0;
    failing = NULL;
    pc_sys_set_fault(record);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    assert_int_equal(place_of("fchmod"), -1); /* it was made with the mode it ends with */
    assert_int_equal(place_of("fchown"), -1);
}

static void what_fails_names_its_operation_and_leaves_nothing(void **state)
{
    (void)state;
    const struct {
        const char *call;
        const char *operation;
        unsigned end;
    } table[] = {
        {"openat", "open", PC_SOURCE},   {"pread", "read", PC_SOURCE}, {"pwrite", "write", 1},
        {"fchmod", "set mode of", 1},    {"fsync", "flush", 1},        {"close", "close", 1},
        {"futimens", "set times of", 1}, {"renameat", "replace", 1},   {"fstatat", "stat", 1},
        {"fstat", "stat", PC_SOURCE},
    };
    all.config.fsync = true;
    put_noise("src/f", 5000, 1);
    MUST(chmod("src/f", 04755) == 0);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        for (int old = 0; old < 2; old++) {
            if (!old &&
                (strcmp(table[i].call, "renameat") == 0 || strcmp(table[i].call, "fstatat") == 0))
                continue;
            if (old)
                put("dst/f", "old");
            call_count = 0;
            failing = table[i].call;
            pc_sys_set_fault(record);
            assert_int_equal(copy("f"), PC_FAILED);
            pc_sys_set_fault(NULL);
            check_failure(table[i].end, table[i].operation, -EIO);
            assert_int_equal(others_than("f"), 0);
            assert_int_equal(is_there("dst/f"), old);
            if (old)
                assert_int_equal(look_at("dst/f").st_size, 3);
            scratch_remove("dst/f");
        }
    }
}

static void a_link_or_fifo_that_fails_half_way_is_removed(void **state)
{
    (void)state;
    const char *const names[] = {"l", "p"};
    MUST(symlink("x", "src/l") == 0 && mkfifo("src/p", 0600) == 0);
    for (size_t i = 0; i < 2; i++) {
        call_count = 0;
        failing = "futimens";
        pc_sys_set_fault(record);
        assert_int_equal(copy(names[i]), PC_FAILED);
        pc_sys_set_fault(NULL);
        check_failure(1, "set times of", -EIO);
        assert_int_equal(others_than(""), 0);
        failing = i ? "mknodat" : "symlinkat";
        pc_sys_set_fault(record);
        assert_int_equal(copy(names[i]), PC_FAILED);
        pc_sys_set_fault(NULL);
        check_failure(1, "create", -EIO);
    }
}

/* On a network file system, in a directory that this run has made: creating needs not be
 * exclusive. */
static void in_place_the_same_file_gets_new_data(void **state)
{
    (void)state;
    all.config.inplace = true;
    put_noise("src/f", 20000, 1);
    put_noise("dst/f", 50000, 2);
    const ino_t before = look_at("dst/f").st_ino;
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/f").st_ino, before);
    check_same("f");

    /* The holes of the new file do not show the old one. */
    MUST(truncate("src/f", 0) == 0 && truncate("src/f", 1 << 20) == 0);
    put_noise("dst/f", 50000, 2);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/f").st_ino, before);
    check_same("f");

    /* Nobody reads new data with the rights to the old. */
    put("src/f", "secret");
    MUST(chmod("src/f", 0600) == 0 && chmod("dst/f", 0666) == 0);
    call_count = 0;
    failing = NULL;
    pc_sys_set_fault(record);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    pc_sys_set_fault(NULL);
    assert_true(place_of("fchmod") >= 0 && place_of("fchmod") < place_of("pwrite"));
    check_same("f");
}

static void in_place_what_is_no_plain_file_is_replaced(void **state)
{
    (void)state;
    all.config.inplace = true;
    put("precious", "precious");
    put("src/f", "text");
    for (int i = 0; i < 3; i++) {
        scratch_remove("dst/f");
        MUST((i == 0   ? link("precious", "dst/f")
              : i == 1 ? symlink("../precious", "dst/f")
                       : mkfifo("dst/f", 0600)) == 0);
        assert_int_equal(copy("f"), PC_COPIED_FILE);
        check_same("f");
        assert_int_equal(look_at("precious").st_size, 8);
        assert_int_equal(others_than("f"), 0);
    }
}

static void in_place_a_failure_leaves_what_does_not_look_complete(void **state)
{
    (void)state;
    all.config.inplace = true;
    put_noise("src/f", 20000, 1);
    set_mtime("src/f", 5, 6);
    put_noise("dst/f", 20000, 2);
    when("pwrite", 3, stop);
    assert_int_equal(copy("f"), PC_ABANDONED);
    pc_sys_set_fault(NULL);
    const struct stat src = look_at("src/f");
    const struct stat dst = look_at("dst/f");
    assert_false(pc_meta_same_mtime(&src, &dst, 1));
    assert_int_equal(others_than("f"), 0);
}

static void atomic_new_files_are_named_last(void **state)
{
    (void)state;
    all.config.atomic = true;
    put("src/f", "text");
    *temporary = '\0';
    pc_sys_set_fault(look_for_temporary);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    pc_sys_set_fault(NULL);
    assert_memory_equal(temporary, ".f.pcopy-", 9);
    check_same("f");
    assert_int_equal(others_than("f"), 0);
    assert_int_equal(copy("f"), PC_SKIPPED);
}

static void a_directory_in_the_way_goes_only_by_force(void **state)
{
    (void)state;
    put("src/f", "text");
    put("precious", "precious");
    put_dir("dst/f");
    put_dir("dst/f/d");
    put("dst/f/d/file", "x");
    MUST(symlink("../../precious", "dst/f/link") == 0);
    assert_int_equal(copy("f"), PC_FAILED);
    check_failure(1, "create", -EISDIR);
    assert_true(is_there("dst/f/d/file"));
    all.config.force = true;
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    assert_true(is_there("precious"));
}

static void names_that_are_one_file_only_here_are_taken_apart(void **state)
{
    (void)state;
    put("src/a", "text");
    put("src/b", "text");
    set_mtime("src/a", 5, 6);
    set_mtime("src/b", 5, 6);
    assert_int_equal(copy("a"), PC_COPIED_FILE);
    MUST(link("dst/a", "dst/b") == 0);
    assert_int_equal(copy("a"), PC_SKIPPED);
    assert_int_equal(copy("b"), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/a").st_nlink, 1);
    assert_int_equal(look_at("dst/b").st_nlink, 1);
    /* A name outside of what is copied is none of our business. */
    MUST(link("dst/a", "kept") == 0);
    assert_int_equal(copy("a"), PC_SKIPPED);
    assert_int_equal(look_at("dst/a").st_nlink, 2);
    /* Nor is it asked where links do not count. */
    MUST(unlink("dst/b") == 0 && link("dst/a", "dst/b") == 0);
    all.config.keep.links = false;
    assert_int_equal(copy("b"), PC_SKIPPED);
}

static void a_new_file_is_looked_up_beforehand_where_that_makes_creating_quicker(void **state)
{
    (void)state;
    put("src/f", "text");
    put("src/g", "text");
    all.targets.network = true;
    all.targets.look_up = true;
    pc_sys_set_fault(record);
    call_count = 0;
    assert_int_equal(copy("f"), PC_COPIED_FILE); /* exclusive: the kernel does not look either */
    assert_int_equal(place_of("fstatat"), -1);
    all.root->dir->made = true;
    call_count = 0;
    assert_int_equal(copy("g"), PC_COPIED_FILE);
    assert_int_not_equal(place_of("fstatat"), -1);
    pc_sys_set_fault(NULL);
}

static void what_is_in_a_new_directory_on_a_network_is_replaced_all_the_same(void **state)
{
    (void)state;
    all.targets.network = true;
    put("src/first", "text");
    put("dst/first", ""); /* the directory is not new yet: nothing in it is written into */
    const ino_t before = look_at("dst/first").st_ino;
    assert_int_equal(copy("first"), PC_COPIED_FILE);
    assert_int_not_equal(look_at("dst/first").st_ino, before);
    MUST(unlink("dst/first") == 0);
    all.root->dir->made = true;
    put("src/f", "text");
    put("src/empty", "");
    MUST(chmod("src/f", 04751) == 0);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    assert_int_equal(copy("f"), PC_SKIPPED);
    put("dst/f", "other text");
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    put("dst/f", ""); /* as another client may have it made, with whatever mode */
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    MUST(unlink("dst/f") == 0 && symlink("../precious", "dst/f") == 0);
    put("precious", "");
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    assert_int_equal(look_at("precious").st_size, 0);
    MUST(unlink("dst/f") == 0 && mkfifo("dst/f", 0600) == 0);
    assert_int_equal(copy("f"), PC_COPIED_FILE);
    check_same("f");
    MUST(unlink("dst/f") == 0);
    assert_int_equal(copy("empty"), PC_COPIED_FILE);
    check_same("empty");
}

static void nothing_is_closed_late(void **state)
{
    (void)state;
    put_noise("src/f", 5000, 1);
    put("dst/f", "old");
    put("src/g", "");
    MUST(symlink("x", "src/l") == 0);
    const unsigned before = open_files();
    copy("f");
    copy("g");
    copy("l");
    copy("f");
    copy_in(all.root->dir, "l", S_IFREG);
    failing = "pwrite";
    call_count = 0;
    put("dst/f", "old");
    pc_sys_set_fault(record);
    copy("f");
    pc_sys_set_fault(NULL);
    assert_int_equal(open_files(), before);
}

/* --- directories --- */

static struct pc_entry *new_dir(const char *name)
{
    char path[PATH_MAX];
    struct pc_entry *e;
    snprintf(path, sizeof path, "src/%s", name);
    put_dir(path);
    MUST(pc_tree_add_dir(all.tree, all.root->dir, name, &e) == 0);
    e->next = NULL;
    e->dir->st = look_at(path);
    e->dir->make_mode = pc_meta_make_mode(&all.config.keep, &e->dir->st);
    return e;
}

static void a_directory_is_made_and_counted_once(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    put("src/d/f", "text");
    assert_int_equal(copy_in(d->dir, "f", S_IFREG), PC_COPIED_FILE); /* makes the directory */
    pc_copy_entry(&all.copier, d, &all.result);
    assert_int_equal(all.result.outcome, PC_COPIED_DIR);
    assert_true(same_bytes("src/d/f", "dst/d/f"));
    struct pc_entry *e = new_dir("e");
    put_dir("dst/e");
    pc_copy_entry(&all.copier, e, &all.result);
    assert_int_equal(all.result.outcome, PC_SKIPPED_DIR);
    finish(d);
    finish(e);
}

static void below_a_file_in_the_way_one_failure_is_told(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    unsigned told = 0;
    put("src/d/f", "text");
    put("dst/d", "in the way");
    assert_int_equal(copy_in(d->dir, "f", S_IFREG), PC_ABANDONED);
    pc_copy_entry(&all.copier, d, &all.result);
    for (int i = 0; i < 2; i++) {
        if (all.result.outcome == PC_FAILED) {
            assert_int_equal(all.result.err, -ENOTDIR);
            assert_int_equal(all.result.end, 1);
            told++;
        } else {
            assert_int_equal(all.result.outcome, PC_ABANDONED);
        }
        if (i == 0)
            pc_copy_dir(&all.copier, d->dir, &all.result);
    }
    assert_int_equal(told, 1);
    assert_int_equal(look_at("dst/d").st_size, strlen("in the way"));
    finish(d);
}

/* When a directory fails after its own entry was done, nobody else would say so. */
static void temporary_names_of_the_dead_are_removed(void **state)
{
    (void)state;
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0)
        _exit(0);
    MUST(waitpid(child, NULL, 0) == child);
    const unsigned host = all.config.sweep.host;
    const unsigned born = all.config.sweep.born;
    const struct {
        unsigned host;
        int pid;
        unsigned born;
        bool left;
        bool left_next_day;
        const char *before;
        const char *after;
    } table[] = {
        {host, child, born, false, false, ".f.pcopy-", "-1"},
        {host, getpid(), born, true, true, ".f.pcopy-", "-2"},
        {host, getpid(), born ^ 1, false, false, ".f.pcopy-", "-3"}, /* before a boot */
        {host, getpid(), 0, true, true, ".f.pcopy-", "-4"},
        {host + 1, child, born, true, false, ".f.pcopy-", "-5"},
        {host + 1, getpid(), born ^ 1, true, false, ".f.pcopy-", "-6"},
        {host, child, born, true, true, "f.pcopy-", "-7"},
        {host, child, born, true, true, ".f.pcopy-", "-8.c"},
        {host, child, born, true, true, ".pcopy-", "-9"},
        {host, child, born, true, true, ".in-source.pcopy-", "-a"},
        {host, child, born, false, false, ".a.pcopy-1.pcopy-", "-ffff"},
    };
    const size_t count = sizeof table / sizeof table[0];
    char path[128];
    struct pc_entry *d = new_dir("d");
    put_dir("dst/d");
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "dst/d/%s%08x-%x-%x%s", table[i].before, table[i].host,
                 (unsigned)table[i].pid, table[i].born, table[i].after);
        put(path, "x");
    }
    snprintf(path, sizeof path, "src/d/.in-source.pcopy-%08x-%x-%x-a", host, (unsigned)child, born);
    put(path, "x");
    pc_copy_entry(&all.copier, d, &all.result);
    for (int day = 0; day < 2; day++) {
        seconds_ahead = day * 25 * 3600;
        pc_copy_dir(&all.copier, d->dir, &all.result);
        seconds_ahead = 0;
        for (size_t i = 0; i < count; i++) {
            snprintf(path, sizeof path, "dst/d/%s%08x-%x-%x%s", table[i].before, table[i].host,
                     (unsigned)table[i].pid, table[i].born, table[i].after);
            const bool left = day ? table[i].left_next_day : table[i].left;
            if (is_there(path) != left)
                fail_msg("%s is %s, day %d", path, left ? "gone" : "left", day);
        }
    }
    finish(d);
}

static void a_directory_that_fails_late_is_told(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    pc_copy_entry(&all.copier, d, &all.result);
    assert_int_equal(all.result.outcome, PC_COPIED_DIR);
    struct pc_entry *others[20]; /* more than the tree keeps open */
    for (size_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "other%zu", i);
        others[i] = new_dir(name);
        pc_copy_entry(&all.copier, others[i], &all.result);
        assert_int_equal(all.result.outcome, PC_COPIED_DIR);
    }
    MUST(rmdir("dst/d") == 0);
    put("dst/d", "in the way");
    put("src/d/f", "text");
    assert_int_equal(copy_in(d->dir, "f", S_IFREG), PC_ABANDONED);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_equal(all.result.outcome, PC_FAILED);
    assert_int_equal(all.result.err, -ENOTDIR);
    for (size_t i = 0; i < 20; i++)
        finish(others[i]);
    finish(d);
}

static void what_is_to_be_linked_to_a_lost_directory_is_not_told_again(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    struct pc_entry *others[20];
    put("src/d/a", "text");
    MUST(link("src/d/a", "src/b") == 0);
    assert_int_equal(copy_in(d->dir, "a", S_IFREG), PC_COPIED_FILE);
    for (size_t i = 0; i < 20; i++) {
        char name[16];
        snprintf(name, sizeof name, "other%zu", i);
        others[i] = new_dir(name);
        pc_copy_entry(&all.copier, others[i], &all.result);
    }
    MUST(rename("dst/d", "away") == 0);
    put("dst/d", "in the way");
    assert_int_equal(copy("b"), PC_ABANDONED);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_equal(all.result.outcome, PC_FAILED);
    for (size_t i = 0; i < 20; i++)
        finish(others[i]);
    finish(d);
}

static void a_complete_directory_gets_mode_and_times(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    MUST(chmod("src/d", 01777) == 0);
    set_mtime("src/d", 55, 66);
    d->dir->st = look_at("src/d");
    put("src/d/f", "text");
    assert_int_equal(copy_in(d->dir, "f", S_IFREG), PC_COPIED_FILE);
    assert_int_equal(look_at("dst/d").st_mode & 07777, 0755);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_not_equal(all.result.outcome, PC_FAILED);
    const struct stat st = look_at("dst/d");
    assert_int_equal(st.st_mode & 07777, 01777);
    assert_int_equal(st.st_mtim.tv_sec, 55);
    assert_int_equal(st.st_mtim.tv_nsec, 66);
    assert_int_equal(st.st_atim.tv_nsec, d->dir->st.st_atim.tv_nsec);
    call_count = 0;
    failing = "futimens";
    pc_sys_set_fault(record);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    pc_sys_set_fault(NULL);
    check_failure(1, "set times of", -EIO); /* something was made in it, whatever its mtime says */
    finish(d);
}

static void a_directory_nothing_was_made_in_is_left_alone(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    set_mtime("src/d", 55, 66);
    d->dir->st = look_at("src/d");
    put_dir("dst/d");
    set_mtime("dst/d", 55, 66);
    call_count = 0;
    failing = NULL;
    pc_sys_set_fault(record);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    pc_sys_set_fault(NULL);
    assert_int_equal(place_of("futimens"), -1);
    assert_int_equal(place_of("fchmod"), -1);
    set_mtime("dst/d", 55, 67);
    d->dir->there = look_at("dst/d");
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_equal(look_at("dst/d").st_mtim.tv_nsec, 66);
    d->dir->there = look_at("dst/d");
    /* If something was, the mtime that one mount point shows says nothing. */
    atomic_store(&d->dir->touched, true);
    pc_sys_set_fault(record);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    pc_sys_set_fault(NULL);
    assert_true(place_of("futimens") >= 0);
    finish(d);
}

static void an_implied_directory_keeps_what_it_has(void **state)
{
    (void)state;
    struct pc_entry *d = new_dir("d");
    d->dir->implied = true;
    pc_copy_entry(&all.copier, d, &all.result);
    assert_int_equal(all.result.outcome, PC_ABANDONED);
    assert_false(is_there("dst/d"));
    put_dir("dst/d");
    set_mtime("dst/d", 55, 66);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_equal(look_at("dst/d").st_mtim.tv_nsec, 66);
    finish(d);
}

static void attributes_of_directories_come_from_the_open_source(void **state)
{
    (void)state;
    char value[8];
    all.config.keep.xattr = true;
    struct pc_entry *d = new_dir("d");
    if (setxattr("src/d", "user.colour", "green", 5, 0) != 0) {
        finish(d);
        skip();
    }
    pc_copy_entry(&all.copier, d, &all.result);
    pc_copy_dir(&all.copier, d->dir, &all.result);
    assert_int_not_equal(all.result.outcome, PC_FAILED);
    assert_int_equal(getxattr("dst/d", "user.colour", value, sizeof value), 5);
    finish(d);
}

int main(void)
{
    alarm(110); /* a copy that never ends is a failure, not a hanging test */
    const struct CMUnitTest tests[] = {
        COPY_TEST(files_of_all_sizes_are_copied),
        COPY_TEST(symbolic_links_are_copied_as_they_are),
        COPY_TEST(special_files_are_made_anew),
        COPY_TEST(a_special_file_of_somebody_else_ends_with_its_mode),
        COPY_TEST(holes_stay_holes),
        COPY_TEST(an_entry_lands_under_the_name_it_is_given),
        COPY_TEST(hard_links_are_linked),
        COPY_TEST(hard_links_of_symbolic_links_and_fifos_are_linked),
        COPY_TEST(hard_links_become_files_if_links_are_not_kept),
        COPY_TEST(links_go_through_the_mount_point_of_their_first),
        COPY_TEST(the_second_name_is_copied_if_the_first_cannot),
        COPY_TEST(linking_a_name_that_is_linked_already_leaves_no_temporary),
        COPY_TEST(a_link_or_fifo_of_another_time_or_mode_is_not_equal),
        COPY_TEST(equal_size_and_mtime_are_skipped),
        COPY_TEST(what_differs_is_replaced_not_written_into),
        COPY_TEST(anything_but_a_directory_is_replaced),
        COPY_TEST(a_directory_is_not_replaced),
        COPY_TEST(a_temporary_name_shows_whose_it_is_and_fits),
        COPY_TEST(what_is_gone_has_vanished),
        COPY_TEST(what_has_another_type_than_listed_is_not_copied),
        COPY_TEST(an_unreadable_file_fails_and_leaves_nothing),
        COPY_TEST(data_under_a_size_of_0_is_refused),
        COPY_TEST(of_a_source_that_shrinks_nothing_is_left),
        COPY_TEST(of_a_source_with_holes_that_shrinks_nothing_is_left),
        COPY_TEST(of_a_source_that_grows_what_was_there_is_copied),
        COPY_TEST(a_source_with_holes_that_grows_or_is_punched_ends_at_its_size),
        COPY_TEST(what_changed_while_it_was_read_is_copied_again),
        COPY_TEST(what_never_stops_changing_is_told_and_its_last_copy_kept),
        COPY_TEST(metadata_that_changes_meanwhile_arrives_too),
        COPY_TEST(what_is_removed_after_it_changed_has_vanished),
        COPY_TEST(what_somebody_removes_while_we_look_at_it_is_made_anew),
        COPY_TEST(a_run_that_is_stopped_ends_in_the_middle_of_a_file),
        COPY_TEST(times_are_set_after_all_else_but_close_and_rename),
        COPY_TEST(what_may_pass_is_tried_again),
        COPY_TEST(what_does_not_pass_is_not_tried_again),
        COPY_TEST(hard_links_are_tried_again_too),
        COPY_TEST(a_new_file_is_never_wider_than_it_ends),
        COPY_TEST(what_fails_names_its_operation_and_leaves_nothing),
        COPY_TEST(a_link_or_fifo_that_fails_half_way_is_removed),
        COPY_TEST(in_place_the_same_file_gets_new_data),
        COPY_TEST(in_place_what_is_no_plain_file_is_replaced),
        COPY_TEST(in_place_a_failure_leaves_what_does_not_look_complete),
        COPY_TEST(atomic_new_files_are_named_last),
        COPY_TEST(a_directory_in_the_way_goes_only_by_force),
        COPY_TEST(names_that_are_one_file_only_here_are_taken_apart),
        COPY_TEST(temporary_names_of_the_dead_are_removed),
        COPY_TEST(a_new_file_is_looked_up_beforehand_where_that_makes_creating_quicker),
        COPY_TEST(what_is_in_a_new_directory_on_a_network_is_replaced_all_the_same),
        COPY_TEST(nothing_is_closed_late),
        COPY_TEST(a_directory_is_made_and_counted_once),
        COPY_TEST(below_a_file_in_the_way_one_failure_is_told),
        COPY_TEST(a_directory_that_fails_late_is_told),
        COPY_TEST(what_is_to_be_linked_to_a_lost_directory_is_not_told_again),
        COPY_TEST(a_complete_directory_gets_mode_and_times),
        COPY_TEST(a_directory_nothing_was_made_in_is_left_alone),
        COPY_TEST(an_implied_directory_keeps_what_it_has),
        COPY_TEST(attributes_of_directories_come_from_the_open_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
