/*
 * The system calls. Some of libc's are replaced below, so that they do what kernels seldom do:
 * transfer
 * less than was asked for.
 */
#include "scratch.h"

#include <acl/libacl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/acl.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static size_t most = SIZE_MAX; /* bytes that one pread() or pwrite() transfers */
static unsigned transfers;
static struct stat made; /* what pc_sys_create() tells */

ssize_t pread(int fd, void *buffer, size_t size, off_t at)
{
    transfers++;
    return syscall(SYS_pread64, fd, buffer, size < most ? size : most, at);
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t at)
{
    transfers++;
    return most ? syscall(SYS_pwrite64, fd, buffer, size < most ? size : most, at) : 0;
}

static int setup(void **state)
{
    most = SIZE_MAX;
    transfers = 0;
    return scratch_enter(state);
}

#define SYS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, scratch_leave)

static struct pc_handle here;

static void a_root_is_a_directory_reached_over_links(void **state)
{
    (void)state;
    struct pc_handle h;
    put_dir("d");
    put("file", "");
    MUST(symlink("d", "link") == 0);
    assert_int_equal(pc_sys_open_root("link", false, &h), 0);
    struct stat st;
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_int_equal(st.st_ino, look_at("d").st_ino);
    assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pc_sys_close(&h), 0);
    assert_false(pc_handle_open(h));
    assert_int_equal(pc_sys_open_root("file", false, &h), -ENOTDIR);
    assert_false(pc_handle_open(h));
    assert_int_equal(pc_sys_open_root("missing", false, &h), -ENOENT);
}

static void links_are_not_followed_below_a_root(void **state)
{
    (void)state;
    struct pc_handle h;
    put_dir("d");
    put("file", "x");
    MUST(symlink("d", "to-dir") == 0);
    MUST(symlink("file", "to-file") == 0);
    MUST(symlink("nowhere", "dangling") == 0);
    here = open_here(".");
    int err = pc_sys_open_dir(here, "to-dir", &h);
    assert_true(err == -ENOTDIR || err == -ELOOP);
    assert_false(pc_handle_open(h));
    assert_int_equal(pc_sys_open_dir(here, "file", &h), -ENOTDIR);
    assert_int_equal(pc_sys_open_file(here, "to-file", &h), -ELOOP);
    assert_int_equal(pc_sys_create(here, "to-file", 0600, true, &h, &made), -EEXIST);
    assert_int_equal(pc_sys_create(here, "dangling", 0600, true, &h, &made), -EEXIST);
    assert_false(is_there("nowhere"));

    struct stat st;
    assert_int_equal(pc_sys_stat_at(here, "to-file", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(pc_sys_stat_path("to-file", false, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(pc_sys_stat_path("to-file", true, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(pc_sys_stat_path("dangling", true, &st), -ENOENT);

    assert_int_equal(pc_sys_link(here, "to-file", here, "second"), 0);
    assert_int_equal(look_at("second").st_ino, look_at("to-file").st_ino);

    const struct timespec t = {.tv_sec = 1000, .tv_nsec = 5};
    const struct stat before = look_at("file");
    assert_int_equal(pc_sys_open_any(here, "to-file", &h), 0);
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    char target[16];
    assert_int_equal(pc_sys_readlink(h, "", target, sizeof target), 0);
    assert_string_equal(target, "file");
    assert_int_equal(pc_sys_times(h, t, t), 0);
    assert_int_equal(look_at("to-file").st_mtim.tv_sec, 1000);
    assert_int_equal(look_at("file").st_mtim.tv_sec, before.st_mtim.tv_sec);
    if (geteuid() == 0) {
        assert_int_equal(pc_sys_chown(h, 12, 34), 0);
        assert_int_equal(look_at("to-file").st_uid, 12);
        assert_int_equal(look_at("to-file").st_gid, 34);
        assert_int_equal(look_at("file").st_uid, 0);
        const int set = pc_sys_set_xattr(h, "trusted.colour", "red", 3);
        assert_true(set == 0 || set == -EOPNOTSUPP);
        if (set == 0) {
            char value[64];
            assert_int_equal(pc_sys_get_xattr(h, "trusted.colour", value, sizeof value), 3);
            assert_int_equal(pc_sys_list_xattr(h, value, sizeof value), 15);
            assert_int_equal(lgetxattr("file", "trusted.colour", value, sizeof value), -1);
            assert_int_equal(pc_sys_remove_xattr(h, "trusted.colour"), 0);
            assert_int_equal(pc_sys_remove_xattr(h, "trusted.colour"), -ENODATA);
        }
    }
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void a_directory_is_opened_beneath_another_or_not_at_all(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int result;
    } table[] = {
        {".", 0},
        {"a", 0},
        {"a/b", 0},
        {"a/b/../b", 0},
        {"a/inside", 0},
        {"..", -EXDEV},
        {"a/../..", -EXDEV},
        {"out", -EXDEV},
        {"out/x", -EXDEV},
        {"absolute", -EXDEV},
        {"/", -EXDEV},
        {"a/missing", -ENOENT},
        {"a/file", -ENOTDIR},
    };
    put_dir("top");
    put_dir("top/a");
    put_dir("top/a/b");
    put_dir("outside");
    put("top/a/file", "");
    MUST(symlink("b", "top/a/inside") == 0);
    MUST(symlink("../outside", "top/out") == 0);
    MUST(symlink("/tmp", "top/absolute") == 0);
    struct pc_handle top = open_here("top");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct pc_handle h;
        const int err = pc_sys_open_beneath(top, table[i].path, false, &h);
        if (err != table[i].result)
            fail_msg("'%s' gives %d, not %d", table[i].path, err, table[i].result);
        assert_int_equal(pc_handle_open(h), err == 0);
        if (!err) {
            assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
            pc_sys_close(&h);
        }
    }
    struct pc_handle h;
    struct stat st;
    assert_int_equal(pc_sys_open_beneath(top, "a/inside", false, &h), 0);
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_int_equal(st.st_ino, look_at("top/a/b").st_ino);
    pc_sys_close(&h);
    pc_sys_close(&top);
}

static void a_fifo_does_not_block_its_opener(void **state)
{
    (void)state;
    struct pc_handle h;
    MUST(mkfifo("fifo", 0600) == 0);
    here = open_here(".");
    assert_int_equal(pc_sys_open_file(here, "fifo", &h), 0); /* or the alarm ends us */
    assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void a_new_file_has_its_mode_and_takes_no_others_place(void **state)
{
    (void)state;
    struct pc_handle h;
    put("there", "keep me");
    put_dir("d");
    MUST(mkfifo("fifo", 0600) == 0);
    here = open_here(".");
    assert_int_equal(pc_sys_create(here, "new", 0642, true, &h, &made), 0);
    assert_int_equal(look_at("new").st_mode, S_IFREG | 0642);
    assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pc_sys_close(&h), 0);
    const char *const names[] = {"there", "d", "fifo", "new"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pc_sys_create(here, names[i], 0600, true, &h, &made), -EEXIST);
        assert_false(pc_handle_open(h));
    }
    assert_int_equal(look_at("there").st_size, 7);
    assert_int_equal(pc_sys_mkdir(here, "d", 0700), -EEXIST);
    assert_int_equal(pc_sys_mkdir(here, "e", 0751), 0);
    assert_int_equal(look_at("e").st_mode, S_IFDIR | 0751);
    assert_int_equal(pc_sys_symlink(here, "there", "x"), -EEXIST);
    assert_int_equal(pc_sys_symlink(here, "s", "some/target"), 0);
    assert_int_equal(pc_sys_mknod(here, "there", S_IFIFO | 0600, 0), -EEXIST);
    assert_int_equal(pc_sys_mknod(here, "f", S_IFIFO | 0624, 0), 0);
    assert_int_equal(look_at("f").st_mode, S_IFIFO | 0624);
    assert_int_equal(pc_sys_link(here, "new", here, "there"), -EEXIST);
    if (geteuid() == 0) {
        assert_int_equal(pc_sys_mknod(here, "null", S_IFCHR | 0600, makedev(1, 3)), 0);
        assert_int_equal(look_at("null").st_rdev, makedev(1, 3));
    }
    pc_sys_close(&here);
}

static void not_exclusive_takes_an_empty_file_and_nothing_else(void **state)
{
    (void)state;
    struct pc_handle h;
    put("empty", "");
    put("full", "x");
    put("linked", "");
    put_dir("d");
    put("precious", "");
    MUST(link("linked", "linked-too") == 0);
    MUST(symlink("precious", "link") == 0 && symlink("nowhere", "dangling") == 0);
    MUST(mkfifo("fifo", 0600) == 0);
    here = open_here(".");
    assert_int_equal(pc_sys_create(here, "new", 0640, false, &h, &made), 0);
    assert_int_equal(look_at("new").st_mode, S_IFREG | 0640);
    assert_int_equal(pc_sys_write(h, "x", 1, 0), 0);
    assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_create(here, "empty", 0640, false, &h, &made), 0);
    pc_sys_close(&h);
    const unsigned before = open_files();
    const char *const names[] = {"new", "full", "linked", "d", "link", "dangling", "fifo"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const int err = pc_sys_create(here, names[i], 0640, false, &h, &made);
        if (err != -EEXIST)
            fail_msg("'%s' gives %d", names[i], err);
        assert_false(pc_handle_open(h));
    }
    const struct pc_handle reader = {.fd = open("fifo", O_RDONLY | O_NONBLOCK | O_CLOEXEC)};
    MUST(pc_handle_open(reader));
    assert_int_equal(pc_sys_create(here, "fifo", 0640, false, &h, &made), -EEXIST); /* that opens */
    close(reader.fd);
    assert_int_equal(open_files(), before);
    assert_int_equal(look_at("full").st_size, 1);
    assert_int_equal(look_at("full").st_mode, S_IFREG | 0644);
    assert_false(is_there("nowhere"));

    assert_int_equal(pc_sys_create_readable(here, "both", &h), 0);
    char c;
    assert_int_equal(pc_sys_write(h, "x", 1, 0), 0);
    assert_int_equal(pc_sys_read(h, &c, 1, 0), 1);
    assert_int_equal(look_at("both").st_mode, S_IFREG | 0600);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_create_readable(here, "both", &h), -EEXIST);
    pc_sys_close(&here);
}

/* A place takes all that a directory takes but listing. */
static void a_place_is_for_making_things_in(void **state)
{
    (void)state;
    struct pc_handle h;
    struct pc_handle file;
    struct stat st;
    put_dir("d");
    put("file", "");
    MUST(symlink("d", "link") == 0);
    MUST(chmod("d", 0300) == 0); /* which may not be read */
    if (geteuid() == 0) {
        MUST(chown("d", NOBODY, NOBODY) == 0 && chmod(".", 0755) == 0);
        become_nobody();
    }
    here = open_here(".");
    assert_int_equal(pc_sys_open_dir(here, "d", &h), -EACCES);
    assert_int_equal(pc_sys_open_place(here, "d", false, &h), 0);
    assert_int_equal(fcntl(h.fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(pc_sys_create(h, "f", 0600, true, &file, &made), 0);
    pc_sys_close(&file);
    assert_int_equal(pc_sys_mkdir(h, "e", 0700), 0);
    assert_int_equal(pc_sys_rename(h, "f", "g"), 0);
    assert_int_equal(pc_sys_unlink(h, "g"), 0);
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_int_equal(st.st_ino, look_at("d").st_ino);
    assert_int_equal(pc_sys_chmod(h, 01751), 0);
    assert_int_equal(look_at("d").st_mode, S_IFDIR | 01751);
    const struct timespec t = {.tv_sec = 1000, .tv_nsec = 5};
    assert_int_equal(pc_sys_times(h, t, t), 0);
    assert_int_equal(look_at("d").st_mtim.tv_sec, 1000);
    assert_int_equal(pc_sys_chown(h, (uid_t)-1, getegid()), 0);
    const int err = pc_sys_set_xattr(h, "user.colour", "green", 5);
    assert_true(err == 0 || err == -EOPNOTSUPP);
    char value[8];
    assert_true(err || getxattr("d", "user.colour", value, sizeof value) == 5);
    pc_sys_close(&h);
    const int link = pc_sys_open_place(here, "link", false, &h);
    assert_true(link == -ENOTDIR || link == -ELOOP);
    assert_false(pc_handle_open(h));
    assert_int_equal(pc_sys_open_place(here, "file", false, &h), -ENOTDIR);
    assert_int_equal(pc_sys_open_place(here, "missing", false, &h), -ENOENT);
    pc_sys_close(&here);
}

static void what_cannot_be_opened_gets_its_mode_by_its_handle(void **state)
{
    (void)state;
    struct pc_handle h;
    put("file", "");
    MUST(mkfifo("fifo", 0600) == 0);
    here = open_here(".");
    const unsigned before = open_files();
    assert_int_equal(pc_sys_open_any(here, "fifo", &h), 0);
    assert_int_equal(pc_sys_chmod(h, 0620), 0);
    assert_int_equal(look_at("fifo").st_mode, S_IFIFO | 0620);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_open_any(here, "missing", &h), -ENOENT);
    assert_int_equal(open_files(), before);
    pc_sys_close(&here);
}

static void a_symbolic_link_is_followed_only_on_demand(void **state)
{
    (void)state;
    struct pc_handle h;
    struct stat st;
    put_dir("d");
    put("file", "");
    MUST(symlink("d", "link") == 0 && symlink("file", "to-file") == 0);
    here = open_here(".");
    assert_int_equal(pc_sys_open_place(here, "link", true, &h), 0);
    assert_int_equal(pc_sys_stat(h, &st), 0);
    assert_int_equal(st.st_ino, look_at("d").st_ino);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_open_place(here, "to-file", true, &h), -ENOTDIR);
    assert_int_equal(pc_sys_open_existing(here, "to-file", &h), -ELOOP);
    pc_sys_close(&here);
}

static unsigned stale;  /* how often faccessat is still to fail so */
static unsigned opened; /* calls of openat and openat2 */

static int stale_at_first(const char *call)
{
    opened += strcmp(call, "openat") == 0 || strcmp(call, "openat2") == 0;
    return strcmp(call, "faccessat") == 0 && stale && stale-- ? -ESTALE : 0;
}

static void a_place_that_the_server_no_longer_knows_is_looked_up_again(void **state)
{
    (void)state;
    struct pc_handle h;
    put_dir("d");
    here = open_here(".");
    const unsigned before = open_files();
    for (unsigned times = 0; times < 3; times++) {
        for (int way = 0; way < 3; way++) {
            stale = times;
            opened = 0;
            pc_sys_set_fault(stale_at_first);
            const int err = way == 0   ? pc_sys_open_place(here, "d", false, &h)
                            : way == 1 ? pc_sys_open_beneath(here, "d", true, &h)
                                       : pc_sys_open_root("d", true, &h);
            pc_sys_set_fault(NULL);
            assert_int_equal(err, times == 2 ? -ESTALE : 0);
            assert_int_equal(opened, times == 0 ? 1 : 3);
            if (!err)
                pc_sys_close(&h);
        }
    }
    assert_int_equal(open_files(), before);
    pc_sys_close(&here);
}

static void a_path_is_opened_again_without_symbolic_links(void **state)
{
    (void)state;
    struct pc_handle h;
    struct stat st;
    put_dir("a");
    put_dir("a/b");
    put_dir("a/b/c");
    MUST(symlink("b", "a/link") == 0);
    here = open_here(".");
    for (int place = 0; place < 2; place++) {
        assert_int_equal(pc_sys_reopen(here, "a/b/c", place, &h), 0);
        assert_int_equal(pc_sys_stat(h, &st), 0);
        assert_int_equal(st.st_ino, look_at("a/b/c").st_ino);
        assert_int_equal((fcntl(h.fd, F_GETFL) & O_PATH) != 0, place);
        pc_sys_close(&h);
        assert_int_equal(pc_sys_reopen(here, "a/link/c", place, &h), -ELOOP);
        assert_int_equal(pc_sys_reopen(here, "a/b/../../..", place, &h), -EXDEV);
        assert_int_equal(pc_sys_reopen(here, "a/b/d", place, &h), -ENOENT);
    }
    pc_sys_close(&here);
}

static void an_acl_that_was_handed_down_is_taken_off(void **state)
{
    (void)state;
    struct pc_handle h;
    put_dir("d");
    acl_t acl = acl_from_text("u::rwx,u:77:rwx,g::r-x,m::rwx,o::r-x");
    MUST(acl);
    here = open_here(".");
    const int set = acl_set_file("d", ACL_TYPE_DEFAULT, acl);
    acl_free(acl);
    if (set != 0) {
        print_message("SKIP: there are no ACLs here\n");
        pc_sys_close(&here);
        skip();
    }
    assert_false(pc_sys_hands_down_acl(here));
    assert_int_equal(pc_sys_open_place(here, "d", false, &h), 0);
    assert_true(pc_sys_hands_down_acl(h));
    assert_int_equal(pc_sys_mkdir(h, "e", 0755), 0);
    assert_int_equal(acl_extended_file("d/e"), 1);
    struct pc_handle e;
    assert_int_equal(pc_sys_open_place(h, "e", false, &e), 0);
    assert_int_equal(pc_sys_drop_acl(e, true), 0);
    assert_int_equal(acl_extended_file("d/e"), 0);
    assert_false(pc_sys_hands_down_acl(e));
    assert_int_equal(pc_sys_drop_acl(e, true), 0);
    pc_sys_close(&e);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void a_range_is_copied_by_the_file_system_where_it_can(void **state)
{
    (void)state;
    struct pc_handle from;
    struct pc_handle to;
    put_noise("a", 10000, 1);
    here = open_here(".");
    assert_int_equal(pc_sys_open_file(here, "a", &from), 0);
    assert_int_equal(pc_sys_create(here, "b", 0600, true, &to, &made), 0);
    off_t at = 0;
    ssize_t n = 1;
    while (at < 10000 && n > 0) { /* it may be short */
        n = pc_sys_copy_range(from, at, to, at, (size_t)(10000 - at));
        at += n > 0 ? n : 0;
    }
    const bool supported = n > 0;
    assert_true(supported || n == -EOPNOTSUPP || n == -EXDEV);
    if (supported) {
        assert_true(same_bytes("a", "b"));
        assert_int_equal(pc_sys_copy_range(from, 10000, to, 10000, 5), 0);
        assert_int_equal(pc_sys_copy_range(from, 0, to, 10000, 5), 5);
        assert_int_equal(look_at("b").st_size, 10005);
    }
    const int err = pc_sys_clone(from, to);
    if (err == 0)
        assert_true(same_bytes("a", "b"));
    else
        assert_true(err == -EOPNOTSUPP || err == -EXDEV || err == -EINVAL);
    pc_sys_close(&from);
    pc_sys_close(&to);
    pc_sys_close(&here);
}

static void how_it_is_mounted_is_told(void **state)
{
    (void)state;
    struct pc_handle proc = open_here("/proc");
    struct pc_mount_info info;
    assert_int_equal(pc_sys_mount_info(proc, &info), 0);
    assert_string_equal(info.type, "proc");
    assert_memory_equal(info.options, "r", 1); /* rw or ro comes first */
    assert_true(*info.source != '\0');
    assert_int_equal(info.superblock, look_at("/proc").st_dev);
    assert_false(pc_sys_create_looks_up(proc));
    pc_sys_close(&proc);
}

static void reads_go_on_until_all_is_there_or_the_file_ends(void **state)
{
    (void)state;
    char buffer[2000];
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    put_bytes("f", text, sizeof text, 0600);
    here = open_here(".");
    struct pc_handle h;
    assert_int_equal(pc_sys_open_file(here, "f", &h), 0);
    most = 7;
    assert_int_equal(pc_sys_read(h, buffer, 500, 100), 500);
    assert_memory_equal(buffer, text + 100, 500);
    assert_true(transfers >= 500 / 7);
    memset(buffer, '!', sizeof buffer);
    assert_int_equal(pc_sys_read(h, buffer, sizeof buffer, 1), 999);
    assert_memory_equal(buffer, text + 1, 999);
    assert_int_equal(buffer[999], '!');
    assert_int_equal(pc_sys_read(h, buffer, 10, 1000), 0);
    assert_int_equal(pc_sys_read(h, buffer, 10, 5000), 0);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_read(here, buffer, 10, 0), -EISDIR);
    pc_sys_close(&here);
}

static void writes_go_on_until_all_is_written(void **state)
{
    (void)state;
    char text[1000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    put_bytes("whole", text, sizeof text, 0600);
    here = open_here(".");
    struct pc_handle h;
    assert_int_equal(pc_sys_create(here, "f", 0600, true, &h, &made), 0);
    most = 7;
    assert_int_equal(pc_sys_write(h, text + 300, 700, 300), 0);
    assert_int_equal(pc_sys_write(h, text, 300, 0), 0);
    assert_true(transfers >= 1000 / 7);
    assert_int_equal(pc_sys_close(&h), 0);
    assert_true(same_bytes("f", "whole"));
    pc_sys_close(&here);
}

static void a_write_that_cannot_go_on_fails(void **state)
{
    (void)state;
    here = open_here(".");
    struct pc_handle h;
    assert_int_equal(pc_sys_create(here, "f", 0600, true, &h, &made), 0);
    most = 0; /* writes nothing, and says so without an error: asked again it would never end */
    assert_int_equal(pc_sys_write(h, "text", 4, 0), -EIO);
    most = SIZE_MAX;

    /* The kernel writes up to the limit, and refuses what is left. */
    struct rlimit before;
    MUST(getrlimit(RLIMIT_FSIZE, &before) == 0);
    const struct rlimit limit = {10000, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    char *much = calloc(1, 20000);
    MUST(much && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    const int err = pc_sys_write(h, much, 20000, 0);
    MUST(setrlimit(RLIMIT_FSIZE, &before) == 0);
    free(much);
    assert_int_equal(err, -EFBIG);
    assert_int_equal(look_at("f").st_size, 10000);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void data_is_found_between_holes(void **state)
{
    (void)state;
    const off_t big = 1 << 20;
    struct pc_handle h;
    char text[4096];
    memset(text, 'x', sizeof text);
    here = open_here(".");
    assert_int_equal(pc_sys_create(here, "f", 0600, true, &h, &made), 0);
    assert_int_equal(pc_sys_write(h, text, sizeof text, big), 0);
    assert_int_equal(pc_sys_truncate(h, 3 * big), 0);
    assert_int_equal(look_at("f").st_size, 3 * big);
    pc_sys_close(&h);
    assert_int_equal(pc_sys_open_file(here, "f", &h), 0);

    off_t begin = -1;
    off_t end = -1;
    assert_int_equal(pc_sys_next_data(h, 0, &begin, &end), 0);
    assert_true(begin <= big && end >= big + (off_t)sizeof text);
    const bool holes = begin > 0;
    if (holes) {
        assert_int_equal(begin, big);
        assert_true(end < 2 * big);
        assert_int_equal(pc_sys_next_data(h, big + 1, &begin, &end), 0);
        assert_int_equal(begin, big + 1);
        assert_int_equal(pc_sys_next_data(h, end, &begin, &end), -ENXIO);
    }
    assert_int_equal(pc_sys_next_data(h, 3 * big, &begin, &end), -ENXIO);
    pc_sys_close(&h);

    put("dense", "abc");
    assert_int_equal(pc_sys_open_file(here, "dense", &h), 0);
    assert_int_equal(pc_sys_next_data(h, 1, &begin, &end), 0);
    assert_int_equal(begin, 1);
    assert_int_equal(end, 3);
    pc_sys_close(&h);
    pc_sys_close(&here);
    if (!holes)
        skip();
}

/* A listing of `path` in blocks of `size` bytes. */
static struct pc_listing listing(const char *path, size_t size)
{
    struct pc_listing l = {.dir = open_here(path), .buffer = malloc(size), .size = size};
    MUST(l.buffer != NULL);
    return l;
}

static void listed(struct pc_listing *l)
{
    free(l->buffer);
    pc_sys_close(&l->dir);
}

static void a_listing_gives_each_name_once_with_type_and_inode(void **state)
{
    (void)state;
    put_dir("d");
    put("d/file", "");
    put_dir("d/dir");
    MUST(symlink("x", "d/link") == 0);
    MUST(mkfifo("d/fifo", 0600) == 0);
    put("d/...", "");
    struct pc_listing l = listing("d", 32768);
    assert_int_equal(pc_sys_list_from(&l, 0), 0);
    struct pc_name name;
    unsigned n = 0;
    int more;
    while ((more = pc_sys_list(&l, &name)) == 1) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "d/%s", name.name);
        const struct stat st = look_at(path);
        assert_int_equal(name.ino, st.st_ino);
        assert_true(name.type == 0 || name.type == (st.st_mode & S_IFMT));
        n++;
    }
    assert_int_equal(more, 0);
    assert_int_equal(n, 5);
    assert_int_equal(pc_sys_list(&l, &name), 0); /* the end stays the end */
    listed(&l);

    put("file", "");
    here = open_here(".");
    assert_int_equal(pc_sys_open_file(here, "file", &l.dir), 0);
    l.buffer = malloc(100);
    l.size = 100;
    assert_int_equal(pc_sys_list_from(&l, 0), 0);
    assert_int_equal(pc_sys_list(&l, &name), -ENOTDIR);
    listed(&l);
    pc_sys_close(&here);
}

#define NAMES 3000

/* Marks what is left of a listing. Returns how many names that were. */
static size_t mark(struct pc_listing *l, unsigned char *seen)
{
    struct pc_name name;
    size_t n = 0;
    int more;
    while ((more = pc_sys_list(l, &name)) == 1) {
        const unsigned long i = strtoul(name.name + 1, NULL, 10);
        MUST(i < NAMES);
        seen[i]++;
        n++;
    }
    assert_int_equal(more, 0);
    return n;
}

static void a_big_directory_is_listed_whole_and_resumed_anywhere(void **state)
{
    (void)state;
    static unsigned char seen[NAMES];
    off_t next[NAMES];
    size_t order[NAMES];
    put_dir("d");
    for (unsigned i = 0; i < NAMES; i++) {
        char path[32];
        snprintf(path, sizeof path, "d/n%u", i);
        put(path, "");
    }
    struct pc_listing l = listing("d", 512);
    assert_int_equal(pc_sys_list_from(&l, 0), 0);
    struct pc_name name;
    size_t n = 0;
    while (pc_sys_list(&l, &name) == 1) {
        assert_true(n < NAMES);
        order[n] = strtoul(name.name + 1, NULL, 10);
        next[n++] = name.next;
    }
    assert_int_equal(n, NAMES);

    for (size_t i = 0; i < NAMES; i += 97) {
        memset(seen, 0, sizeof seen);
        for (size_t j = 0; j <= i; j++)
            seen[order[j]]++;
        assert_int_equal(pc_sys_list_from(&l, next[i]), 0);
        assert_int_equal(mark(&l, seen), NAMES - 1 - i);
        for (size_t j = 0; j < NAMES; j++)
            assert_int_equal(seen[j], 1);
    }
    memset(seen, 0, sizeof seen);
    assert_int_equal(pc_sys_list_from(&l, 0), 0); /* in the middle of nothing: begins anew */
    assert_int_equal(pc_sys_list(&l, &name), 1);
    assert_int_equal(pc_sys_list_from(&l, 0), 0); /* forgets what is in the buffer */
    assert_int_equal(mark(&l, seen), NAMES);
    listed(&l);
}

static void the_target_of_a_link_fits_or_is_too_long(void **state)
{
    (void)state;
    char buffer[16];
    MUST(symlink("0123456789", "link") == 0);
    put("file", "");
    here = open_here(".");
    assert_int_equal(pc_sys_readlink(here, "link", buffer, 11), 0);
    assert_string_equal(buffer, "0123456789");
    assert_int_equal(pc_sys_readlink(here, "link", buffer, 10), -ENAMETOOLONG);
    assert_int_equal(pc_sys_readlink(here, "link", buffer, 5), -ENAMETOOLONG);
    assert_int_equal(pc_sys_readlink(here, "file", buffer, 16), -EINVAL);
    pc_sys_close(&here);
}

static void names_are_replaced_and_removed(void **state)
{
    (void)state;
    put("a", "new");
    put("b", "old content");
    put_dir("d");
    here = open_here(".");
    assert_int_equal(pc_sys_rename(here, "a", "b"), 0);
    assert_false(is_there("a"));
    assert_int_equal(look_at("b").st_size, 3);
    assert_int_equal(pc_sys_unlink(here, "d"), -EISDIR);
    assert_true(is_there("d"));
    assert_int_equal(pc_sys_unlink(here, "b"), 0);
    assert_false(is_there("b"));
    assert_int_equal(pc_sys_unlink(here, "b"), -ENOENT);
    pc_sys_close(&here);
}

static void metadata_is_set_through_a_handle(void **state)
{
    (void)state;
    put("f", "");
    here = open_here(".");
    struct pc_handle h;
    assert_int_equal(pc_sys_open_file(here, "f", &h), 0);
    if (geteuid() == 0) {
        assert_int_equal(pc_sys_chown(h, 12, 34), 0);
        assert_int_equal(pc_sys_chown(h, (uid_t)-1, 35), 0);
        assert_int_equal(look_at("f").st_uid, 12);
        assert_int_equal(look_at("f").st_gid, 35);
    }
    assert_int_equal(pc_sys_chmod(h, 01600), 0);
    assert_int_equal(look_at("f").st_mode, S_IFREG | 01600);
    const struct timespec a = {.tv_sec = 11, .tv_nsec = 12};
    const struct timespec m = {.tv_sec = 13, .tv_nsec = 14};
    assert_int_equal(pc_sys_times(h, a, m), 0);
    const struct stat st = look_at("f");
    assert_int_equal(st.st_atim.tv_sec, 11);
    assert_int_equal(st.st_mtim.tv_sec, 13);
    assert_int_equal(st.st_mtim.tv_nsec, 14);
    assert_int_equal(pc_sys_fsync(h), 0);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void what_file_system_it_is_on_is_told(void **state)
{
    (void)state;
    struct pc_handle proc = open_here("/proc");
    struct pc_fs fs;
    assert_int_equal(pc_sys_fs(proc, &fs), 0);
    assert_int_equal(fs.type, PROC_SUPER_MAGIC);
    assert_false(fs.network);
    pc_sys_close(&proc);
}

static void extended_attributes_have_names_and_values(void **state)
{
    (void)state;
    char buffer[64];
    put("f", "");
    here = open_here(".");
    struct pc_handle h;
    assert_int_equal(pc_sys_open_file(here, "f", &h), 0);
    const int err = pc_sys_set_xattr(h, "user.colour", "green", 5);
    if (err == -EOPNOTSUPP) {
        pc_sys_close(&h);
        pc_sys_close(&here);
        skip();
    }
    assert_int_equal(err, 0);
    const ssize_t n = pc_sys_list_xattr(h, buffer, sizeof buffer);
    assert_true(n >= (ssize_t)sizeof "user.colour");
    assert_non_null(memmem(buffer, (size_t)n, "user.colour", sizeof "user.colour"));
    assert_int_equal(pc_sys_list_xattr(h, buffer, 3), -ERANGE);
    assert_int_equal(pc_sys_get_xattr(h, "user.colour", buffer, sizeof buffer), 5);
    assert_memory_equal(buffer, "green", 5);
    assert_int_equal(pc_sys_get_xattr(h, "user.colour", buffer, 4), -ERANGE);
    assert_int_equal(pc_sys_get_xattr(h, "user.taste", buffer, 4), -ENODATA);
    assert_int_equal(pc_sys_set_xattr(h, "user.colour", "red", 3), 0);
    assert_int_equal(pc_sys_get_xattr(h, "user.colour", buffer, sizeof buffer), 3);
    pc_sys_close(&h);
    pc_sys_close(&here);
    struct pc_handle proc = open_here("/proc");
    assert_int_equal(pc_sys_get_xattr(proc, "user.colour", buffer, 4), -EOPNOTSUPP);
    pc_sys_close(&proc);
}

/* Gives `path` an ACL. False where the file system has none. */
static bool set_acl(const char *path, acl_type_t type, const char *text)
{
    acl_t acl = acl_from_text(text);
    MUST(acl != NULL);
    const bool good = acl_set_file(path, type, acl) == 0;
    MUST(good || errno == EOPNOTSUPP);
    acl_free(acl);
    return good;
}

static bool same_acl(const char *a, const char *b, acl_type_t type)
{
    acl_t acls[2] = {acl_get_file(a, type), acl_get_file(b, type)};
    MUST(acls[0] && acls[1]);
    const bool same = acl_cmp(acls[0], acls[1]) == 0;
    acl_free(acls[0]);
    acl_free(acls[1]);
    return same;
}

static void acls_are_copied_and_default_ones_of_directories_too(void **state)
{
    (void)state;
    put_dir("from");
    put_dir("to");
    if (!set_acl("from", ACL_TYPE_ACCESS, "u::rwx,u:1:r--,g::r-x,m::r-x,o::---"))
        skip();
    set_acl("from", ACL_TYPE_DEFAULT, "u::rwx,u:2:rw-,g::r-x,m::rwx,o::---");
    struct pc_handle from = open_here("from");
    struct pc_handle to = open_here("to");
    assert_int_equal(pc_sys_copy_acl(from, to, false), 0);
    assert_true(same_acl("from", "to", ACL_TYPE_ACCESS));
    assert_false(same_acl("from", "to", ACL_TYPE_DEFAULT));
    assert_int_equal(pc_sys_copy_acl(from, to, true), 0);
    assert_true(same_acl("from", "to", ACL_TYPE_DEFAULT));
    MUST(acl_delete_def_file("from") == 0);
    assert_int_equal(pc_sys_copy_acl(from, to, true), 0); /* none there, so none here */
    assert_true(same_acl("from", "to", ACL_TYPE_DEFAULT));
    assert_true(same_acl("from", "to", ACL_TYPE_ACCESS));
    pc_sys_close(&from);
    pc_sys_close(&to);
}

/* --- the hook --- */

static const char *wanted;
static int answer;
static unsigned asked;
static unsigned answers; /* how often `answer` is still given */

static int hook(const char *call)
{
    if (strcmp(call, wanted) != 0)
        return 0;
    asked++;
    if (answers == 0)
        return 0;
    answers--;
    return answer;
}

static void fail_calls(const char *call, int err, unsigned times)
{
    wanted = call;
    answer = err;
    answers = times;
    asked = 0;
    pc_sys_set_fault(hook);
}

/* One way into sys each; "f" is a file, "d" a directory, `h` an open file for writing. */
static int call_everything(unsigned which, struct pc_handle h)
{
    static char buffer[4096];
    const struct timespec t = {.tv_sec = 1, .tv_nsec = 1};
    struct pc_listing l = {.dir = here, .buffer = buffer, .size = sizeof buffer};
    struct pc_handle out = PC_HANDLE_NONE;
    struct pc_name name;
    struct pc_fs fs;
    struct stat st;
    off_t begin;
    off_t end;
    int err = 1;
    switch (which) {
    case 0:
        err = pc_sys_open_root("d", false, &out);
        break;
    case 1:
        err = pc_sys_open_beneath(here, "d", false, &out);
        break;
    case 2:
        err = pc_sys_open_dir(here, "d", &out);
        break;
    case 3:
        err = pc_sys_open_file(here, "f", &out);
        break;
    case 4:
        unlink("new");
        err = pc_sys_create(here, "new", 0600, true, &out, &made);
        break;
    case 5:
        return pc_sys_stat(h, &st);
    case 6:
        return pc_sys_stat_at(here, "f", &st);
    case 7:
        return pc_sys_stat_path("f", true, &st);
    case 8:
        return pc_sys_fs(h, &fs);
    case 9:
        return pc_sys_list_from(&l, 0);
    case 10:
        err = pc_sys_list(&l, &name);
        return err > 0 ? 0 : err;
    case 11:
        return (int)pc_sys_read(h, buffer, 2, 0) < 0 ? (int)pc_sys_read(h, buffer, 2, 0) : 0;
    case 12:
        return pc_sys_write(h, "ab", 2, 0);
    case 13:
        return pc_sys_next_data(h, 0, &begin, &end);
    case 14:
        return pc_sys_truncate(h, 2);
    case 15:
        return pc_sys_fsync(h);
    case 16:
        return pc_sys_syncfs(h);
    case 17:
        rmdir("made");
        return pc_sys_mkdir(here, "made", 0700);
    case 18:
        unlink("link");
        return pc_sys_symlink(here, "link", "x");
    case 19:
        unlink("fifo");
        return pc_sys_mknod(here, "fifo", S_IFIFO | 0600, 0);
    case 20:
        unlink("hard");
        return pc_sys_link(here, "f", here, "hard");
    case 21:
        unlink("link");
        MUST(symlink("x", "link") == 0);
        return pc_sys_readlink(here, "link", buffer, sizeof buffer);
    case 22:
        put("old", "");
        return pc_sys_rename(here, "old", "renamed");
    case 23:
        put("old", "");
        return pc_sys_unlink(here, "old");
    case 24:
        return pc_sys_chown(h, (uid_t)-1, (gid_t)-1);
    case 25:
        mkdir("empty", 0755);
        return pc_sys_rmdir(here, "empty");
    case 26:
        return pc_sys_chmod(h, 0600);
    case 27:
        return pc_sys_times(h, t, t);
    case 28:
        setxattr("f", "user.x", "y", 1, 0);
        return pc_sys_remove_xattr(h, "user.x");
    case 29:
        return (int)pc_sys_list_xattr(h, buffer, sizeof buffer) < 0 ? -answer : 0;
    default:
        fail_msg("there is no call %u", which);
    }
    if (pc_handle_open(out))
        pc_sys_close(&out);
    return err;
}

static const char *const call_names[] = {
    "openat",    "openat2", "openat",    "openat",     "openat",       "fstat",
    "fstatat",   "fstatat", "fstatfs",   "lseek",      "getdents64",   "pread",
    "pwrite",    "lseek",   "ftruncate", "fsync",      "syncfs",       "mkdirat",
    "symlinkat", "mknodat", "linkat",    "readlinkat", "renameat",     "unlinkat",
    "fchown",    "rmdir",   "fchmod",    "futimens",   "fremovexattr", "flistxattr"};

#define CALLS (sizeof call_names / sizeof call_names[0])

static struct pc_handle open_for_everything(void)
{
    put("f", "xy");
    put_dir("d");
    here = open_here(".");
    struct pc_handle h = {.fd = open("f", O_RDWR | O_CLOEXEC)};
    MUST(pc_handle_open(h));
    return h;
}

static void an_interrupted_call_is_made_again(void **state)
{
    (void)state;
    struct pc_handle h = open_for_everything();
    for (unsigned i = 0; i < CALLS; i++) {
        fail_calls(call_names[i], -EINTR, 3);
        const int err = call_everything(i, h);
        if (err || asked < 4)
            fail_msg("call %u, %s: %d after %u questions", i, call_names[i], err, asked);
    }
    fail_calls("acl", -EINTR, 3);
    const int err = pc_sys_copy_acl(h, h, false);
    assert_true(err == 0 || err == -EOPNOTSUPP);
    assert_int_equal(asked, 4);
    pc_sys_set_fault(NULL);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void short_counts_are_continued(void **state)
{
    (void)state;
    struct pc_handle h = open_for_everything();
    char buffer[16] = "";
    fail_calls("pwrite", 3, UINT_MAX);
    assert_int_equal(pc_sys_write(h, "0123456789", 10, 0), 0);
    assert_int_equal(asked, 4);
    fail_calls("pread", 4, UINT_MAX);
    assert_int_equal(pc_sys_read(h, buffer, sizeof buffer, 0), 10);
    assert_int_equal(asked, 4); /* the last one finds the end */
    assert_string_equal(buffer, "0123456789");
    pc_sys_set_fault(NULL);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void the_hook_makes_each_call_fail(void **state)
{
    (void)state;
    struct pc_handle h = open_for_everything();
    for (unsigned i = 0; i < CALLS; i++) {
        if (i == 29)
            continue; /* the one whose result is checked below */
        fail_calls(call_names[i], -EDQUOT, UINT_MAX);
        const int err = call_everything(i, h);
        if (err != -EDQUOT)
            fail_msg("call %u, %s: %d", i, call_names[i], err);
        fail_calls("none of them", -EDQUOT, UINT_MAX);
        if (call_everything(i, h) != 0)
            fail_msg("call %u, %s fails without the hook", i, call_names[i]);
    }
    char buffer[16];
    fail_calls("flistxattr", -EIO, 1);
    assert_int_equal(pc_sys_list_xattr(h, buffer, sizeof buffer), -EIO);
    fail_calls("fgetxattr", -EIO, 1);
    assert_int_equal(pc_sys_get_xattr(h, "user.x", buffer, sizeof buffer), -EIO);
    fail_calls("fsetxattr", -EIO, 1);
    assert_int_equal(pc_sys_set_xattr(h, "user.x", buffer, 1), -EIO);
    fail_calls("acl", -EIO, 1);
    assert_int_equal(pc_sys_copy_acl(h, h, false), -EIO);
    pc_sys_set_fault(NULL);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void an_acl_that_cannot_be_seen_may_be_there(void **state)
{
    (void)state;
    here = open_here(".");
    fail_calls("fgetxattr", -EIO, UINT_MAX);
    assert_true(pc_sys_hands_down_acl(here));
    assert_int_equal(pc_sys_drop_acl(here, true), -EIO);
    fail_calls("fgetxattr", -EOPNOTSUPP, UINT_MAX);
    assert_false(pc_sys_hands_down_acl(here));
    assert_int_equal(pc_sys_drop_acl(here, true), 0);
    pc_sys_set_fault(NULL);
    pc_sys_close(&here);
}

static void resolving_beneath_is_tried_again_when_a_rename_came_between(void **state)
{
    (void)state;
    struct pc_handle h = open_for_everything();
    fail_calls("openat2", -EAGAIN, 2);
    assert_int_equal(call_everything(1, h), 0);
    assert_int_equal(asked, 3);
    pc_sys_set_fault(NULL);
    pc_sys_close(&h);
    pc_sys_close(&here);
}

static void a_failing_close_is_passed_on_and_closes_all_the_same(void **state)
{
    (void)state;
    const int errors[] = {-EDQUOT, -EIO, -EINTR};
    put("f", "");
    here = open_here(".");
    for (size_t i = 0; i < 3; i++) {
        struct pc_handle h;
        assert_int_equal(pc_sys_open_file(here, "f", &h), 0);
        const int fd = h.fd;
        fail_calls("close", errors[i], 1);
        assert_int_equal(pc_sys_close(&h), errors[i]);
        assert_int_equal(asked, 1);
        assert_false(pc_handle_open(h));
        assert_int_equal(fcntl(fd, F_GETFD), -1);
    }
    pc_sys_set_fault(NULL);
    pc_sys_close(&here);
    struct pc_handle bad = {.fd = 1 << 20};
    assert_int_equal(pc_sys_close(&bad), -EBADF);
}

/* --- a real signal --- */

static atomic_bool reading;

static void on_signal(int number)
{
    (void)number;
}

static void *disturb(void *argument)
{
    const pthread_t *reader = argument;
    while (atomic_load(&reading)) {
        pthread_kill(*reader, SIGUSR1);
        usleep(200);
    }
    return NULL;
}

static void signals_do_not_disturb(void **state)
{
    (void)state;
    const struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART */
    const pthread_t self = pthread_self();
    pthread_t thread;
    put_noise("f", 1 << 20, 1);
    here = open_here(".");
    MUST(sigaction(SIGUSR1, &action, NULL) == 0);
    atomic_store(&reading, true);
    MUST(pthread_create(&thread, NULL, disturb, (void *)(uintptr_t)&self) == 0);
    char *buffer = malloc(1 << 20);
    MUST(buffer != NULL);
    bool good = true;
    for (int i = 0; i < 200; i++) {
        struct pc_handle h;
        good &= pc_sys_open_file(here, "f", &h) == 0;
        good &= pc_sys_read(h, buffer, 1 << 20, 0) == 1 << 20;
        good &= pc_sys_close(&h) == 0;
    }
    atomic_store(&reading, false);
    pthread_join(thread, NULL);
    free(buffer);
    pc_sys_close(&here);
    assert_true(good);
}

int main(void)
{
    alarm(100);
    const struct CMUnitTest tests[] = {
        SYS_TEST(a_root_is_a_directory_reached_over_links),
        SYS_TEST(links_are_not_followed_below_a_root),
        SYS_TEST(a_directory_is_opened_beneath_another_or_not_at_all),
        SYS_TEST(a_fifo_does_not_block_its_opener),
        SYS_TEST(a_new_file_has_its_mode_and_takes_no_others_place),
        SYS_TEST(not_exclusive_takes_an_empty_file_and_nothing_else),
        SYS_TEST(a_place_is_for_making_things_in),
        SYS_TEST(what_cannot_be_opened_gets_its_mode_by_its_handle),
        SYS_TEST(a_symbolic_link_is_followed_only_on_demand),
        SYS_TEST(a_path_is_opened_again_without_symbolic_links),
        SYS_TEST(a_place_that_the_server_no_longer_knows_is_looked_up_again),
        SYS_TEST(an_acl_that_was_handed_down_is_taken_off),
        SYS_TEST(a_range_is_copied_by_the_file_system_where_it_can),
        SYS_TEST(how_it_is_mounted_is_told),
        SYS_TEST(reads_go_on_until_all_is_there_or_the_file_ends),
        SYS_TEST(writes_go_on_until_all_is_written),
        SYS_TEST(a_write_that_cannot_go_on_fails),
        SYS_TEST(data_is_found_between_holes),
        SYS_TEST(a_listing_gives_each_name_once_with_type_and_inode),
        SYS_TEST(a_big_directory_is_listed_whole_and_resumed_anywhere),
        SYS_TEST(the_target_of_a_link_fits_or_is_too_long),
        SYS_TEST(names_are_replaced_and_removed),
        SYS_TEST(metadata_is_set_through_a_handle),
        SYS_TEST(what_file_system_it_is_on_is_told),
        SYS_TEST(extended_attributes_have_names_and_values),
        SYS_TEST(acls_are_copied_and_default_ones_of_directories_too),
        SYS_TEST(an_interrupted_call_is_made_again),
        SYS_TEST(short_counts_are_continued),
        SYS_TEST(the_hook_makes_each_call_fail),
        SYS_TEST(an_acl_that_cannot_be_seen_may_be_there),
        SYS_TEST(resolving_beneath_is_tried_again_when_a_rename_came_between),
        SYS_TEST(a_failing_close_is_passed_on_and_closes_all_the_same),
        SYS_TEST(signals_do_not_disturb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
