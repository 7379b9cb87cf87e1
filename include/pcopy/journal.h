/*
 * journal: what is finished, on disk, so that the same command goes on where it was killed.
 *
 * A journal is a file that the user names. It holds which directories are finished with all that is
 * below them, and which ranges of big files are. What it held when it was opened is asked for; that
 * does not change. What this run finishes is added, and comes to the disk in two steps, because a
 * record is a promise that what it tells of is durable:
 *
 *     pc_journal_mark(j);        what was added until here ...
 *     (flush the destination)    ... is now durable there ...
 *     pc_journal_commit(j);      ... and only now recorded
 *
 * A record that is lost costs the next run time, and nothing else.
 *
 * Directories and files go by the number of their root and their path in it: components with one
 * slash between them, "" for the root itself, any bytes but NUL. A directory "a" has "a/b" below
 * it, and not "ab".
 *
 * Thread-safety: the questions (has, find) and add may be asked and called by any number of
 * threads; mark, commit and complete by one at a time, also while others add.
 */
#ifndef PCOPY_JOURNAL_H
#define PCOPY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct pc_journal;

/* The bytes [from, to) of a file. */
struct pc_journal_range {
    uint64_t from, to;
};

/* A big file that was not at its destination when the journal's last record was made. */
struct pc_journal_file {
    uint32_t number;       /* for pc_journal_add_range() */
    const char *temporary; /* what its directory has it under until it is complete */
    const struct pc_journal_range *ranges; /* the finished ones, in order, with gaps between them */
    size_t count;
};

/*
 * Opens the journal `path`, made if it is not there, and locks it. `identity` is what makes a run
 * the same: texts like "source=/a/b" and "option=--delete", in an order that is always the same,
 * with NULL behind the last. A journal that is complete, or empty, begins anew.
 *
 * Returns 0, with a line for the user in `text` (of `size` bytes, no newline at its end) if
 * something has to be said: that a damaged end was cut off; else it is "". The lock of a process
 * that is just ending is waited for, a second. Otherwise `text` says what is wrong, the file is as
 * it was (perhaps new, and empty), and the result is
 *   -EBUSY     another process has it open
 *   -EINVAL    it is the journal of another run: the first difference is named
 *   -EBADMSG   it is no journal, or one whose beginning is damaged
 *   -ELOOP     it is a symbolic link
 *   -ENOMEM    or an errno value of opening, reading or replacing it
 */
int pc_journal_open(struct pc_journal **out, const char *path, const char *const *identity,
                    char *text, size_t size);

/* Whether there was a run with this journal that has not come to its end. */
bool pc_journal_resumes(const struct pc_journal *j);

/* Whether that directory is finished: itself, or one that it is in. */
bool pc_journal_has(const struct pc_journal *j, unsigned root, const char *path);

/*
 * Whether that file was in progress, and `source` is still what it was then: by size, mtime and
 * inode number. Fills *out, which is valid until the journal is closed.
 */
bool pc_journal_find_file(const struct pc_journal *j, unsigned root, const char *path,
                          const struct stat *source, struct pc_journal_file *out);

/* Whether all bytes of [from, to) are finished. */
bool pc_journal_has_range(const struct pc_journal_file *file, uint64_t from, uint64_t to);

/*
 * These three add a record in memory, nothing more; without memory for it commit fails.
 *
 * A directory that is finished, and all that is below it.
 */
void pc_journal_add_dir(struct pc_journal *j, unsigned root, const char *path);

/*
 * A file whose ranges follow. `temporary` is one component, or "" if the file is written under its
 * own name. Returns its number. What was in progress under that path is forgotten.
 */
uint32_t pc_journal_add_file(struct pc_journal *j, unsigned root, const char *path,
                             const char *temporary, const struct stat *source);

/* The bytes [from, to) of a file, one that was added or found; from < to. */
void pc_journal_add_range(struct pc_journal *j, uint32_t number, uint64_t from, uint64_t to);

/* What was added until now is what the next commit records. */
void pc_journal_mark(struct pc_journal *j);

/*
 * Puts what was added before the last mark on the disk. Returns 0 or negative errno: then the
 * journal holds what it held before, takes no more, and every later commit returns the same.
 */
int pc_journal_commit(struct pc_journal *j);

/*
 * All is finished and durable: the next run begins anew. Nothing is added afterwards. May be called
 * after commit failed as well, lest the next run take what this one has done for unfinished.
 * Returns 0 if that is on the disk, or negative errno.
 */
int pc_journal_complete(struct pc_journal *j);

/* Gives the lock up for another process, because this one is about to be killed. */
void pc_journal_unlock(struct pc_journal *j);

/* Frees a journal, with what was not committed, and unlocks its file; NULL is fine. */
void pc_journal_close(struct pc_journal *j);

#endif
