/*
 * What patterns match, how rules are read, and what sizes and times leave out. The table of
 * patterns holds for rsync too; tests/cli/filter_rsync.sh compares others with it.
 */
#include "scratch.h"

#include <time.h>

#include "pcopy/filter.h"

static struct pc_filter *make(void)
{
    struct pc_filter *f;
    MUST(pc_filter_new(&f) == 0);
    return f;
}

/* A filter of one exclude. */
static struct pc_filter *make_exclude(const char *pattern)
{
    struct pc_filter *f = make();
    MUST(pc_filter_add(f, false, pattern) == 0);
    return f;
}

/* --- patterns --- */

/* "path" is a file, "path/" a directory. */
static const struct {
    const char *pattern;
    const char *path;
    bool matches;
} MATCHES[] = {
    /* without a slash: the last component, and all of it */
    {"foo", "foo", true},
    {"foo", "foo/", true},
    {"foo", "a/b/foo", true},
    {"foo", "afoo", false},
    {"foo", "fooa", false},
    {"foo", "foo/a", false},
    {"*.o", "a.o", true},
    {"*.o", ".o", true},
    {"*.o", "dir/a.o", true},
    {"*.o", "a.o/b", false},
    {"*", "a/b", true},

    /* with one inside: the last components */
    {"foo/bar", "foo/bar", true},
    {"foo/bar", "a/foo/bar", true},
    {"foo/bar", "afoo/bar", false},
    {"foo/bar", "bar", false},
    {"foo/bar", "foo/bar/a", false},
    {"foo/*", "foo/a", true},
    {"foo/*", "a/foo/a", true},
    {"foo/*", "foo/a/b", false},
    {"foo/*/bar", "foo/a/bar", true},
    {"foo/*/bar", "foo/a/b/bar", false},
    {"foo/*/bar", "foo/bar", false},
    {"f*/b*", "x/foo/bar", true},
    {"f*/b*", "foo/x/bar", false},
    {"a//b", "a/b", false},

    /* anchored */
    {"/foo", "foo", true},
    {"/foo", "a/foo", false},
    {"/foo/bar", "foo/bar", true},
    {"/foo/bar", "a/foo/bar", false},
    {"/*", "foo", true},
    {"/*", "foo/bar", false},
    {"/*/*", "foo/bar", true},
    {"/", "foo", false},
    {"//foo", "foo", false},
    {"./foo", "foo", false},

    /* for directories */
    {"foo/", "foo/", true},
    {"foo/", "foo", false},
    {"foo/", "a/foo/", true},
    {"foo/", "foo/a", false},
    {"/foo/", "foo/", true},
    {"/foo/", "a/foo/", false},
    {"foo/bar/", "a/foo/bar/", true},
    {"foo//", "foo/", false},
    {"*/", "foo/", true},
    {"*/", "foo", false},

    /* two stars */
    {"**", "a/b/c", true},
    {"/**", "a/b", true},
    {"foo/**", "foo/a", true},
    {"foo/**", "x/foo/a/b", true},
    {"foo/**", "foo/", false},
    {"foo/**", "xfoo/a", false},
    {"/foo/**", "x/foo/a", false},
    {"**/foo", "foo", true},
    {"**/foo", "a/b/foo", true},
    {"**/foo", "afoo", false},
    {"/**/foo", "foo", false},
    {"/**/foo", "a/foo", true},
    {"**foo", "a/xfoo", true},
    {"foo**", "foo/a/b", true},
    {"foo**", "x/foobar/a", true},
    {"foo**", "xfoo/a", false},
    {"/foo/**/bar", "foo/a/b/bar", true},
    {"/foo/**/bar", "foo/bar", false},
    {"foo**bar", "x/foo/a/bar", true},
    {"foo**bar", "x/foo/a/bar/y", false},
    {"foo**bar", "foobar", true},
    {"a*b**c*d", "axb/y/cxd", true},
    {"a*b**c*d", "ax/b/cd", false},
    {"a*b**c*d", "ab/c/d", false},
    {"**a*b", "a/b/a/xab", true},
    {"**a*b", "ab/a/b", false},
    {"**a**b*c", "x/a/b/bc", true},

    /* three */
    {"foo/***", "foo/", true},
    {"foo/***", "foo", false},
    {"foo/***", "foo/a", true},
    {"foo/***", "x/foo/a/b", true},
    {"foo/***", "x/foo/", true},
    {"foo/***", "xfoo/", false},
    {"/foo/***", "foo/a/b", true},
    {"/foo/***", "x/foo/", false},
    {"**/foo/***", "foo/", true},
    {"foo/***/", "foo/", true},
    {"foo/***/", "foo/a", false},
    {"foo/***/", "foo/a/", true},
    {"foo***", "foo", true},
    {"***foo", "a/foo", true},
    {"foo***/bar", "foo/bar", true},

    /* one character */
    {"f?o", "foo", true},
    {"f?o", "fo", false},
    {"f?o", "f/o", false},
    {"?", "a/b", true},
    {"a?b", "a/b", false},
    {"/a?b", "a/b", false},

    /* sets */
    {"[abc]", "b", true},
    {"[abc]", "d", false},
    {"[abc]", "ab", false},
    {"[a-c]x", "bx", true},
    {"[a-c]x", "dx", false},
    {"[c-a]", "b", false},
    {"[!a-c]", "d", true},
    {"[!a-c]", "b", false},
    {"[^a-c]", "d", true},
    {"[^a-c]", "b", false},
    {"[a^]", "^", true},
    {"[]a]", "]", true},
    {"[]a]", "a", true},
    {"[!]a]", "]", false},
    {"[!]a]", "b", true},
    {"[]-a]", "^", true},
    {"[a-]", "-", true},
    {"[-a]", "-", true},
    {"[a-c-e]", "-", true},
    {"[a-c-e]", "d", false},
    {"[\\]]", "]", true},
    {"[\\]a]", "\\", false},
    {"[\\a-c]", "b", true},
    {"[a-\\c]", "b", true},
    {"[a\\-c]", "b", false},
    {"[a\\-c]", "-", true},
    {"[[]", "[", true},
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"a[!b]c", "a/c", false},
    {"/a[/]c", "a/c", false},
    {"/a[/b]c", "abc", true},
    {"a[/b]c", "abc", false}, /* its slash counts, and so this has too few components */
    {"[!\x80-\xbf]", "\xc3", true},
    {"[\x80-\xbf]", "\x81", true},

    /* classes */
    {"[[:alpha:]]", "a", true},
    {"[[:alpha:]]", "1", false},
    {"[[:alpha:]]", "\xe4", false},
    {"[![:alpha:]]", "1", true},
    {"[[:digit:][:upper:]_]x", "Ax", true},
    {"[[:digit:][:upper:]_]x", "_x", true},
    {"[[:digit:][:upper:]_]x", "ax", false},
    {"[[:space:]]", " ", true},
    {"[[:punct:]]", "-", true},
    {"[[:xdigit:]]", "f", true},
    {"[[:xdigit:]]", "g", false},
    {"[[:alpha:]-z]", "-", true},
    {"[a[:digit:]-z]", "-", true},
    {"[a[:digit:]-z]", "c", false},
    {"[[:alpha]", ":", true},
    {"[[:alpha]", "[", true},
    {"[[:alpha]", "b", false},
    {"[[:]", ":", true},

    /* what is not well-formed matches nothing, not even itself */
    {"[", "[", false},
    {"[a", "[a", false},
    {"[a-", "[a-", false},
    {"[]", "[]", false},
    {"[!]", "a", false},
    {"[[:nothing:]]", "n", false},
    {"[[::]]", ":", false},
    {"*[[:Alpha:]]", "a", false},
    {"a*[\\", "ab", false},
    {"a*\\", "a\\", false},
    {"a*\\/", "a\\/", false},

    /* a backslash escapes where there is a wildcard, and is itself where there is none */
    {"foo\\bar", "foo\\bar", true},
    {"foo\\bar", "foobar", false},
    {"foo\\\\bar", "foo\\bar", false},
    {"foo\\bar*", "foobar1", true},
    {"foo\\bar*", "foo\\bar1", false},
    {"foo\\\\bar*", "foo\\bar1", true},
    {"foo\\", "foo\\", true},
    {"foo\\*", "foo*", true},
    {"foo\\*", "fooa", false},
    {"foo\\*", "foo\\*", false},
    {"a\\?", "a?", true},
    {"a\\?", "ab", false},
    {"\\[a]", "[a]", true},
    {"\\[a]", "a", false},
    {"a\\/b*", "x/a/bc", true},
    /* but it hides nothing from the question where a match may begin */
    {"a\\**", "x/a*/b", false},
    {"a\\**c", "x/a*bc", true},
    {"a\\***", "x/a*/b", true},
    {"a[**]", "x/a*", true},

    /* bytes are bytes */
    {"\xff?", "\xff\xfe", true},
    {"?", "\xc3\xa4", false},
    {" ", " ", true},
    {"foo ", "foo", false},
};

/* What a filter says of "path" or "path/". */
static bool excludes(const struct pc_filter *f, const char *path)
{
    const size_t length = strlen(path);
    const bool directory = length > 0 && path[length - 1] == '/';
    char *name = strndup(path, length - directory);
    MUST(name != NULL);
    const bool result = pc_filter_excludes(f, name, directory);
    free(name);
    return result;
}

static void patterns_match_as_in_rsync(void **state)
{
    (void)state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof MATCHES / sizeof MATCHES[0]; i++) {
        struct pc_filter *f = make_exclude(MATCHES[i].pattern);
        if (excludes(f, MATCHES[i].path) != MATCHES[i].matches) {
            print_error("'%s' and '%s'\n", MATCHES[i].pattern, MATCHES[i].path);
            wrong++;
        }
        pc_filter_free(f);
    }
    assert_int_equal(wrong, 0);
}

static void the_root_is_never_excluded(void **state)
{
    (void)state;
    const char *const patterns[] = {"*", "/", "**", "/***", "*/", "/*", "."};
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct pc_filter *f = make_exclude(patterns[i]);
        assert_false(pc_filter_excludes(f, "", true));
        pc_filter_free(f);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Each of these has billions of ways to fail. */
static void no_pattern_takes_long(void **state)
{
    (void)state;
    const char *const patterns[] = {
        "a*a*a*a*a*a*a*a*a*a*b",      "**a**a**a**a**a**a**a**b", "a**a**a**a**a**a**a**b",
        "**a*a*a*a**a*a*a*a**a*a*ab", "a?*a?*a?*a?*a?*a?*a?*b",   "[a]*[a]*[a]*[a]*[a]*[a]*[!a]",
        "/**/**/**/**/**/**/**/b",    "**/*/**/*/**/*/**/*b",     "*/***a/***a/***a/***b",
    };
    char run[4096]; /* one component, longer than any */
    char path[4096];
    memset(run, 'a', sizeof run - 1);
    run[sizeof run - 1] = '\0';
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 2 ? '/' : 'a';
    path[sizeof path - 1] = '\0';

    const double start = seconds();
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++) {
        struct pc_filter *f = make_exclude(patterns[i]);
        assert_false(pc_filter_excludes(f, run, false));
        assert_false(pc_filter_excludes(f, path, false));
        pc_filter_free(f);
    }
    assert_true(seconds() - start < 10);
}

static void patterns_and_paths_have_any_length(void **state)
{
    (void)state;
    enum { LENGTH = 20000 };
    static char text[LENGTH + 3];
    memset(text, 'x', LENGTH);
    struct pc_filter *f = make_exclude(text);
    assert_true(pc_filter_excludes(f, text, false));
    text[LENGTH - 1] = 'y';
    assert_false(pc_filter_excludes(f, text, false));
    pc_filter_free(f);
    f = make_exclude("*y");
    assert_true(pc_filter_excludes(f, text, false));
    pc_filter_free(f);
}

/* --- rules --- */

static void the_first_rule_that_matches_decides(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_false(excludes(f, "a"));
    assert_int_equal(pc_filter_add(f, true, "keep.o"), 0);
    assert_int_equal(pc_filter_add(f, true, "*/"), 0);
    assert_int_equal(pc_filter_add(f, false, "*.o"), 0);
    assert_int_equal(pc_filter_add(f, true, "bad.o"), 0);
    assert_false(excludes(f, "keep.o"));
    assert_false(excludes(f, "dir.o/"));
    assert_true(excludes(f, "a.o"));
    assert_true(excludes(f, "bad.o"));
    assert_false(excludes(f, "a.c"));
    pc_filter_free(f);
    pc_filter_free(NULL);
}

static void names_are_asked_for_only_if_there_are_patterns(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_false(pc_filter_has_names(f));
    pc_filter_set_sizes(f, 1, 2);
    assert_false(pc_filter_has_names(f));
    assert_int_equal(pc_filter_add(f, true, "a"), 0);
    assert_true(pc_filter_has_names(f));
    pc_filter_free(f);
}

static void an_argument_may_say_itself_what_it_is(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_int_equal(pc_filter_add(f, false, "+ a"), 0);
    assert_int_equal(pc_filter_add(f, true, "- b"), 0);
    assert_int_equal(pc_filter_add(f, true, "-  c"), 0);
    assert_int_equal(pc_filter_add(f, false, "+d"), 0);
    assert_int_equal(pc_filter_add(f, false, "-"), 0);
    assert_int_equal(pc_filter_add(f, false, "- - e"), 0);
    assert_int_equal(pc_filter_add(f, false, "[ab]"), 0);
    assert_false(excludes(f, "a"));
    assert_true(excludes(f, "b"));
    assert_true(excludes(f, " c"));
    assert_false(excludes(f, "c"));
    assert_false(excludes(f, "d"));
    assert_true(excludes(f, "+d"));
    assert_true(excludes(f, "-"));
    assert_true(excludes(f, "- e"));
    pc_filter_free(f);
}

static void a_mark_alone_takes_all_rules_away(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_int_equal(pc_filter_add(f, false, "a"), 0);
    assert_int_equal(pc_filter_add(f, true, "!"), 0);
    assert_false(pc_filter_has_names(f));
    assert_false(excludes(f, "a"));
    assert_int_equal(pc_filter_add(f, false, "!b"), 0); /* which is a name */
    assert_int_equal(pc_filter_add(f, false, "- !"), 0);
    assert_true(excludes(f, "!b"));
    assert_true(excludes(f, "!"));
    pc_filter_free(f);
}

static void a_rule_without_a_pattern_is_refused(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_int_equal(pc_filter_add(f, false, "+ "), -EINVAL);
    assert_int_equal(pc_filter_add(f, true, "- "), -EINVAL);
    assert_int_equal(pc_filter_add(f, false, ""), 0); /* and this is none */
    assert_false(pc_filter_has_names(f));
    pc_filter_free(f);
}

/* --- files of rules --- */

/* Adds a file with this content as excludes. */
static int add_file(struct pc_filter *f, const char *bytes, size_t size, bool nul, size_t *line)
{
    put_bytes("rules", bytes, size, 0644);
    return pc_filter_add_file(f, false, "rules", nul, line);
}

#define ADD_FILE(f, text, nul, line) add_file(f, text, sizeof(text) - 1, nul, line)

static void lines_of_a_file_are_rules(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line = 99;
    assert_int_equal(
        ADD_FILE(f, "# comment\n;comment\n\n+ a1\na?\r\nb\rc\n #d\n\te\nlast", false, &line), 0);
    assert_int_equal(line, 0);
    const char *const in[] = {"a1", "#d", "# comment", ";comment", "e", "x"};
    const char *const out[] = {"a2", "b", "c", " #d", "\te", "last"};
    for (size_t i = 0; i < sizeof in / sizeof in[0]; i++)
        assert_false(excludes(f, in[i]));
    for (size_t i = 0; i < sizeof out / sizeof out[0]; i++)
        assert_true(excludes(f, out[i]));
    pc_filter_free(f);
}

static void a_file_of_includes_may_exclude(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line;
    put("rules", "a\n- *\n");
    assert_int_equal(pc_filter_add_file(f, true, "rules", false, &line), 0);
    assert_false(excludes(f, "a"));
    assert_true(excludes(f, "b"));
    pc_filter_free(f);
}

static void a_mark_in_a_file_takes_all_rules_away(void **state)
{
    (void)state;
    struct pc_filter *f = make_exclude("before");
    size_t line;
    assert_int_equal(ADD_FILE(f, "a\n!\nb\n", false, &line), 0);
    assert_false(excludes(f, "before"));
    assert_false(excludes(f, "a"));
    assert_true(excludes(f, "b"));
    pc_filter_free(f);
}

static void entries_that_end_with_nul_may_be_any_name(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line;
    assert_int_equal(ADD_FILE(f, "#a\0;b\0\0new\nline\0c\r\0+ d\0*d", true, &line), 0);
    assert_int_equal(line, 0);
    assert_true(excludes(f, "#a"));
    assert_true(excludes(f, ";b"));
    assert_true(excludes(f, "new\nline"));
    assert_true(excludes(f, "c\r"));
    assert_false(excludes(f, "c"));
    assert_false(excludes(f, "d"));
    assert_true(excludes(f, "dd"));
    pc_filter_free(f);
}

static void the_line_that_is_wrong_is_told(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line;
    assert_int_equal(ADD_FILE(f, "a\n\n#\n+ \nb\n", false, &line), -EINVAL);
    assert_int_equal(line, 4);
    assert_true(excludes(f, "a"));
    assert_false(excludes(f, "b"));
    assert_int_equal(ADD_FILE(f, "a\0- \0", true, &line), -EINVAL);
    assert_int_equal(line, 2);
    /* Entries that end with NUL, read as lines, would be one, and cut short. */
    assert_int_equal(ADD_FILE(f, "c\nd\0e\0", false, &line), -EINVAL);
    assert_int_equal(line, 2);
    assert_false(excludes(f, "d"));
    pc_filter_free(f);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line = 99;
    assert_int_equal(pc_filter_add_file(f, false, "missing", false, &line), -ENOENT);
    assert_int_equal(line, 0);
    line = 99;
    assert_int_equal(pc_filter_add_file(f, false, ".", false, &line), -EISDIR);
    assert_int_equal(line, 0);
    assert_int_equal(ADD_FILE(f, "", false, &line), 0);
    assert_false(pc_filter_has_names(f));
    pc_filter_free(f);
}

static void a_dash_is_standard_input(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    size_t line;
    put("rules", "a\n");
    put("-", "b\n");
    MUST(freopen("rules", "re", stdin) != NULL);
    assert_int_equal(pc_filter_add_file(f, false, "-", false, &line), 0);
    assert_true(excludes(f, "a"));
    assert_false(excludes(f, "b"));
    assert_int_equal(pc_filter_add_file(f, false, "./-", false, &line), 0);
    assert_true(excludes(f, "b"));
    pc_filter_free(f);
}

/* --- sizes and times --- */

static struct stat entry(mode_t type, off_t size, time_t mtime, long nanoseconds)
{
    return (struct stat){.st_mode = type | 0644,
                         .st_size = size,
                         .st_mtim = {.tv_sec = mtime, .tv_nsec = nanoseconds}};
}

static bool excludes_size(const struct pc_filter *f, mode_t type, off_t size)
{
    const struct stat st = entry(type, size, 0, 0);
    return pc_filter_excludes_attributes(f, &st);
}

static bool excludes_time(const struct pc_filter *f, time_t mtime, long nanoseconds)
{
    const struct stat st = entry(S_IFREG, 0, mtime, nanoseconds);
    return pc_filter_excludes_attributes(f, &st);
}

static void sizes_limit_regular_files(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_false(pc_filter_has_attributes(f));
    assert_false(excludes_size(f, S_IFREG, 0));
    pc_filter_set_sizes(f, 10, 20);
    assert_true(pc_filter_has_attributes(f));
    assert_true(excludes_size(f, S_IFREG, 9));
    assert_false(excludes_size(f, S_IFREG, 10));
    assert_false(excludes_size(f, S_IFREG, 20));
    assert_true(excludes_size(f, S_IFREG, 21));
    assert_false(excludes_size(f, S_IFDIR, 0));
    assert_false(excludes_size(f, S_IFLNK, 0));
    assert_false(excludes_size(f, S_IFIFO, 0));
    pc_filter_set_sizes(f, 1, UINT64_MAX);
    assert_true(pc_filter_has_attributes(f));
    assert_true(excludes_size(f, S_IFREG, 0));
    assert_false(excludes_size(f, S_IFREG, INT64_MAX));
    pc_filter_set_sizes(f, 0, 0);
    assert_true(pc_filter_has_attributes(f));
    assert_false(excludes_size(f, S_IFREG, 0));
    assert_true(excludes_size(f, S_IFREG, 1));
    pc_filter_set_sizes(f, 0, UINT64_MAX);
    assert_false(pc_filter_has_attributes(f));
    pc_filter_free(f);
}

static void times_limit_all_but_directories(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    assert_int_equal(pc_filter_set_newer(f, "@1000"), 0);
    assert_true(pc_filter_has_attributes(f));
    assert_true(excludes_time(f, 999, 999999999));
    assert_true(excludes_time(f, 1000, 0));
    assert_false(excludes_time(f, 1000, 1));
    assert_false(excludes_time(f, 1001, 0));
    assert_int_equal(pc_filter_set_older(f, "@2000"), 0);
    assert_false(excludes_time(f, 1999, 999999999));
    assert_true(excludes_time(f, 2000, 0));
    assert_true(excludes_time(f, 2000, 1));

    const mode_t types[] = {S_IFREG, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFDIR};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        const struct stat st = entry(types[i], 0, 3000, 0);
        assert_int_equal(pc_filter_excludes_attributes(f, &st), types[i] != S_IFDIR);
    }
    assert_int_equal(pc_filter_set_newer(f, "@-5"), 0); /* the last one counts */
    assert_true(excludes_time(f, -6, 999999999));
    assert_false(excludes_time(f, -4, 0));
    pc_filter_free(f);
}

/* True if `when` is this moment, give or take some seconds. */
static bool is_moment(const char *when, time_t expected, time_t tolerance)
{
    struct pc_filter *f = make();
    const int err = pc_filter_set_newer(f, when);
    const bool result = err == 0 && excludes_time(f, expected - tolerance, 0) &&
                        !excludes_time(f, expected + tolerance, 1);
    if (!result)
        print_error("'%s': %d\n", when, err);
    pc_filter_free(f);
    return result;
}

static void durations_are_before_now(void **state)
{
    (void)state;
    const time_t now = time(NULL);
    assert_true(is_moment("0s", now, 60));
    assert_true(is_moment("300s", now - 300, 60));
    assert_true(is_moment("15m", now - 900, 60));
    assert_true(is_moment("12h", now - 43200, 60));
    assert_true(is_moment("3d", now - 259200, 60));
    assert_true(is_moment("2w", now - 1209600, 60));
    assert_true(is_moment("10000w", now - 6048000000, 60));
}

static void set_zone(const char *zone)
{
    MUST(setenv("TZ", zone, 1) == 0);
    tzset();
}

static void dates_are_local(void **state)
{
    (void)state;
    set_zone("UTC0");
    assert_true(is_moment("2026-11-25", 1795564800, 0));
    assert_true(is_moment("2026-11-25 10:00", 1795600800, 0));
    assert_true(is_moment("2026-11-25 10:00:30", 1795600830, 0));
    assert_true(is_moment("2026-11-25T10:00", 1795600800, 0));
    assert_true(is_moment("2026-11-25T10:00:30", 1795600830, 0));
    assert_true(is_moment("2024-02-29", 1709164800, 0));
    assert_true(is_moment("1969-12-31 23:59:59", -1, 0));
    assert_true(is_moment("@1795600830", 1795600830, 0));
    /* One hour before UTC, in summer two. */
    set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
    assert_true(is_moment("2026-11-25 10:00", 1795597200, 0));
    assert_true(is_moment("2026-07-25 10:00", 1784966400, 0));
    assert_true(is_moment("@1795600830", 1795600830, 0));
    /* A time that the clock has skipped is a date still. */
    assert_true(is_moment("2026-03-29 02:30", 1774747800, 3600));
    unsetenv("TZ");
    tzset();
}

static void a_file_stands_for_its_time(void **state)
{
    (void)state;
    struct pc_filter *f = make();
    put("file", "");
    put("3d", "");
    put("2026-02-30", "");
    MUST(symlink("file", "link") == 0);
    set_mtime("file", 1234567, 500);
    set_mtime("link", 7654321, 0);
    set_mtime("3d", 1000, 0);
    set_mtime("2026-02-30", 2000, 0);

    assert_int_equal(pc_filter_set_newer(f, "file"), 0);
    assert_true(excludes_time(f, 1234567, 500));
    assert_false(excludes_time(f, 1234567, 501));
    assert_int_equal(pc_filter_set_newer(f, "link"), 0);
    assert_false(excludes_time(f, 1234567, 501));
    pc_filter_free(f);

    assert_true(is_moment("./3d", 1000, 0));
    assert_true(is_moment("3d", time(NULL) - 259200, 60));
    assert_true(is_moment("2026-02-30", 2000, 0)); /* which is no date */
}

static void what_is_no_point_in_time_is_refused(void **state)
{
    (void)state;
    const char *const texts[] = {
        "",
        "yesterday",
        "missing/file",
        "3",
        "d",
        "3y",
        "3D",
        "3dd",
        "3 d",
        "-3d",
        "+3d",
        " 3d",
        "1.5d",
        "1d12h",
        "0x10s",
        "9223372036854775807w",
        "99999999999999999999s",
        "@",
        "@-",
        "@+5",
        "@ 5",
        "@5s",
        "@99999999999999999999",
        "2026-02-29",
        "2026-04-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-00",
        "2026-1-5",
        "26-01-05",
        "2026- 1- 5",
        "2026/01/05",
        "2026-01-05 ",
        "2026-01-05 10",
        "2026-01-05 1:00",
        "2026-01-05 24:00",
        "2026-01-05 10:60",
        "2026-01-05 10:00:60",
        "2026-01-05 10:00:00Z",
        "2026-01-05t10:00",
        "2026-01-05  0:00",
    };
    struct pc_filter *f = make();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const int newer = pc_filter_set_newer(f, texts[i]);
        const int older = pc_filter_set_older(f, texts[i]);
        if (newer != -EINVAL || older != -EINVAL)
            fail_msg("'%s': %d, %d", texts[i], newer, older);
    }
    assert_false(pc_filter_has_attributes(f));
    put("file", "");
    assert_int_equal(pc_filter_set_newer(f, "file/x"), -ENOTDIR);
    pc_filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_as_in_rsync),
        cmocka_unit_test(the_root_is_never_excluded),
        cmocka_unit_test(no_pattern_takes_long),
        cmocka_unit_test(patterns_and_paths_have_any_length),
        cmocka_unit_test(the_first_rule_that_matches_decides),
        cmocka_unit_test(names_are_asked_for_only_if_there_are_patterns),
        cmocka_unit_test(an_argument_may_say_itself_what_it_is),
        cmocka_unit_test(a_mark_alone_takes_all_rules_away),
        cmocka_unit_test(a_rule_without_a_pattern_is_refused),
        SCRATCH_TEST(lines_of_a_file_are_rules),
        SCRATCH_TEST(a_file_of_includes_may_exclude),
        SCRATCH_TEST(a_mark_in_a_file_takes_all_rules_away),
        SCRATCH_TEST(entries_that_end_with_nul_may_be_any_name),
        SCRATCH_TEST(the_line_that_is_wrong_is_told),
        SCRATCH_TEST(a_file_that_cannot_be_read_is_an_error),
        SCRATCH_TEST(a_dash_is_standard_input),
        cmocka_unit_test(sizes_limit_regular_files),
        cmocka_unit_test(times_limit_all_but_directories),
        cmocka_unit_test(durations_are_before_now),
        cmocka_unit_test(dates_are_local),
        SCRATCH_TEST(a_file_stands_for_its_time),
        SCRATCH_TEST(what_is_no_point_in_time_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
