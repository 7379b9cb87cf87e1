/*
 * What the tests on real files share: a directory of their own that each test starts in and that is
 * gone afterwards, and short ways to put things into it. Paths are relative to that directory.
 *
 * The helpers abort the test program rather than assert, because threads and child processes use
 * them too.
 */
#ifndef PCOPY_TEST_SCRATCH_H
#define PCOPY_TEST_SCRATCH_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "pcopy/sys.h"

#define NOBODY 65534

/* For what must work in any case, or the test means nothing. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, strerror(errno));   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static char scratch_path[PATH_MAX];

/* Empties an open directory; closes it. */
static inline void scratch_empty(int fd)
{
    DIR *d = fdopendir(fd);
    MUST(d != NULL);
    struct dirent *e;
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) == 0)
            continue;
        if (fchmodat(fd, e->d_name, 0700, 0) != 0) /* one that we may not read */
            continue;
        const int below = openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (below >= 0)
            scratch_empty(below);
        unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    closedir(d);
}

/* Removes whatever is at `path`, if there is anything. */
static inline void scratch_remove(const char *path)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return;
    chmod(path, 0700);
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    MUST(fd >= 0);
    scratch_empty(fd);
    MUST(rmdir(path) == 0);
}

/* For tests with thousands of files: in memory if there is room for them and TMPDIR does not
 * say. */
static inline void prefer_memory(void)
{
    if (access("/dev/shm", R_OK | W_OK | X_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
}

/* Setup of a test: its own empty working directory, and a umask that leaves modes alone. */
static inline int scratch_enter(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch_path, sizeof scratch_path, "%s/pcopy-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    umask(0);
    MUST(mkdtemp(scratch_path) != NULL);
    MUST(chmod(scratch_path, 0755) == 0); /* some tests go on as nobody */
    MUST(chdir(scratch_path) == 0);
    return 0;
}

/* Teardown: whatever the test has changed of the process is put back, and its directory goes
 * away. */
static inline int scratch_leave(void **state)
{
    (void)state;
    pc_sys_set_fault(NULL);
    if (geteuid() != getuid())
        MUST(seteuid(getuid()) == 0 && setegid(getgid()) == 0);
    MUST(chdir("/") == 0);
    scratch_remove(scratch_path);
    return 0;
}

#define SCRATCH_TEST(f) cmocka_unit_test_setup_teardown(f, scratch_enter, scratch_leave)

/* Goes on as nobody until the test's end; only root can. */
static inline void become_nobody(void)
{
    MUST(setegid(NOBODY) == 0 && seteuid(NOBODY) == 0);
}

/* A file with that content. */
static inline void put_bytes(const char *path, const void *bytes, size_t size, mode_t mode)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    MUST(fd >= 0);
    MUST(write(fd, bytes, size) == (ssize_t)size);
    MUST(fchmod(fd, mode) == 0);
    MUST(close(fd) == 0);
}

static inline void put(const char *path, const char *text)
{
    put_bytes(path, text, strlen(text), 0644);
}

/* A file of `size` bytes that look like no other file's, unless that has the same seed. */
static inline void put_noise(const char *path, size_t size, uint32_t seed)
{
    uint8_t *bytes = malloc(size + 1);
    MUST(bytes != NULL);
    uint32_t x = seed * 2654435761U + 1;
    for (size_t i = 0; i < size; i++) {
        x = x * 1664525U + 1013904223U;
        bytes[i] = (uint8_t)(x >> 24);
    }
    put_bytes(path, bytes, size, 0644);
    free(bytes);
}

static inline void put_dir(const char *path)
{
    MUST(mkdir(path, 0755) == 0);
}

static inline void set_mtime(const char *path, time_t seconds, long nanoseconds)
{
    const struct timespec times[2] = {{.tv_sec = seconds, .tv_nsec = 1},
                                      {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    MUST(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW) == 0);
}

static inline struct stat look_at(const char *path)
{
    struct stat st;
    MUST(lstat(path, &st) == 0);
    return st;
}

static inline bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static inline struct pc_handle open_here(const char *path)
{
    struct pc_handle h;
    MUST(pc_sys_open_root(path, false, &h) == 0);
    return h;
}

/* True if both files hold the same bytes. */
static inline bool same_bytes(const char *a, const char *b)
{
    static _Thread_local char buffers[2][65536];
    const int fds[2] = {open(a, O_RDONLY | O_CLOEXEC), open(b, O_RDONLY | O_CLOEXEC)};
    bool same = fds[0] >= 0 && fds[1] >= 0;
    while (same) {
        const ssize_t n = read(fds[0], buffers[0], sizeof buffers[0]);
        same = n >= 0 && read(fds[1], buffers[1], sizeof buffers[1]) == n &&
               memcmp(buffers[0], buffers[1], (size_t)n) == 0;
        if (n <= 0)
            break;
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return same;
}

/* Descriptors that this process has open. */
static inline unsigned open_files(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    MUST(d != NULL);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

#endif
