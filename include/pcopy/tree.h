/*
 * tree: entries (the unit of work), the directories they are in, and hard-link groups.
 *
 * A directory exists once for all ends: first the mount points of the source, then those of the
 * destination. On each end it may have an open handle; handles are opened when they are needed,
 * from the parent's, and closed when there are too many.
 *
 * Life of a directory: it counts what is pending in it: entries and directories below it that are
 * not done, and its own listing. Each of these holds the directory. When the count reaches zero the
 * directory is complete: it gets its metadata and is retired, which may complete its parent.
 *
 * All functions but new, free and add_root may be called by any number of threads.
 */
#ifndef PCOPY_TREE_H
#define PCOPY_TREE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "pcopy/retry.h"
#include "pcopy/sums.h"
#include "pcopy/sys.h"

#define PC_SOURCE   0              /* the first end that is read, which messages name */
#define PC_RELATIVE ((unsigned)-1) /* no end: for paths as they are on each of them */

/*
 * What pc_tree_open() returns on a destination end when the directory, or one above it, could not
 * be made or opened. The cause is in `error` of the directory it happened to, and is reported when
 * that is complete; for all that is below it there is nothing more to say.
 */
#define PC_DIR_FAILED (-ENOTRECOVERABLE)

/*
 * What it returns there when the directory does not exist and the tree makes none (`make` of its
 * configuration).
 */
#define PC_DIR_ABSENT (-ENOMEDIUM)

struct pc_tree;

/* One end of a directory. Only tree.c touches it. */
struct pc_dir_end {
    atomic_int users; /* who has it pinned; -1 when it is closed */
    atomic_bool recent;
    struct pc_handle handle;
    size_t slot;
};

struct pc_dir {
    struct pc_dir *parent;     /* held; NULL for a root */
    const char *const *labels; /* of a root: how messages name it on each end */
    const char *relative;      /* of a root: what relative paths begin with, "" unless set */
    size_t seq;                /* counts directories in the order they were found */
    struct stat st;            /* the source's; set by the walker before any entry is emitted */
    off_t resume;              /* where the walker goes on listing it */
    size_t listed;             /* entries found in it so far */
    mode_t make_mode;          /* permission bits to make it with; set with `st` */
    bool implied;              /* only there to hold entries: has no metadata to give */
    bool few;                  /* of its names are asked for: it gets no snapshot */
    bool unread;               /* it could not be opened: that was told */
    bool whole;                /* it was listed to its end without an error */
    const struct pc_name_node *names; /* what is copied of it, if that is not all that is found */
    atomic_uint pending;
    atomic_bool touched;    /* something was made in it by this run, so its mtime has moved */
    atomic_bool unfinished; /* a run that goes on is to look at it, or at what is below, again */
    atomic_bool made;       /* it did not exist before this run */
    struct pc_snapshot *_Atomic snapshot; /* what was in it at the destination, once it is taken */
    pthread_mutex_t lock; /* for those below, for opening an end, and for taking the snapshot */
    bool placed;          /* it is at the destination, and was looked at */
    bool absent;          /* it is not there, and is not made */
    bool opened_up;       /* its owner got rights that it does not have in `there` */
    bool hands_down_acl;  /* what is made in it gets an ACL that it shall not have */
    struct stat there;    /* its attributes at the destination before this run, or when new */
    int error;            /* why it could not be made or opened at the destination, or 0 */
    unsigned error_end;   /* and on which end */
    struct pc_dir_end *ends;
    char name[];
};

struct pc_group;
struct pc_name_node;
struct pc_snapshot;

/* One name of the source. An entry belongs to exactly one stage; it holds its directory. */
struct pc_entry {
    struct pc_entry *next;  /* for whoever owns it */
    struct pc_dir *dir;     /* where it is; for S_IFDIR the directory that it stands for */
    struct pc_group *group; /* once it has joined one */
    const char *to;         /* name at the destination */
    size_t seq;             /* counts the entries of its directory */
    unsigned mount;         /* which mount point its data went to */
    bool renewed;           /* what is at the destination was not there before */
    mode_t type;            /* S_IFMT bits as listed, 0 if unknown */
    bool waited;            /* it was put aside once (ranges.h) */
    bool summed;            /* `sum` is that of its data */
    struct pc_sum sum;
    char name[];
};

enum pc_link {
    PC_LINK_COPY,  /* the first of its group: copy it */
    PC_LINK_MAKE,  /* the group's first is at the destination: link to pc_tree_first() */
    PC_LINK_LATER, /* the first is being copied; the entry now belongs to the group */
};

/* What pc_tree_leave() hands over: two lists, either may be empty. */
struct pc_left {
    struct pc_entry *again; /* waited for the first: process them again */
    struct pc_entry *done;  /* release them */
};

/* How directories are made at the destination. */
struct pc_tree_config {
    unsigned sources; /* how many ends are only read; they come first */
    unsigned ends;    /* all of them */
    size_t
        max_handles; /* directories kept open, at least three for each thread that uses the tree */
    bool observe;    /* nothing is changed */
    bool existing;   /* directories that do not exist are not made, as with `observe` */
    bool force;      /* what is in the way of a directory, and is none, is removed */
    bool keep_dirlinks;    /* a symbolic link to a directory is taken for one */
    bool acl;              /* ACLs are kept, so inherited ones are taken off */
    struct pc_retry retry; /* of opening and making directories */
};

/* Makes a tree; `config` is copied. Returns 0 or -ENOMEM. */
int pc_tree_new(struct pc_tree **out, const struct pc_tree_config *config);

/* Frees the tree, with hard-link groups that were not taken. All directories must be retired. */
void pc_tree_free(struct pc_tree *t);

/*
 * Adds a root. `handles` and `labels` have one element for each end, stay the caller's and must
 * outlive the directory; the handles are never closed here. Handles that are not open are those of
 * a destination that does not exist and is not made. *out is the root's own entry, of type S_IFDIR,
 * and the caller's. Returns 0 or -ENOMEM.
 */
int pc_tree_add_root(struct pc_tree *t, const struct pc_handle *handles, const char *const *labels,
                     struct pc_entry **out);

/*
 * Adds directory `name` to `parent`, which it holds. *out is the directory's own entry, of type
 * S_IFDIR: it holds the directory while that is listed, and is the caller's. 0 or -ENOMEM.
 */
int pc_tree_add_dir(struct pc_tree *t, struct pc_dir *parent, const char *name,
                    struct pc_entry **out);

/*
 * Adds an entry to `dir`, which it holds; only the thread that lists `dir` does so. *out is the
 * caller's. 0 or -ENOMEM.
 */
int pc_tree_add_entry(struct pc_dir *dir, const char *name, mode_t type, struct pc_entry **out);

/*
 * Opens `dir` on `end` and pins it until pc_tree_close(). On a destination end a directory that
 * does not exist is made, its parents first. Returns 0; -errno on a source end; PC_DIR_FAILED,
 * PC_DIR_ABSENT or -ESTALE (pc_tree_forget()) on others.
 */
int pc_tree_open(struct pc_tree *t, struct pc_dir *dir, unsigned end, struct pc_handle *out);
void pc_tree_close(struct pc_dir *dir, unsigned end);

/*
 * Closes `dir` and those above it on `end`, as far as nobody has them pinned, so that they are
 * opened by name again: for handles that are stale. Roots stay.
 */
void pc_tree_forget(struct pc_tree *t, struct pc_dir *dir, unsigned end);

/*
 * Looks for `name` in `dir` at the destination, through `end`: 0, and the attributes that it had
 * before this run; -ENOENT if it is not there, which costs no call where the directory is new; or
 * what pc_tree_open() returns for the directory. The first look into a directory that was there
 * before lists it, and answers for all its names (snapshot.h).
 */
int pc_tree_look(struct pc_tree *t, struct pc_dir *dir, unsigned end, const char *name,
                 struct stat *out);

/* Frees an entry that is done. Returns its directory if that is now complete, else NULL. */
struct pc_dir *pc_tree_release(struct pc_entry *entry);

/* Frees a complete directory. Returns its parent if that is now complete, else NULL. */
struct pc_dir *pc_tree_retire(struct pc_tree *t, struct pc_dir *dir);

/*
 * Joins the hard-link group of the inode `st` (st_nlink > 1). Returns a pc_link, or -ENOMEM. Unless
 * that is PC_LINK_LATER the caller calls pc_tree_leave() when it is done with the entry.
 */
int pc_tree_join(struct pc_tree *t, struct pc_entry *entry, const struct stat *st);

/*
 * Whether the file `there`, which has several names at the destination, may stay as the copy of
 * `src`: not if another file of the source has claimed it. Without memory it may not.
 */
bool pc_tree_claim(struct pc_tree *t, const struct stat *there, const struct stat *src);

/* The entry that the group's others link to; valid between PC_LINK_MAKE and pc_tree_leave(). */
const struct pc_entry *pc_tree_first(const struct pc_entry *entry);

/* Leaves the group; `there` says that the entry is at the destination. Takes the entry over. */
struct pc_left pc_tree_leave(struct pc_tree *t, struct pc_entry *entry, bool there);

/*
 * When all entries are done: takes the first entry of a group some of whose names were not seen, to
 * release it; NULL when there is none left.
 */
struct pc_entry *pc_tree_take_first(struct pc_tree *t);

/*
 * Path of `name` ("" for the directory itself) on `end`, for messages, or with
 * PC_RELATIVE relative to what the roots are in. The string is the caller's to free; NULL when
 * there is no memory.
 */
char *pc_tree_path(const struct pc_dir *dir, unsigned end, const char *name);

#endif
