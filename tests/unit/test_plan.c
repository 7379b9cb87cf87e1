/*
 * Operands to roots: what becomes what, and what is refused before anything is made.
 */
#include "scratch.h"

#include <stdatomic.h>
#include <sys/wait.h>

#include "pcopy/plan.h"

static struct pc_options options;
static struct pc_mounts sides[2]; /* of the source, of the destination */
static struct pc_plan plan;
static char problem[512];
static const char *const *source_mounts; /* of -M, or NULL */
static bool explaining;
static int (*hook)(const char *call); /* for planning alone */

static void forget(void)
{
    pc_plan_free(&plan);
    pc_mounts_close(&sides[0]);
    pc_mounts_close(&sides[1]);
}

static int teardown(void **state)
{
    hook = NULL;
    source_mounts = NULL;
    explaining = false;
    forget();
    return scratch_leave(state);
}

#define PLAN_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_enter, teardown)

static unsigned length(const char *const *list)
{
    unsigned n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* Plans for a list of operands, of which the last is DST. `mount_list` is of strings or NULL. */
static int make(const char *const *mount_list, bool into, const char *const *operands)
{
    static const char *sources[16];
    unsigned bad;
    unsigned n = 0;
    forget();
    problem[0] = '\0';
    options = (struct pc_options){.sources = sources, .keep = {.mode = true, .umask = 022}};
    while (operands[n])
        n++;
    for (unsigned i = 0; i + 1 < n; i++)
        sources[i] = operands[i];
    options.source_count = n - 1;
    options.target = operands[n - 1];
    options.into = into || n > 2;
    options.explain = explaining;
    MUST(pc_mounts_open(&sides[0], source_mounts, length(source_mounts), true, &bad) == 0);
    MUST(pc_mounts_open(&sides[1], mount_list, length(mount_list), true, &bad) == 0);
    pc_sys_set_fault(hook);
    const int err = pc_plan_make(&plan, &options, &sides[0], &sides[1], problem, sizeof problem);
    pc_sys_set_fault(NULL);
    return err;
}

#define LIST(...)      ((const char *const[]){__VA_ARGS__, NULL})
#define MAKE(...)      make(NULL, false, LIST(__VA_ARGS__))
#define MAKE_INTO(...) make(NULL, true, LIST(__VA_ARGS__))
#define MAKE_M(m, ...) make(m, false, LIST(__VA_ARGS__))

#define REFUSED(err, text, made)                                                                   \
    do {                                                                                           \
        assert_int_equal(made, err);                                                               \
        assert_string_equal(problem, text);                                                        \
    } while (0)

/* Names in the scratch directory and below, to see that nothing was made. */
static unsigned count_below(const char *path)
{
    unsigned n = 0;
    DIR *d = opendir(path);
    if (!d)
        return 0;
    const struct dirent *e;
    while ((e = readdir(d))) {
        char below[PATH_MAX];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        n += 1 + (e->d_type == DT_DIR ? count_below(below) : 0);
    }
    closedir(d);
    return n;
}

static void check_root(unsigned i, unsigned end, const char *path, const char *label)
{
    struct stat st;
    struct stat expected;
    assert_true(i < plan.count);
    assert_int_equal(pc_sys_stat(plan.roots[i].handles[end], &st), 0);
    MUST(stat(path, &expected) == 0);
    assert_int_equal(st.st_ino, expected.st_ino);
    assert_string_equal(plan.roots[i].labels[end], label);
}

static void a_directory_becomes_dst_whether_that_exists_or_not(void **state)
{
    (void)state;
    put_dir("src");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(MAKE("src", "dst"), 0);
        assert_int_equal(plan.count, 1);
        assert_int_equal(plan.ends, 2);
        check_root(0, PC_SOURCE, "src", "src");
        check_root(0, 1, "dst", "dst");
        assert_null(plan.roots[0].file);
        assert_int_equal(plan.roots[0].type, S_IFDIR);
        assert_int_equal(plan.roots[0].there.st_ino, look_at("dst").st_ino);
        assert_int_equal(plan.roots[0].there.st_dev, look_at("dst").st_dev);
    }
    assert_int_equal(look_at("dst").st_mode & 07777, 0755);
    assert_false(plan.roots[0].made);
}

static void slashes_at_the_end_mean_nothing_for_directories(void **state)
{
    (void)state;
    put_dir("src");
    assert_int_equal(MAKE("src///", "dst/"), 0);
    check_root(0, PC_SOURCE, "src", "src");
    check_root(0, 1, "dst", "dst");
    assert_int_equal(MAKE("src/.", "dst/."), 0);
    check_root(0, 1, "dst", "dst/.");
}

static void the_root_is_a_directory_as_any(void **state)
{
    (void)state;
    put_dir("src");
    assert_int_equal(MAKE("src", "//"), 0);
    check_root(0, 1, "/", "/");
}

static int make_it_first(const char *call)
{
    if (strcmp(call, "mkdirat") == 0)
        mkdir("dst", 0750);
    return 0;
}

static void what_somebody_else_makes_meanwhile_is_taken(void **state)
{
    (void)state;
    put_dir("src");
    hook = make_it_first;
    assert_int_equal(MAKE("src", "dst"), 0);
    check_root(0, 1, "dst", "dst");
    assert_int_equal(look_at("dst").st_mode, S_IFDIR | 0750);
}

static void missing_parents_are_made_with_the_umask(void **state)
{
    (void)state;
    put_dir("src");
    put("file", "x");
    assert_int_equal(MAKE("src", "a//b/c"), 0);
    check_root(0, 1, "a/b/c", "a//b/c");
    assert_int_equal(look_at("a").st_mode & 07777, 0755);
    assert_int_equal(look_at("a/b").st_mode & 07777, 0755);
    assert_int_equal(look_at("a/b/c").st_mode & 07777, 0755);
    assert_true(plan.roots[0].made);
    assert_int_equal(plan.roots[0].there.st_ino, look_at("a/b/c").st_ino);
    assert_int_equal(MAKE("file", "x/y/name"), 0);
    check_root(0, 1, "x/y", "x/y");
    assert_int_equal(look_at("x/y").st_mode & 07777, 0755);
    assert_false(is_there("x/y/name"));
}

static void a_file_is_dst_or_lands_inside_it(void **state)
{
    (void)state;
    put_dir("d");
    put("d/file", "x");
    put_dir("dst");
    put("old", "x");
    const struct {
        const char *source;
        const char *target;
        const char *dir;
        const char *to;
    } table[] = {
        {"d/file", "new", ".", "new"},       {"d/file", "old", ".", "old"},
        {"d/file", "dst", "dst", "file"},    {"d/file", "dst/", "dst", "file"},
        {"d/file", "made/", "made", "file"}, {"d/file", "dst/name", "dst", "name"},
        {"./d/file", "dst", "dst", "file"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(MAKE(table[i].source, table[i].target), 0);
        check_root(0, PC_SOURCE, "d", table[i].source[0] == '.' ? "./d" : "d");
        check_root(0, 1, table[i].dir, table[i].dir);
        assert_string_equal(plan.roots[0].file, "file");
        assert_string_equal(plan.roots[0].to, table[i].to);
        assert_int_equal(plan.roots[0].type, S_IFREG);
    }
    assert_int_equal(MAKE("old", "dst"), 0);
    check_root(0, PC_SOURCE, ".", ""); /* so that messages name the file as the user did */
}

static void several_sources_land_inside(void **state)
{
    (void)state;
    put_dir("a");
    put_dir("a/b");
    put("f", "x");
    assert_int_equal(MAKE("a", "f", "a/b/", "dst"), 0);
    assert_int_equal(plan.count, 3);
    check_root(0, 1, "dst/a", "dst/a");
    check_root(1, 1, "dst", "dst");
    assert_string_equal(plan.roots[1].to, "f");
    check_root(2, PC_SOURCE, "a/b", "a/b");
    check_root(2, 1, "dst/b", "dst/b");
    assert_int_equal(MAKE_INTO("a/b", "new"), 0);
    check_root(0, 1, "new/b", "new/b");
    assert_int_equal(MAKE_INTO("a/.", "new"), 0); /* it has no name: its contents */
    check_root(0, 1, "new", "new");
}

static void links_to_directories_are_followed_others_copied(void **state)
{
    (void)state;
    put_dir("d");
    put("f", "x");
    MUST(symlink("d", "to-dir") == 0 && symlink("f", "to-file") == 0);
    MUST(symlink("missing", "dangling") == 0);
    assert_int_equal(MAKE("to-dir", "dst1"), 0);
    check_root(0, PC_SOURCE, "d", "to-dir");
    assert_int_equal(MAKE("to-file", "dst2"), 0);
    assert_int_equal(plan.roots[0].type, S_IFLNK);
    assert_string_equal(plan.roots[0].file, "to-file");
    assert_int_equal(MAKE("dangling", "dst3"), 0);
    assert_int_equal(plan.roots[0].type, S_IFLNK);
    put_dir("real");
    MUST(symlink("real", "to-real") == 0);
    assert_int_equal(MAKE("d", "to-real"), 0);
    check_root(0, 1, "real", "to-real");
}

/* --- refusals --- */

static void what_is_missing_or_no_directory_is_refused(void **state)
{
    (void)state;
    put_dir("d");
    put("f", "x");
    put("g", "x");
    const unsigned before = count_below(".");
    REFUSED(-ENOENT, "cannot copy from 'missing': No such file or directory",
            MAKE("missing", "dst"));
    REFUSED(-ENOENT, "cannot copy from 'missing': No such file or directory",
            MAKE("d", "missing", "dst"));
    REFUSED(-ENOTDIR, "cannot copy from 'f/': Not a directory", MAKE("f/", "dst"));
    REFUSED(-ENOTDIR, "'f' is not a directory, and 'd' is one", MAKE("d", "f"));
    REFUSED(-ENOTDIR, "'f' is not a directory", MAKE("d", "g", "f"));
    REFUSED(-ENOTDIR, "'f' is not a directory", MAKE_INTO("d", "f"));
    REFUSED(-ENOTDIR, "'f' is not a directory", MAKE("g", "f/"));
    REFUSED(-ENOTDIR, "cannot copy to 'f/x': Not a directory", MAKE("d", "f/x"));
    assert_int_equal(count_below("."), before);
}

static void a_directory_in_the_place_of_a_file_is_refused(void **state)
{
    (void)state;
    put("f", "x");
    put_dir("d");
    put_dir("dst");
    put_dir("dst/f");
    put("dst/d", "x");
    const unsigned before = count_below(".");
    REFUSED(-EISDIR, "'dst/f' is a directory, and 'f' is none", MAKE("f", "dst"));
    REFUSED(-ENOTDIR, "'dst/d' is not a directory, and 'd' is one", MAKE_INTO("d", "dst"));
    assert_int_equal(count_below("."), before);
}

static void the_same_file_or_directory_is_refused(void **state)
{
    (void)state;
    put("f", "x");
    put_dir("d");
    put_dir("d/e");
    MUST(symlink("d", "link") == 0);
    const unsigned before = count_below(".");
    REFUSED(-EEXIST, "'f' and 'f' are the same file", MAKE("f", "f"));
    REFUSED(-EEXIST, "'f' and 'f' are the same file", MAKE("f", "."));
    REFUSED(-ELOOP, "'d' and 'd' are the same directory", MAKE("d", "d/"));
    REFUSED(-ELOOP, "'d' and 'link' are the same directory", MAKE("d", "link"));
    REFUSED(-ELOOP, "'link' and 'd' are the same directory", MAKE("link", "d"));
    REFUSED(-ELOOP, "'d' and 'd/e/..' are the same directory", MAKE("d", "d/e/.."));
    REFUSED(-ELOOP, "'d' and 'd' are the same directory", MAKE_INTO("d", "."));
    assert_int_equal(count_below("."), before);
}

static void a_destination_inside_of_a_source_is_refused(void **state)
{
    (void)state;
    put_dir("d");
    put_dir("d/e");
    put_dir("x");
    MUST(symlink("d/e", "link") == 0);
    const unsigned before = count_below(".");
    REFUSED(-ELOOP, "'d' contains 'd/e'", MAKE("d", "d/e"));
    REFUSED(-ELOOP, "'d' contains 'd/new'", MAKE("d", "d/new"));
    REFUSED(-ELOOP, "'d' contains 'd/e/new/er'", MAKE("d", "d/e/new/er"));
    REFUSED(-ELOOP, "'d' contains 'link/new'", MAKE("d", "link/new"));
    REFUSED(-ELOOP, "'d' contains 'd/d'", MAKE_INTO("d", "d"));
    REFUSED(-ELOOP, "'d' contains 'd/d'", MAKE("x", "d", "d"));
    REFUSED(-ELOOP, "'.' contains 'new'", MAKE(".", "new"));
    assert_int_equal(count_below("."), before);
    assert_int_equal(MAKE("d/e", "d"), 0); /* the other way round is no loop */
    assert_int_equal(MAKE("d", "dd"), 0);
}

static void two_sources_for_one_place_are_refused(void **state)
{
    (void)state;
    put_dir("a");
    put_dir("b");
    put_dir("a/x");
    put("b/x", "");
    const unsigned before = count_below(".");
    REFUSED(-EEXIST, "'a/x' and 'b/x' would both become 'dst/x'", MAKE("a/x", "b/x", "dst"));
    REFUSED(-EEXIST, "'a/x' and 'a/x' would both become 'dst/x'", MAKE_INTO("a/x", "a/x/", "dst"));
    REFUSED(-EISDIR, "'a/..' has no name to give to its copy in 'dst'", MAKE_INTO("a/..", "dst"));
    assert_int_equal(count_below("."), before);
}

static void a_place_that_cannot_be_made_is_refused(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("closed");
    MUST(chmod("closed", 0555) == 0);
    if (geteuid() == 0)
        become_nobody();
    REFUSED(-EACCES, "cannot open directory 'closed/new': Permission denied",
            MAKE("src", "closed/new"));
}

/* Directories above the destination need not be readable: passing through them is enough. */
static void a_destination_below_an_unreadable_directory_is_good(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("closed");
    put_dir("closed/mine");
    if (geteuid() == 0)
        MUST(chown("closed/mine", NOBODY, NOBODY) == 0);
    MUST(chmod("closed", 0311) == 0);
    if (geteuid() == 0)
        become_nobody();
    const int err = MAKE("src", "closed/mine/dst");
    if (err)
        fail_msg("%s", problem);
    check_root(0, 1, "closed/mine/dst", "closed/mine/dst");
}

/* --- mount points --- */

static void dst_is_relative_to_each_mount_point(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("m1");
    MUST(symlink("m1", "m2") == 0);
    char absolute[2][PATH_MAX];
    snprintf(absolute[0], PATH_MAX, "%.4000s/m1", scratch_path);
    snprintf(absolute[1], PATH_MAX, "%.4000s/m2", scratch_path);
    assert_int_equal(MAKE_M(LIST("m1", "m2"), "src", "a/b"), 0);
    assert_int_equal(plan.ends, 3);
    check_root(0, 1, "m1/a/b", "m1/a/b");
    check_root(0, 2, "m2/a/b", "m2/a/b");
    assert_false(is_there("a"));
    assert_int_equal(plan.roots[0].there.st_ino, look_at("m1/a/b").st_ino);

    char below[PATH_MAX + 8];
    snprintf(below, sizeof below, "%s//c", absolute[1]);
    assert_int_equal(MAKE_M(LIST(absolute[0], absolute[1]), "src", below), 0);
    assert_true(is_there("m1/c") && is_there("m2/c"));
    assert_int_equal(MAKE_M(LIST(absolute[0], absolute[1]), "src", absolute[0]), 0);
    check_root(0, 1, "m1", absolute[0]);
    check_root(0, 2, "m2", absolute[1]);
    assert_int_equal(MAKE_M(LIST("m1"), "src", "."), 0);
    check_root(0, 1, "m1", "m1");
    assert_int_equal(make(LIST("m1", "m2"), true, LIST("src", ".")), 0);
    check_root(0, 2, "m2/src", "m2/src");
}

static void mount_points_that_show_different_directories_are_refused(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("m1");
    put_dir("m1/a");
    put_dir("other");
    const unsigned before = count_below(".");
    REFUSED(-EXDEV, "the mount points 'm1' and 'other' do not show the same directory '.'",
            MAKE_M(LIST("m1", "other"), "src", "x/y"));
    REFUSED(-EXDEV, "the mount points 'm1' and 'other' do not show the same directory 'a'",
            MAKE_M(LIST("m1", "other"), "src", "a/b"));
    source_mounts = LIST("m1", "other");
    REFUSED(-EXDEV, "the mount points 'm1' and 'other' do not show the same directory 'a'",
            MAKE("a", "dst"));
    assert_int_equal(count_below("."), before);
}

static void src_is_relative_to_each_mount_point_of_the_source(void **state)
{
    (void)state;
    put_dir("s1");
    put_dir("s1/a");
    put("s1/a/file", "x");
    MUST(symlink("s1", "s2") == 0);
    MUST(symlink("a", "s1/in") == 0 && symlink("../out", "s1/leads-out") == 0);
    put_dir("out");
    source_mounts = LIST("s1", "s2");
    assert_int_equal(MAKE("a", "dst"), 0);
    assert_int_equal(plan.ends, 3);
    check_root(0, 0, "s1/a", "s1/a");
    check_root(0, 1, "s1/a", "s2/a");
    check_root(0, 2, "dst", "dst");
    assert_int_equal(MAKE("a/file", "dst"), 0);
    check_root(0, 1, "s1/a", "s2/a");
    assert_string_equal(plan.roots[0].file, "file");
    assert_int_equal(MAKE("in", "dst"), 0);
    check_root(0, 0, "s1/a", "s1/in");
    char absolute[PATH_MAX];
    snprintf(absolute, sizeof absolute, "%.4000s/s1", scratch_path);
    source_mounts = LIST(absolute);
    snprintf(problem, sizeof problem, "%.400s/s1/a", scratch_path);
    char path[512];
    snprintf(path, sizeof path, "%s", problem);
    assert_int_equal(MAKE(path, "dst"), 0);
    check_root(0, 0, "s1/a", path);
    source_mounts = LIST("s1", "s2");
    REFUSED(-EINVAL, "'../x' must not contain '..': with -M it is relative to each mount point",
            MAKE("../x", "dst"));
    REFUSED(-EINVAL, "'/x' is below none of the mount points of -M: give a path relative to them",
            MAKE("/x", "dst"));
    REFUSED(-ENOENT, "cannot copy from 'missing': No such file or directory",
            MAKE("missing", "dst"));
    assert_int_equal(MAKE("leads-out", "dst"), -EXDEV);
}

static void an_explanation_makes_nothing(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("dst");
    const unsigned before = count_below(".");
    const unsigned files = open_files();
    explaining = true;
    assert_int_equal(MAKE("src", "dst/a/b"), 0);
    assert_int_equal(plan.count, 0);
    assert_string_equal(plan.existing, "dst");
    assert_int_equal(MAKE("src", "a"), 0);
    assert_string_equal(plan.existing, ".");
    assert_int_equal(MAKE("src", "src"), -ELOOP); /* what is refused is refused here too */
    assert_int_equal(count_below("."), before);
    assert_int_equal(open_files(), files);
}

static void a_dst_outside_of_the_mount_points_is_a_usage_error(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("m");
    put_dir("mm");
    char mount[PATH_MAX];
    char text[2 * PATH_MAX];
    snprintf(mount, sizeof mount, "%.4000s/m", scratch_path);
    const char *const bad[] = {"..", "a/..", "../x", "a/../b"};
    for (size_t i = 0; i < 4; i++) {
        snprintf(text, sizeof text,
                 "'%s' must not contain '..': with -m it is relative to each mount point", bad[i]);
        REFUSED(-EINVAL, text, MAKE_M(LIST(mount), "src", bad[i]));
    }
    char outside[PATH_MAX];
    snprintf(outside, sizeof outside, "%.4000s/mm", scratch_path); /* begins like it */
    snprintf(text, sizeof text,
             "'%.4000s' is below none of the mount points of -m: give a path relative to them",
             outside);
    REFUSED(-EINVAL, text, MAKE_M(LIST(mount), "src", outside));
    assert_int_equal(MAKE_M(LIST(mount), "src", "a..b/..c"), 0);
    assert_int_equal(MAKE_M(LIST("/"), "src", outside), 0); /* everything is below the root */
}

static void a_link_that_leads_out_of_a_mount_point_is_refused(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("m");
    put_dir("outside");
    put_dir("m/inside");
    MUST(symlink("../outside", "m/out") == 0 && symlink("inside", "m/in") == 0);
    REFUSED(-EXDEV, "cannot look at 'm/out': Invalid cross-device link",
            MAKE_M(LIST("m"), "src", "out"));
    assert_int_equal(MAKE_M(LIST("m"), "src", "out/new"), -EXDEV);
    assert_int_equal(count_below("outside"), 0);
    assert_int_equal(MAKE_M(LIST("m"), "src", "in/new"), 0);
    assert_true(is_there("m/inside/new"));
}

static void a_source_is_compared_with_the_place_below_the_mount(void **state)
{
    (void)state;
    put_dir("m");
    put_dir("m/d");
    const unsigned before = count_below(".");
    REFUSED(-ELOOP, "'m/d' and 'm/d' are the same directory", MAKE_M(LIST("m"), "m/d", "d"));
    REFUSED(-ELOOP, "'m/d' contains 'm/d/x'", MAKE_M(LIST("m"), "m/d", "d/x"));
    assert_int_equal(count_below("."), before);
}

static void a_plan_leaves_nothing_open(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("src/d");
    put("f", "");
    put_dir("m1");
    MUST(symlink("m1", "m2") == 0);
    const unsigned before = open_files();
    MAKE("src", "f", "dst");
    assert_int_equal(open_files(), before + 4);
    MAKE("src", "src/d/new");
    MAKE("src", "missing", "dst");
    MAKE("src", "src");
    make(LIST("m1", "m2"), false, LIST("src", "a/b/c"));
    make(LIST("m1", "m2"), false, LIST("src", "f", "src/d/..", "x"));
    forget();
    assert_int_equal(open_files(), before);
}

static atomic_int fail_at; /* mount points are opened by several threads */

static int fail_nth(const char *call)
{
    return strcmp(call, "close") != 0 && fail_at-- == 0 ? -EIO : 0;
}

static void any_call_that_fails_refuses_with_words_and_leaves_nothing_open(void **state)
{
    (void)state;
    put_dir("src");
    put_dir("m1");
    MUST(symlink("m1", "m2") == 0);
    const unsigned before = open_files();
    unsigned refused = 0;
    for (int n = 0; n < 200; n++) {
        fail_at = n;
        hook = fail_nth;
        const int err = make(LIST("m1", "m2"), false, LIST("src", "a/b"));
        hook = NULL;
        const bool fired = fail_at < 0;
        assert_true(err == 0 || *problem);
        assert_true(err == 0 || fired);
        refused += err != 0;
        forget();
        assert_int_equal(open_files(), before);
        scratch_remove("m1/a");
        if (!fired)
            break;
    }
    assert_true(refused > 10);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        PLAN_TEST(a_directory_becomes_dst_whether_that_exists_or_not),
        PLAN_TEST(slashes_at_the_end_mean_nothing_for_directories),
        PLAN_TEST(the_root_is_a_directory_as_any),
        PLAN_TEST(what_somebody_else_makes_meanwhile_is_taken),
        PLAN_TEST(missing_parents_are_made_with_the_umask),
        PLAN_TEST(a_file_is_dst_or_lands_inside_it),
        PLAN_TEST(several_sources_land_inside),
        PLAN_TEST(links_to_directories_are_followed_others_copied),
        PLAN_TEST(what_is_missing_or_no_directory_is_refused),
        PLAN_TEST(a_directory_in_the_place_of_a_file_is_refused),
        PLAN_TEST(the_same_file_or_directory_is_refused),
        PLAN_TEST(a_destination_inside_of_a_source_is_refused),
        PLAN_TEST(two_sources_for_one_place_are_refused),
        PLAN_TEST(a_place_that_cannot_be_made_is_refused),
        PLAN_TEST(a_destination_below_an_unreadable_directory_is_good),
        PLAN_TEST(dst_is_relative_to_each_mount_point),
        PLAN_TEST(mount_points_that_show_different_directories_are_refused),
        PLAN_TEST(src_is_relative_to_each_mount_point_of_the_source),
        PLAN_TEST(an_explanation_makes_nothing),
        PLAN_TEST(a_dst_outside_of_the_mount_points_is_a_usage_error),
        PLAN_TEST(a_link_that_leads_out_of_a_mount_point_is_refused),
        PLAN_TEST(a_source_is_compared_with_the_place_below_the_mount),
        PLAN_TEST(a_plan_leaves_nothing_open),
        PLAN_TEST(any_call_that_fails_refuses_with_words_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
