/*
 * The journal: what the next run knows after a clean end, a crash, damage and errors of the disk.
 *
 * pwrite() is replaced below by one that runs out of space like a disk does: after half of it.
 */
#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "pcopy/journal.h"

#define LEFTOVER ".pcopy-journal-"

static size_t space = SIZE_MAX; /* left on the disk */

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at)
{
    const size_t part = size < space ? size : space;
    if (part == 0) {
        errno = ENOSPC;
        return -1;
    }
    if (space != SIZE_MAX)
        space -= part;
    return syscall(SYS_pwrite64, fd, buffer, part, at);
}

static const char *const identity[] = {"source=/a", "destination=/x", "option=--delete", NULL};
static char text[256];

/* Opens "journal", which must work. `text` has what was said. */
static struct pc_journal *open_journal(void)
{
    struct pc_journal *j = NULL;
    const int err = pc_journal_open(&j, "journal", identity, text, sizeof text);
    if (err)
        print_error("%s\n", text);
    assert_int_equal(err, 0);
    return j;
}

static struct pc_journal *open_quietly(void)
{
    struct pc_journal *j = open_journal();
    assert_string_equal(text, "");
    return j;
}

static void commit(struct pc_journal *j)
{
    pc_journal_mark(j);
    assert_int_equal(pc_journal_commit(j), 0);
}

static size_t size_of(const char *path)
{
    return (size_t)look_at(path).st_size;
}

static size_t load(const char *path, unsigned char *bytes, size_t room)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    const ssize_t n = read(fd, bytes, room);
    MUST(n >= 0 && (size_t)n < room && close(fd) == 0);
    return (size_t)n;
}

/* Names in the scratch directory that begin like temporary files of the journal. */
static unsigned leftovers(void)
{
    unsigned n = 0;
    DIR *d = opendir(".");
    MUST(d != NULL);
    for (struct dirent *e; (e = readdir(d));)
        n += strncmp(e->d_name, LEFTOVER, strlen(LEFTOVER)) == 0;
    closedir(d);
    return n;
}

/* A source with that size, mtime and inode number. */
static struct stat source_of(off_t size, time_t seconds, long nanoseconds, ino_t ino)
{
    return (struct stat){
        .st_size = size,
        .st_mtim = {.tv_sec = seconds, .tv_nsec = nanoseconds},
        .st_ino = ino,
    };
}

static const struct stat big = {
    .st_size = (off_t)1 << 40,
    .st_mtim = {.tv_sec = -5, .tv_nsec = 999999999},
    .st_ino = UINT64_MAX,
};

/* Checks that journal `path` is refused, in which words, and that nothing has happened to it. */
static void check_refused(const char *path, const char *const *with, int err, const char *expected)
{
    struct pc_journal *j = NULL;
    const unsigned before = open_files();
    assert_int_equal(pc_journal_open(&j, path, with, text, sizeof text), err);
    assert_null(j);
    assert_string_equal(text, expected);
    assert_int_equal(open_files(), before);
    assert_int_equal(leftovers(), 0);
}

/* --- directories --- */

static void what_is_committed_is_known_to_the_next_run(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a/b");
    pc_journal_add_dir(j, 7, "c");
    commit(j);
    assert_false(pc_journal_has(j, 0, "a/b")); /* it was not there when the journal was opened */
    pc_journal_close(j);

    for (unsigned again = 0; again < 3; again++) {
        j = open_quietly();
        assert_true(pc_journal_has(j, 0, "a/b"));
        assert_true(pc_journal_has(j, 7, "c"));
        assert_false(pc_journal_has(j, 7, "a/b"));
        assert_false(pc_journal_has(j, 0, "c"));
        assert_false(pc_journal_has(j, 0, "a"));
        pc_journal_close(j);
    }
    pc_journal_close(NULL);
}

static void each_run_adds_to_what_those_before_it_have_recorded(void **state)
{
    (void)state;
    char path[32];
    for (unsigned run = 0; run < 10; run++) {
        struct pc_journal *j = open_quietly();
        for (unsigned i = 0; i < 10; i++) {
            snprintf(path, sizeof path, "d%u", i);
            assert_int_equal(pc_journal_has(j, 0, path), i < run);
        }
        snprintf(path, sizeof path, "d%u", run);
        pc_journal_add_dir(j, 0, path);
        commit(j);
        pc_journal_close(j);
    }
}

static void a_directory_stands_for_what_is_below_it_and_for_nothing_beside_it(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a/b");
    pc_journal_add_dir(j, 1, "");
    commit(j);
    pc_journal_close(j);

    j = open_quietly();
    const char *const below[] = {"a/b", "a/b/c", "a/b/b", "a/b/c/d/e"};
    const char *const beside[] = {"", "a", "a/bc", "a/", "a/c", "b", "ab", "a/a/b", "aa/b", "A/b"};
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
        assert_true(pc_journal_has(j, 0, below[i]));
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
        assert_false(pc_journal_has(j, 0, beside[i]));
    assert_true(pc_journal_has(j, 1, ""));
    assert_true(pc_journal_has(j, 1, "x"));
    assert_true(pc_journal_has(j, 1, "x/y"));
    pc_journal_close(j);
}

static void names_are_bytes(void **state)
{
    (void)state;
    char names[256][8];
    struct pc_journal *j = open_quietly();
    for (unsigned c = 1; c < 256; c++) {
        snprintf(names[c], sizeof names[c], "d/%c", (char)c);
        if (c != '/')
            pc_journal_add_dir(j, 0, names[c]);
    }
    pc_journal_add_dir(j, 0, "\xff\xfe\xc0\x80\n/ \r\n");
    commit(j);
    pc_journal_close(j);

    j = open_quietly();
    for (unsigned c = 1; c < 256; c++)
        assert_int_equal(pc_journal_has(j, 0, names[c]), c != '/');
    assert_true(pc_journal_has(j, 0, "\xff\xfe\xc0\x80\n/ \r\n"));
    assert_false(pc_journal_has(j, 0, "\xff\xfe\xc0\x80\n/ \r"));
    pc_journal_close(j);
}

static void only_what_was_added_before_the_mark_is_recorded(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    const size_t fresh = size_of("journal");
    pc_journal_add_dir(j, 0, "one");
    assert_int_equal(pc_journal_commit(j), 0); /* nothing was marked */
    assert_int_equal(size_of("journal"), fresh);
    pc_journal_mark(j);
    pc_journal_mark(j);
    assert_int_equal(size_of("journal"), fresh);
    pc_journal_add_dir(j, 0, "two");
    assert_int_equal(pc_journal_commit(j), 0);
    pc_journal_mark(j); /* twice without a commit */
    pc_journal_add_dir(j, 0, "three");
    pc_journal_mark(j);
    pc_journal_add_dir(j, 0, "four");
    assert_int_equal(pc_journal_commit(j), 0);
    const size_t size = size_of("journal");
    assert_int_equal(pc_journal_commit(j), 0); /* once is enough */
    assert_int_equal(size_of("journal"), size);
    pc_journal_mark(j); /* and none follows */
    pc_journal_close(j);

    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "one"));
    assert_true(pc_journal_has(j, 0, "two"));
    assert_true(pc_journal_has(j, 0, "three"));
    assert_false(pc_journal_has(j, 0, "four"));
    pc_journal_close(j);
}

static void what_lies_in_a_finished_directory_is_gone_from_the_file(void **state)
{
    (void)state;
    char path[32];
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a/b");
    commit(j);
    const size_t one = size_of("journal");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, "a/b%u/c", i);
        pc_journal_add_dir(j, 0, path);
        snprintf(path, sizeof path, "a/%u", i);
        pc_journal_add_file(j, 0, path, "", &big);
        pc_journal_add_dir(j, 1, "a/b");
    }
    commit(j);
    pc_journal_add_dir(j, 0, "a");
    pc_journal_add_dir(j, 0, "a/late"); /* not in this order, but then it must not matter */
    commit(j);
    assert_true(size_of("journal") > 50 * one);
    pc_journal_close(j);

    j = open_quietly();
    assert_true(size_of("journal") < one + 64);
    assert_true(pc_journal_has(j, 0, "a"));
    assert_true(pc_journal_has(j, 0, "a/b"));
    assert_true(pc_journal_has(j, 0, "a/late"));
    assert_true(pc_journal_has(j, 1, "a/b"));
    assert_false(pc_journal_has(j, 0, "b"));
    pc_journal_close(j);
    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "a/b7"));
    assert_true(pc_journal_has(j, 1, "a/b"));
    pc_journal_close(j);
}

/* Of what is added between two marks only the outermost directories are recorded. */
static void what_was_just_added_below_a_directory_is_left_out(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 1, "a/b/c");
    pc_journal_add_dir(j, 0, "a/bc");
    pc_journal_add_dir(j, 0, "a/b/c");
    pc_journal_add_dir(j, 0, "a/b/d/e");
    pc_journal_add_dir(j, 0, "a/b");
    commit(j);
    const size_t size = size_of("journal");
    pc_journal_close(j);
    j = open_quietly();
    assert_int_equal(size_of("journal"), size); /* no more could be left out */
    assert_true(pc_journal_has(j, 0, "a/bc"));
    assert_true(pc_journal_has(j, 0, "a/b"));
    assert_true(pc_journal_has(j, 1, "a/b/c"));
    assert_false(pc_journal_has(j, 1, "a/b"));
    pc_journal_close(j);
}

/* Each directory of a deep tree is finished right after the one in it. */
static void a_deep_tree_makes_no_long_journal(void **state)
{
    (void)state;
    enum { DEPTH = 5000 };
    static char path[2 * DEPTH + 2];
    for (size_t i = 0; i < DEPTH; i++)
        memcpy(path + 2 * i, "d/", 3);
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "dd"); /* beside it */
    for (size_t length = 2 * DEPTH - 1; length > 1; length -= 2) {
        path[length] = '\0';
        pc_journal_add_dir(j, 0, path);
    }
    commit(j);
    assert_true(size_of("journal") < 256);
    pc_journal_close(j);

    for (size_t i = 0; i < DEPTH; i++)
        memcpy(path + 2 * i, "d/", 3);
    path[2 * DEPTH - 1] = '\0';
    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "dd"));
    assert_true(pc_journal_has(j, 0, path));
    path[0] = 'e';
    for (unsigned i = 0; i < 100; i++)
        assert_false(pc_journal_has(j, 0, path));
    pc_journal_close(j);
}

static void a_hundred_thousand_directories_are_found(void **state)
{
    (void)state;
    enum { MANY = 100000 };
    char path[64];
    struct pc_journal *j = open_quietly();
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "some/where/in/%u/a_directory", i);
        pc_journal_add_dir(j, 0, path);
    }
    commit(j);
    pc_journal_close(j);
    for (unsigned again = 0; again < 2; again++) {
        j = open_quietly();
        for (unsigned i = 0; i < MANY; i++) {
            snprintf(path, sizeof path, "some/where/in/%u/a_directory/below", i);
            assert_true(pc_journal_has(j, 0, path));
            snprintf(path, sizeof path, "some/where/in/%u/another", i);
            assert_false(pc_journal_has(j, 0, path));
        }
        pc_journal_close(j);
    }
}

/* --- files --- */

static void a_file_is_gone_on_with_where_its_ranges_end(void **state)
{
    (void)state;
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    const uint32_t a = pc_journal_add_file(j, 0, "d/a", ".a.pcopy-1-2-3", &big);
    const uint32_t b = pc_journal_add_file(j, 0, "d/b", "", &big);
    assert_int_not_equal(a, b);
    pc_journal_add_range(j, a, 20, 30);
    pc_journal_add_range(j, b, 0, 7);
    pc_journal_add_range(j, a, 0, 10);
    pc_journal_add_range(j, a, UINT64_MAX - 1, UINT64_MAX);
    commit(j);
    assert_false(pc_journal_find_file(j, 0, "d/a", &big, &f));
    pc_journal_close(j);

    j = open_quietly();
    assert_true(pc_journal_find_file(j, 0, "d/a", &big, &f));
    assert_string_equal(f.temporary, ".a.pcopy-1-2-3");
    assert_int_equal(f.count, 3);
    assert_int_equal(f.ranges[0].from, 0);
    assert_int_equal(f.ranges[0].to, 10);
    assert_int_equal(f.ranges[1].from, 20);
    assert_int_equal(f.ranges[1].to, 30);
    assert_true(f.ranges[2].to == UINT64_MAX);
    assert_true(pc_journal_has_range(&f, 0, 10));
    assert_true(pc_journal_has_range(&f, 22, 25));
    assert_false(pc_journal_has_range(&f, 0, 11));
    assert_false(pc_journal_has_range(&f, 10, 20));
    assert_false(pc_journal_has_range(&f, 5, 25));
    pc_journal_add_range(j, f.number, 10, 20);
    pc_journal_add_range(j, f.number, 5, 8);
    assert_true(pc_journal_find_file(j, 0, "d/b", &big, &f));
    assert_string_equal(f.temporary, "");
    assert_int_equal(f.count, 1);
    const uint32_t c = pc_journal_add_file(j, 0, "c", "t", &big);
    pc_journal_add_range(j, c, 3, 4);
    commit(j);
    pc_journal_close(j);

    for (unsigned again = 0; again < 2; again++) {
        j = open_quietly();
        assert_true(pc_journal_find_file(j, 0, "d/a", &big, &f));
        assert_int_equal(f.count, 2); /* what touches has become one */
        assert_true(pc_journal_has_range(&f, 0, 30));
        assert_true(pc_journal_find_file(j, 0, "d/b", &big, &f));
        assert_int_equal(f.count, 1);
        assert_int_equal(f.ranges[0].to, 7);
        assert_true(pc_journal_find_file(j, 0, "c", &big, &f));
        assert_int_equal(f.count, 1);
        assert_int_equal(f.ranges[0].from, 3);
        pc_journal_close(j);
    }
}

static void a_file_without_ranges_was_begun(void **state)
{
    (void)state;
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    pc_journal_add_file(j, 0, "a", "t", &big);
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    assert_true(pc_journal_find_file(j, 0, "a", &big, &f));
    assert_int_equal(f.count, 0);
    assert_false(pc_journal_has_range(&f, 0, 1));
    pc_journal_close(j);
}

static void a_file_goes_by_root_path_and_source(void **state)
{
    (void)state;
    struct pc_journal_file f;
    const struct stat was = source_of(1000, 5, 6, 7);
    const struct stat others[] = {
        source_of(1001, 5, 6, 7),
        source_of(1000, 4, 6, 7),
        source_of(1000, 5, 7, 7),
        source_of(1000, 5, 6, 8),
    };
    struct pc_journal *j = open_quietly();
    pc_journal_add_file(j, 3, "d/a", "t", &was);
    pc_journal_add_dir(j, 3, "e");
    commit(j);
    pc_journal_close(j);

    j = open_quietly();
    assert_true(pc_journal_find_file(j, 3, "d/a", &was, &f));
    assert_false(pc_journal_find_file(j, 0, "d/a", &was, &f));
    assert_false(pc_journal_find_file(j, 3, "d", &was, &f));
    assert_false(pc_journal_find_file(j, 3, "d/a/b", &was, &f));
    assert_false(pc_journal_find_file(j, 3, "e", &was, &f)); /* a directory */
    assert_false(pc_journal_has(j, 3, "d/a"));               /* a file */
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_false(pc_journal_find_file(j, 3, "d/a", &others[i], &f));
    pc_journal_close(j);
}

static void a_file_that_is_begun_again_has_no_ranges_of_before(void **state)
{
    (void)state;
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    pc_journal_add_range(j, pc_journal_add_file(j, 0, "a", "t1", &big), 0, 10);
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    pc_journal_add_range(j, pc_journal_add_file(j, 0, "a", "t2", &big), 50, 60);
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    assert_true(pc_journal_find_file(j, 0, "a", &big, &f));
    assert_string_equal(f.temporary, "t2");
    assert_int_equal(f.count, 1);
    assert_int_equal(f.ranges[0].from, 50);
    pc_journal_close(j);
}

static void a_finished_directory_has_no_files_in_progress(void **state)
{
    (void)state;
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    const uint32_t a = pc_journal_add_file(j, 0, "d/e/a", "t", &big);
    const uint32_t b = pc_journal_add_file(j, 0, "de", "t", &big);
    pc_journal_add_range(j, a, 0, 10);
    pc_journal_add_range(j, b, 0, 10);
    pc_journal_add_dir(j, 0, "d");
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    assert_false(pc_journal_find_file(j, 0, "d/e/a", &big, &f));
    assert_true(pc_journal_find_file(j, 0, "de", &big, &f));
    assert_int_equal(f.count, 1);
    pc_journal_close(j);
}

/* --- damage --- */

enum { RECORDS = 6 };

/* Where the identity and each of the records below ends. */
static size_t ends[1 + RECORDS];

/* Makes a journal with a record of each kind, and some more. Returns its bytes. */
static size_t make_sample(unsigned char *bytes, size_t room)
{
    struct pc_journal *j = open_journal();
    uint32_t number = 0;
    ends[0] = size_of("journal");
    for (size_t i = 1; i <= RECORDS; i++) {
        if (i == 1)
            pc_journal_add_dir(j, 0, "a/1");
        else if (i == 2)
            number = pc_journal_add_file(j, 0, "file", "temporary", &big);
        else if (i == 3)
            pc_journal_add_range(j, number, 0, 3);
        else if (i == 4)
            pc_journal_add_dir(j, 0, "a/4");
        else if (i == 5)
            pc_journal_add_range(j, number, 0, 5);
        else
            pc_journal_add_dir(j, 0, "a");
        commit(j);
        ends[i] = size_of("journal");
    }
    pc_journal_close(j);
    return load("journal", bytes, room);
}

/* Checks that the journal is as it was with only the first `good` records. */
static void check_first(size_t good, size_t damaged)
{
    char expected[128] = "";
    struct pc_journal_file f;
    if (damaged)
        snprintf(expected, sizeof expected,
                 "the last %zu bytes of the journal 'journal' are damaged: they are cut off",
                 damaged);
    struct pc_journal *j = open_journal();
    assert_string_equal(text, expected);
    assert_int_equal(pc_journal_has(j, 0, "a/1"), good >= 1);
    assert_int_equal(pc_journal_find_file(j, 0, "file", &big, &f), good >= 2);
    if (good >= 2) {
        assert_string_equal(f.temporary, "temporary");
        assert_int_equal(f.count, good >= 3);
        assert_int_equal(f.count ? f.ranges[0].to : 0, good >= 5 ? 5 : good >= 3 ? 3 : 0);
    }
    assert_int_equal(pc_journal_has(j, 0, "a/4"), good >= 4);
    assert_int_equal(pc_journal_has(j, 0, "a"), good >= 6);
    assert_false(pc_journal_has(j, 0, ""));
    /* It is good for more, and has been set right. */
    pc_journal_add_dir(j, 0, "more");
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "more"));
    assert_int_equal(pc_journal_has(j, 0, "a/1"), good >= 1);
    assert_int_equal(pc_journal_has(j, 0, "a"), good >= 6);
    pc_journal_close(j);
}

/* How many records end at or before `size`. */
static size_t whole_records(size_t size)
{
    size_t n = 0;
    while (n < RECORDS && ends[n + 1] <= size)
        n++;
    return n;
}

static void a_torn_end_is_cut_off(void **state)
{
    (void)state;
    static unsigned char bytes[4096];
    const size_t size = make_sample(bytes, sizeof bytes);
    assert_int_equal(size, ends[RECORDS]);
    for (size_t left = ends[0]; left <= size; left++) {
        put_bytes("journal", bytes, left, 0600);
        check_first(whole_records(left), left - ends[whole_records(left)]);
    }
}

/* Blocks that were allocated, but not written, before a crash. */
static void an_end_of_zeros_is_cut_off(void **state)
{
    (void)state;
    static unsigned char bytes[8192];
    const size_t size = make_sample(bytes, sizeof bytes);
    for (size_t from = ends[0]; from < size; from += 5) {
        static unsigned char zeros[8192];
        memcpy(zeros, bytes, from);
        memset(zeros + from, 0, sizeof zeros - from);
        put_bytes("journal", zeros, sizeof zeros, 0600);
        size_t good = whole_records(from);
        if (memcmp(zeros, bytes, ends[good + 1]) == 0) /* it ended with zeros anyway */
            good++;
        check_first(good, sizeof zeros - ends[good]);
    }
}

static void nothing_counts_from_a_damaged_byte_on(void **state)
{
    (void)state;
    static unsigned char bytes[4096];
    const size_t size = make_sample(bytes, sizeof bytes);
    const unsigned char masks[] = {0x01, 0x80, 0xff};
    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i < sizeof masks; i++) {
            bytes[at] ^= masks[i];
            put_bytes("journal", bytes, size, 0600);
            if (at >= ends[0]) {
                check_first(whole_records(at), size - ends[whole_records(at)]);
            } else {
                static unsigned char after[4096];
                check_refused("journal", identity, -EBADMSG,
                              at < 8 ? "'journal' is no journal of this version of pcopy"
                                     : "the beginning of the journal 'journal' is damaged");
                assert_int_equal(load("journal", after, sizeof after), size);
                assert_memory_equal(bytes, after, size);
            }
            bytes[at] ^= masks[i];
        }
    }
}

static void records_of_another_journal_do_not_count(void **state)
{
    (void)state;
    static unsigned char bytes[4096];
    static unsigned char other[4096];
    make_sample(bytes, sizeof bytes);
    MUST(unlink("journal") == 0);
    const size_t size = make_sample(other, sizeof other);
    /* The first record of the one, then all that was once behind it in the other. */
    memcpy(other, bytes, ends[1]);
    put_bytes("journal", other, size, 0600);
    check_first(1, size - ends[1]);
}

static void the_identity_is_the_first_record_and_no_other(void **state)
{
    (void)state;
    enum { HEADER = 16 };
    static unsigned char bytes[4096];
    static unsigned char changed[4096];
    const size_t size = make_sample(bytes, sizeof bytes);
    memcpy(changed, bytes, HEADER);
    memcpy(changed + HEADER, bytes + ends[0], size - ends[0]);
    put_bytes("journal", changed, size - (ends[0] - HEADER), 0600);
    check_refused("journal", identity, -EBADMSG,
                  "the beginning of the journal 'journal' is damaged");
    memcpy(changed, bytes, ends[3]);
    memcpy(changed + ends[3], bytes + HEADER, size - HEADER);
    put_bytes("journal", changed, ends[3] + size - HEADER, 0600);
    check_first(3, size - HEADER);
}

/* --- whose journal it is --- */

static void a_journal_of_another_run_is_refused_and_the_difference_named(void **state)
{
    (void)state;
    static const struct {
        const char *with[6];
        const char *difference;
    } cases[] = {
        {{"source=/b", "destination=/x", "option=--delete"}, "with 'source=/a', not 'source=/b'"},
        {{"source=/a", "destination=/y", "option=--delete"},
         "with 'destination=/x', not 'destination=/y'"},
        {{"source=/a", "destination=/x"}, "with 'option=--delete'"},
        {{"source=/a", "destination=/x", "option=-p", "option=--delete"}, "without 'option=-p'"},
        {{"source=/a", "destination=/x", "option=-p"}, "with 'option=--delete', not 'option=-p'"},
        {{"source=/a", "source=/a2", "destination=/x", "option=--delete"}, "without 'source=/a2'"},
        {{"destination=/x", "source=/a", "option=--delete"}, "its options are in another order"},
        {{"source=/adestination=/x", "option=--delete"},
         "with 'source=/a', not 'source=/adestination=/x'"},
    };
    char expected[128];
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a");
    commit(j);
    pc_journal_close(j);
    for (unsigned complete = 0; complete < 2; complete++) {
        const ino_t ino = look_at("journal").st_ino;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            snprintf(expected, sizeof expected, "'journal' is the journal of another run: %s",
                     cases[i].difference);
            check_refused("journal", cases[i].with, -EINVAL, expected);
            assert_int_equal(look_at("journal").st_ino, ino);
        }
        j = open_quietly();
        assert_int_equal(pc_journal_has(j, 0, "a"), !complete);
        assert_int_equal(pc_journal_complete(j), 0);
        pc_journal_close(j);
    }
}

static void a_complete_journal_begins_anew(void **state)
{
    (void)state;
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    const size_t fresh = size_of("journal");
    pc_journal_add_dir(j, 0, "a");
    pc_journal_add_file(j, 0, "b", "t", &big);
    commit(j);
    pc_journal_add_dir(j, 0, "never committed");
    assert_int_equal(pc_journal_complete(j), 0);
    pc_journal_close(j);

    j = open_quietly();
    assert_int_equal(size_of("journal"), fresh);
    assert_false(pc_journal_has(j, 0, "a"));
    assert_false(pc_journal_find_file(j, 0, "b", &big, &f));
    pc_journal_add_dir(j, 0, "c");
    commit(j);
    pc_journal_close(j);
    j = open_quietly();
    assert_false(pc_journal_has(j, 0, "a"));
    assert_true(pc_journal_has(j, 0, "c"));
    pc_journal_close(j);
}

static void an_empty_file_becomes_a_journal_and_others_are_left_alone(void **state)
{
    (void)state;
    put("journal", "");
    pc_journal_close(open_quietly());

    const char *const contents[] = {"x", "pcopy-j", "pcopy-j2\0\0\0\0\0\0\0\0",
                                    "a text\nof mine\n"};
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        put("file", contents[i]);
        put("before", contents[i]);
        check_refused("file", identity, -EBADMSG, "'file' is no journal of this version of pcopy");
        assert_true(same_bytes("file", "before"));
    }
    put("file", "pcopy-j1");
    check_refused("file", identity, -EBADMSG, "'file' is no journal of this version of pcopy");
    put("file", "pcopy-j1 is what it begins with");
    check_refused("file", identity, -EBADMSG, "the beginning of the journal 'file' is damaged");
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_close(j);
    MUST(symlink("journal", "link") == 0);
    MUST(symlink("nothing", "dangling") == 0);
    put_dir("d");
    MUST(mkfifo("fifo", 0600) == 0);
    check_refused("link", identity, -ELOOP,
                  "cannot open 'link': Too many levels of symbolic links");
    check_refused("dangling", identity, -ELOOP,
                  "cannot open 'dangling': Too many levels of symbolic links");
    assert_false(is_there("nothing"));
    check_refused("d", identity, -EISDIR, "cannot open 'd': Is a directory");
    check_refused("fifo", identity, -EBADMSG, "'fifo' is no regular file");
    check_refused("none/journal", identity, -ENOENT,
                  "cannot open 'none/journal': No such file or directory");
    check_refused("journal/x", identity, -ENOTDIR, "cannot open 'journal/x': Not a directory");
    check_refused("", identity, -ENOENT, "cannot open '': No such file or directory");
    check_refused("d/", identity, -ENOENT, "cannot open 'd/': No such file or directory");
}

static void a_journal_may_be_in_any_directory(void **state)
{
    (void)state;
    char path[PATH_MAX + NAME_MAX + 16];
    char name[NAME_MAX + 1];
    struct pc_journal *j;
    put_dir("d");
    memset(name, 'x', NAME_MAX);
    name[NAME_MAX] = '\0';
    snprintf(path, sizeof path, "%s/d/%s", scratch_path, name);
    const char *const paths[] = {"d/journal", "./d//journal2", path};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        assert_int_equal(pc_journal_open(&j, paths[i], identity, text, sizeof text), 0);
        pc_journal_close(j);
        assert_true(is_there(paths[i]));
    }
}

static void it_is_the_owners_own_and_not_handed_to_programs(void **state)
{
    (void)state;
    const unsigned before = open_files();
    struct pc_journal *j = open_quietly();
    assert_int_equal(look_at("journal").st_mode, S_IFREG | 0600);
    DIR *d = opendir("/proc/self/fd");
    MUST(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        char target[PATH_MAX];
        const int fd = atoi(e->d_name); /* NOLINT(cert-err34-c): "." and ".." are 0 */
        const ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof target);
        if (n > 0 && (size_t)n >= strlen(scratch_path) &&
            strncmp(target, scratch_path, strlen(scratch_path)) == 0)
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    }
    closedir(d);
    pc_journal_close(j);
    assert_int_equal(open_files(), before);
    assert_int_equal(leftovers(), 0);
}

/* --- the lock --- */

static void a_second_process_is_refused_until_the_first_is_gone(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    MUST(pipe2(ready, O_CLOEXEC) == 0);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        struct pc_journal *j;
        MUST(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0); /* should the test fail before it kills us */
        MUST(pc_journal_open(&j, "journal", identity, text, sizeof text) == 0);
        pc_journal_add_dir(j, 0, "a");
        pc_journal_mark(j);
        MUST(pc_journal_commit(j) == 0);
        MUST(write(ready[1], "", 1) == 1);
        for (;;)
            pause();
    }
    MUST(read(ready[0], &byte, 1) == 1);
    check_refused("journal", identity, -EBUSY, "another pcopy has the journal 'journal' open");
    MUST(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    struct pc_journal *j = open_quietly();
    assert_true(pc_journal_has(j, 0, "a"));
    check_refused("journal", identity, -EBUSY, "another pcopy has the journal 'journal' open");
    pc_journal_close(j);
    close(ready[0]);
    close(ready[1]);
}

/* Another process comes between the open and the lock, and is gone again. */
static int replace_at_lock(const char *call)
{
    static unsigned locks;
    if (strcmp(call, "flock") == 0 && locks++ == 0)
        MUST(rename("other", "journal") == 0);
    return 0;
}

static int remove_at_lock(const char *call)
{
    static unsigned locks;
    if (strcmp(call, "flock") == 0 && locks++ == 0)
        MUST(unlink("journal") == 0);
    return 0;
}

static void the_lock_of_a_file_that_was_replaced_is_none(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "new");
    commit(j);
    pc_journal_close(j);
    MUST(rename("journal", "other") == 0);
    pc_journal_close(open_quietly());
    const unsigned before = open_files();
    pc_sys_set_fault(replace_at_lock);
    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "new"));
    pc_journal_close(j);
    pc_sys_set_fault(remove_at_lock);
    j = open_quietly();
    assert_false(pc_journal_has(j, 0, "new"));
    pc_journal_close(j);
    assert_true(is_there("journal"));
    assert_int_equal(open_files(), before);
}

/* --- errors of the disk --- */

static char calls[512];

static int note_calls(const char *call)
{
    snprintf(calls + strlen(calls), sizeof calls - strlen(calls), "%s ", call);
    return 0;
}

static void a_journal_gets_its_name_when_it_is_on_the_disk(void **state)
{
    (void)state;
    pc_sys_set_fault(note_calls);
    struct pc_journal *j = open_quietly();
    assert_non_null(strstr(calls, "flock pwrite fsync renameat close fsync "));
    calls[0] = '\0';
    pc_journal_add_dir(j, 0, "a");
    pc_journal_mark(j);
    assert_string_equal(calls, "");
    assert_int_equal(pc_journal_commit(j), 0);
    assert_string_equal(calls, "pwrite fdatasync ");
    calls[0] = '\0';
    assert_int_equal(pc_journal_complete(j), 0);
    assert_string_equal(calls, "pwrite fdatasync ");
    pc_sys_set_fault(NULL);
    pc_journal_close(j);
}

static const char *failing; /* call that fails */

static int refuse_call(const char *call)
{
    return failing && strcmp(call, failing) == 0 ? -ENOSPC : 0;
}

/* A journal with "a" in it that could not take "b" because of `call`, or of the room there is. */
static void check_failed_commit(const char *call, size_t room, bool complete)
{
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a");
    commit(j);
    const size_t size = size_of("journal");
    pc_journal_add_dir(j, 0, "b");
    pc_journal_mark(j);
    pc_journal_add_dir(j, 0, "c");
    failing = call;
    pc_sys_set_fault(refuse_call);
    space = room;
    assert_int_equal(pc_journal_commit(j), -ENOSPC);
    assert_int_equal(size_of("journal"), size);
    pc_sys_set_fault(NULL);
    space = SIZE_MAX;
    /* There is room again, but what comes next may stand on what was lost. */
    pc_journal_add_dir(j, 0, "d");
    pc_journal_mark(j);
    assert_int_equal(pc_journal_commit(j), -ENOSPC);
    assert_int_equal(size_of("journal"), size);
    if (complete)
        assert_int_equal(pc_journal_complete(j), 0);
    pc_journal_close(j);

    j = open_quietly();
    assert_int_equal(pc_journal_has(j, 0, "a"), !complete);
    assert_false(pc_journal_has(j, 0, "b"));
    assert_false(pc_journal_has(j, 0, "c"));
    assert_false(pc_journal_has(j, 0, "d"));
    assert_int_equal(pc_journal_complete(j), 0);
    pc_journal_close(j);
}

static void a_full_disk_leaves_what_was_recorded_before(void **state)
{
    (void)state;
    for (unsigned complete = 0; complete < 2; complete++) {
        check_failed_commit("pwrite", SIZE_MAX, complete);
        check_failed_commit("fdatasync", SIZE_MAX, complete);
        check_failed_commit(NULL, 0, complete);
        check_failed_commit(NULL, 7, complete);
    }
}

static void what_cannot_be_taken_back_counts_as_torn(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a");
    commit(j);
    pc_journal_add_dir(j, 0, "b");
    pc_journal_mark(j);
    failing = "ftruncate";
    pc_sys_set_fault(refuse_call);
    space = 7;
    assert_int_equal(pc_journal_commit(j), -ENOSPC);
    pc_sys_set_fault(NULL);
    space = SIZE_MAX;
    pc_journal_close(j);
    j = open_journal();
    assert_string_equal(text,
                        "the last 7 bytes of the journal 'journal' are damaged: they are cut off");
    assert_true(pc_journal_has(j, 0, "a"));
    assert_false(pc_journal_has(j, 0, "b"));
    pc_journal_close(j);
}

static unsigned made_calls;
static unsigned failing_call; /* the one of that number */

static int fail_once(const char *call)
{
    (void)call;
    return ++made_calls == failing_call ? -EIO : 0;
}

/* Whichever call fails: the journal is there as before, or in its new form. */
static void an_open_that_fails_loses_nothing(void **state)
{
    (void)state;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "a/b");
    commit(j);
    pc_journal_add_dir(j, 0, "a");
    commit(j);
    pc_journal_close(j);
    const unsigned before = open_files();
    unsigned failures = 0;
    for (unsigned n = 1;; n++) {
        made_calls = 0;
        failing_call = n;
        pc_sys_set_fault(fail_once);
        const int err = pc_journal_open(&j, "journal", identity, text, sizeof text);
        const bool failed = made_calls >= n;
        pc_sys_set_fault(NULL);
        if (err == 0) {
            pc_journal_close(j);
        } else {
            assert_int_equal(err, -EIO);
            assert_non_null(strstr(text, " 'journal': Input/output error"));
            failures++;
        }
        assert_int_equal(open_files(), before);
        j = open_quietly();
        assert_true(pc_journal_has(j, 0, "a"));
        pc_journal_close(j);
        if (!failed)
            break;
    }
    assert_true(failures > 12);
    space = 30;
    check_refused("journal", identity, -ENOSPC, "cannot write 'journal': No space left on device");
    space = SIZE_MAX;
    j = open_quietly();
    assert_true(pc_journal_has(j, 0, "a"));
    pc_journal_close(j);
    assert_int_equal(leftovers(), 0);
}

static int kill_at_rename(const char *call)
{
    if (strcmp(call, "renameat") == 0)
        _exit(9);
    return 0;
}

static void what_a_killed_open_has_left_is_cleared_away(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        const pid_t child = fork();
        MUST(child >= 0);
        if (child == 0) {
            struct pc_journal *j;
            pc_sys_set_fault(kill_at_rename);
            pc_journal_open(&j, "journal", identity, text, sizeof text);
            _exit(0);
        }
        int status;
        MUST(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9);
        assert_int_equal(leftovers(), 1);
    }
    pc_journal_close(open_quietly());
    assert_int_equal(leftovers(), 0);
}

static int no_flush_of_directories(const char *call)
{
    static unsigned n;
    return strcmp(call, "fsync") == 0 && ++n == 2 ? -EINVAL : 0;
}

static void file_systems_that_flush_no_directories_will_do(void **state)
{
    (void)state;
    pc_sys_set_fault(no_flush_of_directories);
    pc_journal_close(open_quietly());
}

/* --- threads --- */

enum { THREADS = 4, EACH = 2000 };

static void *add_many(void *argument)
{
    struct pc_journal *j = ((void **)argument)[0];
    const unsigned thread = *(unsigned *)((void **)argument)[1];
    struct pc_journal_file f;
    char path[64];
    for (unsigned i = 0; i < EACH; i++) {
        snprintf(path, sizeof path, "t%u/%u", thread, i);
        MUST(!pc_journal_has(j, 0, path) && pc_journal_has(j, 0, "old/x"));
        pc_journal_add_dir(j, 0, path);
        if (i % 100 == 0) {
            snprintf(path, sizeof path, "f%u/%u", thread, i);
            MUST(!pc_journal_find_file(j, 0, path, &big, &f));
            const uint32_t number = pc_journal_add_file(j, 0, path, "t", &big);
            pc_journal_add_range(j, number, thread, thread + 1);
        }
    }
    return NULL;
}

static void threads_add_while_one_commits(void **state)
{
    (void)state;
    pthread_t ids[THREADS];
    unsigned numbers[THREADS];
    void *arguments[THREADS][2];
    char path[64];
    struct pc_journal_file f;
    struct pc_journal *j = open_quietly();
    pc_journal_add_dir(j, 0, "old");
    commit(j);
    pc_journal_close(j);

    j = open_quietly();
    for (unsigned t = 0; t < THREADS; t++) {
        numbers[t] = t;
        arguments[t][0] = j;
        arguments[t][1] = &numbers[t];
        MUST(pthread_create(&ids[t], NULL, add_many, arguments[t]) == 0);
    }
    for (unsigned i = 0; i < 50; i++)
        commit(j);
    for (unsigned t = 0; t < THREADS; t++)
        pthread_join(ids[t], NULL);
    commit(j);
    pc_journal_close(j);

    j = open_quietly();
    for (unsigned t = 0; t < THREADS; t++) {
        for (unsigned i = 0; i < EACH; i++) {
            snprintf(path, sizeof path, "t%u/%u", t, i);
            assert_true(pc_journal_has(j, 0, path));
            if (i % 100 != 0)
                continue;
            snprintf(path, sizeof path, "f%u/%u", t, i);
            assert_true(pc_journal_find_file(j, 0, path, &big, &f));
            assert_int_equal(f.count, 1);
            assert_int_equal(f.ranges[0].from, t);
        }
    }
    pc_journal_close(j);
}

static int setup(void **state)
{
    space = SIZE_MAX;
    return scratch_enter(state);
}

#define JOURNAL_TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        JOURNAL_TEST(what_is_committed_is_known_to_the_next_run),
        JOURNAL_TEST(each_run_adds_to_what_those_before_it_have_recorded),
        JOURNAL_TEST(a_directory_stands_for_what_is_below_it_and_for_nothing_beside_it),
        JOURNAL_TEST(names_are_bytes),
        JOURNAL_TEST(only_what_was_added_before_the_mark_is_recorded),
        JOURNAL_TEST(what_lies_in_a_finished_directory_is_gone_from_the_file),
        JOURNAL_TEST(what_was_just_added_below_a_directory_is_left_out),
        JOURNAL_TEST(a_deep_tree_makes_no_long_journal),
        JOURNAL_TEST(a_hundred_thousand_directories_are_found),
        JOURNAL_TEST(a_file_is_gone_on_with_where_its_ranges_end),
        JOURNAL_TEST(a_file_without_ranges_was_begun),
        JOURNAL_TEST(a_file_goes_by_root_path_and_source),
        JOURNAL_TEST(a_file_that_is_begun_again_has_no_ranges_of_before),
        JOURNAL_TEST(a_finished_directory_has_no_files_in_progress),
        JOURNAL_TEST(a_torn_end_is_cut_off),
        JOURNAL_TEST(an_end_of_zeros_is_cut_off),
        JOURNAL_TEST(nothing_counts_from_a_damaged_byte_on),
        JOURNAL_TEST(records_of_another_journal_do_not_count),
        JOURNAL_TEST(the_identity_is_the_first_record_and_no_other),
        JOURNAL_TEST(a_journal_of_another_run_is_refused_and_the_difference_named),
        JOURNAL_TEST(a_complete_journal_begins_anew),
        JOURNAL_TEST(an_empty_file_becomes_a_journal_and_others_are_left_alone),
        JOURNAL_TEST(what_is_no_file_is_refused),
        JOURNAL_TEST(a_journal_may_be_in_any_directory),
        JOURNAL_TEST(it_is_the_owners_own_and_not_handed_to_programs),
        JOURNAL_TEST(a_second_process_is_refused_until_the_first_is_gone),
        JOURNAL_TEST(the_lock_of_a_file_that_was_replaced_is_none),
        JOURNAL_TEST(a_journal_gets_its_name_when_it_is_on_the_disk),
        JOURNAL_TEST(a_full_disk_leaves_what_was_recorded_before),
        JOURNAL_TEST(what_cannot_be_taken_back_counts_as_torn),
        JOURNAL_TEST(an_open_that_fails_loses_nothing),
        JOURNAL_TEST(what_a_killed_open_has_left_is_cleared_away),
        JOURNAL_TEST(file_systems_that_flush_no_directories_will_do),
        JOURNAL_TEST(threads_add_while_one_commits),
    };
    prefer_memory();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
