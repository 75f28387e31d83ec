#include "server/store/redis/link/redis_conn.h"

#include <assert.h>
#include <ev.h>
#include <fcntl.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/store/redis/link/redis_greeting.h"
#include "server/store/redis/link/redis_reader.h"
#include "server/store/redis/link/redis_resolve.h"
#include "server/store/redis/link/redis_watch.h"

/* A server that closes an idle connection before this time does not close it because it
   is idle: it wants no connections. */
#define RENEW_AFTER_NS (NS_PER_S / 2)
#define RENEW_PAUSE_S  0.001

enum conn_state {
    CONN_PAUSED,     /* the timer ends the pause */
    CONN_SEARCHING,  /* the locator searches, and gives up by itself */
    CONN_RESOLVING,  /* a thread looks the name up; the timer gives up */
    CONN_CONNECTING, /* connect() and greeting; the timer gives up */
    CONN_UP          /* while commands wait the timer guards against silence */
};

struct redis_conn {
    struct ev_loop *loop;
    const struct redis_url *url;
    const struct redis_tls *tls;
    struct redis_locator *locator; /* NULL if the URL says where the server is */
    struct redis_found server;     /* host and port of this attempt; not for a path */
    char *where;                   /* for the log */
    enum redis_purpose purpose;
    enum conn_state state;
    struct ev_timer timer;
    struct ev_prepare flush;         /* runs while commands are unsent */
    struct redis_watch watch;        /* runs in UP */
    redisAsyncContext *ac;           /* NULL for none */
    struct redis_tls_stream *stream; /* of that, with TLS */
    struct redis_reader reader;
    struct redis_resolve *resolve;
    struct redis_addresses addresses;
    size_t next_address;
    struct redis_greeting greeting;
    double pause_s;
    uint64_t waiting;
    uint64_t connects;
    uint64_t up_since_ns;
    bool renewing;
    bool settled;     /* the first attempt has ended, well or not */
    bool logged_down; /* once for each outage */
    const char *why;
    struct log_limited errors_log;
};

static bool may_change(enum conn_state from, enum conn_state to)
{
    switch (to) {
    case CONN_PAUSED: return true;
    case CONN_SEARCHING: return from == CONN_PAUSED;
    case CONN_RESOLVING: return from == CONN_PAUSED || from == CONN_SEARCHING;
    case CONN_CONNECTING: return from < CONN_CONNECTING;
    case CONN_UP: return from == CONN_CONNECTING;
    }
    return false;
}

/* Sets the state and its timer, which repeats; 0 for no timer. */
static void enter(struct redis_conn *conn, enum conn_state state, double timer_s)
{
    assert(may_change(conn->state, state));
    conn->state = state;
    if (state != CONN_UP)
        redis_watch_stop(&conn->watch);
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
    if (conn->locator != NULL)
        conn->locator->stop(conn->locator);
    ev_prepare_stop(conn->loop, &conn->flush);
    conn->ac = NULL;
    conn->stream = NULL; /* is freed with it */
    if (ac != NULL)
        redisAsyncFree(ac); /* commands that wait get NULL */
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
static void log_down(struct redis_conn *conn, const char *why, const char *detail)
{
    if (!conn->logged_down)
        log_warn("store: %s: %s%s%s", conn->where, why, *detail ? ": " : "", detail);
    conn->logged_down = true;
}

/* The attempt or the connection is over; why is static text. */
static void fail(struct redis_conn *conn, const char *why, const char *detail)
{
    log_down(conn, why, detail);
    conn->why = why;
    conn->renewing = false;
    if (conn->state != CONN_PAUSED)
        pause_conn(conn); /* first, because callbacks ask for the state */
    stop_connection(conn);
}

/* The server has closed the connection, or the network has. */
static void lost(struct redis_conn *conn, const char *why, const char *detail)
{
    if (conn->state != CONN_UP || conn->waiting > 0 ||
        clock_now_ns() - conn->up_since_ns < RENEW_AFTER_NS) {
        fail(conn, why, detail);
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
        return; /* we closed it */
    conn->ac = NULL;
    conn->stream = NULL;
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
        /* hiredis ends the commands before it calls on_disconnect(), and callbacks ask
           for the state */
        log_down(conn, "the connection was lost", ac->errstr);
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

/* A part of a large reply has arrived: the server is not silent. */
static void on_progress(void *ctx)
{
    struct redis_conn *conn = ctx;

    if (conn->state == CONN_UP && conn->waiting > 0)
        ev_timer_again(conn->loop, &conn->timer);
}

/* Before the loop polls: one write for all commands of this turn. */
static void on_flush(struct ev_loop *loop, struct ev_prepare *prepare, int events)
{
    struct redis_conn *conn = prepare->data;

    (void)events;
    ev_prepare_stop(loop, prepare);
    if (conn->stream != NULL)
        redis_tls_flush(conn->stream);
    else if (conn->ac != NULL)
        redisAsyncHandleWrite(conn->ac);
}

static int write_command(struct redis_conn *conn, const struct redis_command *args,
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
        write_command(conn, args, call) < 0)
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
        redis_watch_replica(&conn->watch);
    if (error.remedy == REDIS_REMEDY_RECONNECT && conn->state == CONN_UP) {
        conn->logged_down = true; /* by log_limited_warn() */
        conn->why = "Redis refuses us: see the log";
        enter(conn, CONN_PAUSED, conn->pause_s);
    }
    return error;
}

/* ---- the greeting ---- */

static void start_watch(struct redis_conn *conn)
{
    const char *timeout = conn->greeting.settings[REDIS_SETTING_TIMEOUT];
    /* a replica of a cluster redirects us */
    bool is_replica = conn->greeting.is_replica && conn->purpose != REDIS_FOR_CLUSTER;

    conn->watch.server = conn->server;
    redis_watch_start(&conn->watch, is_replica, (double)strtoul(timeout, NULL, 10));
}

static void on_greeted(void *ctx, const char *why, const char *detail)
{
    struct redis_conn *conn = ctx;

    conn->settled = true;
    conn->renewing = false;
    if (why == NULL && conn->locator != NULL && conn->greeting.is_replica)
        why = "the server that Sentinel names is no master (yet)";
    if (why != NULL) {
        log_down(conn, why, detail);
        conn->why = why;
        enter(conn, CONN_PAUSED, REDIS_CONN_PAUSE_MAX_S); /* which ends the connection */
        return;
    }
    if (conn->logged_down)
        log_info("store: %s is there", conn->where);
    conn->logged_down = false;
    conn->pause_s = REDIS_CONN_PAUSE_MIN_S;
    conn->connects++;
    conn->up_since_ns = clock_now_ns();
    enter(conn, CONN_UP, 0.);
    ev_timer_set(&conn->timer, 0., REDIS_CONN_SILENCE_S);
    start_watch(conn);
}

static int greet(void *ctx, const struct redis_command *args, struct redis_call *call)
{
    return write_command(ctx, args, call);
}

/* TCP is open, and with TLS the server has proved its identity. */
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
        conn->stream = NULL;
        fail(conn, "no connection", ac->errstr);
        return;
    }
    if (conn->stream != NULL)
        redis_tls_start(conn->stream);
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

/* Attaches a fresh connection to the loop. */
static void attach(struct redis_conn *conn, redisAsyncContext *ac)
{
    const struct redis_tls_calls calls = {on_opened, on_lost, conn};

    if (conn->url->tls)
        conn->stream =
            redis_tls_attach(conn->loop, ac, conn->tls, conn->server.host, &calls);
    else
        redis_reader_attach(conn->loop, ac);
    conn->reader.on_progress = on_progress;
    conn->reader.ctx = conn;
    redis_reader_bound(&conn->reader, ac);
}

static void connect_now(struct redis_conn *conn)
{
    redisAsyncContext *ac;

    enter(conn, CONN_CONNECTING, REDIS_CONN_GREETING_S);
    ac = open_context(conn);
    if (ac == NULL)
        log_fatal("store: out of memory");
    if (ac->err != 0) {
        fail(conn, "no connection", ac->errstr);
        redisAsyncFree(ac);
        return;
    }
    fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
    ac->data = conn;
    conn->ac = ac;
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
        fail(conn, "the host's name has no address", why);
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
        fail(conn, found->why, "");
        return;
    }
    conn->server = *found;
    resolve(conn);
}

/* Another attempt. */
static void begin(struct redis_conn *conn)
{
    assert(conn->ac == NULL && conn->resolve == NULL);
    if (conn->locator != NULL) {
        enter(conn, CONN_SEARCHING, 0.);
        conn->locator->search(conn->locator,
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
        stop_connection(conn); /* a connection that Redis refused is still open */
        begin(conn);
        break;
    case CONN_SEARCHING: log_panic("store: a search has no timer here");
    case CONN_RESOLVING: fail(conn, "the host's name is not found in time", ""); break;
    case CONN_CONNECTING: fail(conn, "no connection in time", ""); break;
    case CONN_UP: fail(conn, "no reply in time", ""); break;
    }
}

/* ---- outside ---- */

static void init_watchers(struct redis_conn *conn)
{
    ev_init(&conn->timer, on_timer);
    /* after a pause of this process, replies that have arrived are read first */
    ev_set_priority(&conn->timer, EV_MINPRI);
    ev_prepare_init(&conn->flush, on_flush);
    conn->timer.data = conn->flush.data = conn;
}

static int watch_send(void *ctx, const struct redis_command *args,
                      struct redis_call *call)
{
    return redis_conn_send(ctx, args, call);
}

static bool watch_is_idle(void *ctx)
{
    return ((struct redis_conn *)ctx)->waiting == 0;
}

static void watch_on_moved(void *ctx)
{
    fail(ctx, "another server is the master now", "");
}

static void init_watch(struct redis_conn *conn)
{
    conn->watch.loop = conn->loop;
    conn->watch.calls =
        (struct redis_watch_calls){watch_send, watch_is_idle, watch_on_moved, conn};
    conn->watch.locator = conn->locator;
    conn->watch.where = conn->where;
    redis_watch_init(&conn->watch);
}

static void init_where(struct redis_conn *conn, const struct redis_conn_config *config)
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
    conn->locator = config->locator;
    conn->purpose = config->purpose;
    init_where(conn, config);
    conn->pause_s = REDIS_CONN_PAUSE_MIN_S;
    conn->why = "Redis has not answered yet";
    conn->greeting.where = conn->where;
    conn->greeting.is_sentinel = config->purpose == REDIS_FOR_SENTINEL;
    init_watchers(conn);
    init_watch(conn);
    begin(conn);
    return conn;
}

void redis_conn_destroy(struct redis_conn **conn)
{
    struct redis_conn *c = *conn;

    if (c == NULL)
        return;
    enter(c, CONN_PAUSED, 0.);
    stop_connection(c); /* its callbacks still use *conn */
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
    return conn->state == CONN_UP && !conn->watch.is_replica;
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
