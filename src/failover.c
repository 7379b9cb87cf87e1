/*
 * The supervisor's options are the template of each child: fork() copies them, and what hangs is
 * taken out of them. All that a child tells it is which mount point that was, in a page that both
 * have.
 *
 * A child that is killed while it waits for write-back stays until the server answers. So the
 * supervisor waits for its end a moment only.
 */
#include "pcopy/failover.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pcopy/report.h"

/* What a child sends before it is killed. */
#define LEAVES (SIGRTMIN + 3)

/* Seconds that it gets to end then. */
#define PATIENCE 5

/* Why it leaves. */
enum reason { NOTHING, TARGET, SOURCE, STATUS };
struct message {
    atomic_int reason;
    atomic_uint number; /* of the mount point, or the exit status */
};

/* Of the run of this process, if it is supervised. */
static struct message *message;
static const struct pc_options *options;

/* What the supervisor passes on: not what we were started to ignore (nohup). */
static void add_signals(sigset_t *set)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1};
    struct sigaction action;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(set, numbers[i]);
    }
}

/* Ends this process as the child has ended. */
static _Noreturn void end_as(int status)
{
    sigset_t set;
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    signal(WTERMSIG(status), SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, WTERMSIG(status));
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(WTERMSIG(status));
    _exit(PC_STATUS_RUN);
}

/* Returns when the child leaves something behind. If it ends instead, so does this process. */
static void supervise(pid_t child, const sigset_t *signals)
{
    unsigned stops = 0;
    while (atomic_load(&message->reason) == NOTHING) {
        siginfo_t info;
        int status;
        const int number = sigwaitinfo(signals, &info);
        if (number == SIGCHLD) {
            if (waitpid(child, &status, WNOHANG) == child &&
                atomic_load(&message->reason) == NOTHING)
                end_as(status);
        } else if (number > 0 && number != LEAVES) {
            if (number != SIGUSR1 && stops++) {
                kill(child, SIGKILL);
                _exit(PC_STATUS_SIGNAL);
            }
            sigqueue(child, PC_FAILOVER_SIGNAL, (union sigval){.sival_int = number});
        }
    }
    if (atomic_load(&message->reason) == STATUS)
        _exit((int)atomic_load(&message->number));
}

/* Sees to it that the child ends, if it can. */
static void wait_for_end(pid_t child)
{
    const struct timespec tenth = {.tv_nsec = 100L * 1000 * 1000};
    kill(child, SIGKILL);
    for (unsigned i = 0; i < 10 * PATIENCE && waitpid(child, NULL, WNOHANG) == 0; i++)
        nanosleep(&tenth, NULL);
}

/* Takes what hangs out of the options. */
static void take_out(struct pc_options *o)
{
    const bool source = atomic_load(&message->reason) == SOURCE;
    const unsigned i = atomic_load(&message->number);
    struct pc_mount_list *list = source ? &o->source_mounts : &o->mounts;
    list->count--;
    memmove(list->paths + i, list->paths + i + 1, (list->count - i) * sizeof *list->paths);
}

void pc_failover_start(struct pc_options *o)
{
    const pid_t supervisor = getpid();
    sigset_t before;
    sigset_t all;

    void *page =
        mmap(NULL, sizeof *message, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return;
    message = page;
    options = o;
    sigemptyset(&all);
    sigaddset(&all, SIGCHLD);
    sigaddset(&all, LEAVES);
    add_signals(&all);
    sigaddset(&all, PC_FAILOVER_SIGNAL); /* blocked in the child from its beginning */
    sigprocmask(SIG_BLOCK, &all, &before);
    for (;;) {
        atomic_store(&message->reason, NOTHING);
        const pid_t child = fork();
        if (child < 0) {
            message = NULL;
            sigprocmask(SIG_SETMASK, &before, NULL);
            return;
        }
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != supervisor) /* it has ended before that */
                _exit(PC_STATUS_RUN);
            return;
        }
        supervise(child, &all);
        wait_for_end(child);
        take_out(o);
    }
}

bool pc_failover_supervised(void)
{
    return message;
}

void pc_failover_add_signals(sigset_t *set)
{
    if (message) /* all processes of a terminal get them: this one is told by the supervisor */
        sigaddset(set, PC_FAILOVER_SIGNAL);
    else
        add_signals(set);
}

bool pc_failover_can_leave(bool source)
{
    if (!message)
        return false;
    const struct pc_mount_list *list = source ? &options->source_mounts : &options->mounts;
    /* A list that came from standard input cannot be read again. */
    return list->count > 1 && !(options->files_from && strcmp(options->files_from, "-") == 0);
}

/* Tells the supervisor, and waits to be killed. */
static _Noreturn void leave(enum reason reason, unsigned number)
{
    atomic_store(&message->number, number);
    atomic_store(&message->reason, reason);
    kill(getppid(), LEAVES);
    for (;;)
        pause();
}

_Noreturn void pc_failover_leave(bool source, unsigned i)
{
    leave(source ? SOURCE : TARGET, i);
}

_Noreturn void pc_failover_end(int status)
{
    if (message)
        leave(STATUS, (unsigned)status);
    _exit(status);
}
