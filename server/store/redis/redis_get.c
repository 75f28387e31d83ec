#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/memory_budget.h"
#include "common/loop/background_free.h"
#include "server/store/redis/redis_flight.h"
#include "server/store/redis/redis_verbs.h"

/* Attempts to read a large document in pieces while others change it; then it is read
   whole. */
#define ATTEMPTS 6

/* A document that comes in pieces is one document if its version is still the same after
   the last piece, because no version is used twice. */
enum get_state {
    GET_KNOWN,   /* awaits the head: the caller may know the document already */
    GET_FIRST,   /* awaits the head and the first piece */
    GET_PIECES,  /* awaits pieces, in order */
    GET_RECHECK, /* awaits the head once more */
    GET_WHOLE    /* awaits the whole value */
};

/* The allowed changes. */
static bool may_change(enum get_state from, enum get_state to)
{
    switch (to) {
    case GET_KNOWN: return false; /* a flight may begin with it */
    case GET_FIRST: return true;  /* a new attempt */
    case GET_PIECES: return from == GET_FIRST || from == GET_WHOLE;
    case GET_RECHECK: return from == GET_PIECES;
    case GET_WHOLE: return from != GET_KNOWN;
    }
    return false;
}

struct get_flight {
    struct redis_flight base;
    struct store_get *get;
    enum get_state state;
    unsigned waiting; /* replies to come */
    unsigned attempts;
    bool torn;  /* a piece was missing or short: the document changed */
    bool moved; /* the slot is on another node: the document is read again from there */
    struct redis_head head;
    struct buf bytes;  /* pieces so far */
    uint64_t asked;    /* bytes asked for so far */
    uint64_t reserved; /* bytes of the memory budget */
    struct redis_key key;
};

static void enter(struct get_flight *flight, enum get_state state)
{
    assert(may_change(flight->state, state));
    flight->state = state;
}

static void end(struct get_flight *flight, enum store_status status)
{
    struct store_get *get = flight->get;
    struct blob *blob;

    assert(flight->waiting == 0);
    memory_budget_release(flight->reserved);
    if (!flight->base.cancelled) {
        if (status == STORE_OK) {
            get->format = flight->head.format;
            get->version = flight->head.version;
        }
        if (status == STORE_OK && flight->state != GET_KNOWN) {
            get->blob = blob_new_steal(&flight->bytes);
            if (get->version > flight->base.servers->newest_version)
                flight->base.servers->newest_version = get->version;
        }
        blob = get->blob; /* get may be gone after done */
        STORE_BACKEND_END(get, status);
        blob_unref(&blob);
    }
    background_free_buf(&flight->bytes);
    mem_free(flight);
}

/* Asks for a part of the value, which begins with the head; -1 if the store is down. */
static int ask(struct get_flight *flight, uint64_t from, uint64_t len)
{
    struct redis_command args = {0};
    char first[24], last[24];

    assert(len > 0);
    snprintf(first, sizeof first, "%llu", (unsigned long long)from);
    snprintf(last, sizeof last, "%llu", (unsigned long long)(from + len - 1));
    redis_command_text(&args, "GETRANGE");
    redis_command_add(&args, flight->key.bytes, flight->key.len);
    redis_command_text(&args, first);
    redis_command_text(&args, last);
    if (redis_flight_send(&flight->base, &args) < 0)
        return -1;
    flight->waiting++;
    return 0;
}

static int begin(struct get_flight *flight)
{
    flight->bytes.len = 0;
    flight->torn = flight->moved = false;
    if (flight->state == GET_KNOWN)
        return ask(flight, 0, REDIS_HEAD_BYTES);
    if (flight->attempts++ < ATTEMPTS) {
        enter(flight, GET_FIRST);
        return ask(flight, 0, REDIS_HEAD_BYTES + REDIS_PIECE_BYTES);
    }
    enter(flight, GET_WHOLE);
    return ask(flight, 0, REDIS_HEAD_BYTES + REDIS_DOCUMENT_MAX);
}

/* Keeps some pieces under way, then asks for the head again. */
static int ask_more(struct get_flight *flight)
{
    while (flight->asked < flight->head.len && flight->waiting < REDIS_PIECES) {
        uint64_t len = flight->head.len - flight->asked;

        if (len > REDIS_PIECE_BYTES)
            len = REDIS_PIECE_BYTES;
        if (ask(flight, REDIS_HEAD_BYTES + flight->asked, len) < 0)
            return -1;
        flight->asked += len;
    }
    if (flight->asked < flight->head.len || flight->waiting > 0)
        return 0;
    enter(flight, GET_RECHECK);
    return ask(flight, 0, REDIS_HEAD_BYTES);
}

/* Takes the head and what follows it: OK to continue, else the status to end with. Sets
 *done_r if the document is complete. */
static enum store_status take_first(struct get_flight *flight,
                                    const struct redisReply *reply, bool *done_r)
{
    size_t got;

    if (reply->len == 0)
        return STORE_NOT_FOUND;
    if (redis_head_read(reply->str, reply->len, &flight->head) < 0)
        return redis_flight_damaged(flight->get->key.collection, flight->get->key.id);
    got = reply->len - REDIS_HEAD_BYTES;
    *done_r = got == flight->head.len;
    if (!*done_r && (flight->state == GET_WHOLE || got != REDIS_PIECE_BYTES ||
                     got > flight->head.len))
        return redis_flight_damaged(flight->get->key.collection, flight->get->key.id);
    memory_budget_release(flight->reserved);
    flight->reserved = 0;
    if (!memory_budget_fits(flight->head.len, flight->head.len))
        return STORE_NO_MEMORY;
    flight->reserved = flight->head.len;
    memory_budget_hold(flight->reserved);
    buf_reserve(&flight->bytes, flight->head.len);
    buf_append(&flight->bytes, reply->str + REDIS_HEAD_BYTES, got);
    flight->asked = got;
    enter(flight, GET_PIECES);
    return STORE_OK;
}

static void take_piece(struct get_flight *flight, const struct redisReply *reply)
{
    uint64_t left = flight->head.len - flight->bytes.len;

    if (reply->len != (left < REDIS_PIECE_BYTES ? left : REDIS_PIECE_BYTES))
        flight->torn = true;
    else if (!flight->torn)
        buf_append(&flight->bytes, reply->str, reply->len);
    if (flight->torn)
        flight->asked = flight->head.len; /* ask for no more pieces */
}

/* True if the head is the same as before. */
static bool is_unchanged(const struct get_flight *flight, const struct redisReply *reply)
{
    struct redis_head head;

    return !flight->torn && redis_head_read(reply->str, reply->len, &head) == 0 &&
           head.version == flight->head.version;
}

/* True if the caller knows this version of the document. */
static bool is_known(struct get_flight *flight, const struct redisReply *reply)
{
    return redis_head_read(reply->str, reply->len, &flight->head) == 0 &&
           flight->head.version == flight->get->known_version;
}

/* The caller does not know it: it is read as any other, missing and damaged ones too. */
static void read_unknown(struct get_flight *flight)
{
    enter(flight, GET_FIRST);
    if (begin(flight) < 0)
        end(flight, STORE_DOWN);
}

/* Takes a reply, and continues or ends the flight. */
static void take(struct get_flight *flight, const struct redisReply *reply)
{
    enum store_status status = STORE_OK;
    bool done = false;
    int rc;

    if (flight->state == GET_KNOWN && !is_known(flight, reply)) {
        read_unknown(flight);
        return;
    }
    switch (flight->state) {
    case GET_KNOWN: done = true; break;
    case GET_FIRST:
    case GET_WHOLE: status = take_first(flight, reply, &done); break;
    case GET_PIECES: take_piece(flight, reply); break;
    case GET_RECHECK: done = is_unchanged(flight, reply); break;
    }
    if (status != STORE_OK || done) {
        end(flight, status);
        return;
    }
    rc = flight->state == GET_RECHECK ? begin(flight) : ask_more(flight);
    if (rc < 0 && flight->waiting == 0)
        end(flight, STORE_DOWN);
}

static void on_reply(struct redis_call *call, const struct redisReply *reply)
{
    struct get_flight *flight =
        container_of(redis_flight_of(call), struct get_flight, base);
    bool again;
    enum store_status status = redis_flight_status(&flight->base, reply, &again);

    flight->waiting--;
    if (status == STORE_OK && reply->type != REDIS_REPLY_STRING)
        status = STORE_ERROR;
    flight->moved |= again;
    if (flight->moved && !flight->base.cancelled && reply != NULL) {
        if (flight->waiting == 0 && begin(flight) < 0)
            end(flight, STORE_DOWN);
        return;
    }
    if (status != STORE_OK && !flight->base.cancelled && flight->waiting > 0) {
        /* the other pieces are not needed: the request ends now */
        flight->base.cancelled = true;
        STORE_BACKEND_END(flight->get, status);
        return;
    }
    if (flight->base.cancelled) {
        if (flight->waiting == 0)
            end(flight, STORE_DOWN);
        return;
    }
    if (status != STORE_OK)
        end(flight, status);
    else
        take(flight, reply);
}

void redis_get(struct redis_servers *servers, struct store_get *get)
{
    struct get_flight *flight = mem_zalloc(sizeof *flight);

    redis_flight_init(&flight->base, servers, &get->request, get->key.collection,
                      on_reply);
    flight->get = get;
    redis_key_document(&flight->key, get->key);
    flight->state = get->known_version != 0 ? GET_KNOWN : GET_FIRST;
    if (begin(flight) < 0)
        end(flight, STORE_DOWN);
}
