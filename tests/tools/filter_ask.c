/*
 * filter_ask [+PATTERN | -PATTERN]...: which paths do these rules leave?
 *
 * Lets the module filter be compared with rsync. Reads paths from stdin, each ended by a NUL and
 * directories also by a slash, every directory before what is in it. Leaves out what is excluded or
 * below a directory that is, as a walk would, and prints the rest, one a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcopy/filter.h"

static int fail(const char *what)
{
    fprintf(stderr, "filter_ask: %s\n", what);
    return 2;
}

int main(int argc, char **argv)
{
    static struct pc_filter *f; /* where a leak checker finds it after an error */
    if (pc_filter_new(&f) != 0)
        return fail("no memory");
    for (int i = 1; i < argc; i++) {
        if (*argv[i] != '+' && *argv[i] != '-')
            return fail("a rule begins with + or -");
        if (pc_filter_add(f, *argv[i] == '+', argv[i] + 1) != 0) {
            fprintf(stderr, "filter_ask: the rule '%s' is refused\n", argv[i]);
            return 2;
        }
    }

    char *path = NULL;
    size_t room = 0;
    char *pruned = NULL; /* the last directory that is excluded, with its slash */
    while (getdelim(&path, &room, '\0', stdin) > 1) {
        if (pruned && strncmp(path, pruned, strlen(pruned)) == 0)
            continue;
        char *const last = &path[strlen(path) - 1];
        const bool directory = *last == '/';
        if (directory)
            *last = '\0';
        const bool excluded = pc_filter_excludes(f, path, directory);
        if (directory)
            *last = '/';
        if (!excluded) {
            puts(path);
        } else if (directory) {
            free(pruned);
            pruned = strdup(path);
            if (!pruned)
                return fail("no memory");
        }
    }
    free(pruned);
    free(path);
    pc_filter_free(f);
    return 0;
}
