/*
 * The queue. This file is built twice, with the lock-free queue and with the mutex queue: what
 * passes for both is what the header promises.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pcopy/queue.h"

static struct pc_queue *make(size_t shards, size_t capacity, bool spread)
{
    struct pc_queue *q = NULL;
    assert_int_equal(pc_queue_new(&q, shards, capacity, spread), 0);
    return q;
}

static void *number(uintptr_t n)
{
    return (void *)n; /* n > 0 */
}

static void one_key_comes_out_in_order(void **state)
{
    (void)state;
    struct pc_queue *q = make(4, 64, false);
    size_t cursor = 0;
    for (uintptr_t i = 1; i <= 16; i++)
        assert_int_equal(pc_queue_push(q, 7, number(i)), 0);
    for (uintptr_t i = 1; i <= 16; i++)
        assert_ptr_equal(pc_queue_pop(q, &cursor), number(i));
    assert_null(pc_queue_try_pop(q, &cursor));
    pc_queue_free(q);
}

static void spread_goes_round_the_keys(void **state)
{
    (void)state;
    struct pc_queue *q = make(3, 12, true);
    size_t cursor = 0;
    for (uintptr_t key = 0; key < 3; key++) {
        for (uintptr_t i = 1; i <= 2; i++)
            assert_int_equal(pc_queue_push(q, key, number(10 * key + i)), 0);
    }
    const uintptr_t expected[] = {1, 11, 21, 2, 12, 22};
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(pc_queue_pop(q, &cursor), number(expected[i]));
    pc_queue_free(q);
}

static void without_spread_stays_with_a_key(void **state)
{
    (void)state;
    struct pc_queue *q = make(3, 12, false);
    size_t cursor = 1;
    for (uintptr_t key = 0; key < 3; key++) {
        for (uintptr_t i = 1; i <= 2; i++)
            assert_int_equal(pc_queue_push(q, key, number(10 * key + i)), 0);
    }
    const uintptr_t expected[] = {11, 12, 21, 22, 1, 2};
    for (size_t i = 0; i < 6; i++)
        assert_ptr_equal(pc_queue_pop(q, &cursor), number(expected[i]));
    pc_queue_free(q);
}

static void closed_gives_what_is_left_then_nothing(void **state)
{
    (void)state;
    struct pc_queue *q = make(2, 8, false);
    size_t cursor = 0;
    assert_int_equal(pc_queue_push(q, 0, number(1)), 0);
    assert_int_equal(pc_queue_push(q, 1, number(2)), 0);
    pc_queue_close(q);
    assert_int_equal(pc_queue_push(q, 0, number(3)), -EPIPE);
    assert_ptr_equal(pc_queue_pop(q, &cursor), number(1));
    assert_ptr_equal(pc_queue_pop(q, &cursor), number(2));
    assert_null(pc_queue_pop(q, &cursor));
    assert_null(pc_queue_pop(q, &cursor));
    pc_queue_free(q);
}

static void canceled_keeps_what_is_left(void **state)
{
    (void)state;
    struct pc_queue *q = make(2, 8, false);
    size_t cursor = 0;
    assert_int_equal(pc_queue_push(q, 0, number(1)), 0);
    pc_queue_cancel(q);
    assert_int_equal(pc_queue_push(q, 0, number(2)), -ECANCELED);
    assert_null(pc_queue_pop(q, &cursor));
    assert_ptr_equal(pc_queue_try_pop(q, &cursor), number(1));
    assert_null(pc_queue_try_pop(q, &cursor));
    pc_queue_free(q);
}

static void trying_does_not_wait(void **state)
{
    (void)state;
    struct pc_queue *q = make(2, 4, false);
    size_t cursor = 0;
    assert_int_equal(pc_queue_try_push(q, 1, number(1)), 0);
    assert_int_equal(pc_queue_try_push(q, 1, number(2)), 0);
    assert_int_equal(pc_queue_try_push(q, 1, number(3)), -EAGAIN);
    assert_int_equal(pc_queue_try_push(q, 0, number(4)), 0);
    assert_ptr_equal(pc_queue_pop(q, &cursor), number(4));
    assert_ptr_equal(pc_queue_pop(q, &cursor), number(1));
    pc_queue_close(q);
    assert_int_equal(pc_queue_try_push(q, 1, number(5)), -EPIPE);
    pc_queue_cancel(q);
    assert_int_equal(pc_queue_try_push(q, 1, number(5)), -ECANCELED);
    assert_ptr_equal(pc_queue_try_pop(q, &cursor), number(2));
    pc_queue_free(q);
}

/* --- threads --- */

struct blocked {
    struct pc_queue *q;
    atomic_bool returned;
    int result;
    void *item;
};

static void *blocked_push(void *argument)
{
    struct blocked *b = argument;
    b->result = pc_queue_push(b->q, 0, number(99));
    atomic_store(&b->returned, true);
    return NULL;
}

static void *blocked_pop(void *argument)
{
    struct blocked *b = argument;
    size_t cursor = 0;
    b->item = pc_queue_pop(b->q, &cursor);
    atomic_store(&b->returned, true);
    return NULL;
}

/* Gives a thread that should not return the time to do so. */
static void must_block(struct blocked *b)
{
    usleep(20 * 1000);
    assert_false(atomic_load(&b->returned));
}

static void fill(struct pc_queue *q, size_t count)
{
    for (uintptr_t i = 1; i <= count; i++)
        assert_int_equal(pc_queue_push(q, 0, number(i)), 0);
}

static void full_blocks_until_there_is_room(void **state)
{
    (void)state;
    struct blocked b = {.q = make(1, 4, false)};
    size_t cursor = 0;
    pthread_t thread;
    fill(b.q, 4);
    pthread_create(&thread, NULL, blocked_push, &b);
    must_block(&b);
    for (uintptr_t i = 1; i <= 4; i++)
        assert_ptr_equal(pc_queue_pop(b.q, &cursor), number(i));
    assert_ptr_equal(pc_queue_pop(b.q, &cursor), number(99));
    pthread_join(thread, NULL);
    assert_int_equal(b.result, 0);
    pc_queue_free(b.q);
}

static void full_returns_on_cancel_and_close(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct blocked b = {.q = make(1, 4, false)};
        pthread_t thread;
        fill(b.q, 4);
        pthread_create(&thread, NULL, blocked_push, &b);
        must_block(&b);
        i ? pc_queue_cancel(b.q) : pc_queue_close(b.q);
        pthread_join(thread, NULL);
        assert_int_equal(b.result, i ? -ECANCELED : -EPIPE);
        pc_queue_free(b.q);
    }
}

static void empty_blocks_until_an_item_comes(void **state)
{
    (void)state;
    struct blocked b = {.q = make(8, 16, false)};
    pthread_t thread;
    pthread_create(&thread, NULL, blocked_pop, &b);
    must_block(&b);
    assert_int_equal(pc_queue_push(b.q, 5, number(7)), 0);
    pthread_join(thread, NULL);
    assert_ptr_equal(b.item, number(7));
    pc_queue_free(b.q);
}

static void empty_returns_on_cancel_and_close(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct blocked b = {.q = make(8, 16, false), .item = number(1)};
        pthread_t thread;
        pthread_create(&thread, NULL, blocked_pop, &b);
        must_block(&b);
        i ? pc_queue_cancel(b.q) : pc_queue_close(b.q);
        pthread_join(thread, NULL);
        assert_null(b.item);
        pc_queue_free(b.q);
    }
}

/* Every item is pushed once by one producer and must be popped once by one consumer. */
struct stress {
    struct pc_queue *q;
    size_t per_producer;
    atomic_uchar *seen; /* by item */
    atomic_size_t popped;
};

struct stressed {
    struct stress *s;
    size_t number;
    pthread_t thread;
};

static void *produce(void *argument)
{
    const struct stressed *t = argument;
    for (size_t i = 0; i < t->s->per_producer; i++) {
        const uintptr_t item = t->number * t->s->per_producer + i + 1;
        if (pc_queue_push(t->s->q, i / 7, number(item)) != 0)
            break;
    }
    return NULL;
}

static void *consume(void *argument)
{
    const struct stressed *t = argument;
    size_t cursor = t->number;
    void *item;
    while ((item = pc_queue_pop(t->s->q, &cursor))) {
        atomic_fetch_add(&t->s->seen[(uintptr_t)item - 1], 1);
        atomic_fetch_add(&t->s->popped, 1);
    }
    return NULL;
}

static void run_stress(size_t producers, size_t consumers, size_t shards, size_t capacity,
                       bool spread, size_t per_producer, bool cancel)
{
    const size_t total = producers * per_producer;
    struct stress s = {.q = make(shards, capacity, spread), .per_producer = per_producer};
    s.seen = calloc(total, sizeof *s.seen);
    struct stressed *threads = calloc(producers + consumers, sizeof *threads);
    assert_non_null(s.seen);
    assert_non_null(threads);

    for (size_t i = 0; i < producers + consumers; i++) {
        threads[i].s = &s;
        threads[i].number = i < producers ? i : i - producers;
        assert_int_equal(pthread_create(&threads[i].thread, NULL, i < producers ? produce : consume,
                                        &threads[i]),
                         0);
    }
    if (cancel) {
        while (atomic_load(&s.popped) < total / 3)
            usleep(100);
        pc_queue_cancel(s.q);
    }
    for (size_t i = 0; i < producers; i++)
        pthread_join(threads[i].thread, NULL);
    pc_queue_close(s.q); /* must not bring a canceled queue back to life */
    for (size_t i = producers; i < producers + consumers; i++)
        pthread_join(threads[i].thread, NULL);

    size_t cursor = 0;
    void *item;
    while ((item = pc_queue_try_pop(s.q, &cursor))) {
        assert_true(cancel);
        atomic_fetch_add(&s.seen[(uintptr_t)item - 1], 1);
    }
    for (size_t i = 0; i < total; i++)
        assert_true(cancel ? s.seen[i] <= 1 : s.seen[i] == 1);
    free(threads);
    free(s.seen);
    pc_queue_free(s.q);
}

static void nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    const size_t threads[] = {1, 2, 3, 8, 32, 128};
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        run_stress(1, threads[i], 1, 2, false, 3000, false);
        run_stress(threads[i], 1, 1, 2, false, 3000 / threads[i] + 1, false);
        run_stress(4, threads[i], 1, 2, true, 1000, false);
        run_stress(4, threads[i], 5, 2, true, 1000, false);
        run_stress(4, threads[i], 64, 1024, false, 5000, false);
    }
}

static void cancel_loses_only_what_was_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        run_stress(4, 8, 3, 6, i % 2, 500, true);
}

/* --- an item that goes round --- */

#define ROUNDS 50000

struct ring {
    struct pc_queue *q;
    atomic_size_t rounds;
};

/* Nobody but these pushes, so none may sleep with the item in its hands. */
static void *pass_on(void *argument)
{
    struct ring *r = argument;
    size_t cursor = 0;
    void *item;
    while ((item = pc_queue_pop(r->q, &cursor))) {
        const size_t n = atomic_fetch_add(&r->rounds, 1);
        if (n >= ROUNDS)
            pc_queue_close(r->q);
        else
            (void)pc_queue_try_push(r->q, n, item); /* it may be closed by now; there is room */
    }
    return NULL;
}

static void an_item_that_goes_round_never_stops(void **state)
{
    (void)state;
    struct ring r = {.q = make(4, 64, true)};
    pthread_t threads[6];
    assert_int_equal(pc_queue_push(r.q, 0, number(1)), 0);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, pass_on, &r), 0);
    for (size_t i = 0; i < 6; i++)
        pthread_join(threads[i], NULL);
    assert_true(atomic_load(&r.rounds) > ROUNDS);
    pc_queue_free(r.q);
}

int main(void)
{
    alarm(110); /* a lost wake-up is a failure, not a hanging test */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_comes_out_in_order),
        cmocka_unit_test(spread_goes_round_the_keys),
        cmocka_unit_test(without_spread_stays_with_a_key),
        cmocka_unit_test(closed_gives_what_is_left_then_nothing),
        cmocka_unit_test(canceled_keeps_what_is_left),
        cmocka_unit_test(trying_does_not_wait),
        cmocka_unit_test(full_blocks_until_there_is_room),
        cmocka_unit_test(full_returns_on_cancel_and_close),
        cmocka_unit_test(empty_blocks_until_an_item_comes),
        cmocka_unit_test(empty_returns_on_cancel_and_close),
        cmocka_unit_test(nothing_is_lost_or_doubled),
        cmocka_unit_test(cancel_loses_only_what_was_refused),
        cmocka_unit_test(an_item_that_goes_round_never_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
