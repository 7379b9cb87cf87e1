/*
 * swap [-m] SECONDS A B [A B]...
 *
 * The attacker of the tests on races: exchanges the names A and B of all pairs, one pair after the
 * other, again and again, until SIGTERM or SECONDS are over. At half of all moments a name is the
 * other thing: a symbolic link out of the tree and no directory, say. Prints a line when it begins,
 * and in the end how often it has exchanged.
 *
 * By default both names change in one step (RENAME_EXCHANGE). With -m A is moved away, B to A, and
 * both back: then there are moments at which A does not exist, and others can make one.
 *
 * What the program under test does in between is none of our business: a name that is missing is
 * left for the next time, and what it has put in our way is moved aside, as A.N.
 *
 * A pair may lie below another one. Nothing is renamed through a symbolic link, or this would do
 * itself what it is to prove of others.
 */

#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* Opens the directory of a path, and gives out the name in it. -1: there is none. */
static int open_parent(const char *path, const char **name)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS};
    char parent[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    }
    *name = slash != NULL ? slash + 1 : path;
    return (int)syscall(SYS_openat2, AT_FDCWD, parent, &how, sizeof how);
}

/* renameat2, but not through symbolic links. 0 or -1, as there. */
static int rename_names(const char *from, const char *to, unsigned flags)
{
    const char *from_name;
    const char *to_name;
    int from_dir = open_parent(from, &from_name);
    int to_dir = open_parent(to, &to_name);
    int result = -1;
    int error = ENOENT;
    if (from_dir >= 0 && to_dir >= 0) {
        result = renameat2(from_dir, from_name, to_dir, to_name, flags);
        error = errno;
    }
    if (from_dir >= 0) {
        close(from_dir);
    }
    if (to_dir >= 0) {
        close(to_dir);
    }
    errno = error;
    return result;
}

/* from becomes to; something else that is there is moved aside. */
static bool move(const char *from, const char *to)
{
    static unsigned long number;
    char aside[PATH_MAX];
    for (int tries = 0; tries < 3; tries++) {
        if (rename_names(from, to, RENAME_NOREPLACE) == 0) {
            return true;
        }
        if (errno != EEXIST) {
            return false;
        }
        snprintf(aside, sizeof aside, "%s.%lu", to, ++number);
        rename_names(to, aside, 0);
    }
    return false;
}

static bool exchange(const char *a, const char *b)
{
    return rename_names(a, b, RENAME_EXCHANGE) == 0;
}

static bool move_and_back(const char *a, const char *b)
{
    char away[PATH_MAX];
    snprintf(away, sizeof away, "%s.away", b);
    if (rename_names(a, away, RENAME_NOREPLACE) != 0) {
        return false;
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

    puts("begins");
    fflush(stdout);

    time_t end = time(NULL) + strtol(argv[first], NULL, 10);
    unsigned long done = 0;
    while (stop == 0 && time(NULL) <= end) {
        for (int i = first + 1; i < argc; i += 2) {
            done += moving ? move_and_back(argv[i], argv[i + 1]) : exchange(argv[i], argv[i + 1]);
        }
    }
    printf("%lu\n", done);
    return 0;
}
