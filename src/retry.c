#include "pcopy/retry.h"

#include <errno.h>
#include <time.h>

/* Not for programs (include/linux/errno.h), and yet it comes. */
#define ERESTARTSYS 512

/* The longest wait between two tries, in milliseconds. */
#define LONGEST 30000U

#define SLICE 100U

enum pc_error_class pc_retry_class(int err)
{
    switch (-err) {
    case EIO:
    case ETIMEDOUT:
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case EREMOTEIO:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ENOTCONN:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case ENETRESET:
    case ERESTARTSYS: /* of an NFS mount point that is unmounted by force (Linux 6.1) */
        return PC_ERROR_PASSING;
    case ESTALE:
        return PC_ERROR_STALE;
    case ENOSPC:
    case EDQUOT:
        return PC_ERROR_FULL;
    case EACCES:
    case EPERM:
    case EROFS:
        return PC_ERROR_DENIED;
    default:
        return PC_ERROR_LASTING;
    }
}

bool pc_retry_may_pass(int err)
{
    const enum pc_error_class class = pc_retry_class(err);
    return class == PC_ERROR_PASSING || class == PC_ERROR_STALE;
}

/* False if the run has ended meanwhile. */
static bool sleep_for(const struct pc_retry *r, unsigned milliseconds)
{
    while (milliseconds && !atomic_load_explicit(r->stop, memory_order_relaxed)) {
        const unsigned slice = milliseconds < SLICE ? milliseconds : SLICE;
        const struct timespec t = {.tv_nsec = (long)slice * 1000 * 1000};
        nanosleep(&t, NULL);
        milliseconds -= slice;
    }
    return !atomic_load_explicit(r->stop, memory_order_relaxed);
}

bool pc_retry_again(const struct pc_retry *r, int err, unsigned *tried)
{
    const bool full = pc_retry_class(err) == PC_ERROR_FULL && r->wait_when_full;
    unsigned wait = r->wait;

    if (!full && (!pc_retry_may_pass(err) || *tried >= r->tries))
        return false;
    for (unsigned i = 0; i < *tried && wait < LONGEST; i++)
        wait *= 2;
    ++*tried;
    r->retried(r->context, err);
    return sleep_for(r, wait < LONGEST ? wait : LONGEST);
}
