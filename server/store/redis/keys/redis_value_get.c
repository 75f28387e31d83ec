#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/loop/loop_defer.h"
#include "common/loop/memory_budget.h"
#include "server/store/redis/keys/redis_values.h"
#include "server/store/redis/link/redis_reader.h"
#include "server/store/redis/redis_flight.h"

/* Attempts to read a value whose length changes meanwhile. */
#define ATTEMPTS 6

/* Pieces put together in one turn of the loop. */
#define PIECES_A_TURN 4

/* What is awaited. GETRANGE gives nothing for a missing key, and neither for an empty
   value. EXISTS usually tells which it is. If the key is there now, it may have been
   written in between, so the script reads it: that says in one step that it is there and
   empty. */
enum value_state {
    VALUE_FIRST,  /* the reply to GETRANGE of the first piece */
    VALUE_EXISTS, /* to EXISTS */
    VALUE_LENGTH, /* to STRLEN: more than a piece may be there */
    VALUE_PIECES, /* the script's pieces; one without bytes of an empty value */
    VALUE_JOIN    /* a turn of the loop, to put pieces together */
};

static bool may_change(enum value_state from, enum value_state to)
{
    switch (to) {
    case VALUE_FIRST: return from == VALUE_PIECES; /* a new attempt */
    case VALUE_EXISTS:
    case VALUE_LENGTH: return from == VALUE_FIRST;
    case VALUE_PIECES: return from == VALUE_LENGTH || from == VALUE_EXISTS;
    case VALUE_JOIN: return from == VALUE_PIECES;
    }
    return false;
}

struct value_flight {
    struct redis_flight base;
    struct store_get *get;
    enum value_state state;
    bool is_line; /* for a list: see redis_value_get_line() */
    unsigned attempts;
    uint64_t len;      /* of a large value */
    uint64_t reserved; /* bytes of the memory budget */
    struct buf bytes;
    struct redisReply *pieces; /* kept, from `next` on; NULL for none */
    size_t next;
    struct loop_defer *later;
    struct redis_key key;
};

static void enter(struct value_flight *flight, enum value_state state)
{
    assert(may_change(flight->state, state));
    flight->state = state;
}

static void free_pieces(void *pieces)
{
    freeReplyObject(pieces);
}

/* Frees the pieces that are not put together; not on the loop, if they are many. */
static void drop_pieces(struct value_flight *flight)
{
    struct redisReply *pieces = flight->pieces;

    flight->pieces = NULL;
    if (pieces != NULL)
        background_free_object(free_pieces, pieces,
                               (pieces->elements - flight->next) *
                                   REDIS_VALUE_PIECE_BYTES);
}

static void end(struct value_flight *flight, enum store_status status)
{
    struct store_get *get = flight->get;
    struct blob *blob;

    memory_budget_release(flight->reserved);
    if (!flight->base.cancelled) {
        if (status == STORE_OK) {
            get->format = STORE_JSON;
            get->blob = blob_new_steal(&flight->bytes);
        }
        blob = get->blob; /* get may be gone after done */
        STORE_BACKEND_END(get, status);
        blob_unref(&blob);
    }
    drop_pieces(flight);
    loop_defer_destroy(&flight->later);
    background_free_buf(&flight->bytes);
    mem_free(flight);
}

/* Appends bytes of the value. */
static void take_bytes(struct value_flight *flight, const char *bytes, size_t len)
{
    size_t from = flight->bytes.len;
    uint8_t *at, *last;

    buf_append(&flight->bytes, bytes, len);
    if (!flight->is_line)
        return;
    at = flight->bytes.data + from;
    last = at + len;
    while (at < last && (at = memchr(at, '\n', (size_t)(last - at))) != NULL)
        *at++ = '\r';
}

/* ---- commands ---- */

static int ask(struct value_flight *flight, const char *verb)
{
    struct redis_command args = {0};

    redis_command_text(&args, verb);
    redis_command_add(&args, flight->key.bytes, flight->key.len);
    return redis_flight_send(&flight->base, &args);
}

static int ask_first(struct value_flight *flight)
{
    struct redis_command args = {0};
    char last[24];

    snprintf(last, sizeof last, "%d", REDIS_VALUE_PIECE_BYTES - 1);
    redis_command_text(&args, "GETRANGE");
    redis_command_add(&args, flight->key.bytes, flight->key.len);
    redis_command_text(&args, "0");
    redis_command_text(&args, last);
    return redis_flight_send(&flight->base, &args);
}

static int ask_pieces(struct value_flight *flight)
{
    struct redis_command args;
    char len[24], piece[24];

    snprintf(len, sizeof len, "%llu", (unsigned long long)flight->len);
    snprintf(piece, sizeof piece, "%d", REDIS_VALUE_PIECE_BYTES);
    redis_flight_script(&flight->base, &args, REDIS_SCRIPT_PIECES, 1);
    redis_command_add(&args, flight->key.bytes, flight->key.len);
    redis_command_text(&args, len);
    redis_command_text(&args, piece);
    return redis_flight_send(&flight->base, &args);
}

/* Asks for what the state awaits. */
static int send(struct value_flight *flight)
{
    switch (flight->state) {
    case VALUE_FIRST: return ask_first(flight);
    case VALUE_EXISTS: return ask(flight, "EXISTS");
    case VALUE_LENGTH: return ask(flight, "STRLEN");
    case VALUE_PIECES: return ask_pieces(flight);
    case VALUE_JOIN: break;
    }
    return 0;
}

static void go_on(struct value_flight *flight, enum value_state state)
{
    enter(flight, state);
    if (send(flight) < 0)
        end(flight, STORE_DOWN);
}

/* ---- replies ---- */

static void take_first(struct value_flight *flight, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING || reply->len > REDIS_VALUE_PIECE_BYTES)
        end(flight, STORE_ERROR);
    else if (reply->len == 0)
        go_on(flight, VALUE_EXISTS);
    else if (reply->len == REDIS_VALUE_PIECE_BYTES)
        go_on(flight, VALUE_LENGTH);
    else if (reply->len > flight->base.servers->max_value_bytes)
        end(flight, STORE_TOO_LARGE);
    else {
        take_bytes(flight, reply->str, reply->len);
        end(flight, STORE_OK);
    }
}

static void take_exists(struct value_flight *flight, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        end(flight, STORE_ERROR);
    } else if (reply->integer == 0) {
        end(flight, STORE_NOT_FOUND);
    } else {
        flight->len = 0;
        go_on(flight, VALUE_PIECES);
    }
}

static void take_length(struct value_flight *flight, const struct redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0 ||
        (uint64_t)reply->integer > STORE_DOCUMENT_MAX) {
        end(flight, STORE_ERROR);
        return;
    }
    flight->len = (uint64_t)reply->integer;
    if (flight->len > flight->base.servers->max_value_bytes) {
        end(flight, STORE_TOO_LARGE);
    } else if (!memory_budget_fits(2 * flight->len, 2 * flight->len)) {
        end(flight, STORE_NO_MEMORY);
    } else {
        flight->reserved = 2 * flight->len; /* the pieces, and what they become */
        memory_budget_hold(flight->reserved);
        go_on(flight, VALUE_PIECES);
    }
}

/* All pieces are put together. An empty value is no JSON. In a list it could not be seen,
   so it is a space there, which is no JSON either. */
static void finish(struct value_flight *flight)
{
    bool is_whole = flight->bytes.len == flight->len;

    if (flight->is_line && flight->len == 0)
        take_bytes(flight, " ", 1);
    end(flight, is_whole ? STORE_OK : STORE_ERROR);
}

/* Puts some pieces together, and frees them. */
static void join(void *ctx)
{
    struct value_flight *flight = ctx;
    size_t until = flight->next + PIECES_A_TURN;

    for (; flight->next < until && flight->next < flight->pieces->elements;
         flight->next++) {
        struct redisReply **piece = &flight->pieces->element[flight->next];

        take_bytes(flight, (*piece)->str, (*piece)->len);
        freeReplyObject(*piece);
        *piece = NULL;
    }
    if (flight->next < flight->pieces->elements)
        loop_defer_ask(flight->later, 0);
    else
        finish(flight);
}

/* The value has another length now, or is gone: it is read again from the start. */
static void read_again(struct value_flight *flight)
{
    memory_budget_release(flight->reserved);
    flight->reserved = 0;
    if (++flight->attempts < ATTEMPTS)
        go_on(flight, VALUE_FIRST);
    else
        end(flight, STORE_DOWN);
}

/* Keeps the reply that is being handled. */
static void keep_pieces(struct value_flight *flight, struct redisReply *reply)
{
    redis_reader_keep(reply);
    flight->pieces = reply;
}

static bool are_strings(const struct redisReply *reply)
{
    for (size_t i = 0; i < reply->elements; i++)
        if (redis_flight_element(reply, i, REDIS_REPLY_STRING) == NULL)
            return false;
    return reply->type == REDIS_REPLY_ARRAY;
}

static void take_pieces(struct value_flight *flight, struct redisReply *reply)
{
    if (!are_strings(reply)) {
        end(flight, STORE_ERROR);
    } else if (reply->elements == 0) {
        read_again(flight);
    } else {
        keep_pieces(flight, reply);
        enter(flight, VALUE_JOIN);
        buf_reserve(&flight->bytes, flight->len);
        flight->later = loop_defer_create(flight->base.servers->loop, join, flight);
        loop_defer_ask(flight->later, 0);
    }
}

static void take(struct value_flight *flight, struct redisReply *reply)
{
    switch (flight->state) {
    case VALUE_FIRST: take_first(flight, reply); return;
    case VALUE_EXISTS: take_exists(flight, reply); return;
    case VALUE_LENGTH: take_length(flight, reply); return;
    case VALUE_PIECES: take_pieces(flight, reply); return;
    case VALUE_JOIN: break;
    }
    assert(false);
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct value_flight *flight =
        container_of(redis_flight_of(call), struct value_flight, base);
    struct redisReply *mine = (struct redisReply *)(uintptr_t)reply;
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    if (again && send(flight) == 0)
        return;
    if (status == STORE_OK && !flight->base.cancelled) {
        take(flight, mine);
        return;
    }
    if (status == STORE_OK && mine->type == REDIS_REPLY_ARRAY)
        keep_pieces(flight, mine); /* for nobody: hiredis would free them on the loop */
    end(flight, again ? STORE_DOWN : status);
}

/* While pieces are put together there is no reply to wait for. */
static void cancel(struct store_flight *flight)
{
    struct value_flight *value = container_of(
        container_of(flight, struct redis_flight, flight), struct value_flight, base);

    value->base.cancelled = true;
    if (value->state == VALUE_JOIN)
        end(value, STORE_DOWN);
}

static void begin(struct redis_servers *servers, struct store_get *get, bool is_line)
{
    struct value_flight *flight = mem_zalloc(sizeof *flight);

    if (redis_template_key(servers->url.keys, get->key, &flight->key) < 0) {
        mem_free(flight);
        STORE_BACKEND_END(get, STORE_BAD_NAME);
        return;
    }
    redis_flight_init(&flight->base, servers, &get->request,
                      redis_key_slice(&flight->key), on_reply);
    flight->base.flight.cancel = cancel;
    flight->get = get;
    flight->is_line = is_line;
    if (send(flight) < 0)
        end(flight, STORE_DOWN);
}

void redis_value_get(struct redis_servers *servers, struct store_get *get)
{
    begin(servers, get, false);
}

void redis_value_get_line(struct redis_servers *servers, struct store_get *get)
{
    begin(servers, get, true);
}
