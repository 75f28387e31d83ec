#include <assert.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/keys/redis_values.h"
#include "server/store/redis/redis_flight.h"

/* Keys that one SCAN looks at. */
#define SCAN_COUNT "1000"

/* Values that are read at a time, while they are small. */
#define WINDOW 16

/* A value of this size is no part of a run with others, so that it is not copied. */
#define LARGE_BYTES 65536

/* A large value that came while a run had others already. */
struct large_value {
    struct blob *blob;
    struct slice id; /* in the scan's ids */
};

/* Where the list stands: on which server, at which cursor, and what is left of the last
   answer. It lasts from run to run. */
struct value_scan {
    struct store_scan base;
    unsigned node;              /* its number in redis_servers_node() */
    uint64_t changes;           /* redis_servers_changes() when the scan began */
    struct redis_conn *conn;    /* of that server; NULL before its first SCAN */
    uint64_t connections;       /* made to it then: another server has other cursors */
    struct buf cursor;          /* text */
    bool over;                  /* all servers have been looked through */
    bool is_careful;            /* the last value was large: one is read at a time */
    struct buf ids;             /* each behind a byte with its length */
    size_t next;                /* in ids: the next one to be read */
    struct slice again[WINDOW]; /* in ids: there was no memory beside others */
    unsigned again_count;
    struct large_value large[WINDOW];
    unsigned large_count;
};

struct value_list;

/* Reads one value. */
struct value_read {
    struct store_get get;
    struct value_list *list;
};

/* A value in the run. */
struct value_row {
    struct slice id;
    size_t from, len; /* in the run's bytes */
};

/* A run of values. */
struct value_list {
    struct redis_flight base;
    struct store_list *list;
    struct value_scan *scan;
    struct value_read reads[WINDOW];
    unsigned reading;
    bool starting;            /* in start_reads() */
    bool scanning;            /* SCAN is under way */
    enum store_status status; /* the first that was not OK */
    struct buf bytes;
    struct blob *blob; /* of a run that is one large value */
    struct value_row *rows;
    size_t count;
};

/* ---- what lasts ---- */

static void free_scan(struct store_scan *base)
{
    struct value_scan *scan = container_of(base, struct value_scan, base);

    while (scan->large_count > 0)
        blob_unref(&scan->large[--scan->large_count].blob);
    buf_free(&scan->cursor);
    buf_free(&scan->ids);
    mem_free(scan);
}

static struct value_scan *create_scan(const struct redis_servers *servers)
{
    struct value_scan *scan = mem_zalloc(sizeof *scan);

    scan->changes = redis_servers_changes(servers);
    scan->base.free = free_scan;
    scan->is_careful = true; /* nothing is known about the values */
    buf_append_str(&scan->cursor, "0");
    return scan;
}

static bool has_ids(const struct value_scan *scan)
{
    return scan->again_count > 0 || scan->next < scan->ids.len;
}

static struct slice take_id(struct value_scan *scan)
{
    struct slice id;

    if (scan->again_count > 0)
        return scan->again[--scan->again_count];
    id = (struct slice){scan->ids.data + scan->next + 1, scan->ids.data[scan->next]};
    scan->next += 1 + id.len;
    return id;
}

/* ---- the end of a run ---- */

static void set_rows(struct value_list *flight)
{
    struct store_list *list = flight->list;
    const uint8_t *bytes = flight->blob->bytes.data;

    list->documents = mem_alloc(flight->count * sizeof *list->documents);
    for (size_t i = 0; i < flight->count; i++) {
        const struct value_row *row = &flight->rows[i];

        list->documents[i] = (struct store_document){
            .id = row->id, .bytes = {bytes + row->from, row->len}, .format = STORE_JSON};
    }
    list->count = flight->count;
    list->blob = flight->blob;
}

static void end(struct value_list *flight)
{
    struct store_list *list = flight->list;
    struct store_document *documents = NULL;

    assert(flight->reading == 0 && !flight->scanning);
    if (!flight->base.cancelled) {
        list->blob = NULL;
        if (flight->status == STORE_OK && flight->count > 0) {
            if (flight->blob == NULL)
                flight->blob = blob_new_steal(&flight->bytes);
            set_rows(flight);
            documents = list->documents;
        }
        list->more =
            !flight->scan->over || has_ids(flight->scan) || flight->scan->large_count > 0;
        STORE_BACKEND_END(list, flight->status);
    }
    mem_free(documents);
    blob_unref(&flight->blob);
    buf_free(&flight->bytes);
    mem_free(flight->rows);
    mem_free(flight);
}

static void add_row(struct value_list *flight, struct slice id, size_t from, size_t len)
{
    assert(flight->count < flight->list->max_documents);
    flight->rows[flight->count++] = (struct value_row){id, from, len};
}

/* ---- reading values ---- */

static void start_reads(struct value_list *flight);

static void take_value(struct value_list *flight, const struct store_get *get)
{
    struct value_scan *scan = flight->scan;
    struct slice bytes = get->blob->bytes;

    scan->is_careful = bytes.len >= LARGE_BYTES;
    if (!scan->is_careful) {
        add_row(flight, get->key.id, flight->bytes.len, bytes.len);
        buf_append(&flight->bytes, bytes.data, bytes.len);
        buf_append(&flight->bytes, &flight->list->divider, 1);
    } else {
        assert(scan->large_count < WINDOW);
        scan->large[scan->large_count++] =
            (struct large_value){blob_ref(get->blob), get->key.id};
    }
}

/* There is no memory for a value: it is read later, unless nothing else of this scan took
   any. */
static void take_refusal(struct value_list *flight, const struct store_get *get)
{
    struct value_scan *scan = flight->scan;

    if (flight->reading == 0 && scan->large_count == 0) {
        flight->status = get->status;
        return;
    }
    assert(scan->again_count < WINDOW);
    scan->again[scan->again_count++] = get->key.id;
}

/* One value is read at a time where others may be large, too. */
static bool is_careful(const struct value_scan *scan)
{
    return scan->is_careful || scan->again_count > 0;
}

static void on_value(struct store_get *get)
{
    struct value_read *read = container_of(get, struct value_read, get);
    struct value_list *flight = read->list;

    flight->reading--;
    switch (get->status) {
    case STORE_OK: take_value(flight, get); break;
    case STORE_NOT_FOUND:
    case STORE_WRONG_TYPE:
    case STORE_TOO_LARGE: break; /* it does not come */
    case STORE_NO_MEMORY:
        if (flight->status == STORE_OK)
            take_refusal(flight, get);
        break;
    default:
        if (flight->status == STORE_OK)
            flight->status = get->status;
    }
    start_reads(flight);
}

static bool may_read(const struct value_list *flight)
{
    return flight->status == STORE_OK && has_ids(flight->scan) &&
           flight->scan->large_count == 0 &&
           flight->reading < (is_careful(flight->scan) ? 1 : WINDOW) &&
           flight->count + flight->reading < flight->list->max_documents &&
           flight->bytes.len < flight->list->max_bytes;
}

static struct value_read *free_read(struct value_list *flight)
{
    struct value_read *read = flight->reads;

    while (read->get.request.backend != NULL)
        read++;
    assert(read < flight->reads + WINDOW);
    return read;
}

/* Keeps some reads under way; ends the run when there is no more to be read. A read may
   end at once. */
static void start_reads(struct value_list *flight)
{
    if (flight->starting)
        return;
    flight->starting = true;
    while (may_read(flight)) {
        struct value_read *read = free_read(flight);

        *read = (struct value_read){
            .get = {.key = {flight->list->collection, take_id(flight->scan)},
                    .done = on_value},
            .list = flight};
        flight->reading++;
        redis_value_get_line(flight->base.servers, &read->get);
    }
    flight->starting = false;
    if (flight->reading == 0)
        end(flight);
}

/* ---- looking for keys ---- */

/* True if the scan's number of a server means the same server as when it began. If a node
   has got its first slot, or has lost its last one, a server might be left out. */
static bool counts_same_servers(const struct value_list *flight)
{
    return flight->scan->changes == redis_servers_changes(flight->base.servers);
}

/* The server of the scan's next step. -1 if it is not the one that the cursor is of, or
   if the servers have changed. */
static int find_server(struct value_list *flight)
{
    struct value_scan *scan = flight->scan;
    struct redis_conn *conn = redis_servers_node(flight->base.servers, scan->node);

    if (conn == NULL || !counts_same_servers(flight))
        return -1;
    if (scan->conn == NULL) {
        scan->conn = conn;
        scan->connections = redis_conn_reconnects(conn);
    }
    flight->base.conn = conn;
    return scan->conn == conn && scan->connections == redis_conn_reconnects(conn) ? 0
                                                                                  : -1;
}

static void fail(struct value_list *flight, enum store_status status)
{
    flight->status = status;
    end(flight);
}

static void ask_scan(struct value_list *flight)
{
    struct value_scan *scan = flight->scan;
    struct redis_command args = {0};
    struct buf pattern = BUF_INIT;

    redis_template_pattern(flight->base.servers->url.keys, flight->list->collection,
                           &pattern);
    redis_command_text(&args, "SCAN");
    redis_command_add(&args, scan->cursor.data, scan->cursor.len);
    redis_command_text(&args, "MATCH");
    redis_command_add(&args, pattern.data, pattern.len);
    redis_command_text(&args, "COUNT");
    redis_command_text(&args, SCAN_COUNT);
    redis_command_text(&args, "TYPE");
    redis_command_text(&args, "string");
    flight->scanning = find_server(flight) == 0 &&
                       redis_conn_send(flight->base.conn, &args, &flight->base.call) == 0;
    buf_free(&pattern);
    if (!flight->scanning)
        fail(flight, STORE_DOWN);
}

/* Notes the ids of the collection; a pattern may also match keys of others. */
static void take_keys(struct value_list *flight, const struct redisReply *keys)
{
    struct value_scan *scan = flight->scan;
    struct slice collection = flight->list->collection;

    scan->ids.len = scan->next = 0;
    for (size_t i = 0; i < keys->elements; i++) {
        const struct redisReply *key = redis_flight_element(keys, i, REDIS_REPLY_STRING);
        struct store_key name;

        if (key == NULL ||
            redis_template_name(flight->base.servers->url.keys,
                                (struct slice){(const uint8_t *)key->str, key->len},
                                &name) < 0 ||
            name.collection.len != collection.len ||
            memcmp(name.collection.data, collection.data, collection.len) != 0)
            continue;
        buf_append(&scan->ids, &(uint8_t){(uint8_t)name.id.len}, 1);
        buf_append(&scan->ids, name.id.data, name.id.len);
    }
}

/* Notes the cursor; "0" is the end of a server. */
static void take_cursor(struct value_list *flight, const struct redisReply *cursor)
{
    struct value_scan *scan = flight->scan;

    scan->cursor.len = 0;
    buf_append(&scan->cursor, cursor->str, cursor->len);
    if (cursor->len != 1 || cursor->str[0] != '0')
        return;
    scan->node++;
    scan->conn = NULL;
    scan->over = redis_servers_node(flight->base.servers, scan->node) == NULL;
}

static void on_scan(struct redis_call *call, const struct redisReply *reply)
{
    struct value_list *flight =
        container_of(redis_flight_of(call), struct value_list, base);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);
    const struct redisReply *cursor, *keys;

    flight->scanning = false;
    if (status != STORE_OK || flight->base.cancelled) {
        fail(flight, status);
        return;
    }
    if (!counts_same_servers(flight)) {
        fail(flight, STORE_DOWN);
        return;
    }
    cursor = redis_flight_element(reply, 0, REDIS_REPLY_STRING);
    keys = redis_flight_element(reply, 1, REDIS_REPLY_ARRAY);
    if (cursor == NULL || keys == NULL) {
        fail(flight, STORE_ERROR);
        return;
    }
    take_keys(flight, keys);
    take_cursor(flight, cursor);
    if (has_ids(flight->scan))
        start_reads(flight);
    else if (flight->scan->over)
        end(flight);
    else
        ask_scan(flight);
}

/* A run that is one large value, read earlier. */
static void give_large(struct value_list *flight)
{
    struct value_scan *scan = flight->scan;
    struct large_value large = scan->large[--scan->large_count];

    flight->blob = large.blob;
    add_row(flight, large.id, 0, large.blob->bytes.len);
    end(flight);
}

/* Cancels what is under way; a SCAN cannot be taken back, but the rest can. */
static void cancel(struct store_flight *base)
{
    struct value_list *flight = container_of(
        container_of(base, struct redis_flight, flight), struct value_list, base);

    flight->base.cancelled = true;
    for (unsigned i = 0; i < WINDOW; i++)
        store_backend_cancel(&flight->reads[i].get.request);
    flight->reading = 0;
    if (!flight->scanning)
        end(flight);
}

static enum store_status check(const struct redis_servers *servers,
                               const struct store_list *list)
{
    if (servers->url.scan == REDIS_SCAN_OFF ||
        (servers->url.scan == REDIS_SCAN_ASKED && !list->is_scan))
        return STORE_UNLISTED;
    return redis_template_has(servers->url.keys, list->collection) ? STORE_OK
                                                                   : STORE_BAD_NAME;
}

void redis_value_list(struct redis_servers *servers, struct store_list *list)
{
    enum store_status status = check(servers, list);
    struct value_list *flight;

    if (status != STORE_OK) {
        STORE_BACKEND_END(list, status);
        return;
    }
    if (list->scan == NULL)
        list->scan = &create_scan(servers)->base;
    flight = mem_zalloc(sizeof *flight);
    redis_flight_init(&flight->base, servers, &list->request, list->collection, on_scan);
    flight->base.flight.cancel = cancel;
    flight->list = list;
    flight->scan = container_of(list->scan, struct value_scan, base);
    flight->rows = mem_alloc(list->max_documents * sizeof *flight->rows);
    if (flight->scan->large_count > 0)
        give_large(flight);
    else if (has_ids(flight->scan))
        start_reads(flight);
    else if (flight->scan->over)
        end(flight);
    else
        ask_scan(flight);
}
