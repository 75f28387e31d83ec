/* The texts of /metrics and /debug/loop. */
#include "server/ops/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/jobs/jobs.h"
#include "server/stats/loop.h"

struct fixture {
    int fd;
    struct stats *stats;
    struct buf text;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->fd = stats_create_fd(2);
    f->stats = stats_open(f->fd);
    *state = f;
    return f->stats ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    stats_close(&f->stats);
    close(f->fd);
    buf_free(&f->text);
    free(f);
    return 0;
}

static const char *metrics(struct fixture *f)
{
    f->text.len = 0;
    metrics_print(f->stats, &f->text);
    buf_append(&f->text, "", 1);
    return (const char *)f->text.data;
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

    stats_add(&slot->away[stats_away_bucket(20000)], 3);
    stats_add(&slot->away[stats_away_bucket(3000000)], 1);
    stats_add(&slot->away[stats_away_bucket(UINT64_C(5000000000))], 1);
    stats_add(&slot->phase_ns[STATS_HTTP], 2000000000);
    stats_add(&slot->phase_ns[STATS_POLL], 9000000000);
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"1e-05\"} 0\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"2.5e-05\"} 3\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"0.005\"} 4\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"1\"} 4\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_bucket{le=\"+Inf\"} 5\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_count 5\n"));
    assert_non_null(strstr(metrics(f), "loop_away_seconds_sum 2.000000\n"));
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
        }
    }
    assert_true(families > 15);
    free(text);
}

static void test_loop_json(void **state)
{
    struct fixture *f = *state;

    stats_set(&stats_slot(f->stats, 1)->pid, 77);
    stats_add(&stats_slot(f->stats, 1)->away[stats_away_bucket(1000)], 4);
    metrics_print_loop(f->stats, &f->text);
    buf_append(&f->text, "", 1);
    assert_memory_equal(f->text.data, "{\"fronts\":[{\"front\":0,\"pid\":0,", 30);
    assert_non_null(strstr((char *)f->text.data, "{\"front\":1,\"pid\":77,"));
    assert_non_null(strstr((char *)f->text.data, "\"poll\":0.000000,"));
    assert_non_null(strstr((char *)f->text.data, "\"count\":4}}]}"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_totals_over_fronts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_away_histogram, setup, teardown),
        cmocka_unit_test_setup_teardown(test_families, setup, teardown),
        cmocka_unit_test_setup_teardown(test_loop_json, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
