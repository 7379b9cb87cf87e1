/*
 * queue: a bounded queue of pointers for many producers and many consumers, in shards.
 *
 * Items of one key share a shard and come out in the order they went in; items of different keys
 * may overtake each other. pcopy's key is the directory, so consumers that start at different
 * shards work in different directories.
 *
 * Two implementations stand behind this header: queue.c (lock-free) and queue_mutex.c (one mutex,
 * two conditions). They behave alike; the second is the first one's oracle and its control in
 * benchmarks. A program links one of them.
 *
 * All functions but new and free may be called by any number of threads at the same time.
 */
#ifndef PCOPY_QUEUE_H
#define PCOPY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct pc_queue;

/*
 * Makes a queue of `shards` (>= 1) shards that hold `capacity` (>= 1) items in all, at least two
 * each; both are rounded up to what the implementation needs. With `spread` a consumer goes on to
 * another shard after each item, without it stays where it finds some.
 * *out belongs to the caller: pc_queue_free(). Returns 0 or -ENOMEM.
 */
int pc_queue_new(struct pc_queue **out, size_t shards, size_t capacity, bool spread);

/* Frees a queue that no thread uses any more. Items left in it are the caller's to free before. */
void pc_queue_free(struct pc_queue *q);

/*
 * Gives `item` (not NULL) to the queue, in the shard of `key`; waits while that shard is full.
 * Returns 0, -EPIPE after pc_queue_close(), -ECANCELED after pc_queue_cancel(): the item is then
 * still the caller's.
 */
int pc_queue_push(struct pc_queue *q, size_t key, void *item);

/*
 * The same without waiting: -EAGAIN if the shard is full. For consumers, who would wait for
 * themselves.
 */
int pc_queue_try_push(struct pc_queue *q, size_t key, void *item);

/*
 * Takes an item, which is then the caller's; waits while there is none. `cursor` is where the
 * caller's search starts: its own variable, set to a different number for each consumer and not
 * touched afterwards. Returns NULL when the queue is closed and empty, or canceled.
 */
void *pc_queue_pop(struct pc_queue *q, size_t *cursor);

/* Takes an item if there is one, else NULL; never waits; works on a canceled queue too. */
void *pc_queue_try_pop(struct pc_queue *q, size_t *cursor);

/*
 * No more pushes: consumers get what is left, then NULL. Call it when the producers have ended.
 * A canceled queue stays canceled.
 */
void pc_queue_close(struct pc_queue *q);

/* Stops at once: waiting and later pushes and pops return. What is left: pc_queue_try_pop(). */
void pc_queue_cancel(struct pc_queue *q);

#endif
