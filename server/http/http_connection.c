#include "server/http/http_connection.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/stats/stats.h"

/* Work one run does at most before other connections have their turn. */
#define STEPS_PER_RUN     1024
#define EXCHANGES_PER_RUN 8

/* Below this many queued bytes a streamed reply is asked to go on. */
#define QUEUE_LOW_BYTES (128 * 1024)

/* Timers are armed for at least this: they are rough, and deadlines exact. */
#define TIMER_MIN_NS NS_PER_MS

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents);

/* --- deadlines --- */

static void arm_timer(struct http_connection *c, uint64_t now)
{
    uint64_t wait =
        c->deadline_ns > now + TIMER_MIN_NS ? c->deadline_ns - now : TIMER_MIN_NS;
    struct ev_loop *loop = c->server->loop;

    ev_timer_stop(loop, &c->timer);
    ev_timer_set(&c->timer, (double)wait / NS_PER_S, 0.);
    ev_timer_start(loop, &c->timer);
    c->timer_ns = now + wait;
}

/* An armed timer that fires early is let be: it looks at the deadline then. So a busy
   connection touches no timer at all. */
static void set_deadline(struct http_connection *c, unsigned timeout_ms)
{
    uint64_t now = clock_now_ns();

    c->deadline_ns = now + timeout_ms * NS_PER_MS;
    if (!ev_is_active(&c->timer) || c->timer_ns > c->deadline_ns)
        arm_timer(c, now);
}

static void enter(struct http_connection *c, enum http_connection_state state)
{
    struct http_server *server = c->server;
    const struct http_limits *limits = &server->limits;

    c->state = state;
    list_remove(&c->idle_link);
    switch (state) {
    case HTTP_CONNECTION_IDLE:
        list_append(&server->idle, &c->idle_link);
        set_deadline(c,
                     server->draining ? limits->drain_idle_ms : limits->idle_timeout_ms);
        break;
    case HTTP_CONNECTION_HEAD: set_deadline(c, limits->head_timeout_ms); break;
    case HTTP_CONNECTION_BODY:
        c->window_bytes = 0;
        set_deadline(c, limits->body_grace_ms);
        break;
    case HTTP_CONNECTION_HANDLER: c->deadline_ns = 0; break;
    case HTTP_CONNECTION_SENDING: set_deadline(c, limits->send_timeout_ms); break;
    case HTTP_CONNECTION_LINGER: set_deadline(c, limits->linger_timeout_ms); break;
    }
}

/* The state that follows from what the connection holds now. */
static enum http_connection_state state_due(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (c->state == HTTP_CONNECTION_LINGER)
        return c->state;
    if (!http_output_is_empty(&c->out))
        return HTTP_CONNECTION_SENDING;
    if (x == NULL || (!x->dispatched && !http_parser_begun(&x->parser)))
        return HTTP_CONNECTION_IDLE;
    if (!x->dispatched)
        return HTTP_CONNECTION_HEAD;
    return http_exchange_reads(x) ? HTTP_CONNECTION_BODY : HTTP_CONNECTION_HANDLER;
}

/* --- what the loop watches --- */

static bool wants_read(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (c->eof)
        return false;
    /* A head is bounded by its parser; all else by what may wait here. */
    if (x != NULL && !x->dispatched)
        return true;
    return http_connection_input(c).len < HTTP_CONNECTION_AHEAD_BYTES;
}

static void watch(struct http_connection *c)
{
    int events =
        (wants_read(c) ? EV_READ : 0) | (http_output_is_empty(&c->out) ? 0 : EV_WRITE);
    struct ev_loop *loop = c->server->loop;

    if (ev_is_active(&c->io) && (c->io.events & (EV_READ | EV_WRITE)) == events)
        return;
    ev_io_stop(loop, &c->io);
    ev_io_modify(&c->io, events);
    if (events != 0)
        ev_io_start(loop, &c->io);
}

static void on_io(struct ev_loop *loop, struct ev_io *io, int revents)
{
    (void)loop;
    http_connection_run(container_of(io, struct http_connection, io), revents);
}

/* --- beginning and end --- */

void http_connection_open(struct http_server *server, int fd,
                          const struct http_peer *peer)
{
    struct http_connection *c = mem_zalloc(sizeof *c);

    c->server = server;
    c->peer = *peer;
    list_init(&c->idle_link);
    list_init(&c->ready_link);
    list_init(&c->all_link);
    http_output_init(&c->out);
    ev_io_init(&c->io, on_io, fd, EV_READ);
    ev_init(&c->timer, on_timer);
    http_server_add(server, c);
    enter(c, HTTP_CONNECTION_IDLE);
    watch(c);
}

void http_connection_destroy(struct http_connection **c)
{
    struct http_connection *connection = *c;
    struct http_server *server = connection->server;
    const struct linger hard = {1, 0};

    assert(!connection->running);
    *c = NULL;
    http_connection_finish(connection, 0);
    ev_io_stop(server->loop, &connection->io);
    ev_timer_stop(server->loop, &connection->timer);
    list_remove(&connection->idle_link);
    list_remove(&connection->ready_link);
    http_output_clear(&connection->out);
    buf_free(&connection->in);
    if (connection->reset)
        setsockopt(connection->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(connection->io.fd);
    http_server_remove(server, connection);
    mem_free(connection);
}

void http_connection_finish(struct http_connection *c, int status)
{
    const struct http_callbacks *callbacks = &c->server->callbacks;
    struct http_exchange *x = c->exchange;

    if (x == NULL)
        return;
    x->sent_bytes += http_output_take_sent(&c->out);
    if (x->dispatched && callbacks->on_close)
        callbacks->on_close(x, status ? status : x->status, x->sent_bytes);
    http_exchange_destroy(&c->exchange);
}

void http_connection_drain(struct http_connection *c)
{
    if (c->state == HTTP_CONNECTION_IDLE)
        enter(c, HTTP_CONNECTION_IDLE);
}

void http_connection_wake(struct http_connection *c)
{
    if (!c->running)
        http_server_make_ready(c->server, c);
}

/* --- a run --- */

/* Sends once. Returns true where something was sent. */
static bool send_some(struct http_connection *c)
{
    enum stats_phase was;
    ssize_t sent;

    if (c->blocked || http_output_is_empty(&c->out))
        return false;
    was = stats_phase_enter(STATS_WRITE);
    sent = http_output_send(&c->out, c->io.fd);
    (void)stats_phase_enter(was);
    if (sent < 0)
        c->lost = true;
    c->blocked = !http_output_is_empty(&c->out);
    if (sent > 0 && c->state == HTTP_CONNECTION_SENDING)
        enter(c, HTTP_CONNECTION_SENDING);
    return sent > 0;
}

/* True once the exchange has nothing left to do. */
static bool exchange_over(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (x == NULL || x->replying != HTTP_REPLYING_DONE || !http_output_is_empty(&c->out))
        return false;
    return x->body_done || c->closing;
}

/* Asks a streamed reply to go on where there is room again. */
static bool tell_writable(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (x == NULL || !x->wants_writable || c->out.bytes > QUEUE_LOW_BYTES)
        return false;
    x->wants_writable = false;
    if (c->server->callbacks.on_writable)
        c->server->callbacks.on_writable(x);
    return true;
}

static void abort_reply(struct http_connection *c)
{
    c->lost = true;
    c->reset = c->exchange->request.minor == 0;
}

/* Does what can be done now, a bounded amount. Returns true where more could be. */
static bool advance(struct http_connection *c)
{
    unsigned exchanges = 0;
    size_t sent = 0;

    for (unsigned steps = 0; steps < STEPS_PER_RUN; steps++) {
        bool got_on = false;

        if (c->exchange != NULL && c->exchange->replying == HTTP_REPLYING_ABORTED)
            abort_reply(c);
        if (c->lost)
            return false;
        sent += c->out.bytes;
        got_on |= send_some(c);
        sent -= c->out.bytes;
        if (exchange_over(c)) {
            c->refused |= !c->exchange->body_done;
            http_connection_finish(c, 0);
            /* Also where the next one is begun in this very run: its time starts now. */
            enter(c, HTTP_CONNECTION_IDLE);
            exchanges++;
            got_on = true;
        }
        got_on |= tell_writable(c);
        if (exchanges == EXCHANGES_PER_RUN || sent >= HTTP_OUTPUT_STEP_BYTES)
            return true;
        got_on |= http_connection_step(c);
        if (!got_on)
            return false;
    }
    return true;
}

/* All replies are sent and no request is to follow: closes so that the peer can still
   read the last of them (RFC 9112 section 9.6). Unread input would turn the close into a
   reset, so it is looked for first. */
static void begin_close(struct http_connection *c)
{
    bool unread = c->refused || http_connection_input(c).len > 0;

    buf_free(&c->in);
    c->in_start = 0;
    c->linger_left = c->server->limits.linger_bytes;
    if (!c->eof && http_connection_receive(c))
        unread = true;
    if (c->eof || c->lost || !unread || shutdown(c->io.fd, SHUT_WR) < 0) {
        c->lost = true;
        return;
    }
    enter(c, HTTP_CONNECTION_LINGER);
}

/* After the work: closes, or waits for what comes next. */
static void settle(struct http_connection *c, bool more)
{
    enum http_connection_state due;

    if (c->closing && c->exchange == NULL && http_output_is_empty(&c->out) && !c->lost) {
        if (c->state != HTTP_CONNECTION_LINGER)
            begin_close(c);
        else if (c->eof || c->linger_left == 0)
            c->lost = true;
    }
    if (c->lost) {
        http_connection_destroy(&c);
        return;
    }
    due = state_due(c);
    if (due != c->state)
        enter(c, due);
    watch(c);
    if (more)
        http_server_make_ready(c->server, c);
}

void http_connection_run(struct http_connection *c, int revents)
{
    bool more;

    assert(!c->running);
    c->running = true;
    if (revents & EV_WRITE)
        c->blocked = false;
    if (revents & EV_READ)
        http_connection_receive(c);
    more = advance(c);
    c->running = false;
    settle(c, more);
}

/* --- time is up --- */

/* A window of a body's time is over: enough came for another, or the client is too slow.
 */
static void end_body_window(struct http_connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    uint64_t enough = (uint64_t)limits->body_min_rate * limits->body_grace_ms / 1000;

    if (c->window_bytes >= enough && c->window_bytes > 0)
        enter(c, HTTP_CONNECTION_BODY);
    else
        http_connection_refuse(c, 408, "the request's body came too slowly");
}

static void expire(struct http_connection *c)
{
    switch (c->state) {
    case HTTP_CONNECTION_HEAD:
        http_connection_refuse(c, 408, "the request's head came too slowly");
        break;
    case HTTP_CONNECTION_BODY: end_body_window(c); break;
    case HTTP_CONNECTION_SENDING: c->lost = c->reset = true; break;
    case HTTP_CONNECTION_IDLE:
        /* A request that is just arriving still counts. */
        if (!http_connection_receive(c))
            c->lost = true;
        break;
    case HTTP_CONNECTION_LINGER: c->lost = true; break;
    case HTTP_CONNECTION_HANDLER: assert(!"a deadline without a timer"); break;
    }
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int revents)
{
    struct http_connection *c = container_of(timer, struct http_connection, timer);
    uint64_t now = clock_now_ns();

    (void)loop, (void)revents;
    if (c->deadline_ns == 0)
        return;
    if (c->deadline_ns > now + TIMER_MIN_NS) {
        arm_timer(c, now);
        return;
    }
    c->running = true;
    expire(c);
    c->running = false;
    http_connection_run(c, 0);
}
