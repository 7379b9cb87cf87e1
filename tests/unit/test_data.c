/* The data of files: ranges over several targets, holes, what a file system cannot do, failures. */
#include "pcopy/data.h"

#include "scratch.h"

#define RANGE  ((size_t)64 * 1024)
#define BUFFER ((size_t)16 * 1024)
#define FILES  3

static struct {
    struct pc_data_config config;
    struct pc_pairs pairs;
    atomic_bool stop;
    atomic_ullong bytes;
    char buffer[BUFFER];
    struct pc_hand hand;
    struct pc_data_file from[FILES];
    struct pc_data_file to[FILES];
    unsigned from_count;
    unsigned to_count;
    struct stat src;
    struct pc_data data;
} all;

static void count_bytes(void *owner, uint64_t bytes)
{
    (void)owner;
    atomic_fetch_add(&all.bytes, bytes);
}

static int setup(void **state)
{
    scratch_enter(state);
    memset(&all, 0, sizeof all);
    all.config = (struct pc_data_config){
        .buffer_size = BUFFER,
        .split_size = UINT64_MAX,
        .range = RANGE,
        .reflink = PC_WHEN_NEVER,
        .pairs = &all.pairs,
        .stop = &all.stop,
        .copied = count_bytes,
    };
    all.hand.buffer = all.buffer;
    return 0;
}

static void close_files(void)
{
    for (unsigned i = 0; i < all.from_count; i++)
        pc_sys_close(&all.from[i].file);
    for (unsigned i = 0; i < all.to_count; i++)
        pc_sys_close(&all.to[i].file);
    all.from_count = all.to_count = 0;
}

static int teardown(void **state)
{
    pc_sys_set_fault(NULL);
    close_files();
    return scratch_leave(state);
}

#define DATA_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void open_source(const char *name)
{
    struct pc_handle here = open_here(".");
    all.from[all.from_count].end = all.from_count;
    MUST(pc_sys_open_file(here, name, &all.from[all.from_count].file) == 0);
    MUST(pc_sys_stat(all.from[all.from_count++].file, &all.src) == 0);
    pc_sys_close(&here);
}

static void open_target(const char *name)
{
    struct pc_handle here = open_here(".");
    if (!is_there(name))
        put(name, "");
    all.to[all.to_count].end = 10 + all.to_count;
    MUST(pc_sys_open_existing(here, name, &all.to[all.to_count++].file) == 0);
    pc_sys_close(&here);
}

static bool copy_open(void)
{
    all.data = (struct pc_data){
        .src = &all.src,
        .from = all.from,
        .from_count = all.from_count,
        .to = all.to,
        .to_count = all.to_count,
        .to_device = 1,
    };
    atomic_store(&all.bytes, 0);
    return pc_data_copy(&all.config, &all.data, &all.hand);
}

/* Copies "from" to "to". */
static bool copy(void)
{
    close_files();
    open_source("from");
    open_target("to");
    return copy_open();
}

static blkcnt_t blocks_of(const char *name)
{
    return look_at(name).st_blocks;
}

/* --- faults --- */

static const char *failing;
static int failure;
static atomic_uint calls;
static unsigned before; /* calls that succeed */

static int fail_call(const char *call)
{
    if (strcmp(call, failing) != 0)
        return 0;
    return atomic_fetch_add(&calls, 1) >= before ? failure : 0;
}

static void let_fail(const char *call, unsigned after, int err)
{
    failing = call;
    failure = err;
    before = after;
    atomic_store(&calls, 0);
    pc_sys_set_fault(fail_call);
}

/* --- ranges --- */

static void each_range_goes_through_the_file_that_its_offset_selects(void **state)
{
    (void)state;
    const size_t size = 10 * RANGE + 1234;
    static char bytes[10 * RANGE + 1234];
    static char found[sizeof bytes];
    put_noise("from", size, 1);
    MUST(link("from", "from2") == 0);
    open_source("from");
    open_source("from2");
    const char *const names[FILES] = {"a", "b", "c"};
    for (unsigned i = 0; i < FILES; i++)
        open_target(names[i]);
    all.config.split_size = RANGE;
    assert_true(copy_open());
    assert_int_equal(all.bytes, size);

    int fd = open("from", O_RDONLY);
    MUST(read(fd, bytes, size) == (ssize_t)size);
    close(fd);
    for (unsigned i = 0; i < FILES; i++) {
        memset(found, 0, size);
        fd = open(names[i], O_RDONLY);
        MUST(read(fd, found, size) >= 0);
        close(fd);
        for (size_t at = 0; at < size; at += RANGE) {
            const size_t n = size - at < RANGE ? size - at : RANGE;
            if (at / RANGE % FILES == i)
                assert_memory_equal(found + at, bytes + at, n);
            else
                assert_true(found[at] == 0 && memcmp(found + at, found + at + 1, n - 1) == 0);
        }
    }
}

static void a_failed_range_ends_the_file_and_names_its_end(void **state)
{
    (void)state;
    put_noise("from", 10 * RANGE, 2);
    open_source("from");
    open_target("a");
    open_target("b");
    all.config.split_size = RANGE;
    let_fail("pwrite", 5, -ENOSPC); /* in the second range */
    assert_false(copy_open());
    assert_int_equal(all.data.err, -ENOSPC);
    assert_int_equal(all.data.end, 11);
    assert_string_equal(all.data.operation, "write");
    assert_int_equal(calls, 6);

    let_fail("pread", 9, -EIO); /* in the third */
    assert_false(copy_open());
    assert_int_equal(all.data.err, -EIO);
    assert_int_equal(all.data.end, PC_SOURCE);
    assert_string_equal(all.data.operation, "read");

    let_fail("sync_file_range", 2, -EIO);
    assert_false(copy_open());
    assert_int_equal(all.data.err, -EIO);
    assert_string_equal(all.data.operation, "write");
}

static struct pc_ranges *helped;
static atomic_uint called;

static void note_call(void *context, unsigned count)
{
    (void)context;
    atomic_store(&called, count);
}

static void *help(void *argument)
{
    char buffer[BUFFER];
    struct pc_hand hand = {.buffer = buffer};
    struct pc_entry *e = NULL;
    atomic_uint *ranges = argument;
    while (atomic_load(&called) == 0)
        sched_yield();
    while (pc_ranges_turn(helped, false, &hand, &e) == PC_TURN_HELPED)
        atomic_fetch_add(ranges, 1);
    return NULL;
}

static void threads_share_a_file(void **state)
{
    (void)state;
    pthread_t threads[4];
    atomic_uint ranges = 0;
    put_noise("from", 300 * RANGE + 17, 3);
    MUST(pc_ranges_new(&helped, 32, note_call, NULL) == 0);
    all.config.split_size = RANGE;
    all.config.ranges = helped;
    atomic_store(&called, 0);
    for (unsigned i = 0; i < 4; i++)
        MUST(pthread_create(&threads[i], NULL, help, &ranges) == 0);
    assert_true(copy());
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(called, 300);
    assert_int_equal(all.bytes, 300 * RANGE + 17);
    assert_true(same_bytes("from", "to"));
    assert_false(pc_ranges_waiting(helped));
    pc_ranges_free(helped);
}

static void with_a_checksum_nobody_helps(void **state)
{
    (void)state;
    put_noise("from", 3 * RANGE, 4);
    MUST(pc_ranges_new(&helped, 32, note_call, NULL) == 0);
    MUST(pc_sums_start(&all.hand.hash) == 0);
    all.config.split_size = RANGE;
    all.config.ranges = helped;
    atomic_store(&called, 0);
    assert_true(copy());
    assert_int_equal(called, 0);
    const struct pc_sum split = pc_sums_end(all.hand.hash);
    pc_sums_reset(all.hand.hash);
    all.config.split_size = UINT64_MAX;
    assert_true(copy());
    const struct pc_sum whole = pc_sums_end(all.hand.hash);
    assert_memory_equal(&split, &whole, sizeof whole);
    pc_sums_free(all.hand.hash);
    pc_ranges_free(helped);
}

static void a_stop_ends_it(void **state)
{
    (void)state;
    put_noise("from", 3 * RANGE, 5);
    atomic_store(&all.stop, true);
    assert_false(copy());
    assert_int_equal(all.data.err, -ECANCELED);
    assert_int_equal(all.bytes, 0);
}

static void a_source_that_becomes_shorter_is_no_success(void **state)
{
    (void)state;
    for (unsigned split = 0; split < 2; split++) {
        put_noise("from", 3 * RANGE, 6);
        close_files();
        open_source("from");
        open_target("to");
        MUST(truncate("from", 2 * RANGE + 5) == 0);
        all.config.split_size = split ? RANGE : UINT64_MAX;
        assert_false(copy_open());
        assert_true(all.data.shrunk);
        assert_int_equal(all.data.err, -EIO);
        assert_non_null(all.data.why);
    }
}

/* --- holes --- */

/* Data at two places, the second up to the end. */
static void put_sparse(const char *name, size_t size)
{
    char bytes[5000];
    memset(bytes, 'x', sizeof bytes);
    const int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(pwrite(fd, bytes, sizeof bytes, 3 * (off_t)RANGE + 100) == sizeof bytes);
    MUST(pwrite(fd, bytes, sizeof bytes, (off_t)size - 5000) == sizeof bytes);
    close(fd);
}

static void holes_are_kept_or_written(void **state)
{
    (void)state;
    for (unsigned split = 0; split < 2; split++) {
        all.config.split_size = split ? RANGE : UINT64_MAX;
        put_sparse("from", 20 * RANGE);
        all.config.sparse = PC_WHEN_AUTO;
        assert_true(copy());
        assert_true(same_bytes("from", "to"));
        assert_int_equal(blocks_of("to"), blocks_of("from"));
        assert_true(all.data.holes > (off_t)(18 * RANGE) && all.bytes < 2 * RANGE);

        MUST(unlink("to") == 0);
        all.config.sparse = PC_WHEN_NEVER;
        assert_true(copy());
        assert_true(same_bytes("from", "to"));
        assert_true(blocks_of("to") * 512 >= (blkcnt_t)(20 * RANGE));
        assert_int_equal(all.data.holes, 0);
        MUST(unlink("to") == 0);
    }
}

static void zeros_become_holes_where_that_is_asked_for(void **state)
{
    (void)state;
    static char bytes[4 * RANGE];
    memset(bytes, 0, sizeof bytes);
    bytes[RANGE] = 1;         /* one block of data, */
    bytes[2 * RANGE - 1] = 1; /* one more, and zeros at the end */
    put_bytes("from", bytes, sizeof bytes, 0644);
    assert_true(copy());
    const blkcnt_t full = blocks_of("to");
    MUST(unlink("to") == 0);
    all.config.sparse = PC_WHEN_ALWAYS;
    assert_true(copy());
    assert_true(same_bytes("from", "to"));
    assert_int_equal(look_at("to").st_size, sizeof bytes);
    assert_int_equal(all.data.holes, sizeof bytes - 8192);
    assert_true(blocks_of("to") < full);
}

static void without_a_map_of_holes_zeros_are_looked_for(void **state)
{
    (void)state;
    static char bytes[2 * RANGE];
    memset(bytes, 0, sizeof bytes);
    bytes[5] = 1;
    put_bytes("from", bytes, sizeof bytes, 0644);
    close_files();
    open_source("from");
    open_target("to");
    all.src.st_blocks = 8; /* as a server says it that cannot say where they are */
    assert_true(copy_open());
    assert_true(same_bytes("from", "to"));
    assert_int_equal(all.data.holes, sizeof bytes - 4096);
}

static void a_checksum_counts_holes_as_zeros(void **state)
{
    (void)state;
    struct pc_sum sums[2];
    MUST(pc_sums_start(&all.hand.hash) == 0);
    put_sparse("from", 20 * RANGE);
    for (unsigned i = 0; i < 2; i++) {
        all.config.sparse = i ? PC_WHEN_AUTO : PC_WHEN_NEVER;
        pc_sums_reset(all.hand.hash);
        assert_true(copy());
        sums[i] = pc_sums_end(all.hand.hash);
    }
    assert_memory_equal(&sums[0], &sums[1], sizeof sums[0]);
    pc_sums_free(all.hand.hash);
}

/* --- what a file system cannot do --- */

static void what_cannot_be_offloaded_is_asked_for_once(void **state)
{
    (void)state;
    put_noise("from", 3 * RANGE, 7);
    all.config.server_copies = true;
    all.config.reflink = PC_WHEN_AUTO;
    let_fail("copy_file_range", 0, -EOPNOTSUPP);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(copy());
        assert_true(same_bytes("from", "to"));
        assert_int_equal(all.bytes, 3 * RANGE);
        assert_int_equal(calls, 1);
    }
    /* Another pair of file systems is another matter. */
    all.src.st_dev++;
    assert_true(copy_open());
    assert_int_equal(calls, 2);
}

static void an_offload_that_fails_half_way_is_finished_by_hand(void **state)
{
    (void)state;
    put_noise("from", 6 * RANGE, 8);
    all.config.server_copies = true;
    all.config.reflink = PC_WHEN_AUTO;
    all.config.split_size = RANGE;
    let_fail("copy_file_range", 2, -EIO);
    assert_true(copy());
    assert_true(same_bytes("from", "to"));
    assert_int_equal(all.bytes, 6 * RANGE);
    let_fail("copy_file_range", 2, -ENOSPC);
    assert_false(copy());
    assert_int_equal(all.data.err, -ENOSPC);
}

static void an_offload_of_a_shorter_file_ends(void **state)
{
    (void)state;
    put_noise("from", 3 * RANGE, 9);
    all.config.server_copies = true;
    all.config.reflink = PC_WHEN_AUTO;
    open_source("from");
    open_target("to");
    MUST(truncate("from", RANGE) == 0);
    assert_false(copy_open());
    assert_true(all.data.shrunk);
}

static void sharing_blocks_is_tried_once_or_demanded(void **state)
{
    (void)state;
    put_noise("from", (size_t)2 << 20, 10);
    all.config.reflink = PC_WHEN_AUTO;
    let_fail("ioctl", 0, -EOPNOTSUPP);
    assert_true(copy());
    assert_true(copy());
    assert_int_equal(calls, 1);
    assert_true(same_bytes("from", "to"));
    all.config.reflink = PC_WHEN_ALWAYS;
    assert_false(copy());
    assert_int_equal(all.data.err, -EOPNOTSUPP);
    assert_string_equal(all.data.operation, "share the blocks of the source with");
}

static void space_is_reserved_if_that_can_be_done(void **state)
{
    (void)state;
    put_noise("from", 3 * RANGE, 11);
    all.config.reserve = true;
    let_fail("fallocate", 0, -EOPNOTSUPP);
    assert_true(copy());
    assert_true(same_bytes("from", "to"));
    MUST(unlink("to") == 0);
    let_fail("fallocate", 0, -ENOSPC);
    assert_false(copy());
    assert_int_equal(all.data.err, -ENOSPC);
    assert_int_equal(look_at("to").st_size, 0);
    pc_sys_set_fault(NULL);
    let_fail("pwrite", 1, -EIO);
    assert_false(copy());
    assert_true(look_at("to").st_size <= (off_t)BUFFER); /* the size says how much is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        DATA_TEST(each_range_goes_through_the_file_that_its_offset_selects),
        DATA_TEST(a_failed_range_ends_the_file_and_names_its_end),
        DATA_TEST(threads_share_a_file),
        DATA_TEST(with_a_checksum_nobody_helps),
        DATA_TEST(a_stop_ends_it),
        DATA_TEST(a_source_that_becomes_shorter_is_no_success),
        DATA_TEST(holes_are_kept_or_written),
        DATA_TEST(zeros_become_holes_where_that_is_asked_for),
        DATA_TEST(without_a_map_of_holes_zeros_are_looked_for),
        DATA_TEST(a_checksum_counts_holes_as_zeros),
        DATA_TEST(what_cannot_be_offloaded_is_asked_for_once),
        DATA_TEST(an_offload_that_fails_half_way_is_finished_by_hand),
        DATA_TEST(an_offload_of_a_shorter_file_ends),
        DATA_TEST(sharing_blocks_is_tried_once_or_demanded),
        DATA_TEST(space_is_reserved_if_that_can_be_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
