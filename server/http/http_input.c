#include "server/http/http_input.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/loop/memory_budget.h"
#include "server/http/http_pace.h"
#include "server/http/parser/http_host.h"

/* One call receives at most so much: heads are small, bodies are not. */
#define RECEIVE_HEAD_BYTES (16 * 1024)
#define RECEIVE_BODY_BYTES (64 * 1024)
#define RECEIVE_STEP_BYTES (256 * 1024)

/* A buffer that is larger than its contents by more than this is cut while it waits. */
#define SLACK_BYTES 512

struct slice http_input_bytes(const struct http_connection *c)
{
    if (c->in.len == 0)
        return (struct slice){NULL, 0};
    return (struct slice){c->in.data + c->in_start, c->in.len - c->in_start};
}

void http_input_drop(struct http_connection *c)
{
    buf_free(&c->in);
    c->in_start = 0;
}

/* Takes used bytes off the input. An empty buffer is freed, so that an idle connection
   has none. */
static void use_input(struct http_connection *c, size_t len)
{
    assert(len <= c->in.len - c->in_start);
    c->in_start += len;
    if (c->in_start == c->in.len)
        http_input_drop(c);
}

/* A part of a head, or of the next requests, has to wait: cuts the buffer to its size. */
static void trim_input(struct http_connection *c)
{
    if (c->in_start > 0)
        buf_consume(&c->in, c->in_start);
    c->in_start = 0;
    if (c->in.len == 0) {
        buf_free(&c->in);
    } else if (c->in.cap > c->in.len + SLACK_BYTES) {
        c->in.data = mem_realloc(c->in.data, c->in.len);
        c->in.cap = c->in.len;
    }
}

/* Calls recv(2) once and keeps its outcome. Returns the bytes received. */
static size_t receive_into(struct http_connection *c, uint8_t *bytes, size_t most)
{
    ssize_t got = recv(c->io.fd, bytes, most, MSG_DONTWAIT);

    assert(most > 0);
    if (got == 0)
        c->eof = true;
    else if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
        http_connection_lose(c, HTTP_LOSS_CLOSE);
    if (got > 0) {
        c->window_bytes += (uint64_t)got;
        http_server_add_moved(c->server, (size_t)got);
    }
    return got > 0 ? (size_t)got : 0;
}

/* True where the next bytes belong to a collected body of known length and can be
   received where they will stay. */
static bool receives_in_place(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    return x != NULL && x->dispatched && x->want == HTTP_WANT_COLLECT && !x->body_done &&
           x->decoder.state == HTTP_BODY_COUNTED && c->in.len == 0 &&
           (uint64_t)x->request.length <= c->server->limits.body_bytes;
}

static size_t receive_in_place(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;
    size_t most = http_exchange_reserve(x), got, used;
    uint8_t *at = x->body.data + x->body.len;
    struct slice data;

    most = most < RECEIVE_STEP_BYTES ? most : RECEIVE_STEP_BYTES;
    got = receive_into(c, at, http_server_share(c->server, most));
    if (got > 0) {
        http_body_next(&x->decoder, at, got, &used, &data);
        assert(used == got && data.len == got);
        x->body.len += got;
    }
    return got;
}

/* How much to receive into the buffer at once. */
static size_t receive_size(const struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;

    if (c->intake == HTTP_INTAKE_REFUSED || (x != NULL && http_exchange_reads(x)))
        return RECEIVE_BODY_BYTES;
    if (x != NULL && x->dispatched && c->in.len < HTTP_CONNECTION_AHEAD_BYTES)
        return HTTP_CONNECTION_AHEAD_BYTES - c->in.len;
    return RECEIVE_HEAD_BYTES;
}

static size_t receive_buffered(struct http_connection *c)
{
    size_t most, got;

    trim_input(c);
    most = http_server_share(c->server, receive_size(c));
    got = receive_into(c, buf_reserve(&c->in, most), most);
    c->in.len += got;
    return got;
}

bool http_input_receive(struct http_connection *c)
{
    size_t got;

    if (c->eof || c->loss != HTTP_LOSS_NONE)
        return false;
    got = receives_in_place(c) ? receive_in_place(c) : receive_buffered(c);
    if (c->intake == HTTP_INTAKE_REFUSED ||
        (c->intake != HTTP_INTAKE_OPEN && c->exchange == NULL))
        http_input_drop(c);
    trim_input(c);
    return got > 0 || c->eof || c->loss != HTTP_LOSS_NONE;
}

void http_input_finish(struct http_connection *c, int status)
{
    const struct http_callbacks *callbacks = &c->server->callbacks;
    struct http_exchange *x = c->exchange;

    if (x == NULL)
        return;
    x->sent_bytes += http_output_take_sent(&c->out);
    if (x->dispatched && callbacks->on_close != NULL)
        callbacks->on_close(x, status ? status : x->status, x->sent_bytes);
    http_exchange_destroy(&c->exchange);
}

static void write_peer(struct http_exchange *x)
{
    const struct http_peer *peer = &x->connection->peer;

    if (peer->family == AF_UNIX ||
        inet_ntop(peer->family, peer->address, x->peer, sizeof x->peer) == NULL)
        snprintf(x->peer, sizeof x->peer, "unix");
}

/* The request line among a head's bytes, as far as it came: it may be malformed. */
static struct slice request_line(struct slice head)
{
    size_t start = 0, end;

    while (start < head.len && (head.data[start] == '\r' || head.data[start] == '\n'))
        start++;
    for (end = start; end < head.len; end++)
        if (head.data[end] == '\r' || head.data[end] == '\n')
            break;
    return (struct slice){head.data == NULL ? NULL : head.data + start, end - start};
}

/* Reports a request that no handler has seen. */
static void tell_refused(struct http_connection *c, int status, uint64_t sent_bytes)
{
    struct http_exchange *x = c->exchange;
    struct slice in = http_input_bytes(c);
    struct http_refusal refusal = {.status = status, .sent_bytes = sent_bytes};

    if (c->server->callbacks.on_refused == NULL)
        return;
    if (x->head.len == 0)
        buf_append(&x->head, in.data, in.len);
    write_peer(x);
    refusal.peer = x->peer;
    refusal.line = request_line(buf_slice(&x->head));
    refusal.referer = http_header(x, "referer");
    refusal.user_agent = http_header(x, "user-agent");
    c->server->callbacks.on_refused(&refusal, c->server->context);
}

void http_input_refuse(struct http_connection *c, int status, const char *reason)
{
    struct http_exchange *x = c->exchange;
    bool answered = x != NULL && x->replying != HTTP_REPLYING_NOT;
    bool is_head =
        x != NULL && x->parser.method_text.len > 0 && x->parser.method == HTTP_HEAD;
    struct buf text = BUF_INIT;
    size_t body_bytes;

    http_connection_limit_intake(c, HTTP_INTAKE_REFUSED);
    if (answered) {
        /* A reply that has begun cannot be taken back, only cut off. */
        if (x->replying == HTTP_REPLYING_STREAM)
            http_connection_lose(c, HTTP_LOSS_CLOSE);
        return;
    }
    body_bytes =
        http_head_refusal(&text, status, reason, http_server_date(c->server), is_head);
    http_output_append_head(&c->out, &text);
    if (x != NULL && !x->dispatched)
        tell_refused(c, status, body_bytes);
    http_input_finish(c, status);
    http_input_drop(c);
}

/* Refuses a request for a host that is not ours; true where it did. */
static bool refuse_host(struct http_connection *c, struct slice authority)
{
    struct slice host = http_host_of(authority);
    char reason[300];

    if (http_host_allowed(&c->server->hosts, authority, c->peer.is_local))
        return false;
    snprintf(reason, sizeof reason,
             "the request is for the host %.*s, which is not this server's; --host names "
             "the hosts that it serves",
             host.len < 128 ? (int)host.len : 128, (const char *)host.data);
    http_input_refuse(c, 421, reason);
    return true;
}

/* Refuses a well-formed head that programs may read in two ways, or that is for another
   host; true where it did. */
static bool refuse_head(struct http_connection *c)
{
    static const struct {
        const char *name, *reason;
    } once[] = {
        {"content-type", "two Content-Type fields differ"},
        {"content-encoding", "two Content-Encoding fields differ"},
        {"accept-encoding", "two Accept-Encoding fields differ"},
    };
    struct http_exchange *x = c->exchange;

    for (size_t i = 0; i < sizeof once / sizeof *once; i++)
        if (http_exchange_fields_differ(x, once[i].name)) {
            http_input_refuse(c, 400, once[i].reason);
            return true;
        }
    return refuse_host(c, http_header(x, "host")) ||
           refuse_host(c, http_exchange_authority(x));
}

/* Reads a head, and tells the handler of a good one. */
static bool step_head(struct http_connection *c)
{
    struct slice in = http_input_bytes(c);
    struct http_exchange *x = c->exchange;

    if (x == NULL)
        x = c->exchange = http_exchange_create(c, &c->server->parser_limits);
    switch (http_parser_run(&x->parser, in.data, in.len)) {
    case HTTP_PARSER_MORE: return false;
    case HTTP_PARSER_BAD:
        http_input_refuse(c, x->parser.status, x->parser.reason);
        return true;
    case HTTP_PARSER_DONE: break;
    }
    http_exchange_set_head(x, in.data);
    use_input(c, x->parser.head_bytes);
    if (refuse_head(c))
        return true;
    write_peer(x);
    x->dispatched = true;
    if (!http_parser_persistent(&x->parser))
        http_connection_limit_intake(c, HTTP_INTAKE_LAST);
    c->server->callbacks.on_request(x, c->server->context);
    return true;
}

/* The FIN of the peer came and no input is left: a request that has begun stays
   unfinished. */
static bool step_end(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    if (x == NULL) {
        http_connection_limit_intake(c, HTTP_INTAKE_LAST);
        return false;
    }
    if (!x->dispatched) {
        if (http_parser_begun(&x->parser))
            http_input_refuse(c, 400, "the request ended within its head");
        else
            http_input_finish(c, 0);
        http_connection_limit_intake(c, HTTP_INTAKE_LAST);
        return true;
    }
    /* While the handler pauses a body it is unknown whether what came is all of it. */
    if (!http_exchange_reads(x) || c->intake == HTTP_INTAKE_REFUSED ||
        http_input_bytes(c).len > 0)
        return false;
    http_input_refuse(c, 400, "the request ended within its body");
    return true;
}

/* Gives bytes of the body to whoever asked for them. */
static void deliver(struct http_connection *c, struct slice data)
{
    struct http_exchange *x = c->exchange;
    const struct http_callbacks *callbacks = &c->server->callbacks;

    switch (x->want) {
    case HTTP_WANT_COLLECT: http_exchange_collect(x, data); break;
    case HTTP_WANT_STREAM:
        if (callbacks->on_body != NULL)
            callbacks->on_body(x, data);
        break;
    case HTTP_WANT_DISCARD:
        if (data.len > x->discard_left)
            http_connection_limit_intake(c, HTTP_INTAKE_REFUSED);
        else
            x->discard_left -= data.len;
        break;
    case HTTP_WANT_NOTHING: assert(!"a body nobody asked for was read"); break;
    }
}

static void tell_body_end(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;

    x->body_end_told = true;
    if (x->want != HTTP_WANT_DISCARD && c->server->callbacks.on_body_end != NULL)
        c->server->callbacks.on_body_end(x);
}

/* Sends 100 Continue to a client that waits for it. */
static void send_continue(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;
    struct buf text = BUF_INIT;

    if (!x->expects_continue || x->want == HTTP_WANT_DISCARD)
        return;
    x->expects_continue = false;
    if (c->in.len > 0 || x->replying != HTTP_REPLYING_NOT)
        return;
    buf_append_str(&text, "HTTP/1.1 100 Continue\r\n\r\n");
    http_output_append_head(&c->out, &text);
}

/* True where a body to be collected is longer than allowed, as far as is known: it has
   the bytes at hand and the announced rest of the chunk. */
static bool body_too_long(const struct http_connection *c, struct slice data)
{
    const struct http_exchange *x = c->exchange;
    uint64_t more = c->server->limits.body_bytes - x->body.len;

    assert(x->body.len <= c->server->limits.body_bytes);
    return x->want == HTTP_WANT_COLLECT &&
           (data.len > more || http_body_left(&x->decoder) > more - data.len);
}

/* True where a body that is collected fits into the memory budget: before its first byte
   with all of its length, and then with what has come. The slowest connections are cut
   off where that makes it fit. */
static bool body_fits(struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;
    uint64_t size = x->body.len, more = 0;

    if (x->want != HTTP_WANT_COLLECT || x->body_done)
        return true;
    if (size == 0 && x->request.length > 0)
        size = more = (uint64_t)x->request.length;
    if (size <= MEMORY_BUDGET_SMALL)
        return true;
    http_pace_count_memory(c);
    return memory_budget_fits(size, more) ||
           http_pace_cut_slowest(c->server, memory_budget_missing());
}

/* Reads on in the body where somebody wants it. */
static bool step_body(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;
    struct slice in, data;
    enum http_body_result result;
    size_t used;

    if (x->want == HTTP_WANT_NOTHING || x->body_end_told ||
        c->intake == HTTP_INTAKE_REFUSED || (!x->body_done && !http_exchange_reads(x)))
        return false;
    in = http_input_bytes(c);
    result = http_body_next(&x->decoder, in.data, in.len, &used, &data);
    if (result != HTTP_BODY_BAD && body_too_long(c, data)) {
        http_input_refuse(c, 413, "the body is too long");
        return true;
    }
    if (result != HTTP_BODY_BAD && !body_fits(c)) {
        http_input_refuse(c, 503, "the memory for requests is taken");
        return true;
    }
    send_continue(c);
    switch (result) {
    case HTTP_BODY_DATA:
        deliver(c, data);
        /* The bytes had to stay until the handler returned. */
        if (c->exchange == x)
            use_input(c, used);
        return true;
    case HTTP_BODY_DONE:
        use_input(c, used);
        x->body_done = true;
        tell_body_end(c);
        return true;
    case HTTP_BODY_BAD:
        http_input_refuse(c, x->decoder.status, x->decoder.reason);
        return true;
    case HTTP_BODY_MORE: use_input(c, used); break;
    }
    return false;
}

bool http_input_step(struct http_connection *c)
{
    struct http_exchange *x = c->exchange;
    bool got_on = false;

    if (x != NULL && x->dispatched)
        got_on = step_body(c);
    else if (c->intake == HTTP_INTAKE_OPEN && http_input_bytes(c).len > 0 &&
             http_output_is_empty(&c->out))
        got_on = step_head(c);
    if (!got_on && c->eof && http_output_is_empty(&c->out))
        got_on = step_end(c);
    return got_on;
}
