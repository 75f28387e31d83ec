/* The text of /metrics. */
#include "server/ops/metrics.h"

#include <stdio.h>

#include "stats_rig.h"

static const char *metrics(struct fixture *f)
{
    return printed(f, metrics_print);
}

static void test_totals_over_fronts(void **state)
{
    struct fixture *f = *state;

    stats_add(&stats_slot(f->stats, 0)->requests[STATS_ROUTE_DOCUMENT][200], 2);
    stats_add(&stats_slot(f->stats, 1)->requests[STATS_ROUTE_DOCUMENT][200], 40);
    stats_add(&stats_slot(f->stats, 1)->jobs[CODEC_OP_ENCODE][JOBS_RPC][JOB_OK], 5);
    stats_add(&stats_slot(f->stats, 1)->job_codec_us[CODEC_OP_ENCODE][JOBS_RPC], 1500000);
    stats_set(&stats_slot(f->stats, 0)->workers, 1);
    stats_set(&stats_slot(f->stats, 1)->workers, 2);
    assert_non_null(strstr(
        metrics(f), "\noffloop_requests_total{route=\"document\",code=\"200\"} 42\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_jobs_total{operation=\"encode\","
                                       "mode=\"rpc\",result=\"ok\"} 5\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_job_codec_seconds_total{operation="
                                       "\"encode\",mode=\"rpc\"} 1.500000\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_worker_connections 3\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_front_codec_runs_total 0\n"));
    assert_null(strstr(metrics(f), "code=\"404\""));
}

static void test_away_histogram(void **state)
{
    struct fixture *f = *state;
    struct stats_front *slot = stats_slot(f->stats, 0);

    for (int i = 0; i < 3; i++)
        stats_histogram_add(&slot->away, 20000);
    stats_histogram_add(&slot->away, 3000000);
    stats_histogram_add(&stats_slot(f->stats, 1)->away, UINT64_C(5000000000));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"1e-05\"} 0\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"2.5e-05\"} 3\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"0.005\"} 4\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"1\"} 4\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_count 5\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_sum 5.003060\n"));
}

/* Every sample belongs to a family that was announced, and no family comes twice. */
static void test_families(void **state)
{
    struct fixture *f = *state;
    char *text = strdup(metrics(f)), *save = NULL, family[128] = "";
    unsigned families = 0;

    for (char *line = strtok_r(text, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        if (strncmp(line, "# TYPE ", 7) == 0) {
            char again[160];

            assert_int_equal(sscanf(line + 7, "%127s", family), 1);
            snprintf(again, sizeof again, "# TYPE %s ", family);
            assert_null(strstr(strstr((char *)f->text.data, again) + 1, again));
            families++;
        } else if (line[0] != '#') {
            assert_memory_equal(line, family, strlen(family));
            assert_non_null(strchr(line, ' '));
        }
    }
    assert_true(families > 15);
    free(text);
}

static void test_cpu_and_latency(void **state)
{
    struct fixture *f = *state;
    struct stats_front *slot = stats_slot(f->stats, 1);

    stats_add(&slot->phase_cpu_ns[STATS_ENCODE], 1500000000);
    stats_histogram_add(&slot->latency[STATS_LIGHT], 700000);
    stats_histogram_add(&slot->latency[STATS_HEAVY], 30000000);
    assert_non_null(
        strstr(metrics(f),
               "\noffloop_loop_phase_cpu_seconds_total{phase=\"encode\"} 1.500000\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_request_duration_seconds_bucket{size="
                                       "\"light\",le=\"0.0005\"} 0\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_request_duration_seconds_bucket{size="
                                       "\"light\",le=\"0.001\"} 1\n"));
    assert_non_null(strstr(
        metrics(f), "\noffloop_request_duration_seconds_sum{size=\"heavy\"} 0.030000\n"));
    assert_non_null(strstr(
        metrics(f), "\noffloop_request_duration_seconds_count{size=\"medium\"} 0\n"));
}

static void test_processes(void **state)
{
    struct fixture *f = *state;

    assert_non_null(strstr(metrics(f), "\noffloop_fronts 0\n"));
    stats_front_take(stats_slot(f->stats, 0), (uint64_t)getpid());
    stats_add(&stats_slot(f->stats, 0)->worker[2].restarts, 4);
    assert_non_null(strstr(metrics(f), "\noffloop_fronts 1\n"));
    assert_non_null(strstr(metrics(f), "\noffloop_worker_replacements_total 4\n"));
}

/* Costs have samples where they are learned, the highest of all fronts. */
static void test_costs(void **state)
{
    struct fixture *f = *state;

    assert_null(strstr(metrics(f), "\noffloop_cost_codec_seconds{"));
    assert_null(strstr(metrics(f), "\noffloop_cost_rpc_seconds{"));
    stats_set(&stats_slot(f->stats, 0)->cost_codec_ns[CODEC_OP_ENCODE][10], 5000);
    stats_set(&stats_slot(f->stats, 1)->cost_codec_ns[CODEC_OP_ENCODE][10], 7000);
    stats_set(&stats_slot(f->stats, 1)->cost_rpc_ns[7], 2100);
    assert_non_null(strstr(metrics(f), "\noffloop_cost_codec_seconds{operation="
                                       "\"encode\",size=\"1024\"} 0.000007000\n"));
    assert_non_null(
        strstr(metrics(f), "\noffloop_cost_rpc_seconds{jobs=\"128\"} 0.000002100\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STATS_TEST(test_totals_over_fronts), STATS_TEST(test_away_histogram),
        STATS_TEST(test_families),           STATS_TEST(test_costs),
        STATS_TEST(test_cpu_and_latency),    STATS_TEST(test_processes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
