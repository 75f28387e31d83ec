/* Closings happen elsewhere, in order, and never hold up the end. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/workers/nng_faults/socket_closer.h"

static unsigned closed[3];
static unsigned closed_count;
static pthread_t closed_by;

static void note_closed(void *object)
{
    closed_by = pthread_self();
    closed[closed_count++] = (unsigned)(uintptr_t)object;
}

static void closes_in_order_on_its_own_thread(void **state)
{
    struct socket_closer *socket_closer = socket_closer_create();

    (void)state;
    for (uintptr_t i = 0; i < 3; i++)
        socket_closer_add(socket_closer, note_closed, (void *)(i + 10));
    assert_true(socket_closer_destroy(&socket_closer, 20000));
    assert_null(socket_closer);
    assert_int_equal(closed_count, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(closed[i], i + 10);
    assert_false(pthread_equal(closed_by, pthread_self()));
}

static void without_work_there_is_no_thread(void **state)
{
    struct socket_closer *socket_closer = socket_closer_create();

    (void)state;
    assert_true(socket_closer_destroy(&socket_closer, 0));
}

/* Reads until the test closes the other end. */
static void hang(void *object)
{
    char byte;

    (void)!read(*(int *)object, &byte, 1);
}

/* It is seen how long one hangs, and that it is over. */
static void a_closing_that_hangs_is_seen(void **state)
{
    static int ends[2];
    struct socket_closer *socket_closer = socket_closer_create();
    uint64_t busy_ns;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(socket_closer_busy_ns(socket_closer), 0);
    socket_closer_add(socket_closer, hang, &ends[0]);
    while ((busy_ns = socket_closer_busy_ns(socket_closer)) == 0)
        usleep(1000);
    while (socket_closer_busy_ns(socket_closer) <= busy_ns) /* the same one still */
        usleep(1000);
    close(ends[1]);
    while (socket_closer_busy_ns(socket_closer) != 0)
        usleep(1000);
    assert_true(socket_closer_destroy(&socket_closer, 20000));
    close(ends[0]);
}

static void a_closing_that_hangs_is_left(void **state)
{
    static struct socket_closer
        *volatile kept; /* what is left to the process is no leak */
    static int ends[2];
    struct socket_closer *socket_closer = socket_closer_create();

    (void)state;
    kept = socket_closer;
    assert_non_null(kept);
    assert_int_equal(pipe(ends), 0);
    socket_closer_add(socket_closer, hang, &ends[0]);
    assert_false(socket_closer_destroy(&socket_closer, 10));
    assert_null(socket_closer);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closes_in_order_on_its_own_thread),
        cmocka_unit_test(without_work_there_is_no_thread),
        cmocka_unit_test(a_closing_that_hangs_is_seen),
        cmocka_unit_test(a_closing_that_hangs_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
