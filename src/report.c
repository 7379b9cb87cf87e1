#include "pcopy/report.h"

#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

struct pc_report {
    bool quiet;
    bool verbose;
    bool terminal;
    bool line_open;       /* a progress line stands on the terminal; under lock */
    pthread_mutex_t lock; /* one writer at a time */
    locale_t utf8;        /* to tell printable characters, whatever the locale of a cron job */
    struct timespec start;
    unsigned threads;
    struct pc_counters *counters;
    double last_seconds; /* of the progress line before */
    uint64_t last_files;
    uint64_t last_bytes;
};

int pc_report_new(struct pc_report **out, unsigned threads, bool quiet, bool verbose)
{
    struct pc_report *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->counters = aligned_alloc(alignof(struct pc_counters), threads * sizeof *r->counters);
    if (!r->counters) {
        free(r);
        return -ENOMEM;
    }
    for (unsigned t = 0; t < threads; t++) {
        for (unsigned i = 0; i < PC_COUNTS; i++)
            atomic_init(&r->counters[t].count[i], 0);
    }
    r->threads = threads;
    r->quiet = quiet;
    r->verbose = verbose;
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
    pthread_mutex_destroy(&r->lock);
    free(r->counters);
    free(r);
}

void pc_report_count(struct pc_report *r, unsigned thread, enum pc_count which, uint64_t n)
{
    /* relaxed: nothing is read through a counter; sums are final after the threads are joined. */
    atomic_fetch_add_explicit(&r->counters[thread].count[which], n, memory_order_relaxed);
}

static uint64_t sum(const struct pc_report *r, enum pc_count which)
{
    uint64_t total = 0;
    for (unsigned t = 0; t < r->threads; t++)
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

/* Standard error for one line of ours, the progress line wiped away. Under lock. */
static FILE *begin_line(struct pc_report *r)
{
    if (r->line_open)
        fputs("\r\033[K", stderr);
    r->line_open = false;
    fputs("pcopy: ", stderr);
    return stderr;
}

void pc_report_error(struct pc_report *r, const char *operation, const char *path, int err,
                     const char *why)
{
    char text[128];
    pthread_mutex_lock(&r->lock);
    FILE *f = begin_line(r);
    fprintf(f, "cannot %s '", operation);
    put_text(r, f, path, true);
    fprintf(f, "': %s\n", why ? why : strerror_r(-err, text, sizeof text));
    pthread_mutex_unlock(&r->lock);
}

void pc_report_note(struct pc_report *r, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&text, format, args);
    va_end(args);

    pthread_mutex_lock(&r->lock);
    FILE *f = begin_line(r);
    put_text(r, f, n < 0 ? "no memory for a message" : text, false);
    fputc('\n', f);
    pthread_mutex_unlock(&r->lock);
    if (n >= 0)
        free(text);
}

void pc_report_entry(struct pc_report *r, const char *path)
{
    if (!r->verbose)
        return;
    pthread_mutex_lock(&r->lock);
    put_text(r, stdout, path, true);
    fputc('\n', stdout);
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
    return sum(r, PC_COUNT_FILES) + sum(r, PC_COUNT_SYMLINKS) + sum(r, PC_COUNT_LINKS) +
           sum(r, PC_COUNT_SPECIALS);
}

bool pc_report_has_progress(const struct pc_report *r)
{
    return r->terminal && !r->quiet;
}

void pc_report_progress(struct pc_report *r)
{
    char done[32];
    char rate[32];
    const double now = elapsed(r);
    const uint64_t files = copied(r);
    const uint64_t bytes = sum(r, PC_COUNT_BYTES);

    pthread_mutex_lock(&r->lock);
    const double span = now - r->last_seconds;
    if (span > 0) {
        fprintf(stderr, "\r%llu files, %s; %.0f files/s, %s/s; %llu errors\033[K",
                (unsigned long long)files, bytes_text((double)bytes, done, sizeof done),
                (double)(files - r->last_files) / span,
                bytes_text((double)(bytes - r->last_bytes) / span, rate, sizeof rate),
                (unsigned long long)sum(r, PC_COUNT_ERRORS));
        fflush(stderr);
        r->line_open = true;
        r->last_seconds = now;
        r->last_files = files;
        r->last_bytes = bytes;
    }
    pthread_mutex_unlock(&r->lock);
}

static void summary(const struct pc_report *r)
{
    char done[32];
    char rate[32];
    const double seconds = elapsed(r);
    const double span = seconds > 0 ? seconds : 1e-9;
    const uint64_t bytes = sum(r, PC_COUNT_BYTES);
    unsigned long long n[PC_COUNTS];
    for (unsigned i = 0; i < PC_COUNTS; i++)
        n[i] = sum(r, (enum pc_count)i);

    printf("copied %llu files, %llu directories, %llu symlinks, %llu hard links, %llu special "
           "files\n",
           n[PC_COUNT_FILES], n[PC_COUNT_DIRS], n[PC_COUNT_SYMLINKS], n[PC_COUNT_LINKS],
           n[PC_COUNT_SPECIALS]);
    printf("%llu bytes (%s), %llu skipped, %llu vanished, %llu changed, %llu errors\n",
           n[PC_COUNT_BYTES], bytes_text((double)bytes, done, sizeof done), n[PC_COUNT_SKIPPED],
           n[PC_COUNT_VANISHED], n[PC_COUNT_CHANGED], n[PC_COUNT_ERRORS]);
    printf("%.2f seconds, %.0f files/s, %s/s\n", seconds, (double)copied(r) / span,
           bytes_text((double)bytes / span, rate, sizeof rate));
}

/* Everything on standard output is there, or the run has failed. */
static enum pc_status flushed(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return PC_STATUS_DONE;
    fprintf(stderr, "pcopy: cannot write to standard output: %s\n", strerror(errno));
    return PC_STATUS_RUN;
}

enum pc_status pc_report_print(struct pc_report *r, const char *text)
{
    pthread_mutex_lock(&r->lock);
    fputs(text, stdout);
    const enum pc_status status = flushed();
    pthread_mutex_unlock(&r->lock);
    return status;
}

enum pc_status pc_report_end(struct pc_report *r, enum pc_status status)
{
    pthread_mutex_lock(&r->lock);
    if (r->line_open)
        fputs("\r\033[K", stderr);
    r->line_open = false;
    if (!r->quiet)
        summary(r);
    const enum pc_status written = flushed();
    if (status == PC_STATUS_DONE)
        status = written;
    pthread_mutex_unlock(&r->lock);

    if (status != PC_STATUS_DONE)
        return status;
    if (sum(r, PC_COUNT_ERRORS))
        return PC_STATUS_PARTIAL;
    return sum(r, PC_COUNT_VANISHED) || sum(r, PC_COUNT_CHANGED) ? PC_STATUS_VANISHED
                                                                 : PC_STATUS_DONE;
}
