#include "server/store/redis/redis_flight.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/hiredis.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

static void cancel(struct store_flight *flight)
{
    container_of(flight, struct redis_flight, flight)->cancelled = true;
}

void redis_flight_turn_to(struct redis_flight *flight, struct slice key)
{
    flight->key = key;
    flight->conn = redis_servers_conn(flight->servers, key);
    flight->asking = false;
}

void redis_flight_init(struct redis_flight *flight, struct redis_servers *servers,
                       struct store_request *request, struct slice key,
                       void (*on_reply)(struct redis_call *, const struct redisReply *))
{
    assert(request->backend == NULL);
    flight->flight.cancel = cancel;
    flight->call.on_reply = on_reply;
    flight->servers = servers;
    request->backend = &flight->flight;
    redis_flight_turn_to(flight, key);
}

void redis_flight_script(const struct redis_flight *flight, struct redis_command *args,
                         enum redis_script script, int keys)
{
    bool as_text = flight->as_text || flight->conn == NULL;

    redis_command_script(args, as_text ? "" : redis_conn_digest(flight->conn, script),
                         script, keys);
}

/* ---- sending, perhaps later ---- */

/* A command that waits until a slot has arrived, or a node's connection is up. */
struct delayed {
    struct list link; /* in servers->delayed */
    struct redis_flight *flight;
    struct redis_command args; /* their bytes are in `bytes` */
    struct buf bytes;
};

static int send_now(struct redis_flight *flight, const struct redis_command *args)
{
    struct redis_command asking = {0};

    if (flight->conn == NULL)
        return -1;
    redis_command_text(&asking, "ASKING");
    if (flight->asking &&
        redis_conn_send(flight->conn, &asking, &flight->servers->ignored) < 0)
        return -1;
    return redis_conn_send(flight->conn, args, &flight->call);
}

static void delay(struct redis_flight *flight, const struct redis_command *args)
{
    struct delayed *delayed = mem_zalloc(sizeof *delayed);
    struct redis_servers *servers = flight->servers;
    size_t at = 0;

    for (int i = 0; i < args->count; i++)
        buf_append(&delayed->bytes, args->parts[i], args->lens[i]);
    for (int i = 0; i < args->count; i++) {
        redis_command_add(&delayed->args, delayed->bytes.data + at, args->lens[i]);
        at += args->lens[i];
    }
    delayed->flight = flight;
    flight->behind++;
    list_append(&servers->delayed, &delayed->link);
    if (!ev_is_active(&servers->delay))
        ev_timer_again(servers->loop, &servers->delay);
}

int redis_flight_send(struct redis_flight *flight, const struct redis_command *args)
{
    if (flight->conn != NULL && redis_conn_is_renewing(flight->conn))
        flight->delayed = true;
    if (!flight->delayed && flight->behind == 0)
        return send_now(flight, args);
    flight->delayed = false;
    delay(flight, args);
    return 0;
}

/* True if it may help to wait longer. */
static bool is_worth_waiting(const struct redis_flight *flight)
{
    const char *why;

    if (flight->cancelled || flight->tries >= REDIS_TRIES)
        return false;
    if (flight->conn != NULL && redis_conn_is_up(flight->conn, &why))
        return false;
    return flight->servers->cluster != NULL || redis_conn_is_renewing(flight->conn);
}

/* Sends a command that has waited, or ends its flight. */
static void send_delayed(struct delayed *delayed, bool is_end)
{
    struct redis_flight *flight = delayed->flight;

    if (!flight->asking && !flight->cancelled)
        redis_flight_turn_to(flight, flight->key); /* the map may have changed */
    if (!is_end && is_worth_waiting(flight)) {
        flight->tries++;
        list_append(&flight->servers->delayed, &delayed->link);
        return;
    }
    flight->behind--;
    flight->unsent = is_end || flight->cancelled || send_now(flight, &delayed->args) < 0;
    if (flight->unsent)
        flight->call.on_reply(&flight->call, NULL); /* which may free it */
    buf_free(&delayed->bytes);
    mem_free(delayed);
}

static void send_all_delayed(struct redis_servers *servers, bool is_end)
{
    struct list now, *link;

    /* commands that must wait longer return to servers->delayed */
    list_init(&now);
    while ((link = list_shift(&servers->delayed)) != NULL)
        list_append(&now, link);
    while ((link = list_shift(&now)) != NULL)
        send_delayed(container_of(link, struct delayed, link), is_end);
}

static void on_delay(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_servers *servers = timer->data;

    (void)events;
    send_all_delayed(servers, false);
    if (list_is_empty(&servers->delayed))
        ev_timer_stop(loop, timer);
}

static void on_ignored(struct redis_call *call, const struct redisReply *reply)
{
    (void)call, (void)reply;
}

void redis_flight_init_servers(struct redis_servers *servers)
{
    servers->ignored.on_reply = on_ignored;
    list_init(&servers->delayed);
    ev_timer_init(&servers->delay, on_delay, 0., REDIS_TRY_PAUSE_S);
    servers->delay.data = servers;
}

void redis_flight_end_servers(struct redis_servers *servers)
{
    ev_timer_stop(servers->loop, &servers->delay);
    while (!list_is_empty(&servers->delayed))
        send_all_delayed(servers, true);
    ev_timer_stop(servers->loop, &servers->delay);
}

/* ---- replies ---- */

/* Follows a redirection; false if it leads nowhere. */
static bool follow(struct redis_flight *flight, const struct redisReply *reply,
                   bool asking)
{
    struct redis_servers *servers = flight->servers;
    struct redis_conn *to;
    const char *why;

    if (servers->cluster == NULL)
        return false;
    to = redis_cluster_redirect(servers->cluster, flight->call.from, reply->str,
                                reply->len);
    if (to == NULL)
        return false;
    flight->conn = to;
    flight->asking = asking;
    flight->delayed = !redis_conn_is_up(to, &why); /* a new connection */
    return true;
}

/* Applies an error's remedy; true if the command must be sent again. */
static bool apply(struct redis_flight *flight, const struct redisReply *reply,
                  enum redis_remedy remedy)
{
    switch (remedy) {
    case REDIS_REMEDY_LOAD:
        if (flight->as_text)
            return false;
        flight->as_text = true;
        return true;
    case REDIS_REMEDY_MOVED: return follow(flight, reply, false);
    case REDIS_REMEDY_ASK: return follow(flight, reply, true);
    case REDIS_REMEDY_WAIT:
        if (flight->servers->cluster == NULL)
            return false;
        redis_flight_turn_to(flight, flight->key);
        flight->delayed = true;
        return true;
    case REDIS_REMEDY_NEW_MAP:
        if (flight->servers->cluster != NULL)
            redis_cluster_ask_map(flight->servers->cluster);
        return false;
    case REDIS_REMEDY_NONE:
    case REDIS_REMEDY_REPLICA:
    case REDIS_REMEDY_RECONNECT: break;
    }
    return false;
}

enum store_status redis_flight_status(struct redis_flight *flight,
                                      const struct redisReply *reply, bool *again_r)
{
    struct redis_error error;

    *again_r = false;
    if (reply == NULL)
        return STORE_DOWN;
    if (reply->type != REDIS_REPLY_ERROR)
        return STORE_OK;
    /* not flight->conn: an earlier reply may have sent the flight to another node */
    error = redis_conn_take_error(flight->call.from, reply);
    if (!flight->cancelled && flight->tries++ < REDIS_TRIES)
        *again_r = apply(flight, reply, error.remedy);
    if (error.status == STORE_WRONG_TYPE && flight->servers->url.keys == NULL)
        return STORE_ERROR; /* of keys that are ours */
    return error.status;
}

enum store_status redis_flight_damaged(struct slice collection, struct slice id)
{
    log_warn("store: document %.*s/%.*s is damaged", (int)collection.len,
             (const char *)collection.data, (int)id.len, (const char *)id.data);
    return STORE_ERROR;
}

const struct redisReply *redis_flight_element(const struct redisReply *reply, size_t i,
                                              int type)
{
    return reply->type == REDIS_REPLY_ARRAY && i < reply->elements &&
                   reply->element[i]->type == type
               ? reply->element[i]
               : NULL;
}

struct slice redis_flight_name(const struct redisReply *reply, size_t i)
{
    const struct redisReply *text = redis_flight_element(reply, i, REDIS_REPLY_STRING);
    struct slice name = {NULL, 0};

    if (text != NULL)
        name = (struct slice){(const uint8_t *)text->str, text->len};
    return store_backend_name_is_sound(name) ? name : (struct slice){NULL, 0};
}
