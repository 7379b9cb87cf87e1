/* Trees are compared as pictures that are taken here, without the code under test. */
#include "faults.h"

#include "scratch.h"

#include <fts.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/acl.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "pcopy/transfer.h"

/* Seconds that a run of a few milliseconds may take. */
#define PATIENCE 60

/* Flushing is not what this is about, and takes the time of a disk. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int syncfs(int fd)
{
    (void)fd;
    return 0;
}

/* --- what is copied, and onto what --- */

/* These two do nothing where the file system does not have them. */
static void put_acl(const char *path, acl_type_t type)
{
    acl_t acl = acl_from_text("u::rwx,u:77:r-x,g::r-x,m::rwx,o::r-x");
    MUST(acl != NULL);
    MUST(acl_set_file(path, type, acl) == 0 || errno == EOPNOTSUPP);
    acl_free(acl);
}

static void put_xattr(const char *path, const char *name, const char *value)
{
    MUST(setxattr(path, name, value, strlen(value), 0) == 0 || errno == EOPNOTSUPP);
}

/* One of each kind, in few entries. What is `old` is to be replaced, mended, or let be. */
static void make_tree(const char *top, bool old, const struct variant *v)
{
    char at[PATH_MAX];
    char other[PATH_MAX];
#define AT(name)    (snprintf(at, sizeof at, "%s/%s", top, name), at)
#define OTHER(name) (snprintf(other, sizeof other, "%s/%s", top, name), other)
    put_dir(top);
    put_dir(AT("d"));
    put_dir(AT("d/closed"));
    put_dir(AT("d/empty"));
    put(AT("nothing"), "");
    put_noise(AT("blocks"), old ? 9000 : 10000, old);
    put_noise(AT("d/same-size"), 5000, old);
    put_noise(AT("d/closed/small"), 10, old);
    put_noise(AT("equal"), 5000, 2);
    put_noise(AT("damaged"), 100, old && v->damaged ? 3 : 4);
    put_noise(AT("d/mend"), 5, 5);
    put_noise(AT("d/acl"), 6, old);
    put_noise(AT("holes"), 3000, old);
    MUST(truncate(AT("holes"), 90000) == 0);
    const int fd = open(AT("holes"), O_WRONLY | O_CLOEXEC);
    MUST(fd >= 0 && pwrite(fd, "data", 4, 60000) == 4 && close(fd) == 0);

    MUST(symlink(old ? "one target" : "another", AT("d/link")) == 0);
    MUST(mknod(AT("d/fifo"), S_IFIFO | (old ? 0600 : 0640), 0) == 0);
    MUST(mknod(AT("socket"), old ? S_IFREG | 0644 : S_IFSOCK | 0644, 0) == 0);
    if (geteuid() == 0)
        MUST(mknod(AT("d/device"), S_IFCHR | 0600, makedev(1, old ? 5 : 3)) == 0);

    put_noise(AT("d/name-1"), 5000, old);
    put_noise(AT("d/closed/name-2"), 300, 6);
    if (!old) {
        MUST(unlink(AT("d/closed/name-2")) == 0);
        MUST(link(AT("d/name-1"), OTHER("d/closed/name-2")) == 0);
    }
    MUST(link(AT("d/name-1"), OTHER("name-3")) == 0);

    /* Directories and others in each other's place. */
    if (old) {
        put_dir(AT("was-directory"));
        put(AT("was-directory/inside"), "old");
        put(AT("was-file"), "old");
    } else {
        put(AT("was-directory"), "new");
        put_dir(AT("was-file"));
        put(AT("was-file/inside"), "new");
    }
    if (old && v->extras) {
        put(AT("d/extra"), "extra");
        put_dir(AT("extra"));
        put_dir(AT("extra/below"));
        put(AT("extra/below/file"), "extra");
        put(AT("extra/file"), "extra");
    }

    /* The last one made is the first one listed in tmpfs: it is a new file that then tells in what
     * steps times are kept. */
    put_noise(AT("same-second"), 7, old);

    MUST(chmod(AT("nothing"), 0400) == 0);
    MUST(chmod(AT("d/mend"), old ? 0600 : 04711) == 0);
    if (geteuid() == 0)
        MUST(lchown(AT("d/mend"), 1, old ? 1 : 2) == 0 && lchown(AT("d/link"), 3, 4) == 0);
    put_xattr(AT("blocks"), "user.colour", old ? "red" : "green");
    put_xattr(AT("d/mend"), old ? "user.old" : "user.new", "1");
    put_xattr(AT("d"), "user.kind", "directory");
    put_acl(AT(old ? "blocks" : "d/acl"), ACL_TYPE_ACCESS);
    put_acl(AT(old ? "d" : "d/empty"), ACL_TYPE_DEFAULT);

    static const char *const names[] = {
        "nothing", "blocks",   "d/same-size", "d/closed/small", "equal",           "damaged",
        "d/mend",  "d/acl",    "holes",       "d/link",         "d/fifo",          "socket",
        "name-3",  "was-file", "d/empty",     "was-directory",  "was-file/inside", "d/closed",
        "."};
    static const char same[] = " equal damaged d/mend nothing ";
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(other, sizeof other, " %s ", names[i]);
        const bool is_same = strstr(same, other) != NULL;
        if (is_there(AT(names[i])))
            set_mtime(at, 1000000000 + (time_t)i + (old && !is_same ? 100 : 0), (long)i + 1);
    }
    set_mtime(AT("same-second"), 1000000000, old ? 1 : 2);
    set_mtime(AT("d"), 1000000000, 3);
    MUST(chmod(AT("d/closed"), 0555) == 0);
#undef AT
#undef OTHER
}

/* --- pictures --- */

struct item {
    char path[64];
    struct stat st;
    uint64_t content; /* of the bytes, or the target of a symbolic link */
    uint64_t xattrs;
    const char *first; /* path of the first item that is the same file */
};

struct picture {
    struct item items[64];
    size_t count;
};

/* FNV-1a. */
static uint64_t mix(uint64_t hash, const void *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
    return hash;
}

static uint64_t content_of(const char *path, mode_t mode)
{
    static char buffer[100000];
    ssize_t n = 0;
    if (S_ISLNK(mode)) {
        n = readlink(path, buffer, sizeof buffer);
    } else if (S_ISREG(mode)) {
        const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        MUST(fd >= 0);
        n = read(fd, buffer, sizeof buffer);
        close(fd);
    }
    MUST(n >= 0);
    return mix(0xcbf29ce484222325, buffer, (size_t)n);
}

/* The same in any order. */
static uint64_t xattrs_of(const char *path)
{
    char names[1024];
    char value[1024];
    uint64_t sum = 0;
    const ssize_t length = llistxattr(path, names, sizeof names);
    for (const char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
        const ssize_t n = lgetxattr(path, name, value, sizeof value);
        MUST(n >= 0);
        sum += mix(mix(0xcbf29ce484222325, name, strlen(name)), value, (size_t)n);
    }
    return sum;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Fills *p with what is below `top`, which need not exist. */
static void take(struct picture *p, const char *top)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", top);
    char *const paths[] = {path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    MUST(fts != NULL);
    p->count = 0;
    for (FTSENT *e; (e = fts_read(fts));) {
        if (e->fts_info == FTS_DP || (e->fts_info == FTS_NS && e->fts_level == 0))
            continue;
        MUST(e->fts_info != FTS_ERR && e->fts_info != FTS_NS && e->fts_info != FTS_DNR);
        MUST(p->count < sizeof p->items / sizeof p->items[0]);
        struct item *item = &p->items[p->count];
        const char *relative = e->fts_path + strlen(top);
        MUST(strlen(relative) < sizeof item->path);
        snprintf(item->path, sizeof item->path, "%s", relative);
        item->st = *e->fts_statp;
        item->content = content_of(e->fts_path, item->st.st_mode);
        item->xattrs = xattrs_of(e->fts_path);
        const struct item *first = p->items;
        while (first->st.st_ino != item->st.st_ino)
            first++;
        item->first = first->path;
        p->count++;
    }
    fts_close(fts);
}

static const struct item *find(const struct picture *p, const char *path)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->items[i].path, path) == 0)
            return &p->items[i];
    }
    return NULL;
}

static bool same_mtime(const struct item *a, const struct item *b)
{
    return a->st.st_mtim.tv_sec == b->st.st_mtim.tv_sec &&
           a->st.st_mtim.tv_nsec == b->st.st_mtim.tv_nsec;
}

static bool same_type(const struct item *a, const struct item *b)
{
    return (a->st.st_mode & S_IFMT) == (b->st.st_mode & S_IFMT);
}

/* In what a copy differs from its source, or NULL. */
static const char *compare(const struct item *a, const struct item *b)
{
    if (a->st.st_mode != b->st.st_mode)
        return "has another type or mode";
    if (a->st.st_uid != b->st.st_uid || a->st.st_gid != b->st.st_gid)
        return "has another owner";
    if (a->content != b->content || (S_ISREG(a->st.st_mode) && a->st.st_size != b->st.st_size))
        return "has another content";
    if (a->st.st_rdev != b->st.st_rdev)
        return "is another device";
    if (!same_mtime(a, b))
        return "has another mtime";
    if (a->xattrs != b->xattrs)
        return "has other extended attributes or ACLs";
    if (strcmp(a->first, b->first) != 0 ||
        (!S_ISDIR(a->st.st_mode) && a->st.st_nlink != b->st.st_nlink))
        return "has other hard links";
    return NULL;
}

/* --- what is wrong with a run --- */

/* What is being done, to be told when it goes wrong, or takes too long. */
static char doing[256];
static unsigned wrongs;

__attribute__((format(printf, 1, 2))) static void wrong(const char *format, ...)
{
    va_list arguments;
    char text[512];
    va_start(arguments, format);
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): va_start() is one line above
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (wrongs++ < 200)
        printf("%s: %s\n", doing, text);
}

static void out_of_patience(int number)
{
    (void)number;
    static const char text[] = ": still running\n";
    if (write(STDOUT_FILENO, doing, strlen(doing)) < 0 ||
        write(STDOUT_FILENO, text, sizeof text - 1) < 0)
        _exit(2);
    _exit(1);
}

/* The same tree. Temporary names are left to expect_honest(): one that cannot be removed is not
 * always told. */
static void expect_equal(const struct picture *src, const struct picture *dst)
{
    for (size_t i = 0; i < src->count; i++) {
        const struct item *copy = find(dst, src->items[i].path);
        const char *what = copy ? compare(&src->items[i], copy) : "is missing";
        if (what) {
            wrong("'%s' %s", src->items[i].path, what);
            return;
        }
    }
    for (size_t i = 0; i < dst->count; i++) {
        if (!find(src, dst->items[i].path) && !strstr(dst->items[i].path, ".pcopy-"))
            wrong("'%s' is not in the source", dst->items[i].path);
    }
}

/* Nothing looks complete that is not, and no temporary name is left. */
static void expect_honest(const struct picture *src, const struct picture *old,
                          const struct picture *dst, bool temporaries)
{
    for (size_t i = 0; i < dst->count; i++) {
        const struct item *copy = &dst->items[i];
        const struct item *a = find(src, copy->path);
        const struct item *before = find(old, copy->path);
        if (strstr(copy->path, ".pcopy-") && !temporaries)
            wrong("'%s' is left", copy->path);
        if (!a || !S_ISREG(a->st.st_mode) || !S_ISREG(copy->st.st_mode) ||
            a->st.st_size != copy->st.st_size || !same_mtime(a, copy) ||
            a->content == copy->content)
            continue;
        if (!before || before->content != copy->content || !same_mtime(before, copy))
            wrong("'%s' looks complete and is not", copy->path);
    }
}

/* What was there, and is of the type it shall be, is still so or as it shall be. */
static void expect_kept(const struct picture *src, const struct picture *old,
                        const struct picture *dst, bool overwritten)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct item *before = &old->items[i];
        const struct item *a = find(src, before->path);
        const struct item *copy = find(dst, before->path);
        if (!a || !same_type(a, before))
            continue;
        if (!copy || !same_type(a, copy))
            wrong("'%s' was there and is gone", before->path);
        else if (copy->content != a->content && copy->content != before->content &&
                 !(overwritten && S_ISREG(a->st.st_mode)))
            wrong("'%s' is neither the old nor the new one", before->path);
    }
}

/* --- one run --- */

static FILE *messages; /* standard error of the run */

static enum pc_status run(const struct variant *v)
{
    char words[256];
    char *argv[32] = {NULL};
    int argc = 0;
    struct pc_options o;
    char problem[256];
    snprintf(words, sizeof words,
             "pcopy -a -q -j %u --walkers 1 --queue-size 64 --buffer-size 4K --retry-wait 0 "
             "--retries %u%s%s%s src dst",
             v->jobs ? v->jobs : 1, v->retries, v->two_mounts ? " --allow-rootfs -m m1,m2" : "",
             *v->options ? " " : "", v->options);
    for (char *at = words, *word; (word = strtok_r(at, " ", &at));)
        argv[argc++] = word;
    MUST(pc_options_parse(argc, argv, &o, problem, sizeof problem) == PC_REQUEST_RUN);

    fflush(stderr);
    rewind(messages);
    MUST(ftruncate(fileno(messages), 0) == 0);
    const int stderr_of_test = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    MUST(stderr_of_test >= 0 && dup2(fileno(messages), STDERR_FILENO) >= 0);
    alarm(PATIENCE);
    const enum pc_status status = pc_transfer_run(&o);
    alarm(0);
    MUST(dup2(stderr_of_test, STDERR_FILENO) >= 0);
    close(stderr_of_test);
    pc_options_free(&o);
    return status;
}

/* What is wrong is told: each line names what it is about; `once`: no path has two. */
static void expect_told(enum pc_status status, bool once)
{
    static const char cannot[] = "pcopy: cannot ";
    static const char repaired[] = "pcopy: repaired ";
    char line[1024];
    char path[1024];
    char seen[8192] = "\n";
    unsigned told = 0;
    unsigned errors = 0;
    rewind(messages);
    while (fgets(line, sizeof line, messages)) {
        line[strcspn(line, "\n")] = '\0';
        const char *quote = strchr(line, '\'');
        const char *end = quote ? strchr(quote + 1, '\'') : NULL;
        const bool error = strncmp(line, cannot, sizeof cannot - 1) == 0;
        if (error || strncmp(line, repaired, sizeof repaired - 1) == 0) {
            if (!end || end == quote + 1) {
                wrong("no path in \"%s\"", line);
                continue;
            }
            snprintf(path, sizeof path, "\n%.*s\n", (int)(end - quote), quote);
            if (error && once && strstr(seen, path))
                wrong("one path twice: \"%s\"", line);
            if (error)
                strncat(seen, path + 1, sizeof seen - strlen(seen) - 1);
            errors += error;
            told++;
        }
    }
    if (status == PC_STATUS_DONE ? errors : !told)
        wrong("%u lines of errors", errors);
}

/* --- the call that fails --- */

const struct fault faults[] = {
    {-EIO, ONCE, 1},    {-ENOSPC, ONCE, 5},      {-ESTALE, ONCE, 3},
    {-EMFILE, ONCE, 5}, {-ENOMEM, ONCE, 5},      {-EINTR, ONCE, 5},
    {1, ONCE, 1},       {-EIO, ITS_KIND, 7},     {-EIO, ALL, 7},
    {-ENOSPC, ALL, 13}, {-ESTALE, ITS_KIND, 11}, {-EINTR, EACH, 999},
    {1000, ALL, 999},
};
const size_t fault_count = sizeof faults / sizeof faults[0];

static struct fault fault;
static atomic_int calls_left;
static atomic_bool fired;
static char fired_call[24];

static int fail_call(const char *call)
{
    static _Thread_local bool again;
    /* What close() returns it has done all the same: it is not made again. */
    if ((fault.err > 0 && strcmp(call, "pread") != 0 && strcmp(call, "pwrite") != 0) ||
        (fault.lasting == EACH && strcmp(call, "close") == 0))
        return 0;
    if (atomic_fetch_sub(&calls_left, 1) == 0) {
        snprintf(fired_call, sizeof fired_call, "%s", call);
        atomic_store(&fired, true);
    } else if (!atomic_load(&fired) || fault.lasting == ONCE ||
               (fault.lasting == ITS_KIND && strcmp(call, fired_call) != 0)) {
        return 0;
    }
    again = !again;
    return fault.lasting == EACH && !again ? 0 : fault.err;
}

/* All runs of one variant. */
static struct series {
    const struct variant *v;
    const char *dst;
    struct picture src;
    struct picture old;
    struct picture now;
    char list[8192]; /* of checksums, as it shall be */
} series;

static void tell_doing(const struct variant *v, int n, const char *which)
{
    static const char *const lastings[] = {"", " and later ones of its kind", " and all later ones",
                                           " and later ones, each once"};
    static const char *const befores[] = {"nothing", "an old tree", "an equal tree"};
    snprintf(doing, sizeof doing, "%s at call %d (%s)%s, -a %s -j %u%s, onto %s%s",
             fault.err > 0 ? "short count" : strerror(-fault.err), n, fired_call,
             lastings[fault.lasting], v->options, v->jobs ? v->jobs : 1,
             v->two_mounts ? " with two mounts" : "", befores[v->before], which);
}

static void read_list(char *list, size_t size)
{
    FILE *f = fopen("list", "re");
    *list++ = '\n';
    const size_t n = f ? fread(list, 1, size - 2, f) : 0;
    list[n] = '\0';
    if (f)
        fclose(f);
}

/* The list of checksums, if there is one, holds only what is so, and all of it if `whole`. */
static void expect_list(const struct series *s, bool whole)
{
    char list[sizeof s->list];
    char key[256];
    size_t length = 1;
    read_list(list, sizeof list);
    for (const char *line = list + 1; *line; line = strchr(line, '\n') + 1) {
        const int n = (int)strcspn(line, "\n");
        snprintf(key, sizeof key, "/%.*s", n - 34, line + 34);
        const struct item *a = find(&s->src, key);
        const struct item *copy = find(&s->now, key);
        snprintf(key, sizeof key, "\n%.*s\n", n, line);
        if (!a || !copy || a->content != copy->content || !strstr(s->list, key))
            wrong("it is in the list: %s", key + 1);
        length += (size_t)n + 1;
    }
    if (whole && length != strlen(s->list))
        wrong("the list is not whole");
}

static void prepare(struct series *s)
{
    const struct variant *v = s->v;
    scratch_remove("list");
    scratch_remove("journal");
    if (v->before == EQUAL && is_there(s->dst))
        return; /* as the last run has left it */
    scratch_remove(s->dst);
    if (v->before == OLD)
        make_tree(s->dst, true, v);
    if (v->before == EQUAL)
        MUST(run(v) == PC_STATUS_DONE);
    take(&s->old, s->dst);
}

/* True if a temporary name may be left because it could not be taken away. */
static bool may_stay(void)
{
    return fault.lasting == ALL || strcmp(fired_call, "unlinkat") == 0;
}

/* What is left is taken for that of a run that still goes on. */
static void remove_temporaries(const struct series *s)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < s->now.count; i++) {
        snprintf(path, sizeof path, "%s%s", s->dst, s->now.items[i].path);
        if (strstr(path, ".pcopy-"))
            MUST(unlink(path) == 0);
    }
}

/* Judges the run that has just ended. */
static void judge(struct series *s, enum pc_status status)
{
    const struct variant *v = s->v;
    const bool once = fault.lasting == ONCE;
    const bool invisible =
        fault.err > 0 || (fault.err == -EINTR && strcmp(fired_call, "close") != 0);
    if (status != PC_STATUS_DONE && (invisible || !atomic_load(&fired)))
        wrong("status %d", (int)status);
    expect_told(status, once);
    if (v->dry || (status == PC_STATUS_REFUSED && v->before != NOTHING)) {
        expect_equal(&s->old, &s->now);
        return;
    }
    expect_honest(&s->src, &s->old, &s->now,
                  may_stay() || (status == PC_STATUS_RUN && strstr(v->options, "--journal")));
    expect_kept(&s->src, &s->old, &s->now, v->overwritten);
    expect_list(s, *s->list && status == PC_STATUS_DONE);
    if (status == PC_STATUS_DONE)
        expect_equal(&s->src, &s->now);
    if (status == PC_STATUS_DONE && !invisible &&
        (strcmp(fired_call, "fsync") == 0 || strcmp(fired_call, "syncfs") == 0))
        wrong("nothing tells that the data may be lost");
}

bool faults_try(const struct fault *f, int n)
{
    struct series *s = &series;
    const struct variant *v = s->v;
    fault = *f;
    prepare(s);
    *fired_call = '\0';
    tell_doing(v, n, "");
    atomic_store(&fired, false);
    atomic_store(&calls_left, n);
    const unsigned files = open_files();
    pc_sys_set_fault(fail_call);
    const enum pc_status status = run(v);
    pc_sys_set_fault(NULL);
    tell_doing(v, n, "");
    if (open_files() != files)
        wrong("%u files are open, not %u", open_files(), files);
    take(&s->now, s->dst);
    judge(s, status);
    if (status == PC_STATUS_DONE || v->dry)
        return atomic_load(&fired);

    if (may_stay())
        remove_temporaries(s); /* else the next run knows them from the journal */
    tell_doing(v, n, ", the next run");
    const enum pc_status next = run(v);
    if (next != PC_STATUS_DONE)
        wrong("status %d", (int)next);
    expect_told(next, true);
    take(&s->now, s->dst);
    expect_equal(&s->src, &s->now);
    expect_list(s, *s->list);
    return atomic_load(&fired);
}

void faults_begin(const struct variant *v)
{
    struct series *s = &series;
    s->v = v;
    s->dst = v->two_mounts ? "m1/dst" : "dst";
    *s->list = '\0';
    wrongs = 0;
    if (v->nobody && geteuid() == 0) {
        MUST(lchown(".", NOBODY, NOBODY) == 0);
        become_nobody();
    }
    messages = fdopen(memfd_create("messages", MFD_CLOEXEC), "w+");
    MUST(messages != NULL);
    signal(SIGALRM, out_of_patience);
    put_dir("m1");
    put_acl("m1", ACL_TYPE_DEFAULT); /* DST is made here, and shall not have it */
    MUST(symlink("m1", "m2") == 0);
    make_tree("src", false, v);
    take(&s->src, "src");
    prepare(s);
    if (strstr(v->options, "=list")) {
        MUST(run(v) == PC_STATUS_DONE);
        read_list(s->list, sizeof s->list);
    }
}

unsigned faults_end(void)
{
    fclose(messages);
    return wrongs;
}

/* --- the variants --- */

const struct variant variants[] = {
    {"onto_nothing", "", .before = NOTHING, .step = 1},
    {"onto_an_old_tree", "--force", .before = OLD, .step = 1},
    {"onto_an_equal_tree", "", .before = EQUAL, .step = 2},
    {"deleting", "--delete", .before = OLD, .step = 1, .extras = true},
    {"deleting_no_more_than_a_share", "--delete --force --max-delete=90%", .before = OLD, .step = 3,
     .extras = true},
    {"writing_over", "--force --inplace", .before = OLD, .step = 2, .overwritten = true},
    {"under_temporary_names", "--atomic --fsync=file", .before = NOTHING, .step = 2},
    {"comparing_contents", "--force --checksum", .before = OLD, .step = 3, .damaged = true},
    {"verifying", "--verify", .before = NOTHING, .step = 4},
    {"verifying_contents", "--force --verify=checksum", .before = OLD, .step = 7, .damaged = true},
    {"over_two_mounts", "", .before = NOTHING, .step = 3, .two_mounts = true},
    {"over_two_mounts_onto_an_old_tree", "--force", .before = OLD, .step = 5, .two_mounts = true},
    {"with_a_list_of_checksums", "--checksum-file=list", .before = NOTHING, .step = 4},
    {"with_a_list_of_checksums_of_an_old_tree", "--force --checksum-file=list", .before = OLD,
     .step = 7},
    {"tried_again", "--delete", .before = OLD, .step = 2, .extras = true, .retries = 2},
    {"in_ranges", "--force --split-size=4K", .before = OLD, .step = 3, .jobs = 4},
    {"in_ranges_written_over", "--force --inplace --sparse=always --split-size=4K", .before = OLD,
     .step = 5, .overwritten = true, .two_mounts = true},
    {"in_reserved_space", "--preallocate --reflink=never", .before = NOTHING, .step = 4},
    {"with_four_threads", "", .before = NOTHING, .step = 5, .jobs = 4},
    {"deleting_with_four_threads", "--delete", .before = OLD, .step = 7, .extras = true, .jobs = 4},
    {"as_nobody", "--delete", .before = OLD, .step = 4, .extras = true, .nobody = true},
    {"dry", "--delete -n", .before = OLD, .step = 5, .extras = true, .dry = true},
    {"with_a_journal", "--journal=journal", .before = NOTHING, .step = 1},
    {"with_a_journal_in_ranges", "--force --journal=journal --split-size=4K --bwlimit=1G",
     .before = OLD, .step = 3, .jobs = 4},
};
const size_t variant_count = sizeof variants / sizeof variants[0];
