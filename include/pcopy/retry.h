/*
 * retry: which errors may pass, and the wait before the next try.
 */
#ifndef PCOPY_RETRY_H
#define PCOPY_RETRY_H

#include <stdatomic.h>
#include <stdbool.h>

enum pc_error_class {
    PC_ERROR_PASSING, /* a device or a connection in trouble, or memory or descriptors short */
    PC_ERROR_STALE,   /* ESTALE: what was opened is not there any more, its name may be */
    PC_ERROR_FULL,    /* ENOSPC, EDQUOT */
    PC_ERROR_DENIED,  /* EACCES, EPERM, EROFS */
    PC_ERROR_LASTING, /* all others */
    PC_ERROR_CLASSES,
};

/* The class of a negative errno. */
enum pc_error_class pc_retry_class(int err);

/* Whether a negative errno may be gone at the next try; not of a full file system. */
bool pc_retry_may_pass(int err);

/* How it is done; shared by all threads, read-only. */
struct pc_retry {
    unsigned tries;          /* after the first one */
    unsigned wait;           /* milliseconds before the second try; then twice as long each time */
    bool wait_when_full;     /* for room, as often as it takes */
    const atomic_bool *stop; /* ends a wait within a tenth of a second */
    void (*retried)(void *context, int err); /* called before each wait, by any thread */
    void *context;
};

/*
 * Whether what failed with `err` is to be tried once more, and if so, waits. *tried counts, and is
 * 0 before the first try. For errors of writing or flushing the whole file is what is to be tried
 * again: the kernel reports an error of write-back once, and forgets the data (fsync(2)).
 */
bool pc_retry_again(const struct pc_retry *r, int err, unsigned *tried);

#endif
