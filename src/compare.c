#include "pcopy/compare.h"

#include <errno.h>
#include <string.h>

unsigned pc_compare(const struct pc_rule *rule, const struct pc_keep *keep, const struct stat *src,
                    const struct stat *there, bool same_mtime)
{
    const bool file = S_ISREG(src->st_mode);
    unsigned diffs = 0;
    if ((src->st_mode & S_IFMT) != (there->st_mode & S_IFMT))
        return PC_DIFF_TYPE;
    if (file && src->st_size != there->st_size)
        diffs |= PC_DIFF_SIZE | (rule->checksum ? PC_DIFF_CONTENT : 0);
    if ((S_ISCHR(src->st_mode) || S_ISBLK(src->st_mode)) && src->st_rdev != there->st_rdev)
        diffs |= PC_DIFF_CONTENT;
    /* The mtime of a file is how the plain rule tells a copy from another file, kept or not. */
    if (!same_mtime && (keep->times || (file && !rule->size_only && !rule->checksum)))
        diffs |= PC_DIFF_MTIME;
    return diffs | pc_meta_compare(keep, src, there);
}

bool pc_compare_is_due(const struct pc_rule *rule, const struct stat *src, unsigned diffs)
{
    unsigned due = PC_DIFF_MISSING | PC_DIFF_TYPE | PC_DIFF_LINK | PC_DIFF_CONTENT | PC_DIFF_SIZE;
    if (S_ISREG(src->st_mode) && !rule->size_only && !rule->checksum)
        due |= PC_DIFF_MTIME;
    return (diffs & due) || (rule->ignore_times && S_ISREG(src->st_mode));
}

int pc_compare_data(struct pc_handle a, struct pc_handle b, off_t size, char *buffer, size_t room,
                    const atomic_bool *stop, unsigned *which)
{
    const size_t half = room / 2;
    for (off_t at = 0; at < size;) {
        if (atomic_load_explicit(stop, memory_order_relaxed))
            return -ECANCELED;
        const size_t want = size - at < (off_t)half ? (size_t)(size - at) : half;
        *which = 0;
        const ssize_t n = pc_sys_read(a, buffer, want, at);
        if (n < 0)
            return (int)n;
        *which = 1;
        const ssize_t m = pc_sys_read(b, buffer + half, want, at);
        if (m < 0)
            return (int)m;
        if (n != m || memcmp(buffer, buffer + half, (size_t)n) != 0)
            return 0;
        if ((size_t)n < want) /* both became shorter: whoever copies sees to it */
            return 1;
        at += n;
    }
    return 1;
}
