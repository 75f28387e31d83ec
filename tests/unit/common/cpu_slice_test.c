/* A thread's share of time: it can be set and is inherited; nothing else of the thread
 * changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/loop/cpu_slice.h"

#define SHORT_NS 500000
#define OFFER_NS 150000

/* The value of sched_getattr(2); kernels before 6.12 return 0 for normal threads. */
static uint64_t slice_ns(void)
{
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime, deadline, period;
    } got = {0};

    assert_int_equal(syscall(SYS_sched_getattr, 0, &got, sizeof got, 0), 0);
    return got.runtime;
}

static void *in_thread(void *arg)
{
    uint64_t *found = arg;

    found[0] = slice_ns();
    cpu_slice_suit_offers();
    found[1] = slice_ns();
    return NULL;
}

static void is_set_and_inherited(void **state)
{
    uint64_t before = slice_ns(), shortened, found[2];
    pthread_t thread;

    (void)state;
    cpu_slice_shorten();
    shortened = slice_ns();
    assert_true(shortened == SHORT_NS || shortened == before);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, found), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(found[0], shortened);
    assert_true(found[1] == OFFER_NS || found[1] == before);
    assert_int_equal(slice_ns(), shortened); /* each thread has its own */
    cpu_slice_suit_offers();
    assert_true(slice_ns() == OFFER_NS || slice_ns() == before);
}

static void nice_and_policy_stay(void **state)
{
    int nice = getpriority(PRIO_PROCESS, 0) < 5 ? 5 : getpriority(PRIO_PROCESS, 0);
    struct sched_param none = {.sched_priority = 0};

    (void)state;
    assert_int_equal(setpriority(PRIO_PROCESS, 0, nice), 0);
    assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
    cpu_slice_shorten();
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice);
    assert_int_equal(sched_getscheduler(0), SCHED_BATCH);
    cpu_slice_suit_offers();
    assert_int_equal(getpriority(PRIO_PROCESS, 0), nice);
    assert_int_equal(sched_setscheduler(0, SCHED_IDLE, &none), 0);
    cpu_slice_shorten(); /* not a normal policy */
    assert_int_equal(sched_getscheduler(0), SCHED_IDLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(is_set_and_inherited),
                                       cmocka_unit_test(nice_and_policy_stay)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
