/*
 * The limit, on a clock of our own: in most tests time is what a thread waits for, and passes in no
 * time; with several threads the test moves it.
 */
#include "scratch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "pcopy/limit.h"

#define MS     INT64_C(1000000)
#define SECOND (1000 * MS)
#define DAY    (24 * 60)

/* --- the clock --- */

/* A thread that waits for a time. */
struct parked {
    pthread_cond_t *cond;
    pthread_mutex_t *lock;
};

static struct {
    _Atomic int64_t now;
    int minute;   /* of the week, from Sunday: local time when `now` is 0 */
    int64_t late; /* by which threads are woken */
    void (*at_wait)(void);

    /* With threads, under `lock`; that of a limit may be held then, not the other way round. */
    bool threads;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct parked *watcher; /* waits for a time: never more than one */
    size_t asleep;          /* wait for ever */
    size_t done;            /* have taken, or were stopped */
    size_t order[16];       /* which, in that order */
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static const atomic_bool go_on = false;
static atomic_bool halt;

static int64_t fake_now(void)
{
    return fake.now;
}

static void fake_local(struct tm *out)
{
    const int minute = (int)((fake.minute + fake.now / SECOND / 60) % (7 * DAY));
    *out =
        (struct tm){.tm_wday = minute / DAY, .tm_hour = minute % DAY / 60, .tm_min = minute % 60};
}

static void fake_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until)
{
    const bool forever = until == INT64_MAX;
    struct parked self = {cond, lock};
    if (!fake.threads) {
        MUST(!forever && until > fake.now && until - fake.now <= 50 * MS);
        fake.now = until + fake.late;
        if (fake.at_wait)
            fake.at_wait();
        return;
    }
    pthread_mutex_lock(&fake.lock);
    MUST(forever || !fake.watcher);
    if (forever)
        fake.asleep++;
    else
        fake.watcher = &self;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    pthread_cond_wait(cond, lock);
    pthread_mutex_lock(&fake.lock);
    if (forever)
        fake.asleep--;
    else if (fake.watcher == &self)
        fake.watcher = NULL;
    pthread_mutex_unlock(&fake.lock);
}

/* Lets time pass, and the one who waits for it look what it is. */
static void pass(int64_t time)
{
    pthread_mutex_lock(&fake.lock);
    MUST(fake.watcher != NULL);
    const struct parked p = *fake.watcher;
    pthread_mutex_unlock(&fake.lock);
    pthread_mutex_lock(p.lock); /* so it waits, or has not looked yet */
    pthread_mutex_lock(&fake.lock);
    fake.now += time;
    fake.watcher = NULL;
    pthread_mutex_unlock(&fake.lock);
    pthread_cond_signal(p.cond);
    pthread_mutex_unlock(p.lock);
}

/* Waits until so many are through, and so many stand in line with the first one watching. */
static void settle(size_t done, size_t in_line)
{
    pthread_mutex_lock(&fake.lock);
    while (fake.done != done || (in_line && (!fake.watcher || fake.asleep != in_line - 1)))
        pthread_cond_wait(&fake.changed, &fake.lock);
    pthread_mutex_unlock(&fake.lock);
}

static int enter(void **state)
{
    static const struct pc_limit_clock clock = {fake_now, fake_local, fake_wait};
    fake.now = 7 * DAY * 60 * SECOND; /* a week: any time but 0 */
    fake.minute = 0;
    fake.late = 0;
    fake.at_wait = NULL;
    fake.threads = false;
    fake.watcher = NULL;
    fake.asleep = 0;
    fake.done = 0;
    halt = false;
    pc_limit_set_clock(&clock);
    return scratch_enter(state);
}

static int leave(void **state)
{
    pc_limit_set_clock(NULL);
    return scratch_leave(state);
}

#define LIMIT_TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)

/* --- helpers --- */

static char problem[512];

static struct pc_limit *make(const char *spec)
{
    struct pc_limit *l = NULL;
    if (pc_limit_new(&l, spec, problem, sizeof problem) != 0)
        fail_msg("%s: %s", spec, problem);
    return l;
}

/* A file that is seen to be another one, however short the time. */
static void put_limit(const char *path, const char *text)
{
    static time_t mtime = 1000000000;
    put(path, text);
    set_mtime(path, ++mtime, 0);
}

/* Takes. Returns the time that it needed, without what comes of rounding up to nanoseconds. */
static int64_t take(struct pc_limit *l, uint64_t amount)
{
    const int64_t before = fake.now;
    assert_int_equal(pc_limit_take(l, amount, &go_on), 0);
    const int64_t took = fake.now - before;
    return took % 1000 <= 2 ? took - took % 1000 : took;
}

static void check_rate(const char *spec, int minute, uint64_t rate)
{
    fake.minute = minute;
    fake.now = 0;
    struct pc_limit *l = make(spec);
    assert_non_null(l);
    assert_int_equal(take(l, rate ? rate : UINT64_MAX), rate ? SECOND : 0);
    pc_limit_free(l);
}

static void check_refused(const char *spec, int err, const char *expected)
{
    struct pc_limit *l = NULL;
    const unsigned before = open_files();
    assert_int_equal(pc_limit_new(&l, spec, problem, sizeof problem), err);
    assert_null(l);
    assert_string_equal(problem, expected);
    assert_int_equal(open_files(), before);
}

/* --- what is written --- */

static void rates_have_suffixes_and_fractions(void **state)
{
    (void)state;
    check_rate("1", 0, 1);
    check_rate("1000", 0, 1000);
    check_rate("50k", 0, 50 * 1024);
    check_rate("50M", 0, 50 << 20);
    check_rate("1.5M", 0, 3 << 19);
    check_rate("0.25K", 0, 256);
    check_rate("100G", 0, UINT64_C(100) << 30);
    check_rate("00012.00", 0, 12);
}

static void less_than_one_a_second_is_a_rate(void **state)
{
    (void)state;
    struct pc_limit *l = make("0.5");
    assert_int_equal(take(l, 1), 2 * SECOND);
    pc_limit_free(l);
}

static void no_limit_is_null(void **state)
{
    (void)state;
    static const char *const specs[] = {"0", "0K", "0.0M", "else=0"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++)
        assert_null(make(specs[i]));
    assert_int_equal(pc_limit_take(NULL, 1, &go_on), 0);
    assert_false(pc_limit_note(NULL, problem, sizeof problem));
    pc_limit_free(NULL);
}

static void what_is_no_rate_is_refused(void **state)
{
    (void)state;
    static const char *const specs[] = {"",      "-1",  "+1",  " 1", "1 ",    "M",   "50MB",
                                        "50MiB", "1T",  ".5",  "1.", "1.M",   "1,5", "1e3",
                                        "0x1",   "inf", "nan", "1@", "1.5.5", "-0"};
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct pc_limit *l = NULL;
        assert_int_equal(pc_limit_new(&l, specs[i], problem, sizeof problem), -EINVAL);
        assert_null(l);
    }
    char digits[1001];
    struct pc_limit *l = NULL;
    memset(digits, '1', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    assert_int_equal(pc_limit_new(&l, digits, problem, sizeof problem), -EINVAL);
    digits[1] = '.';
    assert_int_equal(pc_limit_new(&l, digits, problem, sizeof problem), -EINVAL);
    check_refused("50MB", -EINVAL,
                  "'50MB' is no rate: write a number, with K, M or G behind it if that is meant, "
                  "as 50M; 0 is no limit");
    check_refused("08:00-18:00=fast,else=0", -EINVAL,
                  "'fast' is no rate: write a number, with K, M or G behind it if that is meant, "
                  "as 50M; 0 is no limit");
}

static void what_is_no_schedule_is_refused(void **state)
{
    (void)state;
    static const char *const items[] = {"08:00=1",
                                        "08:00-=1",
                                        "08:00-18=1",
                                        "08:00-24:01=1",
                                        "08:60-18:00=1",
                                        "8:0-18:00=1",
                                        "008:00-18:00=1",
                                        "08:00-18:00",
                                        "08:00 - 18:00=1",
                                        "Mo@08:00-18:00=1",
                                        "Monday@1:00-2:00=1",
                                        "Mon@=1",
                                        "Mon-@8:00-9:00=1",
                                        "Mon8:00-9:00=1",
                                        "ELSE=1",
                                        "else=1=1",
                                        "otherwise=1",
                                        "",
                                        "=1",
                                        "08:00-18:00:00=1"};
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        char spec[64];
        struct pc_limit *l = NULL;
        snprintf(spec, sizeof spec, "01:00-02:00=1,%s,03:00-04:00=2", items[i]);
        if (pc_limit_new(&l, spec, problem, sizeof problem) != -EINVAL)
            fail_msg("%s is taken", spec);
    }
    check_refused("01:00-02:00=1,Mo-Fr@08:00-18:00=50M,else=0", -EINVAL,
                  "'Mo-Fr@08:00-18:00=50M' is no part of a schedule: write it as 08:00-18:00=50M, "
                  "Mon-Fri@08:00-18:00=50M or else=0");
    check_refused("else=0,08:00-18:00=50M", -EINVAL,
                  "nothing behind 'else' can hold: put it at the end of the schedule");

    char many[33 * 14 + 1];
    for (size_t i = 0; i < 33; i++)
        memcpy(many + 14 * i, "01:00-02:00=1,", 14);
    many[sizeof many - 2] = '\0';
    check_refused(many, -EINVAL, "a schedule has up to 32 spans: take some away");
    many[32 * 14 - 1] = '\0';
    pc_limit_free(make(many));
}

static void spans_hold_from_their_first_minute_to_before_their_last(void **state)
{
    (void)state;
    static const char spec[] = "8:00-18:00=50,17:00-20:30=70,else=90";
    check_rate(spec, 7 * 60 + 59, 90);
    check_rate(spec, 8 * 60, 50);
    check_rate(spec, 17 * 60 + 59, 50);
    check_rate(spec, 18 * 60, 70);
    check_rate(spec, 20 * 60 + 29, 70);
    check_rate(spec, 20 * 60 + 30, 90);
    check_rate("00:00-24:00=5", 0, 5);
    check_rate("00:00-24:00=5", DAY - 1, 5);
    check_rate("06:00-06:00=5", 6 * 60, 5);
    check_rate("06:00-06:00=5", 6 * 60 - 1, 5);
    check_rate("08:00-18:00=50", 18 * 60, 0); /* no else */
}

static void spans_cross_midnight(void **state)
{
    (void)state;
    static const char spec[] = "22:00-06:00=50,else=90";
    check_rate(spec, 22 * 60 - 1, 90);
    check_rate(spec, 22 * 60, 50);
    check_rate(spec, DAY - 1, 50);
    check_rate(spec, 0, 50);
    check_rate(spec, 6 * 60 - 1, 50);
    check_rate(spec, 6 * 60, 90);
}

static void spans_belong_to_the_day_they_begin_on(void **state)
{
    (void)state;
    enum { SUN, MON, TUE, WED, THU, FRI, SAT };
    static const char office[] = "Mon-Fri@08:00-18:00=50,else=90";
    check_rate(office, SUN * DAY + 10 * 60, 90);
    check_rate(office, MON * DAY + 10 * 60, 50);
    check_rate(office, FRI * DAY + 10 * 60, 50);
    check_rate(office, SAT * DAY + 10 * 60, 90);

    static const char night[] = "sat@22:00-06:00=50,else=90";
    check_rate(night, SAT * DAY, 90);
    check_rate(night, SAT * DAY + 22 * 60, 50);
    check_rate(night, SUN * DAY + 5 * 60, 50);
    check_rate(night, SUN * DAY + 22 * 60, 90);

    static const char around[] =
        "FRI-MON@12:00-13:00=50,else=90"; /* the range goes round the week */
    static const uint64_t rates[] = {50, 50, 90, 90, 90, 50, 50};
    for (int day = SUN; day <= SAT; day++)
        check_rate(around, day * DAY + 12 * 60, rates[day]);
}

/* --- time --- */

static void nothing_is_saved_at_the_start(void **state)
{
    (void)state;
    struct pc_limit *l = make("1000");
    assert_int_equal(take(l, 10), 10 * MS);
    assert_int_equal(take(l, 250), 250 * MS);
    assert_int_equal(take(l, 0), 0);
    pc_limit_free(l);
}

static void a_tenth_of_a_second_is_saved(void **state)
{
    (void)state;
    struct pc_limit *l = make("1000");
    fake.now += 3600 * SECOND;
    assert_int_equal(take(l, 60), 0);
    assert_int_equal(take(l, 40), 0);
    assert_int_equal(take(l, 40), 40 * MS);
    fake.now += 30 * MS;
    assert_int_equal(take(l, 40), 10 * MS);
    fake.now += 3600 * SECOND;
    assert_int_equal(take(l, 5000), 4900 * MS); /* the large one saves no more while it waits */
    assert_int_equal(take(l, 40), 40 * MS);
    pc_limit_free(l);
}

static void who_is_woken_late_loses_nothing(void **state)
{
    (void)state;
    struct pc_limit *l = make("1000");
    const int64_t before = fake.now;
    fake.late = 90 * MS;
    for (int i = 0; i < 1000; i++)
        take(l, 7);
    assert_in_range(fake.now - before, 7000 * MS, 7000 * MS + fake.late);
    pc_limit_free(l);
}

static void amounts_may_be_many_seconds_worth(void **state)
{
    (void)state;
    struct pc_limit *l = make("1K");
    assert_int_equal(take(l, 256 * 1024), 256 * SECOND);
    assert_int_equal(take(l, 256 * 1024), 256 * SECOND);
    pc_limit_free(l);
}

static int64_t halted_at;

static void halt_after_a_minute(void)
{
    if (!halt && fake.now >= halted_at) {
        halted_at = fake.now;
        halt = true;
    }
}

static void huge_amounts_overflow_nothing(void **state)
{
    (void)state;
    static const char *const specs[] = {"0.001", "1", "1G"};
    fake.at_wait = halt_after_a_minute;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        struct pc_limit *l = make(specs[i]);
        for (int turn = 0; turn < 2; turn++) {
            halt = false;
            halted_at = fake.now + 60 * SECOND;
            assert_int_equal(pc_limit_take(l, UINT64_MAX, &halt), -ECANCELED);
            assert_in_range(fake.now - halted_at, 0, 100 * MS);
        }
        pc_limit_free(l);
    }
    fake.at_wait = NULL;
    struct pc_limit *l = make("17179869184G"); /* UINT64_MAX + 1 */
    for (int turn = 0; turn < 3; turn++)
        assert_int_equal(take(l, UINT64_MAX), SECOND);
    pc_limit_free(l);
}

static void what_was_stopped_has_taken_nothing(void **state)
{
    (void)state;
    struct pc_limit *l = make("1000");
    fake.now += SECOND;
    halt = true;
    assert_int_equal(pc_limit_take(l, 10, &halt), -ECANCELED);
    assert_int_equal(take(l, 100), 0);
    pc_limit_free(l);
}

static void a_span_that_begins_holds_for_who_waits(void **state)
{
    (void)state;
    struct pc_limit *l;
    fake.now = 58 * SECOND; /* of the minute before */
    fake.minute = 17 * 60 + 59;
    l = make("08:00-18:00=100,else=1000");
    assert_int_equal(take(l, 1000), 2 * SECOND + 800 * MS);
    pc_limit_free(l);
}

/* --- FILE --- */

static void change_to_500(void)
{
    put_limit("file", "500\n");
    fake.at_wait = NULL;
}

static void a_file_is_looked_at_while_someone_waits(void **state)
{
    (void)state;
    put_limit("file", " 100\t\r\nwhatever\n");
    struct pc_limit *l = make("@file");
    fake.at_wait = change_to_500;
    assert_int_equal(take(l, 600), 2 * SECOND); /* 100 in the first second, 500 in the next */
    put_limit("file", "0");                     /* another size, and no end of line */
    fake.now += SECOND;
    assert_int_equal(take(l, UINT64_MAX), 0);
    put_limit("file", "00:00-12:00=10,else=5\n");
    fake.now += SECOND;
    take(l, 1);
    assert_int_equal(take(l, 10), SECOND);
    fake.minute = 12 * 60;
    fake.now += SECOND;
    take(l, 1);
    assert_int_equal(take(l, 10), 2 * SECOND);
    assert_false(pc_limit_note(l, problem, sizeof problem));
    pc_limit_free(l);
}

static void a_file_is_looked_at_once_a_second(void **state)
{
    (void)state;
    put_limit("file", "1000");
    struct pc_limit *l = make("@file");
    put_limit("file", "10");
    fake.now += SECOND - 1;
    assert_int_equal(take(l, 100), 0); /* as saved at the rate before */
    fake.now += 1;
    assert_int_equal(take(l, 0), 0);
    assert_in_range(take(l, 1), 99 * MS, 100 * MS); /* that nanosecond has brought something */
    pc_limit_free(l);
}

static void a_file_in_the_place_of_another_is_seen(void **state)
{
    (void)state;
    put("file", "100");
    put("new", "200");
    set_mtime("file", 1000000000, 0);
    set_mtime("new", 1000000000, 0);
    struct pc_limit *l = make("@file");
    assert_int_equal(take(l, 100), SECOND);
    MUST(rename("new", "file") == 0);
    fake.now += SECOND;
    take(l, 20);
    assert_int_equal(take(l, 200), SECOND);
    pc_limit_free(l);
}

/* A second later somebody takes, at a rate that has to be 1000. */
static void look(struct pc_limit *l)
{
    fake.now += SECOND;
    assert_int_equal(take(l, 100), 0);
    assert_int_equal(take(l, 100), 100 * MS);
}

static void the_last_good_rate_stays_and_a_note_comes_once(void **state)
{
    (void)state;
    static char note[512];
    put_limit("file", "1000");
    struct pc_limit *l = make("@file");
    put_limit("file", ""); /* a shell that is about to write */
    look(l);
    assert_false(pc_limit_note(l, note, sizeof note));
    put_limit("file", "1000 ");
    look(l);
    assert_false(pc_limit_note(l, note, sizeof note));

    put_limit("file", "1000X");
    look(l);
    assert_false(pc_limit_note(l, note, sizeof note));
    look(l);
    assert_true(pc_limit_note(l, note, sizeof note));
    assert_string_equal(note, "the limit stays what it was: the first line of 'file': '1000X' is "
                              "no rate: write a number, with K, M or G behind it if that is "
                              "meant, as 50M; 0 is no limit");
    look(l);
    look(l);
    assert_false(pc_limit_note(l, note, sizeof note));

    MUST(unlink("file") == 0); /* another problem is another note */
    look(l);
    look(l);
    put_limit("file", "1000"); /* good again: it is told all the same */
    look(l);
    assert_true(pc_limit_note(l, note, sizeof note));
    assert_string_equal(note, "the limit stays what it was: cannot read the limit from 'file': No "
                              "such file or directory");
    assert_false(pc_limit_note(l, note, sizeof note));

    MUST(unlink("file") == 0); /* the same one again, after it was gone */
    look(l);
    look(l);
    assert_true(pc_limit_note(l, note, sizeof note));
    pc_limit_free(l);
}

static void a_wrong_file_is_refused_at_the_start(void **state)
{
    (void)state;
    check_refused("@", -ENOENT, "cannot read the limit from '': No such file or directory");
    check_refused("@file", -ENOENT, "cannot read the limit from 'file': No such file or directory");
    put_dir("dir");
    check_refused("@dir", -EINVAL, "'dir' is no regular file: write the limit into one");
    MUST(mkfifo("fifo", 0600) == 0);
    check_refused("@fifo", -EINVAL, "'fifo' is no regular file: write the limit into one");
    put("file", "\n50M\n");
    check_refused("@file", -EINVAL,
                  "the first line of 'file': '' is no rate: write a number, with K, M or G behind "
                  "it if that is meant, as 50M; 0 is no limit");
    put("file", "@file\n");
    check_refused("@file", -EINVAL,
                  "the first line of 'file': '@file' is no rate: write a number, with K, M or G "
                  "behind it if that is meant, as 50M; 0 is no limit");
    put_noise("file", 5000, 1);
    assert_int_equal(pc_limit_new(&(struct pc_limit *){NULL}, "@file", problem, sizeof problem),
                     -EINVAL);
    char spaces[5000];
    memset(spaces, ' ', sizeof spaces);
    put_bytes("file", spaces, sizeof spaces, 0644);
    check_refused("@file", -EINVAL, "the first line of 'file' is too long: is it the right file?");
    if (geteuid() == 0) {
        put_bytes("file", "1", 1, 0600);
        become_nobody();
        check_refused("@file", -EACCES, "cannot read the limit from 'file': Permission denied");
    }
}

static void a_file_may_say_no_limit_for_now(void **state)
{
    (void)state;
    put_limit("file", "0");
    struct pc_limit *l = make("@file");
    assert_non_null(l);
    assert_int_equal(take(l, UINT64_MAX), 0);
    put_limit("file", "10");
    fake.now += SECOND;
    assert_int_equal(take(l, 10), SECOND); /* there is nothing to save up without a limit */
    pc_limit_free(l);
}

/* --- threads --- */

struct taker {
    struct pc_limit *limit;
    uint64_t amount;
    const atomic_bool *stop;
    size_t number;
    int result;
    pthread_t id;
};

static void *run_taker(void *argument)
{
    struct taker *t = argument;
    t->result = pc_limit_take(t->limit, t->amount, t->stop);
    pthread_mutex_lock(&fake.lock);
    fake.order[fake.done++] = t->number;
    pthread_cond_broadcast(&fake.changed);
    pthread_mutex_unlock(&fake.lock);
    return NULL;
}

/* Lines up, one behind the other, and time stands still. */
static void line_up(struct taker *takers, size_t count, struct pc_limit *l)
{
    fake.threads = true;
    for (size_t i = 0; i < count; i++) {
        takers[i].limit = l;
        takers[i].number = i;
        if (!takers[i].stop)
            takers[i].stop = &go_on;
        MUST(pthread_create(&takers[i].id, NULL, run_taker, &takers[i]) == 0);
        settle(0, i + 1);
    }
}

static void join(struct taker *takers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pthread_join(takers[i].id, NULL);
    fake.threads = false;
}

static void first_come_first_served_whatever_the_amounts(void **state)
{
    (void)state;
    struct taker takers[] = {{.amount = 100}, {.amount = 5000}, {.amount = 1}, {.amount = 300}};
    struct pc_limit *l = make("1000");
    line_up(takers, 4, l);
    pass(100 * MS - 1);
    settle(0, 4);
    pass(1);
    settle(1, 3);
    for (int i = 1; i < 100; i++) { /* the large one keeps the small ones waiting */
        pass(50 * MS);
        settle(1, 3);
    }
    pass(50 * MS);
    settle(2, 2);
    pass(1 * MS);
    settle(3, 1);
    pass(300 * MS - 1);
    settle(3, 1);
    pass(1);
    settle(4, 0);
    join(takers, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(takers[i].result, 0);
        assert_int_equal(fake.order[i], i);
    }
    pc_limit_free(l);
}

static void all_that_is_due_is_served_at_once(void **state)
{
    (void)state;
    struct taker takers[] = {{.amount = 10}, {.amount = 10}, {.amount = 10}, {.amount = 100}};
    struct pc_limit *l = make("1000");
    line_up(takers, 4, l);
    pass(30 * MS);
    settle(3, 1);
    pass(100 * MS);
    settle(4, 0);
    join(takers, 4);
    pc_limit_free(l);
}

static void a_change_sets_free_all_who_wait(void **state)
{
    (void)state;
    struct taker takers[] = {{.amount = 1000}, {.amount = 1000}, {.amount = 1000}};
    put_limit("file", "1");
    struct pc_limit *l = make("@file");
    line_up(takers, 3, l);
    put_limit("file", "0");
    pass(SECOND - 1);
    settle(0, 3);
    pass(1);
    settle(3, 0);
    join(takers, 3);
    pc_limit_free(l);
}

static void who_is_stopped_leaves_the_line(void **state)
{
    (void)state;
    atomic_bool stops[4] = {false, false, false, false};
    struct taker takers[] = {{.amount = 1000, .stop = &stops[0]},
                             {.amount = 1000, .stop = &stops[1]},
                             {.amount = 1000, .stop = &stops[2]},
                             {.amount = 1000, .stop = &stops[3]}};
    struct pc_limit *l = make("1000");
    line_up(takers, 4, l);
    stops[2] = true; /* in the midst */
    pass(50 * MS);
    settle(1, 3);
    stops[0] = true; /* the first one, whose 100 are for the next */
    pass(50 * MS);
    settle(2, 2);
    stops[3] = true; /* the last one */
    pass(50 * MS);
    settle(3, 1);
    pass(850 * MS);
    settle(4, 0);
    join(takers, 4);
    const size_t order[] = {2, 0, 3, 1};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(fake.order[i], order[i]);
        assert_int_equal(takers[i].result, i == 1 ? 0 : -ECANCELED);
    }
    assert_int_equal(take(l, 100), 100 * MS); /* the line is in order */
    pc_limit_free(l);
}

static void a_stop_of_all_stops_all(void **state)
{
    (void)state;
    struct taker takers[16];
    struct pc_limit *l = make("1");
    for (size_t i = 0; i < 16; i++)
        takers[i] = (struct taker){.amount = 1000, .stop = &halt};
    line_up(takers, 16, l);
    halt = true;
    pass(50 * MS);
    settle(16, 0);
    join(takers, 16);
    for (size_t i = 0; i < 16; i++)
        assert_int_equal(takers[i].result, -ECANCELED);
    pc_limit_free(l);
}

/* --- the real clock --- */

#define RATE   (UINT64_C(4) << 20)
#define AMOUNT (UINT64_C(16) << 10)

static void *take_until_stopped(void *argument)
{
    static _Thread_local uint64_t taken;
    taken = 0;
    while (pc_limit_take(argument, AMOUNT, &halt) == 0)
        taken += AMOUNT;
    return (void *)(uintptr_t)taken;
}

static int64_t real_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void threads_never_get_more_than_the_rate(void **state)
{
    (void)state;
    pthread_t ids[16];
    uint64_t taken = 0;
    pc_limit_set_clock(NULL);
    const int64_t before = real_now();
    struct pc_limit *l = make("4M");
    for (size_t i = 0; i < 16; i++)
        MUST(pthread_create(&ids[i], NULL, take_until_stopped, l) == 0);
    nanosleep(&(struct timespec){.tv_nsec = 500 * MS}, NULL);
    halt = true;
    for (size_t i = 0; i < 16; i++) {
        void *result;
        pthread_join(ids[i], &result);
        taken += (uintptr_t)result;
    }
    const double seconds = (double)(real_now() - before) / SECOND;
    assert_true((double)taken <= RATE * (seconds + 0.1));
    assert_true(taken > 0);
    pc_limit_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(rates_have_suffixes_and_fractions),
        LIMIT_TEST(less_than_one_a_second_is_a_rate),
        LIMIT_TEST(no_limit_is_null),
        LIMIT_TEST(what_is_no_rate_is_refused),
        LIMIT_TEST(what_is_no_schedule_is_refused),
        LIMIT_TEST(spans_hold_from_their_first_minute_to_before_their_last),
        LIMIT_TEST(spans_cross_midnight),
        LIMIT_TEST(spans_belong_to_the_day_they_begin_on),
        LIMIT_TEST(nothing_is_saved_at_the_start),
        LIMIT_TEST(a_tenth_of_a_second_is_saved),
        LIMIT_TEST(who_is_woken_late_loses_nothing),
        LIMIT_TEST(amounts_may_be_many_seconds_worth),
        LIMIT_TEST(huge_amounts_overflow_nothing),
        LIMIT_TEST(what_was_stopped_has_taken_nothing),
        LIMIT_TEST(a_span_that_begins_holds_for_who_waits),
        LIMIT_TEST(a_file_is_looked_at_while_someone_waits),
        LIMIT_TEST(a_file_is_looked_at_once_a_second),
        LIMIT_TEST(a_file_in_the_place_of_another_is_seen),
        LIMIT_TEST(the_last_good_rate_stays_and_a_note_comes_once),
        LIMIT_TEST(a_wrong_file_is_refused_at_the_start),
        LIMIT_TEST(a_file_may_say_no_limit_for_now),
        LIMIT_TEST(first_come_first_served_whatever_the_amounts),
        LIMIT_TEST(all_that_is_due_is_served_at_once),
        LIMIT_TEST(a_change_sets_free_all_who_wait),
        LIMIT_TEST(who_is_stopped_leaves_the_line),
        LIMIT_TEST(a_stop_of_all_stops_all),
        LIMIT_TEST(threads_never_get_more_than_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
