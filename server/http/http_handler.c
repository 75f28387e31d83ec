/* What a handler calls of http.h on its exchange: it asks for the body, and replies. */
#include "server/http/http.h"

#include <assert.h>
#include <stdio.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "server/http/http_connection.h"
#include "server/http/http_pace.h"

/* Above so many queued bytes a streamed reply has to wait. */
#define QUEUE_HIGH_BYTES (256 * 1024)

/* The rest of a body that nobody asked for is read and dropped up to this size, so that
   the connection can go on. */
#define DISCARD_MAX_BYTES (1024 * 1024)

/* ---- the body ---- */

static void ask_body(struct http_exchange *x, enum http_want want)
{
    assert(x->want == HTTP_WANT_NOTHING || x->want == HTTP_WANT_DISCARD);
    if (x->want == HTTP_WANT_NOTHING)
        x->want = want;
    http_connection_wake(x->connection);
}

void http_collect_body(struct http_exchange *x)
{
    ask_body(x, HTTP_WANT_COLLECT);
}

void http_stream_body(struct http_exchange *x)
{
    ask_body(x, HTTP_WANT_STREAM);
}

void http_pause_body(struct http_exchange *x)
{
    x->paused = true;
}

void http_resume_body(struct http_exchange *x)
{
    x->paused = false;
    http_connection_wake(x->connection);
}

struct slice http_body(const struct http_exchange *x)
{
    return buf_slice(&x->body);
}

struct blob *http_take_body(struct http_exchange *x)
{
    struct buf *body = &x->body;
    struct blob *blob;

    /* The memory that a chunked body did not need goes back, where it is a lot. */
    if (body->cap / 2 > body->len && body->cap > 65536) {
        body->cap = body->len > 0 ? body->len : 1;
        body->data = mem_realloc(body->data, body->cap);
    }
    blob = blob_new_steal(body);
    http_pace_count_memory(x->connection);
    return blob;
}

/* ---- the reply ---- */

/* Decides what becomes of the rest of the request's body after the reply. */
static void settle_body(struct http_exchange *x)
{
    struct http_connection *c = x->connection;

    if (x->body_done)
        return;
    x->want = HTTP_WANT_DISCARD;
    x->discard_left = DISCARD_MAX_BYTES;
    background_free_buf(&x->body);
    /* It is unknown whether a client that waits for 100 Continue sends the body. */
    if (x->expects_continue || http_body_left(&x->decoder) > DISCARD_MAX_BYTES)
        http_connection_limit_intake(c, HTTP_INTAKE_LAST);
}

/* Decides whether the connection goes on, and what the reply says about that. */
static enum http_persistence persistence(struct http_exchange *x)
{
    struct http_connection *c = x->connection;

    if (c->server->draining || !http_parser_persistent(&x->parser) ||
        x->delimiter == HTTP_DELIMITER_CLOSE)
        http_connection_limit_intake(c, HTTP_INTAKE_LAST);
    if (c->intake != HTTP_INTAKE_OPEN)
        return HTTP_PERSIST_CLOSE;
    return x->request.minor == 0 || c->server->limits.idle_timeout_ms >= 1000
               ? HTTP_PERSIST_TOLD
               : HTTP_PERSIST_SILENT;
}

static void queue_head(struct http_exchange *x, const struct http_reply *reply,
                       uint64_t length)
{
    struct http_connection *c = x->connection;
    struct http_head head = {
        .status = reply->status,
        .content_type = reply->content_type,
        .headers = reply->headers,
        .date = http_server_date(c->server),
        .delimiter = x->delimiter,
        .length = length,
        .persistence = persistence(x),
        .keep_alive_s = c->server->limits.idle_timeout_ms / 1000,
    };
    struct buf text = BUF_INIT;

    http_head_write(&text, &head);
    http_output_append_head(&c->out, &text);
    x->status = reply->status;
}

void http_reply(struct http_exchange *x, const struct http_reply *reply)
{
    struct slice part = {NULL, 0};
    bool bodiless = http_head_bodiless(reply->status);

    assert(x->replying == HTTP_REPLYING_NOT);
    assert(reply->status >= 200);
    if (reply->body != NULL)
        part = reply->body_part.len > 0 ? reply->body_part : reply->body->bytes;
    x->replying = HTTP_REPLYING_DONE;
    x->delimiter = bodiless ? HTTP_DELIMITER_NONE : HTTP_DELIMITER_LENGTH;
    settle_body(x);
    queue_head(x, reply, part.len);
    if (!bodiless && part.len > 0 && x->request.method != HTTP_HEAD)
        http_output_append(&x->connection->out, reply->body, part,
                           (struct slice){NULL, 0});
    http_connection_wake(x->connection);
}

void http_reply_problem(struct http_exchange *x, int status, const char *detail,
                        int64_t offset, struct slice headers)
{
    struct buf text = BUF_INIT;
    struct http_reply reply = {
        .status = status, .content_type = "application/problem+json", .headers = headers};

    http_head_problem(&text, status, detail, offset);
    reply.body = blob_new_steal(&text);
    http_reply(x, &reply);
    blob_unref(&reply.body);
}

void http_reply_begin(struct http_exchange *x, const struct http_reply *reply)
{
    assert(x->replying == HTTP_REPLYING_NOT);
    assert(reply->status >= 200);
    x->replying = HTTP_REPLYING_STREAM;
    if (http_head_bodiless(reply->status))
        x->delimiter = HTTP_DELIMITER_NONE;
    else
        x->delimiter =
            x->request.minor > 0 ? HTTP_DELIMITER_CHUNKED : HTTP_DELIMITER_CLOSE;
    /* The body may still be read meanwhile, but a client that waits for 100 Continue does
       not get it after a final reply. */
    if (x->expects_continue)
        http_connection_limit_intake(x->connection, HTTP_INTAKE_LAST);
    queue_head(x, reply, 0);
    http_connection_wake(x->connection);
}

/* True where the pieces of the reply are sent. */
static bool sends_body(const struct http_exchange *x)
{
    return x->request.method != HTTP_HEAD && x->delimiter != HTTP_DELIMITER_NONE;
}

bool http_reply_chunk(struct http_exchange *x, struct blob *blob, struct slice part)
{
    struct http_output *out = &x->connection->out;
    char line[32];
    int len = 0;

    assert(x->replying == HTTP_REPLYING_STREAM);
    if (!sends_body(x) || part.len == 0)
        return !x->wants_writable; /* on_writable may be owed for an earlier piece */
    if (x->delimiter == HTTP_DELIMITER_CHUNKED) {
        len = snprintf(line, sizeof line, "%s%zx\r\n", x->chunk_open ? "\r\n" : "",
                       part.len);
        assert(len > 0 && (size_t)len < sizeof line);
        x->chunk_open = true;
    }
    http_output_append(out, blob, part, (struct slice){(uint8_t *)line, (size_t)len});
    http_connection_wake(x->connection);
    x->wants_writable = out->bytes >= QUEUE_HIGH_BYTES;
    return !x->wants_writable;
}

void http_reply_end(struct http_exchange *x)
{
    static const char last[] = "\r\n0\r\n\r\n";

    assert(x->replying == HTTP_REPLYING_STREAM);
    if (sends_body(x) && x->delimiter == HTTP_DELIMITER_CHUNKED) {
        struct buf text = BUF_INIT;

        buf_append_str(&text, x->chunk_open ? last : last + 2);
        http_output_append_head(&x->connection->out, &text);
    }
    x->replying = HTTP_REPLYING_DONE;
    x->wants_writable = false;
    settle_body(x);
    http_connection_wake(x->connection);
}

void http_reply_abort(struct http_exchange *x)
{
    assert(x->replying == HTTP_REPLYING_STREAM);
    x->replying = HTTP_REPLYING_ABORTED;
    http_connection_wake(x->connection);
}

bool http_is_local(const struct http_exchange *x)
{
    return x->connection->peer.is_local;
}

bool http_replied(const struct http_exchange *x)
{
    return x->replying != HTTP_REPLYING_NOT;
}
