#include "server/store/redis/link/redis_conn_private.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"

/* An idle connection that lives shorter is no idle one that was closed, but a server that
   wants nobody. */
#define RENEW_AFTER_NS (NS_PER_S / 2)
#define RENEW_PAUSE_S  0.001

static void begin(struct redis_conn *conn);

static void enter(struct redis_conn *conn, enum conn_state state, double timer_s)
{
    conn->state = state;
    ev_timer_stop(conn->loop, &conn->timer);
    ev_timer_set(&conn->timer, timer_s, timer_s);
    if (timer_s > 0.)
        ev_timer_start(conn->loop, &conn->timer);
}

/* ---- the end of a connection ---- */

static void stop_connection(struct redis_conn *conn)
{
    redisAsyncContext *ac = conn->ac;

    redis_resolve_drop(&conn->resolve);
    if (conn->sentinels != NULL)
        redis_sentinels_drop(conn->sentinels);
    ev_prepare_stop(conn->loop, &conn->flush);
    redis_conn_watch_stop(conn);
    conn->ac = NULL;
    conn->pump = NULL; /* goes with it */
    if (ac != NULL)
        redisAsyncFree(ac); /* ends what waits with NULL */
}

/* Begins the pause before the next attempt. */
static void pause_conn(struct redis_conn *conn)
{
    enter(conn, CONN_PAUSED, conn->pause_s);
    conn->settled = true;
    conn->pause_s *= 2;
    if (conn->pause_s > REDIS_CONN_PAUSE_MAX_S)
        conn->pause_s = REDIS_CONN_PAUSE_MAX_S;
}

/* Logs once per outage. */
static void tell_down(struct redis_conn *conn, const char *why, const char *detail)
{
    if (!conn->told_down)
        log_warn("store: %s: %s%s%s", conn->where, why, *detail ? ": " : "", detail);
    conn->told_down = true;
}

void redis_conn_fail(struct redis_conn *conn, const char *why, const char *detail)
{
    tell_down(conn, why, detail);
    conn->why = why;
    conn->renewing = false;
    if (conn->state != CONN_PAUSED)
        pause_conn(conn); /* first: callbacks must find it down */
    stop_connection(conn);
}

void redis_conn_drop(struct redis_conn *conn, const char *why)
{
    redis_conn_fail(conn, why, "");
}

/* The server has closed the connection, or the network has. */
static void lost(struct redis_conn *conn, const char *why, const char *detail)
{
    if (conn->state != CONN_UP || conn->waiting > 0 ||
        clock_now_ns() - conn->up_since_ns < RENEW_AFTER_NS) {
        redis_conn_fail(conn, why, detail);
        return;
    }
    conn->why = why;
    conn->renewing = true;
    enter(conn, CONN_PAUSED, RENEW_PAUSE_S);
    stop_connection(conn);
}

/* hiredis frees the context after this. */
static void on_disconnect(const redisAsyncContext *ac, int status)
{
    struct redis_conn *conn = ac->data;

    if (conn == NULL || conn->ac != ac)
        return; /* we did it */
    conn->ac = NULL;
    conn->pump = NULL;
    lost(conn, "the connection was lost", status == REDIS_OK ? "" : ac->errstr);
}

/* ---- replies ---- */

static void on_reply(redisAsyncContext *ac, void *reply, void *data)
{
    struct redis_conn *conn = ac->data;
    struct redis_call *call = data;

    assert(conn->waiting > 0);
    conn->waiting--;
    if (reply == NULL && conn->state == CONN_UP) {
        /* hiredis ends the commands before it says so: callbacks must find it down */
        tell_down(conn, "the connection was lost", ac->errstr);
        conn->why = "the connection to Redis was lost";
        pause_conn(conn);
    } else if (reply != NULL && conn->state == CONN_UP) {
        if (conn->waiting > 0)
            ev_timer_again(conn->loop, &conn->timer);
        else
            ev_timer_stop(conn->loop, &conn->timer);
    }
    call->from = conn;
    call->on_reply(call, reply);
}

/* Before the loop polls: one write for all that was given in this turn. */
static void on_flush(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct redis_conn *conn = prepare->data;

    (void)events;
    ev_prepare_stop(loop, prepare);
    if (conn->pump != NULL)
        redis_pump_flush(conn->pump);
    else if (conn->ac != NULL)
        redisAsyncHandleWrite(conn->ac);
}

static int give(struct redis_conn *conn, const struct redis_command *args,
                struct redis_call *call)
{
    redisAsyncContext *ac = conn->ac;

    if (redisAsyncCommandArgv(ac, on_reply, call, args->count,
                              (const char **)(uintptr_t)args->parts,
                              args->lens) != REDIS_OK)
        return -1; /* it is about to be closed */
    ev_prepare_start(conn->loop, &conn->flush);
    conn->waiting++;
    return 0;
}

int redis_conn_send(struct redis_conn *conn, const struct redis_command *args,
                    struct redis_call *call)
{
    uint64_t bytes = 0;

    for (int i = 0; i < args->count; i++)
        bytes += args->lens[i];
    if (conn->state != CONN_UP || conn->ac == NULL ||
        conn->waiting >= REDIS_CONN_MAX_WAITING ||
        redis_conn_unsent(conn) + bytes > REDIS_CONN_MAX_BYTES ||
        give(conn, args, call) < 0)
        return -1;
    if (conn->waiting == 1)
        ev_timer_again(conn->loop, &conn->timer);
    return 0;
}

struct redis_error redis_conn_take_error(struct redis_conn *conn,
                                         const struct redisReply *reply)
{
    struct redis_error error;

    assert(reply->type == REDIS_REPLY_ERROR);
    error = redis_error_read(reply->str, reply->len);
    if (error.remedy != REDIS_REMEDY_LOAD && error.remedy != REDIS_REMEDY_MOVED &&
        error.remedy != REDIS_REMEDY_ASK && error.remedy != REDIS_REMEDY_WAIT)
        log_limited_warn(&conn->errors_log, LOG_EVERY_SECOND,
                         "store: %s answered: %.200s", conn->where, reply->str);
    if (error.remedy == REDIS_REMEDY_REPLICA && conn->purpose == REDIS_FOR_DATA)
        redis_conn_watch_replica(conn);
    if (error.remedy == REDIS_REMEDY_RECONNECT && conn->state == CONN_UP) {
        conn->told_down = true; /* by the line above */
        conn->why = "Redis refuses us: see the log";
        enter(conn, CONN_PAUSED, conn->pause_s);
    }
    return error;
}

/* ---- the greeting ---- */

static void on_greeted(void *ctx, const char *why, const char *detail)
{
    struct redis_conn *conn = ctx;

    conn->settled = true;
    conn->renewing = false;
    if (why == NULL && conn->sentinels != NULL && conn->greeting.is_replica)
        why = "the server that Sentinel names is no master (yet)";
    if (why != NULL) {
        tell_down(conn, why, detail);
        conn->why = why;
        enter(conn, CONN_PAUSED, REDIS_CONN_PAUSE_MAX_S); /* which ends the connection */
        return;
    }
    if (conn->told_down)
        log_info("store: %s is there", conn->where);
    conn->told_down = false;
    conn->pause_s = REDIS_CONN_PAUSE_MIN_S;
    conn->connects++;
    conn->up_since_ns = clock_now_ns();
    enter(conn, CONN_UP, 0.);
    ev_timer_set(&conn->timer, 0., REDIS_CONN_SILENCE_S);
    if (conn->purpose == REDIS_FOR_CLUSTER)
        conn->greeting.is_replica = false; /* it redirects us */
    redis_conn_watch_start(conn);
}

static int greet(void *ctx, const struct redis_command *args, struct redis_call *call)
{
    return give(ctx, args, call);
}

/* The server is who it should be. */
static void on_opened(void *ctx)
{
    struct redis_conn *conn = ctx;

    redis_greeting_send(&conn->greeting, conn->url, greet, on_greeted, conn);
}

static void on_lost(void *ctx, const char *why, const char *detail)
{
    lost(ctx, why, detail);
}

static void on_connect(const redisAsyncContext *ac, int status)
{
    struct redis_conn *conn = ac->data;

    if (conn == NULL || conn->ac != ac)
        return;
    if (status != REDIS_OK) {
        conn->ac = NULL; /* hiredis frees it */
        conn->pump = NULL;
        redis_conn_fail(conn, "no connection", ac->errstr);
        return;
    }
    if (conn->pump != NULL)
        redis_pump_start(conn->pump);
    else
        on_opened(conn);
}

/* ---- connecting ---- */

static redisAsyncContext *open_context(struct redis_conn *conn)
{
    if (conn->url->path != NULL)
        return redisAsyncConnectUnix(conn->url->path);
    assert(conn->addresses.count > 0);
    conn->next_address %= conn->addresses.count;
    return redisAsyncConnect(conn->addresses.texts[conn->next_address++],
                             (int)conn->server.port);
}

/* Makes the loop carry a fresh connection. */
static void attach(struct redis_conn *conn, redisAsyncContext *ac)
{
    const struct redis_pump_calls calls = {on_opened, on_lost, conn};

    if (conn->url->tls)
        conn->pump =
            redis_pump_attach(conn->loop, ac, conn->tls, conn->server.host, &calls);
    else
        redis_reader_attach(conn->loop, ac);
    redis_reader_bound(&conn->reader, ac);
}

static void connect_now(struct redis_conn *conn)
{
    redisAsyncContext *ac = open_context(conn);

    if (ac == NULL)
        log_fatal("store: out of memory");
    if (ac->err != 0) {
        redis_conn_fail(conn, "no connection", ac->errstr);
        redisAsyncFree(ac);
        return;
    }
    fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
    ac->data = conn;
    conn->ac = ac;
    enter(conn, CONN_CONNECTING, REDIS_CONN_GREETING_S);
    attach(conn, ac);
    redisAsyncSetConnectCallback(ac, on_connect);
    redisAsyncSetDisconnectCallback(ac, on_disconnect);
}

static void on_resolved(void *ctx, const struct redis_addresses *addresses,
                        const char *why)
{
    struct redis_conn *conn = ctx;

    conn->resolve = NULL;
    if (addresses->count == 0) {
        redis_conn_fail(conn, "the host's name has no address", why);
        return;
    }
    conn->addresses = *addresses;
    connect_now(conn);
}

/* To conn->server. */
static void resolve(struct redis_conn *conn)
{
    if (redis_resolve_is_numeric(conn->server.host)) {
        conn->addresses.count = 1;
        memcpy(conn->addresses.texts[0], conn->server.host,
               strlen(conn->server.host) + 1);
        connect_now(conn);
    } else {
        enter(conn, CONN_RESOLVING, REDIS_CONN_SILENCE_S);
        conn->resolve =
            redis_resolve_start(conn->loop, conn->server.host, on_resolved, conn);
    }
}

static void on_found(void *ctx, const struct redis_found *found)
{
    struct redis_conn *conn = ctx;

    assert(conn->state == CONN_SEARCHING);
    if (found->host[0] == 0) {
        redis_conn_fail(conn, found->why, "");
        return;
    }
    conn->server = *found;
    resolve(conn);
}

/* Another attempt. */
static void begin(struct redis_conn *conn)
{
    assert(conn->ac == NULL && conn->resolve == NULL);
    if (conn->sentinels != NULL) {
        enter(conn, CONN_SEARCHING, 0.);
        redis_sentinels_search(conn->sentinels,
                               conn->server.host[0] != 0 ? &conn->server : NULL, on_found,
                               conn);
    } else if (conn->url->path != NULL) {
        connect_now(conn);
    } else {
        resolve(conn);
    }
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_conn *conn = timer->data;

    (void)loop;
    (void)events;
    switch (conn->state) {
    case CONN_PAUSED:
        stop_connection(conn); /* one that Redis refused is still there */
        begin(conn);
        break;
    case CONN_SEARCHING: log_panic("a search has a patience of its own");
    case CONN_RESOLVING:
        redis_conn_fail(conn, "the host's name is not found in time", "");
        break;
    case CONN_CONNECTING: redis_conn_fail(conn, "no connection in time", ""); break;
    case CONN_UP: redis_conn_fail(conn, "no reply in time", ""); break;
    }
}

/* ---- outside ---- */

static void init_watchers(struct redis_conn *conn)
{
    ev_init(&conn->timer, on_timer);
    /* where this process stood still the replies that are there come first */
    ev_set_priority(&conn->timer, EV_MINPRI);
    ev_prepare_init(&conn->flush, on_flush);
    conn->timer.data = conn->flush.data = conn;
    redis_conn_watch_init(conn);
}

static void init_texts(struct redis_conn *conn, const struct redis_conn_config *config)
{
    struct buf where = BUF_INIT;

    redis_url_print(config->url, &where);
    conn->where =
        str_printf("%s%.*s", config->purpose == REDIS_FOR_SENTINEL ? "Sentinel, " : "",
                   (int)where.len, (const char *)where.data);
    buf_free(&where);
    if (config->url->host != NULL) {
        assert(strlen(config->url->host) < sizeof conn->server.host);
        strcpy(conn->server.host, config->url->host);
        conn->server.port = config->url->port;
    }
}

struct redis_conn *redis_conn_create(struct ev_loop *loop,
                                     const struct redis_conn_config *config)
{
    struct redis_conn *conn = mem_zalloc(sizeof *conn);

    assert(!config->url->tls || config->tls != NULL);
    conn->loop = loop;
    conn->url = config->url;
    conn->tls = config->tls;
    conn->sentinels = config->sentinels;
    conn->purpose = config->purpose;
    init_texts(conn, config);
    conn->pause_s = REDIS_CONN_PAUSE_MIN_S;
    conn->why = "Redis has not answered yet";
    conn->greeting.where = conn->where;
    conn->greeting.is_sentinel = config->purpose == REDIS_FOR_SENTINEL;
    init_watchers(conn);
    begin(conn);
    return conn;
}

void redis_conn_destroy(struct redis_conn **conn)
{
    struct redis_conn *c = *conn;

    if (c == NULL)
        return;
    enter(c, CONN_PAUSED, 0.);
    stop_connection(c); /* whose callbacks still ask */
    *conn = NULL;
    ev_timer_stop(c->loop, &c->timer);
    assert(c->waiting == 0);
    redis_greeting_end(&c->greeting);
    mem_free(c->where);
    mem_free(c);
}

bool redis_conn_is_up(const struct redis_conn *conn, const char **why_r)
{
    *why_r = conn->state == CONN_UP ? NULL : conn->why;
    return conn->state == CONN_UP;
}

bool redis_conn_is_renewing(const struct redis_conn *conn)
{
    return conn->renewing;
}

bool redis_conn_is_settled(const struct redis_conn *conn)
{
    return conn->settled;
}

bool redis_conn_is_writable(const struct redis_conn *conn)
{
    return conn->state == CONN_UP && !conn->greeting.is_replica;
}

uint64_t redis_conn_waiting(const struct redis_conn *conn)
{
    return conn->waiting;
}

uint64_t redis_conn_unsent(const struct redis_conn *conn)
{
    return conn->ac != NULL ? sdslen(conn->ac->c.obuf) : 0;
}

uint64_t redis_conn_reconnects(const struct redis_conn *conn)
{
    return conn->connects > 0 ? conn->connects - 1 : 0;
}

const char *redis_conn_digest(const struct redis_conn *conn, enum redis_script script)
{
    return conn->greeting.digests[script];
}
