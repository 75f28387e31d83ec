/* The learned costs in /metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "server/ops/metrics_cost.h"

static void costs_are_told_where_they_are_learned(void **state)
{
    int fd = stats_create_fd(2);
    struct stats *stats = stats_open(fd);
    struct buf text = BUF_INIT;

    (void)state;
    assert_non_null(stats);
    metrics_print_costs(stats, &text);
    buf_append(&text, "", 1);
    assert_null(strchr((const char *)text.data, '{')); /* nothing learned */
    text.len = 0;
    stats_set(&stats_slot(stats, 0)->cost_codec_ns[CODEC_OP_ENCODE][10], 5000);
    stats_set(&stats_slot(stats, 1)->cost_codec_ns[CODEC_OP_ENCODE][10], 7000);
    stats_set(&stats_slot(stats, 1)->cost_rpc_ns[7], 2100);
    metrics_print_costs(stats, &text);
    buf_append(&text, "", 1);
    assert_non_null(strstr((const char *)text.data,
                           "\noffloop_cost_codec_seconds{operation=\"encode\","
                           "size=\"1024\"} 0.000007000\n"));
    assert_non_null(strstr((const char *)text.data,
                           "\noffloop_cost_rpc_seconds{jobs=\"128\"} 0.000002100\n"));
    buf_free(&text);
    stats_close(&stats);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(costs_are_told_where_they_are_learned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
