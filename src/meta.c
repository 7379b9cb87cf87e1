#include "pcopy/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SPECIAL_BITS ((mode_t)(S_ISUID | S_ISGID | S_ISVTX))

/* The mode that a copy shall end with. `owned`: it has the owner and group of its source. */
static mode_t final_mode(const struct pc_keep *keep, const struct stat *src, bool owned)
{
    const bool directory = S_ISDIR(src->st_mode);
    if (!keep->mode)
        return (directory ? 0777 : 0666) & ~keep->umask;
    mode_t mode = src->st_mode & 07777;
    if (!directory && !owned) /* setuid to somebody else than the source's owner is a gift */
        mode &= ~(mode_t)(S_ISUID | S_ISGID);
    return mode;
}

mode_t pc_meta_make_mode(const struct pc_keep *keep, const struct stat *src)
{
    mode_t mode = final_mode(keep, src, true) & ~SPECIAL_BITS;
    if (keep->owner && (src->st_uid != keep->uid || src->st_gid != keep->gid)) {
        /* The group to come counts among the others until then, and the group of now among them
         * afterwards: what both may need not wait. */
        const mode_t both = (mode >> 3) & mode & S_IRWXO;
        mode = (mode & S_IRWXU) | both << 3 | both;
    }
    if (S_ISDIR(src->st_mode))
        mode = (mode | S_IRWXU) & ~(mode_t)(S_IWGRP | S_IWOTH);
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

/* Names that we may and should copy: ACLs go their own way, other "system." ones are no data. */
static bool is_kept_xattr(const struct pc_keep *keep, const char *name)
{
    if (strncmp(name, "system.", strlen("system.")) == 0)
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

/* Copies the extended attributes; *acl tells whether the source has an ACL. */
static int copy_xattrs(const struct pc_keep *keep, struct pc_handle from, struct pc_handle to,
                       bool *acl, unsigned *lost)
{
    char *names = NULL;
    char *value = NULL;
    int err = 0;

    *acl = false;
    const ssize_t length = fetch(from, NULL, &names);
    if (length < 0) {
        err = unsupported((int)length) ? 0 : (int)length;
        goto out;
    }
    for (const char *name = names; name < names + length; name += strlen(name) + 1) {
        if (is_acl(name)) {
            *acl = true;
            continue;
        }
        if (!keep->xattr || !is_kept_xattr(keep, name))
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
        if (err)
            break;
    }
out:
    free(value);
    free(names);
    return err;
}

int pc_meta_apply(const struct pc_keep *keep, struct pc_handle from, const struct stat *src,
                  struct pc_handle to, const struct stat *now, unsigned *lost,
                  const char **operation)
{
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
        if (!S_ISDIR(now->st_mode))
            mode &= ~(mode_t)(S_ISUID | S_ISGID);
    }
    if (keep->xattr || keep->acl) {
        *operation = "set extended attributes of";
        err = copy_xattrs(keep, from, to, &acl, lost);
        if (err)
            return err;
    }
    if (mode != final_mode(keep, src, owned)) {
        *operation = "set mode of";
        err = pc_sys_chmod(to, final_mode(keep, src, owned));
        if (err)
            return err;
    }
    if (keep->acl && acl) {
        *operation = "set ACL of";
        err = pc_sys_copy_acl(from, to, S_ISDIR(src->st_mode));
        if (unsupported(err))
            *lost |= PC_LOST_ACL;
        else if (err)
            return err;
    }
    return 0;
}

int pc_meta_apply_at(const struct pc_keep *keep, const struct stat *src, struct pc_handle dir,
                     const char *name, const char **operation)
{
    int err = 0;
    if (keep->owner) {
        const struct stat now = {.st_uid = keep->uid, .st_gid = (gid_t)-1};
        uid_t uid;
        gid_t gid;
        if (owner_change(keep, src, &now, &uid, &gid)) {
            *operation = "set owner of";
            err = forgive_group(keep, pc_sys_chown_at(dir, name, uid, gid));
        }
    }
    const mode_t mode = final_mode(keep, src, false);
    if (!err && !S_ISLNK(src->st_mode) && mode != pc_meta_make_mode(keep, src)) {
        *operation = "set mode of";
        err = pc_sys_chmod_at(dir, name, mode);
    }
    if (!err && keep->times) {
        *operation = "set times of";
        err = pc_sys_times_at(dir, name, src->st_atim, src->st_mtim);
    }
    return err;
}

bool pc_meta_same_mtime(const struct stat *src, const struct stat *now)
{
    return src->st_mtim.tv_sec == now->st_mtim.tv_sec &&
           src->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}
