/* Reading a cluster's map in steps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "server/store/redis/place/redis_cluster_map.h"
#include "server/store/redis/place/redis_slot.h"

static struct redisReply *parse(const struct buf *text)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    assert_int_equal(redisReaderFeed(reader, (const char *)text->data, text->len),
                     REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(reader);
    return reply;
}

/* A range for each slot, on a master with two replicas, in the form of Redis 7. */
static struct redisReply *largest_map(void)
{
    struct buf text = BUF_INIT;
    struct redisReply *reply;

    buf_printf(&text, "*%d\r\n", REDIS_SLOTS);
    for (int slot = 0; slot < REDIS_SLOTS; slot++) {
        buf_printf(&text, "*5\r\n:%d\r\n:%d\r\n", slot, slot);
        for (int node = 0; node < 3; node++)
            buf_printf(&text,
                       "*4\r\n$8\r\n10.0.0.%d\r\n:%d\r\n$40\r\n%040d\r\n*2\r\n$8\r\n"
                       "hostname\r\n$4\r\nname\r\n",
                       node, 7000 + slot % 100, slot);
    }
    reply = parse(&text);
    buf_free(&text);
    return reply;
}

struct taken {
    unsigned ranges;
    unsigned slots;
};

static void take(void *ctx, const struct redis_cluster_range *range)
{
    struct taken *taken = ctx;

    assert_int_equal(range->from, taken->ranges);
    assert_int_equal(range->to, range->from);
    assert_int_equal(range->port, 7000 + range->from % 100);
    assert_string_equal(range->host, "10.0.0.0");
    taken->ranges++;
    taken->slots += range->to - range->from + 1;
}

static void the_largest_map_takes_many_steps(void **state)
{
    struct redis_cluster_map map = {0};
    struct taken taken = {0, 0};
    enum redis_cluster_map_news news;
    uint64_t longest_ns = 0, total_ns = 0;
    unsigned steps = 0, ends = 0;

    (void)state;
    redis_cluster_map_begin(&map, largest_map());
    do {
        uint64_t before_ns = clock_thread_cpu_ns(), ns;

        news = redis_cluster_map_step(&map, take, &taken);
        ns = clock_thread_cpu_ns() - before_ns;
        longest_ns = ns > longest_ns ? ns : longest_ns;
        total_ns += ns;
        steps++;
        ends += news == REDIS_MAP_TAKEN;
        assert_true(ends == 0 || taken.ranges == REDIS_SLOTS);
        assert_true(news != REDIS_MAP_BAD);
    } while (news != REDIS_MAP_DONE);
    assert_int_equal(ends, 1);
    assert_int_equal(taken.slots, REDIS_SLOTS);
    assert_true(steps > 8);
    print_message("%u steps, %u us in all, the longest %u us\n", steps,
                  (unsigned)(total_ns / 1000), (unsigned)(longest_ns / 1000));
    assert_true(longest_ns * 3 < total_ns);
}

static void nothing_of_a_bad_map_is_taken(void **state)
{
    struct redis_cluster_map map = {0};
    struct redisReply *reply = largest_map();
    struct taken taken = {0, 0};
    enum redis_cluster_map_news news;
    bool is_bad = false;

    (void)state;
    reply->element[REDIS_SLOTS - 1]->element[1]->integer = REDIS_SLOTS;
    redis_cluster_map_begin(&map, reply);
    while ((news = redis_cluster_map_step(&map, take, &taken)) != REDIS_MAP_DONE) {
        is_bad |= news == REDIS_MAP_BAD;
        assert_true(news != REDIS_MAP_TAKEN);
    }
    assert_true(is_bad);
    assert_int_equal(taken.ranges, 0);
    assert_int_equal(map.state, REDIS_MAP_NONE);
}

/* A store that closes during the reading leaks nothing. */
static void a_reading_may_end_at_any_step(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps < 6; steps++) {
        struct redis_cluster_map map = {0};
        struct taken taken = {0, 0};

        redis_cluster_map_begin(&map, largest_map());
        for (unsigned i = 0; i < steps; i++)
            (void)redis_cluster_map_step(&map, take, &taken);
        redis_cluster_map_end(&map);
        assert_int_equal(map.state, REDIS_MAP_NONE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_map_takes_many_steps),
        cmocka_unit_test(nothing_of_a_bad_map_is_taken),
        cmocka_unit_test(a_reading_may_end_at_any_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
