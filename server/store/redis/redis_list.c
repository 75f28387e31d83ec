#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_flight.h"

/* Most of one script's answer, whatever the caller would take. */
#define RUN_BYTES     262144
#define RUN_DOCUMENTS 1024

/* ---- what both have in common ---- */

static const struct redisReply *element(const struct redisReply *reply, size_t i,
                                        int type)
{
    return i < reply->elements && reply->element[i]->type == type ? reply->element[i]
                                                                  : NULL;
}

static struct slice slice_of(const struct redisReply *reply)
{
    return (struct slice){(const uint8_t *)reply->str, reply->len};
}

static bool is_name(const struct redisReply *reply)
{
    return reply != NULL && store_backend_name_is_sound(slice_of(reply));
}

/* "{1 where more follow, a name, something of `type`, …}" */
static bool is_run(const struct redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements % 2 == 1 &&
           element(reply, 0, REDIS_REPLY_INTEGER) != NULL;
}

/* ---- a run of documents ---- */

struct list_flight {
    struct redis_flight base;
    struct store_list *list;
    struct store_document *documents;
    struct store_get large; /* of a first document that comes by itself */
    struct blob *blob;      /* its bytes, while its get is being answered */
    uint8_t id[STORE_NAME_MAX];
    bool more;
};

static void end_list(struct list_flight *flight, enum store_status status, size_t count)
{
    struct store_list *list = flight->list;

    if (!flight->base.cancelled) {
        list->request.backend = NULL;
        list->status = status;
        list->documents = flight->documents;
        list->count = status == STORE_OK ? count : 0;
        list->more = status == STORE_OK && flight->more;
        list->blob = flight->blob;
        list->done(list);
    }
    mem_free(flight->documents);
    mem_free(flight);
}

static int send_list(struct list_flight *flight)
{
    const struct store_list *list = flight->list;
    struct redis_key index, prefix;
    struct redis_command args;
    char documents[24], bytes[24], whole[24];

    redis_key_own(&index, list->collection, 'i');
    redis_key_document(&prefix, (struct store_key){list->collection, {NULL, 0}});
    snprintf(documents, sizeof documents, "%zu",
             list->max_documents < RUN_DOCUMENTS ? list->max_documents : RUN_DOCUMENTS);
    snprintf(bytes, sizeof bytes, "%zu",
             list->max_bytes < RUN_BYTES ? list->max_bytes : RUN_BYTES);
    snprintf(whole, sizeof whole, "%d", REDIS_PIECE_BYTES);
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_LIST, 1);
    redis_command_add(&args, index.bytes, index.len);
    redis_command_add(&args, prefix.bytes, prefix.len);
    redis_command_add(&args, list->after.data, list->after.len);
    redis_command_add(&args, list->until.data, list->until.len);
    redis_command_text(&args, documents);
    redis_command_text(&args, bytes);
    redis_command_text(&args, whole);
    redis_command_text(&args, flight->base.servers->cluster != NULL ? "c" : "");
    return redis_flight_send(&flight->base, &args);
}

/* Reads a row; where its bytes did not come along, *size_r is more than there are. */
static int read_row(const struct redisReply *reply, size_t i, struct store_document *row,
                    uint64_t *size_r)
{
    const struct redisReply *id = element(reply, i, REDIS_REPLY_STRING);
    const struct redisReply *value = element(reply, i + 1, REDIS_REPLY_STRING);
    struct redis_head head;

    if (!is_name(id) || value == NULL ||
        redis_head_read(value->str, value->len, &head) < 0)
        return -1;
    *size_r = head.len;
    *row = (struct store_document){
        .id = slice_of(id),
        .bytes = {(const uint8_t *)value->str + REDIS_HEAD_BYTES,
                  value->len - REDIS_HEAD_BYTES},
        .format = head.format,
        .version = head.version,
    };
    return 0;
}

/* The script's rows; the slices point into the reply. */
static enum store_status read_rows(struct list_flight *flight,
                                   const struct redisReply *reply, size_t *count_r)
{
    size_t count = reply->elements / 2;

    flight->documents = mem_alloc((count + 1) * sizeof *flight->documents);
    for (size_t n = 0; n < count; n++) {
        const struct redisReply *id = element(reply, 1 + 2 * n, REDIS_REPLY_STRING);
        uint64_t size;

        if (read_row(reply, 1 + 2 * n, &flight->documents[n], &size) < 0 ||
            size != flight->documents[n].bytes.len)
            return redis_flight_damaged("document", flight->list->collection,
                                        id ? slice_of(id) : (struct slice){NULL, 0});
    }
    *count_r = count;
    return STORE_OK;
}

static void on_large(struct store_get *get)
{
    struct list_flight *flight = container_of(get, struct list_flight, large);

    if (get->status == STORE_NOT_FOUND && !flight->base.cancelled) {
        /* deleted meanwhile: what follows it? The node may be gone by now. */
        redis_flight_turn_to(&flight->base, flight->list->collection);
        if (send_list(flight) < 0)
            end_list(flight, STORE_DOWN, 0);
        return;
    }
    if (get->status == STORE_OK) {
        flight->documents = mem_alloc(sizeof *flight->documents);
        flight->documents[0] = (struct store_document){get->key.id, get->blob->bytes,
                                                       get->format, get->version};
        flight->blob = get->blob;
    }
    end_list(flight, get->status, 1);
}

/* True where the reply is one document's head alone; then it is fetched. */
static bool fetch_large(struct list_flight *flight, const struct redisReply *reply)
{
    struct store_document row;
    uint64_t size;

    if (reply->elements != 3 || read_row(reply, 1, &row, &size) < 0 ||
        size <= REDIS_PIECE_BYTES || row.bytes.len > 0)
        return false;
    memcpy(flight->id, row.id.data, row.id.len);
    flight->large = (struct store_get){
        .key = {flight->list->collection, {flight->id, row.id.len}}, .done = on_large};
    redis_get(flight->base.servers, &flight->large);
    return true;
}

static void take_list(struct list_flight *flight, const struct redisReply *reply)
{
    enum store_status status;
    size_t count = 0;

    /* no more than was asked for: the caller counts on it */
    if (!is_run(reply) || reply->elements / 2 > flight->list->max_documents) {
        end_list(flight, STORE_ERROR, 0);
        return;
    }
    flight->more = reply->element[0]->integer != 0;
    if (fetch_large(flight, reply))
        return;
    status = read_rows(flight, reply, &count);
    end_list(flight, status, count);
}

static void on_list(struct redis_call *call, const struct redisReply *reply)
{
    struct list_flight *flight =
        container_of(redis_flight_of(call), struct list_flight, base);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    if (again && send_list(flight) == 0)
        return;
    if (status == STORE_OK && !flight->base.cancelled)
        take_list(flight, reply);
    else
        end_list(flight, again ? STORE_DOWN : status, 0);
}

/* The head of a collection that comes by itself has a get of its own: it goes too. */
static void cancel_list(struct store_flight *flight)
{
    struct list_flight *list = container_of(
        container_of(flight, struct redis_flight, flight), struct list_flight, base);

    list->base.cancelled = true;
    if (list->large.request.backend != NULL) {
        store_cancel(&list->large.request);
        end_list(list, STORE_DOWN, 0);
    }
}

void redis_list(struct redis_servers *servers, struct store_list *list)
{
    struct list_flight *flight = mem_zalloc(sizeof *flight);

    redis_flight_init(&flight->base, servers, &list->request, list->collection, on_list);
    flight->base.flight.cancel = cancel_list;
    flight->list = list;
    if (send_list(flight) < 0)
        end_list(flight, STORE_DOWN, 0);
}

/* ---- counting ---- */

struct count_flight {
    struct redis_flight base;
    struct store_count *count;
};

static void end_count(struct count_flight *flight, enum store_status status)
{
    struct store_count *count = flight->count;

    if (!flight->base.cancelled) {
        count->request.backend = NULL;
        count->status = status;
        count->done(count);
    }
    mem_free(flight);
}

static int send_count(struct count_flight *flight)
{
    const struct store_count *count = flight->count;
    struct redis_key index;
    struct redis_command args;
    char max[24];

    redis_key_own(&index, count->collection, 'i');
    snprintf(max, sizeof max, "%" PRIu64, count->max_documents);
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_COUNT, 1);
    redis_command_add(&args, index.bytes, index.len);
    redis_command_add(&args, count->after.data, count->after.len);
    redis_command_text(&args, max);
    return redis_flight_send(&flight->base, &args);
}

static enum store_status take_count(struct store_count *count,
                                    const struct redisReply *reply)
{
    const struct redisReply *last;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3 ||
        element(reply, 0, REDIS_REPLY_INTEGER) == NULL ||
        element(reply, 1, REDIS_REPLY_INTEGER) == NULL)
        return STORE_ERROR;
    last = element(reply, 2, REDIS_REPLY_STRING);
    if (last == NULL || (last->len > 0 && !is_name(last)))
        return STORE_ERROR;
    count->documents = (uint64_t)reply->element[0]->integer;
    count->more = reply->element[1]->integer != 0;
    count->last_id_len = (uint8_t)last->len;
    memcpy(count->last_id, last->str, last->len);
    return STORE_OK;
}

static void on_count(struct redis_call *call, const struct redisReply *reply)
{
    struct count_flight *flight =
        container_of(redis_flight_of(call), struct count_flight, base);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    if (again && send_count(flight) == 0)
        return;
    if (status == STORE_OK && !flight->base.cancelled)
        status = take_count(flight->count, reply);
    end_count(flight, again ? STORE_DOWN : status);
}

void redis_count(struct redis_servers *servers, struct store_count *count)
{
    struct count_flight *flight = mem_zalloc(sizeof *flight);

    redis_flight_init(&flight->base, servers, &count->request, count->collection,
                      on_count);
    flight->count = count;
    count->more = false;
    count->last_id_len = 0;
    if (send_count(flight) < 0)
        end_count(flight, STORE_DOWN);
}
