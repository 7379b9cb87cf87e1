/*
 * report: all that pcopy says, what it counts, and the exit status that follows from it.
 *
 * Errors and progress go to standard error, names (-v) and the summary to standard output; but for
 * progress all of it goes to a log file as well.
 * All functions but new and free may be called by any number of threads.
 */
#ifndef PCOPY_REPORT_H
#define PCOPY_REPORT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "pcopy/retry.h"

/* Exit status, with rsync's numbers. */
enum pc_status {
    PC_STATUS_DONE = 0,
    PC_STATUS_USAGE = 1,
    PC_STATUS_REFUSED = 3, /* source or destination, before anything was written */
    PC_STATUS_RUN = 11,    /* the run as a whole failed */
    PC_STATUS_SIGNAL = 20,
    PC_STATUS_PARTIAL = 23, /* some entries failed */
    PC_STATUS_VANISHED = 24,
    PC_STATUS_DELETIONS = 25, /* some were not made: --max-delete */
    PC_STATUS_TIME = 30,      /* it was over: --stop-after, --stop-at */
};

/* What may be found in a run that gets to its end, as bits. */
enum pc_finding {
    PC_FINDING_ERRORS = 1,
    PC_FINDING_VANISHED = 2,
    PC_FINDING_CHANGED = 4,
    PC_FINDING_DELETIONS = 8, /* that --max-delete has kept from being made */
    PC_FINDING_LOST = 16,
    PC_FINDINGS = 15, /* those that matter if nobody says which: all but the last */
};

enum pc_count {
    PC_COUNT_FILES,
    PC_COUNT_DIRS,
    PC_COUNT_SYMLINKS,
    PC_COUNT_LINKS,
    PC_COUNT_SPECIALS,
    PC_COUNT_BYTES,
    PC_COUNT_SKIPPED,
    PC_COUNT_MENDED, /* metadata was set, the rest was equal */
    PC_COUNT_DELETED,
    PC_COUNT_DIFFERS, /* found by verification */
    PC_COUNT_VANISHED,
    PC_COUNT_CHANGED, /* while they were read */
    PC_COUNT_ERRORS,
    PC_COUNT_LOST,    /* what the destination could not keep all of */
    PC_COUNT_RETRIES, /* by pc_error_class, as are these: */
    PC_COUNT_FAILED = PC_COUNT_RETRIES + PC_ERROR_CLASSES,
    PC_COUNTS = PC_COUNT_FAILED + PC_ERROR_CLASSES /* how many there are */
};

/* The counters of one thread, on cache lines of their own. */
struct pc_counters {
    alignas(64) atomic_uint_fast64_t count[PC_COUNTS];
};

struct pc_report;

/* How changes are printed. */
enum pc_changes {
    PC_CHANGES_NONE,
    PC_CHANGES_ITEMIZED, /* as rsync does it: eleven letters and the path */
    PC_CHANGES_JSON,     /* an object in a line */
    PC_CHANGES_NAMES,    /* paths, a NUL byte behind each */
};

/* What is to be said. */
struct pc_report_config {
    unsigned threads; /* that count */
    bool quiet;       /* only what matters */
    bool verbose;     /* names, too */
    bool summary;     /* at the end, on standard output */
    bool verdict;     /* at the end, on standard error, if the exit status is not 0: in one line */
    bool dry;         /* what is counted was not done */
    bool check;       /* files are checked, not copied */
    enum pc_changes changes;
    unsigned fail_on; /* pc_finding bits: these make the exit status one that is not 0 */
};

/* Makes a report, and starts the clock of its rates. 0 or -ENOMEM. */
int pc_report_new(struct pc_report **out, const struct pc_report_config *config);
void pc_report_free(struct pc_report *r);

/*
 * From now on appends each line on standard error, names, changes and the summary to the file
 * `path`, which is made with `mode`, whatever `quiet` says: a line by one write, with the local
 * time before it. Returns 0 or -errno. A write that fails is told once, and a failure of the run.
 */
int pc_report_log(struct pc_report *r, const char *path, mode_t mode);

/* Adds `n` to a counter of thread number `thread`. */
void pc_report_count(struct pc_report *r, unsigned thread, enum pc_count which, uint64_t n);

/*
 * One line on standard error: "pcopy: cannot OPERATION 'PATH': WHY". `why` NULL stands for the text
 * of `err` (negative errno). Does not count. Returns false, and says nothing, if that was said
 * before in this run.
 */
bool pc_report_error(struct pc_report *r, const char *operation, const char *path, int err,
                     const char *why);

/* One line on standard error that is no error of an entry: "pcopy: ..." as by printf(3). */
__attribute__((format(printf, 2, 3))) void pc_report_note(struct pc_report *r, const char *format,
                                                          ...);

/* As pc_report_error(); but if `quiet` and nobody is to fail on `finding` only in the log. */
bool pc_report_finding(struct pc_report *r, enum pc_finding finding, const char *operation,
                       const char *path, int err, const char *why);

/* As pc_report_note(), for advice and the like: if `quiet` only in the log. */
__attribute__((format(printf, 2, 3))) void pc_report_hint(struct pc_report *r, const char *format,
                                                          ...);

/* With `verbose`: the name of an entry that was copied, on standard output. */
void pc_report_entry(struct pc_report *r, const char *path);

/* Something that was changed, or would be. */
struct pc_change {
    const char *path;   /* relative */
    mode_t type;        /* S_IFMT bits of the source, or of what is removed */
    unsigned diffs;     /* pc_diff bits */
    bool due;           /* it was copied, not only its metadata set */
    bool link;          /* it is a hard link to `target` */
    const char *target; /* of a link, else NULL */
};

/* A line for it on standard output, in the form that was asked for, or nothing. */
void pc_report_change(struct pc_report *r, const struct pc_change *change);

/*
 * What differed, and something did, in words, in `text` of `size` bytes: "its size and mtime
 * differed".
 */
void pc_report_differences(unsigned diffs, char *text, size_t size);

/* The sum of a counter. */
uint64_t pc_report_total(const struct pc_report *r, enum pc_count which);

/* A JSON string for `text`, quotes and all; bytes that are not UTF-8 as lone surrogates U+DCxx. */
void pc_report_json(FILE *out, const char *text);

/* `text` on standard output, as it is; PC_STATUS_RUN if it cannot be written. */
enum pc_status pc_report_print(struct pc_report *r, const char *text);

/* True if pc_report_progress() is wanted: standard error is a terminal, and not `quiet`. */
bool pc_report_has_progress(const struct pc_report *r);

/* Writes the progress line over the one before; not in the background of a terminal. */
void pc_report_progress(struct pc_report *r);

/*
 * One line on standard error with all counts and rates so far, `quiet` or not:
 * "pcopy: ACTIVITY: 12 files, ...".
 */
void pc_report_state(struct pc_report *r, const char *activity);

/*
 * Ends the report: summary, verdict, and the exit status. `status` is what the caller knows: what
 * ended the run early, which takes precedence over all else; PC_STATUS_PARTIAL or
 * PC_STATUS_DELETIONS; or PC_STATUS_DONE. The graver one of it and of what the counters say is
 * returned, counters only as far as `fail_on` has them. What cannot be written is a failure of the
 * run.
 */
enum pc_status pc_report_end(struct pc_report *r, enum pc_status status);

#endif
