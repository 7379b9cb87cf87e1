/*
 * Whole runs in which a call fails. Whatever fails, the run ends, and
 * - either all is copied and the exit status says so, or a line names what was not;
 * - nothing looks complete that is not, and what was there before is the old file or the new one;
 * - no temporary name and no open file is left;
 * - the next run, in which nothing fails, sets all right.
 *
 * The trees are in the working directory, a scratch one of the caller's; one variant at a time.
 */
#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stddef.h>

/* What is at the destination when a run begins. */
enum before { NOTHING, OLD, EQUAL };

/* What is copied onto what, and how. */
struct variant {
    const char *name;
    const char *options; /* besides -a and -q, separated by single spaces */
    enum before before;
    int step;         /* from one call that fails to the next */
    bool two_mounts;  /* m1 and m2, which are one directory */
    bool extras;      /* what is there before has names that the source does not have */
    bool damaged;     /* a file of equal size and mtime has other contents */
    bool overwritten; /* existing files are written over */
    bool dry;         /* nothing is to be changed */
    bool nobody;      /* by another user than root */
    unsigned retries; /* 0: each fault is an error at once */
    unsigned jobs;    /* more than one: calls come in another order each time; 0: one */
};

enum lasting {
    ONCE,
    ITS_KIND, /* all later calls of the same name fail too */
    ALL,      /* all later calls */
    EACH,     /* this call and all later ones, each when it is made for the first time */
};

struct fault {
    int err; /* negative errno, or how many bytes a read or write moves at most */
    enum lasting lasting;
    int step; /* from one call that fails to the next, times that of the variant */
};

extern const struct variant variants[];
extern const size_t variant_count;
extern const struct fault faults[];
extern const size_t fault_count;

/* Makes the trees, in an empty directory. */
void faults_begin(const struct variant *v);

/*
 * A run in which call `n`, from 0, fails, and if need be the next run. True if there was that call,
 * and so it has failed. What is wrong is printed.
 */
bool faults_try(const struct fault *f, int n);

/* Returns how much was wrong since the beginning. The trees are left to the caller. */
unsigned faults_end(void);

#endif
