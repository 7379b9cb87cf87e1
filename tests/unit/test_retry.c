/* Which errors are tried again, how often, and after how long. */
#include "pcopy/retry.h"

#include <time.h>

#include "scratch.h"

static unsigned noted;
static atomic_bool stopped;

static void note(void *context, int err)
{
    (void)context, (void)err;
    noted++;
}

/* How often `err` is tried again, at most 10 times. */
static unsigned again(const struct pc_retry *r, int err)
{
    unsigned tried = 0;
    noted = 0;
    while (noted < 10 && pc_retry_again(r, err, &tried))
        continue;
    assert_int_equal(noted, tried);
    return noted;
}

static void only_what_may_pass_is_tried_again(void **state)
{
    (void)state;
    struct pc_retry r = {.tries = 3, .stop = &stopped, .retried = note};
    const int passing[] = {EIO, ETIMEDOUT, EAGAIN, ENOBUFS, ENOMEM, EMFILE, ECONNRESET, ESTALE};
    const int lasting[] = {EACCES, EPERM, ENAMETOOLONG, ENOENT, EINVAL, ENOSPC, EDQUOT, ECANCELED};
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(again(&r, -passing[i]), 3);
        assert_int_equal(again(&r, -lasting[i]), 0);
    }
    r.wait_when_full = true;
    assert_int_equal(again(&r, -ENOSPC), 10);
    assert_int_equal(again(&r, -EDQUOT), 10);
    assert_int_equal(again(&r, -EIO), 3);
    r.tries = 0;
    assert_int_equal(again(&r, -EIO), 0);
}

static void each_wait_is_twice_as_long(void **state)
{
    (void)state;
    const struct pc_retry r = {.tries = 3, .wait = 40, .stop = &stopped, .retried = note};
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_int_equal(again(&r, -EIO), 3);
    clock_gettime(CLOCK_MONOTONIC, &after);
    const long ms =
        (long)(after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    assert_true(ms >= 40 + 80 + 160);
}

static void a_stop_ends_the_wait(void **state)
{
    (void)state;
    const struct pc_retry r = {.tries = 3, .wait = 60000, .stop = &stopped, .retried = note};
    unsigned tried = 0;
    atomic_store(&stopped, true);
    assert_false(pc_retry_again(&r, -EIO, &tried)); /* at once, or the alarm */
    atomic_store(&stopped, false);
}

int main(void)
{
    alarm(30);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_may_pass_is_tried_again),
        cmocka_unit_test(each_wait_is_twice_as_long),
        cmocka_unit_test(a_stop_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
