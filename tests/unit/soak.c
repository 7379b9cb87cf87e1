/*
 * soak MINUTES [SEED]: whole runs in one process, one after the other, each with a fault at a call
 * that is chosen at random. What one run has opened and allocated is gone at its end, or else it
 * adds up: 60 times it is looked at how many descriptors and how much memory there are.
 *
 * SEED, not 0, repeats the choices. Exit status 0 if nothing was wrong with any run (faults.h) and
 * nothing grew, 1 otherwise.
 */
#include "faults.h"

#include "scratch.h"

#include <inttypes.h>
#include <malloc.h>

#define SAMPLES 60
#define WARM_UP 10  /* samples: until every kind of run was there */
#define SERIES  20  /* runs of a variant, one behind the other */
#define CALLS   400 /* that a run makes, about */

struct sample {
    double minutes;
    unsigned long runs;
    unsigned long faults; /* that were met */
    unsigned files;
    size_t heap; /* bytes in use; 0 where the allocator does not tell */
    size_t resident;
};

static uint64_t state; /* of xorshift64 */

static size_t dice(size_t sides)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % sides;
}

static double minutes(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return ((double)t.tv_sec + (double)t.tv_nsec / 1e9) / 60;
}

static size_t resident_size(void)
{
    char line[256];
    char *second;
    FILE *f = fopen("/proc/self/statm", "re");
    MUST(f && fgets(line, sizeof line, f) && fclose(f) == 0);
    strtoul(line, &second, 10);
    return strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void look(struct sample *s)
{
    const struct mallinfo2 heap = mallinfo2();
    s->files = open_files();
    s->heap = heap.uordblks + heap.hblkhd;
    s->resident = resident_size();
    printf("%7.2f %8lu %8lu %5u %8zu %8zu\n", s->minutes, s->runs, s->faults, s->files, s->heap,
           s->resident);
    fflush(stdout);
}

/* Some runs of one variant. Returns how much was wrong. */
static unsigned run_series(struct sample *s)
{
    const struct variant *v = &variants[dice(variant_count)];
    scratch_enter(NULL);
    faults_begin(v);
    for (int i = 0; i < SERIES; i++) {
        const struct fault *f = &faults[dice(fault_count)];
        s->faults += faults_try(f, (int)dice(CALLS));
        s->runs++;
    }
    const unsigned wrongs = faults_end();
    scratch_leave(NULL);
    return wrongs;
}

static int by_size(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a;
    const size_t y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The middle one of the sizes at `offset` in `count` samples. */
static size_t median(const struct sample *samples, size_t count, size_t offset)
{
    size_t sizes[SAMPLES];
    for (size_t i = 0; i < count; i++)
        memcpy(&sizes[i], (const char *)&samples[i] + offset, sizeof sizes[i]);
    qsort(sizes, count, sizeof sizes[0], by_size);
    return sizes[count / 2];
}

/* True if the second half of the samples has more than the first, by so many bytes. */
static bool grows(const struct sample *samples, size_t count, size_t offset, size_t bytes,
                  const char *what)
{
    const size_t first = median(samples, count / 2, offset);
    const size_t second = median(samples + count / 2, count - count / 2, offset);
    printf("%s: %zu bytes in the first half, %zu in the second\n", what, first, second);
    return second > first + bytes;
}

static bool is_flat(const struct sample *samples, size_t count)
{
    bool flat = true;
    for (size_t i = 1; i < count; i++)
        flat &= samples[i].files == samples[0].files;
    printf("descriptors: %s\n", flat ? "always the same" : "not always the same");
    flat &= !grows(samples, count, offsetof(struct sample, heap), 1024, "heap in use");
    flat &=
        !grows(samples, count, offsetof(struct sample, resident), (size_t)512 * 1024, "resident");
    return flat;
}

int main(int argc, char **argv)
{
    static struct sample samples[SAMPLES];
    /* What each thread keeps of freed memory for itself would count as in use. */
    if (!getenv("GLIBC_TUNABLES")) {
        setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
        execv("/proc/self/exe", argv);
    }
    const double length = argc > 1 ? strtod(argv[1], NULL) : 0;
    const double begin = minutes();
    struct sample s = {0};
    unsigned wrongs = 0;
    if (!(length > 0)) {
        fprintf(stderr, "usage: soak MINUTES [SEED]\n");
        return 2;
    }
    state = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
    printf("seed %" PRIu64 "\n", state);
    printf("%7s %8s %8s %5s %8s %8s\n", "minutes", "runs", "faults", "files", "heap", "resident");
    prefer_memory();
    for (size_t i = 0; i < SAMPLES; i++) {
        while (minutes() - begin < length * (double)(i + 1) / SAMPLES)
            wrongs += run_series(&s);
        s.minutes = minutes() - begin;
        look(&s);
        samples[i] = s;
    }
    const bool flat = is_flat(samples + WARM_UP, SAMPLES - WARM_UP);
    printf("%u wrong\n", wrongs);
    return flat && !wrongs && s.faults ? 0 : 1;
}
