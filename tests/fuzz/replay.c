/*
 * FUZZER DIRECTORY: runs the fuzzer once on each file there, in place of libFuzzer, which only
 * clang has. What was found once stays found.
 */
#include "fuzz.h"

static void replay(int dir, const char *name)
{
    struct stat st;
    const int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0 && fstat(fd, &st) == 0);
    const size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size ? size : 1);
    MUST(data != NULL && read(fd, data, size) == st.st_size && close(fd) == 0);
    printf("%s\n", name);
    fflush(stdout); /* the last one is the one that aborts */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    DIR *d = argc == 2 ? opendir(argv[1]) : NULL;
    if (!d) {
        fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
        return 2;
    }
    LLVMFuzzerInitialize(&argc, &argv);
    for (struct dirent *e; (e = readdir(d));) {
        if (*e->d_name == '.')
            continue;
        replay(dirfd(d), e->d_name);
        count++;
    }
    closedir(d);
    printf("%u inputs\n", count);
    return count ? 0 : 1;
}
