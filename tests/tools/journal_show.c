/*
 * journal_show FILE: prints what a journal holds, a record a line:
 *
 *     identity TEXT ...
 *     directory ROOT PATH
 *     file ROOT PATH TEMPORARY NUMBER SIZE
 *     range NUMBER FROM TO
 *     complete
 *     damaged BYTES                         the end, which does not count
 *
 * Fields are separated by tabs. It reads the file as the essay of src/journal.c describes it, with
 * no code of pcopy, and without its lock, so also while a run adds to it.
 * Exit status: 0; 1 if it is no journal, 2 if it cannot be read.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define MAGIC "pcopy-j1"

enum { HEADER = 16, FRAME = 4 + 1 + 8 };

static uint64_t number(const unsigned char *at, size_t bytes)
{
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

/* Prints the text there, which ends before `end`. Returns what is behind it. */
static const unsigned char *put_text(const unsigned char *at, const unsigned char *end)
{
    const unsigned char *nul = memchr(at, '\0', (size_t)(end - at));
    if (!nul)
        return end;
    printf("\t%s", (const char *)at);
    return nul + 1;
}

static void put_record(unsigned type, const unsigned char *at, const unsigned char *end)
{
    switch (type) {
    case 1:
        printf("identity");
        while (at < end)
            at = put_text(at, end);
        break;
    case 2:
    case 3:
        printf("%s\t%" PRIu64, type == 2 ? "directory" : "file", number(at, 4));
        at = put_text(at + 4, end);
        if (type == 3) {
            at = put_text(at, end);
            printf("\t%" PRIu64 "\t%" PRIu64, number(at, 4), number(at + 4, 8));
        }
        break;
    case 4:
        printf("range\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64, number(at, 4), number(at + 4, 8),
               number(at + 12, 8));
        break;
    case 5:
        printf("complete");
        break;
    default:
        printf("unknown\t%u", type);
    }
    putchar('\n');
}

/* The length of the good record there, or 0. */
static size_t record_length(const unsigned char *at, size_t left, uint64_t id)
{
    if (left < FRAME)
        return 0;
    const size_t size = number(at, 4);
    if (size > left - FRAME ||
        number(at + 5 + size, 8) != XXH3_64bits_withSeed(at + 4, 1 + size, id))
        return 0;
    return FRAME + size;
}

int main(int argc, char **argv)
{
    FILE *f = argc == 2 ? fopen(argv[1], "rb") : NULL;
    unsigned char *bytes = NULL;
    size_t used = 0;
    size_t n = 0;
    if (!f) {
        fprintf(stderr, "usage: journal_show FILE\n");
        return 2;
    }
    do {
        unsigned char *more = realloc(bytes, used + 65536);
        if (!more)
            return 2;
        bytes = more;
        n = fread(bytes + used, 1, 65536, f);
        used += n;
    } while (n > 0);
    if (ferror(f) || fclose(f) != 0)
        return 2;

    if (used < HEADER || memcmp(bytes, MAGIC, strlen(MAGIC)) != 0)
        return 1;
    const uint64_t id = number(bytes + 8, 8);
    size_t at = HEADER;
    for (size_t length; (length = record_length(bytes + at, used - at, id)) > 0; at += length)
        put_record(bytes[at + 4], bytes + at + 5, bytes + at + length - 8);
    if (at < used)
        printf("damaged\t%zu\n", used - at);
    free(bytes);
    return fflush(stdout) == 0 ? 0 : 2;
}
