/*
 * floor - the time that copying takes when there is nothing but the system calls.
 *
 *     floor [--fsync] [--interleave] SRC DST THREADS
 *
 * A copier is judged against this program: what it takes longer is its own work, what it takes no
 * longer is the kernel's. So the loop below does what no copier can leave out, and only that:
 *
 *     openat source, fstat, openat destination with its final mode, read, write, futimens,
 *     close, close
 *
 * and readlinkat and symlinkat for a symlink. What can be known beforehand is known beforehand and
 * is not timed: SRC is walked by one thread, which makes the list of files and all directories in
 * DST. Then the clock starts, THREADS threads take the next file off the list by one atomic add,
 * and the clock stops when the last one is joined. Nothing is checked, nothing is retried, and the
 * first error ends the program; directories get no times, hard links become files, and DST must
 * not exist, for the floor knows nothing of what was there before.
 *
 * A floor that is not the fastest honest loop flatters whoever is compared with it. What was tried
 * on 79,000 files, source on a tmpfs, two processors (seconds, medians of seven):
 *
 *                                                       tmpfs   ext4    XFS
 *      paths relative to the two roots (what it does)   0.95    1.52    1.78
 *      names in directories that are open beforehand    0.99    1.48    1.83
 *      names in directories that are opened on the way  1.00    1.56    2.10
 *      paths from the working directory                 1.08    1.61    1.78
 *
 * The first two are the same but for noise, and the first needs no 10,000 open directories. O_EXCL
 * at the destination, O_NOFOLLOW at the source, pread and pwrite for read and write, a buffer of 64
 * KiB or of 1 MiB, and one read more to see the end of a file change nothing that can be measured;
 * fstat of the source is 3 to 5 percent, futimens 10, the data 50. So read stops at the size that
 * fstat gave, and files are taken as the walk found them: neighbours share a directory.
 * --interleave takes the first file of each directory, then the second of each: slower here,
 * but over NFS the files of one directory are made one after the other, so it is the floor there.
 * --fsync flushes each file before its times are set, as one must over NFS to learn of errors.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER_SIZE = 256 * 1024, MAX_THREADS = 1024 };

struct file {
    char *path;       /* relative to SRC and to DST */
    size_t directory; /* its place in the list of directories ... */
    size_t rank;      /* ... and in its directory: what --interleave sorts by */
    bool symlink;
};

struct list {
    char **directories;
    size_t directory_count;
    struct file *files;
    size_t file_count;
};

static struct list list;
static int src_root, dst_root;
static bool do_fsync;
static atomic_size_t next_file;
static atomic_ullong bytes_copied;

static _Noreturn void die(const char *what, const char *path)
{
    fprintf(stderr, "floor: %s '%s': %s\n", what, path, strerror(errno));
    exit(1);
}

/* Room for one element more; the capacity is the power of two at or above the count. */
static void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    array = realloc(array, (count ? 2 * count : 1) * size);
    if (!array)
        die("cannot list", "SRC");
    return array;
}

static void add_directory(char *path)
{
    list.directories = grow(list.directories, list.directory_count, sizeof(*list.directories));
    list.directories[list.directory_count++] = path;
}

static void add_file(struct file file)
{
    list.files = grow(list.files, list.file_count, sizeof(*list.files));
    list.files[list.file_count++] = file;
}

static char *join(const char *directory, const char *name)
{
    char *path;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        die("cannot list", name);
    return path;
}

static void read_directory(size_t index)
{
    const char *directory = list.directories[index];
    size_t rank = 0;
    int fd = openat(src_root, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);

    if (!stream)
        die("cannot open", directory);
    for (struct dirent *entry; (entry = readdir(stream));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *path = join(directory, entry->d_name);
        struct stat st;
        if (fstatat(src_root, path, &st, AT_SYMLINK_NOFOLLOW))
            die("cannot stat", path);
        if (S_ISDIR(st.st_mode)) {
            if (mkdirat(dst_root, path, 0755))
                die("cannot make", path);
            add_directory(path);
        } else if (S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) {
            add_file((struct file){path, index, rank++, S_ISLNK(st.st_mode)});
        } else {
            errno = EINVAL;
            die("neither file, directory nor symlink:", path);
        }
    }
    closedir(stream);
}

/* The first file of every directory, then the second of every directory, and so on. */
static int by_rank(const void *left, const void *right)
{
    const struct file *a = left, *b = right;

    if (a->rank != b->rank)
        return a->rank < b->rank ? -1 : 1;
    return a->directory < b->directory ? -1 : a->directory > b->directory;
}

static void prepare(bool interleave)
{
    add_directory(join(".", "."));
    for (size_t i = 0; i < list.directory_count; i++)
        read_directory(i);
    if (interleave)
        qsort(list.files, list.file_count, sizeof(*list.files), by_rank);
}

static void copy_symlink(const char *path, char *buffer)
{
    ssize_t length = readlinkat(src_root, path, buffer, BUFFER_SIZE - 1);

    if (length < 0)
        die("cannot read", path);
    buffer[length] = '\0';
    if (symlinkat(buffer, dst_root, path))
        die("cannot make", path);
}

static off_t copy_file(const char *path, char *buffer)
{
    struct stat st;
    off_t done = 0;
    int in = openat(src_root, path, O_RDONLY | O_NOFOLLOW);

    if (in < 0 || fstat(in, &st))
        die("cannot open", path);
    int out = openat(dst_root, path, O_WRONLY | O_CREAT, st.st_mode & 07777);
    if (out < 0)
        die("cannot create", path);
    while (done < st.st_size) {
        size_t left = (size_t)(st.st_size - done);
        ssize_t got = read(in, buffer, left < BUFFER_SIZE ? left : BUFFER_SIZE);
        if (got <= 0)
            die("cannot read", path);
        if (write(out, buffer, (size_t)got) != got)
            die("cannot write", path);
        done += got;
    }
    if (do_fsync && fsync(out))
        die("cannot flush", path);
    if (futimens(out, (struct timespec[]){st.st_atim, st.st_mtim}))
        die("cannot set the times of", path);
    if (close(out))
        die("cannot close", path);
    close(in);
    return done;
}

static void *copy_files(void *unused)
{
    unsigned long long bytes = 0;
    char *buffer = malloc(BUFFER_SIZE);

    if (!buffer)
        die("cannot allocate", "buffer");
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&next_file, 1, memory_order_relaxed);
        if (i >= list.file_count)
            break;
        if (list.files[i].symlink)
            copy_symlink(list.files[i].path, buffer);
        else
            bytes += (unsigned long long)copy_file(list.files[i].path, buffer);
    }
    atomic_fetch_add_explicit(&bytes_copied, bytes, memory_order_relaxed);
    free(buffer);
    return unused;
}

static double run(long threads)
{
    pthread_t thread[MAX_THREADS];
    struct timespec begin, end;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (long i = 0; i < threads; i++) {
        errno = pthread_create(&thread[i], NULL, copy_files, NULL);
        if (errno)
            die("cannot start", "thread");
    }
    for (long i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    return (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
}

int main(int argc, char **argv)
{
    bool interleave = false;
    long threads = 0;

    for (; argc > 1 && argv[1][0] == '-'; argv++, argc--) {
        if (strcmp(argv[1], "--fsync") == 0)
            do_fsync = true;
        else if (strcmp(argv[1], "--interleave") == 0)
            interleave = true;
        else
            break;
    }
    if (argc == 4)
        threads = strtol(argv[3], NULL, 10);
    if (threads < 1 || threads > MAX_THREADS) {
        fprintf(stderr, "usage: floor [--fsync] [--interleave] SRC DST THREADS\n");
        return 1;
    }

    umask(0);
    src_root = open(argv[1], O_RDONLY | O_DIRECTORY);
    if (src_root < 0)
        die("cannot open", argv[1]);
    if (mkdir(argv[2], 0755))
        die("cannot make", argv[2]);
    dst_root = open(argv[2], O_RDONLY | O_DIRECTORY);
    if (dst_root < 0)
        die("cannot open", argv[2]);
    prepare(interleave);

    double seconds = run(threads);
    printf("%.6f seconds, %zu files, %llu bytes\n", seconds, list.file_count,
           (unsigned long long)bytes_copied);
    return 0;
}
