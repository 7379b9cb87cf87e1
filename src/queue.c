/*
 * The lock-free queue.
 *
 * WHAT. An array of shards. A shard is a ring of cells after Dmitry Vyukov's bounded MPMC queue:
 * `tail` counts the pushes that have claimed a cell, `head` the pops, and each cell carries a
 * sequence number that says whose turn it is:
 *
 *      seq == pos              free: the push that claims position pos may fill it
 *      seq == pos + 1          full: the pop that claims position pos may empty it
 *      seq == pos + capacity   free again, for the push one lap later
 *
 * A position is claimed by compare-and-swap on tail or head; the claimer then owns the cell until
 * it stores the next sequence number. Nobody ever waits for a lock on this path. A thread that is
 * suspended between claim and store makes its shard look empty (or full) to the others, who go on
 * to other shards or park; it wakes them when it comes back.
 *
 * WAITING. A thread that finds nothing to do parks: it announces itself in `waiters`, looks once
 * more, and sleeps on a semaphore. The other side, having made its change, takes an announcement
 * back and posts the semaphore in its place, so each announcement is good for one wake-up and a
 * burst of pushes wakes no thread twice. (A condition variable would send each thread that wakes
 * through its mutex: with 64 threads that was most of what the queue cost.)
 *
 * Announcements and posts have no names: all that holds is that there are as many of both together
 * as threads that have announced themselves and not gone on. So a thread that finds something in
 * its second look takes back an announcement or a post, whichever there is. It must not sleep until
 * its own post comes: a thread that has just announced itself may have eaten that, and what would
 * bring the next post may be the very item that is held here. It waits for no more than a waker
 * that is between its two calls. Announcing and asking are read-modify-writes of that one
 * variable, so one comes first in its modification order:
 *   - the waiter first: the waker sees waiters > 0 and posts;
 *   - the waker first: the waiter's increment reads from the waker's and so acquires all that the
 *     waker did before: its second look finds the item.
 * Hence no wake-up is lost, without a sequentially consistent fence (which ThreadSanitizer could
 * not follow).
 *
 * Producers are few and run in bursts: a full shard wakes those who wait for it when it is half
 * empty, not at each pop. A pop asks for waiters first and reads head and tail after: of all the
 * pops behind a waiter's second look, the one whose read-modify-write comes last then sees the
 * claims of all others, finds the shard empty and wakes. (Counting from its own position instead
 * would lose a wake-up: a pop that is overtaken by later ones between claim and store would take
 * the shard for full.)
 *
 * One push wakes one consumer. A push that stalls between claim and store hides what is pushed
 * behind it, and its single wake-up then stands for several items: so a consumer that was woken and
 * sees more behind its item wakes the next one.
 *
 * THREADS. Any thread may run any function here. INVARIANT: head <= tail <= head + capacity.
 */
#include "pcopy/queue.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* Head and tail of a shard are written by different threads: keep them on lines of their own. */
#define LINE 64

struct cell {
    atomic_size_t seq;
    void *item;
};

struct park {
    alignas(LINE) atomic_uint waiters;
    sem_t wake;
};

struct shard {
    alignas(LINE) atomic_size_t tail;
    alignas(LINE) atomic_size_t head;
    struct cell *cells;
    struct park room; /* producers */
};

enum state { OPEN, CLOSED, CANCELED };

struct pc_queue {
    struct shard *shards;
    struct cell *cells;
    size_t count;    /* of shards */
    size_t capacity; /* of one shard, a power of two */
    size_t stride;   /* from the shard of one item to the start of the search for the next */
    atomic_int state;
    struct park items; /* consumers */
};

static void park_init(struct park *p)
{
    atomic_init(&p->waiters, 0);
    sem_init(&p->wake, 0, 0);
}

static void park_destroy(struct park *p)
{
    sem_destroy(&p->wake);
}

/* Announces a waiter. The caller looks once more and then calls park_wait() or park_leave(). */
static void park_enter(struct park *p)
{
    /* acq_rel: pairs with the read-modify-write in park_waiting(), see WAITING above. */
    atomic_fetch_add_explicit(&p->waiters, 1, memory_order_acq_rel);
}

static void park_wait(struct park *p)
{
    while (sem_wait(&p->wake) != 0) /* EINTR is its only failure */
        continue;
}

/* Takes up to `most` announcements back. Returns how many. */
static unsigned park_take(struct park *p, unsigned most)
{
    /* relaxed: the order that counts was made by park_waiting() or park_enter(). */
    unsigned waiters = atomic_load_explicit(&p->waiters, memory_order_relaxed);
    unsigned n;
    do {
        n = waiters < most ? waiters : most;
    } while (n &&
             !atomic_compare_exchange_weak_explicit(&p->waiters, &waiters, waiters - n,
                                                    memory_order_relaxed, memory_order_relaxed));
    return n;
}

static void park_leave(struct park *p)
{
    while (park_take(p, 1) == 0 && sem_trywait(&p->wake) != 0)
        sched_yield();
}

static unsigned park_waiting(struct park *p)
{
    /* acq_rel, and a read-modify-write though it adds nothing: pairs with park_enter(). */
    return atomic_fetch_add_explicit(&p->waiters, 0, memory_order_acq_rel);
}

static void park_wake(struct park *p, unsigned most)
{
    if (park_waiting(p) == 0)
        return;
    for (unsigned n = park_take(p, most); n; n--)
        sem_post(&p->wake);
}

int pc_queue_new(struct pc_queue **out, size_t shards, size_t capacity, bool spread)
{
    size_t each = 2;
    while (each < (capacity + shards - 1) / shards)
        each *= 2;

    struct pc_queue *q = aligned_alloc(LINE, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->shards = aligned_alloc(LINE, shards * sizeof *q->shards);
    q->cells = calloc(shards * each, sizeof *q->cells);
    if (!q->shards || !q->cells) {
        free(q->shards);
        free(q->cells);
        free(q);
        return -ENOMEM;
    }
    q->count = shards;
    q->capacity = each;
    q->stride = spread ? 1 : 0;
    atomic_init(&q->state, OPEN);
    park_init(&q->items);
    for (size_t s = 0; s < shards; s++) {
        atomic_init(&q->shards[s].tail, 0);
        atomic_init(&q->shards[s].head, 0);
        q->shards[s].cells = q->cells + s * each;
        park_init(&q->shards[s].room);
        for (size_t i = 0; i < each; i++)
            atomic_init(&q->shards[s].cells[i].seq, i);
    }
    *out = q;
    return 0;
}

void pc_queue_free(struct pc_queue *q)
{
    if (!q)
        return;
    park_destroy(&q->items);
    for (size_t s = 0; s < q->count; s++)
        park_destroy(&q->shards[s].room);
    free(q->cells);
    free(q->shards);
    free(q);
}

static bool put(struct pc_queue *q, struct shard *s, void *item)
{
    /* relaxed: only a guess at the position; the cell's sequence number tells if it is right. */
    size_t pos = atomic_load_explicit(&s->tail, memory_order_relaxed);
    for (;;) {
        struct cell *c = &s->cells[pos & (q->capacity - 1)];
        /* acquire: pairs with the release in take(); the pop is done with the cell. */
        const size_t seq = atomic_load_explicit(&c->seq, memory_order_acquire);
        const ptrdiff_t ahead = (ptrdiff_t)(seq - pos);
        if (ahead < 0)
            return false;
        if (ahead > 0) {
            pos = atomic_load_explicit(&s->tail, memory_order_relaxed); /* as above */
            continue;
        }
        /* relaxed: the claim orders nothing, the cell's sequence number does. */
        if (atomic_compare_exchange_weak_explicit(&s->tail, &pos, pos + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            c->item = item;
            /* release: pairs with the acquire in take(); the item is seen with its number. */
            atomic_store_explicit(&c->seq, pos + 1, memory_order_release);
            return true;
        }
    }
}

/* Takes the oldest item of a shard, or NULL. */
static void *take(struct pc_queue *q, struct shard *s)
{
    /* relaxed: a guess, as in put(). */
    size_t pos = atomic_load_explicit(&s->head, memory_order_relaxed);
    for (;;) {
        struct cell *c = &s->cells[pos & (q->capacity - 1)];
        /* acquire: pairs with the release in put(); the item is there. */
        const size_t seq = atomic_load_explicit(&c->seq, memory_order_acquire);
        const ptrdiff_t ahead = (ptrdiff_t)(seq - (pos + 1));
        if (ahead < 0)
            return NULL;
        if (ahead > 0) {
            pos = atomic_load_explicit(&s->head, memory_order_relaxed); /* a guess */
            continue;
        }
        /* relaxed: the claim orders nothing, as in put(). */
        if (atomic_compare_exchange_weak_explicit(&s->head, &pos, pos + 1, memory_order_relaxed,
                                                  memory_order_relaxed)) {
            void *item = c->item;
            /* release: pairs with the acquire in put(); we are done with the cell. */
            atomic_store_explicit(&c->seq, pos + q->capacity, memory_order_release);
            return item;
        }
    }
}

/* Items in a shard. May be off (even below zero) while others push and pop. */
static ptrdiff_t backlog(struct shard *s)
{
    /* relaxed: what must be seen was acquired by park_waiting() before, see WAITING. */
    const size_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
    const size_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
    return (ptrdiff_t)(tail - head);
}

static int refusal(struct pc_queue *q)
{
    /* acquire: pairs with the release in pc_queue_close() and pc_queue_cancel(). */
    switch (atomic_load_explicit(&q->state, memory_order_acquire)) {
    case OPEN:
        return 0;
    case CLOSED:
        return -EPIPE;
    default:
        return -ECANCELED;
    }
}

int pc_queue_push(struct pc_queue *q, size_t key, void *item)
{
    struct shard *s = &q->shards[key % q->count];
    for (;;) {
        int err = refusal(q);
        if (err)
            return err;
        if (put(q, s, item))
            break;
        park_enter(&s->room);
        err = refusal(q);
        if (err || put(q, s, item)) {
            park_leave(&s->room);
            if (err)
                return err;
            break;
        }
        park_wait(&s->room);
    }
    park_wake(&q->items, 1);
    return 0;
}

int pc_queue_try_push(struct pc_queue *q, size_t key, void *item)
{
    const int err = refusal(q);
    if (err)
        return err;
    if (!put(q, &q->shards[key % q->count], item))
        return -EAGAIN;
    park_wake(&q->items, 1);
    return 0;
}

/* Looks through all shards from *cursor on; *from is where the item was. */
static void *find(struct pc_queue *q, size_t *cursor, struct shard **from)
{
    for (size_t i = 0; i < q->count; i++) {
        const size_t at = (*cursor + i) % q->count;
        struct shard *s = &q->shards[at];
        void *item = take(q, s);
        if (item) {
            *cursor = at + q->stride;
            *from = s;
            if (park_waiting(&s->room) && backlog(s) <= (ptrdiff_t)(q->capacity / 2))
                park_wake(&s->room, UINT_MAX);
            return item;
        }
    }
    return NULL;
}

void *pc_queue_try_pop(struct pc_queue *q, size_t *cursor)
{
    struct shard *from;
    return find(q, cursor, &from);
}

void *pc_queue_pop(struct pc_queue *q, size_t *cursor)
{
    struct shard *from;
    bool woken = false;
    for (;;) {
        const int err = refusal(q);
        if (err == -ECANCELED)
            return NULL;
        void *item = find(q, cursor, &from);
        if (item) {
            if (woken && backlog(from) > 0)
                park_wake(&q->items, 1);
            return item;
        }
        if (err == -EPIPE) /* closed before we looked, so nothing came behind our look */
            return NULL;
        park_enter(&q->items);
        item = find(q, cursor, &from);
        if (item || refusal(q)) {
            park_leave(&q->items);
            if (item)
                return item;
            continue;
        }
        park_wait(&q->items);
        woken = true;
    }
}

static void wake_all(struct pc_queue *q)
{
    park_wake(&q->items, UINT_MAX);
    for (size_t s = 0; s < q->count; s++)
        park_wake(&q->shards[s].room, UINT_MAX);
}

void pc_queue_close(struct pc_queue *q)
{
    int open = OPEN;
    /* release: pairs with the acquire in refusal(). A canceled queue stays so. */
    atomic_compare_exchange_strong_explicit(&q->state, &open, CLOSED, memory_order_release,
                                            memory_order_relaxed);
    wake_all(q);
}

void pc_queue_cancel(struct pc_queue *q)
{
    /* release: pairs with the acquire in refusal(). */
    atomic_store_explicit(&q->state, CANCELED, memory_order_release);
    wake_all(q);
}
