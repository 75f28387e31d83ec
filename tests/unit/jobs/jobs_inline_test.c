/* Jobs on the loop itself, and the tables of jobs.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "server/stats/stats.h"
#include "tests/unit/jobs/codec_double.h"

static struct ev_loop *loop;
static unsigned done_calls;
static struct blob *kept;

static void count_done(struct job *job)
{
    done_calls++;
    assert_int_equal(job->state, JOB_DONE);
}

static void keep_result(struct job *job)
{
    count_done(job);
    kept = blob_ref(job->result);
}

static struct job job_of(const char *text, enum jobs_mode mode)
{
    return (struct job){
        .call = {.op = CODEC_OP_ENCODE, .in = {(const uint8_t *)text, strlen(text)}},
        .mode = mode,
        .done = count_done};
}

static void runs_before_submit_returns(void **state)
{
    struct stats_front stats = {0};
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    struct job job = job_of("abc", JOBS_INLINE);

    (void)state;
    done_calls = 0;
    codec_double_runs = 0;
    job.done = keep_result;
    jobs_submit(jobs, &job);
    assert_int_equal(done_calls, 1);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(job.status, JOB_OK);
    assert_int_equal(job.ran, JOBS_INLINE);
    assert_int_equal(kept->bytes.len, 3);
    assert_memory_equal(kept->bytes.data, "ABC", 3);
    assert_int_equal(kept->refs, 1);
    blob_unref(&kept);
    jobs_cancel(jobs, &job); /* a job that is done: nothing happens */
    assert_int_equal(stats_read(&stats.codec_runs), 1);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_INLINE][JOB_OK]), 1);
    assert_int_equal(stats_read(&stats.job_in_bytes[CODEC_OP_ENCODE][JOBS_INLINE]), 3);
    assert_int_equal(stats_read(&stats.job_out_bytes[CODEC_OP_ENCODE][JOBS_INLINE]), 3);
    jobs_destroy(&jobs);
    assert_null(jobs);
    assert_int_equal(codec_double_created, 0);
}

/* What turns out to be long on the loop is stopped there, and a thread does it. */
static void auto_stops_at_its_budget(void **state)
{
    struct stats_front stats = {0};
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    struct job job = job_of("~bc", JOBS_AUTO);

    (void)state;
    done_calls = 0;
    codec_double_runs = 0;
    jobs_submit(jobs, &job);
    assert_int_equal(done_calls, 0);
    assert_true(codec_double_runs >= 1); /* the thread may be at it already */
    assert_int_equal(stats_read(&stats.jobs_stopped), 1);
    assert_int_equal(job.state, JOB_ON_THREAD); /* at once: there is no worker */
    while (done_calls == 0)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(job.status, JOB_OK);
    assert_int_equal(job.ran, JOBS_THREADS);
    assert_int_equal(codec_double_runs, 2);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_THREADS][JOB_OK]), 1);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_INLINE][JOB_OK]), 0);
    jobs_destroy(&jobs);
}

static void auto_goes_on_within_its_budget(void **state)
{
    struct stats_front stats = {0};
    struct jobs *jobs =
        jobs_create(loop, &(struct jobs_config){.stats = &stats,
                                                .inline_budget_ns = 3600 * NS_PER_S});
    struct job job = job_of("=bc", JOBS_AUTO);

    (void)state;
    done_calls = 0;
    jobs_submit(jobs, &job);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job.ran, JOBS_INLINE);
    assert_int_equal(stats_read(&stats.jobs_stopped), 0);
    jobs_destroy(&jobs);
}

/* Mode inline is what others do: it runs what it has to. */
static void inline_never_stops(void **state)
{
    struct stats_front stats = {0};
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    struct job job = job_of("~bc", JOBS_INLINE);

    (void)state;
    done_calls = 0;
    jobs_submit(jobs, &job);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job.status, JOB_OK);
    assert_int_equal(stats_read(&stats.jobs_stopped), 0);
    jobs_destroy(&jobs);
}

static void refusal_carries_the_fault(void **state)
{
    struct stats_front stats = {0};
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    struct job job = job_of("!", JOBS_INLINE);

    (void)state;
    done_calls = 0;
    jobs_submit(jobs, &job);
    assert_int_equal(done_calls, 1);
    assert_int_equal(job.status, JOB_REFUSED);
    assert_int_equal(job.fault.status, CODEC_SYNTAX);
    assert_int_equal(job.fault.offset, 1);
    assert_null(job.result);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_INLINE][JOB_REFUSED]),
                     1);
    jobs_destroy(&jobs);
}

static void limits_come_from_the_configuration(void **state)
{
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.max_output_bytes = 4});
    struct job small = job_of("abcd", JOBS_INLINE);
    struct job large = job_of("abcde", JOBS_INLINE);
    struct job own = job_of("abcde", JOBS_INLINE);

    (void)state;
    own.call.max_output = 5;
    jobs_submit(jobs, &small);
    jobs_submit(jobs, &large);
    jobs_submit(jobs, &own);
    assert_int_equal(small.status, JOB_OK);
    assert_int_equal(large.fault.status, CODEC_TOO_LARGE);
    assert_int_equal(own.status, JOB_OK);
    assert_true(own.call.max_memory > 0 && own.deadline_ns > 0);
    jobs_destroy(&jobs);
}

static void no_codec_before_the_first_inline_job(void **state)
{
    struct jobs *jobs = jobs_create(loop, &(struct jobs_config){.mode = JOBS_RPC});

    (void)state;
    assert_int_equal(codec_double_created, 0);
    assert_int_equal(jobs_workers(jobs), 0);
    jobs_destroy(&jobs);
}

static void modes_have_names(void **state)
{
    enum jobs_mode mode;

    (void)state;
    for (unsigned i = 0; i < JOBS_MODES; i++) {
        const char *name = jobs_mode_name((enum jobs_mode)i);

        assert_int_equal(
            jobs_mode_parse((struct slice){(const uint8_t *)name, strlen(name)}, &mode),
            0);
        assert_int_equal(mode, i);
    }
    assert_int_equal(jobs_mode_parse((struct slice){(const uint8_t *)"rp", 2}, &mode),
                     -1);
    assert_int_equal(jobs_mode_parse((struct slice){(const uint8_t *)"RPC", 3}, &mode),
                     -1);
    assert_int_equal(jobs_mode_parse((struct slice){NULL, 0}, &mode), -1);
}

static void statuses_have_texts(void **state)
{
    (void)state;
    assert_int_equal(job_status_http(JOB_DEADLINE), 504);
    assert_int_equal(job_status_http(JOB_QUEUE_FULL), 503);
    assert_string_equal(job_status_label(JOB_WORKER_LOST), "worker_lost");
    for (unsigned i = 0; i < JOB_STATUSES; i++)
        assert_true(strlen(job_status_text((enum job_status)i)) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_before_submit_returns),
        cmocka_unit_test(auto_stops_at_its_budget),
        cmocka_unit_test(auto_goes_on_within_its_budget),
        cmocka_unit_test(inline_never_stops),
        cmocka_unit_test(refusal_carries_the_fault),
        cmocka_unit_test(limits_come_from_the_configuration),
        cmocka_unit_test(no_codec_before_the_first_inline_job),
        cmocka_unit_test(modes_have_names),
        cmocka_unit_test(statuses_have_texts),
    };

    loop = ev_default_loop(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
