/*
 * The mount points: opening them, and how entries are spread over them.
 */
#include "scratch.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "pcopy/mounts.h"

static void no_mount_points_are_one_unnamed_destination(void **state)
{
    (void)state;
    struct pc_mounts m;
    unsigned bad = 7;
    assert_int_equal(pc_mounts_open(&m, NULL, 0, false, &bad), 0);
    assert_int_equal(m.count, 1);
    assert_null(m.paths);
    assert_null(m.handles);
    assert_false(m.network);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(pc_mounts_pick(&m, i, 3 * i), 0);
    pc_mounts_close(&m);
}

static void each_mount_point_is_opened_in_its_place(void **state)
{
    (void)state;
    const char *const paths[] = {"a", "b", "a/c"};
    struct pc_mounts m;
    unsigned bad;
    put_dir("a");
    put_dir("b");
    put_dir("a/c");
    const unsigned before = open_files();
    assert_int_equal(pc_mounts_open(&m, paths, 3, true, &bad), 0);
    assert_int_equal(m.count, 3);
    assert_ptr_equal(m.paths, paths);
    for (unsigned i = 0; i < 3; i++) {
        struct stat st;
        assert_int_equal(pc_sys_stat(m.handles[i], &st), 0);
        assert_int_equal(st.st_ino, look_at(paths[i]).st_ino);
    }
    pc_mounts_close(&m);
    assert_null(m.handles);
    assert_int_equal(open_files(), before);
    pc_mounts_close(&m); /* nothing is left to be closed twice */
}

static void the_one_that_cannot_be_opened_is_told_and_none_stays_open(void **state)
{
    (void)state;
    const char *const missing[] = {"a", "b", "missing", "b"};
    const char *const file[] = {"file", "a"};
    struct pc_mounts m;
    unsigned bad = 7;
    put_dir("a");
    put_dir("b");
    put("file", "");
    const unsigned before = open_files();
    assert_int_equal(pc_mounts_open(&m, missing, 4, true, &bad), -ENOENT);
    assert_int_equal(bad, 2);
    assert_int_equal(open_files(), before);
    assert_int_equal(pc_mounts_open(&m, file, 2, true, &bad), -ENOTDIR);
    assert_int_equal(bad, 0);
    assert_int_equal(open_files(), before);
}

static void a_directory_goes_round_robin_and_directories_start_apart(void **state)
{
    (void)state;
    const char *const paths[] = {"a", "b", "c"};
    struct pc_mounts m;
    unsigned bad;
    for (unsigned i = 0; i < 3; i++)
        put_dir(paths[i]);
    assert_int_equal(pc_mounts_open(&m, paths, 3, true, &bad), 0);
    for (size_t dir = 0; dir < 6; dir++) {
        for (size_t entry = 0; entry < 9; entry += 3) {
            unsigned hits[3] = {0, 0, 0};
            for (size_t i = 0; i < 3; i++) {
                const unsigned at = pc_mounts_pick(&m, dir, entry + i);
                assert_in_range(at, 0, 2);
                hits[at]++;
            }
            for (unsigned i = 0; i < 3; i++)
                assert_int_equal(hits[i], 1);
        }
        assert_int_not_equal(pc_mounts_pick(&m, dir, 0), pc_mounts_pick(&m, dir + 1, 0));
    }
    pc_mounts_close(&m);
}

static void a_path_on_the_root_file_system_is_no_mount_point_unless_allowed(void **state)
{
    (void)state;
    const char *const root[] = {"/proc", "/"};
    const char *const proc[] = {"/proc"};
    struct pc_mounts m;
    unsigned bad = 7;
    const unsigned before = open_files();
    assert_int_equal(pc_mounts_open(&m, root, 2, false, &bad), -ENODEV);
    assert_int_equal(bad, 1);
    assert_int_equal(open_files(), before);
    assert_int_equal(pc_mounts_open(&m, root, 2, true, &bad), 0);
    pc_mounts_close(&m);
    assert_int_equal(pc_mounts_open(&m, proc, 1, false, &bad), 0);
    pc_mounts_close(&m);
}

struct visits {
    pthread_barrier_t all;
    int results[4];
    bool made[4];
};

/* Returns only when all are being made. */
static int note_visit(void *context, unsigned i)
{
    struct visits *v = context;
    v->made[i] = true;
    pthread_barrier_wait(&v->all);
    return v->results[i];
}

static void mount_points_are_visited_at_the_same_time(void **state)
{
    (void)state;
    const struct pc_mounts four = {.count = 4};
    const struct pc_mounts one = {.count = 1};
    unsigned bad;
    struct visits v = {.results = {0}};
    pthread_barrier_init(&v.all, NULL, 4);
    assert_int_equal(pc_mounts_visit(&four, 0, note_visit, &v, &bad), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(v.made[i]);
    v.results[1] = -EIO;
    v.results[2] = -EACCES;
    assert_int_equal(pc_mounts_visit(&four, 0, note_visit, &v, &bad), -EIO);
    assert_int_equal(bad, 1);
    pthread_barrier_destroy(&v.all);

    pthread_barrier_init(&v.all, NULL, 2);
    v.made[0] = v.made[1] = false;
    assert_int_equal(pc_mounts_visit(&four, 2, note_visit, &v, &bad), -EACCES);
    assert_int_equal(bad, 2);
    assert_false(v.made[0] || v.made[1]);
    pthread_barrier_destroy(&v.all);

    assert_int_equal(pc_mounts_visit(&one, 1, note_visit, &v, &bad), 0); /* nobody is left */
}

/* Names below a directory. */
static unsigned names_in(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    MUST(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n - 2;
}

static unsigned probes;

static int note_probe(const char *call)
{
    if (strcmp(call, "mkdirat") == 0)
        probes++;
    return 0;
}

static void mount_points_agree_if_they_show_the_same_directory(void **state)
{
    (void)state;
    const char *const same[] = {"a", "link"};
    const char *const different[] = {"a", "link", "b"};
    struct pc_mounts m;
    unsigned bad = 7;
    put_dir("a");
    put_dir("a/d");
    put_dir("b");
    put_dir("b/d");
    MUST(symlink("a", "link") == 0);
    assert_int_equal(pc_mounts_open(&m, same, 2, true, &bad), 0);
    const unsigned before = open_files();
    probes = 0;
    pc_sys_set_fault(note_probe);
    assert_int_equal(pc_mounts_agree(&m, ".", true, &bad), 0);
    assert_int_equal(pc_mounts_agree(&m, "d", true, &bad), 0);
    assert_int_equal(pc_mounts_agree(&m, "d", false, &bad), 0);
    pc_sys_set_fault(NULL);
    assert_int_equal(probes, 0); /* one device: there is nothing to probe */
    assert_int_equal(names_in("a"), 1);
    pc_mounts_close(&m);

    assert_int_equal(pc_mounts_open(&m, different, 3, true, &bad), 0);
    assert_int_equal(pc_mounts_agree(&m, "d", true, &bad), -EXDEV);
    assert_int_equal(bad, 2);
    MUST(rmdir("b/d") == 0);
    assert_int_equal(pc_mounts_agree(&m, "d", true, &bad), -EXDEV); /* it is not even there */
    assert_int_equal(bad, 2);
    pc_sys_set_fault(NULL);
    assert_int_equal(open_files(), before + 1);
    pc_mounts_close(&m);
}

/* Two tmpfs, in a child with mounts of its own: their roots have the same inode number. */
static int check_probe(void)
{
    const char *const paths[] = {"a", "b"};
    struct pc_mounts m;
    unsigned bad = 7;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", "a", "tmpfs", 0, NULL) != 0 || mount("none", "b", "tmpfs", 0, NULL) != 0 ||
        look_at("a").st_ino != look_at("b").st_ino)
        return 77;
    if (pc_mounts_open(&m, paths, 2, false, &bad) != 0)
        return 1;
    if (pc_mounts_agree(&m, ".", false, &bad) != 0) /* there is no telling without writing */
        return 2;
    if (pc_mounts_agree(&m, ".", true, &bad) != -EXDEV || bad != 1)
        return 3;
    if (names_in("a") != 0 || names_in("b") != 0)
        return 4;
    return 0;
}

static void a_probe_tells_apart_what_has_the_same_numbers(void **state)
{
    (void)state;
    int status;
    put_dir("a");
    put_dir("b");
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0)
        _exit(check_probe());
    MUST(waitpid(child, &status, 0) == child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void local_mount_points_share_nothing(void **state)
{
    (void)state;
    const char *const paths[] = {"a", "b"};
    struct pc_mounts m;
    unsigned bad;
    put_dir("a");
    put_dir("b");
    assert_int_equal(pc_mounts_open(&m, paths, 2, true, &bad), 0);
    assert_int_equal(pc_mounts_sharing(&m, 0, &bad), PC_SHARING_NOTHING);
    assert_int_equal(pc_mounts_sharing(&m, 1, &bad), PC_SHARING_NOTHING);
    pc_mounts_close(&m);
    assert_int_equal(pc_mounts_open(&m, NULL, 0, true, &bad), 0);
    assert_int_equal(pc_mounts_sharing(&m, 0, &bad), PC_SHARING_NOTHING);
    pc_mounts_close(&m);
}

static void an_option_is_found_by_its_whole_name(void **state)
{
    (void)state;
    const char *const options = "rw,vers=4.2,clientaddr=10.0.0.9,hard,addr=10.0.0.1,softerr";
    char value[16];
    assert_true(pc_mounts_option(options, "addr", value, sizeof value));
    assert_string_equal(value, "10.0.0.1");
    assert_true(pc_mounts_option(options, "vers", value, sizeof value));
    assert_string_equal(value, "4.2");
    assert_true(pc_mounts_option(options, "hard", value, sizeof value));
    assert_string_equal(value, "");
    assert_true(pc_mounts_option(options, "rw", value, sizeof value));
    assert_true(pc_mounts_option(options, "softerr", value, sizeof value));
    const char *const missing[] = {"soft", "add", "client", "10.0.0.1", "r", "version"};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++) {
        strcpy(value, "x");
        assert_false(pc_mounts_option(options, missing[i], value, sizeof value));
        assert_string_equal(value, "");
    }
    assert_true(pc_mounts_option(options, "addr", value, 5)); /* cut, not overrun */
    assert_string_equal(value, "10.0");
    assert_false(pc_mounts_option("", "addr", value, sizeof value));
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(no_mount_points_are_one_unnamed_destination),
        SCRATCH_TEST(each_mount_point_is_opened_in_its_place),
        SCRATCH_TEST(the_one_that_cannot_be_opened_is_told_and_none_stays_open),
        SCRATCH_TEST(a_path_on_the_root_file_system_is_no_mount_point_unless_allowed),
        SCRATCH_TEST(mount_points_are_visited_at_the_same_time),
        SCRATCH_TEST(mount_points_agree_if_they_show_the_same_directory),
        SCRATCH_TEST(a_probe_tells_apart_what_has_the_same_numbers),
        SCRATCH_TEST(local_mount_points_share_nothing),
        SCRATCH_TEST(an_option_is_found_by_its_whole_name),
        SCRATCH_TEST(a_directory_goes_round_robin_and_directories_start_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
