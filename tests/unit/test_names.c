/*
 * Lists of names, and the trees they become.
 */
#include "scratch.h"

#include "pcopy/names.h"

static char problem[256];

/* The tree in one line: what is listed has a star, children are in parentheses. */
static void show(FILE *f, const struct pc_name_node *node)
{
    fprintf(f, "%s%s", node->name, node->listed ? "*" : "");
    if (!node->children)
        return;
    fputc('(', f);
    for (const struct pc_name_node *c = node->children; c; c = c->next) {
        assert_ptr_equal(c->parent, node);
        show(f, c);
        if (c->next)
            fputc(' ', f);
    }
    fputc(')', f);
}

/* Checks what the list "list" comes to. */
static void check_tree(bool nul, const char *expected)
{
    struct pc_names *n;
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(pc_names_read(&n, "list", nul, problem, sizeof problem), 0);
    FILE *f = open_memstream(&text, &length);
    MUST(f != NULL);
    show(f, pc_names_root(n));
    MUST(fclose(f) == 0);
    assert_string_equal(text, expected);
    free(text);
    pc_names_free(n);
}

/* Checks that "list" is refused, and in which words. */
static void check_refused(bool nul, int err, const char *expected)
{
    struct pc_names *n = NULL;
    const unsigned before = open_files();
    assert_int_equal(pc_names_read(&n, "list", nul, problem, sizeof problem), err);
    assert_null(n);
    assert_string_equal(problem, expected);
    assert_int_equal(open_files(), before);
}

static void names_become_a_tree_in_the_order_of_the_list(void **state)
{
    (void)state;
    put("list", "z\nd/y\na\nd/x\nd/e/f\nb\nd/w\n");
    check_tree(false, "(z* d(y* x* e(f*) w*) a* b*)");
}

static void what_is_listed_is_told_from_what_is_on_the_way(void **state)
{
    (void)state;
    put("list", "a/b/c\na/b\n");
    check_tree(false, "(a(b*(c*)))");
    put("list", "a\na/b/c\n"); /* the other way round */
    check_tree(false, "(a*(b(c*)))");
}

static void a_name_is_one_node_however_often_and_however_it_is_written(void **state)
{
    (void)state;
    put("list", "a/b\n./a/b\na//b\na/./b\n/a/b\n///a/b//\na/b/\n./a/././/b/.\n");
    check_tree(false, "(a(b*))");
    put("list", "b/a\na/b\na/a/b\nab\n"); /* equal components, different names */
    check_tree(false, "(b(a*) a(b* a(b*)) ab*)");
}

static void the_root_can_be_named(void **state)
{
    (void)state;
    const char *const names[] = {".", "./", "/", "//", "/.", "./."};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        put("list", names[i]);
        check_tree(false, "*");
    }
    put("list", "a\n.\n");
    check_tree(false, "*(a*)");
}

static void empty_lines_and_comments_do_not_count(void **state)
{
    (void)state;
    put("list", "");
    check_tree(false, "");
    check_tree(true, "");
    put("list", "\n\n# c\n;d\n#../x\n");
    check_tree(false, "");
    put("list", "\na\n\n#b\n;c\n #d\ne#f\n./#g\n");
    check_tree(false, "(a*  #d* e#f* #g*)");
}

static void the_last_line_needs_no_end(void **state)
{
    (void)state;
    put("list", "a\nb");
    check_tree(false, "(a* b*)");
    put_bytes("list", "a\0b", 3, 0644);
    check_tree(true, "(a* b*)");
}

static void names_ended_by_nul_may_have_anything_else(void **state)
{
    (void)state;
    static const char list[] = "a\nb\0\0#c\0;d\0e/f\n/g\0";
    put_bytes("list", list, sizeof list - 1, 0644);
    check_tree(true, "(a\nb* #c* ;d* e(f\n(g*)))");
}

static void names_are_bytes(void **state)
{
    (void)state;
    put("list", " a \nb\r\n\\x\n\xff\xfe\n...\n..a\na..\n*\n");
    check_tree(false, "( a * b\r* \\x* \xff\xfe* ...* ..a* a..* **)");
}

static void two_dots_are_refused_with_the_name_and_its_line(void **state)
{
    (void)state;
    put("list", "a\n# c\n\nb/../c\nd/..\n");
    check_refused(false, -EINVAL, "line 4 of 'list' has a component '..': 'b/../c'");
    const char *const names[] = {"..", "../x", "a/..", "/..", "a/../../b", "./../", "..//a"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char expected[128];
        put("list", names[i]);
        snprintf(expected, sizeof expected, "line 1 of 'list' has a component '..': '%s'",
                 names[i]);
        check_refused(false, -EINVAL, expected);
    }
    put_bytes("list", "a\0\0..", 5, 0644);
    check_refused(true, -EINVAL, "name 3 of 'list' has a component '..': '..'");
}

static void a_component_is_at_most_255_bytes(void **state)
{
    (void)state;
    char list[600];
    char expected[700];
    struct pc_names *n;
    memset(list, 'x', sizeof list);
    memcpy(list, "ab/", 3);
    memcpy(list + 3 + 255, "/c", 3);
    put("list", list);
    snprintf(expected, sizeof expected, "(ab(%.255s(c*)))", list + 3);
    check_tree(false, expected);

    memcpy(list + 3 + 255, "xc", 2);
    list[3 + 256] = '\0';
    put("list", list);
    char large[600];
    assert_int_equal(pc_names_read(&n, "list", false, large, sizeof large), -ENAMETOOLONG);
    snprintf(expected, sizeof expected,
             "line 1 of 'list' has a component of more than 255 bytes: '%s'", list);
    assert_string_equal(large, expected);
    /* Where there is no room for the name there is for what is wrong with it. */
    assert_int_equal(pc_names_read(&n, "list", false, problem, 64), -ENAMETOOLONG);
    assert_memory_equal(problem, expected, 63);
    assert_int_equal(problem[63], '\0');
}

static void a_list_for_0_is_noticed_without_it(void **state)
{
    (void)state;
    put_bytes("list", "a\nb\0c\n", 6, 0644);
    check_refused(false, -EINVAL, "line 2 of 'list' has a NUL byte (is -0 missing?): 'b'");
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct pc_names *n = NULL;
    check_refused(false, -ENOENT, "cannot open 'list': No such file or directory");
    put_dir("list");
    check_refused(false, -EISDIR, "cannot read 'list': Is a directory");
    MUST(rmdir("list") == 0);
    /* The first page of our own memory, which is not there. */
    assert_int_equal(pc_names_read(&n, "/proc/self/mem", false, problem, sizeof problem), -EIO);
    assert_null(n);
    assert_string_equal(problem, "cannot read '/proc/self/mem': Input/output error");
    put("list", "a\n");
    MUST(chmod("list", 0) == 0);
    if (geteuid() == 0)
        become_nobody();
    check_refused(false, -EACCES, "cannot open 'list': Permission denied");
}

static void standard_input_is_a_list_too(void **state)
{
    (void)state;
    struct pc_names *n;
    put("list", "a/b\nc\n");
    MUST(freopen("list", "re", stdin) != NULL);
    assert_int_equal(pc_names_read(&n, "-", false, problem, sizeof problem), 0);
    const struct pc_name_node *a = pc_names_root(n)->children;
    assert_string_equal(a->name, "a");
    assert_string_equal(a->children->name, "b");
    assert_string_equal(a->next->name, "c");
    pc_names_free(n);
    assert_int_equal(fileno(stdin), 0); /* left open */

    put("list", "..");
    MUST(freopen("list", "re", stdin) != NULL);
    assert_int_equal(pc_names_read(&n, "-", false, problem, sizeof problem), -EINVAL);
    assert_string_equal(problem, "line 1 of '-' has a component '..': '..'");
}

static void half_a_name_before_an_error_is_no_name(void **state)
{
    (void)state;
    struct pc_names *n = NULL;
    /* A terminal whose other end was closed gives what was written to it, then EIO. */
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        print_message("SKIP: there are no pseudo-terminals here\n");
        skip();
    }
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    MUST(slave >= 0 && write(slave, "..", 2) == 2 && close(slave) == 0);
    MUST(freopen("/dev/null", "re", stdin) != NULL);
    MUST(dup2(master, 0) == 0);
    assert_int_equal(pc_names_read(&n, "-", false, problem, sizeof problem), -EIO);
    assert_null(n);
    assert_string_equal(problem, "cannot read '-': Input/output error");
    MUST(close(master) == 0 && freopen("/dev/null", "re", stdin) != NULL);
}

static void trees_may_be_deeper_than_any_stack(void **state)
{
    (void)state;
    const size_t depth = 1000000;
    char *list = malloc(2 * depth + 1);
    MUST(list != NULL);
    for (size_t i = 0; i < depth; i++)
        memcpy(list + 2 * i, "d/", 3);
    put("list", list);
    free(list);
    struct pc_names *n;
    assert_int_equal(pc_names_read(&n, "list", false, problem, sizeof problem), 0);
    size_t found = 0;
    const struct pc_name_node *node = pc_names_root(n);
    for (; node->children; node = node->children)
        found++;
    assert_int_equal(found, depth);
    assert_true(node->listed);
    pc_names_free(n);
}

/* Enough names for the table to grow many times and for many chunks. */
static void no_name_of_a_long_list_is_lost(void **state)
{
    (void)state;
    enum { DIRS = 100, FILES = 500 };
    FILE *f = fopen("list", "we");
    MUST(f != NULL);
    for (unsigned twice = 0; twice < 2; twice++) {
        for (unsigned i = 0; i < FILES; i++) {
            for (unsigned d = 0; d < DIRS; d++)
                fprintf(f, "dir%u/file%u\n", d, i);
        }
    }
    MUST(fclose(f) == 0);
    struct pc_names *n;
    assert_int_equal(pc_names_read(&n, "list", false, problem, sizeof problem), 0);
    unsigned dirs = 0;
    for (const struct pc_name_node *d = pc_names_root(n)->children; d; d = d->next) {
        char name[32];
        snprintf(name, sizeof name, "dir%u", dirs++);
        assert_string_equal(d->name, name);
        assert_false(d->listed);
        unsigned files = 0;
        for (const struct pc_name_node *c = d->children; c; c = c->next) {
            snprintf(name, sizeof name, "file%u", files++);
            assert_string_equal(c->name, name);
            assert_true(c->listed);
        }
        assert_int_equal(files, FILES);
    }
    assert_int_equal(dirs, DIRS);
    pc_names_free(n);
    pc_names_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCRATCH_TEST(names_become_a_tree_in_the_order_of_the_list),
        SCRATCH_TEST(what_is_listed_is_told_from_what_is_on_the_way),
        SCRATCH_TEST(a_name_is_one_node_however_often_and_however_it_is_written),
        SCRATCH_TEST(the_root_can_be_named),
        SCRATCH_TEST(empty_lines_and_comments_do_not_count),
        SCRATCH_TEST(the_last_line_needs_no_end),
        SCRATCH_TEST(names_ended_by_nul_may_have_anything_else),
        SCRATCH_TEST(names_are_bytes),
        SCRATCH_TEST(two_dots_are_refused_with_the_name_and_its_line),
        SCRATCH_TEST(a_component_is_at_most_255_bytes),
        SCRATCH_TEST(a_list_for_0_is_noticed_without_it),
        SCRATCH_TEST(what_cannot_be_read_is_told),
        SCRATCH_TEST(standard_input_is_a_list_too),
        SCRATCH_TEST(half_a_name_before_an_error_is_no_name),
        SCRATCH_TEST(trees_may_be_deeper_than_any_stack),
        SCRATCH_TEST(no_name_of_a_long_list_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
