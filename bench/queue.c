/*
 * The queue alone: items per second through it, for some numbers of producers and consumers.
 *
 * Built twice, as queue_lockfree and queue_mutex; run both and compare:
 *
 *      queue_lockfree [ITEMS] ; queue_mutex [ITEMS]
 *
 * In the last column each consumer works 20 microseconds of processor time on an item, as on a
 * small file of a local file system: there it should not matter which queue it is.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "pcopy/queue.h"

#define SHARDS   64
#define CAPACITY 8192

struct load {
    struct pc_queue *q;
    size_t items; /* per producer */
    double busy;  /* seconds per item */
};

static double now(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *produce(void *argument)
{
    const struct load *l = argument;
    for (size_t i = 0; i < l->items; i++)
        pc_queue_push(l->q, i / 25, (void *)(i + 1)); /* 25 files in a directory */
    return NULL;
}

static void *consume(void *argument)
{
    const struct load *l = argument;
    size_t cursor = (uintptr_t)argument / 64;
    while (pc_queue_pop(l->q, &cursor)) {
        if (l->busy > 0) {
            const double end = now(CLOCK_THREAD_CPUTIME_ID) + l->busy;
            while (now(CLOCK_THREAD_CPUTIME_ID) < end)
                continue;
        }
    }
    return NULL;
}

static double run(unsigned producers, unsigned consumers, size_t items, double busy)
{
    struct load l = {.items = items / producers, .busy = busy};
    pthread_t threads[256];
    if (pc_queue_new(&l.q, SHARDS, CAPACITY, false) != 0)
        exit(1);
    const double begin = now(CLOCK_MONOTONIC);
    for (unsigned i = 0; i < producers + consumers; i++) {
        if (pthread_create(&threads[i], NULL, i < producers ? produce : consume, &l) != 0)
            exit(1);
    }
    for (unsigned i = 0; i < producers; i++)
        pthread_join(threads[i], NULL);
    pc_queue_close(l.q);
    for (unsigned i = 0; i < consumers; i++)
        pthread_join(threads[producers + i], NULL);
    const double seconds = now(CLOCK_MONOTONIC) - begin;
    pc_queue_free(l.q);
    return (double)(l.items * producers) / seconds;
}

int main(int argc, char **argv)
{
    const size_t items = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const unsigned threads[][2] = {{1, 1}, {1, 2}, {1, 8}, {1, 64}, {4, 64}, {8, 128}};
    printf("%10s %10s %16s %22s\n", "producers", "consumers", "items/s", "items/s, 20 us busy");
    for (size_t i = 0; i < sizeof threads / sizeof threads[0]; i++) {
        const double idle = run(threads[i][0], threads[i][1], items, 0);
        const double busy = run(threads[i][0], threads[i][1], items / 20, 20e-6);
        printf("%10u %10u %16.0f %22.0f\n", threads[i][0], threads[i][1], idle, busy);
    }
    return 0;
}
