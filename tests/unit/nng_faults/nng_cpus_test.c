/* The number of processors that libraries see: their sysconf() is this program's. */
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/nng_faults/nng_cpus.h"

static long online(void)
{
    return sysconf(_SC_NPROCESSORS_ONLN);
}

static void test_tells_the_truth_unless_limited(void **state)
{
    long all = online();

    (void)state;
    assert_true(all >= 1);
    nng_cpus_limit(1);
    assert_int_equal(online(), 1);
    nng_cpus_limit(all + 1);
    assert_int_equal(online(), all);
    nng_cpus_limit(1);
    nng_cpus_limit(0);
    assert_int_equal(online(), all);
}

static void test_limits_nothing_else(void **state)
{
    long all = sysconf(_SC_NPROCESSORS_CONF);

    (void)state;
    nng_cpus_limit(1);
    assert_int_equal(sysconf(_SC_PAGESIZE), getpagesize());
    assert_int_equal(sysconf(_SC_NPROCESSORS_CONF), all);
    assert_int_equal(sysconf(-12345), -1);
    nng_cpus_limit(0);
}

static void test_can_be_switched_off(void **state)
{
    long all = online();

    (void)state;
    setenv("OFFLOOP_NNG_CPUS", "all", 1);
    nng_cpus_limit(1);
    assert_int_equal(online(), all);
    setenv("OFFLOOP_NNG_CPUS", "few", 1);
    nng_cpus_limit(1);
    assert_int_equal(online(), 1);
    nng_cpus_limit(0);
    unsetenv("OFFLOOP_NNG_CPUS");
}

/* The dynamic linker looks in the program first. */
static void test_is_what_libraries_find(void **state)
{
    void *symbol = dlsym(RTLD_DEFAULT, "sysconf");
    long (*found)(int);

    (void)state;
    assert_non_null(symbol);
    memcpy(&found, &symbol, sizeof found);
    nng_cpus_limit(1);
    assert_int_equal(found(_SC_NPROCESSORS_ONLN), 1);
    nng_cpus_limit(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tells_the_truth_unless_limited),
        cmocka_unit_test(test_limits_nothing_else),
        cmocka_unit_test(test_can_be_switched_off),
        cmocka_unit_test(test_is_what_libraries_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
