/*
 * sums: XXH3-128 checksums, and lists of them in the format of `xxhsum -H2`.
 *
 * A line of a list is 32 hexadecimal digits (lower case, most significant first), two spaces and
 * the name. Lists are written for every xxhsum from 0.8.0 on, and these do not agree about names:
 * - 0.8.0 and 0.8.1 write and read all names as they are;
 * - from 0.8.2 on a line that begins with a backslash has "\\", "\n" and "\r" in its name for
 *   backslash, newline and carriage return; of other lines names are taken as they are. They write
 *   names that have one of the three in this way, and ignore lines that begin with "#".
 *
 * So names are written as they are, with two exceptions:
 * - a name with a newline is written in the second way. Versions before 0.8.2 cannot be told such a
 *   name; they call the line improperly formatted (an error with --strict only) and check the rest;
 * - "stdin" is written as "./stdin", since xxhsum would read its standard input.
 * No xxhsum can check names that are longer than the system takes for a path (PATH_MAX), and none
 * goes on after a line of 32 KiB.
 *
 * These functions are about files that the user names, not about the trees that are copied.
 */
#ifndef PCOPY_SUMS_H
#define PCOPY_SUMS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A checksum: XXH3 with 128 bits and seed 0. */
struct pc_sum {
    uint64_t high, low;
};

/* A checksum in the making; belongs to one thread at a time. */
struct pc_sums_hash;

/* Makes one, of no bytes yet; it can be used for one file after the other. Returns 0 or -ENOMEM. */
int pc_sums_start(struct pc_sums_hash **out);

/* Back to no bytes. */
void pc_sums_reset(struct pc_sums_hash *h);

/* The next `size` bytes. */
void pc_sums_update(struct pc_sums_hash *h, const void *data, size_t size);

/* A hole: as if the next `size` bytes were zero. At the speed of the hash, reading no memory. */
void pc_sums_zeros(struct pc_sums_hash *h, uint64_t size);

/* The checksum of all bytes since the start or the last reset. More may follow. */
struct pc_sum pc_sums_end(const struct pc_sums_hash *h);

/* Frees a checksum in the making; NULL is fine. */
void pc_sums_free(struct pc_sums_hash *h);

/* A list that is being written, by any number of threads. */
struct pc_sums_writer;

/*
 * Starts a list, which gets its name when it is complete; until then it is ".pcopy-sums-XXXXXX"
 * beside it, and a list of that name stays as it is. A new list gets the permission bits `mode`
 * (whatever the umask is), one that is replaced passes on its own. Through a symbolic link the file
 * that it leads to is replaced.
 *
 * "-" is standard output. What exists and is no regular file (a pipe, a terminal, /dev/null) is
 * written to directly. Returns 0 or negative errno, -EISDIR for a directory.
 */
int pc_sums_create(struct pc_sums_writer **out, const char *path, mode_t mode);

/*
 * Adds a line; `name` is not empty. The order is that of the calls, each line is whole. Returns 0
 * or the error of writing, now or before: nothing is written after an error.
 */
int pc_sums_add(struct pc_sums_writer *w, struct pc_sum sum, const char *name);

/*
 * Ends and frees a list that no thread uses any more. Returns 0 if all lines that were added are on
 * disk and the list has its name (standard output and the like: if all were written). Otherwise the
 * first error, as negative errno, and the list is gone as by pc_sums_abandon().
 */
int pc_sums_finish(struct pc_sums_writer *w);

/*
 * Frees a list that no thread uses any more without giving it its name: there is then what was
 * there before, but for lines that a pipe, a device or standard output has got. NULL is fine.
 */
void pc_sums_abandon(struct pc_sums_writer *w);

/* A list that is being read, by one thread. */
struct pc_sums_reader;

/* Opens a list, "-" for standard input. Returns 0 or negative errno. */
int pc_sums_open(struct pc_sums_reader **out, const char *path);

/*
 * The next line with a checksum: 1 and all filled, 0 at the end. `*name` is valid until the next
 * call, is not empty, and may be anything else: absolute, or with "." and ".." in it. `*line` is
 * the number of the line.
 *
 * Taken are the lines that any xxhsum writes with -H2, also with --tag ("XXH128 (NAME) = DIGITS"),
 * as well as upper case digits and an asterisk for the second space (the mark of binary files in
 * lists of md5sum and its like); the last line needs no newline. Empty lines and those that begin
 * with "#" do not count.
 *
 * -EINVAL for any other line, e.g. one with other checksums or the second half of a name that an
 * old xxhsum wrote with its newline: only *line is filled, and the next call reads on. Any other
 * negative errno is an error of reading, after which there is no next.
 */
int pc_sums_next(struct pc_sums_reader *r, struct pc_sum *sum, const char **name, size_t *line);

/* Closes and frees a list; NULL is fine. */
void pc_sums_close(struct pc_sums_reader *r);

#endif
