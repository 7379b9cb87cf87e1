#include "scratch.h"

#include "pcopy/compare.h"

static const struct pc_keep plain = {.mode = true, .times = true, .links = true, .uid = 0};

static struct stat file(off_t size, mode_t mode)
{
    struct stat st;
    memset(&st, 0, sizeof st);
    st.st_mode = S_IFREG | mode;
    st.st_size = size;
    return st;
}

static void each_rule_has_its_own_idea_of_due(void **state)
{
    (void)state;
    const struct pc_rule times = {.checksum = false};
    const struct pc_rule size_only = {.size_only = true};
    const struct pc_rule checksum = {.checksum = true};
    const struct pc_rule all = {.ignore_times = true};
    const struct {
        const struct pc_rule *rule;
        off_t size;
        unsigned diffs;
        bool same_mtime;
        bool due;
    } table[] = {
        {&times, 5, 0, true, false},
        {&times, 5, PC_DIFF_MTIME, false, true},
        {&times, 6, PC_DIFF_SIZE, true, true},
        {&size_only, 5, PC_DIFF_MTIME, false, false},
        {&size_only, 6, PC_DIFF_SIZE, true, true},
        {&checksum, 5, PC_DIFF_MTIME, false, false}, /* contents are still to be compared */
        {&checksum, 6, PC_DIFF_SIZE | PC_DIFF_CONTENT, true, true},
        {&all, 5, 0, true, true},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct stat src = file(5, 0644);
        const struct stat there = file(table[i].size, 0644);
        const unsigned diffs = pc_compare(table[i].rule, &plain, &src, &there, table[i].same_mtime);
        assert_int_equal(diffs, table[i].diffs);
        assert_int_equal(pc_compare_is_due(table[i].rule, &src, diffs), table[i].due);
    }
}

static void metadata_alone_is_not_due(void **state)
{
    (void)state;
    const struct pc_rule rule = {.checksum = false};
    const struct stat src = file(5, 0640);
    struct stat there = file(5, 0644);
    unsigned diffs = pc_compare(&rule, &plain, &src, &there, true);
    assert_int_equal(diffs, PC_DIFF_MODE);
    assert_false(pc_compare_is_due(&rule, &src, diffs));
    struct pc_keep owner = plain;
    owner.owner = true;
    there.st_uid = 1;
    there.st_gid = 2;
    diffs = pc_compare(&rule, &owner, &src, &there, true);
    assert_int_equal(diffs, PC_DIFF_MODE | PC_DIFF_OWNER | PC_DIFF_GROUP);
    owner.uid = owner.gid = 1000; /* who is not root cannot give it away: that is no difference */
    assert_false(pc_compare(&rule, &owner, &src, &there, true) & PC_DIFF_OWNER);
}

static void another_type_or_device_is_due(void **state)
{
    (void)state;
    const struct pc_rule rule = {.size_only = true};
    struct stat src = file(0, 0644);
    struct stat there = src;
    there.st_mode = S_IFIFO | 0644;
    assert_int_equal(pc_compare(&rule, &plain, &src, &there, true), PC_DIFF_TYPE);
    assert_true(pc_compare_is_due(&rule, &src, PC_DIFF_TYPE));
    src.st_mode = there.st_mode = S_IFCHR | 0644;
    there.st_rdev = src.st_rdev + 1;
    const unsigned diffs = pc_compare(&rule, &plain, &src, &there, false);
    assert_int_equal(diffs, PC_DIFF_CONTENT | PC_DIFF_MTIME);
    assert_true(pc_compare_is_due(&rule, &src, diffs));
    assert_false(pc_compare_is_due(&rule, &src, PC_DIFF_MTIME)); /* set where it is */
}

static const char *failing;

static int fail_call(const char *call)
{
    return strcmp(call, failing) == 0 ? -EIO : 0;
}

static void data_is_compared_to_its_end(void **state)
{
    (void)state;
    char buffer[4096];
    unsigned which = 2;
    atomic_bool stop = false;
    put_noise("a", 10000, 1);
    put_noise("b", 10000, 1);
    put_noise("c", 10000, 2);
    struct pc_handle here = open_here(".");
    struct pc_handle a;
    struct pc_handle b;
    struct pc_handle c;
    MUST(pc_sys_open_file(here, "a", &a) == 0 && pc_sys_open_file(here, "b", &b) == 0 &&
         pc_sys_open_file(here, "c", &c) == 0);
    assert_int_equal(pc_compare_data(a, b, 10000, buffer, sizeof buffer, &stop, &which), 1);
    assert_int_equal(pc_compare_data(a, c, 10000, buffer, sizeof buffer, &stop, &which), 0);
    assert_int_equal(pc_compare_data(a, c, 0, buffer, sizeof buffer, &stop, &which), 1);
    MUST(truncate("b", 9999) == 0);
    assert_int_equal(pc_compare_data(a, b, 10000, buffer, sizeof buffer, &stop, &which), 0);
    failing = "pread";
    pc_sys_set_fault(fail_call);
    assert_int_equal(pc_compare_data(a, b, 10000, buffer, sizeof buffer, &stop, &which), -EIO);
    pc_sys_set_fault(NULL);
    assert_int_equal(which, 0);
    stop = true;
    assert_int_equal(pc_compare_data(a, b, 10000, buffer, sizeof buffer, &stop, &which),
                     -ECANCELED);
    pc_sys_close(&a);
    pc_sys_close(&b);
    pc_sys_close(&c);
    pc_sys_close(&here);
}

#define COMPARE_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_enter, scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMPARE_TEST(each_rule_has_its_own_idea_of_due),
        COMPARE_TEST(metadata_alone_is_not_due),
        COMPARE_TEST(another_type_or_device_is_due),
        COMPARE_TEST(data_is_compared_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
