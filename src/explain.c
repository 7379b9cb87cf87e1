#include "pcopy/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pcopy/meta.h"
#include "pcopy/report.h"

/* What was found out about one mount point. Texts are "" where there is nothing to say. */
struct facts {
    const char *path;
    struct pc_mount_info info;
    char version[16];
    char address[128];
    char wsize[16];
    char rsize[16];
    char nconnect[8];
    bool network;
    enum pc_sharing sharing;
    const char *shared_with;

    /* By probe, on the side that is written; `problem` if that could not be done. */
    bool probed;
    int problem;
    bool xattr;
    bool acl;
    bool nfs4_acl;
    bool holes;
    bool clone;
    bool server_copy;
    int64_t granularity; /* of times, ns; 0 if they are not kept */
};

/* --- finding out --- */

/* A file with a hole of a MiB at its beginning, and a copy of it by the file system. */
static int probe_data(struct pc_handle from, struct pc_handle to, struct facts *f)
{
    const off_t at = 1 << 20;
    char block[4096];
    off_t begin;
    off_t end;

    memset(block, 'x', sizeof block);
    int err = pc_sys_write(from, block, sizeof block, at);
    if (!err)
        err = pc_sys_fsync(from); /* some file systems tell holes only of what is on disk */
    if (err)
        return err;
    f->holes = pc_sys_next_data(from, 0, &begin, &end) == 0 && begin > 0;
    f->clone = pc_sys_clone(from, to) == 0;
    /* Elsewhere the kernel copies by itself: no error, but nothing gained. */
    f->server_copy = f->network && strcmp(f->version, "4.2") >= 0 &&
                     pc_sys_copy_range(from, at, to, at, sizeof block) > 0;
    return 0;
}

static void probe_metadata(struct pc_handle file, struct facts *f)
{
    char value[4096];
    f->xattr = pc_sys_set_xattr(file, "user.pcopy.probe", "x", 1) == 0;
    const ssize_t n = pc_sys_get_xattr(file, "system.posix_acl_access", value, sizeof value);
    f->acl = n >= 0 || n == -ENODATA;
    f->nfs4_acl = pc_sys_get_xattr(file, "system.nfs4_acl", value, sizeof value) >= 0;
}

/* Makes two files in `dir`, tries things out on them, and removes them. */
static void probe(struct pc_handle dir, struct facts *f)
{
    struct pc_handle files[2] = {PC_HANDLE_NONE, PC_HANDLE_NONE};
    char names[2][64];
    struct timespec now;
    int err = 0;

    f->probed = true;
    clock_gettime(CLOCK_REALTIME, &now);
    for (int i = 0; i < 2 && !err; i++) {
        snprintf(names[i], sizeof names[i], ".pcopy-probe-%ld-%ld-%d", (long)getpid(), now.tv_nsec,
                 i);
        err = pc_sys_create_readable(dir, names[i], &files[i]);
    }
    if (!err) {
        probe_metadata(files[0], f);
        err = probe_data(files[0], files[1], f);
    }
    if (!err) {
        err = pc_meta_granularity(files[0], &f->granularity);
        if (err == -ERANGE)
            err = 0;
    }
    for (int i = 0; i < 2; i++) {
        if (!pc_handle_open(files[i]))
            continue;
        pc_sys_close(&files[i]); /* nothing of it is to be kept */
        const int unlink_err = pc_sys_unlink(dir, names[i]);
        if (!err)
            err = unlink_err;
    }
    f->problem = err;
}

/* The facts of one mount point; `path` is the directory on it that is looked at. */
static void find_out(const struct pc_mounts *m, unsigned i, const char *path, bool writable,
                     struct facts *f)
{
    struct pc_handle dir;
    struct pc_fs fs;
    unsigned other;

    *f = (struct facts){.path = m->paths ? m->paths[i] : path};
    int err = m->paths ? pc_sys_open_beneath(m->handles[i], path, true, &dir)
                       : pc_sys_open_root(path, true, &dir);
    f->problem = err;
    if (err)
        return;
    if (pc_sys_fs(dir, &fs) == 0)
        f->network = fs.network;
    if (pc_sys_mount_info(dir, &f->info) == 0) {
        pc_mounts_option(f->info.options, "vers", f->version, sizeof f->version);
        pc_mounts_option(f->info.options, "addr", f->address, sizeof f->address);
        pc_mounts_option(f->info.options, "wsize", f->wsize, sizeof f->wsize);
        pc_mounts_option(f->info.options, "rsize", f->rsize, sizeof f->rsize);
        if (!pc_mounts_option(f->info.options, "nconnect", f->nconnect, sizeof f->nconnect) &&
            *f->address)
            strcpy(f->nconnect, "1");
    }
    f->sharing = pc_mounts_sharing(m, i, &other);
    if (m->paths && f->sharing != PC_SHARING_NOTHING)
        f->shared_with = m->paths[other];
    if (writable)
        probe(dir, f);
    pc_sys_close(&dir);
}

/* --- saying it --- */

#define MAX_DECISIONS 6

/* What pcopy will do about the mount point, a sentence each. Returns how many. */
static size_t decide(const struct pc_options *o, const struct pc_mounts *m, const struct facts *f,
                     char out[MAX_DECISIONS][256])
{
    const size_t size = sizeof out[0];
    size_t n = 0;
    if (f->problem) {
        snprintf(out[n++], size, "refuse to copy: %s", strerror(-f->problem));
        return n;
    }
    if (m->count > 1)
        snprintf(out[n++], size, "use it for one entry in %u of each directory", m->count);
    if (f->sharing == PC_SHARING_SUPERBLOCK)
        snprintf(out[n++], size,
                 "warn: with the superblock of '%s' it makes no files in parallel with that; "
                 "mount it with -o nosharecache",
                 f->shared_with);
    if (f->sharing == PC_SHARING_CONNECTION)
        snprintf(out[n++], size,
                 "warn: over the connection of '%s' it adds no bandwidth; use another address of "
                 "the server, or -o nconnect",
                 f->shared_with);
    if (!f->probed)
        return n;
    if (o->keep.xattr && !f->xattr)
        snprintf(out[n++], size, "not keep extended attributes of users");
    if (o->keep.acl && !f->acl)
        snprintf(out[n++], size, "not keep ACLs");
    snprintf(out[n++], size,
             f->network || o->fsync == PC_FSYNC_FILE ? "flush each file before its times are set"
             : o->fsync == PC_FSYNC_END              ? "flush the file system before exit 0"
                                                     : "not flush anything");
    return n;
}

static void text_line(FILE *out, const char *what, const char *value)
{
    if (*value)
        fprintf(out, "    %-20s %s\n", what, value);
}

static const char *yes(bool value)
{
    return value ? "yes" : "no";
}

static void text_facts(FILE *out, const struct facts *f)
{
    char line[256];
    fprintf(out, "  %s\n", f->path);
    snprintf(line, sizeof line, "%s%s%s", f->info.type, *f->version ? ", version " : "",
             f->version);
    text_line(out, "file system", line);
    text_line(out, "mounted from", f->info.source);
    text_line(out, "server address", f->address);
    text_line(out, "connections", f->nconnect);
    text_line(out, "wsize", f->wsize);
    text_line(out, "rsize", f->rsize);
    if (f->sharing != PC_SHARING_NOTHING) {
        snprintf(line, sizeof line, "%s %s",
                 f->sharing == PC_SHARING_SUPERBLOCK ? "superblock of" : "connection of",
                 f->shared_with);
        text_line(out, "shares", line);
    }
    if (f->problem || !f->probed)
        return;
    snprintf(line, sizeof line, f->granularity ? "to %lld ns" : "not as set",
             (long long)f->granularity);
    text_line(out, "times are kept", line);
    text_line(out, "extended attributes", yes(f->xattr));
    text_line(out, "ACLs", f->acl ? "POSIX" : f->nfs4_acl ? "NFSv4" : "no");
    text_line(out, "map of holes", yes(f->holes));
    text_line(out, "offload",
              f->server_copy ? "server-side copy (copy_file_range)"
              : f->clone     ? "shared blocks (reflink)"
                             : "no");
}

static void json_text(FILE *out, const char *key, const char *value)
{
    fprintf(out, ", \"%s\": ", key);
    if (*value)
        pc_report_json(out, value);
    else
        fputs("null", out);
}

static void json_bool(FILE *out, const char *key, bool value)
{
    fprintf(out, ", \"%s\": %s", key, value ? "true" : "false");
}

static void json_facts(FILE *out, const struct facts *f)
{
    static const char *const sharing[] = {"", "superblock", "connection"};
    fputs("{\"path\": ", out);
    pc_report_json(out, f->path);
    json_text(out, "type", f->info.type);
    json_text(out, "version", f->version);
    json_text(out, "source", f->info.source);
    json_text(out, "address", f->address);
    json_text(out, "nconnect", f->nconnect);
    json_text(out, "wsize", f->wsize);
    json_text(out, "rsize", f->rsize);
    json_bool(out, "network", f->network);
    json_text(out, "shares", sharing[f->sharing]);
    json_text(out, "shared_with", f->shared_with ? f->shared_with : "");
    json_text(out, "problem", f->problem ? strerror(-f->problem) : "");
    if (f->probed && !f->problem) {
        fprintf(out, ", \"time_granularity_ns\": %lld", (long long)f->granularity);
        json_bool(out, "xattr", f->xattr);
        json_bool(out, "acl", f->acl);
        json_bool(out, "nfs4_acl", f->nfs4_acl);
        json_bool(out, "holes", f->holes);
        json_bool(out, "reflink", f->clone);
        json_bool(out, "server_side_copy", f->server_copy);
    }
}

/* One side: its name, and all its mount points. */
static void explain_side(FILE *out, const struct pc_options *o, const char *side,
                         const struct pc_mounts *m, const char *path, bool writable)
{
    fprintf(out, o->json ? "\"%s\": [" : "%s:\n", side);
    for (unsigned i = 0; i < m->count; i++) {
        struct facts f;
        char decisions[MAX_DECISIONS][256];
        find_out(m, i, path, writable, &f);
        const size_t n = decide(o, m, &f, decisions);
        if (!o->json) {
            text_facts(out, &f);
            for (size_t d = 0; d < n; d++)
                text_line(out, "pcopy will", decisions[d]);
            continue;
        }
        fputs(i ? ", " : "", out);
        json_facts(out, &f);
        fputs(", \"will\": [", out);
        for (size_t d = 0; d < n; d++) {
            fputs(d ? ", " : "", out);
            pc_report_json(out, decisions[d]);
        }
        fputs("]}", out);
    }
    if (o->json)
        fputc(']', out);
}

char *pc_explain(const struct pc_options *o, const struct pc_plan *plan,
                 const struct pc_mounts *sources, const struct pc_mounts *targets)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    if (o->json)
        fputc('{', out);
    if (sources->paths) {
        explain_side(out, o, "source", sources, ".", false);
        if (o->json)
            fputs(", ", out);
    }
    explain_side(out, o, "destination", targets, plan->existing, true);
    if (o->json)
        fputs("}\n", out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

char *pc_explain_sharing(const struct pc_mounts *m)
{
    char *text = NULL;
    size_t length;
    unsigned other;
    enum pc_sharing worst = PC_SHARING_NOTHING;
    for (unsigned i = 1; i < m->count; i++) {
        const enum pc_sharing sharing = pc_mounts_sharing(m, i, &other);
        if (worst == PC_SHARING_NOTHING || sharing == PC_SHARING_SUPERBLOCK)
            worst = sharing;
    }
    if (worst == PC_SHARING_NOTHING)
        return NULL;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        return NULL;
    fputs("these mount points share one ", out);
    fputs(worst == PC_SHARING_SUPERBLOCK ? "superblock" : "connection", out);
    for (unsigned i = 1; i < m->count; i++) {
        if (pc_mounts_sharing(m, i, &other) == worst)
            fprintf(out, ", '%s' with '%s'", m->paths[i], m->paths[other]);
    }
    fputs(worst == PC_SHARING_SUPERBLOCK
              ? ": they make files one at a time, like a single mount; mount them with -o "
                "nosharecache"
              : ": they have the bandwidth of a single one; mount them from different addresses of "
                "the server, or with -o nconnect",
          out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
