/*
 * In each run one call fails: the first, the second, and so on until a run needs fewer. faults.h
 * says what must hold then.
 */
#include "faults.h"

#include "scratch.h"

/* Sanitizers make every call slow: under them only some calls fail. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STRIDE 3
#else
#define STRIDE 1
#endif

static unsigned total; /* faults that fired */

static void each_call_fails(void **state)
{
    const struct variant *v = &variants[(uintptr_t)*state];
    faults_begin(v);
    for (size_t i = 0; i < fault_count; i++) {
        int n = 0;
        for (; faults_try(&faults[i], n); n += faults[i].step * v->step * STRIDE) {
            total++;
            assert_in_range(n, 0, 5000);
        }
        /* Where all is equal nothing is read. */
        assert_true(n > 0 || faults[i].err > 0);
    }
    assert_int_equal(faults_end(), 0);
}

int main(void)
{
    prefer_memory();
    struct CMUnitTest tests[64] = {{0}}; /* cmocka leaves out those without a name */
    MUST(variant_count <= sizeof tests / sizeof tests[0]);
    for (size_t i = 0; i < variant_count; i++) {
        tests[i] = (struct CMUnitTest)SCRATCH_TEST(each_call_fails);
        tests[i].name = variants[i].name;
        tests[i].initial_state = (void *)(uintptr_t)i;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    printf("%u faults\n", total);
    return failed;
}
