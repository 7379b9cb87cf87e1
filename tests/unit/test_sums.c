/*
 * Checksums, and lists of them as xxhsum reads and writes them.
 */
#include "scratch.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "pcopy/sums.h"

#define LINE_A "a96faf705af16834e6c632b61e964e1f" /* of the byte "a" */

static const struct pc_sum SUM_A = {0xa96faf705af16834, 0xe6c632b61e964e1f};

static void check_sum(struct pc_sum got, struct pc_sum expected)
{
    assert_int_equal(got.high, expected.high);
    assert_int_equal(got.low, expected.low);
}

static struct pc_sum sum_of(const void *data, size_t size)
{
    struct pc_sums_hash *h;
    assert_int_equal(pc_sums_start(&h), 0);
    pc_sums_update(h, data, size);
    const struct pc_sum sum = pc_sums_end(h);
    pc_sums_free(h);
    return sum;
}

/* Names in the current directory, "." and ".." too. */
static unsigned names_here(void)
{
    unsigned n = 0;
    DIR *d = opendir(".");
    MUST(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static void check_text(const char *path, const char *expected)
{
    char text[4096];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    const ssize_t n = read(fd, text, sizeof text - 1);
    MUST(n >= 0 && close(fd) == 0);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static struct pc_sums_writer *create(const char *path)
{
    struct pc_sums_writer *w;
    assert_int_equal(pc_sums_create(&w, path, 0644), 0);
    return w;
}

/* Reads the one line of a list. */
static int read_one(const char *path, struct pc_sum *sum, char *name, size_t size)
{
    struct pc_sums_reader *r;
    const char *found = NULL;
    size_t line = 0;
    assert_int_equal(pc_sums_open(&r, path), 0);
    const int got = pc_sums_next(r, sum, &found, &line);
    assert_int_equal(line, 1);
    if (got == 1) {
        snprintf(name, size, "%s", found);
        struct pc_sum more;
        assert_int_equal(pc_sums_next(r, &more, &found, &line), 0);
        assert_int_equal(line, 1);
    }
    pc_sums_close(r);
    return got;
}

/* --- checksums --- */

static void the_checksum_is_xxh3_with_128_bits(void **state)
{
    (void)state;
    check_sum(sum_of("", 0), (struct pc_sum){0x99aa06d3014798d8, 0x6001c324468d497f});
    check_sum(sum_of("a", 1), SUM_A);
}

static void it_does_not_matter_in_which_pieces_data_comes(void **state)
{
    (void)state;
    static char data[100000];
    struct pc_sums_hash *h;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * i >> 3);
    const struct pc_sum whole = sum_of(data, sizeof data);
    assert_int_equal(pc_sums_start(&h), 0);
    for (size_t piece = 1; piece < sizeof data; piece = piece * 7 + 1) {
        pc_sums_reset(h);
        for (size_t at = 0; at < sizeof data; at += piece) {
            const size_t left = sizeof data - at;
            pc_sums_update(h, data + at, left < piece ? left : piece);
            (void)pc_sums_end(h); /* asking changes nothing */
        }
        check_sum(pc_sums_end(h), whole);
    }
    pc_sums_free(h);
    pc_sums_free(NULL);
}

static void holes_are_zeros(void **state)
{
    (void)state;
    static char data[70000]; /* zeros after the first two bytes */
    const size_t sizes[] = {0, 1, 2, 240, 241, 16383, 16384, 16385, 60000};
    struct pc_sums_hash *h;
    memcpy(data, "ab", 2);
    assert_int_equal(pc_sums_start(&h), 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        pc_sums_reset(h);
        pc_sums_update(h, "ab", 2);
        pc_sums_zeros(h, sizes[i]);
        check_sum(pc_sums_end(h), sum_of(data, 2 + sizes[i]));
        data[2 + sizes[i]] = 'c';
        pc_sums_update(h, "c", 1);
        check_sum(pc_sums_end(h), sum_of(data, 2 + sizes[i] + 1));
        data[2 + sizes[i]] = '\0';
    }
    pc_sums_free(h);
}

/* --- writing --- */

/* How names are written. What is read again is the same name, where `again` does not tell. */
static const struct {
    const char *name;
    const char *line;
    const char *again;
} WRITTEN[] = {
    {"a", LINE_A "  a\n", NULL},
    {"d/e.f", LINE_A "  d/e.f\n", NULL},
    {"two words", LINE_A "  two words\n", NULL},
    {"  spaces ", LINE_A "    spaces \n", NULL},
    {"*star", LINE_A "  *star\n", NULL},
    {"#hash", LINE_A "  #hash\n", NULL},
    {"-dash", LINE_A "  -dash\n", NULL},
    {"(paren) = x", LINE_A "  (paren) = x\n", NULL},
    {"\\leading", LINE_A "  \\leading\n", NULL},
    {"back\\nslash\\", LINE_A "  back\\nslash\\\n", NULL},
    {"return\r", LINE_A "  return\r\n", NULL},
    {"\xff\xfe", LINE_A "  \xff\xfe\n", NULL},
    {"stdin", LINE_A "  ./stdin\n", "./stdin"},
    {"stdinx", LINE_A "  stdinx\n", NULL},
    {"new\nline", "\\" LINE_A "  new\\nline\n", NULL},
    {"\n\\\r\\n", "\\" LINE_A "  \\n\\\\\\r\\\\n\n", NULL},
};

#define WRITTEN_COUNT (sizeof WRITTEN / sizeof WRITTEN[0])

static void names_are_written_for_every_xxhsum(void **state)
{
    (void)state;
    for (size_t i = 0; i < WRITTEN_COUNT; i++) {
        struct pc_sum sum;
        char name[64];
        struct pc_sums_writer *w = create("list");
        assert_int_equal(pc_sums_add(w, SUM_A, WRITTEN[i].name), 0);
        assert_int_equal(pc_sums_finish(w), 0);
        check_text("list", WRITTEN[i].line);
        assert_int_equal(read_one("list", &sum, name, sizeof name), 1);
        check_sum(sum, SUM_A);
        assert_string_equal(name, WRITTEN[i].again ? WRITTEN[i].again : WRITTEN[i].name);
    }
}

static void a_checksum_is_written_with_all_its_digits(void **state)
{
    (void)state;
    struct pc_sums_writer *w = create("list");
    assert_int_equal(pc_sums_add(w, (struct pc_sum){0xab, 0x1}, "x"), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    check_text("list", "00000000000000ab0000000000000001  x\n");
}

static void a_list_has_its_name_when_it_is_complete(void **state)
{
    (void)state;
    const unsigned files = open_files();
    put("list", "old");
    const unsigned names = names_here();
    struct pc_sums_writer *w = create("list");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    check_text("list", "old");
    assert_int_equal(names_here(), names + 1);
    assert_int_equal(pc_sums_finish(w), 0);
    check_text("list", LINE_A "  a\n");
    assert_int_equal(names_here(), names);
    assert_int_equal(open_files(), files);

    put_dir("d");
    w = create("d/new");
    assert_false(is_there("d/new"));
    assert_int_equal(pc_sums_finish(w), 0);
    check_text("d/new", ""); /* no file is a list too */
    assert_int_equal(names_here(), names + 1);
}

static void an_abandoned_list_leaves_what_was_there(void **state)
{
    (void)state;
    const unsigned files = open_files();
    const unsigned names = names_here();
    struct pc_sums_writer *w = create("list");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    pc_sums_abandon(w);
    assert_int_equal(names_here(), names);
    put("list", "old");
    w = create("list");
    pc_sums_abandon(w);
    check_text("list", "old");
    assert_int_equal(names_here(), names + 1);
    assert_int_equal(open_files(), files);
    pc_sums_abandon(NULL);
}

static void a_list_has_the_mode_asked_for_or_that_of_the_old_one(void **state)
{
    (void)state;
    struct pc_sums_writer *w;
    const mode_t before = umask(077);
    assert_int_equal(pc_sums_create(&w, "new", 0664), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    assert_int_equal(look_at("new").st_mode, S_IFREG | 0664);
    MUST(chmod("new", 0600) == 0);
    assert_int_equal(pc_sums_create(&w, "new", 0664), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    assert_int_equal(look_at("new").st_mode, S_IFREG | 0600);
    umask(before);
}

static void a_symbolic_link_stays_and_its_file_is_replaced(void **state)
{
    (void)state;
    put_dir("d");
    put("d/file", "old");
    MUST(symlink("d/file", "list") == 0);
    struct pc_sums_writer *w = create("list");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    assert_true(S_ISLNK(look_at("list").st_mode));
    assert_true(S_ISREG(look_at("d/file").st_mode));
    check_text("d/file", LINE_A "  a\n");
}

static void the_name_of_a_list_may_be_as_long_as_any(void **state)
{
    (void)state;
    char name[NAME_MAX + 1];
    memset(name, 'x', NAME_MAX);
    name[NAME_MAX] = '\0';
    struct pc_sums_writer *w = create(name);
    assert_int_equal(pc_sums_finish(w), 0);
    assert_true(is_there(name));
}

static void a_list_that_cannot_be_made_is_refused_at_once(void **state)
{
    (void)state;
    struct pc_sums_writer *w = NULL;
    const unsigned files = open_files();
    put_dir("d");
    put("file", "");
    assert_int_equal(pc_sums_create(&w, "missing/list", 0644), -ENOENT);
    assert_int_equal(pc_sums_create(&w, "file/list", 0644), -ENOTDIR);
    assert_int_equal(pc_sums_create(&w, "d", 0644), -EISDIR);
    MUST(chmod("d", 0555) == 0);
    if (geteuid() == 0)
        become_nobody();
    assert_int_equal(pc_sums_create(&w, "d/list", 0644), -EACCES);
    assert_null(w);
    assert_int_equal(open_files(), files);
}

/* Files of this process cannot become longer than that. */
static void limit_files(rlim_t size)
{
    struct rlimit limit;
    signal(SIGXFSZ, size == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
    MUST(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = size < limit.rlim_max ? size : limit.rlim_max;
    MUST(setrlimit(RLIMIT_FSIZE, &limit) == 0);
}

static void a_list_that_fails_leaves_the_old_one_and_nothing_else(void **state)
{
    (void)state;
    const unsigned files = open_files();
    put("list", "old");
    const unsigned names = names_here();

    struct pc_sums_writer *w = create("list");
    limit_files(100);
    int err = 0;
    for (unsigned i = 0; i < 100000 && !err; i++)
        err = pc_sums_add(w, SUM_A, "a");
    const int again = pc_sums_add(w, SUM_A, "a");
    const int end = pc_sums_finish(w);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err, -EFBIG);
    assert_int_equal(again, -EFBIG);
    assert_int_equal(end, -EFBIG);

    w = create("list"); /* a short one fails only when it is flushed */
    limit_files(10);
    err = pc_sums_add(w, SUM_A, "a");
    const int flush = pc_sums_finish(w);
    limit_files(RLIM_INFINITY);
    assert_int_equal(err, 0);
    assert_int_equal(flush, -EFBIG);

    check_text("list", "old");
    assert_int_equal(names_here(), names);
    assert_int_equal(open_files(), files);
}

static void a_list_that_does_not_get_its_name_fails(void **state)
{
    (void)state;
    struct pc_sums_writer *w = create("list");
    put_dir("list");
    const unsigned names = names_here();
    assert_int_equal(pc_sums_finish(w), -EISDIR);
    assert_int_equal(names_here(), names - 1); /* without the temporary file */
}

static void devices_and_pipes_are_written_to_and_stay(void **state)
{
    (void)state;
    struct pc_sums_writer *w = create("/dev/null");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    assert_true(S_ISCHR(look_at("/dev/null").st_mode));

    char text[64] = "";
    MUST(mkfifo("fifo", 0600) == 0);
    const int fd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    MUST(fd >= 0);
    w = create("fifo");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    assert_int_equal(pc_sums_finish(w), 0);
    MUST(read(fd, text, sizeof text - 1) > 0 && close(fd) == 0);
    assert_string_equal(text, LINE_A "  a\n");
    assert_true(S_ISFIFO(look_at("fifo").st_mode));
}

static void need_full(void)
{
    if (access("/dev/full", W_OK) == 0)
        return;
    print_message("SKIP: there is no /dev/full here\n");
    skip();
}

static void a_full_device_is_an_error(void **state)
{
    (void)state;
    need_full();
    struct pc_sums_writer *w = create("/dev/full");
    assert_int_equal(pc_sums_add(w, SUM_A, "a"), 0);
    assert_int_equal(pc_sums_finish(w), -ENOSPC);
    w = create("/dev/full");
    int err = 0;
    for (unsigned i = 0; i < 100000 && !err; i++)
        err = pc_sums_add(w, SUM_A, "a");
    assert_int_equal(err, -ENOSPC);
    assert_int_equal(pc_sums_finish(w), -ENOSPC);
    assert_true(S_ISCHR(look_at("/dev/full").st_mode));
}

/* Writes a line to standard output, which is `path` meanwhile. Returns what finishing does. */
static int write_to_stdout(const char *path)
{
    struct pc_sums_writer *w;
    fflush(stdout);
    const int saved = dup(STDOUT_FILENO);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    MUST(saved >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0 && close(fd) == 0);
    int err = pc_sums_create(&w, "-", 0644);
    if (!err)
        err = pc_sums_add(w, SUM_A, "a");
    if (!err)
        err = pc_sums_finish(w);
    MUST(dup2(saved, STDOUT_FILENO) >= 0 && close(saved) == 0);
    clearerr(stdout);
    return err;
}

static void standard_output_is_a_list_too(void **state)
{
    (void)state;
    assert_int_equal(write_to_stdout("out"), 0);
    check_text("out", LINE_A "  a\n");
    if (access("/dev/full", W_OK) == 0)
        assert_int_equal(write_to_stdout("/dev/full"), -ENOSPC);
}

enum { THREADS = 8, LINES = 1000 };

static struct pc_sums_writer *shared;
static pthread_barrier_t start; /* so that no thread is done before the others begin */

/* A name that tells which thread it is of, and its line; some are longer than any buffer. */
static size_t name_of(char *name, size_t size, unsigned thread, unsigned line)
{
    const size_t n = (size_t)snprintf(name, size, "%u/%u/", thread, line);
    const size_t fill = line % 50 == 0 ? size - n - 1 : line;
    memset(name + n, 'x', fill);
    name[n + fill] = '\0';
    return n + fill;
}

static void *add_lines(void *arg)
{
    const unsigned thread = *(const unsigned *)arg;
    char name[10000];
    pthread_barrier_wait(&start);
    for (unsigned i = 0; i < LINES; i++) {
        name_of(name, sizeof name, thread, i);
        MUST(pc_sums_add(shared, (struct pc_sum){thread, i}, name) == 0);
    }
    return NULL;
}

static void lines_of_many_threads_are_whole_and_in_the_order_of_each(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned numbers[THREADS];
    unsigned lines[THREADS] = {0};
    shared = create("list");
    MUST(pthread_barrier_init(&start, NULL, THREADS) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        MUST(pthread_create(&threads[i], NULL, add_lines, &numbers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        MUST(pthread_join(threads[i], NULL) == 0);
    pthread_barrier_destroy(&start);
    assert_int_equal(pc_sums_finish(shared), 0);

    struct pc_sums_reader *r;
    struct pc_sum sum;
    const char *name;
    size_t line;
    assert_int_equal(pc_sums_open(&r, "list"), 0);
    while (pc_sums_next(r, &sum, &name, &line) == 1) {
        char expected[10000];
        assert_in_range(sum.high, 0, THREADS - 1);
        assert_int_equal(sum.low, lines[sum.high]++);
        name_of(expected, sizeof expected, (unsigned)sum.high, (unsigned)sum.low);
        assert_string_equal(name, expected);
    }
    assert_int_equal(line, THREADS * LINES);
    pc_sums_close(r);
}

static void *add_in_vain(void *arg)
{
    int *err = arg;
    while (*err == 0)
        *err = pc_sums_add(shared, SUM_A, "a");
    return NULL;
}

static void all_threads_are_told_that_writing_failed(void **state)
{
    (void)state;
    need_full();
    pthread_t threads[THREADS];
    int errs[THREADS] = {0};
    shared = create("/dev/full");
    for (unsigned i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, add_in_vain, &errs[i]) == 0);
    for (unsigned i = 0; i < THREADS; i++) {
        MUST(pthread_join(threads[i], NULL) == 0);
        assert_int_equal(errs[i], -ENOSPC);
    }
    assert_int_equal(pc_sums_finish(shared), -ENOSPC);
}

/* --- reading --- */

static void all_that_xxhsum_writes_is_read(void **state)
{
    (void)state;
    const struct {
        const char *line;
        const char *name;
    } table[] = {
        {LINE_A "  a\n", "a"},
        {LINE_A "  a", "a"}, /* the last line needs no end */
        {LINE_A " *a\n", "a"},
        {LINE_A "   a \n", " a "},
        {LINE_A "  *a\n", "*a"},
        {LINE_A "  \\a\\n\n", "\\a\\n"},
        {LINE_A "  a\r\n", "a\r"},
        {LINE_A "  /a/../b\n", "/a/../b"},
        {"A96FAF705AF16834E6C632B61E964E1F  a\n", "a"},
        {"\\" LINE_A "  a\\nb\\\\c\\rd\n", "a\nb\\c\rd"},
        {"\\" LINE_A "  a\n", "a"},
        {"XXH128 (a) = " LINE_A "\n", "a"},
        {"XXH128 (a) = " LINE_A, "a"},
        {"XXH128 (a b) = " LINE_A "\n", "a b"},
        {"XXH128 ((a) = " LINE_A ") = " LINE_A "\n", "(a) = " LINE_A},
        {"XXH128 (a\\n) = " LINE_A "\n", "a\\n"},
        {"\\XXH128 (a\\nb) = " LINE_A "\n", "a\nb"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pc_sum sum;
        char name[64];
        put("list", table[i].line);
        assert_int_equal(read_one("list", &sum, name, sizeof name), 1);
        assert_string_equal(name, table[i].name);
        check_sum(sum, SUM_A);
    }
}

static void a_line_that_is_no_checksum_is_told(void **state)
{
    (void)state;
    const char *const lines[] = {
        "x",
        " ",
        "line) = " LINE_A,
        " " LINE_A "  a",
        LINE_A "  ",
        LINE_A " a",
        LINE_A "\ta",
        LINE_A "0  a",
        "96faf705af16834e6c632b61e964e1f  a",
        "g96faf705af16834e6c632b61e964e1f  a",
        " 96faf705af16834e6c632b61e964e1f  a",
        "d24ec4f1a98c6e5b  a", /* 64 bits */
        "XXH3_e6c632b61e964e1f  a",
        "XXH64 (a) = d24ec4f1a98c6e5b",
        "XXH128_LE (a) = 1f4e961eb632c6e63468f15a70af6fa9",
        "XXH128 () = " LINE_A,
        "XXH128 (a) = " LINE_A "0",
        "XXH128 (a) = " LINE_A " ",
        "XXH128 (a) =  " LINE_A,
        "XXH128 (a)= " LINE_A,
        "XXH128 (a = " LINE_A,
        "XXH128 a = " LINE_A,
        "\\",
        "\\\\" LINE_A "  a",
        "\\" LINE_A "  a\\",
        "\\" LINE_A "  a\\x",
        "\\" LINE_A "  a\\0",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct pc_sum sum;
        char name[64];
        put("list", lines[i]);
        assert_int_equal(read_one("list", &sum, name, sizeof name), -EINVAL);
    }
    static const char nul[] = LINE_A "  a\0b\n";
    struct pc_sum sum;
    char name[64];
    put_bytes("list", nul, sizeof nul - 1, 0644);
    assert_int_equal(read_one("list", &sum, name, sizeof name), -EINVAL);
}

static void a_line_cut_short_is_none(void **state)
{
    (void)state;
    const char *const lines[] = {LINE_A "  a", "XXH128 (a) = " LINE_A};
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = 1; size < strlen(lines[i]); size++) {
            struct pc_sum sum;
            char name[64];
            put_bytes("list", lines[i], size, 0644);
            assert_int_equal(read_one("list", &sum, name, sizeof name), -EINVAL);
        }
    }
}

static void lines_are_numbered_and_reading_goes_on_after_a_bad_one(void **state)
{
    (void)state;
    struct pc_sums_reader *r;
    struct pc_sum sum;
    const char *name;
    size_t line = 0;
    put("list", "# comment\n" LINE_A "  a\n\nbad\n\n" LINE_A "  b\n#\n");
    assert_int_equal(pc_sums_open(&r, "list"), 0);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), 1);
    assert_string_equal(name, "a");
    assert_int_equal(line, 2);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), -EINVAL);
    assert_int_equal(line, 4);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), 1);
    assert_string_equal(name, "b");
    assert_int_equal(line, 6);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), 0);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), 0);
    pc_sums_close(r);
    pc_sums_close(NULL);
}

static void what_cannot_be_read_is_told(void **state)
{
    (void)state;
    struct pc_sums_reader *r = NULL;
    struct pc_sum sum;
    const char *name;
    size_t line;
    const unsigned before = open_files();
    assert_int_equal(pc_sums_open(&r, "missing"), -ENOENT);
    put_dir("d");
    assert_int_equal(pc_sums_open(&r, "d"), 0);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), -EISDIR);
    pc_sums_close(r);
    /* The first page of our own memory, which is not there. */
    assert_int_equal(pc_sums_open(&r, "/proc/self/mem"), 0);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), -EIO);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), -EIO);
    pc_sums_close(r);
    put("list", "");
    MUST(chmod("list", 0) == 0);
    if (geteuid() == 0)
        become_nobody();
    assert_int_equal(pc_sums_open(&r, "list"), -EACCES);
    assert_int_equal(open_files(), before);
}

static void standard_input_is_read_and_an_error_in_the_middle_of_a_line_seen(void **state)
{
    (void)state;
    static const char text[] = LINE_A "  a\n" LINE_A "  b";
    struct pc_sums_reader *r;
    struct pc_sum sum;
    const char *name;
    size_t line;
    /* A terminal whose other end was closed gives what was written to it, then EIO. */
    const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) {
        print_message("SKIP: there are no pseudo-terminals here\n");
        skip();
    }
    const int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    const ssize_t size = sizeof text - 1;
    MUST(slave >= 0 && write(slave, text, sizeof text - 1) == size && close(slave) == 0);
    MUST(freopen("/dev/null", "re", stdin) != NULL);
    MUST(dup2(master, 0) == 0);
    assert_int_equal(pc_sums_open(&r, "-"), 0);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), 1);
    assert_string_equal(name, "a\r"); /* terminals end lines like that */
    assert_int_equal(line, 1);
    assert_int_equal(pc_sums_next(r, &sum, &name, &line), -EIO);
    pc_sums_close(r);
    assert_int_equal(fileno(stdin), 0); /* left open */
    MUST(close(master) == 0 && freopen("/dev/null", "re", stdin) != NULL);
}

/* --- the real xxhsum --- */

/*
 * Runs xxhsum with two options on one file; what it prints goes to the files "out" and "err".
 * Returns its exit status; skips the test where there is no xxhsum.
 */
static int xxhsum(const char *option, const char *more, const char *file)
{
    enum { MISSING = 127 };
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        const int out = open("out", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        const int err = open("err", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
            execlp("xxhsum", "xxhsum", option, more, "--", file, (char *)NULL);
        _exit(errno == ENOENT ? MISSING : MISSING - 1);
    }
    int status;
    MUST(waitpid(child, &status, 0) == child && WIFEXITED(status));
    if (WEXITSTATUS(status) == MISSING) {
        print_message("SKIP: xxhsum is not installed\n");
        skip();
    }
    return WEXITSTATUS(status);
}

/* True if xxhsum is one that knows how to write a newline in a name. */
static bool xxhsum_escapes(void)
{
    char first = '\0';
    put("p\nq", "");
    MUST(xxhsum("-H2", "--quiet", "p\nq") == 0);
    const int fd = open("out", O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && read(fd, &first, 1) == 1 && close(fd) == 0);
    return first == '\\';
}

/* A file of that name, unlike those with other numbers. Returns its checksum. */
static struct pc_sum put_file(const char *name, uint32_t number)
{
    static char bytes[4096];
    const size_t size = 200 * number;
    put_noise(name, size, number);
    const int fd = open(name, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && read(fd, bytes, sizeof bytes) == (ssize_t)size && close(fd) == 0);
    return sum_of(bytes, size);
}

static void xxhsum_checks_what_we_write(void **state)
{
    (void)state;
    const bool escapes = xxhsum_escapes();
    struct pc_sums_writer *all = create("all");
    struct pc_sums_writer *known = create("known");
    put_dir("d");
    for (uint32_t i = 0; i < WRITTEN_COUNT; i++) {
        const char *name = WRITTEN[i].name;
        const struct pc_sum sum = put_file(name, i);
        assert_int_equal(pc_sums_add(all, sum, name), 0);
        if (escapes || !strchr(name, '\n'))
            assert_int_equal(pc_sums_add(known, sum, name), 0);
    }
    assert_int_equal(pc_sums_finish(all), 0);
    assert_int_equal(pc_sums_finish(known), 0);
    assert_int_equal(xxhsum("-c", "--strict", "known"), 0);
    assert_int_equal(xxhsum("-c", "--quiet", "all"), 0);
    assert_int_equal(xxhsum("-c", "--strict", "all"), escapes ? 0 : 1);
    for (uint32_t i = 0; i < WRITTEN_COUNT; i++) { /* and it did look at each of them */
        if (!escapes && strchr(WRITTEN[i].name, '\n'))
            continue;
        put_file(WRITTEN[i].name, i + 1);
        assert_int_equal(xxhsum("-c", "--quiet", "all"), 1);
        put_file(WRITTEN[i].name, i);
    }
}

static void we_read_what_xxhsum_writes(void **state)
{
    (void)state;
    const char *const styles[] = {"--quiet", "--tag"};
    const bool escapes = xxhsum_escapes();
    put_dir("d");
    for (uint32_t i = 0; i < WRITTEN_COUNT; i++) {
        const char *name = WRITTEN[i].name;
        if (!escapes && strchr(name, '\n'))
            continue;
        const struct pc_sum expected = put_file(name, i);
        for (unsigned style = 0; style < 2; style++) {
            struct pc_sum sum;
            char found[64];
            assert_int_equal(xxhsum("-H2", styles[style], name), 0);
            assert_int_equal(read_one("out", &sum, found, sizeof found), 1);
            assert_string_equal(found, name);
            check_sum(sum, expected);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_xxh3_with_128_bits),
        cmocka_unit_test(it_does_not_matter_in_which_pieces_data_comes),
        cmocka_unit_test(holes_are_zeros),
        SCRATCH_TEST(names_are_written_for_every_xxhsum),
        SCRATCH_TEST(a_checksum_is_written_with_all_its_digits),
        SCRATCH_TEST(a_list_has_its_name_when_it_is_complete),
        SCRATCH_TEST(an_abandoned_list_leaves_what_was_there),
        SCRATCH_TEST(a_list_has_the_mode_asked_for_or_that_of_the_old_one),
        SCRATCH_TEST(a_symbolic_link_stays_and_its_file_is_replaced),
        SCRATCH_TEST(the_name_of_a_list_may_be_as_long_as_any),
        SCRATCH_TEST(a_list_that_cannot_be_made_is_refused_at_once),
        SCRATCH_TEST(a_list_that_fails_leaves_the_old_one_and_nothing_else),
        SCRATCH_TEST(a_list_that_does_not_get_its_name_fails),
        SCRATCH_TEST(devices_and_pipes_are_written_to_and_stay),
        SCRATCH_TEST(a_full_device_is_an_error),
        SCRATCH_TEST(standard_output_is_a_list_too),
        SCRATCH_TEST(lines_of_many_threads_are_whole_and_in_the_order_of_each),
        SCRATCH_TEST(all_threads_are_told_that_writing_failed),
        SCRATCH_TEST(all_that_xxhsum_writes_is_read),
        SCRATCH_TEST(a_line_that_is_no_checksum_is_told),
        SCRATCH_TEST(a_line_cut_short_is_none),
        SCRATCH_TEST(lines_are_numbered_and_reading_goes_on_after_a_bad_one),
        SCRATCH_TEST(what_cannot_be_read_is_told),
        SCRATCH_TEST(standard_input_is_read_and_an_error_in_the_middle_of_a_line_seen),
        SCRATCH_TEST(xxhsum_checks_what_we_write),
        SCRATCH_TEST(we_read_what_xxhsum_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
