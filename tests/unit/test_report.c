/*
 * What is said on which stream, in which words, and the exit status.
 */
#include "scratch.h"

#include <pthread.h>

#include "pcopy/meta.h"
#include "pcopy/report.h"

/* Standard output and standard error go to files while this is on. */
static int saved[2] = {-1, -1};
static char text[2][65536]; /* what was written to them */

static const char *const file_names[2] = {"out", "err"};

static void redirect(const char *out)
{
    for (int i = 0; i < 2; i++) {
        FILE *f = i ? stderr : stdout;
        const char *name = i == 0 && out ? out : file_names[i];
        fflush(f);
        saved[i] = dup(fileno(f));
        const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        MUST(saved[i] >= 0 && fd >= 0 && dup2(fd, fileno(f)) >= 0);
        close(fd);
    }
}

static void capture(void)
{
    redirect(NULL);
}

static void restore(void)
{
    for (int i = 0; i < 2; i++) {
        FILE *f = i ? stderr : stdout;
        fflush(f);
        clearerr(f);
        MUST(dup2(saved[i], fileno(f)) >= 0);
        close(saved[i]);
        const int fd = open(file_names[i], O_RDONLY | O_CLOEXEC);
        const ssize_t n = fd < 0 ? 0 : read(fd, text[i], sizeof text[i] - 1);
        if (fd >= 0)
            close(fd);
        text[i][n > 0 ? n : 0] = '\0';
    }
}

static struct pc_report *make(unsigned threads, bool quiet, bool verbose)
{
    struct pc_report *r;
    const struct pc_report_config config = {.threads = threads,
                                            .quiet = quiet,
                                            .verbose = verbose,
                                            .summary = !quiet,
                                            .fail_on = PC_FINDINGS};
    assert_int_equal(pc_report_new(&r, &config), 0);
    return r;
}

static void an_error_is_one_line_with_operation_path_and_reason(void **state)
{
    (void)state;
    struct pc_report *r = make(1, true, false); /* quiet does not silence errors */
    capture();
    pc_report_error(r, "open", "dir/name", -EACCES, NULL);
    pc_report_error(r, "read", "x", -EIO, "the file became shorter");
    pc_report_note(r, "only %u of %d", 3U, 4);
    restore();
    assert_string_equal(text[1], "pcopy: cannot open 'dir/name': Permission denied\n"
                                 "pcopy: cannot read 'x': the file became shorter\n"
                                 "pcopy: only 3 of 4\n");
    assert_string_equal(text[0], "");
    assert_int_equal(pc_report_end(r, PC_STATUS_DONE),
                     PC_STATUS_DONE); /* telling is not counting */
    pc_report_free(r);
}

/* Later passes fail on what the first one has failed on. */
static void an_error_is_said_once(void **state)
{
    (void)state;
    struct pc_report *r = make(1, false, false);
    capture();
    const bool first = pc_report_error(r, "open", "a", -EACCES, NULL);
    const bool again = pc_report_error(r, "open", "a", -EACCES, NULL);
    const bool other = pc_report_error(r, "open", "a", -EIO, NULL) &&
                       pc_report_error(r, "read", "a", -EIO, NULL) &&
                       pc_report_finding(r, PC_FINDING_CHANGED, "open", "b", -EACCES, NULL);
    const bool finding = pc_report_finding(r, PC_FINDING_CHANGED, "open", "b", -EACCES, NULL);
    restore();
    assert_true(first && other);
    assert_false(again || finding);
    assert_string_equal(text[1], "pcopy: cannot open 'a': Permission denied\n"
                                 "pcopy: cannot open 'a': Input/output error\n"
                                 "pcopy: cannot read 'a': Input/output error\n"
                                 "pcopy: cannot open 'b': Permission denied\n");

    /* More than are remembered are all said. */
    redirect("/dev/null");
    bool all = true;
    for (int i = 0; i < 40000; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        all = all && pc_report_error(r, "open", name, -EACCES, NULL);
    }
    restore();
    assert_true(all);
    pc_report_free(r);
}

static void quiet_says_what_matters(void **state)
{
    (void)state;
    const struct pc_report_config config = {
        .threads = 1, .quiet = true, .verdict = true, .fail_on = PC_FINDING_VANISHED};
    struct pc_report *r;
    assert_int_equal(pc_report_new(&r, &config), 0);
    assert_int_equal(pc_report_log(r, "log", 0600), 0);
    capture();
    pc_report_hint(r, "some %s", "advice");
    pc_report_finding(r, PC_FINDING_CHANGED, "copy", "a", -EIO, NULL);
    const enum pc_status good = pc_report_end(r, PC_STATUS_DONE);
    restore();
    assert_int_equal(good, PC_STATUS_DONE);
    assert_string_equal(text[1], "");
    struct stat st;
    MUST(stat("log", &st) == 0);
    assert_true(st.st_size > 100);

    capture();
    pc_report_note(r, "news");
    pc_report_finding(r, PC_FINDING_VANISHED, "copy", "b", -EIO, NULL);
    pc_report_count(r, 0, PC_COUNT_VANISHED, 1);
    const enum pc_status bad = pc_report_end(r, PC_STATUS_DONE);
    restore();
    assert_int_equal(bad, PC_STATUS_VANISHED);
    const char *const lines = "pcopy: news\npcopy: cannot copy 'b': Input/output error\n"
                              "pcopy: exit status 24: 0 files, ";
    assert_memory_equal(text[1], lines, strlen(lines));
    assert_string_equal(text[0], "");
    pc_report_free(r);
}

static void names_are_shown_so_that_they_cannot_play_tricks(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *shown;
    } table[] = {
        {"plain name", "plain name"},
        {"two\nlines", "two\\nlines"},
        {"it's", "it\\'s"},
        {"back\\slash", "back\\\\slash"},
        {"\x1b[31mred", "\\x1b[31mred"},
        {"tab\tbell\a", "tab\\x09bell\\x07"},
        {"\x7f", "\\x7f"},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"}, /* UTF-8 */
        {"latin \xfc.", "latin \\xfc."},              /* no UTF-8 */
        {"cut \xe2\x82", "cut \\xe2\\x82"},           /* the beginning of one */
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b31m"},                     /* a control character of C1 */
        {"\xe2\x80\xa8.", "\\xe2\\x80\\xa8."}, /* a line separator */
        {"", ""},
    };
    struct pc_report *r = make(1, false, true);
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char expected[256];
        capture();
        pc_report_error(r, "open", table[i].name, -ENOENT, NULL);
        pc_report_entry(r, table[i].name);
        restore();
        snprintf(expected, sizeof expected, "pcopy: cannot open '%s': No such file or directory\n",
                 table[i].shown);
        assert_string_equal(text[1], expected);
        snprintf(expected, sizeof expected, "%s\n", table[i].shown);
        assert_string_equal(text[0], expected);
    }
    pc_report_free(r);
}

static void notes_are_made_harmless_but_not_quoted(void **state)
{
    (void)state;
    struct pc_report *r = make(1, false, false);
    capture();
    pc_report_note(r, "'%s' is not %s", "a\x1b[31m\\", "b'c");
    const enum pc_status status = pc_report_print(r, "as\tit is\n");
    restore();
    assert_int_equal(status, PC_STATUS_DONE);
    assert_string_equal(text[1], "pcopy: 'a\\x1b[31m\\' is not b'c\n");
    assert_string_equal(text[0], "as\tit is\n");
    pc_report_free(r);
}

static void entries_are_named_if_verbose_only(void **state)
{
    (void)state;
    for (int verbose = 0; verbose < 2; verbose++) {
        struct pc_report *r = make(1, true, verbose);
        capture();
        pc_report_entry(r, "a/b");
        restore();
        assert_string_equal(text[0], verbose ? "a/b\n" : "");
        assert_string_equal(text[1], "");
        pc_report_free(r);
    }
}

static void the_summary_adds_up_all_threads(void **state)
{
    (void)state;
    struct pc_report *r = make(3, false, false);
    for (unsigned t = 0; t < 3; t++) {
        for (unsigned i = 0; i < PC_COUNTS; i++)
            pc_report_count(r, t, (enum pc_count)i, 10 * (i + 1) + t);
    }
    capture();
    const enum pc_status status = pc_report_end(r, PC_STATUS_DONE);
    restore();
    assert_int_equal(status, PC_STATUS_PARTIAL);
    const char *const lines = "copied 33 files, 63 directories, 93 symlinks, 123 hard links, 153 "
                              "special files\n"
                              "183 bytes (183 B), 213 skipped, 333 vanished, 363 changed, "
                              "393 errors\n"
                              "243 mended, 273 deleted, 303 found to differ\n"
                              "tried again: 453 I/O, 483 stale, 513 full; failed: 603 I/O, "
                              "633 stale, 663 full, 693 denied, 723 other\n";
    assert_memory_equal(text[0], lines, strlen(lines));
    char *end;
    const double seconds = strtod(text[0] + strlen(lines), &end);
    assert_true(seconds >= 0 && seconds < 60);
    assert_memory_equal(end, " seconds, ", strlen(" seconds, "));
    strtoull(end + strlen(" seconds, "), &end, 10);
    assert_memory_equal(end, " files/s, ", strlen(" files/s, "));
    assert_string_equal(text[1], "");
    pc_report_free(r);
}

static void bytes_are_shown_in_a_fitting_unit(void **state)
{
    (void)state;
    const struct {
        uint64_t bytes;
        const char *shown;
    } table[] = {
        {0, "0 bytes (0 B)"},
        {1023, "1023 bytes (1023 B)"},
        {1024, "1024 bytes (1.0 KiB)"},
        {1536, "1536 bytes (1.5 KiB)"},
        {(uint64_t)5 << 30, "5368709120 bytes (5.0 GiB)"},
        {(uint64_t)3 << 60, "3458764513820540928 bytes (3.0 EiB)"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pc_report *r = make(1, false, false);
        pc_report_count(r, 0, PC_COUNT_BYTES, table[i].bytes);
        capture();
        pc_report_end(r, PC_STATUS_DONE);
        restore();
        if (!strstr(text[0], table[i].shown))
            fail_msg("no '%s' in:\n%s", table[i].shown, text[0]);
        pc_report_free(r);
    }
}

static void quiet_has_no_summary(void **state)
{
    (void)state;
    struct pc_report *r = make(1, true, false);
    assert_false(pc_report_has_progress(r));
    capture();
    assert_int_equal(pc_report_end(r, PC_STATUS_DONE), PC_STATUS_DONE);
    restore();
    assert_string_equal(text[0], "");
    assert_string_equal(text[1], "");
    pc_report_free(r);
}

static void the_status_follows_from_counters_unless_the_run_ended_early(void **state)
{
    (void)state;
    const struct {
        unsigned errors;
        unsigned vanished;
        enum pc_status given;
        enum pc_status expected;
    } table[] = {
        {0, 0, PC_STATUS_DONE, PC_STATUS_DONE},     {0, 1, PC_STATUS_DONE, PC_STATUS_VANISHED},
        {1, 0, PC_STATUS_DONE, PC_STATUS_PARTIAL},  {1, 1, PC_STATUS_DONE, PC_STATUS_PARTIAL},
        {0, 0, PC_STATUS_SIGNAL, PC_STATUS_SIGNAL}, {1, 1, PC_STATUS_SIGNAL, PC_STATUS_SIGNAL},
        {1, 0, PC_STATUS_RUN, PC_STATUS_RUN},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pc_report *r = make(2, true, false);
        pc_report_count(r, 1, PC_COUNT_ERRORS, table[i].errors);
        pc_report_count(r, 0, PC_COUNT_VANISHED, table[i].vanished);
        assert_int_equal(pc_report_end(r, table[i].given), table[i].expected);
        pc_report_free(r);
    }
}

static void only_what_matters_makes_the_status(void **state)
{
    (void)state;
    enum { E = PC_FINDING_ERRORS, V = PC_FINDING_VANISHED, C = PC_FINDING_CHANGED };
    enum { L = PC_FINDING_LOST, ALL = PC_FINDINGS | L };
    const struct {
        unsigned found;
        unsigned fail_on;
        enum pc_status given;
        enum pc_status expected;
    } table[] = {
        {ALL, 0, PC_STATUS_DONE, PC_STATUS_DONE},
        {ALL, ALL, PC_STATUS_DONE, PC_STATUS_PARTIAL},
        {E, ALL & ~E, PC_STATUS_DONE, PC_STATUS_DONE},
        {E | V, ALL & ~E, PC_STATUS_DONE, PC_STATUS_VANISHED},
        {V, ALL & ~V, PC_STATUS_DONE, PC_STATUS_DONE},
        {V, V, PC_STATUS_DONE, PC_STATUS_VANISHED},
        {V, C, PC_STATUS_DONE, PC_STATUS_DONE},
        {C, C, PC_STATUS_DONE, PC_STATUS_VANISHED},
        {C, ALL & ~C, PC_STATUS_DONE, PC_STATUS_DONE},
        {L, PC_FINDINGS, PC_STATUS_DONE, PC_STATUS_DONE},
        {L, L, PC_STATUS_DONE, PC_STATUS_PARTIAL},
        {L | V, ALL, PC_STATUS_DONE, PC_STATUS_PARTIAL},
        /* What the caller knows stays, unless what was counted is graver. */
        {V, ALL, PC_STATUS_DELETIONS, PC_STATUS_DELETIONS},
        {E, ALL, PC_STATUS_DELETIONS, PC_STATUS_PARTIAL},
        {E, 0, PC_STATUS_DELETIONS, PC_STATUS_DELETIONS},
        {V, ALL, PC_STATUS_PARTIAL, PC_STATUS_PARTIAL},
        {ALL, 0, PC_STATUS_PARTIAL, PC_STATUS_PARTIAL},
        {ALL, ALL, PC_STATUS_TIME, PC_STATUS_TIME},
        {ALL, 0, PC_STATUS_SIGNAL, PC_STATUS_SIGNAL},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct pc_report_config config = {.threads = 1, .fail_on = table[i].fail_on};
        struct pc_report *r;
        assert_int_equal(pc_report_new(&r, &config), 0);
        pc_report_count(r, 0, PC_COUNT_ERRORS, (table[i].found & E) != 0);
        pc_report_count(r, 0, PC_COUNT_VANISHED, (table[i].found & V) != 0);
        pc_report_count(r, 0, PC_COUNT_CHANGED, (table[i].found & C) != 0);
        pc_report_count(r, 0, PC_COUNT_LOST, (table[i].found & L) != 0);
        const enum pc_status status = pc_report_end(r, table[i].given);
        if (status != table[i].expected)
            fail_msg("%zu: %d instead of %d", i, status, table[i].expected);
        pc_report_free(r);
    }
}

static void a_summary_that_cannot_be_written_fails_the_run(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct pc_report *r = make(1, false, false);
    redirect("/dev/full");
    const enum pc_status status = pc_report_end(r, PC_STATUS_DONE);
    restore();
    assert_int_equal(status, PC_STATUS_RUN);
    assert_string_equal(text[1],
                        "pcopy: cannot write to standard output: No space left on device\n");
    redirect("/dev/full");
    const enum pc_status kept = pc_report_end(r, PC_STATUS_SIGNAL);
    restore();
    assert_int_equal(kept, PC_STATUS_SIGNAL);
    redirect("/dev/full");
    const enum pc_status printed = pc_report_print(r, "text");
    restore();
    assert_int_equal(printed, PC_STATUS_RUN);
    pc_report_free(r);
}

static void progress_is_for_terminals_and_wiped_before_other_lines(void **state)
{
    (void)state;
    struct pc_report *r;
    capture();
    r = make(1, false, false); /* now that standard error is a file */
    const bool wanted = pc_report_has_progress(r);
    pc_report_count(r, 0, PC_COUNT_FILES, 12);
    pc_report_count(r, 0, PC_COUNT_LINKS, 3);
    pc_report_count(r, 0, PC_COUNT_DIRS, 100);
    pc_report_count(r, 0, PC_COUNT_BYTES, 2048);
    pc_report_progress(r);
    pc_report_note(r, "hello");
    pc_report_note(r, "again");
    pc_report_progress(r);
    pc_report_end(r, PC_STATUS_DONE);
    restore();
    assert_false(wanted);
    assert_int_equal(strncmp(text[1], "\r15 files, 2.0 KiB; ", 20), 0);
    assert_non_null(strstr(text[1], "/s; 0 errors\033[K\r\033[Kpcopy: hello\npcopy: again\n\r15"));
    const size_t n = strlen(text[1]);
    assert_string_equal(text[1] + n - 4, "\r\033[K"); /* the summary has the line for itself */
    assert_int_equal(text[0][0], 'c');
    pc_report_free(r);
}

static void the_state_is_one_line_even_if_quiet(void **state)
{
    (void)state;
    struct pc_report *r = make(1, true, false);
    for (unsigned i = 0; i < PC_COUNTS; i++)
        pc_report_count(r, 0, (enum pc_count)i, 1024 * (i + 1));
    capture();
    pc_report_state(r, "copying");
    restore();
    const char *const counts = "pcopy: copying: 13312 files, 2048 directories, 6144 bytes "
                               "(6.0 KiB), 7168 skipped, 9216 deleted, 11264 vanished, "
                               "12288 changed, 13312 errors; ";
    assert_memory_equal(text[1], counts, strlen(counts));
    assert_non_null(strstr(text[1], " seconds, "));
    assert_ptr_equal(strchr(text[1], '\n'), text[1] + strlen(text[1]) - 1);
    assert_string_equal(text[0], "");
    pc_report_free(r);
}

/* --- the log --- */

static void the_log_has_all_lines_with_the_time_before_them(void **state)
{
    (void)state;
    const struct pc_change change = {
        .path = "a", .type = S_IFREG, .diffs = PC_DIFF_MISSING, .due = true};
    const struct pc_report_config config = {
        .threads = 1, .quiet = true, .verbose = true, .changes = PC_CHANGES_NAMES};
    const char *const lines[] = {
        "pcopy: a longer line comes before the shorter ones",
        "pcopy: cannot open 'b\\n': Permission denied",
        "c",
        ">f+++++++++ a",
        "copied 0 files, 0 directories, 0 symlinks, 0 hard links, 0 special files",
        "0 bytes (0 B), 0 skipped, 0 vanished, 0 changed, 0 errors",
        "0.",
        "pcopy: exit status 0: 0 files, ",
    };
    struct pc_report *r;
    put("log", "before\n");
    capture();
    assert_int_equal(pc_report_new(&r, &config), 0);
    assert_int_equal(pc_report_log(r, "log", 0600), 0);
    pc_report_note(r, "a longer line comes before the shorter ones");
    pc_report_error(r, "open", "b\n", -EACCES, NULL);
    pc_report_entry(r, "c");
    pc_report_change(r, &change);
    const enum pc_status status = pc_report_end(r, PC_STATUS_DONE);
    pc_report_free(r);
    restore();
    assert_int_equal(status, PC_STATUS_DONE);
    assert_memory_equal(text[0], "c\na", 4);

    FILE *f = fopen("log", "r");
    char line[512];
    MUST(f && fgets(line, sizeof line, f));
    assert_string_equal(line, "before\n");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct tm tm;
        MUST(fgets(line, sizeof line, f));
        assert_ptr_equal(strptime(line, "%Y-%m-%d %H:%M:%S", &tm), line + 19);
        if (strncmp(line + 20, lines[i], strlen(lines[i])) != 0)
            fail_msg("not '%s' but %s", lines[i], line + 20);
        assert_non_null(strchr(line, '\n'));
    }
    assert_null(fgets(line, sizeof line, f));
    fclose(f);
}

static void a_log_that_cannot_be_written_fails_the_run(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) != 0)
        skip();
    struct pc_report *r = make(1, true, false);
    assert_int_equal(pc_report_log(r, "missing/log", 0600), -ENOENT);
    assert_int_equal(pc_report_log(r, "/dev/full", 0600), 0);
    capture();
    pc_report_note(r, "one");
    pc_report_note(r, "two");
    const enum pc_status status = pc_report_end(r, PC_STATUS_DONE);
    const enum pc_status kept = pc_report_end(r, PC_STATUS_SIGNAL);
    restore();
    assert_int_equal(status, PC_STATUS_RUN);
    assert_int_equal(kept, PC_STATUS_SIGNAL);
    const char *const expected =
        "pcopy: one\npcopy: cannot write to the log file: No space left on device\npcopy: two\n";
    assert_memory_equal(text[1], expected, strlen(expected));
    pc_report_free(r);
}

/* --- threads --- */

struct speaker {
    struct pc_report *report;
    unsigned number;
    pthread_t thread;
};

static void *speak(void *argument)
{
    const struct speaker *s = argument;
    for (int i = 0; i < 200; i++) {
        pc_report_count(s->report, s->number, PC_COUNT_FILES, 1);
        pc_report_count(s->report, 0, PC_COUNT_BYTES, 2); /* a slot may be shared, too */
        if (i % 4 == 0) {
            char name[16]; /* each one another, because an error is said once */
            snprintf(name, sizeof name, "%03u-%03d", s->number, i);
            pc_report_error(s->report, "open", name, -EIO, NULL);
        }
        if (i % 4 == 1)
            pc_report_entry(s->report, "an-entry");
    }
    return NULL;
}

static void lines_of_many_threads_do_not_mix(void **state)
{
    (void)state;
    enum { SPEAKERS = 8 };
    struct speaker speakers[SPEAKERS];
    struct pc_report *r = make(SPEAKERS, false, true);
    capture();
    for (unsigned i = 0; i < SPEAKERS; i++) {
        speakers[i] = (struct speaker){.report = r, .number = i};
        MUST(pthread_create(&speakers[i].thread, NULL, speak, &speakers[i]) == 0);
    }
    for (unsigned i = 0; i < SPEAKERS; i++)
        pthread_join(speakers[i].thread, NULL);
    pc_report_end(r, PC_STATUS_DONE);
    restore();
    const char *const begin = "pcopy: cannot open '";
    const char *const end = "': Input/output error\n";
    const char *at = text[1];
    for (int i = 0; i < SPEAKERS * 50; i++, at += strlen(end)) {
        assert_int_equal(strncmp(at, begin, strlen(begin)), 0);
        at += strlen(begin) + strlen("000-000");
        assert_int_equal(strncmp(at, end, strlen(end)), 0);
    }
    assert_string_equal(at, "");
    at = text[0];
    for (int i = 0; i < SPEAKERS * 50; i++, at += strlen("an-entry\n"))
        assert_int_equal(strncmp(at, "an-entry\n", strlen("an-entry\n")), 0);
    assert_int_equal(strncmp(at, "copied 1600 files, ", 19), 0);
    assert_non_null(strstr(at, "\n3200 bytes "));
    pc_report_free(r);
    pc_report_free(NULL);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(an_error_is_one_line_with_operation_path_and_reason),
        SCRATCH_TEST(an_error_is_said_once),
        SCRATCH_TEST(quiet_says_what_matters),
        SCRATCH_TEST(names_are_shown_so_that_they_cannot_play_tricks),
        SCRATCH_TEST(notes_are_made_harmless_but_not_quoted),
        SCRATCH_TEST(entries_are_named_if_verbose_only),
        SCRATCH_TEST(the_summary_adds_up_all_threads),
        SCRATCH_TEST(bytes_are_shown_in_a_fitting_unit),
        SCRATCH_TEST(quiet_has_no_summary),
        SCRATCH_TEST(the_status_follows_from_counters_unless_the_run_ended_early),
        SCRATCH_TEST(only_what_matters_makes_the_status),
        SCRATCH_TEST(a_summary_that_cannot_be_written_fails_the_run),
        SCRATCH_TEST(progress_is_for_terminals_and_wiped_before_other_lines),
        SCRATCH_TEST(the_state_is_one_line_even_if_quiet),
        SCRATCH_TEST(the_log_has_all_lines_with_the_time_before_them),
        SCRATCH_TEST(a_log_that_cannot_be_written_fails_the_run),
        SCRATCH_TEST(lines_of_many_threads_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
