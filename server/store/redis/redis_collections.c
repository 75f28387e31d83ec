#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* The most names that one answer holds, whatever the caller asks for. */
#define RUN_NAMES 1024

static const struct slice names_key = {(const uint8_t *)REDIS_COLLECTIONS_KEY,
                                       sizeof REDIS_COLLECTIONS_KEY - 1};

struct collections_flight;

/* Counts the documents of one collection of a cluster. */
struct counter {
    struct store_count count;
    struct collections_flight *flight;
};

/* A run of collections. A single server counts their documents in the same script. In a
   cluster the names are read first; then the documents of each are counted on its node.
   Collections without documents are left out; if all are, the next run is read. */
struct collections_flight {
    struct redis_flight base;
    struct store_collections *names;
    struct store_collection *rows;
    size_t count; /* of rows */
    bool more;
    /* in a cluster */
    struct buf bytes;         /* the names, because the reply is freed */
    struct counter *counters; /* one for each row */
    size_t counting;          /* counters whose done is to come */
    enum store_status status; /* the first that was not OK */
    uint8_t after[STORE_NAME_MAX];
    size_t after_len;
};

static struct collections_flight *of(struct redis_call *call)
{
    return container_of(redis_flight_of(call), struct collections_flight, base);
}

static void free_run(struct collections_flight *flight)
{
    assert(flight->counting == 0);
    mem_free(flight->rows);
    mem_free(flight->counters);
    buf_free(&flight->bytes);
    flight->rows = NULL;
    flight->counters = NULL;
}

static void end(struct collections_flight *flight, enum store_status status)
{
    struct store_collections *names = flight->names;

    if (!flight->base.cancelled) {
        names->collections = flight->rows;
        names->count = status == STORE_OK ? flight->count : 0;
        names->more = status == STORE_OK && flight->more;
        STORE_BACKEND_END(names, status);
    }
    free_run(flight);
    mem_free(flight);
}

static size_t most_of(const struct collections_flight *flight)
{
    return flight->names->max_count < RUN_NAMES ? flight->names->max_count : RUN_NAMES;
}

/* ---- on one server ---- */

static int send_script(struct collections_flight *flight)
{
    const struct store_collections *names = flight->names;
    struct redis_command args;
    char max[24];

    snprintf(max, sizeof max, "%zu", most_of(flight));
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_NAMES, 1);
    redis_command_add(&args, names_key.data, names_key.len);
    redis_command_add(&args, names->after.data, names->after.len);
    redis_command_text(&args, max);
    return redis_flight_send(&flight->base, &args);
}

/* {1 if more follow, name, number of documents, …} */
static enum store_status take_script(struct collections_flight *flight,
                                     const struct redisReply *reply)
{
    if (redis_flight_element(reply, 0, REDIS_REPLY_INTEGER) == NULL ||
        reply->elements % 2 != 1)
        return STORE_ERROR;
    flight->more = reply->element[0]->integer != 0;
    flight->count = reply->elements / 2;
    flight->rows = mem_alloc((flight->count + 1) * sizeof *flight->rows);
    for (size_t n = 0; n < flight->count; n++) {
        struct slice name = redis_flight_name(reply, 1 + 2 * n);
        const struct redisReply *number =
            redis_flight_element(reply, 2 + 2 * n, REDIS_REPLY_INTEGER);

        if (name.len == 0 || number == NULL)
            return STORE_ERROR;
        flight->rows[n] = (struct store_collection){name, (uint64_t)number->integer};
    }
    return STORE_OK;
}

/* ---- in a cluster ---- */

static int send_range(struct collections_flight *flight)
{
    struct redis_command args = {0};
    struct buf from = BUF_INIT;
    char most[24];
    int rc;

    buf_append_str(&from, flight->after_len > 0 ? "(" : "-");
    buf_append(&from, flight->after, flight->after_len);
    snprintf(most, sizeof most, "%zu", most_of(flight) + 1);
    redis_command_text(&args, "ZRANGEBYLEX");
    redis_command_add(&args, names_key.data, names_key.len);
    redis_command_add(&args, from.data, from.len);
    redis_command_text(&args, "+");
    redis_command_text(&args, "LIMIT");
    redis_command_text(&args, "0");
    redis_command_text(&args, most);
    rc = redis_flight_send(&flight->base, &args);
    buf_free(&from);
    return rc;
}

static void set_after(struct collections_flight *flight, struct slice name)
{
    assert(name.len <= sizeof flight->after);
    if (name.len > 0)
        memcpy(flight->after, name.data, name.len);
    flight->after_len = name.len;
}

/* All are counted: only collections with documents stay. */
static void end_run(struct collections_flight *flight)
{
    size_t kept = 0;

    for (size_t n = 0; n < flight->count; n++) {
        flight->rows[n].documents = flight->counters[n].count.documents;
        if (flight->rows[n].documents > 0)
            flight->rows[kept++] = flight->rows[n];
    }
    if (flight->base.cancelled || flight->status != STORE_OK || kept > 0 ||
        !flight->more) {
        flight->count = kept;
        end(flight, flight->status);
        return;
    }
    free_run(flight);
    redis_flight_turn_to(&flight->base, names_key); /* perhaps to another node */
    if (send_range(flight) < 0)
        end(flight, STORE_DOWN);
}

static void on_counted(struct store_count *count)
{
    struct collections_flight *flight =
        container_of(count, struct counter, count)->flight;

    if (flight->status == STORE_OK)
        flight->status = count->status;
    if (--flight->counting == 0)
        end_run(flight);
}

static enum store_status keep_names(struct collections_flight *flight,
                                    const struct redisReply *reply)
{
    size_t at = 0;

    for (size_t n = 0; n < flight->count; n++) {
        struct slice name = redis_flight_name(reply, n);

        if (name.len == 0)
            return STORE_ERROR;
        buf_append(&flight->bytes, name.data, name.len);
    }
    for (size_t n = 0; n < flight->count; n++) {
        flight->rows[n].name =
            (struct slice){flight->bytes.data + at, redis_flight_name(reply, n).len};
        at += flight->rows[n].name.len;
    }
    return STORE_OK;
}

static void take_range(struct collections_flight *flight, const struct redisReply *reply)
{
    size_t most = most_of(flight);

    flight->more = reply->elements > most;
    flight->count = flight->more ? most : reply->elements;
    flight->rows = mem_zalloc((flight->count + 1) * sizeof *flight->rows);
    flight->counters = mem_zalloc((flight->count + 1) * sizeof *flight->counters);
    if (reply->type != REDIS_REPLY_ARRAY || keep_names(flight, reply) != STORE_OK) {
        end(flight, STORE_ERROR);
        return;
    }
    if (flight->count == 0) {
        end(flight, STORE_OK);
        return;
    }
    set_after(flight, flight->rows[flight->count - 1].name);
    flight->counting = flight->count + 1; /* one more, because done may come at once */
    for (size_t n = 0; n < flight->count; n++) {
        flight->counters[n] =
            (struct counter){.count = {.collection = flight->rows[n].name,
                                       .max_documents = REDIS_VERSION_MAX,
                                       .done = on_counted},
                             .flight = flight};
        redis_count(flight->base.servers, &flight->counters[n].count);
    }
    if (--flight->counting == 0)
        end_run(flight);
}

/* While documents are counted, no other command of this flight is under way. */
static void cancel_collections(struct store_flight *base)
{
    struct collections_flight *flight = container_of(
        container_of(base, struct redis_flight, flight), struct collections_flight, base);

    flight->base.cancelled = true;
    if (flight->counting == 0)
        return;
    for (size_t n = 0; n < flight->count; n++)
        store_backend_cancel(&flight->counters[n].count.request);
    flight->counting = 0;
    end(flight, STORE_DOWN);
}

/* ---- both ---- */

static int send(struct collections_flight *flight)
{
    return flight->base.servers->cluster != NULL ? send_range(flight)
                                                 : send_script(flight);
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct collections_flight *flight = of(call);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    if (again && send(flight) == 0)
        return;
    if (status != STORE_OK || flight->base.cancelled)
        end(flight, again ? STORE_DOWN : status);
    else if (flight->base.servers->cluster != NULL)
        take_range(flight, reply);
    else
        end(flight, take_script(flight, reply));
}

void redis_collections(struct redis_servers *servers,
                       struct store_collections *collections)
{
    struct collections_flight *flight = mem_zalloc(sizeof *flight);

    redis_flight_init(&flight->base, servers, &collections->request, names_key, on_reply);
    flight->base.flight.cancel = cancel_collections;
    flight->names = collections;
    set_after(flight, collections->after);
    if (send(flight) < 0)
        end(flight, STORE_DOWN);
}
