#include "scratch.h"

#include "pcopy/snapshot.h"

static struct pc_snapshot *take(atomic_size_t *budget)
{
    struct pc_snapshot *s = NULL;
    struct pc_handle dir = open_here("d");
    MUST(pc_snapshot_take(&s, dir, budget) == 0);
    pc_sys_close(&dir);
    return s;
}

static void all_names_are_found_with_their_attributes(void **state)
{
    (void)state;
    atomic_size_t budget = 1000;
    put_dir("d");
    put("d/file", "12345");
    put_dir("d/dir");
    MUST(symlink("nowhere", "d/link") == 0);
    struct pc_snapshot *s = take(&budget);
    assert_true(pc_snapshot_complete(s));
    assert_int_equal(pc_snapshot_count(s), 3);
    assert_int_equal(budget, 997);
    assert_int_equal(pc_snapshot_find(s, "file")->st_size, 5);
    assert_true(S_ISDIR(pc_snapshot_find(s, "dir")->st_mode));
    assert_true(S_ISLNK(pc_snapshot_find(s, "link")->st_mode));
    assert_null(pc_snapshot_find(s, "fil"));
    assert_null(pc_snapshot_find(s, ".."));
    pc_snapshot_free(s);
    assert_int_equal(budget, 1000);
}

static void names_nobody_asked_for_are_told(void **state)
{
    (void)state;
    atomic_size_t budget = 1000;
    size_t cursor = 0;
    put_dir("d");
    put("d/a", "");
    put("d/b", "");
    struct pc_snapshot *s = take(&budget);
    assert_non_null(pc_snapshot_find(s, "a"));
    assert_string_equal(pc_snapshot_unseen(s, &cursor), "b");
    assert_null(pc_snapshot_unseen(s, &cursor));
    pc_snapshot_free(s);
}

static void an_empty_directory_is_complete(void **state)
{
    (void)state;
    atomic_size_t budget = 0;
    put_dir("d");
    struct pc_snapshot *s = take(&budget);
    assert_true(pc_snapshot_complete(s));
    assert_null(pc_snapshot_find(s, "a"));
    pc_snapshot_free(s);
}

static void many_names_are_all_kept_apart(void **state)
{
    (void)state;
    atomic_size_t budget = 100000;
    char name[32];
    put_dir("d");
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "d/%d", i);
        put(name, "");
    }
    struct pc_snapshot *s = take(&budget);
    assert_int_equal(pc_snapshot_count(s), 5000);
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "%d", i);
        assert_non_null(pc_snapshot_find(s, name));
        snprintf(name, sizeof name, "%dx", i);
        assert_null(pc_snapshot_find(s, name));
    }
    size_t cursor = 0;
    assert_null(pc_snapshot_unseen(s, &cursor));
    pc_snapshot_free(s);
}

static void what_is_over_budget_is_left_out_and_that_is_told(void **state)
{
    (void)state;
    atomic_size_t budget = 2;
    put_dir("d");
    put("d/a", "");
    put("d/b", "");
    put("d/c", "");
    struct pc_snapshot *s = take(&budget);
    assert_false(pc_snapshot_complete(s));
    assert_int_equal(pc_snapshot_count(s), 2);
    assert_int_equal(budget, 0);
    pc_snapshot_free(s);
    assert_int_equal(budget, 2);
}

static const char *failing;

static int fail_call(const char *call)
{
    return strcmp(call, failing) == 0 ? -EIO : 0;
}

static void one_that_could_not_be_read_is_not_complete(void **state)
{
    (void)state;
    const char *const calls[] = {"openat", "getdents64", "fstatat"};
    atomic_size_t budget = 10;
    struct pc_snapshot *s;
    put_dir("d");
    put("d/a", "");
    struct pc_handle dir = open_here("d");
    for (size_t i = 0; i < 3; i++) {
        failing = calls[i];
        pc_sys_set_fault(fail_call);
        assert_int_equal(pc_snapshot_take(&s, dir, &budget), 0);
        pc_sys_set_fault(NULL);
        assert_false(pc_snapshot_complete(s));
        assert_null(pc_snapshot_find(s, "a"));
        pc_snapshot_free(s);
    }
    pc_sys_close(&dir);
    assert_int_equal(budget, 10);
}

#define SNAPSHOT_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_enter, scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(all_names_are_found_with_their_attributes),
        SNAPSHOT_TEST(names_nobody_asked_for_are_told),
        SNAPSHOT_TEST(an_empty_directory_is_complete),
        SNAPSHOT_TEST(many_names_are_all_kept_apart),
        SNAPSHOT_TEST(what_is_over_budget_is_left_out_and_that_is_told),
        SNAPSHOT_TEST(one_that_could_not_be_read_is_not_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
