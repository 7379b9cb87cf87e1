/*
 * Checksums of files, and lists of them for and from xxhsum.
 */
#include "pcopy/sums.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define DIGITS 32 /* of a checksum */

struct pc_sums_hash {
    XXH3_state_t *state;
};

struct pc_sums_writer {
    pthread_mutex_t lock; /* of what follows, while lines are added */
    FILE *file;
    int err;         /* the first one, which ends all writing */
    char *path;      /* NULL if there is nothing to be renamed */
    char *temporary; /* its name until then */
};

struct pc_sums_reader {
    FILE *file;
    char *line;
    size_t size; /* of the memory of `line` */
    size_t number;
};

/* --- checksums --- */

int pc_sums_start(struct pc_sums_hash **out)
{
    struct pc_sums_hash *h = malloc(sizeof *h);
    if (!h)
        return -ENOMEM;
    h->state = XXH3_createState();
    if (!h->state) {
        free(h);
        return -ENOMEM;
    }
    pc_sums_reset(h);
    *out = h;
    return 0;
}

void pc_sums_reset(struct pc_sums_hash *h)
{
    XXH3_128bits_reset(h->state);
}

void pc_sums_update(struct pc_sums_hash *h, const void *data, size_t size)
{
    XXH3_128bits_update(h->state, data, size);
}

void pc_sums_zeros(struct pc_sums_hash *h, uint64_t size)
{
    static const char zeros[16384]; /* stays in the processor's first cache */
    while (size > 0) {
        const size_t part = size < sizeof zeros ? (size_t)size : sizeof zeros;
        XXH3_128bits_update(h->state, zeros, part);
        size -= part;
    }
}

struct pc_sum pc_sums_end(const struct pc_sums_hash *h)
{
    const XXH128_hash_t hash = XXH3_128bits_digest(h->state);
    return (struct pc_sum){.high = hash.high64, .low = hash.low64};
}

void pc_sums_free(struct pc_sums_hash *h)
{
    if (!h)
        return;
    XXH3_freeState(h->state);
    free(h);
}

/* --- writing --- */

/* Takes over a descriptor, or the error of opening it. */
static int write_to(struct pc_sums_writer *w, int fd)
{
    w->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    const int err = w->file ? 0 : -errno;
    if (err && fd >= 0)
        close(fd);
    return err;
}

/* A file beside w->path, which is to get that name when it is complete. */
static int open_temporary(struct pc_sums_writer *w, mode_t mode)
{
    const char *slash = strrchr(w->path, '/');
    const int dir = slash ? (int)(slash + 1 - w->path) : 0;
    char *name;
    /* Without the list's own name, which may be as long as a name can be. */
    if (asprintf(&name, "%.*s.pcopy-sums-XXXXXX", dir, w->path) < 0)
        return -ENOMEM;
    const int fd = mkostemp(name, O_CLOEXEC);
    int err = write_to(w, fd);
    if (fd < 0)
        free(name);
    else
        w->temporary = name;
    if (!err && fchmod(fd, mode) != 0)
        err = -errno;
    return err;
}

static int open_writer(struct pc_sums_writer *w, const char *path, mode_t mode)
{
    struct stat st;
    if (strcmp(path, "-") == 0) {
        w->file = stdout;
        return 0;
    }
    const bool exists = stat(path, &st) == 0;
    if (!exists && errno != ENOENT)
        return -errno;
    if (exists && !S_ISREG(st.st_mode))
        return write_to(w, open(path, O_WRONLY | O_CLOEXEC));
    w->path = exists ? realpath(path, NULL) : strdup(path);
    if (!w->path)
        return -errno;
    return open_temporary(w, exists ? st.st_mode & 0777 : mode);
}

/* Closes what is open and frees all; the temporary file goes unless it was renamed. */
static void release(struct pc_sums_writer *w)
{
    if (w->file && w->file != stdout)
        fclose(w->file); /* its errors were seen, or are of no interest */
    if (w->temporary)
        unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int pc_sums_create(struct pc_sums_writer **out, const char *path, mode_t mode)
{
    struct pc_sums_writer *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    pthread_mutex_init(&w->lock, NULL);
    const int err = open_writer(w, path, mode);
    if (err)
        release(w);
    else
        *out = w;
    return err;
}

/* The name in a line that began with a backslash. */
static bool put_escaped(FILE *f, const char *name)
{
    for (; *name; name++) {
        const char *text = NULL;
        if (*name == '\\')
            text = "\\\\";
        else if (*name == '\n')
            text = "\\n";
        else if (*name == '\r')
            text = "\\r";
        if (text ? fputs(text, f) == EOF : putc(*name, f) == EOF)
            return false;
    }
    return true;
}

static bool put_line(FILE *f, struct pc_sum sum, const char *name)
{
    const bool escape = strchr(name, '\n') != NULL;
    const bool stdin_like = strcmp(name, "stdin") == 0;
    return fprintf(f, "%s%016" PRIx64 "%016" PRIx64 "  %s", escape ? "\\" : "", sum.high, sum.low,
                   stdin_like ? "./" : "") >= 0 &&
           (escape ? put_escaped(f, name) : fputs(name, f) != EOF) && putc('\n', f) != EOF;
}

int pc_sums_add(struct pc_sums_writer *w, struct pc_sum sum, const char *name)
{
    pthread_mutex_lock(&w->lock);
    if (!w->err) {
        flockfile(w->file); /* others may be writing to standard output */
        if (!put_line(w->file, sum, name))
            w->err = -errno;
        funlockfile(w->file);
    }
    const int err = w->err;
    pthread_mutex_unlock(&w->lock);
    return err;
}

int pc_sums_finish(struct pc_sums_writer *w)
{
    int err = w->err;
    if (!err && fflush(w->file) != 0)
        err = -errno;
    if (!err && ferror(w->file)) /* standard output, while others wrote: our lines may be lost */
        err = -EIO;
    if (!err && w->path && fsync(fileno(w->file)) != 0)
        err = -errno;
    if (w->file != stdout) {
        if (fclose(w->file) != 0 && !err)
            err = -errno;
        w->file = NULL;
    }
    if (!err && w->path) {
        if (rename(w->temporary, w->path) == 0) {
            free(w->temporary);
            w->temporary = NULL;
        } else {
            err = -errno;
        }
    }
    release(w);
    return err;
}

void pc_sums_abandon(struct pc_sums_writer *w)
{
    if (w)
        release(w);
}

/* --- reading --- */

int pc_sums_open(struct pc_sums_reader **out, const char *path)
{
    struct pc_sums_reader *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!r->file) {
        const int err = -errno;
        free(r);
        return err;
    }
    *out = r;
    return 0;
}

/* Half of a checksum; false if these are not 16 digits. */
static bool parse_half(const char *text, uint64_t *half)
{
    *half = 0;
    for (int i = 0; i < DIGITS / 2; i++) {
        const char lower = (char)(text[i] | 0x20);
        unsigned digit;
        if (text[i] >= '0' && text[i] <= '9')
            digit = (unsigned)(text[i] - '0');
        else if (lower >= 'a' && lower <= 'f')
            digit = (unsigned)(lower - 'a') + 10;
        else
            return false;
        *half = *half << 4 | digit;
    }
    return true;
}

static bool parse_sum(const char *text, struct pc_sum *sum)
{
    return parse_half(text, &sum->high) && parse_half(text + DIGITS / 2, &sum->low);
}

/* Takes the backslashes out, in place; false if one stands for nothing. */
static bool unescape(char *name)
{
    char *to = name;
    for (const char *from = name; *from; from++) {
        char c = *from;
        if (c == '\\') {
            from++;
            if (*from == 'n')
                c = '\n';
            else if (*from == 'r')
                c = '\r';
            else if (*from != '\\')
                return false;
        }
        *to++ = c;
    }
    *to = '\0';
    return true;
}

/* Takes a line to pieces. */
static bool parse_line(char *line, struct pc_sum *sum, const char **out)
{
    static const char tag[] = "XXH128 (";
    const size_t tag_length = sizeof tag - 1;
    const bool escaped = *line == '\\';
    if (escaped)
        line++;
    char *name;
    if (strncmp(line, tag, tag_length) == 0) {
        name = line + tag_length;
        char *end = strrchr(name, ')');
        if (!end || strncmp(end, ") = ", 4) != 0)
            return false;
        if (!parse_sum(end + 4, sum) || end[4 + DIGITS] != '\0')
            return false;
        *end = '\0';
    } else {
        if (!parse_sum(line, sum) || line[DIGITS] != ' ')
            return false;
        if (line[DIGITS + 1] != ' ' && line[DIGITS + 1] != '*')
            return false;
        name = line + DIGITS + 2;
    }
    *out = name;
    return *name && (!escaped || unescape(name));
}

int pc_sums_next(struct pc_sums_reader *r, struct pc_sum *sum, const char **name, size_t *line)
{
    for (;;) {
        errno = 0;
        const ssize_t got = getline(&r->line, &r->size, r->file);
        /* Half a line that an error came after is returned like a whole one. */
        if (ferror(r->file) || (got < 0 && !feof(r->file)))
            return errno && errno != EINVAL ? -errno : -EIO; /* that one speaks of a line */
        if (got < 0)
            return 0;
        size_t length = (size_t)got;
        if (r->line[length - 1] == '\n')
            r->line[--length] = '\0';
        *line = ++r->number;
        if (length == 0 || r->line[0] == '#')
            continue;
        if (strlen(r->line) != length || !parse_line(r->line, sum, name))
            return -EINVAL;
        return 1;
    }
}

void pc_sums_close(struct pc_sums_reader *r)
{
    if (!r)
        return;
    if (r->file != stdin)
        fclose(r->file); /* nothing was written: no error can matter */
    free(r->line);
    free(r);
}
