/*
 * options: the command line to one validated struct, which nobody changes afterwards.
 */
#ifndef PCOPY_OPTIONS_H
#define PCOPY_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "pcopy/compare.h"
#include "pcopy/data.h"
#include "pcopy/filter.h"
#include "pcopy/meta.h"

#define PC_MAX_JOBS    1024
#define PC_MAX_WALKERS 64

/* When the destination is told to make data stable; a network file system is told for each file. */
enum pc_fsync {
    PC_FSYNC_NONE, /* never */
    PC_FSYNC_END,  /* each destination file system once, before exit 0 */
    PC_FSYNC_FILE, /* each file, and as PC_FSYNC_END */
};

/* What is done when there is no room left at the destination. */
enum pc_on_full {
    PC_ON_FULL_STOP, /* the run ends */
    PC_ON_FULL_WAIT, /* for room */
    PC_ON_FULL_SKIP, /* an error of the entry */
};

/* A list of mount points. */
struct pc_mount_list {
    const char **paths;
    unsigned count; /* 0: the option was not given */
};

struct pc_options {
    const char **sources;               /* SRC operands, at least one unless `check_against` */
    const char *target;                 /* DST, or the DIR of -t */
    struct pc_mount_list mounts;        /* -m: through which the target is written */
    struct pc_mount_list source_mounts; /* -M: through which the sources are read */
    struct pc_filter *filter;           /* what is left out; owned; may have no rule */
    const char *files_from;             /* list of names to copy, or NULL for all */
    const char *checksum_file;          /* list to write, or NULL */
    const char *log_file;               /* or NULL */
    const char *check_against; /* list to check `target` against, in place of copying; or NULL */
    size_t min_size;           /* bytes; the filter knows */
    size_t max_size;
    size_t max_delete;   /* deletions; SIZE_MAX: any number */
    size_t queue_size;   /* entries */
    size_t buffer_size;  /* bytes, per copy thread */
    size_t split_size;   /* bytes; 0: no file is split */
    const char *bwlimit; /* as pc_limit_new() takes them, or NULL */
    const char *iops_limit;
    const char *journal; /* file, or NULL */
    char **identity;     /* what makes a run the same as one before, NULL behind the last; owned */
    size_t identity_count;
    struct timespec stop_after; /* of CLOCK_MONOTONIC, when the run is to end; 0: never */
    struct timespec stop_at;    /* of CLOCK_REALTIME, likewise */
    unsigned source_count;
    unsigned jobs;             /* 0: to be chosen by file system */
    unsigned walkers;          /* 0: likewise */
    unsigned retries;          /* of what may pass, or changes while it is read */
    unsigned retry_wait;       /* seconds before the first of them */
    unsigned stall_time;       /* seconds without an answer after which a mount hangs; 0: never */
    unsigned max_delete_share; /* no deletion if they are more than so many percent; 0: any share */
    unsigned verify_rounds;    /* at most */
    unsigned fail_on;          /* pc_finding bits that make the exit status one that is not 0 */
    enum pc_fsync fsync;
    enum pc_on_full on_full;
    enum pc_when reflink;
    enum pc_when sparse;
    struct pc_keep keep; /* with the ids and the umask of the process */
    struct pc_rule rule; /* which existing files are due */
    bool into;           /* sources land inside the target: -t, or several of them */
    bool allow_rootfs;   /* mount points may be on the root file system */
    bool explain;        /* say what would be done with the mount points, do nothing */
    bool json;           /* and say it in JSON; with `verify_only` the differences */
    bool nul;            /* lists that are read, and names that are written, end with NUL */
    bool strict;         /* what cannot be kept is an error */
    bool one_file_system;
    bool force;         /* replace directories by others and the reverse */
    bool keep_dirlinks; /* take symbolic links to directories at the destination for directories */
    bool inplace;       /* write over existing files */
    bool atomic;        /* new files under a temporary name first */
    bool preallocate;   /* space is reserved before data */
    bool delete;        /* at the destination, what the source does not have */
    bool delete_excluded; /* and what the filter excludes */
    bool observe;         /* -n or --verify-only: nothing is changed */
    bool itemize;         /* print what is changed */
    bool verify_only;     /* what would be changed is a difference */
    bool verify;          /* a second pass */
    bool verify_data;     /* that compares contents */
    bool verbose;
    bool quiet;
};

enum pc_request {
    PC_REQUEST_RUN,
    PC_REQUEST_HELP,
    PC_REQUEST_VERSION,
    PC_REQUEST_REFUSED, /* `problem` says why */
};

/*
 * Reads the command line. With PC_REQUEST_RUN *o is filled, points into argv (where a list of mount
 * points is cut up), and is to be freed with pc_options_free(). With PC_REQUEST_REFUSED `problem`
 * (of `size` bytes) holds one line without a newline. Not thread-safe, for it uses getopt_long(3);
 * permutes argv.
 */
enum pc_request pc_options_parse(int argc, char **argv, struct pc_options *o, char *problem,
                                 size_t size);
void pc_options_free(struct pc_options *o);

/* The text of --help. The string is the caller's to free; NULL when there is no memory. */
char *pc_options_help(void);

#endif
