/*
 * The operands, in two steps: look at all of them and refuse, then make and open.
 *
 * Paths of the user are resolved as any command does, symbolic links and all; only below the roots
 * opened here does pcopy insist on names of one component. With -m the destination is resolved
 * beneath each mount point, so that a link or ".." in it cannot lead to different places on
 * different mounts.
 */
#include "pcopy/plan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcopy/meta.h"

/* One SRC as it was found. */
struct operand {
    const char *path;   /* without slashes at its end; relative to the mount points with -M */
    const char *shown;  /* the same as messages show it */
    const char *name;   /* last component; "" for one that has none ("/", ".") */
    struct stat st;     /* of what is copied: a link to a directory is followed */
    const char *target; /* where it lands; relative to the mount points with -m */
    bool exists;        /* something is there, */
    struct stat there;  /* and was this before it was looked at more closely */
};

struct work {
    struct pc_plan *plan;
    const struct pc_options *options;
    struct pc_mounts *sources;
    struct pc_mounts *targets;
    char *problem;
    size_t size;
    struct operand *operands;
    const char *target; /* DST, likewise */
    bool into;          /* SRC lands inside it */
};

/* Says why the operands are refused. Returns `err`, for the caller to return. */
__attribute__((format(printf, 3, 4))) static int refuse(struct work *w, int err, const char *format,
                                                        ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->problem, w->size, format, args);
    va_end(args);
    return err;
}

static int refuse_errno(struct work *w, int err, const char *operation, const char *path)
{
    char text[128];
    return refuse(w, err, "cannot %s '%s': %s", operation, path,
                  strerror_r(-err, text, sizeof text));
}

/* A string that lives as long as the plan; NULL when there is no memory. */
__attribute__((format(printf, 2, 3))) static const char *keep(struct pc_plan *p, const char *format,
                                                              ...)
{
    char *text;
    char **more = realloc(p->strings, (p->string_count + 1) * sizeof *more);
    if (!more)
        return NULL;
    p->strings = more;
    va_list args;
    va_start(args, format);
    const int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return NULL;
    p->strings[p->string_count++] = text;
    return text;
}

/* Path without slashes at its end; the root keeps its one. */
static const char *trimmed(struct pc_plan *p, const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return keep(p, "%.*s", (int)length, path);
}

static const char *joined(struct pc_plan *p, const char *dir, const char *name)
{
    if (*name == '\0')
        return dir;
    return keep(p, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
}

/* Length of what is before the last component; 0 if there is nothing. */
static size_t length_above(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return 0;
    while (slash > path && slash[-1] == '/')
        slash--;
    return slash == path ? 1 : (size_t)(slash - path);
}

/* What is before the last component: "." if there is nothing. */
static const char *parent_of(struct pc_plan *p, const char *path)
{
    const size_t n = length_above(path);
    return n ? keep(p, "%.*s", (int)n, path) : ".";
}

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* --- paths and mount points --- */

static bool has_dot_dot(const char *path)
{
    for (const char *at = path; *at;) {
        const size_t n = strcspn(at, "/");
        if (n == 2 && at[0] == '.' && at[1] == '.')
            return true;
        at += n;
        at += strspn(at, "/");
    }
    return false;
}

/* An absolute path below one of the mount points, relative to it; NULL if it is below none. */
static const char *below_mount(const struct pc_mounts *m, const char *path)
{
    for (unsigned i = 0; i < m->count; i++) {
        const size_t n = strlen(m->paths[i]);
        if (strncmp(path, m->paths[i], n) != 0)
            continue;
        if (path[n] == '\0')
            return ".";
        if (path[n] == '/' || m->paths[i][n - 1] == '/')
            return path + n + strspn(path + n, "/");
    }
    return NULL;
}

/* What an operand means on a set of mount points, in *out; without -m or -M it is itself. */
static int resolve(struct work *w, const struct pc_mounts *m, const char *given, const char **out)
{
    *out = trimmed(w->plan, given);
    if (!*out)
        return refuse_errno(w, -ENOMEM, "use", given);
    if (!m->paths)
        return 0;
    const char option = m == w->targets ? 'm' : 'M';
    if (has_dot_dot(*out))
        return refuse(w, -EINVAL,
                      "'%s' must not contain '..': with -%c it is relative to each mount point",
                      given, option);
    if (**out != '/')
        return 0;
    *out = below_mount(m, *out);
    if (*out)
        return 0;
    return refuse(w, -EINVAL,
                  "'%s' is below none of the mount points of -%c: give a path relative to them",
                  given, option);
}

/* `path` through mount point `i`, as the user would write it; NULL when there is no memory. */
static const char *shown(struct work *w, const struct pc_mounts *m, unsigned i, const char *path)
{
    if (!m->paths)
        return path;
    return strcmp(path, ".") == 0 ? m->paths[i] : joined(w->plan, m->paths[i], path);
}

/* The destination in messages. */
static const char *shown_target(struct work *w, const char *path)
{
    const char *text = shown(w, w->targets, 0, path);
    return text ? text : path;
}

static int open_in(const struct pc_mounts *m, unsigned i, const char *path, bool place,
                   struct pc_handle *out)
{
    if (m->paths)
        return pc_sys_open_beneath(m->handles[i], path, place, out);
    return pc_sys_open_root(path, place, out);
}

/* Attributes of a path through the first mount point. */
static int stat_in(struct work *w, const struct pc_mounts *m, const char *path, bool follow,
                   struct stat *st)
{
    const char *full = shown(w, m, 0, path);
    return full ? pc_sys_stat_path(full, follow, st) : -ENOMEM;
}

/* The first refusal of a mount point that shows something else than the first. */
static int check_agreement(struct work *w, const struct pc_mounts *m, const char *path)
{
    unsigned bad;
    if (!m->paths)
        return 0;
    const int err = pc_mounts_agree(m, path, m == w->targets && !w->options->observe, &bad);
    if (err == -EXDEV)
        return refuse(w, err, "the mount points '%s' and '%s' do not show the same directory '%s'",
                      m->paths[0], m->paths[bad], path);
    return err ? refuse_errno(w, err, "use mount point", m->paths[bad]) : 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static int look_at_source(struct work *w, struct operand *op, const char *given)
{
    struct stat followed;
    int err = resolve(w, w->sources, given, &op->path);
    if (err)
        return err;
    op->shown = shown(w, w->sources, 0, op->path);
    err = op->shown ? stat_in(w, w->sources, op->path, false, &op->st) : -ENOMEM;
    if (err)
        return refuse_errno(w, err, "copy from", given);
    if (S_ISLNK(op->st.st_mode) && stat_in(w, w->sources, op->path, true, &followed) == 0 &&
        S_ISDIR(followed.st_mode))
        op->st = followed;
    if (!S_ISDIR(op->st.st_mode) && given[strlen(given) - 1] == '/')
        return refuse_errno(w, -ENOTDIR, "copy from", given);
    if (w->options->files_from && !S_ISDIR(op->st.st_mode))
        return refuse(w, -ENOTDIR,
                      "'%s' is not a directory, in which the names of --files-from could be",
                      given);
    op->name = base_of(op->path);
    if (strcmp(op->name, ".") == 0)
        op->name = "";
    return check_agreement(w, w->sources,
                           S_ISDIR(op->st.st_mode) ? op->path : parent_of(w->plan, op->path));
}

/* Where an operand lands. */
static int find_place(struct work *w, struct operand *op)
{
    op->target = w->target;
    if (!w->into)
        return 0;
    if (strcmp(op->name, "..") == 0)
        return refuse(w, -EISDIR, "'%s' has no name to give to its copy in '%s'", op->shown,
                      w->options->target);
    op->target =
        strcmp(w->target, ".") == 0 && *op->name ? op->name : joined(w->plan, w->target, op->name);
    return op->target ? 0 : refuse_errno(w, -ENOMEM, "use", op->path);
}

/* Opens the nearest directory on a path of the destination that exists, in *at. */
static int open_nearest(struct work *w, const char **at, struct pc_handle *out)
{
    int err = open_in(w->targets, 0, *at, true, out);
    while (err == -ENOENT && strcmp(*at, "/") != 0 && strcmp(*at, ".") != 0) {
        *at = parent_of(w->plan, *at);
        err = *at ? open_in(w->targets, 0, *at, true, out) : -ENOMEM;
    }
    return err;
}

/* From a directory, whose attributes are *st, to the one above: 1, or 0 if there is none. */
static int go_up(struct pc_handle *h, struct stat *st)
{
    struct pc_handle up;
    struct stat above = {0};
    /* As a place: one may pass through directories that one may not read. */
    int err = pc_sys_open_place(*h, "..", false, &up);
    if (err)
        return err;
    pc_sys_close(h);
    *h = up;
    err = pc_sys_stat(up, &above);
    if (err)
        return err;
    const bool top = is_same(&above, st); /* the root is its own parent */
    *st = above;
    return !top;
}

/* Goes up until the directory is `what`: 1, 0 if it does not come by there, or negative errno. */
static int climb_to(struct pc_handle *h, struct stat *st, const struct stat *what)
{
    int n = 1;
    while (n > 0 && !is_same(st, what))
        n = go_up(h, st);
    return n;
}

/* The destination must not be, or be inside of, a source directory: it would copy itself. */
static int check_inside(struct work *w, const struct operand *op)
{
    struct pc_handle h = PC_HANDLE_NONE;
    struct stat st = {0};
    const char *at = op->target;
    int n = open_nearest(w, &at, &h);
    if (n == 0)
        n = pc_sys_stat(h, &st);
    const bool itself = n == 0 && at == op->target && is_same(&st, &op->st);
    if (n == 0)
        n = climb_to(&h, &st, &op->st);
    if (pc_handle_open(h))
        pc_sys_close(&h);
    if (n > 0)
        return refuse(w, -ELOOP,
                      itself ? "'%s' and '%s' are the same directory" : "'%s' contains '%s'",
                      op->shown, shown_target(w, op->target));
    return n < 0 ? refuse_errno(w, n, "look at", shown_target(w, op->target)) : 0;
}

/* A file that pcopy writes itself must not be in what it clears up: it would be found extra. */
static int check_own_file(struct work *w, const struct operand *op, const char *file)
{
    struct pc_handle h = PC_HANDLE_NONE;
    struct stat st = {0};
    const char *dir = file ? parent_of(w->plan, file) : NULL;
    if (!dir)
        return file ? refuse_errno(w, -ENOMEM, "write", file) : 0;
    if (pc_sys_open_root(dir, true, &h) != 0)
        return 0; /* whoever writes it will say so */
    int n = pc_sys_stat(h, &st);
    if (n == 0)
        n = climb_to(&h, &st, &op->there);
    pc_sys_close(&h);
    return n > 0 ? refuse(w, -EBUSY,
                          "'%s' is in '%s', where --delete would remove it: put it elsewhere", file,
                          shown_target(w, op->target))
                 : 0;
}

static int check_place(struct work *w, struct operand *op)
{
    const char *target = shown_target(w, op->target);
    const bool directory = S_ISDIR(op->st.st_mode);
    struct stat st;
    const int err = stat_in(w, w->targets, op->target, true, &st);
    if (err && err != -ENOENT)
        return refuse_errno(w, err, "copy to", target);
    if (!err && directory && !S_ISDIR(st.st_mode))
        return refuse(w, -ENOTDIR, "'%s' is not a directory, and '%s' is one", target, op->shown);
    if (!err && !directory && S_ISDIR(st.st_mode))
        return refuse(w, -EISDIR, "'%s' is a directory, and '%s' is none", target, op->shown);
    if (!err && !directory && is_same(&st, &op->st))
        return refuse(w, -EEXIST, "'%s' and '%s' are the same file", op->shown, target);
    op->exists = !err;
    if (op->exists)
        op->there = st;
    const struct pc_options *o = w->options;
    const char *const own[] = {o->journal, o->log_file, o->checksum_file};
    for (size_t i = 0; i < 3 && directory && op->exists && o->delete; i++) {
        const int found = check_own_file(w, op, own[i]);
        if (found)
            return found;
    }
    return directory ? check_inside(w, op) : 0;
}

/* The mount points of the destination, where its path begins to exist. */
static int check_mounts(struct work *w)
{
    struct pc_handle h;
    const char *at = w->target;
    const int err = open_nearest(w, &at, &h);
    if (err == -ENOTDIR && !w->into) { /* an existing file, which is to be replaced */
        w->plan->existing = parent_of(w->plan, at);
        return w->plan->existing ? check_agreement(w, w->targets, w->plan->existing) : -ENOMEM;
    }
    if (err)
        return refuse_errno(w, err, "copy to", shown_target(w, w->target));
    pc_sys_close(&h);
    w->plan->existing = at;
    return check_agreement(w, w->targets, at);
}

/* Everything that can be refused, before anything is made. */
static int look(struct work *w)
{
    const struct pc_options *o = w->options;
    struct stat st;

    int err = resolve(w, w->targets, o->target, &w->target);
    for (unsigned i = 0; i < o->source_count && !err; i++)
        err = look_at_source(w, &w->operands[i], o->sources[i]);
    if (err)
        return err;

    const bool slash = o->target[strlen(o->target) - 1] == '/';
    err = stat_in(w, w->targets, w->target, true, &st);
    const bool is_dir = !err && S_ISDIR(st.st_mode);
    w->into = o->into || (!S_ISDIR(w->operands[0].st.st_mode) && (is_dir || slash));
    if (!err && !is_dir && w->into)
        return refuse(w, -ENOTDIR, "'%s' is not a directory", shown_target(w, w->target));

    err = 0;
    for (unsigned i = 0; i < o->source_count && !err; i++)
        err = find_place(w, &w->operands[i]);
    for (unsigned i = 0; i < o->source_count && !err; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (strcmp(w->operands[j].target, w->operands[i].target) == 0)
                return refuse(w, -EEXIST, "'%s' and '%s' would both become '%s'",
                              w->operands[j].shown, w->operands[i].shown, w->operands[i].target);
        }
        err = check_place(w, &w->operands[i]);
    }
    return err ? err : check_mounts(w);
}

/* --- making --- */

/*
 * Opens a destination directory through mount `i`, making what is missing of its path. `mode` is
 * for the last component: it waits for the metadata of its source. Sets *made if that was made.
 */
static int make_path(struct work *w, unsigned i, const char *path, mode_t mode, bool *made,
                     struct pc_handle *out)
{
    struct pc_handle parent;
    bool parent_made = false;
    int err = open_in(w->targets, i, path, true, out);
    if (err != -ENOENT)
        return err;
    char *above = length_above(path) ? strndup(path, length_above(path)) : strdup(".");
    if (!above)
        return -ENOMEM;
    err = make_path(w, i, above, 0777 & ~w->options->keep.umask, &parent_made, &parent);
    free(above);
    if (err)
        return err;
    err = pc_sys_mkdir(parent, base_of(path), mode);
    *made = *made || err == 0;
    if (err == 0 || err == -EEXIST) /* by somebody else, or through another mount */
        err = pc_sys_open_place(parent, base_of(path), false, out);
    pc_sys_close(&parent);
    return err;
}

/* A directory of one side, and what opening it on all mount points tells. */
struct side {
    struct work *w;
    struct pc_mounts *m;
    const char *path;
    mode_t mode;
    struct pc_handle *handles;
    atomic_bool made; /* these are read when all threads have ended */
    atomic_bool network;
    atomic_bool look_up;
};

/*
 * Opens the directory through mount `i`, making it at the destination unless nothing is to be
 * changed, and asks what it is on.
 */
static int open_on(void *context, unsigned i)
{
    struct side *s = context;
    struct work *w = s->w;
    struct pc_handle *out = &s->handles[i];
    struct pc_handle h;
    struct pc_fs fs;
    for (bool again = false;; again = true) {
        const bool target = s->m == w->targets;
        bool made = false;
        int err = target && !w->options->observe ? make_path(w, i, s->path, s->mode, &made, out)
                                                 : open_in(s->m, i, s->path, target, out);
        s->made |= made;
        if (err == -ENOENT && target && w->options->observe) {
            s->made = true;
            return 0;
        }
        if (!err)
            err = pc_sys_fs(*out, &fs);
        if (!err) {
            s->network |= fs.network;
            s->look_up |= fs.network && pc_sys_create_looks_up(*out);
        }
        /* See pc_sys_syncfs(). */
        if (!err && target && !fs.network && pc_sys_open_dir(*out, ".", &h) == 0) {
            pc_sys_close(out);
            *out = h;
        }
        if (err != -ESTALE || again)
            return err;
        /* Removed behind the back of an NFS client that still believes in it. To open it in the
         * ordinary way makes the kernel look it up anew (close-to-open consistency, nfs(5)). */
        if (pc_handle_open(*out))
            pc_sys_close(out);
        if (open_in(s->m, i, s->path, false, &h) == 0)
            pc_sys_close(&h);
    }
}

/* Opens a directory of one side on all its mount points, and notes what messages call it. */
static int open_side(struct work *w, struct pc_mounts *m, const char *path, mode_t mode, bool *made,
                     struct pc_handle *handles, const char **labels)
{
    struct side s = {.w = w, .m = m, .path = path, .mode = mode, .handles = handles};
    unsigned bad = 0;
    for (unsigned i = 0; i < m->count; i++) {
        labels[i] = shown(w, m, i, path);
        if (!labels[i])
            return refuse_errno(w, -ENOMEM, "open directory", path);
    }
    int err = open_on(&s, 0); /* what is missing is made once, */
    if (!err)
        err = pc_mounts_visit(m, 1, open_on, &s, &bad); /* and there for the others */
    if (err)
        return refuse_errno(w, err, "open directory", labels[bad]);
    *made = s.made;
    m->network |= s.network;
    m->look_up |= s.look_up;
    w->plan->network |= m->network;
    return 0;
}

/* Notes a source directory and all above it. */
static int note_above(struct pc_plan *p, struct pc_handle from)
{
    struct pc_handle h;
    struct stat st = {0};
    int n = pc_sys_open_place(from, ".", false, &h);
    if (n)
        return n;
    n = pc_sys_stat(h, &st);
    n = n ? n : 1;
    while (n > 0) {
        struct stat *more = realloc(p->above, (p->above_count + 1) * sizeof *more);
        if (!more) {
            n = -ENOMEM;
            break;
        }
        p->above = more;
        p->above[p->above_count++] = st;
        n = go_up(&h, &st);
    }
    pc_sys_close(&h);
    return n;
}

static int open_root(struct work *w, const struct operand *op, struct pc_root *root)
{
    struct pc_plan *p = w->plan;
    const unsigned sources = w->sources->count;
    const bool directory = S_ISDIR(op->st.st_mode);
    const char *source = op->path;
    const char *target = op->target;
    mode_t mode = pc_meta_make_mode(&w->options->keep, &op->st);

    root->type = op->st.st_mode & S_IFMT;
    root->relative = directory && w->into ? op->name : "";
    root->handles = calloc(p->ends, sizeof *root->handles);
    root->labels = calloc(p->ends, sizeof *root->labels);
    if (!root->handles || !root->labels)
        return refuse_errno(w, -ENOMEM, "copy from", op->shown);
    for (unsigned i = 0; i < p->ends; i++)
        root->handles[i] = PC_HANDLE_NONE;

    if (!directory) {
        root->file = op->name;
        root->to = base_of(target);
        source = parent_of(p, op->path);
        target = parent_of(p, target);
        mode = 0777 & ~w->options->keep.umask;
    }
    if (!source || !target)
        return refuse_errno(w, -ENOMEM, "copy from", op->shown);
    bool none = false;
    int err = open_side(w, w->sources, source, 0, &none, root->handles, root->labels);
    for (unsigned i = 0; i < sources && !err && w->options->force; i++) {
        err = note_above(p, root->handles[i]);
        if (err)
            refuse_errno(w, err, "look at what is above", root->labels[i]);
    }
    if (!err)
        err = open_side(w, w->targets, target, mode, &root->made, root->handles + sources,
                        root->labels + sources);
    if (err)
        return err;
    if (!directory && !w->sources->paths && !strchr(op->path, '/'))
        root->labels[PC_SOURCE] = ""; /* "file", not "./file" */
    if (!pc_handle_open(root->handles[sources]))
        return 0;
    if (root->made && w->options->keep.acl)
        err = pc_sys_drop_acl(root->handles[sources], true);
    if (directory && op->exists)
        root->there = op->there; /* the probe of the mount points has moved its mtime since */
    else if (!err)
        err = pc_sys_stat(root->handles[sources], &root->there);
    return err ? refuse_errno(w, err, "stat", root->labels[sources]) : 0;
}

int pc_plan_make(struct pc_plan *p, const struct pc_options *o, struct pc_mounts *sources,
                 struct pc_mounts *targets, char *problem, size_t size)
{
    struct work w = {.plan = p,
                     .options = o,
                     .sources = sources,
                     .targets = targets,
                     .problem = problem,
                     .size = size};

    *p = (struct pc_plan){.ends = sources->count + targets->count};
    w.operands = calloc(o->source_count, sizeof *w.operands);
    p->roots = calloc(o->source_count, sizeof *p->roots);
    if (!w.operands || !p->roots) {
        free(w.operands);
        return refuse_errno(&w, -ENOMEM, "use", o->target);
    }
    int err = look(&w);
    for (unsigned i = 0; i < o->source_count && !err && !o->explain; i++) {
        p->count = i + 1;
        err = open_root(&w, &w.operands[i], &p->roots[i]);
    }
    free(w.operands);
    return err;
}

void pc_plan_free(struct pc_plan *p)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct pc_root *root = &p->roots[i];
        for (unsigned end = 0; root->handles && end < p->ends; end++) {
            if (pc_handle_open(root->handles[end]))
                pc_sys_close(&root->handles[end]);
        }
        free(root->handles);
        free(root->labels);
    }
    free(p->roots);
    free(p->above);
    for (size_t i = 0; i < p->string_count; i++)
        free(p->strings[i]);
    free(p->strings);
    *p = (struct pc_plan){0};
}
