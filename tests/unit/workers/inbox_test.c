/* The inbox under many threads: nothing lost, order kept, few wake-ups. */
#include <ev.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/workers/link/inbox.h"

#define THREADS 4
#define EVENTS  5000

static struct inbox *inbox;
static unsigned taken, wakes;
static int last[THREADS]; /* what came last from each thread */

static void *push_many(void *arg)
{
    uint64_t thread = (uint64_t)(uintptr_t)arg;

    for (int i = 1; i <= EVENTS; i++)
        inbox_push(inbox, INBOX_JOINED, thread, i, NULL);
    return NULL;
}

static void take_all(void *ctx)
{
    struct inbox_event *event;

    wakes++;
    while ((event = inbox_shift(inbox)) != NULL) {
        assert_int_equal(event->pipe, last[event->seat] + 1);
        last[event->seat] = event->pipe;
        taken++;
        inbox_event_destroy(&event);
    }
    if (taken == THREADS * EVENTS)
        ev_break(ctx, EVBREAK_ALL);
}

static void nothing_is_lost(void **state)
{
    struct ev_loop *loop = ev_default_loop(0);
    pthread_t threads[THREADS];

    (void)state;
    inbox = inbox_create(loop, take_all, loop);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, (void *)i), 0);
    ev_run(loop, 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(taken, THREADS * EVENTS);
    assert_true(wakes <= taken);
    inbox_destroy(&inbox, false);
    assert_null(inbox);
}

static void never(void *ctx)
{
    (void)ctx;
    fail();
}

static void what_is_left_is_freed(void **state)
{
    nng_msg *message;

    (void)state;
    inbox = inbox_create(ev_default_loop(0), never, NULL);
    assert_int_equal(nng_msg_alloc(&message, 10), 0);
    inbox_push(inbox, INBOX_MESSAGE, 1, 1, message);
    inbox_destroy(&inbox, false);
    inbox_destroy(&inbox, false); /* NULL inside is allowed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(what_is_left_is_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
