/* Equal jobs of one turn of the loop, mode auto: run once; nothing is kept beyond the
   turn, and nobody gets what is not equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ev.h>
#include <string.h>

#include "server/jobs/jobs.h"
#include "server/jobs/place/jobs_turn_results.h"
#include "server/stats/stats.h"
#include "tests/unit/jobs/codec_double.h"

static struct ev_loop *loop;
static struct stats_front stats;
static struct jobs *jobs;
static unsigned done_calls;
static enum job_status last_status;
static struct blob *last; /* the result of the last job */

static void on_done(struct job *job)
{
    done_calls++;
    last_status = job->status;
    blob_unref(&last);
    if (job->result != NULL)
        last = blob_ref(job->result);
}

static struct job job_of(struct blob *in, enum jobs_mode mode, uint64_t key)
{
    return (struct job){.call = {.op = CODEC_OP_ENCODE, .in = in->bytes},
                        .in_blob = in,
                        .share_key = {key, key ? 7 : 0},
                        .mode = mode,
                        .done = on_done};
}

static void ask(struct blob *in, enum jobs_mode mode, uint64_t key)
{
    struct job job = job_of(in, mode, key);

    jobs_submit(jobs, &job);
    assert_int_equal(job.state, JOB_DONE); /* small: it ran on the loop */
}

static int setup(void **state)
{
    (void)state;
    stats = (struct stats_front){0};
    codec_double_runs = done_calls = 0;
    jobs = jobs_create(loop, &(struct jobs_config){.stats = &stats});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    blob_unref(&last);
    jobs_destroy(&jobs);
    return 0;
}

static void equal_jobs_of_a_turn_run_once(void **state)
{
    struct blob *a = blob_new_copy("abc", 4), *same = blob_new_copy("abc", 4);

    (void)state;
    for (unsigned i = 0; i < 10; i++)
        ask(i % 2 ? a : same, JOBS_AUTO, 1);
    assert_int_equal(codec_double_runs, 1);
    assert_int_equal(done_calls, 10);
    assert_memory_equal(last->bytes.data, "ABC", 4);
    assert_int_equal(stats_read(&stats.jobs_shared), 9);
    assert_int_equal(stats_read(&stats.jobs[CODEC_OP_ENCODE][JOBS_INLINE][JOB_OK]), 10);
    ev_run(loop, EVRUN_NOWAIT);
    ask(a, JOBS_AUTO, 1); /* another turn */
    assert_int_equal(codec_double_runs, 2);
    blob_unref(&a);
    blob_unref(&same);
}

static void what_is_not_equal_runs(void **state)
{
    struct blob *a = blob_new_copy("abc", 4), *b = blob_new_copy("abd", 4);
    struct job with_fields = job_of(a, JOBS_AUTO, 1), pretty = with_fields;

    (void)state;
    ask(a, JOBS_AUTO, 1);
    ask(b, JOBS_AUTO, 1); /* the same key and other bytes */
    assert_memory_equal(last->bytes.data, "ABD", 4);
    ask(a, JOBS_AUTO, 2);
    ask(a, JOBS_AUTO, 0); /* without a key */
    ask(a, JOBS_AUTO, 0);
    assert_int_equal(codec_double_runs, 5);
    ask(a, JOBS_AUTO, 1);
    with_fields.call.fields = (struct slice){(const uint8_t *)"n", 1};
    pretty.call.pretty = true;
    jobs_submit(jobs, &with_fields);
    jobs_submit(jobs, &pretty);
    assert_int_equal(codec_double_runs, 8);
    assert_int_equal(stats_read(&stats.jobs_shared), 0);
    blob_unref(&a);
    blob_unref(&b);
}

/* inline does what others do. */
static void inline_shares_nothing(void **state)
{
    struct blob *a = blob_new_copy("abc", 4);

    (void)state;
    ask(a, JOBS_INLINE, 1);
    ask(a, JOBS_INLINE, 1);
    ask(a, JOBS_AUTO, 1);
    assert_int_equal(codec_double_runs, 3);
    ask(a, JOBS_INLINE, 1);
    assert_int_equal(codec_double_runs, 4);
    blob_unref(&a);
}

static void what_was_refused_is_not_kept(void **state)
{
    struct blob *bad = blob_new_copy("!", 1);

    (void)state;
    ask(bad, JOBS_AUTO, 1);
    assert_int_equal(last_status, JOB_REFUSED);
    ask(bad, JOBS_AUTO, 1);
    assert_int_equal(last_status, JOB_REFUSED);
    assert_int_equal(codec_double_runs, 2);
    blob_unref(&bad);
}

/* The result and the input are held by references, until the turn's end. */
static void the_end_of_a_turn_lets_go(void **state)
{
    struct blob *in = blob_new_copy("abc", 4), *result = blob_new_copy("ABC", 4);
    struct job job = job_of(in, JOBS_AUTO, 1);
    struct jobs_turn_results turn;
    struct blob *found;

    (void)state;
    jobs_turn_results_init(&turn);
    job.result = result;
    jobs_turn_results_keep(&turn, &job);
    assert_int_equal(in->refs, 2);
    assert_ptr_equal(found = jobs_turn_results_find(&turn, &job), result);
    assert_int_equal(result->refs, 3);
    jobs_turn_results_keep(&turn, &job); /* in place of the former */
    assert_int_equal(in->refs, 2);
    jobs_turn_results_end(&turn);
    jobs_turn_results_end(&turn);
    assert_int_equal(in->refs, 1);
    assert_int_equal(result->refs, 2);
    assert_null(jobs_turn_results_find(&turn, &job));
    job.in_blob = NULL; /* nothing would keep its bytes in place */
    jobs_turn_results_keep(&turn, &job);
    assert_null(jobs_turn_results_find(&turn, &job));
    blob_unref(&found);
    blob_unref(&result);
    blob_unref(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_jobs_of_a_turn_run_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_equal_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(inline_shares_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_refused_is_not_kept, setup, teardown),
        cmocka_unit_test(the_end_of_a_turn_lets_go),
    };

    loop = ev_default_loop(EVFLAG_AUTO);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
