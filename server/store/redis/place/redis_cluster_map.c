#include "server/store/redis/place/redis_cluster_map.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/store/redis/place/redis_slot.h"
#include "server/store/redis/redis_url.h"

/* {host, port, …}; a host of NULL or "" means the node that was asked. */
static int read_place(const struct redisReply *place, struct redis_cluster_range *range_r)
{
    const struct redisReply *host, *port;

    if (place->type != REDIS_REPLY_ARRAY || place->elements < 2)
        return -1;
    host = place->element[0];
    port = place->element[1];
    if (port->type != REDIS_REPLY_INTEGER || port->integer < 1 || port->integer > 65535)
        return -1;
    range_r->port = (unsigned)port->integer;
    range_r->host = NULL;
    if (host->type == REDIS_REPLY_NIL ||
        (host->type == REDIS_REPLY_STRING && host->len == 0))
        return 0;
    if (host->type != REDIS_REPLY_STRING || host->len > REDIS_HOST_MAX ||
        strlen(host->str) != host->len)
        return -1;
    range_r->host = host->str;
    return 0;
}

/* {from, to, {host, port, …} of the master, then of replicas} */
static int read_range(const struct redisReply *range, struct redis_cluster_range *range_r)
{
    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
        range->element[0]->type != REDIS_REPLY_INTEGER ||
        range->element[1]->type != REDIS_REPLY_INTEGER ||
        range->element[0]->integer < 0 ||
        range->element[0]->integer > range->element[1]->integer ||
        range->element[1]->integer >= REDIS_SLOTS)
        return -1;
    range_r->from = (unsigned)range->element[0]->integer;
    range_r->to = (unsigned)range->element[1]->integer;
    return read_place(range->element[2], range_r);
}

/* Refuses more slots than there are, so that the work has a limit. */
static int check_range(struct redis_cluster_map *map, const struct redisReply *range)
{
    struct redis_cluster_range unused;

    if (read_range(range, &unused) < 0)
        return -1;
    map->slots += unused.to - unused.from + 1;
    return map->slots <= REDIS_SLOTS ? 0 : -1;
}

static void enter(struct redis_cluster_map *map, enum redis_cluster_map_state state)
{
    map->state = state;
    map->at = 0;
}

void redis_cluster_map_begin(struct redis_cluster_map *map, struct redisReply *reply)
{
    assert(map->state == REDIS_MAP_NONE && reply != NULL);
    map->reply = reply;
    map->slots = 0;
    enter(map, REDIS_MAP_CHECK);
}

/* Frees a range; hiredis frees the rest later, and allows gaps. */
static void free_range(struct redis_cluster_map *map)
{
    freeReplyObject(map->reply->element[map->at]);
    map->reply->element[map->at] = NULL;
}

/* Works on the range at `at`; -1 if it makes no sense. */
static int do_range(struct redis_cluster_map *map,
                    void (*take)(void *ctx, const struct redis_cluster_range *range),
                    void *ctx)
{
    const struct redisReply *element = map->reply->element[map->at];
    struct redis_cluster_range range;

    switch (map->state) {
    case REDIS_MAP_CHECK: return check_range(map, element);
    case REDIS_MAP_TAKE:
        if (read_range(element, &range) == 0)
            take(ctx, &range);
        return 0;
    case REDIS_MAP_FREE: free_range(map); return 0;
    case REDIS_MAP_NONE: break;
    }
    return 0;
}

/* All ranges are done: enters the next state. */
static enum redis_cluster_map_news next_state(struct redis_cluster_map *map)
{
    switch (map->state) {
    case REDIS_MAP_CHECK: enter(map, REDIS_MAP_TAKE); return REDIS_MAP_MORE;
    case REDIS_MAP_TAKE: enter(map, REDIS_MAP_FREE); return REDIS_MAP_TAKEN;
    case REDIS_MAP_FREE: redis_cluster_map_end(map); return REDIS_MAP_DONE;
    case REDIS_MAP_NONE: break;
    }
    return REDIS_MAP_DONE;
}

static bool is_map(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements > 0 &&
           reply->elements <= REDIS_SLOTS;
}

enum redis_cluster_map_news
redis_cluster_map_step(struct redis_cluster_map *map,
                       void (*take)(void *ctx, const struct redis_cluster_range *range),
                       void *ctx)
{
    uint64_t end_ns = clock_now_ns() + REDIS_CLUSTER_MAP_STEP_US * NS_PER_US;

    if (map->state == REDIS_MAP_NONE)
        return REDIS_MAP_DONE;
    if (map->state == REDIS_MAP_CHECK && !is_map(map->reply)) {
        enter(map, REDIS_MAP_FREE);
        return REDIS_MAP_BAD;
    }
    for (; map->at < map->reply->elements; map->at++) {
        if (clock_now_ns() >= end_ns)
            return REDIS_MAP_MORE;
        if (do_range(map, take, ctx) < 0) {
            enter(map, REDIS_MAP_FREE);
            return REDIS_MAP_BAD;
        }
    }
    return next_state(map);
}

void redis_cluster_map_end(struct redis_cluster_map *map)
{
    if (map->reply != NULL)
        freeReplyObject(map->reply);
    *map = (struct redis_cluster_map){0};
}
