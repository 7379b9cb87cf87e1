/*
 * mkfiles - many empty files, fast.
 *
 *     mkfiles DIR DIRECTORIES FILES
 *
 * makes DIR with DIRECTORIES directories of FILES empty files each, or with FILES files in itself
 * when DIRECTORIES is 0. mknodat makes a file in one call where open and close are two.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *path)
{
    fprintf(stderr, "mkfiles: cannot make '%s': %s\n", path, strerror(errno));
    return 1;
}

static int fill(const char *path, unsigned long files)
{
    char name[32];
    int status = 0;
    int fd = mkdir(path, 0755) ? -1 : open(path, O_RDONLY | O_DIRECTORY);

    if (fd < 0)
        return fail(path);
    for (unsigned long i = 0; i < files && status == 0; i++) {
        snprintf(name, sizeof(name), "file-%08lu", i);
        if (mknodat(fd, name, S_IFREG | 0644, 0))
            status = fail(name);
    }
    close(fd);
    return status;
}

int main(int argc, char **argv)
{
    char name[32];

    if (argc != 4) {
        fprintf(stderr, "usage: mkfiles DIR DIRECTORIES FILES\n");
        return 1;
    }
    unsigned long directories = strtoul(argv[2], NULL, 10);
    unsigned long files = strtoul(argv[3], NULL, 10);

    if (directories == 0)
        return fill(argv[1], files);
    if (mkdir(argv[1], 0755) || chdir(argv[1]))
        return fail(argv[1]);
    for (unsigned long i = 0; i < directories; i++) {
        snprintf(name, sizeof(name), "directory-%06lu", i);
        if (fill(name, files))
            return 1;
    }
    return 0;
}
