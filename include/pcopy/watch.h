/*
 * watch: which mount points answer.
 *
 * The server of a hard mount that falls silent is waited for in the kernel, for ever, by whoever
 * calls; a program learns nothing. So each path has a thread here that asks for its attributes now
 * and then, past all caches, and one more looks at how long they wait for the answer. Of a soft
 * mount the answer is an error, again and again.
 */
#ifndef PCOPY_WATCH_H
#define PCOPY_WATCH_H

#include <stdbool.h>

struct pc_watch;

struct pc_watch_config {
    const char *const *paths; /* must outlive the watch, ... */
    unsigned count;
    unsigned limit; /* seconds without an answer after which a path is silent; at least 1 */
    /*
     * Path `i` is silent: since the limit there was no answer (`err` is 0), or only an error that
     * may pass (pc_retry_may_pass()). While that is so this is called every quarter of the limit;
     * `others` says that another path has answered what was asked half the limit later. By one
     * thread of the watch.
     */
    void (*silent)(void *context, unsigned i, int err, bool first, bool others);
    /* It answers again. */
    void (*answers)(void *context, unsigned i);
    void *context;
};

/* Starts to watch; the configuration is copied. 0, -ENOMEM, or -EAGAIN if there is no thread. */
int pc_watch_start(struct pc_watch **out, const struct pc_watch_config *config);

/*
 * Ends it; NULL is fine. No event comes afterwards. A thread that waits for an answer is left to
 * itself, and with it the paths must stay.
 */
void pc_watch_stop(struct pc_watch *w);

#endif
