/* Mode threads: results, refusals, the bound, deadlines; cancelled jobs whose input is
   freed while a thread has it (the sanitizers watch). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/jobs/jobs.h"
#include "server/stats/stats.h"
#include "tests/unit/jobs/codec_double.h"

#define MANY 300

struct asked {
    struct job job;
    unsigned done;
    char text[16]; /* of the result */
};

static struct ev_loop *loop;
static struct stats_front stats;
static struct jobs *jobs;
static unsigned awaited; /* done calls until the loop may stop */

static void on_done(struct job *job)
{
    struct asked *asked = container_of(job, struct asked, job);

    asked->done++;
    assert_int_equal(job->state, JOB_DONE);
    assert_int_equal(job->ran, JOBS_THREADS);
    if (job->result != NULL)
        memcpy(asked->text, job->result->bytes.data,
               job->result->bytes.len < 15 ? job->result->bytes.len : 15);
    if (awaited > 0 && --awaited == 0)
        ev_break(loop, EVBREAK_ALL);
}

static void ask(struct asked *asked, const char *text)
{
    *asked = (struct asked){.job = {.call = {.op = CODEC_OP_ENCODE,
                                             .in = {(const uint8_t *)text, strlen(text)}},
                                    .deadline_ns = asked->job.deadline_ns,
                                    .mode = JOBS_THREADS,
                                    .done = on_done}};
    jobs_submit(jobs, &asked->job);
}

/* Runs the loop until so many more jobs are done. */
static void await(unsigned count)
{
    awaited = count;
    while (awaited > 0)
        ev_run(loop, EVRUN_ONCE);
}

static int setup(void **state)
{
    (void)state;
    stats = (struct stats_front){0};
    codec_double_runs = 0;
    codec_double_close_gate();
    jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    codec_double_open_gate();
    jobs_destroy(&jobs);
    assert_int_equal(codec_double_created, 0);
    return 0;
}

static uint64_t ended(enum job_status status)
{
    return stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_THREADS][status]);
}

static void results_come_through_the_loop(void **state)
{
    static struct asked asked[MANY];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        asked[i].job.deadline_ns = 0;
        ask(&asked[i], i % 3 == 0 ? "!" : "abc");
    }
    assert_int_equal(asked[0].done, 0);
    await(MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(asked[i].done, 1);
        assert_int_equal(asked[i].job.status, i % 3 == 0 ? JOB_REFUSED : JOB_OK);
        assert_string_equal(asked[i].text, i % 3 == 0 ? "" : "ABC");
    }
    assert_int_equal(asked[0].job.fault.status, CODEC_SYNTAX);
    assert_int_equal(asked[0].job.fault.offset, 1);
    assert_int_equal(ended(JOB_OK), MANY * 2 / 3);
    assert_int_equal(stats_read(&stats.codec_runs), MANY);
}

static void no_thread_before_the_first_job(void **state)
{
    (void)state;
    assert_int_equal(codec_double_created, 0);
}

static void the_queue_is_bounded(void **state)
{
    static struct asked asked[MANY];
    struct asked refused = {.done = 0};
    unsigned taken = 0;

    (void)state;
    jobs_destroy(&jobs);
    jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats, .queue_max = 3});
    while (taken < MANY && ended(JOB_QUEUE_FULL) == 0)
        ask(&asked[taken++], "?");
    assert_true(taken > 4 && taken < MANY); /* 3 wait, threads have the others */
    assert_int_equal(asked[taken - 1].job.status, JOB_QUEUE_FULL);
    ask(&refused, "?");
    assert_int_equal(refused.done, 1);
    codec_double_open_gate();
    await(taken - 1);
    assert_int_equal(ended(JOB_OK), taken - 1);
}

/* Its input is gone at once, whether it waited, was being run, or lay ready. */
static void a_cancelled_job_may_be_freed(void **state)
{
    static struct asked *asked[MANY];
    struct asked last = {.done = 0};

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        char *text = str_printf("?%u", i);

        asked[i] = mem_zalloc(sizeof *asked[i]);
        ask(asked[i], text);
        if (i % 2 == 0)
            jobs_cancel(jobs, &asked[i]->job);
        else if (i == 1)
            codec_double_wait_inside(1);
        asked[i]->text[0] = '\0';
        if (i % 2 == 1)
            jobs_cancel(jobs, &asked[i]->job);
        memset(text, '!', strlen(text));
        mem_free(text);
        mem_free(asked[i]);
    }
    codec_double_open_gate();
    ask(&last, "abc");
    await(1);
    assert_string_equal(last.text, "ABC");
    assert_int_equal(ended(JOB_OK), 1);
    assert_int_equal(ended(JOB_REFUSED), 0);
}

static void a_blob_is_kept_and_not_copied(void **state)
{
    struct blob *blob = blob_new_copy("?large", 6);
    struct blob *argument = blob_new_copy("large too", 9);
    struct asked asked = {.job = {.call = {.op = CODEC_OP_ENCODE,
                                           .in = blob->bytes,
                                           .argument = argument->bytes},
                                  .in_blob = blob,
                                  .argument_blob = argument,
                                  .mode = JOBS_THREADS,
                                  .done = on_done}};

    (void)state;
    jobs_submit(jobs, &asked.job);
    assert_int_equal(blob->refs, 2);
    assert_int_equal(argument->refs, 2);
    codec_double_wait_inside(1);
    jobs_cancel(jobs, &asked.job);
    assert_int_equal(blob->refs, 2); /* the thread is still at it */
    assert_int_equal(argument->refs, 2);
    codec_double_open_gate();
    jobs_destroy(&jobs);
    assert_int_equal(blob->refs, 1);
    assert_int_equal(argument->refs, 1);
    blob_unref(&argument);
    blob_unref(&blob);
}

static void deadlines_end_jobs_that_wait_and_that_run(void **state)
{
    static struct asked asked[MANY];

    (void)state;
    for (unsigned i = 0; i < MANY; i++) {
        asked[i].job.deadline_ns = clock_now_ns() + NS_PER_MS;
        ask(&asked[i], "?");
    }
    await(MANY);
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(asked[i].job.status, JOB_DEADLINE);
    codec_double_open_gate();
    asked[0].job.deadline_ns = 0;
    ask(&asked[0], "abc");
    await(1);
    assert_int_equal(asked[0].job.status, JOB_OK);
    assert_true(codec_double_runs < MANY); /* what was late was not started */
}

static struct asked *chained;

static void cancel_another(struct job *job)
{
    on_done(job);
    jobs_cancel(jobs, &chained->job);
}

static void done_may_cancel_and_submit(void **state)
{
    struct asked first = {.done = 0}, second = {.done = 0}, third = {.done = 0};

    (void)state;
    chained = &second;
    ask(&second, "?");
    codec_double_wait_inside(1);
    ask(&first, "abc");
    first.job.done = cancel_another;
    await(1);
    assert_int_equal(first.done, 1);
    codec_double_open_gate();
    ask(&third, "abc");
    await(1);
    assert_int_equal(third.done, 1);
    assert_int_equal(second.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_come_through_the_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(no_thread_before_the_first_job, setup, teardown),
        cmocka_unit_test_setup_teardown(the_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_cancelled_job_may_be_freed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_blob_is_kept_and_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(deadlines_end_jobs_that_wait_and_that_run, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(done_may_cancel_and_submit, setup, teardown),
    };

    loop = ev_default_loop(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
