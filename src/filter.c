/*
 * A pattern becomes a list of elements. An element is a set of bytes, and takes either one byte of
 * it, or any number of them: a literal is a set of one, '?' all bytes but the slash, '*' any number
 * of those, '**' any number of all. So everything that makes up the syntax is in compile(), and
 * match() knows nothing of it.
 *
 * Paths are looked at as if a slash stood at both ends: "/a/b/c/". Then most of rsync's rules on
 * where a match may begin and end need no code of their own:
 * - an anchored pattern keeps its slash and is matched from the first one;
 * - "foo**bar" may begin at any component: "**" and a slash are put before it;
 * - where a pattern has these of its own, the slash may be the first one, and foo be in the root;
 * - three stars behind "dir/" match the directory itself, for it is "dir/" and nothing;
 * - what has no "**" takes as many slashes as it has, so it is matched with so many components.
 *
 * Files of rules, and those that stand for their time, are the user's and of no tree that is
 * copied; they are read the ordinary way and not through sys.
 */
#include "pcopy/filter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pcopy/when.h"

struct element {
    uint64_t bytes[4]; /* the set, a bit for each byte */
    bool repeats;      /* takes any number of bytes, else one */
};

struct rule {
    bool include;
    bool directories;  /* for directories only: there was a slash at the end */
    bool contents;     /* ends with "***": a directory is matched with a slash behind it */
    size_t components; /* matched are so many last components; 0: the path with its slashes */
    struct element *elements;
    size_t count;
};

struct pc_filter {
    struct rule *rules;
    size_t count;
    uint64_t min_size;
    uint64_t max_size;
    bool has_newer;
    bool has_older;
    struct timespec newer; /* than this it must be */
    struct timespec older;
};

/* A path, seen with slashes at its ends: byte 0, and byte length + 1. */
struct subject {
    const char *path;
    size_t length;
    bool directory;
};

/* --- sets of bytes --- */

static void put_range(struct element *e, unsigned char first, unsigned char last)
{
    for (unsigned c = first; c <= last; c++)
        e->bytes[c / 64] |= UINT64_C(1) << c % 64;
}

static void put(struct element *e, char c)
{
    put_range(e, (unsigned char)c, (unsigned char)c);
}

static void put_all_but_slash(struct element *e)
{
    put_range(e, 0, '/' - 1);
    put_range(e, '/' + 1, UINT8_MAX);
}

static bool takes(const struct element *e, char c)
{
    const unsigned char byte = (unsigned char)c;
    return e->bytes[byte / 64] >> byte % 64 & 1;
}

/* --- patterns to elements --- */

static const struct {
    const char *name;
    int (*holds)(int c);
} CLASSES[] = {
    {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
    {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
    {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

/* The class whose name has `length` bytes. False if there is none. */
static bool put_class(struct element *e, const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof CLASSES / sizeof CLASSES[0]; i++) {
        if (strlen(CLASSES[i].name) != length || memcmp(CLASSES[i].name, name, length) != 0)
            continue;
        for (int c = 0; c < 128; c++) {
            if (CLASSES[i].holds(c))
                put(e, (char)c);
        }
        return true;
    }
    return false;
}

/* What is behind the '[' of a set. Returns what is behind its ']'; NULL if that is malformed. */
static const char *parse_set(const char *at, struct element *e)
{
    const bool negated = *at == '!' || *at == '^';
    char previous = '\0'; /* where a range could begin */

    at += negated;
    do { /* at least once: a ']' that comes first is one of the set */
        const char *const name = at + 2;
        const char *const close = at[0] == '[' && at[1] == ':' ? strchr(name, ']') : NULL;
        if (close && close > name && close[-1] == ':') {
            if (!put_class(e, name, (size_t)(close - 1 - name)))
                return NULL;
            previous = '\0';
            at = close + 1;
            continue;
        }
        const bool range = *at == '-' && previous && at[1] && at[1] != ']';
        at += range;
        at += *at == '\\';
        if (*at == '\0')
            return NULL;
        if (range) {
            put_range(e, (unsigned char)previous, (unsigned char)*at);
            previous = '\0';
        } else {
            put(e, *at);
            previous = *at;
        }
        at++;
    } while (*at != ']');

    for (size_t i = 0; negated && i < 4; i++)
        e->bytes[i] = ~e->bytes[i];
    e->bytes['/' / 64] &= ~(UINT64_C(1) << '/' % 64);
    return at + 1;
}

/*
 * The first element of what is left of a pattern. Returns where the next one begins. What is
 * malformed becomes an empty set, which takes nothing.
 */
static const char *parse(const char *at, bool wild, struct element *e)
{
    *e = (struct element){0};
    if (wild && *at == '*') {
        const size_t n = strspn(at, "*");
        put_all_but_slash(e);
        if (n > 1)
            put(e, '/');
        e->repeats = true;
        return at + n;
    }
    if (wild && *at == '?') {
        put_all_but_slash(e);
        return at + 1;
    }
    if (wild && *at == '[') {
        const char *end = parse_set(at + 1, e);
        if (end)
            return end;
        *e = (struct element){0};
        return at + strlen(at);
    }
    at += wild && *at == '\\';
    if (*at == '\0')
        return at;
    put(e, *at);
    return at + 1;
}

/*
 * `text` is a pattern without its mark for directories. To rsync stars and slashes count here even
 * where they are escaped or in a set.
 */
static int compile(struct rule *r, const char *text)
{
    const size_t length = strlen(text);
    const bool wild = strpbrk(text, "*?[");
    const char *wide = strstr(text, "**");

    r->elements = malloc((length + 2) * sizeof *r->elements);
    if (!r->elements)
        return -ENOMEM;
    r->contents = length >= 3 && strcmp(text + length - 3, "***") == 0;
    if (wide && wide != text && *text != '/') {
        parse("**", true, &r->elements[r->count++]);
        parse("/", false, &r->elements[r->count++]);
    }
    if (!wide && *text != '/') {
        r->components = 1;
        for (const char *at = text; *at; at++)
            r->components += *at == '/';
    }
    for (const char *at = text; *at;)
        at = parse(at, wild, &r->elements[r->count++]);
    return 0;
}

/* --- matching --- */

static char byte_at(const struct subject *s, size_t i)
{
    if (i == 0 || i > s->length)
        return '/';
    return s->path[i - 1];
}

/*
 * True if the elements take the bytes from `at` to `end`, all of them.
 *
 * An element that repeats takes nothing at first, and one byte more each time that what follows it
 * does not fit. Only the last one need be tried again, not those before it: what is between two of
 * them fits best where it fits first, for that leaves the most to the later one. (With '*' too,
 * which ends at a slash: what is behind it has no slash, or its first one is the path's next and so
 * there is one place only.) When the last '*' can go no further the last '**' takes one byte more,
 * and what was behind that begins anew. So the time is at worst the product of the lengths of the
 * path, a component of it, and the pattern.
 */
static bool match(const struct rule *r, const struct subject *s, size_t at, size_t end)
{
    /* Of the last '*' and '**': the element behind it, 0 for none, and the byte that got last. */
    struct {
        size_t element;
        size_t at;
    } star = {0, 0}, wide = {0, 0};
    size_t i = 0;

    for (;;) {
        const struct element *e = &r->elements[i];
        if (i == r->count && at == end)
            return true;
        if (i < r->count && e->repeats) {
            i++;
            star.element = takes(e, '/') ? 0 : i;
            star.at = at;
            if (star.element == 0) {
                wide.element = i;
                wide.at = at;
            }
        } else if (i < r->count && at < end && takes(e, byte_at(s, at))) {
            i++;
            at++;
        } else if (star.element && star.at < end && byte_at(s, star.at) != '/') {
            i = star.element;
            at = ++star.at;
        } else if (wide.element && wide.at < end) {
            i = wide.element;
            at = ++wide.at;
        } else {
            return false;
        }
    }
}

static bool rule_matches(const struct rule *r, const struct subject *s)
{
    if (r->directories && !s->directory)
        return false;
    size_t at = 0;
    if (r->components) {
        at = s->length + 1;
        for (size_t n = r->components; n > 0; n--) {
            if (at == 0)
                return false; /* it has less */
            do
                at--;
            while (byte_at(s, at) != '/');
        }
        at++;
    }
    return match(r, s, at, s->length + 1 + (r->contents && s->directory));
}

/* --- points in time --- */

static int parse_when(const char *text, struct timespec *out)
{
    struct stat st;
    time_t seconds;
    if (pc_when_duration(text, 0, &seconds)) {
        clock_gettime(CLOCK_REALTIME, out);
        out->tv_sec -= seconds;
        return 0;
    }
    if (pc_when_date(text, &seconds)) {
        *out = (struct timespec){.tv_sec = seconds};
        return 0;
    }
    if (stat(text, &st) != 0)
        return errno == ENOENT ? -EINVAL : -errno;
    *out = st.st_mtim;
    return 0;
}

static int compare_times(struct timespec a, struct timespec b)
{
    if (a.tv_sec != b.tv_sec)
        return a.tv_sec < b.tv_sec ? -1 : 1;
    return (a.tv_nsec > b.tv_nsec) - (a.tv_nsec < b.tv_nsec);
}

/* --- the filter --- */

int pc_filter_new(struct pc_filter **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return -ENOMEM;
    (*out)->max_size = UINT64_MAX;
    return 0;
}

static void clear(struct pc_filter *f)
{
    for (size_t i = 0; i < f->count; i++)
        free(f->rules[i].elements);
    f->count = 0;
}

void pc_filter_free(struct pc_filter *f)
{
    if (!f)
        return;
    clear(f);
    free(f->rules);
    free(f);
}

int pc_filter_add(struct pc_filter *f, bool include, const char *pattern)
{
    if (strcmp(pattern, "!") == 0) {
        clear(f);
        return 0;
    }
    if ((pattern[0] == '+' || pattern[0] == '-') && pattern[1] == ' ') {
        include = pattern[0] == '+';
        pattern += 2;
        if (*pattern == '\0')
            return -EINVAL;
    }
    const size_t length = strlen(pattern);
    if (length == 0)
        return 0;

    struct rule *more = realloc(f->rules, (f->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    f->rules = more;
    struct rule *r = &more[f->count];
    *r = (struct rule){.include = include, .directories = pattern[length - 1] == '/'};
    char *text = strndup(pattern, length - r->directories);
    const int err = text ? compile(r, text) : -ENOMEM;
    free(text);
    f->count += err == 0;
    return err;
}

/* A line of a file of rules, which may be several: CR ends one as well. Cuts it up. */
static int add_line(struct pc_filter *f, bool include, char *line, size_t length)
{
    if (memchr(line, '\0', length))
        return -EINVAL; /* names of another program; as lines they would be one, cut short */
    int err = 0;
    for (char *rest = line; rest && !err;) {
        const char *pattern = strsep(&rest, "\r\n");
        if (*pattern != '#' && *pattern != ';')
            err = pc_filter_add(f, include, pattern);
    }
    return err;
}

int pc_filter_add_file(struct pc_filter *f, bool include, const char *path, bool nul, size_t *line)
{
    *line = 0;
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!in)
        return -errno;

    char *text = NULL;
    size_t room = 0;
    size_t number = 0;
    ssize_t n;
    int err = 0;
    while (!err && (n = getdelim(&text, &room, nul ? '\0' : '\n', in)) >= 0) {
        number++;
        err = nul ? pc_filter_add(f, include, text) : add_line(f, include, text, (size_t)n);
    }
    if (err == -EINVAL)
        *line = number;
    else if (!err && !feof(in))
        err = -errno;
    free(text);
    if (in != stdin)
        fclose(in);
    return err;
}

void pc_filter_set_sizes(struct pc_filter *f, uint64_t min, uint64_t max)
{
    f->min_size = min;
    f->max_size = max;
}

int pc_filter_set_newer(struct pc_filter *f, const char *when)
{
    const int err = parse_when(when, &f->newer);
    f->has_newer |= err == 0;
    return err;
}

int pc_filter_set_older(struct pc_filter *f, const char *when)
{
    const int err = parse_when(when, &f->older);
    f->has_older |= err == 0;
    return err;
}

bool pc_filter_has_names(const struct pc_filter *f)
{
    return f->count > 0;
}

bool pc_filter_has_attributes(const struct pc_filter *f)
{
    return f->min_size > 0 || f->max_size < UINT64_MAX || f->has_newer || f->has_older;
}

bool pc_filter_excludes(const struct pc_filter *f, const char *path, bool directory)
{
    const struct subject s = {path, strlen(path), directory};
    if (s.length == 0)
        return false;
    for (size_t i = 0; i < f->count; i++) {
        if (rule_matches(&f->rules[i], &s))
            return !f->rules[i].include;
    }
    return false;
}

bool pc_filter_excludes_attributes(const struct pc_filter *f, const struct stat *st)
{
    if (S_ISDIR(st->st_mode))
        return false;
    if (S_ISREG(st->st_mode)) {
        const uint64_t size = (uint64_t)st->st_size;
        if (size < f->min_size || size > f->max_size)
            return true;
    }
    return (f->has_newer && compare_times(st->st_mtim, f->newer) <= 0) ||
           (f->has_older && compare_times(st->st_mtim, f->older) >= 0);
}
