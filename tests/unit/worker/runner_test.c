/* The runner: order, flushing, cancelling, deadlines, peers that leave. */
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/codec/codec.h"
#include "worker/runner.h"

#define MAX_SEEN 256

/* A sink that notes what it gets; hooks act in the middle of it. */
struct sink {
    struct runner_sink sink;
    struct runner *runner;
    atomic_uint released; /* on whichever thread runs */
    unsigned messages;
    unsigned seen;
    struct wire_result results[MAX_SEEN];
    uint32_t peers[MAX_SEEN];
    char payloads[4096];
    size_t payload_bytes;
    void (*on_results)(struct sink *sink);
};

struct fixture {
    struct sink sink;
    struct sink other;
    unsigned woken;
};

static void take_results(struct runner_sink *base, uint32_t peer,
                         const struct wire_result *results, unsigned count,
                         struct slice payloads)
{
    struct sink *sink = (struct sink *)base;

    sink->messages++;
    for (unsigned i = 0; i < count; i++) {
        assert_true(sink->seen < MAX_SEEN);
        sink->results[sink->seen] = results[i];
        sink->peers[sink->seen++] = peer;
    }
    if (sink->payload_bytes + payloads.len <= sizeof(sink->payloads) && payloads.len)
        memcpy(sink->payloads + sink->payload_bytes, payloads.data, payloads.len);
    sink->payload_bytes += payloads.len;
    if (sink->on_results)
        sink->on_results(sink);
}

static void release(struct runner_sink *base, void *message)
{
    ((struct sink *)base)->released++;
    mem_free(message);
}

static void wake(void *arg)
{
    ((struct fixture *)arg)->woken++;
}

static struct fixture *open_fixture(uint64_t max_jobs)
{
    struct fixture *fixture = mem_zalloc(sizeof(*fixture));
    struct runner_config config = {.engine = "yajl",
                                   .memory_bytes = 64 << 20,
                                   .wake = wake,
                                   .wake_arg = fixture,
                                   .max_jobs = max_jobs};

    fixture->sink.sink = (struct runner_sink){take_results, release};
    fixture->other.sink = fixture->sink.sink;
    fixture->sink.runner = fixture->other.runner = runner_create(&config);
    assert_non_null(fixture->sink.runner);
    return fixture;
}

static int setup(void **state)
{
    *state = open_fixture(0);
    return 0;
}

static int setup_two_jobs(void **state)
{
    *state = open_fixture(2);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    runner_destroy(&fixture->sink.runner);
    assert_null(fixture->sink.runner);
    mem_free(fixture);
    return 0;
}

/* A batch of decode jobs with ids from `id` on, one per text. */
static int submit(struct sink *sink, uint32_t peer, uint64_t id, const char *const *texts,
                  uint32_t deadline_ms)
{
    static struct wire_jobs jobs;
    char *message = mem_alloc(1 << 20);
    char *at = message;
    int result;

    for (jobs.count = 0; texts[jobs.count]; jobs.count++) {
        strcpy(at, texts[jobs.count]);
        jobs.jobs[jobs.count] =
            (struct wire_job){.id = id + jobs.count,
                              .deadline_ms = deadline_ms,
                              .max_output = 1 << 20,
                              .payload = {.bytes = {(const uint8_t *)at, strlen(at)}}};
        at += strlen(at);
    }
    result = runner_submit(sink->runner, &sink->sink, peer, &jobs, NULL, message);
    if (result != 0)
        mem_free(message);
    return result;
}

static const char *const one[] = {"1", NULL};
static const char *const three[] = {"1", "2", "3", NULL};

static void test_unknown_engine(void **state)
{
    struct runner_config config = {.engine = "no such"};

    (void)state;
    assert_null(runner_create(&config));
}

static void test_batches_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct sink *sink = &fixture->sink;

    assert_int_equal(submit(sink, 1, 10, three, 0), 0);
    assert_int_equal(submit(&fixture->other, 2, 20, one, 0), 0);
    assert_int_equal(submit(sink, 1, 30, three, 0), 0);
    assert_false(runner_is_idle(sink->runner));
    runner_run(sink->runner);
    assert_true(runner_is_idle(sink->runner));
    assert_int_equal(sink->seen, 6);
    assert_int_equal(sink->messages, 2);
    assert_int_equal(sink->released, 2);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(sink->results[i].id, (i < 3 ? 10 : 30) + i % 3);
        assert_int_equal(sink->results[i].payload.bytes.len, 1);
        assert_int_equal(sink->peers[i], 1);
    }
    assert_memory_equal(sink->payloads, "\1\2\3\1\2\3", 6);
    assert_int_equal(fixture->other.seen, 1);
    assert_int_equal(runner_jobs_done(sink->runner), 7);
    assert_int_equal(fixture->woken, 1);
}

static void test_failed_jobs_leave_no_bytes(void **state)
{
    static const char *const texts[] = {"[1", "2", "nul", "3", NULL};
    struct sink *sink = &((struct fixture *)*state)->sink;

    assert_int_equal(submit(sink, 1, 0, texts, 0), 0);
    runner_run(sink->runner);
    assert_int_equal(sink->results[0].status, CODEC_TRUNCATED);
    assert_int_equal(sink->results[0].fault_offset, 2);
    assert_int_equal(sink->results[1].status, CODEC_OK);
    assert_int_equal(sink->results[2].payload.bytes.len, 0);
    assert_int_equal(sink->payload_bytes, 2);
    assert_memory_equal(sink->payloads, "\2\3", 2);
}

static void test_unknown_operations_and_options(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;
    static struct wire_jobs jobs = {
        2, {{.id = 1, .op = CODEC_OPS}, {.id = 2, .options = {(const uint8_t *)"x", 1}}}};

    assert_int_equal(
        runner_submit(sink->runner, &sink->sink, 1, &jobs, NULL, mem_alloc(1)), 0);
    runner_run(sink->runner);
    assert_int_equal(sink->seen, 2);
    assert_int_equal(sink->results[0].status, CODEC_UNSUPPORTED);
    assert_int_equal(sink->results[1].status, CODEC_UNSUPPORTED);
}

static void cancel_ids(struct sink *sink, uint32_t peer, uint64_t first, unsigned count)
{
    struct wire_cancel cancel = {.count = count};

    for (unsigned i = 0; i < count; i++)
        cancel.ids[i] = first + i;
    runner_cancel(sink->runner, &sink->sink, peer, &cancel);
}

static void test_cancelled_while_waiting(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;

    assert_int_equal(submit(sink, 1, 10, three, 0), 0);
    cancel_ids(sink, 1, 11, 1);
    cancel_ids(sink, 2, 12, 1);
    cancel_ids(&((struct fixture *)*state)->other, 1, 12, 1);
    cancel_ids(sink, 1, 99, 5);
    runner_run(sink->runner);
    assert_int_equal(sink->seen, 3);
    assert_int_equal(sink->results[0].verdict, WIRE_DONE);
    assert_int_equal(sink->results[1].verdict, WIRE_CANCELLED);
    assert_int_equal(sink->results[1].payload.bytes.len, 0);
    assert_int_equal(sink->results[2].verdict, WIRE_DONE);
    assert_memory_equal(sink->payloads, "\1\3", 2);
}

/* A text that takes so long to decode that results before it are sent first. */
static char *make_heavy_text(void)
{
    char *heavy = mem_alloc(40001);

    memset(heavy, ' ', 40000);
    heavy[39999] = '5';
    heavy[40000] = '\0';
    return heavy;
}

/* The first results are sent when the heavy job, 11, has begun. */
static void cancel_running_and_next(struct sink *sink)
{
    sink->on_results = NULL;
    assert_int_equal(runner_state_of(sink->runner, &sink->sink).running_id, 11);
    cancel_ids(sink, 1, 11, 2);
}

/* The running job goes on, the one behind it in the same batch does not start. */
static void test_cancelled_within_the_running_batch(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;
    char *heavy = make_heavy_text();
    const char *const texts[] = {"1", heavy, "2", "3", NULL};

    sink->on_results = cancel_running_and_next;
    assert_int_equal(submit(sink, 1, 10, texts, 0), 0);
    runner_run(sink->runner);
    assert_null(sink->on_results);
    assert_int_equal(sink->results[0].verdict, WIRE_DONE);
    assert_int_equal(sink->results[1].verdict, WIRE_DONE);
    assert_int_equal(sink->results[2].verdict, WIRE_CANCELLED);
    assert_int_equal(sink->results[3].verdict, WIRE_DONE);
    assert_int_equal(runner_state_of(sink->runner, &sink->sink).running_id, 0);
    mem_free(heavy);
}

static void test_late_jobs_are_not_run(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;
    uint64_t start_ns = clock_now_ns();

    assert_int_equal(submit(sink, 1, 10, three, 1), 0);
    assert_int_equal(submit(sink, 1, 20, one, UINT32_MAX), 0);
    while (clock_now_ns() - start_ns < 2 * NS_PER_MS)
        continue;
    runner_run(sink->runner);
    assert_int_equal(sink->seen, 4);
    assert_int_equal(sink->results[0].verdict, WIRE_EXPIRED);
    assert_int_equal(sink->results[2].verdict, WIRE_EXPIRED);
    assert_int_equal(sink->results[3].verdict, WIRE_DONE);
    assert_true(sink->results[0].queue_us >= 1000);
}

static void test_heavy_job_lets_results_go_first(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;
    char *heavy = make_heavy_text();
    const char *const texts[] = {"1", heavy, "2", NULL};

    assert_int_equal(submit(sink, 1, 10, texts, 0), 0);
    runner_run(sink->runner);
    assert_int_equal(sink->seen, 3);
    assert_true(sink->messages >= 2);
    assert_int_equal(sink->payload_bytes, 3);
    mem_free(heavy);
}

/* What is as large as what is finished takes about as long: it shares a message, unless
   this process has to wait for the processor in between. */
static void test_heavy_jobs_of_one_size_share_a_message(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;
    char *heavy = mem_alloc(40001);
    const char *const texts[] = {heavy, heavy, heavy, NULL};
    bool is_shared = false;

    memset(heavy, ' ', 40000);
    heavy[39999] = '5';
    heavy[40000] = '\0';
    for (unsigned i = 0; i < 1000 && !is_shared; i++) {
        unsigned messages = sink->messages;

        sink->seen = 0;
        sink->payload_bytes = 0;
        assert_int_equal(submit(sink, 1, 10, texts, 0), 0);
        runner_run(sink->runner);
        assert_int_equal(sink->seen, 3);
        is_shared = sink->messages == messages + 1;
    }
    assert_true(is_shared);
    mem_free(heavy);
}

static void test_gone_peer_is_forgotten(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;

    assert_int_equal(submit(sink, 1, 10, three, 0), 0);
    assert_int_equal(submit(sink, 2, 20, one, 0), 0);
    runner_forget(sink->runner, &sink->sink, 1);
    assert_int_equal(sink->released, 1);
    runner_run(sink->runner);
    assert_int_equal(sink->seen, 1);
    assert_int_equal(sink->results[0].id, 20);
}

static void test_credits_are_kept(void **state)
{
    struct sink *sink = &((struct fixture *)*state)->sink;

    for (unsigned i = 0; i < WIRE_MAX_CREDITS; i++)
        assert_int_equal(submit(sink, 1, i, one, 0), 0);
    assert_int_equal(submit(sink, 1, 99, one, 0), -1);
    assert_int_equal(submit(sink, 2, 99, one, 0), 0);
    runner_run(sink->runner);
    assert_int_equal(sink->seen, WIRE_MAX_CREDITS + 1);
    assert_int_equal(submit(sink, 1, 100, one, 0), 0);
}

static void test_wear_and_idleness_are_announced(void **state)
{
    struct fixture *fixture = *state;
    struct sink *sink = &fixture->sink;

    assert_int_equal(submit(sink, 1, 1, one, 0), 0);
    runner_run(sink->runner);
    assert_false(runner_is_worn(sink->runner));
    assert_int_equal(fixture->woken, 1);
    assert_int_equal(submit(sink, 1, 2, three, 0), 0);
    runner_run(sink->runner);
    assert_true(runner_is_worn(sink->runner));
    assert_int_equal(fixture->woken, 2);
    runner_announce_idle(sink->runner);
    assert_int_equal(submit(sink, 1, 3, one, 0), 0);
    runner_run(sink->runner);
    assert_int_equal(fixture->woken, 3);
    runner_trim(sink->runner);
    assert_int_equal(submit(sink, 1, 4, one, 0), 0);
    runner_run(sink->runner);
    assert_int_equal(sink->results[sink->seen - 1].status, CODEC_OK);
}

/* ---- two threads deliver at once ---- */

static void *deliver(void *arg)
{
    struct sink *sink = arg;

    for (unsigned i = 0; i < 60; i++) {
        while (submit(sink, 1, i, one, 0) != 0)
            continue;
        runner_run(sink->runner);
    }
    return NULL;
}

/* Whichever thread does the work: nothing is lost, nothing runs twice at a time. */
static void test_threads_leave_their_work_to_who_runs(void **state)
{
    struct fixture *fixture = *state;
    pthread_t thread;

    static struct wire_jobs jobs = {
        1, {{.max_output = 9, .payload = {.bytes = {(const uint8_t *)"1", 1}}}}};

    assert_int_equal(pthread_create(&thread, NULL, deliver, &fixture->other), 0);
    for (unsigned i = 0; i < 60; i++) {
        assert_int_equal(runner_submit(fixture->sink.runner, &fixture->sink.sink, 1,
                                       &jobs, NULL, mem_alloc(1)),
                         0);
        runner_run(fixture->sink.runner);
    }
    pthread_join(thread, NULL);
    assert_true(runner_is_idle(fixture->sink.runner));
    assert_int_equal(fixture->sink.seen, 60);
    assert_int_equal(fixture->other.seen, 60);
    assert_int_equal(runner_jobs_done(fixture->sink.runner), 120);
}

#define RUNNER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unknown_engine),
        RUNNER_TEST(test_batches_in_order),
        RUNNER_TEST(test_failed_jobs_leave_no_bytes),
        RUNNER_TEST(test_unknown_operations_and_options),
        RUNNER_TEST(test_cancelled_while_waiting),
        RUNNER_TEST(test_cancelled_within_the_running_batch),
        RUNNER_TEST(test_late_jobs_are_not_run),
        RUNNER_TEST(test_heavy_job_lets_results_go_first),
        RUNNER_TEST(test_heavy_jobs_of_one_size_share_a_message),
        RUNNER_TEST(test_gone_peer_is_forgotten),
        RUNNER_TEST(test_credits_are_kept),
        cmocka_unit_test_setup_teardown(test_wear_and_idleness_are_announced,
                                        setup_two_jobs, teardown),
        RUNNER_TEST(test_threads_leave_their_work_to_who_runs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
