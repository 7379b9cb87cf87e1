/*
 * treecmp: are two file trees the same?
 *
 * The judge of pcopy's tests, so it shares no code with pcopy and takes the plainest way to each
 * answer: list a directory on both sides, sort both lists, walk them together, lstat, read.
 *
 * Names are bytes. A tree is walked through one-component *at calls on directory descriptors, so
 * its depth is not limited by PATH_MAX; descriptors are kept for the WINDOW innermost levels only
 * and reopened through ".." on the way up, so neither by the number of descriptors. A directory
 * without search permission can be a leaf only, and a leaf's parent is always inside the window.
 * Memory is what the names of the directories on the current path take, plus one record for each
 * inode with several names.
 *
 * Hard links are compared as a partition: two names are one file in A if and only if they are one
 * file in B. Each inode of A is tied to the first inode of B that it meets and the reverse; the
 * partitions are equal if no tie is ever broken. Link counts are not compared: other names may lie
 * outside the tree.
 */

#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { A, B, SIDES };
enum { WINDOW = 64, BLOCK = 256 * 1024 };

enum {
    NAMES = 1 << 0,
    BYTES = 1 << 1,
    MODE = 1 << 2,
    MTIME = 1 << 3,
    LINKS = 1 << 4,
    OWNER = 1 << 5,
    XATTR = 1 << 6,
    ACL = 1 << 7,
    HOLES = 1 << 8,
    ATIME = 1 << 9,
    ALL = (1 << 10) - 1,
    DEFAULT = NAMES | BYTES | MODE | MTIME | LINKS,
};

static const struct {
    const char *name;
    unsigned bit;
} checks[] = {
    {"names", NAMES}, {"bytes", BYTES}, {"mode", MODE},   {"mtime", MTIME},
    {"links", LINKS}, {"owner", OWNER}, {"xattr", XATTR}, {"acl", ACL},
    {"holes", HOLES}, {"atime", ATIME}, {"all", ALL},
};

/* The names of one directory on one side: offsets of strings that lie one after another in text. */
struct list {
    char *text;
    size_t text_used, text_room;
    size_t *at;
    size_t used, room, next;
};

struct level {
    int fd[SIDES];
    dev_t dev[SIDES];
    ino_t ino[SIDES];
    struct list names[SIDES];
    size_t path_len;
};

struct tie {
    dev_t dev, peer_dev;
    ino_t ino, peer_ino;
    char *first; /* the path at which the inode was met first; NULL marks a free slot */
};

struct ties {
    struct tie *slot;
    size_t used, room;
};

static struct {
    unsigned checks;
    const char *root[SIDES];
    char *path; /* of the entry in hand, below the roots */
    size_t path_len, path_room;
    struct ties ties[SIDES];
    char *block[SIDES];
    uint64_t entries, files, bytes, differences;
    bool trouble;
} run = {.checks = DEFAULT};

static void *grown(void *memory, size_t size)
{
    void *result = realloc(memory, size);
    if (result == NULL) {
        fprintf(stderr, "treecmp: out of memory\n");
        exit(2);
    }
    return result;
}

/* Names and attribute values may hold anything; a difference must stay one readable line. */
static void print_escaped(FILE *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '\\') {
            fputs("\\\\", out);
        } else if (c >= 0x20 && c < 0x7f) {
            putc(c, out);
        } else {
            fprintf(out, "\\x%02x", c);
        }
    }
}

static void print_path(FILE *out)
{
    if (run.path_len == 0) {
        putc('.', out);
    } else {
        print_escaped(out, run.path, run.path_len);
    }
}

static void trouble(int side, const char *what, int error)
{
    fprintf(stderr, "treecmp: cannot %s '", what);
    print_path(stderr);
    fprintf(stderr, "' in %s: %s\n", run.root[side], strerror(error));
    run.trouble = true;
}

/* Starts the line "path: what: "; the caller prints both values and ends it. */
static void begin_difference(const char *what)
{
    run.differences++;
    print_path(stdout);
    printf(": %s: ", what);
}

__attribute__((format(printf, 2, 3))) static void difference(const char *what, const char *format,
                                                             ...)
{
    va_list values;
    begin_difference(what);
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
}

static void path_push(const char *name)
{
    size_t len = strlen(name);
    if (run.path_len + len + 2 > run.path_room) {
        run.path_room = 2 * (run.path_len + len + 2);
        run.path = grown(run.path, run.path_room);
    }
    if (run.path_len > 0) {
        run.path[run.path_len++] = '/';
    }
    memcpy(run.path + run.path_len, name, len + 1);
    run.path_len += len;
}

static void path_cut(size_t len)
{
    run.path_len = len;
    if (run.path != NULL) {
        run.path[len] = '\0';
    }
}

static void list_add(struct list *list, const char *name)
{
    size_t size = strlen(name) + 1;
    if (list->text_used + size > list->text_room) {
        list->text_room = 2 * list->text_room + size + 256;
        list->text = grown(list->text, list->text_room);
    }
    if (list->used == list->room) {
        list->room = 2 * list->room + 16;
        list->at = grown(list->at, list->room * sizeof *list->at);
    }
    memcpy(list->text + list->text_used, name, size);
    list->at[list->used++] = list->text_used;
    list->text_used += size;
}

static int list_order(const void *left, const void *right, void *text)
{
    const char *base = text;
    return strcmp(base + *(const size_t *)left, base + *(const size_t *)right);
}

static int list_read(struct list *list, int dir_fd)
{
    int fd = fcntl(dir_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        int error = errno;
        close(fd);
        return -error;
    }
    struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            list_add(list, entry->d_name);
        }
    }
    int error = errno;
    closedir(dir);
    if (list->used > 0) {
        qsort_r(list->at, list->used, sizeof *list->at, list_order, list->text);
    }
    return -error;
}

static const char *list_peek(const struct list *list)
{
    return list->next < list->used ? list->text + list->at[list->next] : NULL;
}

static void list_free(struct list *list)
{
    free(list->text);
    free(list->at);
}

static struct tie *tie_slot(const struct ties *ties, dev_t dev, ino_t ino)
{
    uint64_t hash = ((uint64_t)ino ^ ((uint64_t)dev << 40)) * UINT64_C(0x9e3779b97f4a7c15);
    size_t at = (size_t)(hash >> 20) & (ties->room - 1);
    while (ties->slot[at].first != NULL &&
           (ties->slot[at].dev != dev || ties->slot[at].ino != ino)) {
        at = (at + 1) & (ties->room - 1);
    }
    return &ties->slot[at];
}

static struct tie *tie_find(const struct ties *ties, const struct stat *st)
{
    if (ties->room == 0) {
        return NULL;
    }
    struct tie *tie = tie_slot(ties, st->st_dev, st->st_ino);
    return tie->first != NULL ? tie : NULL;
}

static void tie_add(struct ties *ties, const struct stat *st, const struct stat *peer)
{
    if (2 * ties->used >= ties->room) {
        struct ties bigger = {.used = ties->used, .room = ties->room == 0 ? 1024 : 2 * ties->room};
        bigger.slot = grown(NULL, bigger.room * sizeof *bigger.slot);
        memset(bigger.slot, 0, bigger.room * sizeof *bigger.slot);
        for (size_t i = 0; i < ties->room; i++) {
            if (ties->slot[i].first != NULL) {
                *tie_slot(&bigger, ties->slot[i].dev, ties->slot[i].ino) = ties->slot[i];
            }
        }
        free(ties->slot);
        *ties = bigger;
    }
    struct tie *tie = tie_slot(ties, st->st_dev, st->st_ino);
    *tie = (struct tie){.dev = st->st_dev,
                        .ino = st->st_ino,
                        .peer_dev = peer->st_dev,
                        .peer_ino = peer->st_ino,
                        .first = strdup(run.path_len == 0 ? "." : run.path)};
    if (tie->first == NULL) {
        fprintf(stderr, "treecmp: out of memory\n");
        exit(2);
    }
    ties->used++;
}

static void print_tie(const struct tie *tie)
{
    if (tie == NULL) {
        fputs("first of its file", stdout);
    } else {
        fputs("same file as '", stdout);
        print_escaped(stdout, tie->first, strlen(tie->first));
        putchar('\'');
    }
}

/* Returns true if this very pair of inodes was compared before, under another name. */
static bool compare_links(const struct stat st[SIDES])
{
    if (st[A].st_nlink < 2 && st[B].st_nlink < 2) {
        return false;
    }
    struct tie *tie[SIDES] = {tie_find(&run.ties[A], &st[A]), tie_find(&run.ties[B], &st[B])};
    if (tie[A] == NULL && tie[B] == NULL) {
        tie_add(&run.ties[A], &st[A], &st[B]);
        tie_add(&run.ties[B], &st[B], &st[A]);
        return false;
    }
    if (tie[A] != NULL && tie[B] != NULL && tie[A]->peer_dev == st[B].st_dev &&
        tie[A]->peer_ino == st[B].st_ino && tie[B]->peer_dev == st[A].st_dev &&
        tie[B]->peer_ino == st[A].st_ino) {
        return true;
    }
    if ((run.checks & LINKS) != 0) {
        begin_difference("links");
        print_tie(tie[A]);
        fputs(" | ", stdout);
        print_tie(tie[B]);
        putchar('\n');
    }
    return false;
}

static int open_entry(int dir_fd, const char *name, int flags)
{
    flags |= O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    int fd = openat(dir_fd, name, flags | O_NOATIME);
    if (fd < 0 && errno == EPERM) {
        fd = openat(dir_fd, name, flags);
    }
    return fd;
}

/* Reads size bytes, or up to the end of the file; returns how many, or -errno. */
static ssize_t read_at(int fd, char *buffer, size_t size, off_t offset)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(fd, buffer + done, size - done, offset + (off_t)done);
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    return (ssize_t)done;
}

/* The first offset of data (or hole) at or after offset; size if there is none. */
static off_t seek_to(int fd, off_t offset, off_t size, int whence)
{
    off_t found = lseek(fd, offset, whence);
    if (found >= 0) {
        return found < size ? found : size;
    }
    return errno == ENXIO || whence == SEEK_HOLE ? size : offset;
}

static bool has_holes(const struct stat *st)
{
    return (off_t)st->st_blocks * 512 < st->st_size;
}

static void compare_bytes(const int fd[SIDES], const struct stat st[SIDES])
{
    off_t size = st[A].st_size;
    bool sparse = has_holes(&st[A]) && has_holes(&st[B]);
    off_t offset = 0;
    while (offset < size) {
        if (sparse) {
            /* What is a hole on both sides needs no reading: terabytes of it are only seconds. */
            off_t data[SIDES] = {seek_to(fd[A], offset, size, SEEK_DATA),
                                 seek_to(fd[B], offset, size, SEEK_DATA)};
            offset = data[A] < data[B] ? data[A] : data[B];
            if (offset == size) {
                break;
            }
        }
        off_t left = size - offset;
        size_t want = left < BLOCK ? (size_t)left : BLOCK;
        for (int side = A; side < SIDES; side++) {
            ssize_t got = read_at(fd[side], run.block[side], want, offset);
            if (got < 0) {
                trouble(side, "read", (int)-got);
                return;
            }
            if ((size_t)got < want) {
                trouble(side, "read all of", EIO);
                return;
            }
        }
        if (memcmp(run.block[A], run.block[B], want) != 0) {
            size_t i = 0;
            while (run.block[A][i] == run.block[B][i]) {
                i++;
            }
            difference("bytes", "at offset %jd: 0x%02x | 0x%02x", (intmax_t)offset + (intmax_t)i,
                       (unsigned char)run.block[A][i], (unsigned char)run.block[B][i]);
            return;
        }
        offset += (off_t)want;
    }
    run.bytes += (uint64_t)size;
}

static void compare_holes(const int fd[SIDES], const struct stat st[SIDES])
{
    int whence = SEEK_DATA;
    off_t offset = 0, size = st[A].st_size;
    while (offset < size) {
        off_t next[SIDES] = {seek_to(fd[A], offset, size, whence),
                             seek_to(fd[B], offset, size, whence)};
        if (next[A] != next[B]) {
            difference("holes", "%s at offset %jd | %jd", whence == SEEK_DATA ? "data" : "hole",
                       (intmax_t)next[A], (intmax_t)next[B]);
            return;
        }
        offset = next[A];
        whence = whence == SEEK_DATA ? SEEK_HOLE : SEEK_DATA;
    }
}

static void compare_content(const int dir_fd[SIDES], const char *const name[SIDES],
                            const struct stat st[SIDES])
{
    int fd[SIDES] = {-1, -1};
    for (int side = A; side < SIDES; side++) {
        fd[side] = open_entry(dir_fd[side], name[side], 0);
        if (fd[side] < 0) {
            trouble(side, "open", errno);
            goto out;
        }
    }
    if ((run.checks & BYTES) != 0) {
        compare_bytes(fd, st);
    }
    if ((run.checks & HOLES) != 0) {
        compare_holes(fd, st);
    }
out:
    for (int side = A; side < SIDES; side++) {
        if (fd[side] >= 0) {
            close(fd[side]);
        }
    }
}

/* A link's target, NUL-terminated and in memory of its own; its length is in *len. */
static char *read_target(int dir_fd, const char *name, ssize_t *len)
{
    size_t room = 4097;
    char *target = grown(NULL, room);
    *len = readlinkat(dir_fd, name, target, room - 1);
    target[*len < 0 ? 0 : *len] = '\0';
    return target;
}

static void compare_targets(const int dir_fd[SIDES], const char *const name[SIDES])
{
    ssize_t len[SIDES];
    char *target[SIDES];
    bool readable = true;
    for (int side = A; side < SIDES; side++) {
        target[side] = read_target(dir_fd[side], name[side], &len[side]);
        if (len[side] < 0) {
            trouble(side, "read link", errno);
            readable = false;
        }
    }
    if (readable && (len[A] != len[B] || memcmp(target[A], target[B], (size_t)len[A]) != 0)) {
        begin_difference("target");
        print_escaped(stdout, target[A], (size_t)len[A]);
        fputs(" | ", stdout);
        print_escaped(stdout, target[B], (size_t)len[B]);
        putchar('\n');
    }
    free(target[A]);
    free(target[B]);
}

/* Attributes of the "system." space are ACLs, in whatever dress the file system gives them. */
static bool is_wanted(const char *attribute)
{
    bool acl = strncmp(attribute, "system.", 7) == 0;
    return (run.checks & (acl ? ACL : XATTR)) != 0;
}

/*
 * The only calls that reach the attributes of symlinks and fifos below a directory descriptor go
 * through /proc, by a path that is never longer than this.
 */
struct proc_path {
    char text[64 + NAME_MAX];
};

static struct proc_path proc_path(int dir_fd, const char *name)
{
    struct proc_path path;
    snprintf(path.text, sizeof path.text, "/proc/self/fd/%d/%.255s", dir_fd, name);
    return path;
}

static int read_attributes(const char *path, struct list *list)
{
    ssize_t size = llistxattr(path, NULL, 0);
    if (size <= 0) {
        return size == 0 || errno == ENOTSUP ? 0 : -errno;
    }
    char *names = grown(NULL, (size_t)size);
    size = llistxattr(path, names, (size_t)size);
    int error = size < 0 ? errno : 0;
    for (ssize_t at = 0; at < size; at += (ssize_t)strlen(names + at) + 1) {
        if (is_wanted(names + at)) {
            list_add(list, names + at);
        }
    }
    free(names);
    if (list->used > 0) {
        qsort_r(list->at, list->used, sizeof *list->at, list_order, list->text);
    }
    return -error;
}

static void compare_attributes(const int dir_fd[SIDES], const char *const name[SIDES])
{
    struct list list[SIDES] = {{0}, {0}};
    struct proc_path path[SIDES];
    for (int side = A; side < SIDES; side++) {
        const char *text = name[side];
        if (dir_fd[side] != AT_FDCWD) {
            path[side] = proc_path(dir_fd[side], name[side]);
            text = path[side].text;
        }
        int result = read_attributes(text, &list[side]);
        if (result < 0) {
            trouble(side, "list the attributes of", -result);
            goto out;
        }
    }
    for (;;) {
        const char *attribute[SIDES] = {list_peek(&list[A]), list_peek(&list[B])};
        if (attribute[A] == NULL && attribute[B] == NULL) {
            break;
        }
        int order = attribute[A] == NULL   ? 1
                    : attribute[B] == NULL ? -1
                                           : strcmp(attribute[A], attribute[B]);
        const char *which = order <= 0 ? attribute[A] : attribute[B];
        const char *check = strncmp(which, "system.", 7) == 0 ? "acl" : "xattr";
        ssize_t len[SIDES] = {-1, -1};
        for (int side = A; side < SIDES; side++) {
            if (order == 0 || (order < 0) == (side == A)) {
                const char *text = dir_fd[side] == AT_FDCWD ? name[side] : path[side].text;
                len[side] = lgetxattr(text, which, run.block[side], BLOCK);
                if (len[side] < 0) {
                    trouble(side, "read an attribute of", errno);
                    goto out;
                }
                list[side].next++;
            }
        }
        if (len[A] != len[B] || memcmp(run.block[A], run.block[B], (size_t)len[A]) != 0) {
            begin_difference(check);
            print_escaped(stdout, which, strlen(which));
            for (int side = A; side < SIDES; side++) {
                fputs(side == A ? " = " : " | ", stdout);
                if (len[side] < 0) {
                    fputs("(none)", stdout);
                } else {
                    print_escaped(stdout, run.block[side], (size_t)len[side]);
                }
            }
            putchar('\n');
        }
    }
out:
    list_free(&list[A]);
    list_free(&list[B]);
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFBLK:
        return "block device";
    case S_IFCHR:
        return "character device";
    default:
        return "unknown";
    }
}

/* Before 1970 a timespec counts nanoseconds upwards from the second below; people do not. */
static void print_time(const struct timespec *time)
{
    bool carry = time->tv_sec < 0 && time->tv_nsec > 0;
    intmax_t seconds = (intmax_t)time->tv_sec + carry;
    printf("%s%jd.%09ld", time->tv_sec < 0 ? "-" : "", seconds < 0 ? -seconds : seconds,
           carry ? 1000000000 - time->tv_nsec : time->tv_nsec);
}

static void compare_times(const char *what, const struct timespec *a, const struct timespec *b)
{
    if (a->tv_sec != b->tv_sec || a->tv_nsec != b->tv_nsec) {
        begin_difference(what);
        print_time(a);
        fputs(" | ", stdout);
        print_time(b);
        putchar('\n');
    }
}

/* Compares one entry; its path is run.path. Returns true if it is a directory on both sides. */
static bool compare_entry(const int dir_fd[SIDES], const char *const name[SIDES],
                          struct stat st[SIDES])
{
    for (int side = A; side < SIDES; side++) {
        if (fstatat(dir_fd[side], name[side], &st[side], AT_SYMLINK_NOFOLLOW) != 0) {
            trouble(side, "stat", errno);
            return false;
        }
    }
    run.entries++;
    if ((st[A].st_mode & S_IFMT) != (st[B].st_mode & S_IFMT)) {
        difference("type", "%s | %s", type_name(st[A].st_mode), type_name(st[B].st_mode));
        return false;
    }
    if ((run.checks & MODE) != 0 && (st[A].st_mode & 07777) != (st[B].st_mode & 07777)) {
        difference("mode", "%04o | %04o", (unsigned)st[A].st_mode & 07777,
                   (unsigned)st[B].st_mode & 07777);
    }
    if ((run.checks & OWNER) != 0 &&
        (st[A].st_uid != st[B].st_uid || st[A].st_gid != st[B].st_gid)) {
        difference("owner", "%u:%u | %u:%u", st[A].st_uid, st[A].st_gid, st[B].st_uid,
                   st[B].st_gid);
    }
    if ((run.checks & MTIME) != 0) {
        compare_times("mtime", &st[A].st_mtim, &st[B].st_mtim);
    }
    if ((run.checks & ATIME) != 0) {
        compare_times("atime", &st[A].st_atim, &st[B].st_atim);
    }
    if ((run.checks & (XATTR | ACL)) != 0) {
        compare_attributes(dir_fd, name);
    }
    if (S_ISDIR(st[A].st_mode)) {
        return true;
    }
    if (compare_links(st)) {
        return false;
    }
    if (S_ISREG(st[A].st_mode)) {
        run.files++;
        if (st[A].st_size != st[B].st_size) {
            if ((run.checks & BYTES) != 0) {
                difference("size", "%jd | %jd", (intmax_t)st[A].st_size, (intmax_t)st[B].st_size);
            }
        } else if ((run.checks & (BYTES | HOLES)) != 0 && st[A].st_size > 0) {
            compare_content(dir_fd, name, st);
        }
    } else if ((run.checks & BYTES) != 0) {
        if (S_ISLNK(st[A].st_mode)) {
            compare_targets(dir_fd, name);
        } else if (st[A].st_rdev != st[B].st_rdev) {
            difference("device", "%u:%u | %u:%u", major(st[A].st_rdev), minor(st[A].st_rdev),
                       major(st[B].st_rdev), minor(st[B].st_rdev));
        }
    }
    return false;
}

static bool level_enter(struct level *level, const int dir_fd[SIDES], const char *const name[SIDES],
                        const struct stat st[SIDES])
{
    *level = (struct level){.fd = {-1, -1}, .path_len = run.path_len};
    for (int side = A; side < SIDES; side++) {
        level->dev[side] = st[side].st_dev;
        level->ino[side] = st[side].st_ino;
        level->fd[side] = open_entry(dir_fd[side], name[side], O_DIRECTORY);
        int result = level->fd[side] < 0 ? -errno : list_read(&level->names[side], level->fd[side]);
        if (result < 0) {
            trouble(side, "read directory", -result);
            return false;
        }
    }
    return true;
}

static void level_leave(struct level *level)
{
    for (int side = A; side < SIDES; side++) {
        list_free(&level->names[side]);
        if (level->fd[side] >= 0) {
            close(level->fd[side]);
        }
    }
}

static void level_pause(struct level *level)
{
    for (int side = A; side < SIDES; side++) {
        close(level->fd[side]);
        level->fd[side] = -1;
    }
}

static bool level_resume(struct level *level, const struct level *child)
{
    for (int side = A; side < SIDES && level->fd[side] < 0; side++) {
        struct stat st;
        level->fd[side] = openat(child->fd[side], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (level->fd[side] < 0 || fstat(level->fd[side], &st) != 0) {
            trouble(side, "go up from", errno);
            return false;
        }
        if (st.st_dev != level->dev[side] || st.st_ino != level->ino[side]) {
            trouble(side, "find the way back from", ESTALE);
            return false;
        }
    }
    return true;
}

/*
 * Moves to the next name of both lists in step. Returns false at the end; a name that only one
 * side has is a difference, and is not descended into.
 */
static bool next_common(struct level *level, const char *name[SIDES])
{
    for (;;) {
        name[A] = list_peek(&level->names[A]);
        name[B] = list_peek(&level->names[B]);
        if (name[A] == NULL && name[B] == NULL) {
            return false;
        }
        int order = name[A] == NULL ? 1 : name[B] == NULL ? -1 : strcmp(name[A], name[B]);
        level->names[A].next += order <= 0;
        level->names[B].next += order >= 0;
        if (order == 0) {
            return true;
        }
        if ((run.checks & NAMES) != 0) {
            path_push(order < 0 ? name[A] : name[B]);
            difference("names", order < 0 ? "present | absent" : "absent | present");
            path_cut(level->path_len);
        }
    }
}

static void compare_trees(void)
{
    struct level *stack = NULL;
    size_t depth = 0, room = 0;
    int dir_fd[SIDES] = {AT_FDCWD, AT_FDCWD};
    const char *name[SIDES] = {run.root[A], run.root[B]};
    struct stat st[SIDES];
    bool descend = compare_entry(dir_fd, name, st);
    while (descend || depth > 0) {
        if (descend) {
            if (depth == room) {
                room = 2 * room + WINDOW;
                stack = grown(stack, room * sizeof *stack);
            }
            if (depth >= WINDOW && stack[depth - WINDOW].fd[A] >= 0) {
                level_pause(&stack[depth - WINDOW]);
            }
            if (level_enter(&stack[depth], dir_fd, name, st)) {
                depth++;
            } else {
                level_leave(&stack[depth]);
            }
            descend = false;
            continue;
        }
        struct level *level = &stack[depth - 1];
        path_cut(level->path_len);
        if (next_common(level, name)) {
            path_push(name[A]);
            dir_fd[A] = level->fd[A];
            dir_fd[B] = level->fd[B];
            descend = compare_entry(dir_fd, name, st);
            continue;
        }
        depth--;
        if (depth > 0 && !level_resume(level - 1, level)) {
            exit(2);
        }
        level_leave(level);
    }
    free(stack);
}

static unsigned parse_checks(char *list)
{
    unsigned bits = 0;
    char *rest = list, *word;
    while ((word = strsep(&rest, ",")) != NULL) {
        size_t i = 0;
        while (i < sizeof checks / sizeof *checks && strcmp(word, checks[i].name) != 0) {
            i++;
        }
        if (i == sizeof checks / sizeof *checks) {
            fprintf(stderr, "treecmp: no such check: '%s'\n", word);
            exit(2);
        }
        bits |= checks[i].bit;
    }
    return bits;
}

static void usage(FILE *out)
{
    fputs("Usage: treecmp [--check=LIST] [--ignore=LIST] A B\n"
          "Compares two trees, or two single files; prints one line for each difference.\n"
          "LIST: names,bytes,mode,mtime,links (the default), owner,xattr,acl,holes,atime, all.\n"
          "--ignore takes away from what is checked. The type of an entry is always compared;\n"
          "bytes means size, bytes, link target and device number.\n"
          "A and B are not followed if they are symlinks: add a slash.\n"
          "Exit status: 0 equal, 1 different, 2 trouble.\n",
          out);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"check", required_argument, NULL, 'c'},
        {"ignore", required_argument, NULL, 'i'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    unsigned ignored = 0;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'c':
            run.checks = parse_checks(optarg);
            break;
        case 'i':
            ignored |= parse_checks(optarg);
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (argc - optind != SIDES) {
        usage(stderr);
        return 2;
    }
    run.checks &= ~ignored;
    for (int side = A; side < SIDES; side++) {
        run.root[side] = argv[optind + side];
        run.block[side] = grown(NULL, BLOCK);
    }

    compare_trees();
    printf("treecmp: %" PRIu64 " entries, %" PRIu64 " files, %" PRIu64 " bytes, %" PRIu64
           " differences\n",
           run.entries, run.files, run.bytes, run.differences);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "treecmp: cannot write: %s\n", strerror(errno));
        run.trouble = true;
    }

    for (int side = A; side < SIDES; side++) {
        for (size_t i = 0; i < run.ties[side].room; i++) {
            free(run.ties[side].slot[i].first);
        }
        free(run.ties[side].slot);
        free(run.block[side]);
    }
    free(run.path);
    return run.trouble ? 2 : run.differences > 0 ? 1 : 0;
}
