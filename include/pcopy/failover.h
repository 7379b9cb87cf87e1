/*
 * failover: a run that can leave a mount point behind.
 *
 * Who hangs in a call to a silent server can be freed by nothing: not to do something else, and if
 * it waits for write-back not even by SIGKILL. So where mount points are listed the copy runs in a
 * child of a supervisor that never touches them. When one hangs the child is killed, and a new one
 * goes on without it: what is complete is skipped, temporary names are swept, and with a journal
 * finished directories are not looked at. That is what somebody at a terminal would do, and what
 * every other property of a copy is made for.
 *
 * For the shell the two are one: the supervisor passes signals on, ends as the child has ended, and
 * takes it along when it is killed.
 */
#ifndef PCOPY_FAILOVER_H
#define PCOPY_FAILOVER_H

#include <signal.h>
#include <stdbool.h>

#include "pcopy/options.h"

/* A signal that the supervisor got; which one is in si_value (sigqueue(3)). */
#define PC_FAILOVER_SIGNAL (SIGRTMIN + 2)

/*
 * Begins the supervision of a run. Returns in the child that is to copy, where SIGINT, SIGTERM,
 * SIGHUP and SIGUSR1 are blocked and come as PC_FAILOVER_SIGNAL; with what has hung before taken
 * out of `o`, whose arguments must not have been used yet. In the supervisor it does not return,
 * but ends the process. Without memory or a process to be had it returns unsupervised. The process
 * must have one thread.
 */
void pc_failover_start(struct pc_options *o);

/* Whether this process has a supervisor. */
bool pc_failover_supervised(void);

/*
 * Adds to a set the signals that are for the run: SIGINT, SIGTERM, SIGHUP and SIGUSR1, but those
 * that the process was started to ignore, as by nohup; under a supervisor, to which these go, what
 * they come as.
 */
void pc_failover_add_signals(sigset_t *set);

/* Whether a mount point of the source, or of the destination, can be left: not the last one. */
bool pc_failover_can_leave(bool source);

/*
 * Leaves mount point `i` where that can be: this process ends here, and another one goes on. What
 * that one needs, as the lock of the journal, must be free.
 */
_Noreturn void pc_failover_leave(bool source, unsigned i);

/* Ends the run with an exit status, whatever hangs. */
_Noreturn void pc_failover_end(int status);

#endif
