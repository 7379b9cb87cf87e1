/* Who takes which big file: entries put aside, the share of the threads, helpers. */
#include "pcopy/ranges.h"

#include "scratch.h"

static unsigned called;

static void note_call(void *context, unsigned count)
{
    (void)context;
    called += count;
}

static struct pc_ranges *make(unsigned threads)
{
    struct pc_ranges *set;
    called = 0;
    MUST(pc_ranges_new(&set, threads, note_call, NULL) == 0);
    return set;
}

/* A big file of so many ranges. */
struct big {
    struct pc_big big;
    atomic_int left;
    void (*in_range)(struct big *);
};

static bool take_range(struct pc_big *big, struct pc_hand *hand)
{
    struct big *b = (struct big *)big;
    (void)hand;
    if (atomic_fetch_sub(&b->left, 1) <= 0)
        return false;
    if (b->in_range)
        b->in_range(b);
    return true;
}

static void what_is_put_aside_comes_back_in_order(void **state)
{
    (void)state;
    struct pc_ranges *set = make(8);
    struct pc_entry *entries[3];
    struct pc_entry *e = NULL;
    assert_false(pc_ranges_waiting(set));
    assert_int_equal(pc_ranges_turn(set, false, NULL, &e), PC_TURN_NONE);
    for (unsigned i = 0; i < 3; i++) {
        entries[i] = calloc(1, sizeof *entries[i] + 1);
        MUST(entries[i] != NULL);
        pc_ranges_put_aside(set, entries[i]);
        assert_true(entries[i]->waited);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(pc_ranges_waiting(set));
        assert_int_equal(pc_ranges_turn(set, i == 0, NULL, &e), PC_TURN_ENTRY);
        assert_ptr_equal(e, entries[i]);
        free(e);
    }
    assert_false(pc_ranges_waiting(set));
    pc_ranges_free(set);
}

static struct pc_ranges *set_of_big;
static unsigned turns[2]; /* by others, while the owner is in a range: within the share, and not */

static void look_around(struct big *b)
{
    struct pc_entry *e;
    b->in_range = NULL; /* those who help do not */
    assert_true(pc_ranges_crowded(set_of_big));
    assert_true(pc_ranges_waiting(set_of_big));
    for (unsigned i = 0; i < 2; i++)
        turns[i] += pc_ranges_turn(set_of_big, i == 0, NULL, &e) == PC_TURN_HELPED;
}

static void the_share_holds_while_there_is_other_work(void **state)
{
    (void)state;
    struct big b = {.big.step = take_range, .left = 5, .in_range = look_around};
    set_of_big = make(8); /* a share of one */
    assert_false(pc_ranges_crowded(set_of_big));
    turns[0] = turns[1] = 0;
    pc_ranges_copy(set_of_big, &b.big, NULL, 4);
    assert_int_equal(called, 4);
    assert_int_equal(turns[0], 0);
    assert_int_equal(turns[1], 1);
    assert_false(pc_ranges_waiting(set_of_big));
    assert_false(pc_ranges_crowded(set_of_big));
    pc_ranges_free(set_of_big);

    b = (struct big){.big.step = take_range, .left = 5, .in_range = look_around};
    set_of_big = make(16); /* of two */
    turns[0] = turns[1] = 0;
    b.in_range = NULL;
    pc_ranges_copy(set_of_big, &b.big, NULL, 0);
    assert_int_equal(called, 0); /* who wants no helpers calls none */
    pc_ranges_free(set_of_big);
}

/* Threads of which each has big files of its own and helps the others. */
#define THREADS 8
#define BIGS    50
#define RANGES  40

static atomic_uint taken;

static void count_range(struct big *b)
{
    (void)b;
    atomic_fetch_add(&taken, 1);
}

static void *copy_and_help(void *argument)
{
    struct pc_ranges *set = argument;
    struct pc_entry *e;
    for (unsigned i = 0; i < BIGS; i++) {
        struct big b = {.big.step = take_range, .left = RANGES, .in_range = count_range};
        pc_ranges_copy(set, &b.big, NULL, 3);
        while (pc_ranges_turn(set, i % 2, NULL, &e) == PC_TURN_HELPED)
            continue;
    }
    return NULL;
}

static void note_nothing(void *context, unsigned count)
{
    (void)context, (void)count;
}

static void every_range_is_taken_once_by_somebody(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct pc_ranges *set;
    MUST(pc_ranges_new(&set, THREADS, note_nothing, NULL) == 0);
    atomic_store(&taken, 0);
    for (unsigned i = 0; i < THREADS; i++)
        MUST(pthread_create(&threads[i], NULL, copy_and_help, set) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(taken, THREADS * BIGS * RANGES);
    assert_false(pc_ranges_waiting(set));
    pc_ranges_free(set);
}

int main(void)
{
    alarm(110); /* a helper that is not waited for, or waited for in vain */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_aside_comes_back_in_order),
        cmocka_unit_test(the_share_holds_while_there_is_other_work),
        cmocka_unit_test(every_range_is_taken_once_by_somebody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
