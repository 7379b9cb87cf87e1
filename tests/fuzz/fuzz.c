#include "fuzz.h"

static void leave(void)
{
    scratch_leave(NULL);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    /* Arguments may be relative, and findings are written where the fuzzer was started. */
    const int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    MUST(here >= 0);
    prefer_memory();
    scratch_enter(NULL);
    MUST(fchdir(here) == 0 && close(here) == 0 && atexit(leave) == 0);
    return 0;
}

const char *fuzz_path(const char *name)
{
    static char paths[2][PATH_MAX + 32];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_path, name);
    return path;
}

const char *fuzz_put(const char *name, const void *bytes, size_t size)
{
    const char *path = fuzz_path(name);
    put_bytes(path, bytes, size, 0600);
    return path;
}

char *fuzz_text(const void *bytes, size_t size)
{
    char *text = strndup(bytes, size);
    MUST(text != NULL);
    return text;
}
