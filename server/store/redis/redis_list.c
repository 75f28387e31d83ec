#include <assert.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* The most that one script's answer holds, whatever the caller asks for. */
#define RUN_BYTES     262144
#define RUN_DOCUMENTS 1024

/* ---- a run of documents ---- */

struct list_flight {
    struct redis_flight base;
    struct store_list *list;
    struct store_document *documents;
    struct store_get large; /* reads a large first document */
    struct blob *blob;      /* its bytes, while `large` ends */
    uint8_t id[STORE_NAME_MAX];
    bool more;
};

static void end_list(struct list_flight *flight, enum store_status status, size_t count)
{
    struct store_list *list = flight->list;

    if (!flight->base.cancelled) {
        list->documents = flight->documents;
        list->count = status == STORE_OK ? count : 0;
        list->more = status == STORE_OK && flight->more;
        list->blob = flight->blob;
        STORE_BACKEND_END(list, status);
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

/* Reads a row. *size_r is the document's size; the row has fewer bytes if they did not
   come along. */
static int read_row(const struct redisReply *reply, size_t i, struct store_document *row,
                    uint64_t *size_r)
{
    const struct redisReply *value =
        redis_flight_element(reply, i + 1, REDIS_REPLY_STRING);
    struct slice id = redis_flight_name(reply, i);
    struct redis_head head;

    if (id.len == 0 || value == NULL ||
        redis_head_read(value->str, value->len, &head) < 0)
        return -1;
    *size_r = head.len;
    *row = (struct store_document){
        .id = id,
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
        uint64_t size;

        if (read_row(reply, 1 + 2 * n, &flight->documents[n], &size) < 0 ||
            size != flight->documents[n].bytes.len)
            return redis_flight_damaged(flight->list->collection,
                                        redis_flight_name(reply, 1 + 2 * n));
    }
    *count_r = count;
    return STORE_OK;
}

static void on_large(struct store_get *get)
{
    struct list_flight *flight = container_of(get, struct list_flight, large);

    if (get->status == STORE_NOT_FOUND && !flight->base.cancelled) {
        /* It was deleted meanwhile: the list is read again, from the node that has the
           collection now. */
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

/* Reads the document if the reply is only the head of a large one; else false. */
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

    /* {1 if more follow, id, value, …}; the caller relies on max_documents */
    if (redis_flight_element(reply, 0, REDIS_REPLY_INTEGER) == NULL ||
        reply->elements % 2 != 1 || reply->elements / 2 > flight->list->max_documents) {
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

/* Cancels the reading of a large first document too. */
static void cancel_list(struct store_flight *flight)
{
    struct list_flight *list = container_of(
        container_of(flight, struct redis_flight, flight), struct list_flight, base);

    list->base.cancelled = true;
    if (list->large.request.backend != NULL) {
        store_backend_cancel(&list->large.request);
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
    if (!flight->base.cancelled)
        STORE_BACKEND_END(flight->count, status);
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
    const struct redisReply *last = redis_flight_element(reply, 2, REDIS_REPLY_STRING);

    if (redis_flight_element(reply, 0, REDIS_REPLY_INTEGER) == NULL ||
        redis_flight_element(reply, 1, REDIS_REPLY_INTEGER) == NULL ||
        reply->elements != 3 || last == NULL ||
        redis_flight_name(reply, 2).len != last->len)
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
