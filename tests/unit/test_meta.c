/*
 * Metadata: with which bits things are made, what is set in which order, and what is never set.
 */
#include "scratch.h"

#include <acl/libacl.h>
#include <sys/acl.h>
#include <sys/xattr.h>

#include "pcopy/meta.h"

#define OTHER 1234 /* somebody else's ids */

static const struct pc_keep defaults = {
    .mode = true, .times = true, .links = true, .umask = 022, .uid = 0, .gid = 0};

static struct stat attributes(mode_t mode, uid_t uid, gid_t gid)
{
    return (struct stat){.st_mode = mode, .st_uid = uid, .st_gid = gid};
}

static void check_make_modes(const struct pc_keep *keep, uid_t uid, gid_t gid,
                             const mode_t (*table)[2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct stat src = attributes(table[i][0], uid, gid);
        const mode_t made = pc_meta_make_mode(keep, &src);
        if (made != table[i][1])
            fail_msg("%o is made as %o, not %o", table[i][0], made, table[i][1]);
    }
}

#define MAKE_MODES(keep, uid, gid, table)                                                          \
    check_make_modes(keep, uid, gid, table, sizeof(table) / sizeof(table)[0])

static void what_keeps_its_owner_is_made_with_its_mode_but_no_special_bits(void **state)
{
    (void)state;
    const mode_t table[][2] = {
        {S_IFREG | 0644, 0644},  {S_IFREG | 0600, 0600},  {S_IFREG | 0000, 0000},
        {S_IFREG | 0777, 0777},  {S_IFREG | 0464, 0464},  {S_IFREG | 04755, 0755},
        {S_IFREG | 02775, 0775}, {S_IFREG | 01666, 0666}, {S_IFIFO | 0620, 0620},
        {S_IFCHR | 0666, 0666},
    };
    MAKE_MODES(&defaults, 0, 0, table);
    MAKE_MODES(&defaults, OTHER, OTHER, table); /* ownership is not kept: it is ours in any case */
    struct pc_keep keep = defaults;
    keep.owner = true;
    MAKE_MODES(&keep, 0, 0, table);
    keep.uid = keep.gid = OTHER;
    MAKE_MODES(&keep, OTHER, OTHER, table);
}

static void where_owner_or_group_will_change_the_groups_bits_wait(void **state)
{
    (void)state;
    const mode_t table[][2] = {
        {S_IFREG | 0640, 0600}, {S_IFREG | 0660, 0600},  {S_IFREG | 0770, 0700},
        {S_IFREG | 0644, 0644}, {S_IFREG | 0664, 0644},  {S_IFREG | 0775, 0755},
        {S_IFREG | 0666, 0666}, {S_IFREG | 06755, 0755}, {S_IFREG | 0600, 0600},
        {S_IFREG | 0400, 0400},
    };
    struct pc_keep keep = defaults;
    keep.owner = true;
    MAKE_MODES(&keep, OTHER, 0, table);
    MAKE_MODES(&keep, 0, OTHER, table);
    MAKE_MODES(&keep, OTHER, OTHER, table);
}

/* Who is in the group that is still to come counts as one of the others until then. */
static void others_do_not_get_what_the_group_to_come_is_denied(void **state)
{
    (void)state;
    const mode_t table[][2] = {
        {S_IFREG | 0604, 0600},
        {S_IFREG | 0606, 0600},
        {S_IFREG | 0747, 0744},
        {S_IFREG | 0755, 0755},
    };
    struct pc_keep keep = defaults;
    keep.owner = true;
    MAKE_MODES(&keep, OTHER, OTHER, table);
}

static void directories_are_open_to_their_owner_and_closed_to_other_writers(void **state)
{
    (void)state;
    const mode_t table[][2] = {
        {S_IFDIR | 0755, 0755}, {S_IFDIR | 0555, 0755},  {S_IFDIR | 0000, 0700},
        {S_IFDIR | 0777, 0755}, {S_IFDIR | 01777, 0755}, {S_IFDIR | 02775, 0755},
        {S_IFDIR | 0750, 0750}, {S_IFDIR | 0730, 0710},
    };
    MAKE_MODES(&defaults, 0, 0, table);
    const mode_t others[][2] = {
        {S_IFDIR | 0750, 0700},
        {S_IFDIR | 0755, 0755},
        {S_IFDIR | 02770, 0700},
        {S_IFDIR | 0500, 0700},
    };
    struct pc_keep keep = defaults;
    keep.owner = true;
    MAKE_MODES(&keep, OTHER, OTHER, others);
}

static void without_mode_the_umask_decides(void **state)
{
    (void)state;
    const mode_t table[][2] = {
        {S_IFREG | 04777, 0640}, {S_IFREG | 0000, 0640}, {S_IFDIR | 0700, 0750},
        {S_IFDIR | 0000, 0750},  {S_IFIFO | 0600, 0640},
    };
    struct pc_keep keep = defaults;
    keep.mode = false;
    keep.umask = 027;
    MAKE_MODES(&keep, 0, 0, table);
    MAKE_MODES(&keep, OTHER, OTHER, table);
}

static void the_same_mtime_is_the_same_to_the_nanosecond(void **state)
{
    (void)state;
    struct stat a = {.st_mtim = {5, 6}, .st_atim = {1, 1}};
    struct stat b = {.st_mtim = {5, 6}, .st_atim = {2, 2}};
    assert_true(pc_meta_same_mtime(&a, &b, 1));
    b.st_mtim.tv_nsec = 7;
    assert_false(pc_meta_same_mtime(&a, &b, 1));
    b.st_mtim.tv_nsec = 6;
    b.st_mtim.tv_sec = 4;
    assert_false(pc_meta_same_mtime(&a, &b, 1));
    const struct {
        struct timespec from;
        struct timespec to;
        int64_t step;
        bool same;
    } table[] = {
        {{5, 123456789}, {5, 123456700}, 100, true},
        {{5, 123456789}, {5, 123456700}, 1, false},
        {{5, 999999999}, {5, 0}, 1000000000, true},
        {{6, 0}, {5, 0}, 1000000000, false},
        {{-5, 999999999}, {-5, 0}, 1000000000, true},
        {{7, 5}, {6, 0}, 2000000000, true},
        {{6, 5}, {7, 0}, 2000000000, true},
        {{7, 5}, {8, 0}, 2000000000, false},
        {{-1, 5}, {-2, 0}, 2000000000, true},
        {{-1, 5}, {0, 0}, 2000000000, false},
        {{(time_t)1 << 40, 5}, {(time_t)1 << 40, 0}, 2000000000, true},
    };
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        a.st_mtim = table[k].from;
        b.st_mtim = table[k].to;
        if (pc_meta_same_mtime(&a, &b, table[k].step) != table[k].same)
            fail_msg("row %zu", k);
    }
}

/* --- applying --- */

static char calls[64][16];
static size_t call_count;
static const char *failing;
static int failing_with;

static int record(const char *call)
{
    MUST(call_count < 64);
    snprintf(calls[call_count++], sizeof calls[0], "%s", call);
    return failing && strcmp(call, failing) == 0 ? failing_with : 0;
}

/* Where in the recorded calls `call` is first; -1 if it was not made. */
static int place_of(const char *call)
{
    for (size_t i = 0; i < call_count; i++) {
        if (strcmp(calls[i], call) == 0)
            return (int)i;
    }
    return -1;
}

static unsigned lost;
static const char *operation;
static bool old; /* "to" was there before */

/* What is applied to "to" is what "from" has. */
static int apply(const struct pc_keep *keep)
{
    struct pc_handle here = open_here(".");
    struct pc_handle from;
    struct pc_handle to;
    struct stat src;
    struct stat now;
    lost = 0;
    operation = NULL;
    call_count = 0;
    MUST(pc_sys_open_file(here, "from", &from) == 0 && pc_sys_open_file(here, "to", &to) == 0);
    MUST(pc_sys_stat(from, &src) == 0 && pc_sys_stat(to, &now) == 0);
    pc_sys_set_fault(record);
    const int err = pc_meta_apply(keep, from, &src, to, &now, !old, &lost, &operation);
    pc_sys_set_fault(NULL);
    failing = NULL;
    pc_sys_close(&from);
    pc_sys_close(&to);
    pc_sys_close(&here);
    return err;
}

static void a_pair(mode_t from, mode_t to)
{
    scratch_remove("from");
    scratch_remove("to");
    put("from", "x");
    put("to", "x");
    MUST(chmod("from", from) == 0 && chmod("to", to) == 0);
}

static struct pc_keep ours(void)
{
    struct pc_keep keep = defaults;
    keep.uid = geteuid();
    keep.gid = getegid();
    return keep;
}

static void nothing_is_set_that_is_right_already(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.owner = true;
    a_pair(0640, 0640);
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(call_count, 0);
}

static void the_mode_is_that_of_the_source_special_bits_and_all(void **state)
{
    (void)state;
    const struct pc_keep keep = ours();
    const mode_t modes[] = {0600, 0444, 0000, 0777, 04755, 02755, 06711, 01644};
    if (geteuid() != 0)
        skip(); /* a file of mode 0 cannot be opened */
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        a_pair(modes[i], 0600);
        assert_int_equal(apply(&keep), 0);
        assert_int_equal(look_at("to").st_mode & 07777, modes[i]);
    }
}

static void without_mode_the_file_gets_what_the_umask_leaves(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.mode = false;
    keep.umask = 027;
    a_pair(0777, 0600);
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(look_at("to").st_mode & 07777, 0640);
}

static void setuid_survives_the_change_of_owner(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct pc_keep keep = ours();
    keep.owner = true;
    const mode_t modes[] = {04755, 02755, 06755};
    for (size_t i = 0; i < 3; i++) {
        a_pair(0755, modes[i] & 0777);
        MUST(chown("from", OTHER, OTHER + 1) == 0 && chmod("from", modes[i]) == 0);
        assert_int_equal(apply(&keep), 0);
        const struct stat st = look_at("to");
        assert_int_equal(st.st_uid, OTHER);
        assert_int_equal(st.st_gid, OTHER + 1);
        assert_int_equal(st.st_mode & 07777, modes[i]);
        assert_true(place_of("fchown") >= 0 && place_of("fchmod") > place_of("fchown"));

        a_pair(0755, modes[i]); /* even where the mode was right before chown took it away */
        MUST(chown("from", OTHER, OTHER + 1) == 0 && chmod("from", modes[i]) == 0);
        assert_int_equal(apply(&keep), 0);
        assert_int_equal(look_at("to").st_mode & 07777, modes[i]);
    }
}

static void setuid_is_not_given_to_another_owner(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const struct pc_keep keep = ours(); /* ownership is not kept */
    const uid_t owners[][2] = {{OTHER, 0}, {0, OTHER}, {OTHER, OTHER}};
    for (size_t i = 0; i < 3; i++) {
        a_pair(0755, 0600);
        MUST(chown("from", owners[i][0], owners[i][1]) == 0 && chmod("from", 07755) == 0);
        assert_int_equal(apply(&keep), 0);
        assert_int_equal(look_at("to").st_mode & 07777, 01755);
        assert_int_equal(place_of("fchown"), -1);
    }
}

/* As somebody who may not give files away. */
static void who_is_not_root_keeps_what_can_be_kept(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    MUST(chmod(".", 0777) == 0);
    put("from", "x");
    MUST(chmod("from", 06755) == 0); /* root's */
    become_nobody();
    put("to", "x");
    struct pc_keep keep = ours();
    keep.owner = true;
    assert_int_equal(apply(&keep), 0);
    struct stat st = look_at("to");
    assert_int_equal(st.st_uid, NOBODY);
    assert_int_equal(st.st_gid, NOBODY);
    assert_int_equal(st.st_mode & 07777, 0755);

    put("own", "x"); /* and a group that is ours, of a file that is ours */
    MUST(rename("own", "from") == 0 && chmod("from", 06750) == 0);
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(look_at("to").st_mode & 07777, 06750);
}

static void a_file_of_ours_in_a_foreign_group_loses_setgid(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    MUST(chmod(".", 0777) == 0);
    put("from", "x");
    MUST(chown("from", NOBODY, OTHER) == 0 && chmod("from", 06755) == 0);
    become_nobody();
    put("to", "x");
    struct pc_keep keep = ours();
    keep.owner = true;
    assert_int_equal(apply(&keep), 0); /* the group cannot be given: no failure */
    assert_int_equal(look_at("to").st_gid, NOBODY);
    assert_int_equal(look_at("to").st_mode & 07777, 0755);
}

static void directories_keep_setgid_whoever_owns_them(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    const struct pc_keep keep = ours();
    put_dir("from");
    put_dir("to");
    MUST(chown("from", OTHER, OTHER) == 0 && chmod("from", 03775) == 0);
    struct pc_handle from = open_here("from");
    struct pc_handle to = open_here("to");
    struct stat src = look_at("from");
    struct stat now = look_at("to");
    assert_int_equal(pc_meta_apply(&keep, from, &src, to, &now, true, &lost, &operation), 0);
    assert_int_equal(look_at("to").st_mode & 07777, 03775);
    pc_sys_close(&from);
    pc_sys_close(&to);
}

static void a_failure_names_its_operation(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.owner = true;
    a_pair(0644, 0600);
    failing = "fchmod";
    failing_with = -EIO;
    assert_int_equal(apply(&keep), -EIO);
    assert_string_equal(operation, "set mode of");

    keep.xattr = true;
    failing = "flistxattr";
    assert_int_equal(apply(&keep), -EIO);
    assert_string_equal(operation, "set extended attributes of");
    assert_int_equal(place_of("fchmod"), -1); /* what comes later is not tried */
    if (geteuid() != 0)
        return;
    MUST(chown("from", OTHER, OTHER) == 0);
    failing = "fchown";
    assert_int_equal(apply(&keep), -EIO);
    assert_string_equal(operation, "set owner of");
    failing = "fchown";
    failing_with = -EPERM; /* of root that is a failure */
    assert_int_equal(apply(&keep), -EPERM);
}

/* --- extended attributes and ACLs --- */

static bool set_xattr(const char *path, const char *name, const void *value, size_t size)
{
    if (setxattr(path, name, value, size, 0) == 0)
        return true;
    MUST(errno == EOPNOTSUPP);
    return false;
}

static void extended_attributes_come_before_a_mode_that_forbids_them(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.xattr = true;
    char big[2000];
    char value[2000];
    memset(big, 'b', sizeof big);
    a_pair(0644, 0600);
    if (!set_xattr("from", "user.colour", "green", 5))
        skip();
    set_xattr("from", "user.empty", "", 0);
    set_xattr("from", "user.big", big, sizeof big);
    for (int i = 0; i < 20; i++) { /* more names than fit into the first buffer */
        char name[64];
        snprintf(name, sizeof name, "user.number-%d-%d", i, i);
        set_xattr("from", name, &i, sizeof i);
    }
    MUST(chmod("from", 0444) == 0);
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(getxattr("to", "user.colour", value, sizeof value), 5);
    assert_memory_equal(value, "green", 5);
    assert_int_equal(getxattr("to", "user.empty", value, sizeof value), 0);
    assert_int_equal(getxattr("to", "user.big", value, sizeof value), sizeof big);
    assert_memory_equal(value, big, sizeof big);
    for (int i = 0; i < 20; i++) {
        char name[64];
        int number = -1;
        snprintf(name, sizeof name, "user.number-%d-%d", i, i);
        assert_int_equal(getxattr("to", name, &number, sizeof number), sizeof number);
        assert_int_equal(number, i);
    }
    assert_int_equal(look_at("to").st_mode & 07777, 0444);
    assert_true(place_of("fsetxattr") >= 0 && place_of("fsetxattr") < place_of("fchmod"));
}

static void extended_attributes_are_left_where_they_are_not_kept(void **state)
{
    (void)state;
    const struct pc_keep keep = ours();
    char value[8];
    a_pair(0644, 0600);
    if (!set_xattr("from", "user.colour", "green", 5))
        skip();
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(getxattr("to", "user.colour", value, sizeof value), -1);
    assert_int_equal(place_of("flistxattr"), -1);
}

static void root_keeps_attributes_that_are_not_the_users_too(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    char value[8];
    keep.xattr = true;
    a_pair(0644, 0600);
    if (geteuid() != 0 || !set_xattr("from", "trusted.colour", "green", 5))
        skip();
    keep.uid = 1; /* as somebody else would not even try */
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(getxattr("to", "trusted.colour", value, sizeof value), -1);
    keep.uid = 0;
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(getxattr("to", "trusted.colour", value, sizeof value), 5);
}

static void what_the_destination_cannot_hold_is_lost_not_failed(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.xattr = true;
    keep.acl = true;
    a_pair(0644, 0600);
    if (!set_xattr("from", "user.colour", "green", 5))
        skip();
    failing = "fsetxattr";
    failing_with = -EOPNOTSUPP;
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(lost, PC_LOST_XATTR);
    assert_int_equal(look_at("to").st_mode & 07777, 0644);

    failing = "fsetxattr";
    failing_with = -ENOSPC;
    assert_int_equal(apply(&keep), -ENOSPC);
    assert_string_equal(operation, "set extended attributes of");
    failing = "fgetxattr";
    failing_with = -ENODATA; /* removed since it was listed */
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(lost, 0);
    failing = "flistxattr";
    failing_with = -EOPNOTSUPP; /* the source has none: nothing is lost */
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(lost, 0);
}

static bool set_acl(const char *path, const char *text)
{
    acl_t acl = acl_from_text(text);
    MUST(acl != NULL);
    const bool good = acl_set_file(path, ACL_TYPE_ACCESS, acl) == 0;
    MUST(good || errno == EOPNOTSUPP);
    acl_free(acl);
    return good;
}

static bool same_acl(void)
{
    acl_t acls[2] = {acl_get_file("from", ACL_TYPE_ACCESS), acl_get_file("to", ACL_TYPE_ACCESS)};
    MUST(acls[0] && acls[1]);
    const bool same = acl_cmp(acls[0], acls[1]) == 0;
    acl_free(acls[0]);
    acl_free(acls[1]);
    return same;
}

static void the_acl_comes_after_the_mode(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.acl = true;
    a_pair(0644, 0600);
    if (!set_acl("from", "u::rwx,u:77:rwx,g::r--,m::rwx,o::---"))
        skip();
    MUST(chmod("from", 04770) == 0);
    assert_int_equal(apply(&keep), 0);
    assert_true(same_acl());
    assert_int_equal(look_at("to").st_mode & 07777, 04770);
    assert_true(place_of("fchmod") >= 0 && place_of("acl") > place_of("fchmod"));

    a_pair(0644, 0600);
    set_acl("from", "u::rw-,u:77:rw-,g::r--,m::rw-,o::---");
    failing = "acl";
    failing_with = -EOPNOTSUPP;
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(lost, PC_LOST_ACL);
    failing = "acl";
    failing_with = -EIO;
    assert_int_equal(apply(&keep), -EIO);
    assert_string_equal(operation, "set ACL of");
}

static void an_acl_is_not_kept_unasked(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.xattr = true;
    a_pair(0644, 0600);
    if (!set_acl("from", "u::rw-,u:77:rw-,g::r--,m::rw-,o::---"))
        skip();
    assert_int_equal(apply(&keep), 0);
    assert_false(same_acl());
    assert_int_equal(place_of("acl"), -1);
}

/* --- what was there before --- */

static void what_the_source_does_not_have_is_taken_off(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.xattr = keep.acl = true;
    a_pair(0644, 0644);
    if (!set_xattr("from", "user.colour", "green", 5) || !set_xattr("to", "user.stale", "x", 1) ||
        !set_acl("to", "u::rw-,u:77:rw-,g::r--,m::rw-,o::---"))
        skip();
    old = true;
    char value[8];
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(getxattr("to", "user.stale", value, sizeof value), -1);
    assert_int_equal(getxattr("to", "user.colour", value, sizeof value), 5);
    assert_true(same_acl());
    assert_int_equal(look_at("to").st_mode & 07777, 0644);
    failing = "fremovexattr";
    failing_with = -EIO;
    MUST(set_xattr("to", "user.stale", "x", 1));
    assert_int_equal(apply(&keep), -EIO);
    assert_string_equal(operation, "set extended attributes of");
    keep.xattr = false; /* not asked for: left alone */
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(getxattr("to", "user.stale", value, sizeof value), 1);
    old = false;
}

static void without_its_source_s_mode_what_was_there_keeps_its_own(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.mode = false;
    a_pair(0640, 0604);
    old = true;
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(look_at("to").st_mode & 07777, 0604);
    old = false;
    assert_int_equal(apply(&keep), 0);
    assert_int_equal(look_at("to").st_mode & 07777, 0666 & ~keep.umask);
}

/* --- what cannot be opened --- */

static int apply_to_link(const struct pc_keep *keep, const struct stat *src)
{
    struct pc_handle here = open_here(".");
    struct pc_handle from;
    struct pc_handle to;
    struct stat now;
    MUST(pc_sys_open_any(here, "other", &from) == 0 && pc_sys_open_any(here, "link", &to) == 0);
    MUST(pc_sys_stat(to, &now) == 0);
    call_count = 0;
    lost = 0;
    pc_sys_set_fault(record);
    const int err = pc_meta_apply(keep, from, src, to, &now, true, &lost, &operation);
    pc_sys_set_fault(NULL);
    failing = NULL;
    pc_sys_close(&from);
    pc_sys_close(&to);
    pc_sys_close(&here);
    return err;
}

static void a_symbolic_link_gets_owner_and_attributes_itself(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    keep.owner = keep.xattr = geteuid() == 0;
    keep.acl = true;
    put("file", "x");
    MUST(symlink("file", "link") == 0 && symlink("elsewhere", "other") == 0);
    const bool attributes = lsetxattr("other", "trusted.colour", "red", 3, 0) == 0;
    const struct stat file = look_at("file");
    struct stat src = look_at("other");
    src.st_uid = keep.owner ? OTHER : keep.uid;
    src.st_gid = keep.owner ? OTHER + 1 : keep.gid;
    assert_int_equal(apply_to_link(&keep, &src), 0);
    const struct stat st = look_at("link");
    assert_int_equal(st.st_uid, src.st_uid);
    assert_int_equal(st.st_gid, src.st_gid);
    assert_int_equal(place_of("fchmod"), -1);
    char value[8];
    if (attributes)
        assert_int_equal(lgetxattr("link", "trusted.colour", value, sizeof value), 3);
    const struct stat after = look_at("file");
    assert_int_equal(after.st_uid, file.st_uid);
    assert_int_equal(after.st_ctim.tv_nsec, file.st_ctim.tv_nsec);
}

static void an_owner_that_only_root_may_give_is_lost_not_failed(void **state)
{
    (void)state;
    struct pc_keep keep = ours();
    MUST(symlink("file", "link") == 0 && symlink("file", "other") == 0);
    struct stat src = look_at("other");
    src.st_uid = OTHER;
    src.st_gid = OTHER;
    keep.owner = true;
    failing = "fchown";
    failing_with = -EIO;
    assert_int_equal(apply_to_link(&keep, &src), -EIO);
    assert_string_equal(operation, "set owner of");
    failing = "fchown";
    failing_with = -EPERM;
    keep.uid = 1; /* not root: nothing to complain of */
    assert_int_equal(apply_to_link(&keep, &src), 0);
    assert_int_equal(lost, PC_LOST_OWNER);
    keep.owner = false;
    assert_int_equal(apply_to_link(&keep, &src), 0);
    assert_int_equal(lost, 0);
    assert_int_equal(place_of("fchown"), -1);
}

int main(void)
{
    alarm(60);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_keeps_its_owner_is_made_with_its_mode_but_no_special_bits),
        cmocka_unit_test(where_owner_or_group_will_change_the_groups_bits_wait),
        cmocka_unit_test(others_do_not_get_what_the_group_to_come_is_denied),
        cmocka_unit_test(directories_are_open_to_their_owner_and_closed_to_other_writers),
        cmocka_unit_test(without_mode_the_umask_decides),
        cmocka_unit_test(the_same_mtime_is_the_same_to_the_nanosecond),
        SCRATCH_TEST(nothing_is_set_that_is_right_already),
        SCRATCH_TEST(the_mode_is_that_of_the_source_special_bits_and_all),
        SCRATCH_TEST(without_mode_the_file_gets_what_the_umask_leaves),
        SCRATCH_TEST(setuid_survives_the_change_of_owner),
        SCRATCH_TEST(setuid_is_not_given_to_another_owner),
        SCRATCH_TEST(who_is_not_root_keeps_what_can_be_kept),
        SCRATCH_TEST(a_file_of_ours_in_a_foreign_group_loses_setgid),
        SCRATCH_TEST(directories_keep_setgid_whoever_owns_them),
        SCRATCH_TEST(a_failure_names_its_operation),
        SCRATCH_TEST(extended_attributes_come_before_a_mode_that_forbids_them),
        SCRATCH_TEST(extended_attributes_are_left_where_they_are_not_kept),
        SCRATCH_TEST(root_keeps_attributes_that_are_not_the_users_too),
        SCRATCH_TEST(what_the_destination_cannot_hold_is_lost_not_failed),
        SCRATCH_TEST(the_acl_comes_after_the_mode),
        SCRATCH_TEST(an_acl_is_not_kept_unasked),
        SCRATCH_TEST(what_the_source_does_not_have_is_taken_off),
        SCRATCH_TEST(without_its_source_s_mode_what_was_there_keeps_its_own),
        SCRATCH_TEST(a_symbolic_link_gets_owner_and_attributes_itself),
        SCRATCH_TEST(an_owner_that_only_root_may_give_is_lost_not_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
