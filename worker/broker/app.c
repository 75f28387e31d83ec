#include "worker/broker/app.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/codec/coding/coding.h"

/* What is read of one application in a turn of the loop. */
#define TURN_BYTES ((size_t)256 << 10)
/* More answers than that waiting to be taken: nothing is read, no job begun. */
#define HOLD_BYTES ((size_t)4 << 20)
/* A message of more is large: one is read at a time. */
#define LARGE_BYTES (APP_MAX_BYTES + ((uint64_t)1 << 20))
/* A message of more may take its payloads' memory along. */
#define STEAL_BYTES ((size_t)1 << 20)

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events);

static void enter(struct app *app, enum app_state state)
{
    app->state = state;
    app->since_ns = clock_now_ns();
}

static void on_writable(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop, (void)events;
    app_flush(container_of(watcher, struct app, on_write));
}

struct app *app_create(struct app_world *world, int fd)
{
    struct app *app = mem_zalloc(sizeof *app);

    app->world = world;
    app->fd = fd;
    app->heard_ns = app->took_ns = clock_now_ns();
    enter(app, APP_GREETING);
    list_init(&app->link);
    peer_read(fd, &app->peer);
    frame_reader_init(&app->in, WIRE_MAX_MESSAGE_BYTES);
    output_init(&app->out);
    app_jobs_init(&app->jobs, &world->shared);
    ev_io_init(&app->on_read, on_readable, fd, EV_READ);
    ev_io_init(&app->on_write, on_writable, fd, EV_WRITE);
    ev_io_start(world->loop, &app->on_read);
    output_put(&app->out, WIRE_GREETING, WIRE_GREETING_BYTES);
    return app;
}

void app_destroy(struct app *app)
{
    struct app_world *world = app->world;

    if (world->large == &app->link)
        world->large = NULL;
    if (app->jobs.arena.is_offered)
        world->arenas--;
    list_remove(&app->link);
    ev_io_stop(world->loop, &app->on_read);
    ev_io_stop(world->loop, &app->on_write);
    app_jobs_drop(&app->jobs);
    if (app->jobs.row != NULL)
        app_rows_release(app->jobs.row, clock_now_ns());
    frame_reader_free(&app->in);
    output_free(&app->out);
    close(app->fd);
    mem_free(app);
}

/* Ends the connection of an application that breaks a rule. */
static void fail(struct app *app, const char *why)
{
    log_warn("application %s (pid %ld, uid %lu, %s): %s: its connection is closed",
             app->name[0] != '\0' ? app->name : "without a name", (long)app->peer.pid,
             (unsigned long)app->peer.uid, app->peer.command, why);
    app_destroy(app);
}

/* ---- sending ---- */

static void put_message(struct app *app, const struct buf *message)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_put_head(head, message->len);
    output_put(&app->out, head, sizeof head);
    output_put(&app->out, message->data, message->len);
}

static void put_welcome(struct app *app)
{
    const char *engine = app->world->engine;
    const struct wire_app_welcome welcome = {
        .version = WIRE_VERSION,
        .max_jobs = APP_MAX_JOBS,
        .max_bytes = APP_MAX_BYTES,
        .capabilities = WIRE_APP_TRANSFORM |
                        (coding_is_there(CODING_ZSTD) ? WIRE_APP_ZSTD : 0) |
                        (app->jobs.arena.is_offered ? WIRE_APP_TAKES_ARENA : 0),
        .engine = {(const uint8_t *)engine, strlen(engine)}};
    struct buf message = BUF_INIT;

    wire_put_app_welcome(&message, &welcome);
    put_message(app, &message);
    buf_free(&message);
}

static void put_refused(struct app *app, enum wire_refusal reason, const char *text)
{
    struct buf message = BUF_INIT;

    wire_put_refused(&message, reason, text);
    put_message(app, &message);
    buf_free(&message);
    enter(app, APP_CLOSING);
}

static void put_bye(struct app *app)
{
    struct buf message = BUF_INIT;

    wire_put_bye(&message, WIRE_BYE_DRAIN);
    put_message(app, &message);
    buf_free(&message);
    enter(app, APP_DRAINING);
}

static void put_alive(struct app *app, uint64_t token)
{
    const struct wire_alive alive = {token, 0, 0};
    struct buf message = BUF_INIT;

    wire_put_alive(&message, &alive);
    put_message(app, &message);
    buf_free(&message);
}

/* ---- reading ---- */

/* True where a message is under way of which only one may be. */
static bool is_large(const struct app *app)
{
    return app->in.bytes.len - app->in.at > LARGE_BYTES;
}

static bool may_read(struct app *app)
{
    struct app_world *world = app->world;

    if (app->state >= APP_DRAINING || app->out.bytes > HOLD_BYTES)
        return false;
    if (app->jobs.overloaded >= APP_MAX_OVERLOADED &&
        app->jobs.unanswered >= APP_MAX_JOBS / 2)
        return false;
    if (!is_large(app)) {
        if (world->large == &app->link)
            world->large = NULL;
        return true;
    }
    if (world->large == NULL)
        world->large = &app->link;
    return world->large == &app->link;
}

static void watch_reading(struct app *app)
{
    if (!may_read(app)) {
        ev_io_stop(app->world->loop, &app->on_read);
    } else if (!ev_is_active(&app->on_read)) {
        app->heard_ns = clock_now_ns(); /* it was not its fault */
        ev_io_start(app->world->loop, &app->on_read);
    }
}

/* The application's name as it may stand in a line and in a label. */
static void set_name(struct app *app, struct slice name)
{
    size_t len = name.len;

    memcpy(app->name, name.data != NULL ? (const void *)name.data : "", len);
    if (len == 0) {
        len = strlen(app->peer.command);
        memcpy(app->name, app->peer.command, len);
    }
    app->name[len] = '\0';
    for (size_t i = 0; i < len; i++)
        if (app->name[i] < ' ' || app->name[i] > '~' || app->name[i] == '"' ||
            app->name[i] == '\\')
            app->name[i] = '_';
}

/* Each takes a descriptor, perhaps longer than its connection lasts. So not all may have
   one. */
static void offer_arena(struct app *app)
{
    if (app->world->arenas + app_arena_closing() >= APP_MAX_ARENAS)
        return;
    app->world->arenas++;
    app->jobs.arena.is_offered = true;
}

static const char *take_hello(struct app *app, const struct wire_message *message)
{
    if (message->type != WIRE_APP_HELLO)
        return "its first message is no APP_HELLO";
    set_name(app, message->app_hello.name);
    if (message->app_hello.version != WIRE_VERSION) {
        put_refused(app, WIRE_REFUSED_VERSION, "this daemon speaks version 1");
        return NULL;
    }
    log_info("application %s (pid %ld, uid %lu, %s) is connected", app->name,
             (long)app->peer.pid, (unsigned long)app->peer.uid, app->peer.command);
    app_jobs_start(&app->jobs, app_rows_take(&app->world->shared.rows, app->name));
    offer_arena(app);
    put_welcome(app);
    enter(app, APP_SERVING);
    return NULL;
}

/* A job with a message of its own keeps that one's memory. Of several jobs the last would
   keep what the others had, and nobody would count it. */
static const char *take_jobs(struct app *app, const struct wire_message *message,
                             size_t bytes)
{
    struct blob *blob = NULL;
    struct buf stolen;
    const char *why;

    if (message->jobs.count == 1 && bytes > STEAL_BYTES &&
        frame_reader_steal(&app->in, &stolen))
        blob = blob_new_steal(&stolen);
    why = app_jobs_take(&app->jobs, &message->jobs, blob);
    blob_unref(&blob);
    return why;
}

static const char *take_message(struct app *app, struct slice bytes)
{
    static struct wire_message message; /* large; one thread */
    const char *why;

    if (wire_decode(bytes, &message, &why) != WIRE_OK)
        return why != NULL ? why : "a bad message";
    if (app->state == APP_HELLO)
        return take_hello(app, &message);
    switch (message.type) {
    case WIRE_JOBS: return take_jobs(app, &message, bytes.len);
    case WIRE_CANCEL:
        for (unsigned i = 0; i < message.cancel.count; i++)
            app_jobs_cancel(&app->jobs, message.cancel.ids[i]);
        return NULL;
    case WIRE_PING: put_alive(app, message.ping_token); return NULL;
    case WIRE_APP_ARENA:
        return app_arena_begin(&app->jobs.arena, message.app_arena_bytes);
    default: return "a message that applications do not send";
    }
}

static const char *take_messages(struct app *app)
{
    struct slice message;

    while (app->state < APP_DRAINING) {
        enum frame_result result = frame_reader_next(&app->in, &message);
        const char *why;

        if (result == FRAME_MORE)
            return NULL;
        if (result == FRAME_BAD)
            return "bytes that are no frame";
        why = take_message(app, message);
        if (why != NULL)
            return why;
    }
    return NULL;
}

static ssize_t receive(struct app *app, uint8_t *room, size_t bytes)
{
    ssize_t got;

    do
        got = app_arena_receive(&app->jobs.arena, app->fd, room, bytes);
    while (got < 0 && errno == EINTR);
    if (got > 0)
        app->heard_ns = clock_now_ns();
    return got;
}

/* Returns recv()'s result; *why_r is not NULL where a rule is broken. */
static ssize_t read_greeting(struct app *app, const char **why_r)
{
    ssize_t got = receive(app, app->greeting + app->greeting_bytes,
                          sizeof app->greeting - app->greeting_bytes);

    if (got <= 0)
        return got;
    app->greeting_bytes += (size_t)got;
    if (memcmp(app->greeting, WIRE_GREETING, app->greeting_bytes) != 0)
        *why_r = "it does not speak the job socket's protocol";
    else if (app->greeting_bytes == sizeof app->greeting)
        enter(app, APP_HELLO);
    return got;
}

/* Reads once. Returns how much, 0 where there is no more for now, and -1 where the
   connection is gone. */
static ssize_t read_some(struct app *app)
{
    const char *why = NULL;
    size_t room_bytes = 0;
    ssize_t got;

    if (app->state == APP_GREETING) {
        got = read_greeting(app, &why);
    } else {
        uint8_t *room = frame_reader_space(&app->in, &room_bytes);

        got = receive(app, room, room_bytes);
        if (got > 0) {
            frame_reader_add(&app->in, (size_t)got);
            why = take_messages(app);
        }
    }
    if (why != NULL) {
        fail(app, why);
        return -1;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (got <= 0) { /* it has left, with or without a word */
        app_destroy(app);
        return -1;
    }
    return app->state != APP_GREETING && (size_t)got < room_bytes ? 0 : got;
}

static void on_readable(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct app *app = container_of(watcher, struct app, on_read);
    size_t total = 0;

    (void)loop, (void)events;
    while (total < TURN_BYTES && may_read(app)) {
        ssize_t got = read_some(app);

        if (got < 0)
            return;
        if (got == 0)
            break;
        total += (size_t)got;
    }
    watch_reading(app);
    if (app->out.bytes > 0)
        app_flush(app);
}

/* ---- what others call ---- */

void app_refuse(struct app *app, enum wire_refusal reason, const char *text)
{
    put_refused(app, reason, text);
    watch_reading(app);
    app_flush(app);
}

void app_drain(struct app *app)
{
    if (app->state >= APP_DRAINING)
        return;
    if (app->state == APP_SERVING)
        put_bye(app);
    else
        put_refused(app, WIRE_REFUSED_DRAINING, "the daemon is draining");
    watch_reading(app);
    app_flush(app);
}

static bool is_over(const struct app *app)
{
    return app->state >= APP_DRAINING && app->out.bytes == 0 && app->jobs.unanswered == 0;
}

void app_flush(struct app *app)
{
    ssize_t sent;

    app_jobs_answer(&app->jobs, &app->out);
    sent = output_send(&app->out, app->fd);
    if (sent < 0 || is_over(app)) {
        app_destroy(app);
        return;
    }
    if (sent > 0 || app->out.bytes == 0)
        app->took_ns = clock_now_ns();
    if (app->out.bytes > 0)
        ev_io_start(app->world->loop, &app->on_write);
    else
        ev_io_stop(app->world->loop, &app->on_write);
    if (app->jobs.member.is_held != (app->out.bytes > HOLD_BYTES)) {
        app->jobs.member.is_held = !app->jobs.member.is_held;
        app->world->shared.wake(app->world->shared.context);
    }
    watch_reading(app);
}

static bool is_later(uint64_t now_ns, uint64_t than_ns, uint64_t by_ms)
{
    return now_ns > than_ns + by_ms * NS_PER_MS;
}

void app_tick(struct app *app, uint64_t now_ns)
{
    bool is_half_read = app->in.bytes.len > app->in.at;

    app_jobs_expire(&app->jobs, now_ns);
    if (app->out.bytes > 0 && is_later(now_ns, app->took_ns, APP_STALL_MS))
        fail(app, "it takes no answers");
    else if (app->state <= APP_HELLO && is_later(now_ns, app->since_ns, APP_HELLO_MS))
        fail(app, "it does not say who it is");
    else if (is_half_read && ev_is_active(&app->on_read) &&
             is_later(now_ns, app->heard_ns, APP_STALL_MS))
        fail(app, "it has sent a message by half");
    else
        watch_reading(app);
}
