/*
 * Threads that take stand in a line, and what the rate brings goes to the first of it. So an amount
 * is never too large, it only takes its time, and no small one slips past.
 *
 * Only the first in line looks at the clock. It sleeps until it has got its amount, but wakes each
 * POLL for what announces itself to nobody: a stop, its own or that of one behind it, and each
 * LOOK for a new rate. The others sleep until they are woken. When the first one leaves the line
 * the next one is woken, so there is always one who watches.
 *
 * Amounts are doubles. A unit more or less in 2^53 is no matter here, and nothing can overflow.
 */
#include "pcopy/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND    INT64_C(1000000000)
#define LOOK      SECOND
#define POLL      (SECOND / 20)
#define NEVER     INT64_MAX
#define BURST     0.1 /* seconds that idle time is saved up for */
#define MAX_SPANS 32
#define MAX_LINE  4096

struct span {
    unsigned days; /* on which it begins: bit 0 is Sunday */
    int from;      /* minutes of the day */
    int to;        /* not after `from`: on the next day */
    double rate;
};

struct schedule {
    size_t count;
    struct span spans[MAX_SPANS];
    double otherwise; /* the rate when no span holds */
};

struct waiter {
    struct waiter *next;
    struct waiter **link; /* what points to it */
    double amount;
    const atomic_bool *stop;
    bool granted; /* and so not in line any more */
    pthread_cond_t wake;
};

struct pc_limit {
    pthread_mutex_t lock; /* everything below is under it */
    pthread_condattr_t monotonic;
    struct waiter *first; /* in line */
    struct waiter **end;

    double rate;     /* units a second, 0: no limit */
    double saved;    /* units that are there to be taken */
    int64_t at;      /* when that was so */
    int64_t look_at; /* when the rate may be another one */
    struct schedule schedule;

    char *path;        /* FILE, or NULL */
    struct stat seen;  /* what FILE was when the schedule was read from it */
    char problem[512]; /* what was wrong when FILE was looked at last, or "" */
    bool noted;        /* that went into `note` */
    char note[512];    /* what is still to be told, or "" */
};

/* Where a refusal is written to. */
struct problem {
    char *text;
    size_t size;
};

/* Says what is wrong. Returns -EINVAL, for the caller to return. */
__attribute__((format(printf, 2, 3))) static int refuse(struct problem *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->text, p->size, format, args);
    va_end(args);
    return -EINVAL;
}

/* --- the clock --- */

static int64_t real_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void real_local(struct tm *out)
{
    const time_t now = time(NULL);
    localtime_r(&now, out);
}

static void real_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
    const struct timespec t = {.tv_sec = until / SECOND, .tv_nsec = until % SECOND};
    if (until == NEVER)
        pthread_cond_wait(cond, lock);
    else
        pthread_cond_timedwait(cond, lock, &t);
}

static const struct pc_limit_clock real_clock = {real_now, real_local, real_wait};
static const struct pc_limit_clock *the_clock = &real_clock;

void pc_limit_set_clock(const struct pc_limit_clock *clock)
{
    the_clock = clock ? clock : &real_clock;
}

/* --- text to a schedule --- */

/* These return what is behind the thing that they parse, NULL if it is not there. */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Not strtod(), which takes "0x1p3", "inf", and commas where the locale says so. */
static const char *parse_rate(const char *at, double *out)
{
    static const char suffixes[] = "KMG";
    double n = 0;
    double divisor = 1;

    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++)
        n = 10 * n + (*at - '0');
    if (*at == '.') {
        if (!is_digit(*++at))
            return NULL;
        for (; is_digit(*at); at++) {
            n = 10 * n + (*at - '0');
            divisor *= 10;
        }
    }
    n /= divisor;
    const char upper = (char)(*at & ~0x20);
    const char *suffix = upper ? strchr(suffixes, upper) : NULL;
    if (suffix) {
        n *= (double)(UINT64_C(1) << 10 * (suffix - suffixes + 1));
        at++;
    }
    *out = n;
    return n < 1e300 ? at : NULL; /* nor infinite, nor what comes of dividing that */
}

/* A number of `least` to two digits. */
static const char *parse_digits(const char *at, int least, int *out)
{
    int digits = 0;
    *out = 0;
    for (; digits < 2 && is_digit(*at); digits++)
        *out = 10 * *out + (*at++ - '0');
    return digits >= least ? at : NULL;
}

/* From "0:00" to "24:00". */
static const char *parse_time(const char *at, int *out)
{
    int hours;
    int minutes;
    at = parse_digits(at, 1, &hours);
    if (!at || *at != ':')
        return NULL;
    at = parse_digits(at + 1, 2, &minutes);
    *out = 60 * hours + minutes;
    return at && minutes < 60 && *out <= 24 * 60 ? at : NULL;
}

static const char *parse_day(const char *at, unsigned *out)
{
    static const char names[] = "SunMonTueWedThuFriSat";
    for (*out = 0; *out < 7; ++*out) {
        if (strncasecmp(at, names + (size_t)3 * *out, 3) == 0)
            return at + 3;
    }
    return NULL;
}

/* "Fri@" or "Sat-Mon@" */
static const char *parse_days(const char *at, unsigned *out)
{
    unsigned day;
    unsigned last;
    at = parse_day(at, &day);
    last = day;
    if (at && *at == '-')
        at = parse_day(at + 1, &last);
    if (!at || *at != '@')
        return NULL;
    for (*out = 1U << day; day != last; *out |= 1U << day)
        day = (day + 1) % 7;
    return at + 1;
}

/* The days and times of a span. */
static const char *parse_span(const char *at, struct span *out)
{
    out->days = 0x7f;
    if (!is_digit(*at))
        at = parse_days(at, &out->days);
    if (at)
        at = parse_time(at, &out->from);
    if (!at || *at != '-')
        return NULL;
    return parse_time(at + 1, &out->to);
}

static int refuse_rate(struct problem *p, const char *text)
{
    return refuse(
        p,
        "'%.*s' is no rate: write a number, with K, M or G behind it if that is meant, as "
        "50M; 0 is no limit",
        (int)strcspn(text, ","), text);
}

/* Anything but @FILE. Returns 0 or -EINVAL. */
static int parse(const char *text, struct schedule *s, struct problem *p)
{
    const char *at = text;
    const char *end;
    bool more = true;

    *s = (struct schedule){0};
    if (!strchr(text, '=')) {
        end = parse_rate(text, &s->otherwise);
        return end && !*end ? 0 : refuse_rate(p, text);
    }
    while (more) {
        const char *item = at;
        struct span span = {0};
        const bool otherwise = strncmp(item, "else", 4) == 0;
        at = otherwise ? item + 4 : parse_span(item, &span);
        if (!at || *at != '=')
            return refuse(p,
                          "'%.*s' is no part of a schedule: write it as 08:00-18:00=50M, "
                          "Mon-Fri@08:00-18:00=50M or else=0",
                          (int)strcspn(item, ","), item);
        const char *rate = at + 1;
        at = parse_rate(rate, &span.rate);
        if (!at || (*at && *at != ','))
            return refuse_rate(p, rate);
        more = *at++ == ',';
        if (otherwise && more)
            return refuse(p, "nothing behind 'else' can hold: put it at the end of the schedule");
        if (otherwise)
            s->otherwise = span.rate;
        else if (s->count == MAX_SPANS)
            return refuse(p, "a schedule has up to %d spans: take some away", MAX_SPANS);
        else
            s->spans[s->count++] = span;
    }
    return 0;
}

static bool holds(const struct span *s, int day, int minute)
{
    const unsigned today = s->days >> day & 1;
    const unsigned yesterday = s->days >> (day + 6) % 7 & 1;
    if (s->from < s->to)
        return today && minute >= s->from && minute < s->to;
    return (today && minute >= s->from) || (yesterday && minute < s->to);
}

static double rate_now(const struct schedule *s)
{
    struct tm tm;
    the_clock->local(&tm);
    for (size_t i = 0; i < s->count; i++) {
        if (holds(&s->spans[i], tm.tm_wday, 60 * tm.tm_hour + tm.tm_min))
            return s->spans[i].rate;
    }
    return s->otherwise;
}

/* --- FILE --- */

/* Cuts the first line out of `text`, without the blanks at its ends. */
static const char *first_line(char *text)
{
    text[strcspn(text, "\n")] = '\0';
    text += strspn(text, " \t");
    size_t length = strlen(text);
    while (length && strchr(" \t\r", text[length - 1]))
        length--;
    text[length] = '\0';
    return text;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* The schedule from what is open, unless that is what it was. What is wrong changes nothing. */
static int read_open(struct pc_limit *l, int fd, struct problem *p)
{
    char text[MAX_LINE + 1];
    char wrong[256];
    struct schedule schedule;
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return refuse(p, "'%s' is no regular file: write the limit into one", l->path);
    if (is_same(&st, &l->seen))
        return 0;
    const ssize_t got = read(fd, text, MAX_LINE);
    if (got < 0)
        return -errno;
    text[got] = '\0';
    if (got == MAX_LINE && !strchr(text, '\n'))
        return refuse(p, "the first line of '%s' is too long: is it the right file?", l->path);
    if (parse(first_line(text), &schedule, &(struct problem){wrong, sizeof wrong}) != 0)
        return refuse(p, "the first line of '%s': %s", l->path, wrong);
    l->schedule = schedule;
    l->seen = st;
    return 0;
}

/*
 * The same from FILE. That is the user's own and of no tree that is copied, so it is read the
 * ordinary way and not through sys.
 */
static int read_file(struct pc_limit *l, struct problem *p)
{
    p->text[0] = '\0';
    /* O_NONBLOCK: to open a FIFO would wait for who writes to it. */
    const int fd = open(l->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    const int err = fd < 0 ? -errno : read_open(l, fd, p);
    if (fd >= 0)
        close(fd);
    if (err && !p->text[0])
        refuse(p, "cannot read the limit from '%s': %s", l->path, strerror(-err));
    return err;
}

/*
 * Looks at FILE again. Who finds it wrong may have come between the two steps of a shell that
 * writes it: a problem is one if it is still there the next time.
 */
static void look_again(struct pc_limit *l)
{
    char text[sizeof l->problem];
    read_file(l, &(struct problem){text, sizeof text});
    if (strcmp(text, l->problem) != 0) {
        memcpy(l->problem, text, sizeof text);
        l->noted = false;
    } else if (text[0] && !l->noted) {
        l->noted = true;
        memcpy(l->note, text, sizeof text);
    }
}

/* --- the line --- */

/* What time has brought until `now`, and what the rate is from then on. Under lock. */
static void advance(struct pc_limit *l, int64_t now)
{
    /* What the first in line still lacks is not saved up: it is for now. */
    const double most = l->rate * BURST + (l->first ? l->first->amount : 0);
    l->saved += l->rate * (double)(now - l->at) / SECOND;
    if (l->saved > most)
        l->saved = most;
    l->at = now;
    if (now >= l->look_at) {
        l->look_at = now + LOOK;
        if (l->path)
            look_again(l);
        l->rate = rate_now(&l->schedule);
    }
}

static void join(struct pc_limit *l, struct waiter *w)
{
    w->link = l->end;
    *l->end = w;
    l->end = &w->next;
}

static void leave(struct pc_limit *l, const struct waiter *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    else
        l->end = w->link;
    if (w->link == &l->first && w->next)
        pthread_cond_signal(&w->next->wake);
}

/* Gives what there is to those who are first. */
static void serve(struct pc_limit *l)
{
    struct waiter *w;
    while ((w = l->first) && (l->rate == 0 || l->saved >= w->amount)) {
        if (l->rate > 0)
            l->saved -= w->amount;
        w->granted = true;
        leave(l, w);
        pthread_cond_signal(&w->wake);
    }
}

/* The flag says nothing but this, and orders nothing. */
static bool is_stopped(const struct waiter *w)
{
    return atomic_load_explicit(w->stop, memory_order_relaxed);
}

/* All at once: one after the other, many threads on a busy machine would need seconds. */
static void wake_stopped(const struct pc_limit *l)
{
    for (struct waiter *w = l->first; w; w = w->next) {
        if (is_stopped(w))
            pthread_cond_signal(&w->wake);
    }
}

/* For the first in line. Returns when to look again. */
static int64_t watch(const struct pc_limit *l)
{
    wake_stopped(l);
    int64_t until = l->at + POLL < l->look_at ? l->at + POLL : l->look_at;
    const double lacking = (l->first->amount - l->saved) / l->rate * SECOND;
    if (lacking < (double)(until - l->at))
        until = l->at + (int64_t)lacking + 1; /* not before it is there */
    return until;
}

int pc_limit_take(struct pc_limit *l, uint64_t amount, const atomic_bool *stop)
{
    struct waiter self = {.amount = (double)amount, .stop = stop};
    int err = 0;

    if (!l)
        return 0;
    pthread_cond_init(&self.wake, &l->monotonic);
    pthread_mutex_lock(&l->lock);
    advance(l, the_clock->now()); /* before the line has one more: until now it was idle time */
    join(l, &self);
    while (!self.granted) {
        if (is_stopped(&self)) {
            leave(l, &self);
            wake_stopped(l);
            err = -ECANCELED;
            break;
        }
        advance(l, the_clock->now());
        serve(l);
        if (!self.granted)
            the_clock->wait(&self.wake, &l->lock, l->first == &self ? watch(l) : NEVER);
    }
    pthread_mutex_unlock(&l->lock);
    pthread_cond_destroy(&self.wake);
    return err;
}

bool pc_limit_note(struct pc_limit *l, char *text, size_t size)
{
    if (!l)
        return false;
    pthread_mutex_lock(&l->lock);
    const bool noted = l->note[0];
    if (noted)
        snprintf(text, size, "the limit stays what it was: %s", l->note);
    l->note[0] = '\0';
    pthread_mutex_unlock(&l->lock);
    return noted;
}

int pc_limit_new(struct pc_limit **out, const char *spec, char *problem, size_t size)
{
    struct problem p = {problem, size};
    const char *path = spec[0] == '@' ? spec + 1 : NULL;
    struct pc_limit *l = calloc(1, sizeof *l);
    int err = 0;

    *out = NULL;
    if (!l)
        goto no_memory;
    pthread_mutex_init(&l->lock, NULL);
    pthread_condattr_init(&l->monotonic);
    pthread_condattr_setclock(&l->monotonic, CLOCK_MONOTONIC);
    l->end = &l->first;
    if (path) {
        l->path = strdup(path);
        if (!l->path)
            goto no_memory;
        err = read_file(l, &p);
    } else {
        err = parse(spec, &l->schedule, &p);
    }
    if (err || (!path && l->schedule.count == 0 && l->schedule.otherwise == 0)) {
        pc_limit_free(l);
        return err;
    }
    l->at = the_clock->now();
    l->look_at = l->at + LOOK;
    l->rate = rate_now(&l->schedule);
    *out = l;
    return 0;

no_memory:
    pc_limit_free(l);
    refuse(&p, "no memory for the limit");
    return -ENOMEM;
}

void pc_limit_free(struct pc_limit *l)
{
    if (!l)
        return;
    pthread_condattr_destroy(&l->monotonic);
    pthread_mutex_destroy(&l->lock);
    free(l->path);
    free(l);
}
