/*
 * A line is made in memory first and written by one call: lines of threads do not mix, nor do those
 * of several processes in one log file. That is the user's and of no tree that is copied, so it is
 * opened and written the ordinary way and not through sys.
 */
#include "pcopy/report.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "pcopy/meta.h"

/* Errors that are remembered, and a third more. */
#define KNOWN_SLOTS ((size_t)1 << 15)

struct pc_report {
    struct pc_report_config config;
    bool terminal;
    bool line_open;       /* a progress line stands on the terminal; under lock */
    pthread_mutex_t lock; /* one writer at a time */
    locale_t utf8;        /* to tell printable characters, whatever the locale of a cron job */
    struct timespec start;
    struct pc_counters *counters;
    FILE *memory; /* the line that is being made, `length` bytes at `line`; under lock */
    char *line;
    size_t length;
    uint64_t *known; /* hashes of the errors that were said; under lock */
    size_t known_count;
    int log;             /* descriptor, or -1 */
    bool log_failed;     /* to be written; nothing more goes there */
    double last_seconds; /* of the progress line before */
    uint64_t last_files;
    uint64_t last_bytes;
};

int pc_report_new(struct pc_report **out, const struct pc_report_config *config)
{
    struct pc_report *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->counters = aligned_alloc(alignof(struct pc_counters), config->threads * sizeof *r->counters);
    r->memory = open_memstream(&r->line, &r->length);
    if (!r->counters || !r->memory) {
        if (r->memory)
            fclose(r->memory);
        free(r->line);
        free(r->counters);
        free(r);
        return -ENOMEM;
    }
    for (unsigned t = 0; t < config->threads; t++) {
        for (unsigned i = 0; i < PC_COUNTS; i++)
            atomic_init(&r->counters[t].count[i], 0);
    }
    r->config = *config;
    r->log = -1;
    r->terminal = isatty(STDERR_FILENO);
    r->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    pthread_mutex_init(&r->lock, NULL);
    clock_gettime(CLOCK_MONOTONIC, &r->start);
    *out = r;
    return 0;
}

void pc_report_free(struct pc_report *r)
{
    if (!r)
        return;
    if (r->utf8)
        freelocale(r->utf8);
    if (r->log >= 0)
        close(r->log);
    fclose(r->memory);
    free(r->line);
    free(r->known);
    pthread_mutex_destroy(&r->lock);
    free(r->counters);
    free(r);
}

int pc_report_log(struct pc_report *r, const char *path, mode_t mode)
{
    r->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY | O_CLOEXEC, mode);
    return r->log < 0 ? -errno : 0;
}

void pc_report_count(struct pc_report *r, unsigned thread, enum pc_count which, uint64_t n)
{
    /* relaxed: nothing is read through a counter; sums are final after the threads are joined. */
    atomic_fetch_add_explicit(&r->counters[thread].count[which], n, memory_order_relaxed);
}

uint64_t pc_report_total(const struct pc_report *r, enum pc_count which)
{
    uint64_t total = 0;
    for (unsigned t = 0; t < r->config.threads; t++)
        total += atomic_load_explicit(&r->counters[t].count[which], memory_order_relaxed);
    return total;
}

/*
 * Text with names in it as it may be shown on a terminal: what is not printable is escaped; with
 * `quoted`, for a name that stands in quotes, these and the backslash as well.
 */
static void put_text(const struct pc_report *r, FILE *f, const char *text, bool quoted)
{
    const locale_t before = r->utf8 ? uselocale(r->utf8) : (locale_t)0;
    mbstate_t state;
    memset(&state, 0, sizeof state);
    for (const char *at = text; *at;) {
        wchar_t c;
        const size_t n = mbrtowc(&c, at, strlen(at), &state);
        if (n == (size_t)-1 || n == (size_t)-2) {
            memset(&state, 0, sizeof state);
            fprintf(f, "\\x%02x", (unsigned char)*at++);
        } else if (c == L'\n') {
            fputs("\\n", f);
            at++;
        } else if (quoted && (c == L'\\' || c == L'\'')) {
            fprintf(f, "\\%c", *at++);
        } else if (!iswprint((wint_t)c)) {
            for (size_t i = 0; i < n; i++)
                fprintf(f, "\\x%02x", (unsigned char)*at++);
        } else {
            fwrite(at, 1, n, f);
            at += n;
        }
    }
    if (r->utf8)
        uselocale(before);
}

/* Wipes the progress line away. Under lock. */
static void wipe(struct pc_report *r)
{
    if (r->line_open)
        fputs("\r\033[K", stderr);
    r->line_open = false;
}

/* Where the next line is made, which begins with `start`. Under lock, until end_line(). */
static FILE *begin_line(struct pc_report *r, const char *start)
{
    rewind(r->memory);
    fputs(start, r->memory);
    return r->memory;
}

/* One line, with the time before it. */
static void log_line(struct pc_report *r, char *line, size_t length)
{
    char stamp[64];
    struct tm tm;
    const time_t now = time(NULL);
    if (r->log < 0 || r->log_failed)
        return;
    localtime_r(&now, &tm);
    const size_t n = strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S ", &tm);
    const struct iovec parts[] = {{stamp, n}, {line, length}};
    const ssize_t written = writev(r->log, parts, 2);
    if (written == (ssize_t)(n + length))
        return;
    const int err = written < 0 ? errno : ENOSPC;
    r->log_failed = true;
    wipe(r);
    fprintf(stderr, "pcopy: cannot write to the log file: %s\n", strerror(err));
}

/* Writes what was made to `out`, unless that is NULL, and to the log. */
static void end_line(struct pc_report *r, FILE *out)
{
    fputc('\n', r->memory);
    fflush(r->memory);
    if (out == stderr)
        wipe(r);
    if (out) /* before what the log may have to say about itself */
        fwrite(r->line, 1, r->length, out);
    char *const limit = r->line + r->length;
    char *next;
    for (char *at = r->line; at < limit; at = next) {
        const char *end = memchr(at, '\n', (size_t)(limit - at));
        next = end ? at + (end - at) + 1 : limit; /* without memory for all of it there is none */
        log_line(r, at, (size_t)(next - at));
    }
}

/*
 * True if the line that was made was said before. Passes after the first one fail on what that one
 * has failed on. Of lines only a hash is kept, and of no more than fit.
 */
static bool is_known(struct pc_report *r)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    fflush(r->memory);
    if (!r->known)
        r->known = calloc(KNOWN_SLOTS, sizeof *r->known);
    if (!r->known)
        return false;
    for (size_t i = 0; i < r->length; i++)
        hash = (hash ^ (unsigned char)r->line[i]) * 0x100000001b3;
    hash |= hash == 0; /* 0 is a free slot */
    size_t at = hash % KNOWN_SLOTS;
    while (r->known[at] && r->known[at] != hash)
        at = (at + 1) % KNOWN_SLOTS;
    if (r->known[at])
        return true;
    if (r->known_count < KNOWN_SLOTS / 4 * 3) {
        r->known[at] = hash;
        r->known_count++;
    }
    return false;
}

static bool say_error(struct pc_report *r, FILE *out, const char *operation, const char *path,
                      int err, const char *why)
{
    char text[128];
    pthread_mutex_lock(&r->lock);
    FILE *f = begin_line(r, "pcopy: cannot ");
    fprintf(f, "%s '", operation);
    put_text(r, f, path, true);
    fprintf(f, "': %s", why ? why : strerror_r(-err, text, sizeof text));
    const bool new = !is_known(r);
    if (new)
        end_line(r, out);
    pthread_mutex_unlock(&r->lock);
    return new;
}

bool pc_report_error(struct pc_report *r, const char *operation, const char *path, int err,
                     const char *why)
{
    return say_error(r, stderr, operation, path, err, why);
}

bool pc_report_finding(struct pc_report *r, enum pc_finding finding, const char *operation,
                       const char *path, int err, const char *why)
{
    const bool matters = !r->config.quiet || r->config.fail_on & finding;
    return say_error(r, matters ? stderr : NULL, operation, path, err, why);
}

__attribute__((format(printf, 3, 0))) static void say(struct pc_report *r, FILE *out,
                                                      const char *format, va_list args)
{
    char *text = NULL;
    const int n = vasprintf(&text, format, args);
    pthread_mutex_lock(&r->lock);
    put_text(r, begin_line(r, "pcopy: "), n < 0 ? "no memory for a message" : text, false);
    end_line(r, out);
    pthread_mutex_unlock(&r->lock);
    if (n >= 0)
        free(text);
}

void pc_report_note(struct pc_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(r, stderr, format, args);
    va_end(args);
}

void pc_report_hint(struct pc_report *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    say(r, r->config.quiet ? NULL : stderr, format, args);
    va_end(args);
}

void pc_report_entry(struct pc_report *r, const char *path)
{
    if (!r->config.verbose)
        return;
    pthread_mutex_lock(&r->lock);
    put_text(r, begin_line(r, ""), path, true);
    end_line(r, stdout);
    pthread_mutex_unlock(&r->lock);
}

/* The letter of a type in an itemized line. */
static char type_letter(mode_t type)
{
    return S_ISREG(type)                    ? 'f'
           : S_ISDIR(type)                  ? 'd'
           : S_ISLNK(type)                  ? 'L'
           : S_ISCHR(type) || S_ISBLK(type) ? 'D'
                                            : 'S';
}

/* The letter of what was done. */
static char change_letter(const struct pc_change *c)
{
    if (!c->due)
        return '.';
    if (c->link)
        return 'h';
    return S_ISREG(c->type) ? '>' : 'c';
}

/* The eleven characters of rsync: YXcstpoguax. */
static void itemize(const struct pc_change *c, char text[12])
{
    static const struct {
        unsigned diff;
        char letter;
    } columns[] = {
        {PC_DIFF_CONTENT, 'c'},
        {PC_DIFF_SIZE, 's'},
        {PC_DIFF_MTIME, 't'},
        {PC_DIFF_MODE, 'p'},
        {PC_DIFF_OWNER, 'o'},
        {PC_DIFF_GROUP, 'g'},
        {0, 'u'},
        {PC_DIFF_ACL, 'a'},
        {PC_DIFF_XATTR, 'x'},
    };
    const bool new = c->diffs &(PC_DIFF_MISSING | PC_DIFF_TYPE | PC_DIFF_LINK);
    text[0] = change_letter(c);
    text[1] = type_letter(c->type);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        text[2 + i] = (char)(new ? '+' : c->diffs &columns[i].diff ? columns[i].letter : '.');
    text[11] = '\0';
}

/* What may differ, in the order in which it is told. */
static const struct {
    unsigned diff;
    const char *name;
} DIFFERENCES[] = {
    {PC_DIFF_MISSING, "missing"}, {PC_DIFF_EXTRA, "extra"}, {PC_DIFF_TYPE, "type"},
    {PC_DIFF_LINK, "hard link"},  {PC_DIFF_SIZE, "size"},   {PC_DIFF_CONTENT, "contents"},
    {PC_DIFF_MTIME, "mtime"},     {PC_DIFF_MODE, "mode"},   {PC_DIFF_OWNER, "owner"},
    {PC_DIFF_GROUP, "group"},     {PC_DIFF_ACL, "ACL"},     {PC_DIFF_XATTR, "xattr"},
};

#define DIFFERENCE_COUNT (sizeof DIFFERENCES / sizeof DIFFERENCES[0])

void pc_report_differences(unsigned diffs, char *text, size_t size)
{
    size_t left = 0;
    if (diffs & PC_DIFF_MISSING) {
        snprintf(text, size, "it was missing");
        return;
    }
    for (size_t i = 0; i < DIFFERENCE_COUNT; i++)
        left += (diffs & DIFFERENCES[i].diff) != 0;
    size_t n = (size_t)snprintf(text, size, "its ");
    for (size_t i = 0; i < DIFFERENCE_COUNT && n < size; i++) {
        if (!(diffs & DIFFERENCES[i].diff))
            continue;
        left--;
        n += (size_t)snprintf(text + n, size - n, "%s%s", DIFFERENCES[i].name,
                              left > 1    ? ", "
                              : left == 1 ? " and "
                                          : " differed");
    }
}

void pc_report_json(FILE *out, const char *text)
{
    const locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    const locale_t before = utf8 ? uselocale(utf8) : (locale_t)0;
    mbstate_t state;
    memset(&state, 0, sizeof state);
    fputc('"', out);
    for (const char *at = text; *at;) {
        const unsigned char c = (unsigned char)*at;
        wchar_t wide;
        const size_t n = mbrtowc(&wide, at, strlen(at), &state);
        if (n == (size_t)-1 || n == (size_t)-2) {
            memset(&state, 0, sizeof state);
            fprintf(out, "\\udc%02x", c);
            at++;
        } else if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
            at++;
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
            at++;
        } else {
            fwrite(at, 1, n, out);
            at += n;
        }
    }
    fputc('"', out);
    if (utf8) {
        uselocale(before);
        freelocale(utf8);
    }
}

static void put_json(const struct pc_change *c, const char *letters)
{
    static const struct {
        mode_t type;
        const char *name;
    } types[] = {
        {S_IFREG, "file"},    {S_IFDIR, "directory"}, {S_IFLNK, "symlink"}, {S_IFIFO, "fifo"},
        {S_IFSOCK, "socket"}, {S_IFCHR, "device"},    {S_IFBLK, "device"},
    };
    const char *type = "unknown";
    const char *comma = "";
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        type = c->type == types[i].type ? types[i].name : type;
    fputs("{\"path\": ", stdout);
    pc_report_json(stdout, *c->path ? c->path : ".");
    printf(", \"type\": \"%s\", \"itemize\": \"%s\", \"differs\": [", type, letters);
    for (size_t i = 0; i < DIFFERENCE_COUNT; i++) {
        if (c->diffs & DIFFERENCES[i].diff) {
            printf("%s\"%s\"", comma, DIFFERENCES[i].name);
            comma = ", ";
        }
    }
    fputs("]}\n", stdout);
}

void pc_report_change(struct pc_report *r, const struct pc_change *c)
{
    char letters[12] = "*deleting  ";
    if (r->config.changes == PC_CHANGES_NONE)
        return;
    if (!(c->diffs & PC_DIFF_EXTRA))
        itemize(c, letters);
    pthread_mutex_lock(&r->lock);
    if (r->config.changes == PC_CHANGES_NAMES) {
        fputs(*c->path ? c->path : ".", stdout);
        fputc('\0', stdout);
    } else if (r->config.changes == PC_CHANGES_JSON) {
        put_json(c, letters);
    }
    FILE *f = begin_line(r, letters);
    fputc(' ', f);
    put_text(r, f, *c->path ? c->path : ".", false);
    if (S_ISDIR(c->type))
        fputc('/', f);
    if (c->target) {
        fputs(c->link ? " => " : " -> ", f);
        put_text(r, f, c->target, false);
    }
    end_line(r, r->config.changes == PC_CHANGES_ITEMIZED ? stdout : NULL);
    pthread_mutex_unlock(&r->lock);
}

static double elapsed(const struct pc_report *r)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - r->start.tv_sec) + (double)(now.tv_nsec - r->start.tv_nsec) / 1e9;
}

/* A number of bytes in the unit that leaves one to four digits. */
static const char *bytes_text(double bytes, char *text, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, size, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

static uint64_t copied(const struct pc_report *r)
{
    return pc_report_total(r, PC_COUNT_FILES) + pc_report_total(r, PC_COUNT_SYMLINKS) +
           pc_report_total(r, PC_COUNT_LINKS) + pc_report_total(r, PC_COUNT_SPECIALS);
}

bool pc_report_has_progress(const struct pc_report *r)
{
    return r->terminal && !r->config.quiet;
}

/* True if the terminal is somebody else's at the moment. */
static bool in_background(void)
{
    const pid_t group = tcgetpgrp(STDERR_FILENO);
    return group > 0 && group != getpgrp();
}

void pc_report_progress(struct pc_report *r)
{
    if (in_background())
        return;
    char done[32];
    char rate[32];
    const double now = elapsed(r);
    const uint64_t files = copied(r);
    const uint64_t bytes = pc_report_total(r, PC_COUNT_BYTES);

    pthread_mutex_lock(&r->lock);
    const double span = now - r->last_seconds;
    if (span > 0) {
        fprintf(stderr, "\r%llu files, %s; %.0f files/s, %s/s; %llu errors\033[K",
                (unsigned long long)files, bytes_text((double)bytes, done, sizeof done),
                (double)(files - r->last_files) / span,
                bytes_text((double)(bytes - r->last_bytes) / span, rate, sizeof rate),
                (unsigned long long)pc_report_total(r, PC_COUNT_ERRORS));
        fflush(stderr);
        r->line_open = true;
        r->last_seconds = now;
        r->last_files = files;
        r->last_bytes = bytes;
    }
    pthread_mutex_unlock(&r->lock);
}

/* All counts and rates so far. */
static void put_state(const struct pc_report *r, FILE *f)
{
    char done[32];
    char rate[32];
    const double seconds = elapsed(r);
    const double span = seconds > 0 ? seconds : 1e-9;
    const uint64_t files = copied(r);
    const uint64_t bytes = pc_report_total(r, PC_COUNT_BYTES);
    unsigned long long n[PC_COUNTS];
    for (unsigned i = 0; i < PC_COUNTS; i++)
        n[i] = pc_report_total(r, (enum pc_count)i);

    fprintf(f,
            "%llu files, %llu directories, %llu bytes (%s), %llu skipped, %llu deleted, "
            "%llu vanished, %llu changed, %llu errors; ",
            (unsigned long long)files, n[PC_COUNT_DIRS], n[PC_COUNT_BYTES],
            bytes_text((double)bytes, done, sizeof done), n[PC_COUNT_SKIPPED], n[PC_COUNT_DELETED],
            n[PC_COUNT_VANISHED], n[PC_COUNT_CHANGED], n[PC_COUNT_ERRORS]);
    fprintf(f, "%.2f seconds, %.0f files/s, %s/s", seconds, (double)files / span,
            bytes_text((double)bytes / span, rate, sizeof rate));
}

void pc_report_state(struct pc_report *r, const char *activity)
{
    pthread_mutex_lock(&r->lock);
    FILE *f = begin_line(r, "pcopy: ");
    fprintf(f, "%s: ", activity);
    put_state(r, f);
    end_line(r, stderr);
    pthread_mutex_unlock(&r->lock);
}

static void put_summary(const struct pc_report *r, FILE *f)
{
    char done[32];
    char rate[32];
    const double seconds = elapsed(r);
    const double span = seconds > 0 ? seconds : 1e-9;
    const uint64_t bytes = pc_report_total(r, PC_COUNT_BYTES);
    unsigned long long n[PC_COUNTS];
    for (unsigned i = 0; i < PC_COUNTS; i++)
        n[i] = pc_report_total(r, (enum pc_count)i);

    if (r->config.check) {
        fprintf(f, "%llu files checked, %llu differ, %llu errors", n[PC_COUNT_FILES],
                n[PC_COUNT_DIFFERS], n[PC_COUNT_ERRORS]);
        return;
    }
    fprintf(f,
            "%s %llu files, %llu directories, %llu symlinks, %llu hard links, %llu special "
            "files\n",
            r->config.dry ? "would copy" : "copied", n[PC_COUNT_FILES], n[PC_COUNT_DIRS],
            n[PC_COUNT_SYMLINKS], n[PC_COUNT_LINKS], n[PC_COUNT_SPECIALS]);
    fprintf(f, "%llu bytes (%s), %llu skipped, %llu vanished, %llu changed, %llu errors\n",
            n[PC_COUNT_BYTES], bytes_text((double)bytes, done, sizeof done), n[PC_COUNT_SKIPPED],
            n[PC_COUNT_VANISHED], n[PC_COUNT_CHANGED], n[PC_COUNT_ERRORS]);
    if (n[PC_COUNT_MENDED] || n[PC_COUNT_DELETED] || n[PC_COUNT_DIFFERS])
        fprintf(f, "%llu mended, %llu deleted, %llu found to differ\n", n[PC_COUNT_MENDED],
                n[PC_COUNT_DELETED], n[PC_COUNT_DIFFERS]);
    const unsigned long long *retries = n + PC_COUNT_RETRIES;
    const unsigned long long *failed = n + PC_COUNT_FAILED;
    const unsigned long long again =
        retries[PC_ERROR_PASSING] + retries[PC_ERROR_STALE] + retries[PC_ERROR_FULL];
    if (n[PC_COUNT_ERRORS] || again)
        fprintf(f,
                "tried again: %llu I/O, %llu stale, %llu full; failed: %llu I/O, %llu stale, "
                "%llu full, %llu denied, %llu other\n",
                retries[PC_ERROR_PASSING], retries[PC_ERROR_STALE], retries[PC_ERROR_FULL],
                failed[PC_ERROR_PASSING], failed[PC_ERROR_STALE], failed[PC_ERROR_FULL],
                failed[PC_ERROR_DENIED], failed[PC_ERROR_LASTING]);
    fprintf(f, "%.2f seconds, %.0f files/s, %s/s", seconds, (double)copied(r) / span,
            bytes_text((double)bytes / span, rate, sizeof rate));
}

/* Everything on standard output is there, or the run has failed. Under lock. */
static enum pc_status flushed(struct pc_report *r)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return PC_STATUS_DONE;
    const int err = errno;
    fprintf(begin_line(r, "pcopy: "), "cannot write to standard output: %s", strerror(err));
    end_line(r, stderr);
    return PC_STATUS_RUN;
}

enum pc_status pc_report_print(struct pc_report *r, const char *text)
{
    pthread_mutex_lock(&r->lock);
    fputs(text, stdout);
    const enum pc_status status = flushed(r);
    pthread_mutex_unlock(&r->lock);
    return status;
}

/* The exit status by what was counted, as far as it matters. */
static enum pc_status status_of_counts(const struct pc_report *r)
{
    static const struct {
        enum pc_count count;
        enum pc_finding finding;
        enum pc_status status;
    } table[] = {
        {PC_COUNT_ERRORS, PC_FINDING_ERRORS, PC_STATUS_PARTIAL},
        {PC_COUNT_LOST, PC_FINDING_LOST, PC_STATUS_PARTIAL},
        {PC_COUNT_VANISHED, PC_FINDING_VANISHED, PC_STATUS_VANISHED},
        {PC_COUNT_CHANGED, PC_FINDING_CHANGED, PC_STATUS_VANISHED},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (r->config.fail_on & table[i].finding && pc_report_total(r, table[i].count))
            return table[i].status;
    }
    return PC_STATUS_DONE;
}

enum pc_status pc_report_end(struct pc_report *r, enum pc_status status)
{
    const bool complete =
        status == PC_STATUS_DONE || status == PC_STATUS_PARTIAL || status == PC_STATUS_DELETIONS;
    pthread_mutex_lock(&r->lock);
    wipe(r);
    put_summary(r, begin_line(r, ""));
    end_line(r, r->config.summary ? stdout : NULL);
    const bool written = flushed(r) == PC_STATUS_DONE && !r->log_failed;
    const enum pc_status counted = status_of_counts(r);
    if (complete && !written)
        status = PC_STATUS_RUN;
    else if (status == PC_STATUS_DONE || (complete && counted == PC_STATUS_PARTIAL))
        status = counted;
    FILE *f = begin_line(r, "pcopy: ");
    fprintf(f, "exit status %d: ", status);
    put_state(r, f);
    end_line(r, r->config.verdict && status != PC_STATUS_DONE ? stderr : NULL);
    if (complete && r->log_failed)
        status = PC_STATUS_RUN;
    pthread_mutex_unlock(&r->lock);
    return status;
}
