/*
 * An input is the file of a journal. What it says is known from a reader that is written here, by
 * the essay of src/journal.c; it looks at all records for each question. With it are compared:
 * - the journal as it is: refused, and then not touched, or opened;
 * - the same opened again, for it was written anew in between;
 * - with something added to it;
 * - the same facts written through the public functions, and then cut off somewhere.
 *
 * No input gets past checksums that are wrong, so they are mended before anything else. Those whose
 * last byte is 0 are left alone, for damage is to be seen too.
 */
#include "fuzz.h"

#include <xxhash.h>

#include "pcopy/journal.h"

#define LONGEST ((size_t)16 * 1024)

enum { HEADER = 16, CHECKSUM = 8, FRAME = 4 + 1 + CHECKSUM };
enum { IDENTITY = 1, DIRECTORY, FILE_IN_PROGRESS, RANGE, COMPLETE };

/* --- records --- */

static uint64_t number(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;
    while (bytes-- > 0)
        value = value << 8 | at[bytes];
    return value;
}

static void put_number(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* The length of the record there, whatever is in it; 0 if there is none. */
static size_t frame(const uint8_t *at, size_t left)
{
    if (left < FRAME || number(at, 4) > left - FRAME)
        return 0;
    return FRAME + number(at, 4);
}

static uint64_t checksum(const uint8_t *record, size_t length, uint64_t id)
{
    return XXH3_64bits_withSeed(record + 4, length - 4 - CHECKSUM, id);
}

static void mend(uint8_t *bytes, size_t size)
{
    size_t length;
    for (size_t at = HEADER; at < size && (length = frame(bytes + at, size - at)); at += length) {
        uint8_t *sum = bytes + at + length - CHECKSUM;
        if (sum[CHECKSUM - 1] != 0)
            put_number(sum, checksum(bytes + at, length, number(bytes + 8, 8)), CHECKSUM);
    }
}

/* --- what a journal says --- */

struct fact {
    int type;
    uint32_t root;
    const char *path;
    const char *temporary;
    struct stat source;
    uint32_t number;
    uint64_t from, to;
};

struct facts {
    uint8_t bytes[2 * LONGEST]; /* what the others point into */
    size_t size;
    struct fact all[2 * LONGEST / FRAME];
    size_t count;
    size_t ends[2 * LONGEST / FRAME];  /* of the records */
    const char *identity[LONGEST + 1]; /* NULL behind the last */
    bool is_journal;                   /* it has an identity */
    bool complete;
    size_t damaged; /* bytes at the end */
};

/* A text that ends before `end`, or NULL. */
static const char *take_text(const uint8_t **at, const uint8_t *end)
{
    const char *text = (const char *)*at;
    const uint8_t *nul = memchr(text, '\0', (size_t)(end - *at));
    if (!nul)
        return NULL;
    *at = nul + 1;
    return text;
}

static bool is_component(const char *name)
{
    return !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool take_identity(struct facts *f, const uint8_t *at, const uint8_t *end)
{
    size_t n = 0;
    while (at < end && (f->identity[n] = take_text(&at, end)))
        n++;
    f->identity[n] = NULL;
    return at == end;
}

static bool take_file(struct fact *fact, const uint8_t *at, const uint8_t *end)
{
    fact->root = (uint32_t)number(at, 4);
    at += 4;
    fact->path = take_text(&at, end);
    fact->temporary = fact->path ? take_text(&at, end) : NULL;
    if (!fact->temporary || !is_component(fact->temporary) || end - at != 4 + 8 + 8 + 4 + 8)
        return false;
    fact->number = (uint32_t)number(at, 4);
    fact->source = (struct stat){
        .st_size = (off_t)number(at + 4, 8),
        .st_mtim = {.tv_sec = (time_t)number(at + 12, 8), .tv_nsec = (long)number(at + 20, 4)},
        .st_ino = number(at + 24, 8),
    };
    return true;
}

/* Takes a record whose checksum is right. False if it is none that counts. */
static bool take(struct facts *f, int type, const uint8_t *at, const uint8_t *end)
{
    struct fact *fact = &f->all[f->count];
    const size_t size = (size_t)(end - at);
    *fact = (struct fact){.type = type};
    if ((type == IDENTITY) != (f->count == 0))
        return false;
    switch (type) {
    case IDENTITY:
        return take_identity(f, at, end);
    case DIRECTORY:
        if (size < 4)
            return false;
        fact->root = (uint32_t)number(at, 4);
        at += 4;
        fact->path = take_text(&at, end);
        return fact->path && at == end;
    case FILE_IN_PROGRESS:
        return size >= 4 && take_file(fact, at, end);
    case RANGE:
        if (size != 4 + 8 + 8)
            return false;
        fact->number = (uint32_t)number(at, 4);
        fact->from = number(at + 4, 8);
        fact->to = number(at + 12, 8);
        return fact->from < fact->to;
    case COMPLETE:
        return size == 0;
    default:
        return false;
    }
}

/* Fills in what f->bytes say. */
static void take_facts(struct facts *f)
{
    const size_t size = f->size;
    size_t at = HEADER;
    size_t length;
    f->count = 0;
    f->complete = false;
    f->identity[0] = NULL;
    if (size >= HEADER && memcmp(f->bytes, "pcopy-j1", 8) == 0) {
        const uint64_t id = number(f->bytes + 8, 8);
        while (!f->complete && (length = frame(f->bytes + at, size - at)) > 0) {
            const uint8_t *record = f->bytes + at;
            const uint8_t *end = record + length - CHECKSUM;
            if (number(end, CHECKSUM) != checksum(record, length, id) ||
                !take(f, record[4], record + 5, end))
                break;
            f->complete = record[4] == COMPLETE;
            at += length;
            f->ends[f->count++] = at;
        }
    }
    f->is_journal = f->count > 0;
    f->damaged = f->is_journal ? size - at : 0;
}

static void load(struct facts *f, const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    MUST(fd >= 0);
    const ssize_t n = read(fd, f->bytes, sizeof f->bytes);
    MUST(n >= 0 && (size_t)n < sizeof f->bytes && close(fd) == 0);
    f->size = (size_t)n;
    take_facts(f);
}

/* --- questions --- */

static bool is_below(const char *path, const char *directory)
{
    const size_t length = strlen(directory);
    return length == 0 ||
           (strncmp(path, directory, length) == 0 && (path[length] == '\0' || path[length] == '/'));
}

static bool resumes(const struct facts *f)
{
    return f->is_journal && !f->complete;
}

static bool has(const struct facts *f, uint32_t root, const char *path)
{
    for (size_t i = 0; resumes(f) && i < f->count; i++) {
        const struct fact *d = &f->all[i];
        if (d->type == DIRECTORY && d->path && d->root == root && is_below(path, d->path))
            return true;
    }
    return false;
}

static const struct fact *last_file(const struct facts *f, uint32_t root, const char *path)
{
    for (size_t i = f->count; i-- > 0;) {
        const struct fact *file = &f->all[i];
        if (file->type == FILE_IN_PROGRESS && file->root == root && strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

/* Asks for a directory of that path, some above it, and some that are none of these. */
static void ask_about(const struct pc_journal *j, const struct facts *f, uint32_t root,
                      const char *path)
{
    static char other[LONGEST + 4];
    static const char *const endings[] = {"", "/", "/x", "x"};
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        snprintf(other, sizeof other, "%s%s", path, endings[i]);
        MUST(pc_journal_has(j, root, other) == has(f, root, other));
        MUST(pc_journal_has(j, root + 1, other) == has(f, root + 1, other));
    }
    snprintf(other, sizeof other, "%s", path);
    for (int i = 0; i < 8; i++) {
        char *slash = strrchr(other, '/');
        if (!slash)
            break;
        *slash = '\0';
        MUST(pc_journal_has(j, root, other) == has(f, root, other));
    }
}

/* The ranges are those of the number, in order and with gaps between them. */
static void check_ranges(const struct pc_journal_file *file, const struct facts *f, uint32_t n)
{
    for (size_t i = 0; i < f->count; i++) {
        const struct fact *r = &f->all[i];
        if (r->type == RANGE && r->number == n)
            MUST(pc_journal_has_range(file, r->from, r->to));
    }
    for (size_t i = 0; i < file->count; i++) {
        const struct pc_journal_range *range = &file->ranges[i];
        MUST(range->from < range->to && (i == 0 || range[-1].to < range->from));
        /* From one record to the next without a gap, and not further. */
        uint64_t at = range->from;
        for (size_t k = 0; at < range->to && k < f->count; k++) {
            const struct fact *r = &f->all[k];
            if (r->type == RANGE && r->number == n && r->from <= at && at < r->to) {
                at = r->to;
                k = 0;
            }
        }
        MUST(at == range->to);
    }
}

static void check_file(const struct pc_journal *j, const struct facts *f, const struct fact *file)
{
    struct pc_journal_file found;
    struct stat source = file->source;
    if (has(f, file->root, file->path))
        return; /* nobody asks */
    MUST(pc_journal_find_file(j, file->root, file->path, &source, &found));
    MUST(strcmp(found.temporary, file->temporary) == 0);
    check_ranges(&found, f, file->number);
    source.st_mtim.tv_nsec ^= 1;
    MUST(!pc_journal_find_file(j, file->root, file->path, &source, &found));
    source = file->source;
    source.st_ino++;
    MUST(!pc_journal_find_file(j, file->root, file->path, &source, &found));
}

/* The journal says what the facts are. */
static void compare(const struct pc_journal *j, const struct facts *f)
{
    MUST(pc_journal_resumes(j) == resumes(f));
    for (size_t i = 0; i < f->count; i++) {
        const struct fact *fact = &f->all[i];
        if (!fact->path)
            continue;
        ask_about(j, f, fact->root, fact->path);
        if (fact->type == FILE_IN_PROGRESS && resumes(f) &&
            fact == last_file(f, fact->root, fact->path))
            check_file(j, f, fact);
    }
}

/* --- an input --- */

static const char *const some_identity[] = {"source=/a", "option=--delete", NULL};

static bool same_identity(const char *const *a, const char *const *b)
{
    for (; *a && *b; a++, b++) {
        if (strcmp(*a, *b) != 0)
            return false;
    }
    return !*a && !*b;
}

/* Opens a file of the facts, which must come to what they are; NULL if it is refused, rightly. */
static struct pc_journal *open_facts(const struct facts *f, const char *path,
                                     const char *const *identity)
{
    static struct facts after;
    struct pc_journal *j = NULL;
    char text[256];
    char said[64];
    int expected = 0;
    if (f->size > 0 && !f->is_journal)
        expected = -EBADMSG;
    else if (f->size > 0 && !same_identity(f->identity, identity))
        expected = -EINVAL;
    MUST(pc_journal_open(&j, path, identity, text, sizeof text) == expected);
    if (expected) {
        MUST(!j && *text);
        load(&after, path);
        MUST(after.size == f->size && memcmp(after.bytes, f->bytes, f->size) == 0);
        return NULL;
    }
    snprintf(said, sizeof said, "the last %zu bytes of ", f->damaged);
    if (f->damaged && !f->complete)
        MUST(strncmp(text, said, strlen(said)) == 0);
    else
        MUST(!*text);
    return j;
}

/* Adds a file with a range, and looks at both in the next run. */
static void add_to(const char *path, const char *const *identity)
{
    static struct facts f;
    static const struct stat source = {.st_size = 1000, .st_ino = 7};
    struct pc_journal_file found;
    load(&f, path);
    const bool finished = has(&f, 0, "added");
    struct pc_journal *j = open_facts(&f, path, identity);
    const uint32_t n = pc_journal_add_file(j, 0, "added", ".added", &source);
    pc_journal_add_range(j, n, 100, 200);
    pc_journal_mark(j);
    MUST(pc_journal_commit(j) == 0);
    pc_journal_close(j);

    load(&f, path);
    MUST(f.damaged == 0);
    j = open_facts(&f, path, identity);
    compare(j, &f);
    MUST(finished || pc_journal_find_file(j, 0, "added", &source, &found));
    MUST(finished || (found.count == 1 && found.ranges->from == 100 && found.ranges->to == 200));
    pc_journal_close(j);
}

/* Each file gets the ranges of its number below, which may be that of several. */
static bool is_much(const struct facts *f)
{
    size_t files = 0;
    size_t ranges = 0;
    for (size_t i = 0; i < f->count; i++) {
        files += f->all[i].type == FILE_IN_PROGRESS;
        ranges += f->all[i].type == RANGE;
    }
    return files * ranges > 256;
}

/* Writes the facts into a new journal; `dice` says when they are committed. */
static void write_anew(const struct facts *f, const char *path, uint64_t dice)
{
    static uint32_t numbers[2 * LONGEST / FRAME]; /* that the files have there */
    struct pc_journal *j = NULL;
    char text[256];
    unlink(path);
    MUST(pc_journal_open(&j, path, f->identity, text, sizeof text) == 0);
    for (size_t i = 0; i < f->count; i++) {
        const struct fact *fact = &f->all[i];
        if (fact->type == DIRECTORY)
            pc_journal_add_dir(j, fact->root, fact->path);
        if (fact->type == FILE_IN_PROGRESS)
            numbers[i] =
                pc_journal_add_file(j, fact->root, fact->path, fact->temporary, &fact->source);
        if (dice >> i % 64 & 1)
            pc_journal_mark(j);
        if (dice >> (i + 1) % 64 & 1)
            MUST(pc_journal_commit(j) == 0);
    }
    for (size_t i = 0; i < f->count; i++) {
        const struct fact *file = &f->all[i];
        for (size_t k = 0; file->type == FILE_IN_PROGRESS && k < f->count; k++) {
            const struct fact *r = &f->all[k];
            if (r->type == RANGE && r->number == file->number)
                pc_journal_add_range(j, numbers[i], r->from, r->to);
        }
    }
    pc_journal_mark(j);
    MUST(pc_journal_commit(j) == 0);
    pc_journal_close(j);
}

/* A journal that was cut off is what it was before its last records, or is no journal. */
static void cut(struct facts *f, const char *path, uint64_t dice)
{
    load(f, path);
    const size_t length = 1 + dice % f->size;
    size_t whole = 0;
    while (whole < f->count && f->ends[whole] <= length)
        whole++;
    const size_t end = whole ? f->ends[whole - 1] : 0;
    MUST(truncate(path, (off_t)length) == 0);
    load(f, path);
    MUST(f->count == whole && f->damaged == (whole ? length - end : 0));
    struct pc_journal *j = open_facts(f, path, f->identity);
    if (j)
        compare(j, f);
    pc_journal_close(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct facts f;
    static struct facts other;
    const char *const path = fuzz_path("journal");
    const char *const copy = fuzz_path("copy");
    const char *const *identity = some_identity;
    const uint64_t dice = XXH3_64bits(data, size);
    if (size > LONGEST)
        return 0;
    memcpy(f.bytes, data, size);
    f.size = size;
    mend(f.bytes, size);
    take_facts(&f);
    put_bytes(path, f.bytes, size, 0600);

    struct pc_journal *j = open_facts(&f, path, identity);
    if (!j && f.is_journal) {
        identity = f.identity;
        j = open_facts(&f, path, identity);
    }
    if (!j)
        return 0;
    compare(j, &f);
    pc_journal_close(j);

    load(&other, path);
    MUST(other.damaged == 0);
    j = open_facts(&other, path, identity);
    compare(j, &other);
    /* A run that is over before it has added anything is one that can be gone on with. */
    if (resumes(&f))
        compare(j, &f);
    pc_journal_close(j);

    add_to(path, identity);
    if (is_much(&f))
        return 0;
    write_anew(&f, copy, dice);
    load(&other, copy);
    j = open_facts(&other, copy, f.identity);
    compare(j, &other);
    if (resumes(&f))
        compare(j, &f);
    pc_journal_close(j);
    write_anew(&f, copy, dice);
    cut(&other, copy, dice >> 8);
    return 0;
}

/* --- mutations --- */

/* Of libFuzzer; nobody calls it elsewhere. */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

/* Three times of four the payload of one record is changed, and its length with it. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed)
{
    size_t starts[LONGEST / FRAME];
    size_t count = 0;
    size_t length;
    for (size_t at = HEADER; at < size && at < LONGEST && (length = frame(data + at, size - at));
         at += length)
        starts[count++] = at;
    if (seed % 4 == 0 || count == 0 || size == room)
        return LLVMFuzzerMutate(data, size, room);

    uint8_t *const record = data + starts[seed / 4 % count];
    uint8_t *const payload = record + 5;
    const size_t before = number(record, 4);
    uint8_t *const tail = payload + before;
    const size_t tail_size = (size_t)(data + size - tail);
    uint8_t *kept = malloc(tail_size);
    MUST(kept != NULL);
    memcpy(kept, tail, tail_size);
    const size_t after = LLVMFuzzerMutate(payload, before, before + (room - size));
    memcpy(payload + after, kept, tail_size);
    free(kept);
    put_number(record, after, 4);
    return size - before + after;
}
