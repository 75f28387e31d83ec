#include "server/http/http_exchange.h"

#include <assert.h>
#include <stdio.h>

#include "common/loop/background_free.h"
#include "server/http/http_connection.h"

/* A streamed reply is told to wait above this many queued bytes. */
#define QUEUE_HIGH_BYTES (256 * 1024)

/* A body left unread is read up and dropped, for the connection's sake, up to this size.
 */
#define BACKGROUND_FREE_MAX_BYTES (1024 * 1024)

/* What to do with what is left of the request's body, now that it has been answered. */
static void settle_body(struct http_exchange *x)
{
    struct http_connection *c = x->connection;

    if (x->body_done)
        return;
    x->want = HTTP_WANT_DISCARD;
    x->background_free_left = BACKGROUND_FREE_MAX_BYTES;
    background_free_buf(&x->body);
    /* A client that waits for 100 Continue may send the body or not: no telling. */
    if (x->expects_continue || http_body_left(&x->decoder) > BACKGROUND_FREE_MAX_BYTES)
        c->closing = true;
}

/* Whether the connection goes on, and what to say about that. */
static enum http_persistence persistence(struct http_exchange *x)
{
    struct http_connection *c = x->connection;

    if (c->server->draining || !http_parser_persistent(&x->parser) ||
        x->delimiter == HTTP_DELIMITER_CLOSE)
        c->closing = true;
    if (c->closing)
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
    /* The request may go on to be read meanwhile; a client that waits for leave to send
       it gets none behind a final reply. */
    if (x->expects_continue)
        x->connection->closing = true;
    queue_head(x, reply, 0);
    http_connection_wake(x->connection);
}

/* True where the reply's pieces are sent at all. */
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

bool http_replied(const struct http_exchange *x)
{
    return x->replying != HTTP_REPLYING_NOT;
}
