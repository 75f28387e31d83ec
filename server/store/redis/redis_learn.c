#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* Asks for the last version of a collection: once for each collection, and again after a
   reconnect, because another Redis may answer then. */
struct learn_flight {
    struct redis_flight base;
    struct store_learn *learn;
    uint64_t *place; /* in servers->learned */
    uint64_t hash;
};

static void end(struct learn_flight *flight)
{
    struct store_learn *learn = flight->learn;

    if (!flight->base.cancelled) {
        learn->request.backend = NULL;
        learn->done(learn);
    }
    mem_free(flight);
}

static int send_get(struct learn_flight *flight, struct slice collection)
{
    struct redis_command args = {0};
    struct redis_key version;

    redis_key_own(&version, collection, 'v');
    redis_command_text(&args, "GET");
    redis_command_add(&args, version.bytes, version.len);
    return redis_flight_send(&flight->base, &args);
}

static void on_version(struct redis_call *call, const struct redisReply *reply)
{
    struct learn_flight *flight =
        container_of(redis_flight_of(call), struct learn_flight, base);
    struct redis_servers *servers = flight->base.servers;
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    if (again && send_get(flight, flight->learn->collection) == 0)
        return;
    if (status == STORE_OK) {
        uint64_t version =
            reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;

        if (version > servers->newest_version)
            servers->newest_version = version;
        *flight->place = flight->hash;
    }
    end(flight);
}

/* FNV-1a, never 0. */
static uint64_t hash_of(struct slice collection)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < collection.len; i++)
        hash = (hash ^ collection.data[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

void redis_learn(struct redis_servers *servers, struct store_learn *learn)
{
    uint64_t hash = hash_of(learn->collection),
             reconnects = redis_servers_reconnects(servers);
    uint64_t *place = &servers->learned[(hash >> 32) % REDIS_LEARNED];
    struct learn_flight *flight;

    if (reconnects != servers->learned_after)
        memset(servers->learned, 0, sizeof servers->learned);
    servers->learned_after = reconnects;
    if (*place == hash) {
        learn->done(learn);
        return;
    }
    flight = mem_zalloc(sizeof *flight);
    redis_flight_init(&flight->base, servers, &learn->request, learn->collection,
                      on_version);
    flight->learn = learn;
    flight->place = place;
    flight->hash = hash;
    if (send_get(flight, learn->collection) < 0)
        end(flight);
}
