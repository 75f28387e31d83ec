/*
 * Blocks through a codec that the test plays, with a clock of its own: order, limits,
 * what is tried again, and answers that are not to be believed.
 */
#include "server/api/bulk/bulk_jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"

/* ---- the jobs and the clock */

static uint64_t now_ns = NS_PER_S;
static struct job *pending[64];
static unsigned pending_count, cancelled;

uint64_t clock_now_ns(void)
{
    return now_ns;
}

uint64_t clock_thread_cpu_ns(void)
{
    return now_ns;
}

void jobs_submit(struct jobs *jobs, struct job *job)
{
    (void)jobs;
    assert_int_equal(job->call.op, CODEC_OP_BULK);
    job->state = JOB_WAITING;
    pending[pending_count++] = job;
}

void jobs_cancel(struct jobs *jobs, struct job *job)
{
    (void)jobs;
    cancelled += jobs_state_is_active(job->state);
    job->state = JOB_DONE;
}

/* Ends the job submitted as the at-th of those not yet ended. */
static void end(unsigned at, enum job_status status, const void *records, size_t len)
{
    struct job *job = pending[at];
    struct blob *result = status == JOB_OK ? blob_new_copy(records, len) : NULL;

    assert_true(at < pending_count);
    memmove(pending + at, pending + at + 1, (--pending_count - at) * sizeof *pending);
    job->state = JOB_DONE;
    job->status = status;
    job->fault = (struct codec_fault){CODEC_MEMORY, 0};
    job->result = result;
    job->done(job);
    blob_unref(&result);
}

/* ---- the blocks */

static struct api api;
static struct exchange exchange = {.api = &api};
static struct bulk_jobs blocks;
static struct bulk_line line;
static unsigned moves;

static void moved(void *ctx)
{
    assert_ptr_equal(ctx, &blocks);
    moves++;
}

static int set_up(void **state)
{
    (void)state;
    pending_count = cancelled = moves = 0;
    bulk_jobs_init(&blocks, &exchange, moved, &blocks);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bulk_jobs_free(&blocks);
    assert_int_equal(blocks.held, 0);
    return 0;
}

static void add(uint64_t lines, size_t bytes)
{
    struct buf text = BUF_INIT;

    memset(buf_reserve(&text, bytes), '\n', bytes);
    text.len = bytes;
    bulk_jobs_add(&blocks, &text, lines);
    assert_null(text.data);
}

static const uint8_t record_a[] = {0, 1, 0, 0, 0, 1, 'a', 7};
static const uint8_t two_blanks[2 * BULK_HEAD_BYTES];

static void expect(uint64_t number, const char *why)
{
    assert_true(bulk_jobs_next(&blocks, &line));
    assert_int_equal(line.number, number);
    if (why == NULL)
        assert_null(line.why);
    else
        assert_string_equal(line.why, why);
}

static void test_order_of_lines(void **state)
{
    (void)state;
    add(2, 2);
    add(1, 1);
    bulk_jobs_add_too_long(&blocks);
    add(1, 1);
    while (bulk_jobs_submit_one(&blocks))
        ;
    assert_int_equal(pending_count, 3);
    end(2, JOB_OK, record_a, sizeof record_a); /* the last first */
    end(1, JOB_OK, record_a, sizeof record_a);
    assert_false(bulk_jobs_next(&blocks, &line));
    end(0, JOB_OK, two_blanks, sizeof two_blanks);
    assert_int_equal(moves, 3);
    expect(1, NULL);
    assert_int_equal(line.record.id.len, 0);
    expect(2, NULL);
    expect(3, NULL);
    assert_int_equal(*line.record.id.data, 'a');
    assert_int_equal(*line.record.document.data, 7);
    assert_non_null(line.records);
    expect(4, "the line is longer than --max-body");
    expect(5, NULL);
    assert_false(bulk_jobs_next(&blocks, &line));
    assert_int_equal(blocks.held, 0);
}

static void test_how_many_at_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BULK_JOBS_FLYING + 2; i++)
        add(1, 100);
    while (bulk_jobs_submit_one(&blocks))
        ;
    assert_int_equal(pending_count, BULK_JOBS_FLYING);
    end(0, JOB_OK, two_blanks, BULK_HEAD_BYTES);
    assert_true(bulk_jobs_submit_one(&blocks));
    assert_false(bulk_jobs_submit_one(&blocks));
}

/* A very long line goes through by itself. */
static void test_bytes_at_once(void **state)
{
    (void)state;
    add(1, 100);
    add(1, 2 * BULK_JOBS_FLYING_BYTES);
    add(1, 100);
    assert_true(bulk_jobs_submit_one(&blocks));
    assert_false(bulk_jobs_submit_one(&blocks));
    end(0, JOB_OK, two_blanks, BULK_HEAD_BYTES);
    assert_true(bulk_jobs_submit_one(&blocks));
    assert_false(bulk_jobs_submit_one(&blocks));
    assert_int_equal(pending[0]->call.in.len, 2 * BULK_JOBS_FLYING_BYTES);
}

/* Another worker, or a moment later, may do: tried again, but not at once. */
static void test_tries_again(void **state)
{
    static const enum job_status statuses[] = {JOB_NO_WORKER, JOB_WORKER_LOST,
                                               JOB_DEADLINE};

    (void)state;
    add(2, 2);
    for (unsigned i = 0; i + 1 < BULK_JOBS_LOST_MAX; i++) {
        assert_true(bulk_jobs_submit_one(&blocks));
        end(0, statuses[i % 3], NULL, 0);
        assert_true(bulk_jobs_wait(&blocks));
        assert_false(bulk_jobs_submit_one(&blocks));
        now_ns += BULK_JOBS_RETRY_MS * NS_PER_MS;
        assert_false(bulk_jobs_wait(&blocks));
    }
    assert_true(bulk_jobs_submit_one(&blocks));
    end(0, JOB_DEADLINE, NULL, 0);
    expect(1, job_status_text(JOB_DEADLINE));
    expect(2, job_status_text(JOB_DEADLINE));
    assert_false(bulk_jobs_wait(&blocks));
}

static void test_full_queue_is_waited_for(void **state)
{
    unsigned tries = 0;

    (void)state;
    add(1, 1);
    while (!bulk_jobs_next(&blocks, &line)) {
        assert_true(bulk_jobs_submit_one(&blocks));
        end(0, JOB_QUEUE_FULL, NULL, 0);
        now_ns += BULK_JOBS_RETRY_MS * NS_PER_MS;
        tries++;
    }
    assert_int_equal(tries, BULK_JOBS_RETRIES + 1);
    assert_string_equal(line.why, job_status_text(JOB_QUEUE_FULL));
}

static void test_refused_and_poisonous(void **state)
{
    (void)state;
    add(1, 1);
    add(1, 1);
    while (bulk_jobs_submit_one(&blocks))
        ;
    end(1, JOB_POISON, NULL, 0);
    end(0, JOB_REFUSED, NULL, 0);
    expect(1, codec_status_text(CODEC_MEMORY));
    expect(2, job_status_text(JOB_POISON));
}

/* A worker that sends fewer records, more, or none that are sound. */
static void test_answers_not_believed(void **state)
{
    static const char why[] = "a worker's answer was malformed";

    (void)state;
    add(3, 3);
    add(1, 1);
    add(1, 1);
    while (bulk_jobs_submit_one(&blocks))
        ;
    end(0, JOB_OK, two_blanks, sizeof two_blanks);
    end(0, JOB_OK, two_blanks, sizeof two_blanks);
    end(0, JOB_OK, "\xff\xff\xff\xff\xff\xff\xff", 7);
    expect(1, NULL);
    expect(2, NULL);
    expect(3, why);
    expect(4, why);
    expect(5, why);
}

static void test_cancels(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++)
        add(1, 10);
    (void)bulk_jobs_submit_one(&blocks);
    (void)bulk_jobs_submit_one(&blocks);
    end(0, JOB_OK, two_blanks, BULK_HEAD_BYTES);
    bulk_jobs_free(&blocks);
    assert_int_equal(cancelled, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_order_of_lines),
                                       TEST(test_how_many_at_once),
                                       TEST(test_bytes_at_once),
                                       TEST(test_tries_again),
                                       TEST(test_full_queue_is_waited_for),
                                       TEST(test_refused_and_poisonous),
                                       TEST(test_answers_not_believed),
                                       TEST(test_cancels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
