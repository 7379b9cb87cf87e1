/* Who does not answer is told of, who answers again too, and nobody waits for it. */
#include "pcopy/watch.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "pcopy/sys.h"
#include "scratch.h"

static atomic_bool hangs;  /* the next call does, */
static sem_t release;      /* until this is posted */
static atomic_uint called; /* calls that have come back */
static sem_t event;
static atomic_int fails_with; /* so do all calls, if it is not 0 */
static atomic_int silent_one, silent_err, first_times, other_times, answering_one;

static int hang(const char *call)
{
    (void)call;
    if (atomic_exchange(&hangs, false))
        sem_wait(&release);
    atomic_fetch_add(&called, 1);
    return atomic_load(&fails_with);
}

static void on_silent(void *context, unsigned i, int err, bool first, bool others)
{
    (void)context;
    atomic_store(&silent_one, (int)i);
    atomic_store(&silent_err, err);
    atomic_fetch_add(&first_times, first);
    if (atomic_fetch_add(&other_times, others) == 0 && others)
        sem_post(&event);
}

static void on_answers(void *context, unsigned i)
{
    (void)context;
    atomic_store(&answering_one, (int)i);
    sem_post(&event);
}

static struct pc_watch *start(void)
{
    static const char *const paths[] = {"/", "/no/such/path"};
    const struct pc_watch_config config = {paths, 2, 1, on_silent, on_answers, NULL};
    struct pc_watch *w;
    atomic_store(&first_times, 0);
    atomic_store(&other_times, 0);
    atomic_store(&silent_one, -1);
    assert_int_equal(pc_watch_start(&w, &config), 0);
    return w;
}

static void one_that_hangs_is_told_of_until_it_answers(void **state)
{
    (void)state;
    atomic_store(&hangs, true);
    struct pc_watch *w = start();
    sem_wait(&event);
    assert_int_equal(atomic_load(&first_times), 1);
    assert_true(atomic_load(&silent_one) == 0 || atomic_load(&silent_one) == 1);
    sem_post(&release);
    sem_wait(&event);
    assert_int_equal(atomic_load(&answering_one), atomic_load(&silent_one));
    pc_watch_stop(w);
}

static void nobody_waits_for_one_that_hangs(void **state)
{
    (void)state;
    atomic_store(&hangs, true);
    struct pc_watch *w = start();
    sem_wait(&event);
    pc_watch_stop(w);
    const unsigned before = atomic_load(&called);
    sem_post(&release);
    while (atomic_load(&called) == before) /* it still uses what it shared with the watch */
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
}

static void errors_of_connections_are_no_answers(void **state)
{
    (void)state;
    atomic_store(&fails_with, -ETIMEDOUT);
    struct pc_watch *w = start();
    while (atomic_load(&first_times) < 2)
        nanosleep(&(struct timespec){.tv_nsec = 1000 * 1000}, NULL);
    assert_int_equal(atomic_load(&silent_err), -ETIMEDOUT);
    assert_int_equal(atomic_load(&other_times), 0);
    atomic_store(&fails_with, 0);
    sem_wait(&event);
    sem_wait(&event);
    pc_watch_stop(w);
}

static void other_errors_are_answers(void **state)
{
    (void)state;
    struct pc_watch *w = start();
    nanosleep(&(struct timespec){.tv_sec = 3}, NULL);
    pc_watch_stop(w);
    assert_int_equal(atomic_load(&silent_one), -1);
    assert_true(atomic_load(&called) > 0);
    pc_watch_stop(NULL);
}

int main(void)
{
    sem_init(&release, 0, 0);
    sem_init(&event, 0, 0);
    pc_sys_set_fault(hang);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_hangs_is_told_of_until_it_answers),
        cmocka_unit_test(nobody_waits_for_one_that_hangs),
        cmocka_unit_test(errors_of_connections_are_no_answers),
        cmocka_unit_test(other_errors_are_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
