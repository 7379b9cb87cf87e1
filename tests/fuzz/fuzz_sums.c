/*
 * A list of checksums is read. What was read is written, and read again: that gives the same.
 */
#include "fuzz.h"

#include "pcopy/sums.h"

struct line {
    struct pc_sum sum;
    char *name;
};

struct list {
    struct line lines[4096];
    size_t count;
    size_t wrong; /* lines */
};

static void load(const char *path, struct list *list)
{
    struct pc_sums_reader *r;
    struct pc_sum sum;
    const char *name;
    size_t number = 0;
    size_t before = 0;
    int got;

    *list = (struct list){0};
    MUST(pc_sums_open(&r, path) == 0);
    while ((got = pc_sums_next(r, &sum, &name, &number)) != 0) {
        MUST(got == 1 || got == -EINVAL);
        MUST(number > before);
        before = number;
        list->wrong += got < 0;
        if (got < 0 || list->count == sizeof list->lines / sizeof list->lines[0])
            continue;
        MUST(*name);
        list->lines[list->count++] = (struct line){sum, fuzz_text(name, strlen(name))};
    }
    pc_sums_close(r);
}

static void release(struct list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->lines[i].name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct list first;
    static struct list second;
    struct pc_sums_writer *w;
    const char *path = fuzz_path("written");

    load(fuzz_put("input", data, size), &first);
    MUST(pc_sums_create(&w, path, 0600) == 0);
    for (size_t i = 0; i < first.count; i++)
        MUST(pc_sums_add(w, first.lines[i].sum, first.lines[i].name) == 0);
    MUST(pc_sums_finish(w) == 0);

    load(path, &second);
    MUST(second.count == first.count && second.wrong == 0);
    for (size_t i = 0; i < first.count; i++) {
        const struct line *a = &first.lines[i];
        const struct line *b = &second.lines[i];
        const char *name = strcmp(a->name, "stdin") == 0 ? "./stdin" : a->name;
        MUST(a->sum.high == b->sum.high && a->sum.low == b->sum.low);
        MUST(strcmp(name, b->name) == 0);
    }
    release(&first);
    release(&second);
    return 0;
}
