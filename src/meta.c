#include "pcopy/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SPECIAL_BITS ((mode_t)(S_ISUID | S_ISGID | S_ISVTX))

/*
 * The mode that a copy with attributes `now` shall end with. `owned`: it has the owner and group of
 * its source.
 */
static mode_t final_mode(const struct pc_keep *keep, const struct stat *src, const struct stat *now,
                         bool owned)
{
    const bool directory = S_ISDIR(src->st_mode);
    if (!keep->mode && directory) /* as mkdir(2): setgid is handed down */
        return (0777 & ~keep->umask) | (now->st_mode & S_ISGID);
    if (!keep->mode)
        return 0666 & ~keep->umask;
    mode_t mode = src->st_mode & 07777;
    if (!directory && !owned) /* setuid to somebody else than the source's owner is a gift */
        mode &= ~(mode_t)(S_ISUID | S_ISGID);
    return mode;
}

mode_t pc_meta_make_mode(const struct pc_keep *keep, const struct stat *src)
{
    mode_t mode = final_mode(keep, src, src, true) & ~SPECIAL_BITS;
    if (keep->owner && (src->st_uid != keep->uid || src->st_gid != keep->gid)) {
        /* The group to come counts among the others until then, and the group of now among them
         * afterwards: what both may need not wait. */
        const mode_t both = (mode >> 3) & mode & S_IRWXO;
        mode = (mode & S_IRWXU) | both << 3 | both;
    }
    if (S_ISDIR(src->st_mode))
        mode = (mode | S_IRWXU) & ~(mode_t)(S_IWGRP | S_IWOTH);
    if (keep->xattr && keep->uid != 0) /* who may not write to a file cannot give it attributes */
        mode |= S_IWUSR;
    return mode;
}

static bool has_owner(const struct stat *src, const struct stat *now)
{
    return src->st_uid == now->st_uid && src->st_gid == now->st_gid;
}

/*
 * The ids to give to chown, (uid_t)-1 for what is right already or not ours to give away: only root
 * changes owners (chown(2)), so for others that is no failure. False if nothing is to change.
 */
static bool owner_change(const struct pc_keep *keep, const struct stat *src, const struct stat *now,
                         uid_t *uid, gid_t *gid)
{
    *uid = src->st_uid != now->st_uid && keep->uid == 0 ? src->st_uid : (uid_t)-1;
    *gid = src->st_gid != now->st_gid ? src->st_gid : (gid_t)-1;
    return keep->owner && (*uid != (uid_t)-1 || *gid != (gid_t)-1);
}

/* The group of a file may be changed to one's own groups only; for others that is no failure. */
static int forgive_group(const struct pc_keep *keep, int err)
{
    return err == -EPERM && keep->uid != 0 ? 0 : err;
}

static bool unsupported(int err)
{
    return err == -EOPNOTSUPP || err == -ENOSYS;
}

static bool is_acl(const char *name)
{
    return strncmp(name, "system.posix_acl_", strlen("system.posix_acl_")) == 0;
}

/*
 * Names that we may and should copy: ACLs go their own way (XFS shows root its own form of them as
 * well, "trusted.SGI_ACL_FILE"), other "system." ones are no data.
 */
static bool is_kept_xattr(const struct pc_keep *keep, const char *name)
{
    if (!keep->xattr || strncmp(name, "system.", strlen("system.")) == 0 ||
        strncmp(name, "trusted.SGI_ACL_", strlen("trusted.SGI_ACL_")) == 0)
        return false;
    return keep->uid == 0 || strncmp(name, "user.", strlen("user.")) == 0;
}

/*
 * Calls a list or get with a buffer that is made large enough, for the value may grow between the
 * question for its size and the call. Returns the length and *out, which the caller frees.
 */
static ssize_t fetch(struct pc_handle h, const char *name, char **out)
{
    size_t size = 256;
    *out = NULL;
    for (;;) {
        char *bigger = realloc(*out, size);
        if (!bigger)
            return -ENOMEM;
        *out = bigger;
        const ssize_t n =
            name ? pc_sys_get_xattr(h, name, *out, size) : pc_sys_list_xattr(h, *out, size);
        if (n != -ERANGE || size > (size_t)1 << 20)
            return n;
        size *= 4;
    }
}

/* The names of the extended attributes; none where the file system has none. */
static ssize_t list_xattrs(struct pc_handle h, char **names)
{
    const ssize_t length = fetch(h, NULL, names);
    return unsupported((int)length) ? 0 : length;
}

static bool has_name(const char *names, ssize_t length, const char *name)
{
    for (const char *at = names; at < names + length; at += strlen(at) + 1) {
        if (strcmp(at, name) == 0)
            return true;
    }
    return false;
}

/* Copies the extended attributes that are called `names`; *acl tells whether an ACL is one. */
static int copy_xattrs(const struct pc_keep *keep, struct pc_handle from, const char *names,
                       ssize_t length, struct pc_handle to, bool *acl, unsigned *lost)
{
    char *value = NULL;
    int err = 0;
    *acl = false;
    for (const char *name = names; name < names + length && !err; name += strlen(name) + 1) {
        *acl = *acl || is_acl(name);
        if (!is_kept_xattr(keep, name))
            continue;
        free(value);
        const ssize_t n = fetch(from, name, &value);
        if (n == -ENODATA) /* removed meanwhile */
            continue;
        err = n < 0 ? (int)n : pc_sys_set_xattr(to, name, value, (size_t)n);
        if (unsupported(err)) {
            *lost |= PC_LOST_XATTR;
            err = 0;
        }
    }
    free(value);
    return err;
}

/*
 * Takes off what the source does not have: extended attributes of users, and capabilities and the
 * like; not those that the system gives to everything (security.selinux).
 */
static int remove_xattrs(const struct pc_keep *keep, struct pc_handle to, const char *names,
                         ssize_t length)
{
    char *there = NULL;
    const ssize_t there_length = list_xattrs(to, &there);
    int err = there_length < 0 ? (int)there_length : 0;
    for (const char *name = there; name < there + there_length && !err; name += strlen(name) + 1) {
        if (!is_kept_xattr(keep, name) || strcmp(name, "security.selinux") == 0 ||
            has_name(names, length, name))
            continue;
        err = pc_sys_remove_xattr(to, name);
        if (err == -ENODATA)
            err = 0;
    }
    free(there);
    return err;
}

/* Extended attributes of both kinds. *acl tells whether the source has an ACL. */
static int apply_xattrs(const struct pc_keep *keep, struct pc_handle from, struct pc_handle to,
                        bool new, bool *acl, unsigned *lost)
{
    char *names = NULL;
    const ssize_t length = list_xattrs(from, &names);
    int err = length < 0 ? (int)length : copy_xattrs(keep, from, names, length, to, acl, lost);
    if (!err && !new && keep->xattr)
        err = remove_xattrs(keep, to, names, length);
    free(names);
    return err;
}

int pc_meta_apply(const struct pc_keep *keep, struct pc_handle from, const struct stat *src,
                  struct pc_handle to, const struct stat *now, bool new, unsigned *lost,
                  const char **operation)
{
    const bool directory = S_ISDIR(src->st_mode);
    bool owned = has_owner(src, now);
    mode_t mode = now->st_mode & 07777;
    bool acl = false;
    uid_t uid;
    gid_t gid;
    int err;

    if (owner_change(keep, src, now, &uid, &gid)) {
        *operation = "set owner of";
        err = pc_sys_chown(to, uid, gid);
        owned = err == 0 && (uid == src->st_uid || src->st_uid == now->st_uid);
        err = forgive_group(keep, err);
        if (err)
            return err;
        if (!directory)
            mode &= ~(mode_t)(S_ISUID | S_ISGID);
    }
    if (keep->owner && !owned)
        *lost |= PC_LOST_OWNER;
    if (keep->xattr || keep->acl) {
        *operation = "set extended attributes of";
        err = apply_xattrs(keep, from, to, new, &acl, lost);
        if (err)
            return err;
    }
    if (S_ISLNK(src->st_mode)) /* has neither mode nor ACL */
        return 0;
    if (keep->acl && !acl && !new) {
        *operation = "remove ACL of";
        err = pc_sys_drop_acl(to, directory);
        if (err)
            return err;
    }
    const mode_t wanted = keep->mode || new ? final_mode(keep, src, now, owned) : mode;
    if (mode != wanted) {
        *operation = "set mode of";
        err = pc_sys_chmod(to, wanted);
        if (err)
            return err;
    }
    if (keep->acl && acl) {
        *operation = "set ACL of";
        err = pc_sys_copy_acl(from, to, directory);
        if (unsupported(err))
            *lost |= PC_LOST_ACL;
        else if (err)
            return err;
    }
    return 0;
}

/* Whether we may give a file of ours to this group: root to any, others to their own. */
static bool may_give_to(const struct pc_keep *keep, gid_t gid)
{
    gid_t groups[256];
    if (keep->uid == 0 || gid == keep->gid)
        return true;
    for (int i = getgroups(256, groups); i > 0; i--) {
        if (groups[i - 1] == gid)
            return true;
    }
    return false;
}

unsigned pc_meta_compare(const struct pc_keep *keep, const struct stat *src, const struct stat *now)
{
    unsigned diffs = 0;
    bool owned = has_owner(src, now);
    if (keep->owner && !owned) {
        if (src->st_uid != now->st_uid && keep->uid == 0)
            diffs |= PC_DIFF_OWNER;
        if (src->st_gid != now->st_gid && may_give_to(keep, src->st_gid))
            diffs |= PC_DIFF_GROUP;
        owned = (src->st_uid == now->st_uid || (diffs & PC_DIFF_OWNER)) &&
                (src->st_gid == now->st_gid || (diffs & PC_DIFF_GROUP));
    }
    if (keep->mode && !S_ISLNK(src->st_mode) &&
        (now->st_mode & 07777) != final_mode(keep, src, now, owned))
        diffs |= PC_DIFF_MODE;
    return diffs;
}

/*
 * Goes through `names`, which are those of `a`, and looks whether `b` has the same. `lost`: `b` is
 * the destination, and may not be able to.
 */
static int compare_names(const struct pc_keep *keep, struct pc_handle a, struct pc_handle b,
                         const char *names, ssize_t length, unsigned *diffs, unsigned *lost)
{
    char *mine = NULL;
    char *other = NULL;
    int err = 0;
    for (const char *name = names; name < names + length && !err; name += strlen(name) + 1) {
        unsigned kind = is_kept_xattr(keep, name) ? PC_DIFF_XATTR : 0;
        if (keep->acl && is_acl(name))
            kind = PC_DIFF_ACL;
        if (!kind || (*diffs & kind) || strcmp(name, "security.selinux") == 0)
            continue;
        free(mine);
        free(other);
        const ssize_t n = fetch(a, name, &mine);
        const ssize_t m = fetch(b, name, &other);
        if (n == -ENODATA) /* removed meanwhile */
            continue;
        if (lost && unsupported((int)m))
            *lost |= kind == PC_DIFF_ACL ? PC_LOST_ACL : PC_LOST_XATTR;
        else if (n < 0)
            err = (int)n;
        else if (m < 0 && m != -ENODATA)
            err = (int)m;
        else if (n != m || memcmp(mine, other, (size_t)n) != 0)
            *diffs |= kind;
    }
    free(mine);
    free(other);
    return err;
}

int pc_meta_compare_xattrs(const struct pc_keep *keep, struct pc_handle from, struct pc_handle to,
                           unsigned *diffs, unsigned *lost)
{
    char *names = NULL;
    char *there = NULL;
    const ssize_t length = list_xattrs(from, &names);
    const ssize_t there_length = list_xattrs(to, &there);
    int err = length < 0 ? (int)length : there_length < 0 ? (int)there_length : 0;
    if (!err)
        err = compare_names(keep, from, to, names, length, diffs, lost);
    if (!err)
        err = compare_names(keep, to, from, there, there_length, diffs, NULL);
    free(names);
    free(there);
    return err;
}

bool pc_meta_same_mtime(const struct stat *src, const struct stat *now, int64_t granularity)
{
    const int64_t second = 1000000000;
    const struct timespec *a = &src->st_mtim;
    const struct timespec *b = &now->st_mtim;
    if (granularity <= second)
        return a->tv_sec == b->tv_sec && a->tv_nsec / granularity == b->tv_nsec / granularity;
    const int64_t seconds = granularity / second;
    /* Rounds towards minus infinity, as file systems do; the sums cannot overflow below 2^62. */
    return a->tv_sec - ((a->tv_sec % seconds) + seconds) % seconds ==
           b->tv_sec - ((b->tv_sec % seconds) + seconds) % seconds;
}

int pc_meta_granularity(struct pc_handle file, int64_t *out)
{
    static const int64_t steps[] = {1, 100, 1000, 1000000, 10000000, 1000000000, 2000000000};
    /* Odd in seconds, and in no nanosecond a multiple: no step but 1 leaves it as it is. */
    const struct stat set = {.st_mtim = {.tv_sec = 1000000001, .tv_nsec = 123456789}};
    struct stat kept;
    int err = pc_sys_times(file, set.st_mtim, set.st_mtim);
    if (!err)
        err = pc_sys_stat(file, &kept);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        *out = steps[i];
        if (pc_meta_same_mtime(&set, &kept, steps[i]))
            return 0;
    }
    return -ERANGE;
}
