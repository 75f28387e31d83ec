/* A worker process does what a server asks of it: jobs, cancels, pings, draining. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/codec/codec.h"
#include "tests/process/support/worker_fixture.h"

/* A valid JSON text whose decoding takes a while: `[1,1,...]` of about `bytes`. */
static char *long_text(size_t bytes)
{
    char *text = mem_alloc(bytes + 4);

    for (size_t i = 0; i < bytes; i += 2)
        memcpy(text + i, i ? ",1" : "[1", 2);
    strcpy(text + (bytes & ~(size_t)1), "]");
    return text;
}

static void test_worker_says_who_it_is(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_hello hello;

    worker_fixture_seat(fixture, "0");
    hello = fake_front_last_hello(fixture->server);
    assert_int_equal(hello.pid, fixture->pid);
    assert_int_equal(hello.credits, 2);
    assert_int_equal(hello.capabilities, WIRE_CAN_ARENA | WIRE_CAN_PROMPT |
                                             WIRE_CAN_POOL | WIRE_CAN_FASTPATH |
                                             WIRE_CAN_TRANSFORM);
    assert_int_equal(hello.crash_count, 0);
    assert_int_equal(hello.auth.len, 0);
}

/* Prompted, it says hello at once: the ALIVEs that come meanwhile, one a second, are
   fewer than the hellos. */
static void test_prompt_is_answered_by_a_hello(void **state)
{
    struct worker_fixture *fixture = *state;
    const unsigned prompts = 30;
    const struct wire_message *message;
    struct buf prompt = BUF_INIT, ping = BUF_INIT;
    unsigned seconds = 0;

    worker_fixture_seat(fixture, "0");
    wire_put_prompt(&prompt);
    for (unsigned i = 0; i < prompts; i++) {
        unsigned before = fake_front_count_hellos(fixture->server);

        fake_front_send(fixture->server, 0, buf_slice(&prompt));
        fake_front_wait_hellos_beyond(fixture->server, before);
    }
    wire_put_ping(&ping, 77);
    fake_front_send(fixture->server, 0, buf_slice(&ping));
    do {
        message = fake_front_recv_any(fixture->server, 0);
        assert_int_equal(message->type, WIRE_ALIVE);
        seconds += message->alive.token == 0;
    } while (message->alive.token != 77);
    assert_true(seconds < prompts / 2);
    buf_free(&prompt);
    buf_free(&ping);
}

static void test_batch_is_answered_in_one_message(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job jobs[WIRE_MAX_BATCH];
    const struct wire_results *results;

    worker_fixture_seat(fixture, "0");
    for (unsigned i = 0; i < WIRE_MAX_BATCH; i++)
        jobs[i] = fake_front_job(100 + i, CODEC_OP_DECODE, i % 2 ? "{\"a\":1}" : "[nul]");
    fake_front_send_jobs(fixture->server, 0, jobs, WIRE_MAX_BATCH);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->count, WIRE_MAX_BATCH);
    for (unsigned i = 0; i < WIRE_MAX_BATCH; i++) {
        const struct wire_result *result = &results->results[i];

        assert_int_equal(result->id, 100 + i);
        assert_int_equal(result->verdict, WIRE_DONE);
        assert_int_equal(result->status, i % 2 ? CODEC_OK : CODEC_SYNTAX);
        assert_int_equal(result->fault_offset, i % 2 ? 0 : 4);
        assert_int_equal(result->payload.bytes.len, i % 2 ? 4 : 0);
        if (i % 2)
            assert_memory_equal(result->payload.bytes.data, "\x81\xa1\x61\x01", 4);
    }
}

static void test_every_operation_runs(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job jobs[] = {fake_front_job(1, CODEC_OP_ENCODE, "\x91\x01"),
                              fake_front_job(2, CODEC_OP_SEQUENCE, "\x01\x02"),
                              fake_front_job(3, CODEC_OP_VALIDATE, "\xc3"),
                              fake_front_job(4, CODEC_OP_ENCODE, "\x91\x01"),
                              fake_front_job(5, 200, "anything")};
    const char *expected[] = {"[1]", "1\n2", "\xc3", "[\n  1\n]", ""};
    const struct wire_results *results;

    worker_fixture_seat(fixture, "0");
    jobs[1].separator = '\n';
    jobs[3].flags = WIRE_JOB_PRETTY;
    fake_front_send_jobs(fixture->server, 0, jobs, 5);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->count, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(results->results[i].status,
                         i < 4 ? CODEC_OK : CODEC_UNSUPPORTED);
        assert_int_equal(results->results[i].payload.bytes.len, strlen(expected[i]));
        assert_memory_equal(results->results[i].payload.bytes.data, expected[i],
                            strlen(expected[i]));
    }
}

/* Several light ones: what is interrupted meanwhile takes as long as a heavy one. */
static void test_light_results_do_not_wait_for_a_heavy_job(void **state)
{
    enum { LIGHT = 8 };
    struct worker_fixture *fixture = *state;
    char *text = long_text(4 << 20);
    struct wire_job jobs[LIGHT + 2];
    const struct wire_results *results;

    worker_fixture_seat(fixture, "0");
    for (unsigned i = 0; i < LIGHT + 2; i++)
        jobs[i] = fake_front_job(i + 1, CODEC_OP_DECODE, i == LIGHT ? text : "1");
    jobs[LIGHT].max_output = 64 << 20;
    fake_front_send_jobs(fixture->server, 0, jobs, LIGHT + 2);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->count, LIGHT);
    assert_int_equal(results->results[LIGHT - 1].id, LIGHT);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->results[0].id, LIGHT + 1);
    assert_int_equal(results->results[0].status, CODEC_OK);
    assert_int_equal(results->results[0].payload.bytes.len, (2 << 20) + 5);
    mem_free(text);
}

static void test_output_limit_is_the_jobs(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job job = fake_front_job(1, CODEC_OP_DECODE, "\"0123456789\"");
    const struct wire_result *result;

    worker_fixture_seat(fixture, "0");
    job.max_output = 5;
    fake_front_send_jobs(fixture->server, 0, &job, 1);
    result = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results.results[0];
    assert_int_equal(result->status, CODEC_TOO_LARGE);
    assert_int_equal(result->payload.bytes.len, 0);
}

/* Behind a long job: what is cancelled or late is answered so, and a ping gets through.
 */
static void test_waiting_jobs_are_cancelled_and_expire(void **state)
{
    struct worker_fixture *fixture = *state;
    char *text = long_text(48 << 20);
    struct wire_job slow = fake_front_job(1, CODEC_OP_DECODE, text);
    struct wire_job jobs[] = {fake_front_job(2, CODEC_OP_DECODE, "2"),
                              fake_front_job(3, CODEC_OP_DECODE, "3"),
                              fake_front_job(4, CODEC_OP_DECODE, "4")};
    const uint64_t cancelled[] = {3, 999};
    const struct wire_results *results;
    struct buf out = BUF_INIT;

    worker_fixture_seat(fixture, "0");
    slow.max_output = WIRE_MAX_PAYLOAD_BYTES;
    jobs[0].deadline_ms = 1;
    jobs[2].deadline_ms = FAKE_FRONT_PATIENCE_MS;
    fake_front_send_jobs(fixture->server, 0, &slow, 1);
    fake_front_await_running(fixture->server, 0, 1);
    fake_front_send_jobs(fixture->server, 0, jobs, 3);
    wire_put_cancel(&out, cancelled, 2);
    fake_front_send(fixture->server, 0, buf_slice(&out));
    out.len = 0;
    wire_put_ping(&out, 77);
    fake_front_send(fixture->server, 0, buf_slice(&out));
    assert_int_equal(fake_front_expect(fixture->server, 0, WIRE_ALIVE)->alive.token, 77);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->results[0].id, 1);
    results = &fake_front_expect(fixture->server, 0, WIRE_RESULTS)->results;
    assert_int_equal(results->count, 3);
    assert_int_equal(results->results[0].verdict, WIRE_EXPIRED);
    assert_int_equal(results->results[1].verdict, WIRE_CANCELLED);
    assert_int_equal(results->results[2].verdict, WIRE_DONE);
    buf_free(&out);
    mem_free(text);
}

static void test_worker_is_alive_every_second(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    for (unsigned i = 0; i < 2; i++) {
        const struct wire_message *message = fake_front_recv_any(fixture->server, 0);

        assert_int_equal(message->type, WIRE_ALIVE);
        assert_int_equal(message->alive.token, 0);
        assert_int_equal(message->alive.running_id, 0);
    }
}

static void test_two_fronts_are_served(void **state)
{
    struct worker_fixture *fixture = *state;

    fake_front_open_seat(fixture->server, 1, 2002);
    worker_fixture_seat(fixture, "0");
    fake_front_expect_hello(fixture->server, 1);
    worker_fixture_check_job(fixture, 1);
    worker_fixture_check_job(fixture, 0);
}

static void test_master_is_told_once_each(void **state)
{
    struct worker_fixture *fixture = *state;
    char note = 0;

    fake_front_open_seat(fixture->server, 0, 1);
    fake_front_open_gate(fixture->server);
    worker_fixture_start(fixture, "0", "10000", 1);
    assert_int_equal(recv(fixture->control, &note, 1, 0), 1);
    assert_int_equal(note, 'R');
    fake_front_expect_hello(fixture->server, 0);
    worker_fixture_check_job(fixture, 0);
    worker_fixture_check_job(fixture, 0);
    assert_int_equal(recv(fixture->control, &note, 1, 0), 1);
    assert_int_equal(note, 'D');
    close(fixture->control);
    fixture->control = -1;
    assert_int_equal(fake_front_expect(fixture->server, 0, WIRE_BYE)->bye,
                     WIRE_BYE_DRAIN);
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
}

static void test_draining_finishes_what_is_in_flight(void **state)
{
    struct worker_fixture *fixture = *state;
    char *text = long_text(16 << 20);
    struct wire_job jobs[] = {fake_front_job(1, CODEC_OP_DECODE, text),
                              fake_front_job(2, CODEC_OP_DECODE, text)};
    unsigned answered = 0;
    bool has_said_bye = false;

    worker_fixture_seat(fixture, "0");
    jobs[0].max_output = jobs[1].max_output = 64 << 20;
    fake_front_send_jobs(fixture->server, 0, jobs, 2);
    fake_front_await_running(fixture->server, 0, 1);
    kill(fixture->pid, SIGTERM);
    while (answered < 2 || !has_said_bye) {
        const struct wire_message *message = fake_front_recv(fixture->server, 0);

        has_said_bye = has_said_bye || message->type == WIRE_BYE;
        for (unsigned i = 0; message->type == WIRE_RESULTS && i < message->results.count;
             i++)
            assert_int_equal(message->results.results[i].id, ++answered);
    }
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
    mem_free(text);
}

/* A batch that crossed the goodbye on its way is still answered. */
static void test_jobs_after_goodbye_are_answered(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    kill(fixture->pid, SIGTERM);
    fake_front_expect(fixture->server, 0, WIRE_BYE);
    worker_fixture_check_job(fixture, 0);
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
}

static void test_draining_ends_where_fronts_do_not_hang_up(void **state)
{
    struct worker_fixture *fixture = *state;

    worker_fixture_seat(fixture, "0");
    kill(fixture->pid, SIGTERM);
    fake_front_expect(fixture->server, 0, WIRE_BYE);
    assert_int_equal(worker_fixture_wait(fixture), 0);
    fake_front_wait_gone(fixture->server, 0);
}

static void test_worker_retires_after_max_jobs(void **state)
{
    struct worker_fixture *fixture = *state;
    struct wire_job last = fake_front_job(2, CODEC_OP_DECODE, "2");
    unsigned seen = 0;

    worker_fixture_seat(fixture, "2");
    worker_fixture_check_job(fixture, 0);
    fake_front_send_jobs(fixture->server, 0, &last, 1);
    /* the goodbye may overtake the result */
    while (seen != (1U << WIRE_BYE_RETIRE | 1)) {
        const struct wire_message *message = fake_front_recv(fixture->server, 0);

        seen |= message->type == WIRE_BYE ? 1U << message->bye : 1;
    }
    fake_front_hang_up(fixture->server, 0);
    assert_int_equal(worker_fixture_wait(fixture), 0);
}

static void test_drain_timeout_is_kept(void **state)
{
    struct worker_fixture *fixture = *state;
    char *text = long_text(200 << 20);
    struct wire_job job = fake_front_job(1, CODEC_OP_DECODE, text);

    fake_front_open_seat(fixture->server, 0, 1001);
    fake_front_open_gate(fixture->server);
    worker_fixture_start(fixture, "0", "0", 0);
    fake_front_expect_hello(fixture->server, 0);
    job.max_output = WIRE_MAX_PAYLOAD_BYTES;
    fake_front_send_jobs(fixture->server, 0, &job, 1);
    fake_front_await_running(fixture->server, 0, 1);
    kill(fixture->pid, SIGTERM);
    assert_int_equal(worker_fixture_wait(fixture), 0);
    mem_free(text);
}

#define WORKER_TEST(f) \
    cmocka_unit_test_setup_teardown(f, worker_fixture_setup, worker_fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORKER_TEST(test_worker_says_who_it_is),
        WORKER_TEST(test_prompt_is_answered_by_a_hello),
        WORKER_TEST(test_batch_is_answered_in_one_message),
        WORKER_TEST(test_every_operation_runs),
        WORKER_TEST(test_light_results_do_not_wait_for_a_heavy_job),
        WORKER_TEST(test_output_limit_is_the_jobs),
        WORKER_TEST(test_waiting_jobs_are_cancelled_and_expire),
        WORKER_TEST(test_worker_is_alive_every_second),
        WORKER_TEST(test_two_fronts_are_served),
        WORKER_TEST(test_master_is_told_once_each),
        WORKER_TEST(test_draining_finishes_what_is_in_flight),
        WORKER_TEST(test_jobs_after_goodbye_are_answered),
        WORKER_TEST(test_draining_ends_where_fronts_do_not_hang_up),
        WORKER_TEST(test_worker_retires_after_max_jobs),
        WORKER_TEST(test_drain_timeout_is_kept),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
