/*
 * The command line: what each option does, and what is refused with which words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "pcopy/options.h"
#include "pcopy/report.h"

static struct pc_options options;
static char problem[512];
static char *arguments[64];

static void forget_arguments(void)
{
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        free(arguments[i]);
        arguments[i] = NULL;
    }
}

/* Parses a copy of `list`, which NULL ends. getopt permutes it, so each string has to be found
 * again. */
static enum pc_request parse(const char *const *list)
{
    static char *argv[64];
    int argc = 0;
    forget_arguments();
    problem[0] = '\0';
    for (; list[argc]; argc++)
        argv[argc] = arguments[argc] = strdup(list[argc]);
    argv[argc] = NULL;
    return pc_options_parse(argc, argv, &options, problem, sizeof problem);
}

#define PARSE(...) parse((const char *const[]){"pcopy", __VA_ARGS__, NULL})

/* Parses what must be accepted; the caller frees `options`. */
#define ACCEPT(...) assert_int_equal(PARSE(__VA_ARGS__), PC_REQUEST_RUN)

#define REFUSE(text, ...)                                                                          \
    do {                                                                                           \
        assert_int_equal(PARSE(__VA_ARGS__), PC_REQUEST_REFUSED);                                  \
        assert_string_equal(problem, text);                                                        \
    } while (0)

static void done(void)
{
    pc_options_free(&options);
    forget_arguments();
}

static int teardown(void **state)
{
    (void)state;
    forget_arguments();
    return 0;
}

static void defaults_keep_mode_times_and_links(void **state)
{
    (void)state;
    const mode_t mask = umask(027);
    ACCEPT("a", "b");
    assert_int_equal(umask(mask), 027); /* reading it has left it as it was */
    assert_int_equal(options.source_count, 1);
    assert_string_equal(options.sources[0], "a");
    assert_string_equal(options.target, "b");
    assert_false(options.into);
    assert_int_equal(options.mounts.count, 0);
    assert_int_equal(options.jobs, 0);
    assert_int_equal(options.walkers, 0);
    assert_true(options.keep.mode && options.keep.times && options.keep.links);
    assert_false(options.keep.owner || options.keep.acl || options.keep.xattr);
    assert_int_equal(options.keep.umask, 027);
    assert_int_equal(options.keep.uid, geteuid());
    assert_int_equal(options.keep.gid, getegid());
    assert_int_equal(options.source_mounts.count, 0);
    assert_false(options.allow_rootfs || options.explain || options.json);
    assert_false(options.one_file_system || options.verbose || options.quiet);
    assert_int_equal(options.fsync, PC_FSYNC_END);
    assert_int_equal(options.queue_size, 8192);
    assert_int_equal(options.buffer_size, 512 * 1024);
    done();
}

static void a_list_says_what_makes_the_exit_status(void **state)
{
    (void)state;
    ACCEPT("a", "b");
    assert_int_equal(options.fail_on, PC_FINDING_ERRORS | PC_FINDING_VANISHED | PC_FINDING_CHANGED |
                                          PC_FINDING_DELETIONS);
    done();
    ACCEPT("--fail-on=none", "a", "b");
    assert_int_equal(options.fail_on, 0);
    done();
    ACCEPT("--fail-on=lost,errors,lost", "a", "b");
    assert_int_equal(options.fail_on, PC_FINDING_LOST | PC_FINDING_ERRORS);
    done();
    ACCEPT("--fail-on=vanished", "--fail-on=changed,deletions", "a", "b"); /* the last one holds */
    assert_int_equal(options.fail_on, PC_FINDING_CHANGED | PC_FINDING_DELETIONS);
    done();
    REFUSE("--fail-on=none stands alone", "--fail-on=errors,none", "a", "b");
    REFUSE("--fail-on=none stands alone", "--fail-on=none,errors", "a", "b");
    const char *const bad[] = {"", "error", "errorsx", "ERRORS", " errors"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[160];
        snprintf(expected, sizeof expected,
                 "--fail-on does not know '%s'; known are errors, vanished, changed, deletions, "
                 "lost, none",
                 bad[i]);
        REFUSE(expected, "--fail-on", bad[i], "a", "b");
    }
    REFUSE("--fail-on does not know ''; known are errors, vanished, changed, deletions, lost, "
           "none",
           "--fail-on=errors,", "a", "b");
}

/* Minutes, because rsync has it so. */
static void the_time_to_stop_is_after_a_duration_or_at_a_date(void **state)
{
    (void)state;
    struct timespec now;
    ACCEPT("a", "b");
    assert_int_equal(options.stop_after.tv_sec, 0);
    assert_int_equal(options.stop_at.tv_sec, 0);
    done();
    clock_gettime(CLOCK_MONOTONIC, &now);
    ACCEPT("--stop-after=90", "a", "b");
    assert_in_range(options.stop_after.tv_sec, now.tv_sec + 5400, now.tv_sec + 5460);
    done();
    ACCEPT("--stop-after=90s", "a", "b");
    assert_in_range(options.stop_after.tv_sec, now.tv_sec + 90, now.tv_sec + 150);
    done();
    ACCEPT("--stop-at=@4000000000", "a", "b");
    assert_int_equal(options.stop_at.tv_sec, 4000000000);
    done();
    ACCEPT("--stop-at=23:59", "a", "b");
    assert_in_range(options.stop_at.tv_sec, time(NULL), time(NULL) + 25L * 3600);
    done();
    REFUSE("--stop-after takes minutes or a duration (90s, 12h), not '0'", "--stop-after=0", "a",
           "b");
    REFUSE("--stop-after takes minutes or a duration (90s, 12h), not '9223372036854775807s'",
           "--stop-after=9223372036854775807s", "a", "b");
    REFUSE("--stop-at takes a time to come, and '@1' is over", "--stop-at=@1", "a", "b");
    REFUSE("--stop-at takes a time (23:59) or a date (2026-12-31T23:59), not '12-31'",
           "--stop-at=12-31", "a", "b");
}

static void jobs_are_1_to_1024(void **state)
{
    (void)state;
    ACCEPT("-j", "1", "a", "b");
    assert_int_equal(options.jobs, 1);
    done();
    ACCEPT("-j1024", "a", "b");
    assert_int_equal(options.jobs, 1024);
    done();
    ACCEPT("--jobs=1K", "a", "b");
    assert_int_equal(options.jobs, 1024);
    done();
    const char *const bad[] = {"0",   "1025", "-1", "+1", "",    "x",   "4x",
                               "4KK", " 4",   "4 ", "2K", "1.5", "0x4", "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char expected[128];
        snprintf(expected, sizeof expected, "-j takes a number from 1 to 1024, not '%s'", bad[i]);
        REFUSE(expected, "-j", bad[i], "a", "b");
    }
}

static void walkers_are_1_to_64(void **state)
{
    (void)state;
    ACCEPT("--walkers=1", "a", "b");
    assert_int_equal(options.walkers, 1);
    done();
    ACCEPT("--walkers", "64", "a", "b");
    assert_int_equal(options.walkers, 64);
    done();
    REFUSE("--walkers takes a number from 1 to 64, not '0'", "--walkers=0", "a", "b");
    REFUSE("--walkers takes a number from 1 to 64, not '65'", "--walkers=65", "a", "b");
}

static void sizes_take_k_m_and_g_in_both_cases(void **state)
{
    (void)state;
    ACCEPT("--queue-size=2", "--buffer-size=4096", "a", "b");
    assert_int_equal(options.queue_size, 2);
    assert_int_equal(options.buffer_size, 4096);
    done();
    ACCEPT("--queue-size=3k", "--buffer-size=64M", "a", "b");
    assert_int_equal(options.queue_size, 3072);
    assert_int_equal(options.buffer_size, (size_t)64 << 20);
    done();
    ACCEPT("--queue-size=16M", "--buffer-size=1m", "a", "b");
    assert_int_equal(options.queue_size, (size_t)16 << 20);
    assert_int_equal(options.buffer_size, 1 << 20);
    done();
    const char *const sizes[] = {
        "4095", "3K", "65M", "1G", "1T", "17179869185G", "17592186044417M", "K", "4K4", "4\x0b"};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char expected[128];
        snprintf(expected, sizeof expected,
                 "--buffer-size takes a number from 4096 to 67108864, not '%s'", sizes[i]);
        REFUSE(expected, "--buffer-size", sizes[i], "a", "b");
    }
    REFUSE("--queue-size takes a number from 2 to 16777216, not '1'", "--queue-size=1", "a", "b");
    REFUSE("--queue-size takes a number from 2 to 16777216, not '1g'", "--queue-size=1g", "a", "b");
}

static void mounts_are_a_list_that_may_be_repeated(void **state)
{
    (void)state;
    ACCEPT("-m", "/a,/b/", "--mounts=c//", "-m/", "x", "y");
    const char *const expected[] = {"/a", "/b", "c", "/"};
    assert_int_equal(options.mounts.count, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_string_equal(options.mounts.paths[i], expected[i]);
    assert_string_equal(options.target, "y");
    done();
}

static void mounts_of_the_source_are_a_list_of_their_own(void **state)
{
    (void)state;
    ACCEPT("-M", "/a,/b", "-m", "/a", "--source-mounts=/c/", "x", "y");
    const char *const expected[] = {"/a", "/b", "/c"};
    assert_int_equal(options.source_mounts.count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_string_equal(options.source_mounts.paths[i], expected[i]);
    assert_int_equal(options.mounts.count, 1);
    assert_string_equal(options.mounts.paths[0], "/a");
    done();
    REFUSE("-M takes mount points separated by commas; one of them is empty", "-M", "/a,", "x",
           "y");
    REFUSE("the mount point '/a' is given twice", "-M", "/a", "-M/a/", "x", "y");
}

static void explain_may_be_in_json(void **state)
{
    (void)state;
    ACCEPT("--explain", "--allow-rootfs", "a", "b");
    assert_true(options.explain && options.allow_rootfs);
    assert_false(options.json);
    done();
    ACCEPT("--json", "--explain", "a", "b");
    assert_true(options.explain && options.json);
    assert_false(options.allow_rootfs);
    done();
    REFUSE("--json goes with --explain, --verify-only or --check-against", "--json", "a", "b");
}

static void an_empty_mount_point_is_refused(void **state)
{
    (void)state;
    const char *const bad[] = {"", ",", ",/a", "/a,", "/a,,/b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        REFUSE("-m takes mount points separated by commas; one of them is empty", "-m", bad[i], "x",
               "y");
}

static void a_mount_point_given_twice_is_refused(void **state)
{
    (void)state;
    REFUSE("the mount point '/a' is given twice", "-m", "/a,/b,/a/", "x", "y");
    REFUSE("the mount point '/b' is given twice", "-m", "/b", "-m", "/b", "x", "y");
}

static void the_target_directory_takes_all_operands_into_it(void **state)
{
    (void)state;
    ACCEPT("-t", "dir", "a");
    assert_string_equal(options.target, "dir");
    assert_true(options.into);
    assert_int_equal(options.source_count, 1);
    assert_string_equal(options.sources[0], "a");
    done();
    ACCEPT("a", "b", "--target-directory=dir", "c");
    assert_int_equal(options.source_count, 3);
    assert_string_equal(options.sources[0], "a");
    assert_string_equal(options.sources[2], "c");
    done();
    REFUSE("-t is given twice", "-t", "d", "-t", "e", "a");
    REFUSE("the DIR of -t is empty", "-t", "", "a");
    REFUSE("SRC and DST are missing", "-t", "d");
}

static void two_operands_are_a_pair_and_more_go_into_the_last(void **state)
{
    (void)state;
    ACCEPT("a", "b", "c");
    assert_true(options.into);
    assert_int_equal(options.source_count, 2);
    assert_string_equal(options.sources[0], "a");
    assert_string_equal(options.sources[1], "b");
    assert_string_equal(options.target, "c");
    done();
    REFUSE("DST is missing after 'a'", "a");
    REFUSE("an operand is empty", "", "b");
    REFUSE("an operand is empty", "a", "");
    assert_int_equal(parse((const char *const[]){"pcopy", NULL}), PC_REQUEST_REFUSED);
    assert_string_equal(problem, "SRC and DST are missing");
}

static void options_may_follow_operands_until_two_dashes(void **state)
{
    (void)state;
    ACCEPT("a", "-q", "b", "-j", "3");
    assert_true(options.quiet);
    assert_int_equal(options.jobs, 3);
    assert_string_equal(options.target, "b");
    done();
    ACCEPT("-v", "--", "-j", "--quiet");
    assert_true(options.verbose);
    assert_false(options.quiet);
    assert_int_equal(options.jobs, 0);
    assert_string_equal(options.sources[0], "-j");
    assert_string_equal(options.target, "--quiet");
    done();
    ACCEPT("a", "--", "--");
    assert_string_equal(options.target, "--");
    done();
    ACCEPT("-", "-q", "b"); /* a single dash is a name */
    assert_string_equal(options.sources[0], "-");
    assert_true(options.quiet);
    done();
}

/* The letters m o t l a x for what is kept. */
static const char *kept(void)
{
    static char letters[7];
    char *at = letters;
    const struct pc_keep *k = &options.keep;
    const bool flags[] = {k->mode, k->owner, k->times, k->links, k->acl, k->xattr};
    for (size_t i = 0; i < 6; i++) {
        if (flags[i])
            *at++ = "motlax"[i];
    }
    *at = '\0';
    return letters;
}

static void preserve_adds_and_no_preserve_takes_away_in_order(void **state)
{
    (void)state;
    const struct {
        const char *options[4];
        const char *kept;
    } table[] = {
        {{"-p"}, "motl"},
        {{"-a"}, "motlax"},
        {{"--archive"}, "motlax"},
        {{"--preserve=all"}, "motlax"},
        {{"--preserve=ownership"}, "motl"},
        {{"--preserve=acl,xattr"}, "mtlax"},
        {{"--no-preserve=mode"}, "tl"},
        {{"--no-preserve=timestamps,links"}, "m"},
        {{"--no-preserve=all"}, ""},
        {{"--no-preserve=all", "--preserve=links"}, "l"},
        {{"--preserve=links", "--no-preserve=all"}, ""},
        {{"--no-preserve=mode", "-p"}, "motl"},
        {{"-a", "--no-preserve=ownership", "--no-preserve", "acl"}, "mtlx"},
        {{"--no-preserve=all", "--preserve=mode,ownership,timestamps,links,acl,xattr"}, "motlax"},
        {{"--no-preserve=all", "--preserve=xattr,acl,mode"}, "max"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const char *list[8] = {"pcopy"};
        size_t n = 1;
        for (size_t j = 0; j < 4 && table[i].options[j]; j++)
            list[n++] = table[i].options[j];
        list[n++] = "a";
        list[n] = "b";
        assert_int_equal(parse(list), PC_REQUEST_RUN);
        assert_string_equal(kept(), table[i].kept);
        done();
    }
}

static void what_cannot_be_preserved_is_named(void **state)
{
    (void)state;
#define KNOWN " cannot be preserved; known are mode, ownership, timestamps, links, acl, xattr, all"
    REFUSE("'colour'" KNOWN, "--preserve=mode,colour,links", "a", "b");
    REFUSE("''" KNOWN, "--preserve=", "a", "b");
    REFUSE("''" KNOWN, "--no-preserve=mode,", "a", "b");
    REFUSE("'mod'" KNOWN, "--preserve=mod", "a", "b");
    REFUSE("'modes'" KNOWN, "--preserve=modes", "a", "b");
    REFUSE("'al'" KNOWN, "--preserve=al", "a", "b");
#undef KNOWN
}

static void fsync_is_none_end_or_file(void **state)
{
    (void)state;
    const char *const names[] = {"--fsync=none", "--fsync=end", "--fsync=file"};
    const enum pc_fsync values[] = {PC_FSYNC_NONE, PC_FSYNC_END, PC_FSYNC_FILE};
    for (size_t i = 0; i < 3; i++) {
        ACCEPT(names[i], "a", "b");
        assert_int_equal(options.fsync, values[i]);
        done();
    }
    REFUSE("--fsync takes none, end or file, not 'always'", "--fsync=always", "a", "b");
    REFUSE("--fsync takes none, end or file, not ''", "--fsync=", "a", "b");
}

static void switches_have_a_letter_and_a_name(void **state)
{
    (void)state;
    ACCEPT("-xvq", "a", "b");
    assert_true(options.one_file_system && options.verbose && options.quiet);
    done();
    ACCEPT("--one-file-system", "a", "b");
    assert_true(options.one_file_system);
    assert_false(options.verbose || options.quiet);
    done();
    ACCEPT("--verbose", "a", "b");
    assert_true(options.verbose);
    assert_false(options.one_file_system || options.quiet);
    done();
    ACCEPT("--quiet", "a", "b");
    assert_true(options.quiet);
    assert_false(options.one_file_system || options.verbose);
    done();
}

static void help_and_version_need_no_operands(void **state)
{
    (void)state;
    assert_int_equal(PARSE("-h"), PC_REQUEST_HELP);
    assert_int_equal(PARSE("--help", "a"), PC_REQUEST_HELP);
    assert_int_equal(PARSE("--version"), PC_REQUEST_VERSION);
    assert_int_equal(PARSE("-j", "0", "--help"), PC_REQUEST_REFUSED); /* the first one counts */
}

static void help_names_every_option(void **state)
{
    (void)state;
    const char *const names[] = {"-j, --jobs=N",
                                 "--walkers=N",
                                 "-m, --mounts=A,B,...",
                                 "-p ",
                                 "-a, --archive",
                                 "--preserve=LIST",
                                 "--no-preserve=LIST",
                                 "-v, --verbose",
                                 "--fsync=WHEN",
                                 "--queue-size=N",
                                 "--buffer-size=SIZE",
                                 "-q, --quiet",
                                 "-h, --help",
                                 "--version",
                                 "-x, --one-file-system",
                                 "-t, --target-directory=DIR",
                                 "-M, --source-mounts=A,B,...",
                                 "--allow-rootfs",
                                 "--explain",
                                 "--json"};
    char *help = pc_options_help();
    assert_non_null(help);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!strstr(help, names[i]))
            fail_msg("--help does not name '%s'", names[i]);
    }
    for (const char *line = help; *line; line += strcspn(line, "\n") + 1)
        assert_true(strcspn(line, "\n") <= 100);
    free(help);
}

static void what_is_wrong_with_an_option_is_said(void **state)
{
    (void)state;
    REFUSE("unknown option '-Z'", "-Z", "a", "b");
    REFUSE("unknown option '-Z'", "-vZ", "a", "b");
    REFUSE("unknown option '--colour'", "--colour", "a", "b");
    REFUSE("unknown option '--colour'", "a", "--colour", "b");
    REFUSE("unknown option '--ver'", "--ver", "a", "b"); /* verbose or version */
    REFUSE("option '-j' needs an argument", "a", "b", "-j");
    REFUSE("option '--mounts' needs an argument", "a", "b", "--mounts");
    REFUSE("no argument is taken by option '--version=2'", "--version=2", "a", "b");
}

static void an_argument_of_a_switch_with_a_letter_is_refused_by_its_name(void **state)
{
    (void)state;
    REFUSE("no argument is taken by option '--quiet=no'", "--quiet=no", "a", "b");
}

static void a_long_problem_is_cut_not_overrun(void **state)
{
    (void)state;
    char small[16];
    char *argv[] = {strdup("pcopy"), strdup("--a-name-that-is-longer-than-the-buffer"), NULL};
    memset(small, 'x', sizeof small);
    assert_int_equal(pc_options_parse(2, argv, &options, small, 12), PC_REQUEST_REFUSED);
    assert_string_equal(small, "unknown opt");
    assert_int_equal(small[12], 'x');
    free(argv[0]);
    free(argv[1]);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_keep_mode_times_and_links),
        cmocka_unit_test(a_list_says_what_makes_the_exit_status),
        cmocka_unit_test(the_time_to_stop_is_after_a_duration_or_at_a_date),
        cmocka_unit_test(jobs_are_1_to_1024),
        cmocka_unit_test(walkers_are_1_to_64),
        cmocka_unit_test(sizes_take_k_m_and_g_in_both_cases),
        cmocka_unit_test(mounts_are_a_list_that_may_be_repeated),
        cmocka_unit_test(mounts_of_the_source_are_a_list_of_their_own),
        cmocka_unit_test(explain_may_be_in_json),
        cmocka_unit_test(an_empty_mount_point_is_refused),
        cmocka_unit_test(a_mount_point_given_twice_is_refused),
        cmocka_unit_test(the_target_directory_takes_all_operands_into_it),
        cmocka_unit_test(two_operands_are_a_pair_and_more_go_into_the_last),
        cmocka_unit_test(options_may_follow_operands_until_two_dashes),
        cmocka_unit_test(preserve_adds_and_no_preserve_takes_away_in_order),
        cmocka_unit_test(what_cannot_be_preserved_is_named),
        cmocka_unit_test(fsync_is_none_end_or_file),
        cmocka_unit_test(switches_have_a_letter_and_a_name),
        cmocka_unit_test(help_and_version_need_no_operands),
        cmocka_unit_test(help_names_every_option),
        cmocka_unit_test(what_is_wrong_with_an_option_is_said),
        cmocka_unit_test(an_argument_of_a_switch_with_a_letter_is_refused_by_its_name),
        cmocka_unit_test(a_long_problem_is_cut_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
