#include "server/http/http_connection.h"

#include <assert.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/memory_budget.h"
#include "server/http/http_input.h"
#include "server/http/http_pace.h"
#include "server/stats/stats.h"

/* One run does at most so much before other connections run. */
#define STEPS_PER_RUN     1024
#define EXCHANGES_PER_RUN 8

/* Below so many queued bytes a streamed reply is asked to go on. */
#define QUEUE_LOW_BYTES (128 * 1024)

/* How often the connection looks at what the peer has acknowledged, and how often at
   least in the time that the peer has. */
#define PROGRESS_LOOK_MS 5000
#define PROGRESS_LOOKS   8

/* Where memory is short, a peer may acknowledge nothing for no longer than this. */
#define SHORT_SEND_NS (30 * NS_PER_S)

/* Timers are armed for at least this, because they are not exact and deadlines are. */
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

/* A timer that fires before the deadline is not changed here: it is armed again when it
   fires. So a busy connection does not touch its timer. */
static void set_deadline(struct http_connection *c, unsigned timeout_ms)
{
    uint64_t now = clock_now_ns();

    c->deadline_ns = now + timeout_ms * NS_PER_MS;
    if (!ev_is_active(&c->timer) || c->timer_ns > c->deadline_ns)
        arm_timer(c, now);
}

static void end_lingering_early(struct http_connection *c)
{
    uint64_t end = clock_now_ns() + c->server->limits.linger_idle_ms * NS_PER_MS;

    c->linger_ns = end < c->linger_ns ? end : c->linger_ns;
}

/* Gives the peer some more time, up to a bound, because bytes came or are to come. */
static void linger_on(struct http_connection *c)
{
    set_deadline(c, c->server->limits.linger_idle_ms);
    if (c->deadline_ns > c->linger_ns)
        c->deadline_ns = c->linger_ns;
}

static void enter_linger(struct http_connection *c)
{
    c->linger_ns = clock_now_ns() + c->server->limits.linger_timeout_ms * NS_PER_MS;
    if (c->server->draining)
        end_lingering_early(c);
    linger_on(c);
}

/* Sets the time of the next look at what the peer has acknowledged. */
static void look_later(struct http_connection *c)
{
    unsigned wait = c->server->limits.send_timeout_ms / PROGRESS_LOOKS;

    set_deadline(c, wait < PROGRESS_LOOK_MS ? wait : PROGRESS_LOOK_MS);
}

static void enter_sending(struct http_connection *c)
{
    http_pace_begin(c, clock_now_ns());
    look_later(c);
}

static void enter(struct http_connection *c, enum http_connection_state state)
{
    struct http_server *server = c->server;
    const struct http_limits *limits = &server->limits;

    assert(c->state != HTTP_CONNECTION_LINGER || state == HTTP_CONNECTION_LINGER);
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
    case HTTP_CONNECTION_SENDING: enter_sending(c); break;
    case HTTP_CONNECTION_LINGER: enter_linger(c); break;
    }
}

/* The state that follows from the exchange and the output. */
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

/* --- memory --- */

/* Frees the memory of one of the slowest connections, where it still waits for its peer.
 */
static void give_up(struct http_connection *c)
{
    if (c->state == HTTP_CONNECTION_SENDING)
        http_connection_lose(c, HTTP_LOSS_RESET);
    else if (c->state == HTTP_CONNECTION_BODY)
        http_input_refuse(c, 503, "memory is short and the body comes too slowly");
    c->cut = false;
}

/* --- what the loop watches --- */

static bool wants_read(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (c->eof)
        return false;
    /* The parser bounds a head; other input is bounded here. */
    if (x != NULL && !x->dispatched)
        return true;
    return http_input_bytes(c).len < HTTP_CONNECTION_AHEAD_BYTES;
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
    http_server_add(server, &c->all_link);
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
    http_input_finish(connection, 0);
    ev_io_stop(server->loop, &connection->io);
    ev_timer_stop(server->loop, &connection->timer);
    list_remove(&connection->idle_link);
    list_remove(&connection->ready_link);
    http_output_clear(&connection->out);
    buf_free(&connection->in);
    memory_budget_release(connection->counted_bytes);
    if (connection->loss == HTTP_LOSS_RESET)
        setsockopt(connection->io.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(connection->io.fd);
    http_server_remove(server, &connection->all_link);
    mem_free(connection);
}

void http_connection_drain(struct http_connection *c)
{
    if (c->state == HTTP_CONNECTION_IDLE)
        enter(c, HTTP_CONNECTION_IDLE);
    if (c->state == HTTP_CONNECTION_LINGER) {
        end_lingering_early(c);
        linger_on(c);
    }
}

void http_connection_wake(struct http_connection *c)
{
    if (!c->running)
        http_server_make_ready(c->server, &c->ready_link);
}

/* --- a run --- */

/* Sends once, at most `most` bytes. Returns true where something was sent. */
static bool send_some(struct http_connection *c, size_t most)
{
    enum stats_phase was;
    ssize_t sent;

    if (c->blocked || http_output_is_empty(&c->out))
        return false;
    was = stats_phase_enter(STATS_WRITE);
    sent = http_output_send(&c->out, c->io.fd, most);
    (void)stats_phase_enter(was);
    if (sent < 0)
        http_connection_lose(c, HTTP_LOSS_CLOSE);
    c->blocked = !http_output_is_empty(&c->out);
    if (sent > 0) {
        c->progress.handed_bytes += (uint64_t)sent;
        http_server_add_moved(c->server, (size_t)sent);
    }
    return sent > 0;
}

/* True where the exchange has nothing left to do. */
static bool exchange_over(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (x == NULL || x->replying != HTTP_REPLYING_DONE || !http_output_is_empty(&c->out))
        return false;
    return x->body_done || c->intake != HTTP_INTAKE_OPEN;
}

/* Asks a streamed reply to go on where little is queued. */
static bool tell_writable(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (x == NULL || !x->wants_writable || c->out.bytes > QUEUE_LOW_BYTES)
        return false;
    x->wants_writable = false;
    if (c->server->callbacks.on_writable != NULL)
        c->server->callbacks.on_writable(x);
    return true;
}

static void abort_reply(struct http_connection *c)
{
    http_connection_lose(c, c->exchange->request.minor == 0 ? HTTP_LOSS_RESET
                                                            : HTTP_LOSS_CLOSE);
}

/* Does what can be done now, a bounded amount. Returns true where more could be. */
static bool advance(struct http_connection *c)
{
    unsigned exchanges = 0;
    size_t sent = 0, share = http_server_share(c->server, HTTP_OUTPUT_STEP_BYTES);

    for (unsigned steps = 0; steps < STEPS_PER_RUN; steps++) {
        bool got_on = false;

        if (c->exchange != NULL && c->exchange->replying == HTTP_REPLYING_ABORTED)
            abort_reply(c);
        if (c->loss != HTTP_LOSS_NONE)
            return false;
        sent += c->out.bytes;
        got_on |= send_some(c, share);
        sent -= c->out.bytes;
        if (exchange_over(c)) {
            if (!c->exchange->body_done)
                http_connection_limit_intake(c, HTTP_INTAKE_REFUSED);
            http_input_finish(c, 0);
            /* Also where this run begins the next one, whose time starts now. */
            enter(c, HTTP_CONNECTION_IDLE);
            exchanges++;
            got_on = true;
        }
        got_on |= tell_writable(c);
        if (exchanges == EXCHANGES_PER_RUN || sent >= share)
            return true;
        got_on |= http_input_step(c);
        if (!got_on)
            return false;
    }
    return true;
}

/* All replies are sent and no request may follow: closes so that the peer can still read
   the last reply (RFC 9112 section 9.6). The kernel would turn a close with unread input
   into a reset, so this looks for input first. */
static void begin_close(struct http_connection *c)
{
    bool unread = c->intake == HTTP_INTAKE_REFUSED || http_input_bytes(c).len > 0;

    http_input_drop(c);
    if (!c->eof && http_input_receive(c))
        unread = true;
    if (c->eof || c->loss != HTTP_LOSS_NONE || !unread ||
        shutdown(c->io.fd, SHUT_WR) < 0) {
        http_connection_lose(c, HTTP_LOSS_CLOSE);
        return;
    }
    enter(c, HTTP_CONNECTION_LINGER);
}

/* After the work of a run: closes, or waits for what comes next. */
static void settle(struct http_connection *c, bool more)
{
    enum http_connection_state due;

    if (c->intake != HTTP_INTAKE_OPEN && c->exchange == NULL &&
        http_output_is_empty(&c->out) && c->loss == HTTP_LOSS_NONE) {
        if (c->state != HTTP_CONNECTION_LINGER)
            begin_close(c);
        else if (c->eof)
            http_connection_lose(c, HTTP_LOSS_CLOSE);
    }
    if (c->loss != HTTP_LOSS_NONE) {
        http_connection_destroy(&c);
        return;
    }
    due = state_due(c);
    if (due != c->state)
        enter(c, due);
    watch(c);
    if (more)
        http_server_make_ready(c->server, &c->ready_link);
}

void http_connection_run(struct http_connection *c, int revents)
{
    bool more;

    assert(!c->running);
    c->running = true;
    if (revents & EV_WRITE)
        c->blocked = false;
    if (revents & EV_READ && http_input_receive(c) && c->state == HTTP_CONNECTION_LINGER)
        linger_on(c);
    if (c->cut)
        give_up(c);
    more = advance(c);
    http_pace_count_memory(c);
    c->running = false;
    settle(c, more);
}

/* --- time is up --- */

/* A window of a body's time is over: the client gets another one, or it is too slow. */
static void end_body_window(struct http_connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    uint64_t enough = (uint64_t)limits->body_min_rate * limits->body_grace_ms / 1000;

    if (c->window_bytes >= enough && c->window_bytes > 0)
        enter(c, HTTP_CONNECTION_BODY);
    else
        http_input_refuse(c, 408, "the request's body came too slowly");
}

/* Looks at what the peer has acknowledged: waits on, or cuts it off. */
static void end_sending_look(struct http_connection *c)
{
    const struct http_limits *limits = &c->server->limits;
    struct http_progress *progress = &c->progress;
    uint64_t now = clock_now_ns(), window = limits->send_timeout_ms * NS_PER_MS;
    uint64_t enough = (uint64_t)limits->send_min_rate * limits->send_timeout_ms / 1000;
    uint64_t still =
        window > SHORT_SEND_NS && memory_budget_is_short() ? SHORT_SEND_NS : window;

    http_pace_look(c, now);
    if (now - progress->acked_ns >= still ||
        (now - progress->window_ns >= window && progress->window_bytes < enough)) {
        http_connection_lose(c, HTTP_LOSS_RESET);
        return;
    }
    if (now - progress->window_ns >= window) {
        progress->window_ns = now;
        progress->window_bytes = 0;
    }
    look_later(c);
}

/* The time of an idle connection is over. A request that is just arriving still counts,
   and a peer that is still receiving the last reply is not idle yet. */
static void end_idle(struct http_connection *c)
{
    if (http_input_receive(c)) {
        /* A stray line begins no request: then this time ends, too. */
        set_deadline(c, c->server->limits.head_timeout_ms);
        return;
    }
    if (!c->server->draining && http_pace_look(c, clock_now_ns()) &&
        c->progress.queued_bytes > 0)
        enter(c, HTTP_CONNECTION_IDLE);
    else
        http_connection_lose(c, HTTP_LOSS_CLOSE);
}

static void expire(struct http_connection *c)
{
    switch (c->state) {
    case HTTP_CONNECTION_HEAD:
        http_input_refuse(c, 408, "the request's head came too slowly");
        break;
    case HTTP_CONNECTION_BODY: end_body_window(c); break;
    case HTTP_CONNECTION_SENDING: end_sending_look(c); break;
    case HTTP_CONNECTION_IDLE: end_idle(c); break;
    case HTTP_CONNECTION_LINGER: http_connection_lose(c, HTTP_LOSS_CLOSE); break;
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
