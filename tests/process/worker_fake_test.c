/* The fake worker misbehaves as its modes say: what tests of the server rely on. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "tests/process/support/child.h"
#include "tests/process/support/worker_fixture.h"

/* Starts fake-worker in a mode and sends it a batch of two jobs, ids 1 and 2. */
static struct fake_front *start(struct worker_fixture *fixture, const char *mode,
                                const char *n)
{
    const char *build = getenv("OFFLOOP_BUILD");
    char *argv[] = {str_printf("%s/tests/fake-worker", build ? build : "build"),
                    str_dup(fake_front_url(fixture->server)), str_dup(mode), str_dup(n),
                    NULL};
    struct wire_job jobs[] = {fake_front_job(1, CODEC_OP_DECODE, "1"),
                              fake_front_job(2, CODEC_OP_DECODE, "[")};

    fake_front_open_seat(fixture->server, 0, 3);
    fake_front_open_gate(fixture->server);
    fixture->pid = child_start(argv, -1);
    for (unsigned i = 0; argv[i]; i++)
        mem_free(argv[i]);
    fake_front_expect_hello(fixture->server, 0);
    fake_front_send_jobs(fixture->server, 0, jobs, 2);
    return fixture->server;
}

static const struct wire_results *expect_results(struct fake_front *server,
                                                 uint64_t first_id, unsigned count)
{
    const struct wire_results *results =
        &fake_front_expect(server, 0, WIRE_RESULTS)->results;

    assert_int_equal(results->count, count);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(results->results[i].id, first_id + i);
    return results;
}

static void test_good(void **state)
{
    const struct wire_results *results = expect_results(start(*state, "good", "0"), 1, 2);

    assert_int_equal(results->results[0].status, CODEC_OK);
    assert_int_equal(results->results[1].status, CODEC_TRUNCATED);
}

static void test_twice(void **state)
{
    struct fake_front *server = start(*state, "twice", "0");

    expect_results(server, 1, 2);
    expect_results(server, 1, 2);
}

static void test_wrong_id(void **state)
{
    expect_results(start(*state, "wrong-id", "7"), 8, 2);
}

static void test_expire(void **state)
{
    const struct wire_results *results =
        expect_results(start(*state, "expire", "0"), 1, 2);

    assert_int_equal(results->results[0].verdict, WIRE_EXPIRED);
}

static void test_slow(void **state)
{
    expect_results(start(*state, "slow", "10"), 1, 2);
}

static void test_crash(void **state)
{
    struct fake_front *server = start(*state, "crash", "1");

    assert_int_equal(worker_fixture_wait(*state), -SIGABRT);
    fake_front_wait_gone(server, 0);
}

/* Answers one job, then none; it goes on to say that it lives. */
static void test_hang(void **state)
{
    struct fake_front *server = start(*state, "hang", "1");

    expect_results(server, 1, 1);
    assert_int_equal(fake_front_recv_any(server, 0)->type, WIRE_ALIVE);
}

static void test_bye(void **state)
{
    struct fake_front *server = start(*state, "bye", "2");

    assert_int_equal(fake_front_expect(server, 0, WIRE_BYE)->bye, WIRE_BYE_RETIRE);
    expect_results(server, 1, 2);
    fake_front_hang_up(server, 0);
    assert_int_equal(worker_fixture_wait(*state), 0);
}

#define FAKE_TEST(f) \
    cmocka_unit_test_setup_teardown(f, worker_fixture_setup, worker_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FAKE_TEST(test_good),   FAKE_TEST(test_twice), FAKE_TEST(test_wrong_id),
        FAKE_TEST(test_expire), FAKE_TEST(test_slow),  FAKE_TEST(test_crash),
        FAKE_TEST(test_hang),   FAKE_TEST(test_bye),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
