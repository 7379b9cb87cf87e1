/* A run under a supervisor, seen from outside: how it ends, and what its processes are given. */
#include "pcopy/failover.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pcopy/report.h"
#include "scratch.h"

static const char *given[] = {"a", "b", "c"};
static int told[2]; /* a pipe from the processes of the run to the test */

/* Runs `body` under a supervisor that the test can wait for. Returns its process. */
static pid_t start(void (*body)(struct pc_options *o))
{
    const char *paths[] = {given[0], given[1], given[2]};
    struct pc_options o = {.mounts = {paths, 3}};
    MUST(pipe(told) == 0);
    const pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        pc_failover_start(&o);
        body(&o);
        _exit(2);
    }
    close(told[1]);
    return pid;
}

/* What was told until all have ended. */
static const char *all_told(void)
{
    static char text[256];
    size_t n = 0;
    ssize_t got;
    while ((got = read(told[0], text + n, sizeof text - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = '\0';
    close(told[0]);
    return text;
}

static int end_of(pid_t pid)
{
    int status;
    MUST(waitpid(pid, &status, 0) == pid);
    return status;
}

static void tell(const char *text)
{
    MUST(write(told[1], text, strlen(text)) >= 0);
}

static _Noreturn void leave_the_middle(struct pc_options *o)
{
    for (unsigned i = 0; i < o->mounts.count; i++)
        tell(o->mounts.paths[i]);
    tell(";");
    if (pc_failover_can_leave(false))
        pc_failover_leave(false, 1);
    _exit(pc_failover_can_leave(true) ? 1 : 7);
}

static void what_hangs_is_left_until_one_is_left(void **state)
{
    (void)state;
    const int status = end_of(start(leave_the_middle));
    assert_string_equal(all_told(), "abc;ac;a;");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static _Noreturn void end_by_force(struct pc_options *o)
{
    (void)o;
    pc_failover_end(PC_STATUS_TIME);
}

static void a_run_ends_whatever_hangs(void **state)
{
    (void)state;
    const int status = end_of(start(end_by_force));
    all_told();
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), PC_STATUS_TIME);
}

static _Noreturn void die(struct pc_options *o)
{
    (void)o;
    raise(SIGKILL);
    _exit(1);
}

static void a_child_that_is_killed_kills_the_supervisor(void **state)
{
    (void)state;
    const int status = end_of(start(die));
    all_told();
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static _Noreturn void wait_for_signals(struct pc_options *o)
{
    sigset_t set;
    siginfo_t info;
    (void)o;
    sigemptyset(&set);
    sigaddset(&set, PC_FAILOVER_SIGNAL);
    tell("ready;");
    for (;;) {
        sigwaitinfo(&set, &info);
        tell(info.si_value.sival_int == SIGUSR1 ? "USR1;" : "TERM;");
    }
}

/* Reads until it is told. */
static void wait_until_told(const char *text)
{
    char got[16] = "";
    size_t n = 0;
    while (n < strlen(text)) {
        const ssize_t read_now = read(told[0], got + n, strlen(text) - n);
        MUST(read_now > 0);
        n += (size_t)read_now;
    }
    assert_string_equal(got, text);
}

static void signals_are_passed_on_and_the_second_ends_all(void **state)
{
    (void)state;
    const pid_t pid = start(wait_for_signals);
    wait_until_told("ready;");
    kill(pid, SIGUSR1);
    wait_until_told("USR1;");
    kill(pid, SIGTERM);
    wait_until_told("TERM;");
    kill(pid, SIGTERM);
    const int status = end_of(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), PC_STATUS_SIGNAL);
    assert_string_equal(all_told(), "");
}

static void a_supervisor_that_is_killed_takes_the_child_along(void **state)
{
    (void)state;
    const pid_t pid = start(wait_for_signals);
    wait_until_told("ready;");
    kill(pid, SIGKILL);
    end_of(pid);
    assert_string_equal(all_told(), ""); /* comes back when nobody has the pipe any more */
}

static void without_a_supervisor_nothing_is_left(void **state)
{
    (void)state;
    assert_false(pc_failover_supervised());
    assert_false(pc_failover_can_leave(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_supervisor_nothing_is_left),
        cmocka_unit_test(what_hangs_is_left_until_one_is_left),
        cmocka_unit_test(a_run_ends_whatever_hangs),
        cmocka_unit_test(a_child_that_is_killed_kills_the_supervisor),
        cmocka_unit_test(signals_are_passed_on_and_the_second_ends_all),
        cmocka_unit_test(a_supervisor_that_is_killed_takes_the_child_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
