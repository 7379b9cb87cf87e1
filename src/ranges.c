/*
 * One mutex, taken once for each range of some megabytes. Small files do not come here: whether
 * there is anything is read from `waiting` without it.
 *
 * A big file is on the list from pc_ranges_copy() until one of its threads has found no range left.
 * Its owner, who has it on the stack, then waits for those that are still in a range. They wait for
 * nobody, so neither does it for long.
 *
 * INVARIANT, under the lock: `waiting` counts the entries put aside and the big files on the list.
 */
#include "pcopy/ranges.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/*
 * Of so many threads one copies big files while others have small ones to copy. Over NFS with 64
 * threads that is 8: enough to fill the connections of several mount points, and the others lose an
 * eighth of their turns.
 */
#define SHARE 8

/* No more are put aside than this, so that memory stays bounded. */
#define MOST_ASIDE 1024

struct pc_ranges {
    pthread_mutex_t lock;
    pthread_cond_t helped;
    struct pc_big *open; /* those with ranges left; the one helped last comes last */
    struct pc_entry *aside;
    struct pc_entry **aside_end;
    unsigned aside_count;
    unsigned busy; /* threads at big files */
    unsigned share;
    atomic_uint waiting;
    atomic_bool small_files;
    pthread_mutex_t line; /* held by who sends while there are small files */
    void (*call)(void *context, unsigned count);
    void *context;
};

int pc_ranges_new(struct pc_ranges **out, unsigned threads,
                  void (*call)(void *context, unsigned count), void *context)
{
    struct pc_ranges *set = calloc(1, sizeof *set);
    if (!set)
        return -ENOMEM;
    pthread_mutex_init(&set->lock, NULL);
    pthread_mutex_init(&set->line, NULL);
    pthread_cond_init(&set->helped, NULL);
    set->aside_end = &set->aside;
    set->share = threads / SHARE ? threads / SHARE : 1;
    set->call = call;
    set->context = context;
    *out = set;
    return 0;
}

void pc_ranges_free(struct pc_ranges *set)
{
    if (!set)
        return;
    pthread_cond_destroy(&set->helped);
    pthread_mutex_destroy(&set->line);
    pthread_mutex_destroy(&set->lock);
    free(set);
}

/* Puts a big file at the end of the list. Under lock, as are the next two. */
static void append(struct pc_ranges *set, struct pc_big *big)
{
    struct pc_big **at = &set->open;
    while (*at)
        at = &(*at)->next;
    *at = big;
    big->next = NULL;
}

static void take_out(struct pc_ranges *set, const struct pc_big *big)
{
    struct pc_big **at = &set->open;
    while (*at != big)
        at = &(*at)->next;
    *at = big->next;
}

static void close_list(struct pc_ranges *set, struct pc_big *big)
{
    if (!big->listed)
        return;
    big->listed = false;
    take_out(set, big);
    /* relaxed, here and below: the lock orders what it counts. */
    atomic_fetch_sub_explicit(&set->waiting, 1, memory_order_relaxed);
}

void pc_ranges_copy(struct pc_ranges *set, struct pc_big *big, struct pc_hand *hand,
                    unsigned helpers_wanted)
{
    const bool listed = helpers_wanted > 0;
    big->helpers = 0;
    big->listed = listed;
    pthread_mutex_lock(&set->lock);
    set->busy++;
    if (listed) {
        append(set, big);
        atomic_fetch_add_explicit(&set->waiting, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&set->lock);
    if (listed) /* `big->listed` is others' by now */
        set->call(set->context, helpers_wanted);

    while (big->step(big, hand))
        continue;
    pthread_mutex_lock(&set->lock);
    close_list(set, big);
    while (big->helpers)
        pthread_cond_wait(&set->helped, &set->lock);
    set->busy--;
    pthread_mutex_unlock(&set->lock);
}

bool pc_ranges_crowded(struct pc_ranges *set)
{
    pthread_mutex_lock(&set->lock);
    const bool crowded = set->busy >= set->share && set->aside_count < MOST_ASIDE;
    pthread_mutex_unlock(&set->lock);
    return crowded;
}

void pc_ranges_put_aside(struct pc_ranges *set, struct pc_entry *entry)
{
    pthread_mutex_lock(&set->lock);
    entry->next = NULL;
    entry->waited = true;
    *set->aside_end = entry;
    set->aside_end = &entry->next;
    set->aside_count++;
    atomic_fetch_add_explicit(&set->waiting, 1, memory_order_relaxed);
    pthread_mutex_unlock(&set->lock);
}

bool pc_ranges_waiting(const struct pc_ranges *set)
{
    /* relaxed: who must not miss anything is called by pc_ranges_copy(), through a queue. */
    return atomic_load_explicit(&set->waiting, memory_order_relaxed) != 0;
}

void pc_ranges_note(struct pc_ranges *set, bool small_files)
{
    /* relaxed: nothing but speed hangs on it. Written only if it changes, for many read it. */
    if (atomic_load_explicit(&set->small_files, memory_order_relaxed) != small_files)
        atomic_store_explicit(&set->small_files, small_files, memory_order_relaxed);
}

bool pc_ranges_begin(struct pc_ranges *set)
{
    if (!atomic_load_explicit(&set->small_files, memory_order_relaxed))
        return false;
    pthread_mutex_lock(&set->line);
    return true;
}

void pc_ranges_end(struct pc_ranges *set)
{
    pthread_mutex_unlock(&set->line);
}

static struct pc_entry *take_aside(struct pc_ranges *set)
{
    struct pc_entry *e = set->aside;
    if (!e)
        return NULL;
    set->aside = e->next;
    if (!set->aside)
        set->aside_end = &set->aside;
    set->aside_count--;
    atomic_fetch_sub_explicit(&set->waiting, 1, memory_order_relaxed);
    return e;
}

enum pc_turn pc_ranges_turn(struct pc_ranges *set, bool share, struct pc_hand *hand,
                            struct pc_entry **entry)
{
    pthread_mutex_lock(&set->lock);
    if (share && set->busy >= set->share) {
        pthread_mutex_unlock(&set->lock);
        return PC_TURN_NONE;
    }
    *entry = take_aside(set);
    struct pc_big *big = *entry ? NULL : set->open;
    if (!big) {
        pthread_mutex_unlock(&set->lock);
        return *entry ? PC_TURN_ENTRY : PC_TURN_NONE;
    }
    take_out(set, big);
    append(set, big);
    big->helpers++;
    set->busy++;
    pthread_mutex_unlock(&set->lock);

    const bool more = big->step(big, hand);
    pthread_mutex_lock(&set->lock);
    set->busy--;
    if (!more)
        close_list(set, big);
    if (--big->helpers == 0)
        pthread_cond_broadcast(&set->helped); /* `big` is gone once its owner has the lock */
    pthread_mutex_unlock(&set->lock);
    return PC_TURN_HELPED;
}
