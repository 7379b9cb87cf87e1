/*
 * filter: which entries are left out, by name, size and time.
 *
 * Patterns are rsync's, and mean what they mean there:
 * - The first rule that matches decides; what none matches is not excluded.
 * - "foo" is compared with the last component of a path, "foo/bar" with its last two, "/foo" and
 *   "/foo/bar" with the whole path below the transfer root.
 * - A slash at the end makes a pattern hold for directories only, and is no part of it otherwise.
 * - '*' stands for any characters but slashes, "**" for any, '?' for one that is no slash. What
 *   contains "**" may begin at any component of a path. What begins with "**" is compared with the
 *   whole path, and with a slash behind the "**" it also finds what is in the root.
 * - "[a-z_]" is one character of these and "[!a-z]" (or "[^a-z]") one of the others, never a slash;
 *   "[[:alpha:]]" is one of a class, of ASCII characters. ']' is itself when it comes first, '-'
 *   when it comes first or last. A pattern with a set that does not end, or with a class that does
 *   not exist, matches nothing.
 * - Three stars behind "dir/" at the end of a pattern match dir, if it is a directory, and all that
 *   is below it.
 * - A backslash makes the next character stand for itself, but only in patterns with one of * ? [.
 *
 * A filter is built by one thread; after that nothing changes it, and any number of threads may ask
 * it.
 */
#ifndef PCOPY_FILTER_H
#define PCOPY_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct pc_filter;

/* Makes a filter that excludes nothing: to be freed with pc_filter_free(). Returns 0 or -ENOMEM. */
int pc_filter_new(struct pc_filter **out);

/* Frees a filter that no thread asks any more; NULL is fine. */
void pc_filter_free(struct pc_filter *f);

/*
 * Adds the argument of --include or --exclude behind the rules that are there. As in rsync, a
 * `pattern` that begins with "+ " or "- " is an include or exclude whatever `include` says, "!"
 * alone takes away all patterns so far, whichever option they came from, and an empty one is no
 * rule.
 * Returns 0, -EINVAL for "+ " or "- " with nothing behind, or -ENOMEM. The string is not kept.
 */
int pc_filter_add(struct pc_filter *f, bool include, const char *pattern);

/*
 * Adds each line of a file, as pc_filter_add() does: --include-from, --exclude-from. "-" is
 * standard input. Lines end with LF, CR, or both; those that begin with '#' or ';' are comments.
 * With `nul` entries end with NUL instead, and none is a comment, for that is how programs write
 * names.
 *
 * Returns 0 or -errno: of what failed when the file was opened or read, or -EINVAL, for what
 * pc_filter_add() refuses and for lines that contain NUL. Then *line is the number, from 1, of the
 * line (or entry) that is wrong; in any other case it is 0. Rules before it have been added.
 */
int pc_filter_add_file(struct pc_filter *f, bool include, const char *path, bool nul, size_t *line);

/*
 * Excludes regular files of less than `min` or more than `max` bytes: --min-size, --max-size. 0 and
 * UINT64_MAX, which hold until this is called, are no limits.
 */
void pc_filter_set_sizes(struct pc_filter *f, uint64_t min, uint64_t max);

/*
 * Excludes what was not modified after `when` (--newer-than) or not before it (--older-than);
 * exactly then is neither. Directories are not concerned. `when` is
 * - a duration, before now: a number and one of the letters s, m, h, d, w, as in "12h";
 * - a date in local time, "2026-11-25", which is its midnight, "2026-11-25 10:00",
 *   "2026-11-25 10:00:30", or either with a 'T' between; or seconds since 1970, "@1795600000";
 * - what is neither: the path of a file, symbolic links followed, whose modification time is taken.
 *   "./12h" is such a path.
 *
 * The last call counts. Returns 0, -EINVAL for what is no date, duration or file, or the error with
 * which the file cannot be looked at.
 */
int pc_filter_set_newer(struct pc_filter *f, const char *when);
int pc_filter_set_older(struct pc_filter *f, const char *when);

/* True if there is any pattern. Without one, paths need not be made to be asked for. */
bool pc_filter_has_names(const struct pc_filter *f);

/* True if there is any rule on sizes or times. Without one, attributes need not be got. */
bool pc_filter_has_attributes(const struct pc_filter *f);

/*
 * True if the patterns exclude the entry with this `path`, which is relative to the transfer root
 * and has no slash at either end; `directory` says what it is. The root itself, "", never is
 * excluded. Only the entry is judged: below a directory that is excluded the caller does not ask.
 */
bool pc_filter_excludes(const struct pc_filter *f, const char *path, bool directory);

/*
 * True if the rules on sizes and times exclude what has these attributes. Sizes hold for regular
 * files, times for everything but directories.
 */
bool pc_filter_excludes_attributes(const struct pc_filter *f, const struct stat *st);

#endif
