/*
 * names: the names of a list (--files-from) as a tree, to be walked in place of listed directories.
 *
 * A list is one name a line, or each ended by a NUL byte, relative to a root that the list knows
 * nothing about. Names are bytes, taken as they are: only "/" and, in lines, the newline mean
 * anything, so a carriage return belongs to its name. "./a", "a//b", "a/./b", "/a" and "a/" are
 * other ways to write "a/b" and "a"; "." and "/" are the root.
 *
 * A tree costs 26 bytes and its component for each different name and each directory on the way to
 * one, rounded up to 8: 40 for one of up to 14 bytes. While the list is read there is a table of 11
 * to 21 bytes for each of them besides, 32 at the moment in which it grows.
 */
#ifndef PCOPY_NAMES_H
#define PCOPY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* One component of a name. Read-only once the list is read, by any number of threads. */
struct pc_name_node {
    struct pc_name_node *children; /* the first one, in the order of the list */
    struct pc_name_node *next;     /* child of the same parent */
    struct pc_name_node *parent;   /* NULL: the root */
    bool listed;                   /* is itself in the list, not only on the way to a name */
    char name[];                   /* one component, never "." or ".."; "" of the root */
};

struct pc_names;

/*
 * Reads the list `path`, "-" for standard input: lines, or with `nul` names that each end with a
 * NUL byte; the end of the last one may be missing. Empty names do not count, nor do lines that
 * begin with "#" or ";". *out belongs to the caller: pc_names_free().
 *
 * Otherwise returns what is wrong, and one line about it, no newline at its end, in `problem`
 * of `size` bytes:
 *   -EINVAL         a name has a component "..", or a line has a NUL byte in it
 *   -ENAMETOOLONG   a component is longer than 255 bytes, which no file system takes
 *   -ENOMEM         or an errno value of opening and reading the list, -EISDIR for a directory
 */
int pc_names_read(struct pc_names **out, const char *path, bool nul, char *problem, size_t size);

/* Frees the tree; NULL is fine. The nodes are not visited, so this is quick. */
void pc_names_free(struct pc_names *n);

/* The root, which is always there and has no children if the list is empty. */
const struct pc_name_node *pc_names_root(const struct pc_names *n);

#endif
