#include "server/store/redis/redis_store.h"

#include <ev.h>

#include "common/base/alloc.h"
#include "server/store/redis/keys/redis_values.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* How long opening waits for Redis, because a front that replaces another has clients at
   once. */
#define SETTLE_S 1.0

struct redis_store {
    struct store base;
    struct redis_servers servers;
};

static struct redis_store *of(struct store *store)
{
    return container_of(store, struct redis_store, base);
}

static const struct redis_store *of_const(const struct store *store)
{
    return (const struct redis_store *)(const void *)store; /* its first member */
}

static struct store *open_store(struct ev_loop *loop, const struct store_config *config)
{
    struct redis_store *store = mem_zalloc(sizeof *store);

    if (redis_servers_open(&store->servers, loop, config) < 0) {
        mem_free(store);
        return NULL;
    }
    redis_flight_init_servers(&store->servers);
    store->base.backend = redis_store_backend();
    store->base.is_foreign = store->servers.url.keys != NULL;
    redis_servers_settle(&store->servers, SETTLE_S);
    return &store->base;
}

static void close_store(struct store *base)
{
    struct redis_store *store = of(base);

    redis_flight_end_servers(&store->servers);
    redis_servers_close(&store->servers);
    mem_free(store);
}

static bool is_ready(const struct store *base, const char **why_r)
{
    return redis_servers_is_ready(&of_const(base)->servers, why_r);
}

static void get_document(struct store *base, struct store_get *request)
{
    if (base->is_foreign)
        redis_value_get(&of(base)->servers, request);
    else
        redis_get(&of(base)->servers, request);
}

static void list_documents(struct store *base, struct store_list *request)
{
    if (base->is_foreign)
        redis_value_list(&of(base)->servers, request);
    else
        redis_list(&of(base)->servers, request);
}

static void count_documents(struct store *base, struct store_count *request)
{
    if (base->is_foreign)
        STORE_BACKEND_END(request, STORE_UNLISTED);
    else
        redis_count(&of(base)->servers, request);
}

static void list_collections(struct store *base, struct store_collections *request)
{
    if (base->is_foreign)
        STORE_BACKEND_END(request, STORE_UNLISTED);
    else
        redis_collections(&of(base)->servers, request);
}

static void put_document(struct store *base, struct store_put *request)
{
    redis_put(&of(base)->servers, request);
}

static int reap_readers(struct store *base)
{
    (void)base;
    return 0; /* Redis knows when a client is gone */
}

static void learn(struct store *base, struct store_learn *request)
{
    if (base->is_foreign)
        request->done(request); /* no version is kept */
    else
        redis_learn(&of(base)->servers, request);
}

/* The newest version that this front has written, read or learned. */
static uint64_t clock_us(const struct store *base)
{
    return of_const(base)->servers.newest_version;
}

static void read_counters(const struct store *base, struct store_counters *counters_r)
{
    const struct redis_store *store = of_const(base);

    counters_r->writes_sent = store->servers.writes_sent;
    counters_r->writes_unsure = store->servers.writes_unsure;
    counters_r->writes_waiting = store->servers.writes_waiting;
    counters_r->writer_restarts = redis_servers_reconnects(&store->servers);
}

const struct store_backend *redis_store_backend(void)
{
    static const struct store_backend backend = {
        .open = open_store,
        .close = close_store,
        .is_ready = is_ready,
        .get = get_document,
        .list = list_documents,
        .count = count_documents,
        .collections = list_collections,
        .put = put_document,
        .reap_readers = reap_readers,
        .clock_us = clock_us,
        .learn = learn,
        .read_counters = read_counters,
        .check = redis_check,
    };

    return &backend;
}
