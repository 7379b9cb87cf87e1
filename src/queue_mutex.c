/*
 * The queue with one mutex and two conditions: the oracle of queue.c in tests, its control in
 * benchmarks. Plain on purpose; what it does is what the header says.
 */
#include "pcopy/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct shard {
    void **ring;
    size_t first;
    size_t used;
};

enum state { OPEN, CLOSED, CANCELED };

struct pc_queue {
    pthread_mutex_t lock;
    pthread_cond_t items;
    pthread_cond_t room;
    enum state state;
    size_t count;
    size_t capacity; /* of one shard */
    size_t stride;
    struct shard *shards;
    void **cells;
};

int pc_queue_new(struct pc_queue **out, size_t shards, size_t capacity, bool spread)
{
    size_t each = (capacity + shards - 1) / shards;
    if (each < 2)
        each = 2;
    struct pc_queue *q = calloc(1, sizeof *q);
    if (!q)
        return -ENOMEM;
    q->shards = calloc(shards, sizeof *q->shards);
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
    for (size_t s = 0; s < shards; s++)
        q->shards[s].ring = q->cells + s * each;
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->items, NULL);
    pthread_cond_init(&q->room, NULL);
    *out = q;
    return 0;
}

void pc_queue_free(struct pc_queue *q)
{
    if (!q)
        return;
    pthread_cond_destroy(&q->room);
    pthread_cond_destroy(&q->items);
    pthread_mutex_destroy(&q->lock);
    free(q->cells);
    free(q->shards);
    free(q);
}

static int push(struct pc_queue *q, size_t key, void *item, bool wait)
{
    struct shard *s = &q->shards[key % q->count];
    int err = 0;
    pthread_mutex_lock(&q->lock);
    while (wait && q->state == OPEN && s->used == q->capacity)
        pthread_cond_wait(&q->room, &q->lock);
    if (q->state != OPEN) {
        err = q->state == CLOSED ? -EPIPE : -ECANCELED;
    } else if (s->used == q->capacity) {
        err = -EAGAIN;
    } else {
        s->ring[(s->first + s->used++) % q->capacity] = item;
        pthread_cond_signal(&q->items);
    }
    pthread_mutex_unlock(&q->lock);
    return err;
}

int pc_queue_push(struct pc_queue *q, size_t key, void *item)
{
    return push(q, key, item, true);
}

int pc_queue_try_push(struct pc_queue *q, size_t key, void *item)
{
    return push(q, key, item, false);
}

/* Under lock. */
static void *take(struct pc_queue *q, size_t *cursor)
{
    for (size_t i = 0; i < q->count; i++) {
        const size_t at = (*cursor + i) % q->count;
        struct shard *s = &q->shards[at];
        if (s->used == 0)
            continue;
        void *item = s->ring[s->first];
        s->first = (s->first + 1) % q->capacity;
        s->used--;
        *cursor = at + q->stride;
        if (s->used <= q->capacity / 2)
            pthread_cond_broadcast(&q->room);
        return item;
    }
    return NULL;
}

void *pc_queue_try_pop(struct pc_queue *q, size_t *cursor)
{
    pthread_mutex_lock(&q->lock);
    void *item = take(q, cursor);
    pthread_mutex_unlock(&q->lock);
    return item;
}

void *pc_queue_pop(struct pc_queue *q, size_t *cursor)
{
    void *item = NULL;
    pthread_mutex_lock(&q->lock);
    while (q->state != CANCELED && !(item = take(q, cursor)) && q->state == OPEN)
        pthread_cond_wait(&q->items, &q->lock);
    pthread_mutex_unlock(&q->lock);
    return item;
}

static void set_state(struct pc_queue *q, enum state state)
{
    pthread_mutex_lock(&q->lock);
    if (q->state != CANCELED)
        q->state = state;
    pthread_cond_broadcast(&q->items);
    pthread_cond_broadcast(&q->room);
    pthread_mutex_unlock(&q->lock);
}

void pc_queue_close(struct pc_queue *q)
{
    set_state(q, CLOSED);
}

void pc_queue_cancel(struct pc_queue *q)
{
    set_state(q, CANCELED);
}
