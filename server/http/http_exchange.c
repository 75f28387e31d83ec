#include "server/http/http_exchange.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"
#include "common/base/text.h"
#include "common/loop/background_free.h"
#include "server/http/parser/http_chars.h"

/* The first memory for a collected body, however long it is said to be. */
#define COLLECT_START_BYTES (1024 * 1024)

struct joined {
    struct joined *next;
    struct buf text;
};

struct http_exchange *http_exchange_create(struct http_connection *connection,
                                           const struct http_parser_limits *limits)
{
    struct http_exchange *x = mem_alloc(sizeof *x);

    memset(x, 0, offsetof(struct http_exchange, parser));
    x->connection = connection;
    http_parser_init(&x->parser, limits);
    return x;
}

void http_exchange_destroy(struct http_exchange **x)
{
    struct http_exchange *exchange = *x;

    *x = NULL;
    if (exchange == NULL)
        return;
    while (exchange->joined != NULL) {
        struct joined *joined = exchange->joined;

        exchange->joined = joined->next;
        buf_free(&joined->text);
        mem_free(joined);
    }
    buf_free(&exchange->head);
    background_free_buf(&exchange->body);
    mem_free(exchange);
}

static struct slice span_slice(const struct http_exchange *x, struct http_span span)
{
    assert(span.at + span.len <= x->head.len);
    return (struct slice){x->head.data + span.at, span.len};
}

void http_exchange_set_head(struct http_exchange *x, const uint8_t *bytes)
{
    const struct http_parser *p = &x->parser;

    x->head.data = mem_alloc(p->head_bytes);
    x->head.cap = x->head.len = p->head_bytes;
    memcpy(x->head.data, bytes, p->head_bytes);
    x->request = (struct http_request){
        .method = p->method,
        .method_text = span_slice(x, p->method_text),
        .target = span_slice(x, p->target),
        .path = span_slice(x, p->path),
        .query = span_slice(x, p->query),
        .minor = p->minor,
        .has_body = p->length != 0,
        .length = p->length,
    };
    /* http://host names the root (RFC 9110 section 4.2.3). */
    if (x->request.path.len == 0)
        x->request.path = (struct slice){(const uint8_t *)"/", 1};
    x->expects_continue = p->expect_continue && x->request.has_body;
    x->body_done = !x->request.has_body;
    http_body_init(&x->decoder, p->length);
}

size_t http_exchange_reserve(struct http_exchange *x)
{
    size_t length = (size_t)x->request.length, cap = x->body.cap;

    assert(x->request.length > 0);
    if (x->body.len == cap) {
        cap = cap == 0 ? COLLECT_START_BYTES : cap * 2;
        cap = cap < length ? cap : length;
        x->body.data = mem_realloc(x->body.data, cap);
        x->body.cap = cap;
    }
    return x->body.cap - x->body.len;
}

void http_exchange_collect(struct http_exchange *x, struct slice bytes)
{
    while (x->request.length > 0 && bytes.len > 0) {
        size_t space = http_exchange_reserve(x);
        size_t take = bytes.len < space ? bytes.len : space;

        assert(take > 0);
        buf_append(&x->body, bytes.data, take);
        bytes = (struct slice){bytes.data + take, bytes.len - take};
    }
    buf_append(&x->body, bytes.data, bytes.len);
}

bool http_exchange_reads(const struct http_exchange *x)
{
    if (!x->dispatched || x->body_done || x->want == HTTP_WANT_NOTHING)
        return false;
    return x->want != HTTP_WANT_STREAM || !x->paused;
}

const struct http_request *http_request(const struct http_exchange *x)
{
    return &x->request;
}

/* The first field of that name from index `at` on; field_count where there is none. */
static uint32_t find_field(const struct http_exchange *x, const char *name, uint32_t at)
{
    struct slice wanted = text_slice(name);

    while (at < x->parser.field_count &&
           !http_chars_same(span_slice(x, x->parser.fields[at].name), wanted))
        at++;
    return at;
}

struct slice http_header(const struct http_exchange *x, const char *name)
{
    uint32_t at = find_field(x, name, 0);

    if (at == x->parser.field_count)
        return (struct slice){NULL, 0};
    return span_slice(x, x->parser.fields[at].value);
}

struct slice http_header_joined(struct http_exchange *x, const char *name)
{
    uint32_t at = find_field(x, name, 0), next;
    struct joined *joined;

    if (at == x->parser.field_count ||
        find_field(x, name, at + 1) == x->parser.field_count)
        return http_header(x, name);
    joined = mem_zalloc(sizeof *joined);
    joined->next = x->joined;
    x->joined = joined;
    for (; at < x->parser.field_count; at = next) {
        struct slice value = span_slice(x, x->parser.fields[at].value);

        buf_append(&joined->text, value.data, value.len);
        next = find_field(x, name, at + 1);
        if (next < x->parser.field_count)
            buf_append(&joined->text, ", ", 2);
    }
    return buf_slice(&joined->text);
}

bool http_exchange_fields_differ(const struct http_exchange *x, const char *name)
{
    uint32_t first = find_field(x, name, 0), at = first;

    while (at < x->parser.field_count) {
        if (!http_chars_same(span_slice(x, x->parser.fields[first].value),
                             span_slice(x, x->parser.fields[at].value)))
            return true;
        at = find_field(x, name, at + 1);
    }
    return false;
}

struct slice http_exchange_authority(const struct http_exchange *x)
{
    struct slice target = x->request.target;
    size_t at = 0, len = 0;

    if (x->parser.form != HTTP_TARGET_ABSOLUTE)
        return (struct slice){NULL, 0};
    while (target.data[at] != '/')
        at++;
    at += 2;
    while (at + len < target.len && target.data[at + len] != '/' &&
           target.data[at + len] != '?')
        len++;
    return (struct slice){target.data + at, len};
}

const char *http_peer(const struct http_exchange *x)
{
    return x->peer;
}

void **http_user(struct http_exchange *x)
{
    return &x->user;
}
