/*
 * swap [-m] SECONDS A B [A B]...
 *
 * The attacker of the tests on races: exchanges the names A and B of each pair, and back, as fast
 * as it can, until SIGTERM or SECONDS are over. So at half of all moments each name is the other
 * thing: a directory and a symbolic link out of the tree, say. Prints how often it has exchanged.
 *
 * By default both names change in one step (RENAME_EXCHANGE). With -m A is moved away, B to A, and
 * both back: then there are moments at which A does not exist, and others can make one.
 *
 * What the program under test does in between is none of our business: a name that is missing is
 * left for the next time, and what it has put in our way is moved aside, as A.N. At the end every
 * pair that can be is as it was in the beginning.
 */

#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static bool in_the_way(int error)
{
    return error == EEXIST || error == ENOTEMPTY || error == EISDIR || error == ENOTDIR;
}

/* from becomes to; something else that is there is moved aside. */
static bool move(const char *from, const char *to)
{
    static unsigned long number;
    char aside[PATH_MAX];
    for (int tries = 0; tries < 3; tries++) {
        if (rename(from, to) == 0) {
            return true;
        }
        if (!in_the_way(errno)) {
            return false;
        }
        snprintf(aside, sizeof aside, "%s.%lu", to, ++number);
        rename(to, aside);
    }
    return false;
}

static unsigned long exchange_twice(const char *a, const char *b)
{
    unsigned long done = 0;
    for (int i = 0; i < 2; i++) {
        done += renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0;
    }
    return done;
}

static unsigned long move_and_back(const char *a, const char *b)
{
    char away[PATH_MAX];
    snprintf(away, sizeof away, "%s.away", b);
    if (rename(a, away) != 0) {
        return 0;
    }
    bool moved = move(b, a);
    if (moved) {
        move(a, b);
    }
    move(away, a);
    return moved;
}

int main(int argc, char **argv)
{
    bool moving = argc > 1 && strcmp(argv[1], "-m") == 0;
    int first = moving ? 2 : 1;
    if (argc < first + 3 || (argc - first) % 2 != 1) {
        fputs("Usage: swap [-m] SECONDS A B [A B]...\n", stderr);
        return 2;
    }
    /* A test that dies must not leave this behind. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);

    time_t end = time(NULL) + strtol(argv[first], NULL, 10);
    unsigned long done = 0;
    while (stop == 0 && time(NULL) <= end) {
        for (int i = first + 1; i < argc; i += 2) {
            done +=
                moving ? move_and_back(argv[i], argv[i + 1]) : exchange_twice(argv[i], argv[i + 1]);
        }
    }
    printf("%lu\n", done);
    return 0;
}
