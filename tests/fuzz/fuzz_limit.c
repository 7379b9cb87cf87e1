/*
 * An input is the file of --bwlimit=@FILE, and its first line as an argument means the same: it is
 * refused, or lets the same through in the same time. Nobody sleeps: the clock stands until
 * somebody waits.
 */
#include "fuzz.h"

#include "pcopy/limit.h"

static int64_t now;
static int minute; /* of the week */
static unsigned waits;
static atomic_bool stop;

static int64_t get_now(void)
{
    return now;
}

static void get_local(struct tm *out)
{
    *out = (struct tm){
        .tm_wday = minute / (24 * 60), .tm_hour = minute / 60 % 24, .tm_min = minute % 60};
}

/* The slowest rates would have us wait for years. */
static void be_woken(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
    (void)cond;
    (void)lock;
    MUST(until > now && until <= now + 1000000000);
    now = until;
    if (++waits == 100)
        atomic_store(&stop, true);
}

/* The time at which so much has gone through, at that minute of the week. */
static int64_t time_for(struct pc_limit *l, uint64_t amount)
{
    now = 0;
    waits = 0;
    atomic_store(&stop, false);
    const int err = pc_limit_take(l, amount, &stop);
    MUST(err == (atomic_load(&stop) ? -ECANCELED : 0));
    return now;
}

/* What pc_limit_new() takes of a file, as a text in its own memory. */
static char *first_line(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    text[strcspn(text, "\n")] = '\0';
    const size_t blanks = strspn(text, " \t");
    size_t length = strlen(text);
    while (length > blanks && strchr(" \t\r", text[length - 1]))
        length--;
    char *line = fuzz_text(text + blanks, length - blanks);
    free(text);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pc_limit_clock clock = {get_now, get_local, be_woken};
    struct pc_limit *by_file = NULL;
    struct pc_limit *by_text = NULL;
    char spec[PATH_MAX + 33];
    char problem[512] = "";

    pc_limit_set_clock(&clock);
    minute = size ? data[size - 1] * 40 % (7 * 24 * 60) : 0;
    now = 0;
    snprintf(spec, sizeof spec, "@%s", fuzz_put("input", data, size));
    const int file_err = pc_limit_new(&by_file, spec, problem, sizeof problem);
    MUST(file_err == 0 ? by_file && !*problem : file_err == -EINVAL && !by_file && *problem);

    char *line = first_line(data, size);
    if (*line != '@' && size < 4096) {
        const int text_err = pc_limit_new(&by_text, line, problem, sizeof problem);
        MUST(text_err == file_err);
        /* Both are asked in the same state: at their time 0. */
        if (!file_err)
            MUST(time_for(by_file, 1000) == (by_text ? time_for(by_text, 1000) : 0));
    }
    free(line);
    pc_limit_free(by_file);
    pc_limit_free(by_text);
    return 0;
}
