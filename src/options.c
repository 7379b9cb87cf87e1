#include "pcopy/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pcopy/report.h"
#include "pcopy/when.h"

/* Options without a letter, behind the characters. */
enum {
    WALKERS = 256,
    ALLOW_ROOTFS,
    EXPLAIN,
    JSON,
    PRESERVE,
    NO_PRESERVE,
    FSYNC,
    QUEUE_SIZE,
    BUFFER_SIZE,
    FORCE,
    KEEP_DIRLINKS,
    INPLACE,
    ATOMIC,
    RETRIES,
    RETRY_WAIT,
    STALL_TIME,
    ON_FULL,
    STRICT,
    EXCLUDE,
    INCLUDE,
    EXCLUDE_FROM,
    INCLUDE_FROM,
    MIN_SIZE,
    MAX_SIZE,
    NEWER_THAN,
    OLDER_THAN,
    FILES_FROM,
    SIZE_ONLY,
    IGNORE_EXISTING,
    EXISTING,
    IGNORE_NON_EXISTING,
    DELETE,
    DELETE_EXCLUDED,
    MAX_DELETE,
    VERIFY,
    VERIFY_ROUNDS,
    VERIFY_ONLY,
    COMPARE,
    CHECKSUM_FILE,
    CHECK_AGAINST,
    SPLIT_SIZE,
    REFLINK,
    SPARSE,
    PREALLOCATE,
    BWLIMIT,
    IOPS_LIMIT,
    JOURNAL,
    STOP_AFTER,
    STOP_AT,
    LOG_FILE,
    FAIL_ON,
    VERSION
};

/*
 * The one table: getopt's tables and --help are made from it, and from --help the completions
 * (scripts/completions.awk says what these take from an argument and a text).
 */
static const struct {
    int id; /* the letter, if it has one */
    const char *name;
    const char *argument; /* in brackets if it may be left out; in small letters the only word */
    const char *help;
} TABLE[] = {
    {'j', "jobs", "N",
     "copy threads, 1 to 1024 (default: 64 if the source or\n"
     "destination is on a network file system, else one for\n"
     "each processor, at least 2)"},
    {WALKERS, "walkers", "N",
     "threads that read source directories, 1 to 64\n"
     "(default: 8 if a source is on a network file system,\n"
     "else 1)"},
    {'m', "mounts", "A,B,...",
     "mount points of one export; DST is relative to each,\n"
     "files go round-robin over them; may be repeated"},
    {'M', "source-mounts", "A,B,...",
     "the same for SRC: mount points of one export that is\n"
     "read; SRC is relative to each"},
    {ALLOW_ROOTFS, "allow-rootfs", NULL,
     "allow mount points of -m and -M to be on the root file\n"
     "system, where nothing is mounted"},
    {'t', "target-directory", "DIR", "each SRC lands at DIR/basename"},
    {'a', "archive", NULL, "keep everything: same as --preserve=all"},
    {'p', NULL, NULL, "same as --preserve=mode,ownership,timestamps"},
    {PRESERVE, "preserve", "LIST",
     "also keep: mode, ownership, timestamps, links, acl,\n"
     "xattr, all (default: mode,timestamps,links)"},
    {NO_PRESERVE, "no-preserve", "LIST", "do not keep these"},
    {STRICT, "strict", NULL,
     "what the destination cannot keep of an entry is an error,\n"
     "not a note"},
    {'x', "one-file-system", NULL, "do not go into other file systems below SRC"},
    {FORCE, "force", NULL,
     "replace directories by files and files by directories;\n"
     "removes what is in them"},
    {KEEP_DIRLINKS, "keep-dirlinks", NULL,
     "take a symbolic link to a directory at the destination\n"
     "for a directory"},
    {INPLACE, "inplace", NULL, "write over existing files instead of replacing them"},
    {ATOMIC, "atomic", NULL, "new files too get their names when they are complete"},
    {RETRIES, "retries", "N",
     "of what fails for a reason that may pass, or changes\n"
     "while it is read (default 2)"},
    {RETRY_WAIT, "retry-wait", "SECONDS",
     "before trying again; then twice as long each time\n"
     "(default 1)"},
    {STALL_TIME, "stall-time", "SECONDS",
     "without an answer: go on without that mount point\n"
     "(default 60; 0: wait for it)"},
    {ON_FULL, "on-full", "WHAT",
     "if the destination is full: stop (default), wait (for\n"
     "room), skip (what does not fit)"},
    {EXCLUDE, "exclude", "PATTERN",
     "leave out what matches, in rsync's patterns; the first\n"
     "match of these four options decides"},
    {INCLUDE, "include", "PATTERN", "do not leave out what matches"},
    {EXCLUDE_FROM, "exclude-from", "FILE", "the same for each line of FILE, - for standard input"},
    {INCLUDE_FROM, "include-from", "FILE", "likewise"},
    {MIN_SIZE, "min-size", "SIZE", "leave out smaller files"},
    {MAX_SIZE, "max-size", "SIZE", "leave out larger files"},
    {NEWER_THAN, "newer-than", "WHEN",
     "leave out what was not modified after WHEN: a duration\n"
     "before now (3d, 12h), a date, or a file's mtime"},
    {OLDER_THAN, "older-than", "WHEN", "leave out what was not modified before"},
    {FILES_FROM, "files-from", "FILE",
     "copy only the names in FILE, relative to SRC; - for\n"
     "standard input"},
    {'0', "null", NULL,
     "names of --files-from and pattern files end with NUL, as\n"
     "do those that --verify-only prints"},
    {'c', "checksum", NULL, "skip files of equal size and contents"},
    {SIZE_ONLY, "size-only", NULL, "skip files of equal size"},
    {'I', "ignore-times", NULL, "skip no files"},
    {'u', "update", NULL, "skip files that are newer at the destination"},
    {IGNORE_EXISTING, "ignore-existing", NULL, "skip all that exists at the destination"},
    {EXISTING, "existing", NULL, "skip all that does not exist at the destination"},
    {IGNORE_NON_EXISTING, "ignore-non-existing", NULL, "same as --existing"},
    {DELETE, "delete", NULL, "remove from the destination what is not in the source"},
    {DELETE_EXCLUDED, "delete-excluded", NULL, "and what is left out"},
    {MAX_DELETE, "max-delete", "N",
     "remove no more than N entries; with N% none, if they are\n"
     "more than that share"},
    {'n', "dry-run", NULL, "change nothing, say what would be done"},
    {'i', "itemize-changes", NULL, "print a line for each change, as rsync does"},
    {VERIFY, "verify", "[checksum]",
     "a second pass that copies again what differs; with\n"
     "checksum it compares contents"},
    {VERIFY_ROUNDS, "verify-rounds", "N", "passes of --verify until nothing differs (default 2)"},
    {VERIFY_ONLY, "verify-only", NULL,
     "change nothing, print what differs; exit 23 if something\n"
     "does"},
    {COMPARE, "compare", NULL, "same as --verify-only"},
    {CHECKSUM_FILE, "checksum-file", "FILE",
     "write the XXH3-128 of each file to FILE while copying,\n"
     "for xxhsum -c; - for standard output"},
    {CHECK_AGAINST, "check-against", "FILE",
     "copy nothing: check the files of the one operand against\n"
     "such a list"},
    {FSYNC, "fsync", "WHEN",
     "make data stable: none, end (default: before exit 0),\n"
     "file (each file); files on network file systems always"},
    {SPLIT_SIZE, "split-size", "SIZE",
     "files above it are copied by several threads at once, in\n"
     "ranges over all mount points (default 64M; 0: none)"},
    {REFLINK, "reflink", "[WHEN]",
     "share blocks of files within a file system: auto (the\n"
     "default), always (also if WHEN is left out), never"},
    {SPARSE, "sparse", "WHEN",
     "make holes: auto (default: those of the source), always\n"
     "(for zeros), never"},
    {PREALLOCATE, "preallocate", NULL, "reserve the space of each file before its data"},
    {BWLIMIT, "bwlimit", "RATE",
     "bytes a second of all threads together: a number, a\n"
     "schedule (08:00-18:00=50M,else=0), or @FILE that has one"},
    {IOPS_LIMIT, "iops-limit", "N", "the same for entries made and blocks written"},
    {JOURNAL, "journal", "FILE",
     "note in FILE what is finished; the same command goes on\n"
     "there if it was ended before"},
    {STOP_AFTER, "stop-after", "DURATION",
     "end the run cleanly after so many minutes, or 90s, 12h,\n"
     "3d: exit 30"},
    {STOP_AT, "stop-at", "TIME", "likewise at a date, or the next time that it is 23:59"},
    {FAIL_ON, "fail-on", "LIST",
     "what makes the exit status not 0: errors, vanished,\n"
     "changed, deletions, lost, none (default: the first four;\n"
     "lost is what could not be kept)"},
    {QUEUE_SIZE, "queue-size", "N", "entries between walkers and copy threads (default 8K)"},
    {BUFFER_SIZE, "buffer-size", "SIZE", "bytes of each copy thread's buffer (default 512K)"},
    {EXPLAIN, "explain", NULL,
     "say what each mount point can do and what pcopy will do\n"
     "about it; copy nothing"},
    {JSON, "json", NULL, "with --explain, --verify-only, --check-against: in JSON"},
    {'v', "verbose", NULL, "print each entry that is copied"},
    {'q', "quiet", NULL, "print only what went wrong, nothing on success"},
    {LOG_FILE, "log-file", "FILE", "append all that is said to FILE, with the time, even if -q"},
    {'h', "help", NULL, "print this and exit"},
    {VERSION, "version", NULL, "print the version and exit"},
};

#define OPTIONS (sizeof TABLE / sizeof TABLE[0])

char *pc_options_help(void)
{
    char *text = NULL;
    size_t length;
    FILE *f = open_memstream(&text, &length);
    if (!f)
        return NULL;
    fprintf(f,
            "Usage: pcopy [OPTION]... SRC... DST\n"
            "       pcopy [OPTION]... -t DIR SRC...\n"
            "       pcopy [OPTION]... --check-against=FILE TREE\n"
            "Copy files and directory trees with many threads over several mount points.\n"
            "\n"
            "The contents of a directory SRC become DST, whether DST exists or not. Several SRC,\n"
            "or -t: each lands at DIR/basename. A file lands inside an existing directory DST.\n"
            "\n");
    for (size_t i = 0; i < OPTIONS; i++) {
        char names[64];
        const bool optional = TABLE[i].argument && *TABLE[i].argument == '[';
        char letter[8] = "    ";
        if (TABLE[i].id < 256)
            snprintf(letter, sizeof letter, "-%c%s ", TABLE[i].id, TABLE[i].name ? "," : "");
        snprintf(names, sizeof names, "%s%s%s%s%s", letter, TABLE[i].name ? "--" : "",
                 TABLE[i].name ? TABLE[i].name : "",
                 TABLE[i].argument && !optional ? "="
                 : optional                     ? "[="
                                                : "",
                 TABLE[i].argument ? TABLE[i].argument + optional : "");
        fprintf(f, "  %-28s", names);
        for (const char *c = TABLE[i].help; *c; c++)
            *c == '\n' ? fprintf(f, "\n%30s", "") : fputc(*c, f);
        fputc('\n', f);
    }
    fprintf(
        f, "\n"
           "N and SIZE take the suffixes K, M and G (powers of 1024).\n"
           "Exit status: 0 all done, 1 usage, 3 source or destination refused, 11 the run failed,\n"
           "20 ended by a signal, 23 some entries failed or differ, 24 some vanished or changed\n"
           "while we read, 25 --max-delete kept some from being removed, 30 time was over.\n");
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Where a refusal is written to. */
struct problem {
    char *text;
    size_t size;
};

/* Says what is wrong. Returns false, for the caller to return. */
__attribute__((format(printf, 2, 3))) static bool refuse(struct problem *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, p->size, format, args);
    va_end(args);
    return false;
}

/* A number with an optional suffix K, M or G, from `low` to `high`. */
static bool parse_number(const char *option, const char *text, size_t low, size_t high, size_t *out,
                         struct problem *p)
{
    static const char suffixes[] = "KMG";
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    bool good = end != text && text[0] >= '0' && text[0] <= '9' && errno == 0;
    unsigned shift = 0;
    if (good && *end) {
        const char upper = (char)(*end & ~0x20);
        const char *suffix = strchr(suffixes, upper);
        good = suffix && upper && end[1] == '\0';
        shift = good ? 10 * (unsigned)(suffix - suffixes + 1) : 0;
    }
    if (!good || n > SIZE_MAX >> shift || n << shift < low || n << shift > high)
        return refuse(p, "%s takes a number from %zu to %zu, not '%s'", option, low, high, text);
    *out = (size_t)(n << shift);
    return true;
}

/* A list of things to keep, or not to. */
static bool parse_keep(const char *list, bool value, struct pc_keep *keep, struct problem *p)
{
    const struct {
        const char *name;
        bool *flag;
    } known[] = {
        {"mode", &keep->mode},   {"ownership", &keep->owner}, {"timestamps", &keep->times},
        {"links", &keep->links}, {"acl", &keep->acl},         {"xattr", &keep->xattr},
    };
    const size_t count = sizeof known / sizeof known[0];
    do {
        const size_t length = strcspn(list, ",");
        const bool all = length == 3 && strncmp(list, "all", 3) == 0;
        bool found = all;
        for (size_t i = 0; i < count; i++) {
            if (all ||
                (strlen(known[i].name) == length && strncmp(list, known[i].name, length) == 0)) {
                *known[i].flag = value;
                found = true;
            }
        }
        if (!found)
            return refuse(p,
                          "'%.*s' cannot be preserved; known are mode, ownership, timestamps, "
                          "links, acl, xattr, all",
                          (int)length, list);
        list += length;
    } while (*list++ == ',');
    return true;
}

/* One of three words, which stand for the values 0, 1, 2 of an enumeration. */
static bool parse_word(const char *option, const char *const words[3], const char *text,
                       unsigned *out, struct problem *p)
{
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return true;
        }
    }
    return refuse(p, "%s takes %s, %s or %s, not '%s'", option, words[0], words[1], words[2], text);
}

/* --reflink and --sparse. */
static bool parse_choice(const char *option, const char *text, enum pc_when *out, struct problem *p)
{
    static const char *const words[] = {"auto", "always", "never"};
    unsigned n = 0;
    if (!parse_word(option, words, text, &n, p))
        return false;
    *out = (enum pc_when)n;
    return true;
}

static bool parse_fsync(const char *text, enum pc_fsync *out, struct problem *p)
{
    static const char *const words[] = {"none", "end", "file"};
    unsigned n = 0;
    if (!parse_word("--fsync", words, text, &n, p))
        return false;
    *out = (enum pc_fsync)n;
    return true;
}

static bool parse_on_full(const char *text, enum pc_on_full *out, struct problem *p)
{
    static const char *const words[] = {"stop", "wait", "skip"};
    unsigned n = 0;
    if (!parse_word("--on-full", words, text, &n, p))
        return false;
    *out = (enum pc_on_full)n;
    return true;
}

/* One -m or -M: cuts its argument into paths, in place. */
static bool parse_mounts(char letter, char *list, struct pc_mount_list *mounts, struct problem *p)
{
    for (char *path = list; path; path = list) {
        list = strchr(path, ',');
        if (list)
            *list++ = '\0';
        if (*path == '\0')
            return refuse(p, "-%c takes mount points separated by commas; one of them is empty",
                          letter);
        for (size_t end = strlen(path); end > 1 && path[end - 1] == '/'; end--)
            path[end - 1] = '\0'; /* the same path with and without a slash at its end is one */
        for (unsigned i = 0; i < mounts->count; i++) {
            if (strcmp(mounts->paths[i], path) == 0)
                return refuse(p, "the mount point '%s' is given twice", path);
        }
        mounts->paths[mounts->count++] = path;
    }
    return true;
}

/* The name of a file, "-" for a standard stream. */
static bool parse_file(const char *option, const char **out, struct problem *p)
{
    *out = optarg;
    return *optarg || refuse(p, "%s takes the name of a file, which is empty", option);
}

/* --max-delete: a number or a share. */
static bool parse_max_delete(char *text, struct pc_options *o, struct problem *p)
{
    const size_t length = strlen(text);
    size_t n = 0;
    const bool share = length && text[length - 1] == '%';
    if (share)
        text[length - 1] = '\0';
    if (!parse_number("--max-delete", text, 0, share ? 100 : SIZE_MAX / 2, &n, p))
        return false;
    o->max_delete = share ? SIZE_MAX : n;
    /* 0% is the same as none at all. */
    if (share && n == 0)
        o->max_delete = 0;
    o->max_delete_share = share ? (unsigned)n : 0;
    return true;
}

static bool parse_pattern_file(bool include, const char *path, struct pc_options *o,
                               struct problem *p)
{
    char text[128];
    size_t line = 0;
    const int err = pc_filter_add_file(o->filter, include, path, o->nul, &line);
    if (!err)
        return true;
    if (line)
        return refuse(p, "the pattern file '%s' has a bad rule in line %zu", path, line);
    return refuse(p, "cannot read the pattern file '%s': %s", path,
                  strerror_r(-err, text, sizeof text));
}

static bool parse_pattern(bool include, const char *pattern, struct pc_options *o,
                          struct problem *p)
{
    const int err = pc_filter_add(o->filter, include, pattern);
    return !err || refuse(p, err == -ENOMEM ? "no memory" : "'%s' is no pattern", pattern);
}

static bool parse_when(bool newer, const char *when, struct pc_options *o, struct problem *p)
{
    const int err =
        newer ? pc_filter_set_newer(o->filter, when) : pc_filter_set_older(o->filter, when);
    return !err || refuse(p, "--%s-than takes a duration (3d), a date or a file, not '%s'",
                          newer ? "newer" : "older", when);
}

/* --fail-on: the list is all that counts. */
static bool parse_fail_on(const char *list, unsigned *out, struct problem *p)
{
    static const struct {
        const char *name;
        unsigned finding;
    } known[] = {
        {"errors", PC_FINDING_ERRORS},   {"vanished", PC_FINDING_VANISHED},
        {"changed", PC_FINDING_CHANGED}, {"deletions", PC_FINDING_DELETIONS},
        {"lost", PC_FINDING_LOST},
    };
    *out = 0;
    if (strcmp(list, "none") == 0)
        return true;
    do {
        const size_t length = strcspn(list, ",");
        unsigned finding = 0;
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (strlen(known[i].name) == length && strncmp(list, known[i].name, length) == 0)
                finding = known[i].finding;
        }
        if (!finding && length == 4 && strncmp(list, "none", length) == 0)
            return refuse(p, "--fail-on=none stands alone");
        if (!finding)
            return refuse(p,
                          "--fail-on does not know '%.*s'; known are errors, vanished, changed, "
                          "deletions, lost, none",
                          (int)length, list);
        *out |= finding;
        list += length;
    } while (*list++ == ',');
    return true;
}

/* --stop-after: on a clock that nobody sets. */
static bool parse_stop_after(const char *text, struct timespec *out, struct problem *p)
{
    time_t seconds;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!pc_when_duration(text, 'm', &seconds) || seconds == 0 ||
        __builtin_add_overflow(now.tv_sec, seconds, &now.tv_sec))
        return refuse(p, "--stop-after takes minutes or a duration (90s, 12h), not '%s'", text);
    *out = now;
    return true;
}

static bool parse_stop_at(const char *text, struct timespec *out, struct problem *p)
{
    const time_t now = time(NULL);
    time_t then;
    if (!pc_when_next(text, now, &then) && !pc_when_date(text, &then))
        return refuse(p, "--stop-at takes a time (23:59) or a date (2026-12-31T23:59), not '%s'",
                      text);
    if (then <= now)
        return refuse(p, "--stop-at takes a time to come, and '%s' is over", text);
    *out = (struct timespec){.tv_sec = then};
    return true;
}

/* What does not go together. */
static bool check_together(const struct pc_options *o, struct problem *p)
{
    if (o->inplace && o->atomic)
        return refuse(p, "--inplace and --atomic exclude each other");
    if (o->json && !o->explain && !o->verify_only && !o->check_against)
        return refuse(p, "--json goes with --explain, --verify-only or --check-against");
    if (o->reflink == PC_WHEN_ALWAYS && o->sparse != PC_WHEN_AUTO)
        return refuse(p, "--reflink=always keeps the holes of the source: it goes with "
                         "--sparse=auto only");
    if (o->journal && (o->observe || o->explain || o->check_against))
        return refuse(p, "--journal is for copying: it does not go with -n, --verify-only, "
                         "--explain or --check-against");
    if (o->journal && o->max_delete_share)
        return refuse(p, "--journal and --max-delete=N%% exclude each other: the share is of all "
                         "that is there, and a run that goes on does not look at all");
    if (o->journal && o->files_from)
        return refuse(p, "--journal and --files-from exclude each other: the list may be another "
                         "one each time");
    if (o->files_from && o->delete)
        return refuse(p, "--files-from and --delete exclude each other: what a list does not name "
                         "would be removed");
    if (o->files_from && o->source_count != 1)
        return refuse(p, "--files-from takes one SRC, which its names are relative to");
    if ((o->max_delete != SIZE_MAX || o->max_delete_share) && !o->delete)
        return refuse(p, "--max-delete goes with --delete");
    return true;
}

/* What is left when the options are read: SRC... DST. */
static bool parse_operands(char **operands, int count, struct pc_options *o, struct problem *p)
{
    for (int i = 0; i < count; i++) {
        if (operands[i][0] == '\0')
            return refuse(p, "an operand is empty");
    }
    if (o->target && o->target[0] == '\0')
        return refuse(p, "the DIR of -t is empty");
    if (count == 0)
        return refuse(p, "SRC and DST are missing");
    if (o->check_against && (count != 1 || o->target))
        return refuse(p, "--check-against takes one operand, the tree to check");
    if (o->check_against) {
        o->target = operands[0];
        if (o->mounts.count && *o->target == '/')
            return refuse(p, "'%s' is not relative to the mount points of -m", o->target);
        return check_together(o, p);
    }
    o->into = o->target || count > 2;
    if (!o->target) {
        if (count == 1)
            return refuse(p, "DST is missing after '%s'", operands[0]);
        o->target = operands[--count];
    }
    for (int i = 0; i < count; i++)
        o->sources[i] = operands[i];
    o->source_count = (unsigned)count;
    pc_filter_set_sizes(o->filter, o->min_size, o->max_size);
    /* As rsync has it: who names what to compare does not want all. */
    if (o->rule.checksum || o->rule.size_only)
        o->rule.ignore_times = false;
    return check_together(o, p);
}

/* One option. */
static bool take(int id, struct pc_options *o, struct problem *p)
{
    size_t n = 0;
    switch (id) {
    case 'j':
        if (!parse_number("-j", optarg, 1, PC_MAX_JOBS, &n, p))
            return false;
        o->jobs = (unsigned)n;
        return true;
    case WALKERS:
        if (!parse_number("--walkers", optarg, 1, PC_MAX_WALKERS, &n, p))
            return false;
        o->walkers = (unsigned)n;
        return true;
    case 'm':
        return parse_mounts('m', optarg, &o->mounts, p);
    case 'M':
        return parse_mounts('M', optarg, &o->source_mounts, p);
    case ALLOW_ROOTFS:
        o->allow_rootfs = true;
        return true;
    case EXPLAIN:
        o->explain = true;
        return true;
    case JSON:
        o->json = true;
        return true;
    case 't':
        if (o->target)
            return refuse(p, "-t is given twice");
        o->target = optarg;
        return true;
    case 'a':
        return parse_keep("all", true, &o->keep, p);
    case 'p':
        return parse_keep("mode,ownership,timestamps", true, &o->keep, p);
    case PRESERVE:
        return parse_keep(optarg, true, &o->keep, p);
    case NO_PRESERVE:
        return parse_keep(optarg, false, &o->keep, p);
    case 'x':
        o->one_file_system = true;
        return true;
    case FORCE:
        o->force = true;
        return true;
    case KEEP_DIRLINKS:
        o->keep_dirlinks = true;
        return true;
    case INPLACE:
        o->inplace = true;
        return true;
    case ATOMIC:
        o->atomic = true;
        return true;
    case STRICT:
        o->strict = true;
        return true;
    case RETRIES:
        if (!parse_number("--retries", optarg, 0, 1000, &n, p))
            return false;
        o->retries = (unsigned)n;
        return true;
    case RETRY_WAIT:
        if (!parse_number("--retry-wait", optarg, 0, 3600, &n, p))
            return false;
        o->retry_wait = (unsigned)n;
        return true;
    case STALL_TIME:
        if (!parse_number("--stall-time", optarg, 0, 86400, &n, p))
            return false;
        o->stall_time = (unsigned)n;
        return true;
    case ON_FULL:
        return parse_on_full(optarg, &o->on_full, p);
    case FSYNC:
        return parse_fsync(optarg, &o->fsync, p);
    case SPLIT_SIZE:
        return parse_number("--split-size", optarg, 0, SIZE_MAX, &o->split_size, p);
    case REFLINK:
        return parse_choice("--reflink", optarg ? optarg : "always", &o->reflink, p);
    case SPARSE:
        return parse_choice("--sparse", optarg, &o->sparse, p);
    case PREALLOCATE:
        o->preallocate = true;
        return true;
    case BWLIMIT:
        o->bwlimit = optarg;
        return true;
    case IOPS_LIMIT:
        o->iops_limit = optarg;
        return true;
    case JOURNAL:
        return parse_file("--journal", &o->journal, p);
    case STOP_AFTER:
        return parse_stop_after(optarg, &o->stop_after, p);
    case STOP_AT:
        return parse_stop_at(optarg, &o->stop_at, p);
    case QUEUE_SIZE:
        return parse_number("--queue-size", optarg, 2, (size_t)1 << 24, &o->queue_size, p);
    case BUFFER_SIZE:
        return parse_number("--buffer-size", optarg, 4096, (size_t)64 << 20, &o->buffer_size, p);
    case EXCLUDE:
        return parse_pattern(false, optarg, o, p);
    case INCLUDE:
        return parse_pattern(true, optarg, o, p);
    case EXCLUDE_FROM:
        return parse_pattern_file(false, optarg, o, p);
    case INCLUDE_FROM:
        return parse_pattern_file(true, optarg, o, p);
    case MIN_SIZE:
        return parse_number("--min-size", optarg, 0, SIZE_MAX, &o->min_size, p);
    case MAX_SIZE:
        return parse_number("--max-size", optarg, 0, SIZE_MAX, &o->max_size, p);
    case NEWER_THAN:
        return parse_when(true, optarg, o, p);
    case OLDER_THAN:
        return parse_when(false, optarg, o, p);
    case FILES_FROM:
        return parse_file("--files-from", &o->files_from, p);
    case '0':
        return true; /* pc_options_parse() has seen it */
    case 'c':
        o->rule.checksum = true;
        return true;
    case SIZE_ONLY:
        o->rule.size_only = true;
        return true;
    case 'I':
        o->rule.ignore_times = true;
        return true;
    case 'u':
        o->rule.update = true;
        return true;
    case IGNORE_EXISTING:
        o->rule.ignore_existing = true;
        return true;
    case EXISTING:
    case IGNORE_NON_EXISTING:
        o->rule.existing = true;
        return true;
    case DELETE_EXCLUDED:
        o->delete_excluded = true;
        o->delete = true;
        return true;
    case DELETE:
        o->delete = true;
        return true;
    case MAX_DELETE:
        return parse_max_delete(optarg, o, p);
    case 'n':
        o->observe = true;
        return true;
    case 'i':
        o->itemize = true;
        return true;
    case VERIFY:
        if (optarg && strcmp(optarg, "checksum") != 0)
            return refuse(p, "--verify takes checksum or nothing, not '%s'", optarg);
        o->verify = true;
        o->verify_data = optarg;
        return true;
    case VERIFY_ROUNDS:
        if (!parse_number("--verify-rounds", optarg, 1, 100, &n, p))
            return false;
        o->verify_rounds = (unsigned)n;
        return true;
    case CHECKSUM_FILE:
        return parse_file("--checksum-file", &o->checksum_file, p);
    case CHECK_AGAINST:
        return parse_file("--check-against", &o->check_against, p);
    case FAIL_ON:
        return parse_fail_on(optarg, &o->fail_on, p);
    case LOG_FILE:
        return parse_file("--log-file", &o->log_file, p);
    case VERIFY_ONLY:
    case COMPARE:
        o->verify_only = o->observe = true;
        return true;
    case 'v':
        o->verbose = true;
        return true;
    case 'q':
        o->quiet = true;
        return true;
    default:
        return refuse(p, "internal: option %d is not handled", id);
    }
}

/* Options that do not change what is copied to where: a run with others of them is the same. */
static bool is_aside(int id)
{
    static const int ids[] = {'j',        WALKERS,      QUEUE_SIZE,  BUFFER_SIZE, RETRIES,
                              RETRY_WAIT, STALL_TIME,   ON_FULL,     'i',         'v',
                              'q',        LOG_FILE,     FAIL_ON,     VERIFY,      VERIFY_ROUNDS,
                              BWLIMIT,    IOPS_LIMIT,   JOURNAL,     STRICT,      SPLIT_SIZE,
                              STOP_AFTER, ALLOW_ROOTFS, PREALLOCATE, STOP_AT};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

/* Adds a line to the identity of the run. False without memory. */
__attribute__((format(printf, 2, 3))) static bool identify(struct pc_options *o, const char *format,
                                                           ...)
{
    char **more = realloc(o->identity, (o->identity_count + 2) * sizeof *more);
    va_list args;
    if (!more)
        return false;
    o->identity = more;
    va_start(args, format);
    const int n = vasprintf(&more[o->identity_count], format, args);
    va_end(args);
    if (n < 0)
        more[o->identity_count] = NULL;
    else
        more[++o->identity_count] = NULL;
    return n >= 0;
}

/* An option, by its name in the table, to the identity. */
static bool identify_option(struct pc_options *o, int id, const char *argument)
{
    size_t i = 0;
    while (TABLE[i].id != id)
        i++;
    const char *name = TABLE[i].name;
    const char letter[2] = {(char)id, '\0'};
    return is_aside(id) || identify(o, "option=%s%s%s%s", name ? "--" : "-", name ? name : letter,
                                    argument ? "=" : "", argument ? argument : "");
}

/* The operands to the identity, and the directory that they are relative to. */
static bool identify_operands(struct pc_options *o)
{
    char *here = get_current_dir_name();
    bool relative = *o->target != '/' && o->mounts.count == 0;
    bool good = identify(o, "destination=%s", o->target);
    for (unsigned i = 0; i < o->source_count; i++) {
        relative = relative || (*o->sources[i] != '/' && o->source_mounts.count == 0);
        good = good && identify(o, "source=%s", o->sources[i]);
    }
    if (relative)
        good = good && identify(o, "directory=%s", here ? here : "?");
    free(here);
    return good;
}

/* What getopt_long() did not like. Its optopt is 0 for an unknown long option. */
static bool refuse_option(int result, char **argv, struct problem *p)
{
    if (result == ':')
        return refuse(p, "option '%s' needs an argument", argv[optind - 1]);
    if (strncmp(argv[optind - 1], "--", 2) != 0)
        return refuse(p, "unknown option '-%c'", optopt);
    return refuse(p, "%s option '%s'", optopt ? "no argument is taken by" : "unknown",
                  argv[optind - 1]);
}

/* -0 holds for all lists, those named before it as well: a first turn only looks for it. */
static bool has_null(int argc, char **argv, const char *shorts, const struct option *longs)
{
    /* getopt_long() moves operands to the end, and after an error must not find them there. */
    char **copy = malloc(((size_t)argc + 1) * sizeof *copy);
    bool found = false;
    int id;
    if (!copy)
        return false;
    memcpy(copy, argv, ((size_t)argc + 1) * sizeof *copy);
    optind = 0;
    opterr = 0;
    while ((id = getopt_long(argc, copy, shorts, longs, NULL)) != -1)
        found = found || id == '0';
    free(copy);
    return found;
}

enum pc_request pc_options_parse(int argc, char **argv, struct pc_options *o, char *problem,
                                 size_t size)
{
    struct problem p = {problem, size};
    struct option longs[OPTIONS + 1];
    char shorts[2 * OPTIONS + 2] = ":"; /* a missing argument is told from an unknown option */
    size_t letters = 1;
    size_t n = 0;

    memset(longs, 0, sizeof longs);
    for (size_t i = 0; i < OPTIONS; i++) {
        const int argument = !TABLE[i].argument          ? no_argument
                             : *TABLE[i].argument == '[' ? optional_argument
                                                         : required_argument;
        if (TABLE[i].name)
            longs[n++] = (struct option){TABLE[i].name, argument, NULL, TABLE[i].id};
        if (TABLE[i].id < 256) {
            shorts[letters++] = (char)TABLE[i].id;
            if (argument == required_argument)
                shorts[letters++] = ':';
        }
    }

    const mode_t mask = umask(0); /* there is no call that only reads it */
    umask(mask);
    *o = (struct pc_options){
        .keep = {.umask = mask,
                 .mode = true,
                 .times = true,
                 .links = true,
                 .uid = geteuid(),
                 .gid = getegid()},
        .fsync = PC_FSYNC_END,
        .retries = 2,
        .retry_wait = 1,
        .stall_time = 60,
        .queue_size = 8192,
        .buffer_size = (size_t)512 * 1024,
        .split_size = (size_t)64 << 20,
        .max_size = SIZE_MAX,
        .max_delete = SIZE_MAX,
        .verify_rounds = 2,
        .fail_on = PC_FINDINGS,
    };
    /* No more mount points than the command line has characters. */
    size_t length = 1;
    for (int i = 0; i < argc; i++)
        length += strlen(argv[i]) + 1;
    o->sources = calloc((size_t)argc + 1, sizeof *o->sources);
    o->mounts.paths = calloc(length, sizeof *o->mounts.paths);
    o->source_mounts.paths = calloc(length, sizeof *o->source_mounts.paths);
    if (!o->sources || !o->mounts.paths || !o->source_mounts.paths ||
        pc_filter_new(&o->filter) != 0) {
        refuse(&p, "no memory");
        pc_options_free(o);
        return PC_REQUEST_REFUSED;
    }

    bool good = true;
    int id;
    o->nul = has_null(argc, argv, shorts, longs);
    optind = 0; /* for a second call: starts getopt_long() anew (getopt(3), glibc) */
    opterr = 0;
    while (good && (id = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (id == 'h' || id == VERSION) {
            pc_options_free(o);
            return id == 'h' ? PC_REQUEST_HELP : PC_REQUEST_VERSION;
        }
        if (id == '?' || id == ':')
            good = refuse_option(id, argv, &p);
        else /* before take(), which cuts lists up */
            good = (identify_option(o, id, optarg) || refuse(&p, "no memory")) && take(id, o, &p);
    }
    if (good && parse_operands(argv + optind, argc - optind, o, &p) &&
        (identify_operands(o) || refuse(&p, "no memory")))
        return PC_REQUEST_RUN;
    pc_options_free(o);
    return PC_REQUEST_REFUSED;
}

void pc_options_free(struct pc_options *o)
{
    free(o->sources);
    free(o->mounts.paths);
    free(o->source_mounts.paths);
    pc_filter_free(o->filter);
    for (size_t i = 0; i < o->identity_count; i++)
        free(o->identity[i]);
    free(o->identity);
    *o = (struct pc_options){0};
}
