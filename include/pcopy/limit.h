/*
 * limit: one rate that many threads share, of bytes or of anything else that can be counted.
 *
 * What the rate is, is written as
 *   RATE          units a second: a number, "1.5" too, and K, M, G (powers of 1024) or nothing
 *                 behind it; 0 is no limit
 *   SPAN=RATE,... a schedule by local time, as in "08:00-18:00=50M,Sat-Sun@20:00-06:00=0,else=10M":
 *                 the first span that holds now counts, and `else`, which may only come last, when
 *                 none does; without it there is no limit then. A span begins at its first time and
 *                 ends before its second one, on the next day if that is not later. Days before
 *                 it, one or a range, are those on which it begins. Up to 32 spans.
 *   @FILE         the first line of FILE, which is one of the above. FILE is looked at once a
 *                 second, so that the rate can be changed while it is in use.
 *
 * A change of the rate, by FILE or by the time of day, takes effect within a second, for those who
 * already wait too.
 *
 * Time in which nobody wants anything is saved up, but no more than 100 ms of it: enough that a
 * thread that the kernel wakes late loses nothing, and little enough that a server does not notice.
 * At the start nothing is saved. So in any T seconds the threads get no more than
 * rate * (T + 0.1) and one amount.
 */
#ifndef PCOPY_LIMIT_H
#define PCOPY_LIMIT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct pc_limit;

/* What a limit asks of the outside, for tests to put their own in its place. */
struct pc_limit_clock {
    int64_t (*now)(void);          /* nanoseconds, never backwards */
    void (*local)(struct tm *out); /* tm_wday, tm_hour, tm_min */

    /*
     * Like pthread_cond_timedwait(), until `until` of now() or, with INT64_MAX, for ever. The
     * condition measures CLOCK_MONOTONIC.
     */
    void (*wait)(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until);
};

/*
 * Makes the limit that `spec` says, which is not kept: to be freed with pc_limit_free(). *out is
 * NULL where that is no limit, now and ever.
 *
 * Otherwise returns what is wrong, and one line about it, no newline at its end, in `problem`
 * of `size` bytes:
 *   -EINVAL         the text, here or in FILE, is none of the above, or FILE is no regular file
 *   -ENOMEM         or an errno value of opening and reading FILE
 */
int pc_limit_new(struct pc_limit **out, const char *spec, char *problem, size_t size);

/* Frees a limit that no thread waits for any more; NULL is fine. */
void pc_limit_free(struct pc_limit *l);

/*
 * Waits until `amount` may be done. First come, first served, whatever the amounts: a small one
 * does not pass a large one that waits. An amount may be any number of seconds' worth.
 *
 * Returns 0, or -ECANCELED within 100 ms once *stop is true: then nothing was taken. NULL is no
 * limit. Thread-safe. FILE is looked at here and all threads wait for that, so it belongs where
 * that is quick.
 */
int pc_limit_take(struct pc_limit *l, uint64_t amount, const atomic_bool *stop);

/*
 * True, once, if FILE could not be read or was wrong when it was looked at, and then one line about
 * it in `text`. The last good rate stays until FILE is good again. Thread-safe; NULL is fine.
 */
bool pc_limit_note(struct pc_limit *l, char *text, size_t size);

/*
 * Test seam: `clock` replaces the real one, NULL brings that back. Not thread-safe: set it while
 * there is no limit.
 */
void pc_limit_set_clock(const struct pc_limit_clock *clock);

#endif
