/* The JSON of /debug/loop and /debug/stats. */
#include "server/ops/debug.h"

#include "common/codec/codec.h"
#include "stats_rig.h"

static void test_loop_lists_used_slots(void **state)
{
    struct fixture *f = *state;
    struct stats_front *slot = stats_slot(f->stats, 1);
    const char *text;

    text = printed(f, debug_print_loop);
    assert_memory_equal(text, "{\"fronts\":[],\"total\":{", 22);
    stats_front_take(slot, (uint64_t)getpid());
    stats_add(&slot->loop_cpu_ns, 2500000000);
    stats_add(&slot->phase_cpu_ns[STATS_WRITE], 1250000000);
    stats_add(&slot->phase_ns[STATS_POLL], 3000000000);
    for (int i = 0; i < 4; i++)
        stats_histogram_add(&slot->away, 1000);
    text = printed(f, debug_print_loop);
    assert_non_null(strstr(text, "{\"front\":1,\"pid\":"));
    assert_null(strstr(text, "\"front\":0"));
    assert_non_null(strstr(text, "\"alive\":true,\"cpu_seconds\":2.500000,"));
    assert_non_null(strstr(text, "\"write\":1.250000}"));
    assert_non_null(strstr(text, "\"wall\":{\"poll\":3.000000,"));
    assert_non_null(strstr(text, "\"away_us\":{\"p50\":1.0,\"p99\":1.0,\"p99.9\":1.0,"
                                 "\"max\":1.0,\"count\":4,"));
    assert_non_null(strstr(text, "\"buckets\":[[1.023,4]]}"));
}

/* A front that has ended stays, with its counts, and is in the total. */
static void test_totals_survive_fronts(void **state)
{
    struct fixture *f = *state;

    for (unsigned i = 0; i < 2; i++) {
        stats_front_take(stats_slot(f->stats, i), (uint64_t)getpid());
        stats_add(&stats_slot(f->stats, i)->loop_cpu_ns, 1000000000);
        stats_histogram_add(&stats_slot(f->stats, i)->away, 50000);
    }
    stats_front_leave(stats_slot(f->stats, 0));
    assert_non_null(strstr(printed(f, debug_print_loop), "\"alive\":false"));
    assert_non_null(strstr(printed(f, debug_print_loop), "\"alive\":true"));
    assert_non_null(
        strstr(printed(f, debug_print_loop), "\"total\":{\"cpu_seconds\":2.000000,"));
    assert_non_null(strstr(strstr(printed(f, debug_print_loop), "\"total\""),
                           "\"max\":50.0,\"count\":2,"));
}

static void test_stats(void **state)
{
    struct fixture *f = *state;
    struct stats_front *slot = stats_slot(f->stats, 0);
    struct stats_worker *row;
    const char *text;

    stats_front_take(slot, (uint64_t)getpid());
    stats_set(&slot->queue_depth, 9);
    stats_add(&slot->requests[STATS_ROUTE_DOCUMENT][200], 5);
    stats_add(&slot->requests[STATS_ROUTE_DOCUMENT][201], 1);
    stats_add(&slot->requests[STATS_ROUTE_DOCUMENT][503], 2);
    stats_add(&slot->jobs[CODEC_OP_ENCODE][JOBS_RPC][JOB_OK], 7);
    stats_add(&slot->jobs[CODEC_OP_DECODE][JOBS_RPC][JOB_DEADLINE], 3);
    stats_histogram_add(&slot->latency[STATS_HEAVY], 4000000);
    row = stats_worker_take(slot, 4711);
    stats_add(&row->jobs, 12);
    text = printed(f, debug_print_stats);
    assert_non_null(strstr(text, "\"queue\":9,"));
    assert_non_null(strstr(text, "\"document\":[6,0,0,2]"));
    assert_non_null(strstr(text, "\"rpc\":{\"ok\":7,\"other\":3,"));
    assert_non_null(strstr(text, "{\"front\":0,\"worker\":0,\"pid\":4711,\"up\":true,"
                                 "\"restarts\":0,\"in_flight\":0,\"jobs\":12,"));
    assert_non_null(strstr(text, "\"heavy\":{\"p50\":4000.0,"));
    stats_front_leave(slot);
    assert_non_null(strstr(printed(f, debug_print_stats), "\"workers\":[]"));
}

/* Whatever the counters are, it is JSON: the codec itself says so. */
static void test_it_is_json(void **state)
{
    void (*const prints[])(struct stats *, struct buf *) = {debug_print_loop,
                                                            debug_print_stats};
    struct fixture *f = *state;
    struct codec *codec;

    for (unsigned i = 0; i < 2; i++) {
        stats_front_take(stats_slot(f->stats, i), (uint64_t)getpid());
        assert_non_null(stats_worker_take(stats_slot(f->stats, i), 5 + i));
        stats_histogram_add(&stats_slot(f->stats, i)->away, UINT64_C(99999999999));
    }
    codec = codec_create("yajl");
    for (size_t i = 0; i < sizeof prints / sizeof *prints; i++) {
        struct codec_call call = {.op = CODEC_OP_DECODE};
        struct codec_fault fault;
        struct buf out = BUF_INIT;

        f->text.len = 0;
        prints[i](f->stats, &f->text);
        call.in = buf_slice(&f->text);
        call.max_output = call.max_memory = 1 << 24;
        assert_int_equal(codec_run(codec, &call, &out, &fault), CODEC_OK);
        buf_free(&out);
    }
    codec_destroy(&codec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATS_TEST(test_loop_lists_used_slots),
        STATS_TEST(test_totals_survive_fronts),
        STATS_TEST(test_stats),
        STATS_TEST(test_it_is_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
