/*
 * A library that makes one system call of a program fail from outside (ld.so(8), LD_PRELOAD):
 *
 *   INJECT_CALL=pwrite INJECT_NTH=3 INJECT_ERRNO=5 INJECT_PROOF=FILE LD_PRELOAD=inject.so PROGRAM
 *
 * The third pwrite() returns EIO, and FILE is made, as proof. INJECT_ERRNO=0 is no error: a read or
 * write moves one byte, of how many it was asked to. A close() that fails has closed all the same.
 *
 * Only what the program itself calls by these names comes here, not what the C library does inside
 * of fopen(3) and the like. The calls are made by number, so nothing has to be looked up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int number(const char *variable)
{
    const char *text = getenv(variable);
    return text ? (int)strtol(text, NULL, 10) : 0;
}

/* True if it is this call's turn; errno is set. */
static bool is_next(const char *call)
{
    static atomic_int calls;
    const char *wanted = getenv("INJECT_CALL");
    const char *proof = getenv("INJECT_PROOF");
    if (!wanted || !proof || strcmp(wanted, call) != 0 ||
        atomic_fetch_add(&calls, 1) + 1 != number("INJECT_NTH"))
        return false;
    syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, proof, O_WRONLY | O_CREAT, 0644));
    errno = number("INJECT_ERRNO");
    return true;
}

#define CALL(type, name, parameters, ...)                                                          \
    type name parameters                                                                           \
    {                                                                                              \
        return is_next(#name) ? -1 : (type)syscall(__VA_ARGS__);                                   \
    }

/* A call that moves `size` bytes. */
#define MOVE(name, size, parameters, ...)                                                          \
    ssize_t name parameters                                                                        \
    {                                                                                              \
        if (is_next(#name)) {                                                                      \
            if (errno)                                                                             \
                return -1;                                                                         \
            (size) = (size) > 0;                                                                   \
        }                                                                                          \
        return syscall(__VA_ARGS__);                                                               \
    }

MOVE(read, nbytes, (int fd, void *buf, size_t nbytes), SYS_read, fd, buf, nbytes)
MOVE(write, n, (int fd, const void *buf, size_t n), SYS_write, fd, buf, n)
MOVE(pread, nbytes, (int fd, void *buf, size_t nbytes, off_t offset), SYS_pread64, fd, buf, nbytes,
     offset)
MOVE(pwrite, n, (int fd, const void *buf, size_t n, off_t offset), SYS_pwrite64, fd, buf, n, offset)

CALL(int, fsync, (int fd), SYS_fsync, fd)
CALL(int, mkdirat, (int fd, const char *path, mode_t mode), SYS_mkdirat, fd, path, mode)
CALL(int, linkat, (int fromfd, const char *from, int tofd, const char *to, int flags), SYS_linkat,
     fromfd, from, tofd, to, flags)
CALL(int, rename, (const char *old, const char *new), SYS_renameat2, AT_FDCWD, old, AT_FDCWD, new,
     0)
CALL(int, renameat, (int oldfd, const char *old, int newfd, const char *new), SYS_renameat2, oldfd,
     old, newfd, new, 0)
CALL(int, utimensat, (int fd, const char *path, const struct timespec times[2], int flags),
     SYS_utimensat, fd, path, times, flags)
CALL(ssize_t, getdents64, (int fd, void *buffer, size_t length), SYS_getdents64, fd, buffer, length)

int close(int fd)
{
    const int result = (int)syscall(SYS_close, fd);
    return is_next("close") ? -1 : result;
}

/* The mode is given only with a file that is made. */
int open(const char *file, int oflag, ...)
{
    va_list arguments;
    va_start(arguments, oflag);
    const mode_t mode = oflag & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return is_next("open") ? -1 : (int)syscall(SYS_openat, AT_FDCWD, file, oflag, mode);
}

int openat(int fd, const char *file, int oflag, ...)
{
    va_list arguments;
    va_start(arguments, oflag);
    const mode_t mode = oflag & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    return is_next("openat") ? -1 : (int)syscall(SYS_openat, fd, file, oflag, mode);
}
