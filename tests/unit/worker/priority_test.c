/* A worker's priority. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "worker/priority.h"

static void is_lowered_and_never_raised(void **state)
{
    int before = getpriority(PRIO_PROCESS, 0);

    (void)state;
    priority_lower();
    assert_int_equal(getpriority(PRIO_PROCESS, 0),
                     before > PRIORITY_NICE ? before : PRIORITY_NICE);
    assert_int_equal(setpriority(PRIO_PROCESS, 0, PRIORITY_NICE + 5), 0);
    priority_lower();
    assert_int_equal(getpriority(PRIO_PROCESS, 0), PRIORITY_NICE + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_lowered_and_never_raised)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
