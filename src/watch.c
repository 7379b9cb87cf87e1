/*
 * A prober for each path, which may hang for ever, and a watcher, which never does. What they share
 * is under one lock and lives until the last of them is gone: nobody can wait for a prober.
 */
#include "pcopy/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "pcopy/retry.h"
#include "pcopy/sys.h"

struct prober {
    struct pc_watch *w;
    const char *path;
    bool wanted;    /* it is to ask once */
    bool asks;      /* it waits for the answer */
    int err;        /* the last answer was none but this */
    bool silent;    /* too long; that was told */
    time_t since;   /* when it has asked what was not answered yet, */
    time_t settled; /* and when what was answered last */
};

struct pc_watch {
    struct pc_watch_config config;
    pthread_mutex_t lock; /* for all that follows */
    pthread_cond_t changed;
    pthread_t watcher;
    unsigned users; /* threads, and who has started it */
    bool ends;
    struct prober probers[];
};

static time_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Unlocks; the last one frees it. */
static void leave(struct pc_watch *w)
{
    const bool last = --w->users == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void *probe(void *argument)
{
    struct prober *p = argument;
    struct pc_watch *w = p->w;
    struct stat st;

    pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!p->wanted && !w->ends)
            pthread_cond_wait(&w->changed, &w->lock);
        if (w->ends)
            break;
        p->wanted = false;
        p->asks = true;
        if (!p->err)
            p->since = now();
        pthread_mutex_unlock(&w->lock);
        const int err = pc_sys_stat_now((struct pc_handle){AT_FDCWD}, p->path, &st);
        pthread_mutex_lock(&w->lock);
        p->asks = false;
        p->err = pc_retry_may_pass(err) ? err : 0;
        if (!p->err)
            p->settled = p->since;
    }
    leave(w);
    return NULL;
}

/* True if a path has answered what was asked when `p` was silent already. */
static bool others_answer(const struct pc_watch *w, const struct prober *p)
{
    for (unsigned i = 0; i < w->config.count; i++) {
        const struct prober *other = &w->probers[i];
        if (other != p && other->settled > p->since + (time_t)w->config.limit / 2)
            return true;
    }
    return false;
}

/* Under lock, which is given up for the events. */
static void look_at(struct pc_watch *w, unsigned i)
{
    const struct pc_watch_config *config = &w->config;
    struct prober *p = &w->probers[i];
    const bool before = p->silent;
    const bool silent = (p->asks || p->err) && now() - p->since >= (time_t)config->limit;
    const bool others = silent && others_answer(w, p);
    const int err = p->err;
    p->silent = silent;
    p->wanted = !p->asks;
    pthread_mutex_unlock(&w->lock);
    if (silent)
        config->silent(config->context, i, err, !before, others);
    else if (before)
        config->answers(config->context, i);
    pthread_mutex_lock(&w->lock);
}

/* Starts a thread for each path; one that has none is not watched. Under lock. */
static void start_probers(struct pc_watch *w)
{
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    for (unsigned i = 0; i < w->config.count; i++) {
        w->probers[i] = (struct prober){.w = w, .path = w->config.paths[i]};
        if (pthread_create(&thread, &attributes, probe, &w->probers[i]) == 0)
            w->users++;
    }
    pthread_attr_destroy(&attributes);
}

static void *watch(void *argument)
{
    struct pc_watch *w = argument;
    const time_t pause = w->config.limit < 4 ? 1 : (time_t)w->config.limit / 4;
    struct timespec until;

    pthread_mutex_lock(&w->lock);
    start_probers(w);
    for (;;) {
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += pause;
        int err = 0;
        while (!w->ends && err != ETIMEDOUT)
            err = pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until);
        if (w->ends)
            break;
        for (unsigned i = 0; i < w->config.count; i++)
            look_at(w, i);
        pthread_cond_broadcast(&w->changed);
    }
    leave(w);
    return NULL;
}

int pc_watch_start(struct pc_watch **out, const struct pc_watch_config *config)
{
    struct pc_watch *w = calloc(1, sizeof *w + config->count * sizeof(struct prober));
    if (!w)
        return -ENOMEM;
    w->config = *config;
    w->users = 2; /* the watcher, and our caller */
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    const int err = pthread_create(&w->watcher, NULL, watch, w);
    if (err) {
        w->users = 1;
        pthread_mutex_lock(&w->lock);
        leave(w);
        return -err;
    }
    *out = w;
    return 0;
}

void pc_watch_stop(struct pc_watch *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->ends = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->watcher, NULL);
    pthread_mutex_lock(&w->lock);
    leave(w);
}
