/*
 * Heads and bodies, whole against cut up: the verdict, and all that is found, must
 * depend on the bytes alone. The first byte seeds the cuts and chooses between a
 * head and a body; the rest is the input.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "server/http/parser/http_body.h"
#include "server/http/parser/http_parser.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_parser_limits limits = {2048, 512};

/* A cheap sequence of piece lengths, mostly short. */
static size_t next_piece(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 24) % 3 == 0 ? 1 + (*seed >> 20) % 40 : 1 + (*seed >> 28) % 3;
}

/* Runs over growing copies, so that reading past what was given shows under ASan. */
static enum http_parser_result parse(struct http_parser *p, const uint8_t *data,
                                     size_t size, uint32_t seed)
{
    enum http_parser_result result = HTTP_PARSER_MORE;
    size_t have = 0;

    http_parser_init(p, &limits);
    while (result == HTTP_PARSER_MORE && have < size) {
        uint8_t *copy;

        have += seed ? next_piece(&seed) : size;
        have = have < size ? have : size;
        copy = mem_alloc(have);
        memcpy(copy, data, have);
        result = http_parser_run(p, copy, have);
        mem_free(copy);
    }
    return result;
}

static void check_span(const struct http_parser *p, struct http_span span)
{
    assert(span.at + span.len <= p->head_bytes);
}

/* What an accepted head promises its users. */
static void check_head(const struct http_parser *p, const uint8_t *data, size_t size)
{
    assert(p->head_bytes <= size && p->head_bytes <= limits.head_bytes + 4);
    assert(memcmp(data + p->head_bytes - 4, "\r\n\r\n", 4) == 0);
    assert(p->target.len > 0 && p->target.len <= limits.target_bytes);
    assert(p->minor == 0 || p->host_seen);
    assert(!(p->coding_seen && p->length_seen));
    assert(p->coding_seen == (p->length == -1));
    check_span(p, p->target);
    check_span(p, p->path);
    check_span(p, p->query);
    for (uint32_t i = 0; i < p->field_count; i++) {
        check_span(p, p->fields[i].name);
        check_span(p, p->fields[i].value);
        assert(p->fields[i].name.len > 0);
    }
    assert(memchr(data, '\0', p->head_bytes) == NULL);
}

static void fuzz_head(const uint8_t *data, size_t size, uint32_t seed)
{
    static struct http_parser whole, cut;
    enum http_parser_result result = parse(&whole, data, size, 0);

    assert(parse(&cut, data, size, seed) == result);
    assert(whole.status == cut.status && whole.reason == cut.reason);
    assert(whole.head_bytes == cut.head_bytes && whole.field_count == cut.field_count);
    assert(whole.length == cut.length && whole.method == cut.method);
    assert(memcmp(&whole.target, &cut.target, 3 * sizeof whole.target) == 0);
    assert(memcmp(whole.fields, cut.fields, whole.field_count * sizeof *cut.fields) == 0);
    if (result == HTTP_PARSER_DONE)
        check_head(&whole, data, size);
    if (result == HTTP_PARSER_BAD)
        assert(whole.status >= 400 && whole.reason != NULL);
}

/* Decodes in pieces; returns the bytes used up. */
static size_t decode(struct http_body *body, const uint8_t *data, size_t size,
                     uint32_t seed, struct buf *out, enum http_body_result *result_r)
{
    size_t at = 0;

    *result_r = HTTP_BODY_MORE;
    while (*result_r == HTTP_BODY_MORE && at < size) {
        size_t piece = seed ? next_piece(&seed) : size, from = 0, used;
        struct slice part;
        uint8_t *copy;

        piece = piece < size - at ? piece : size - at;
        copy = mem_alloc(piece);
        memcpy(copy, data + at, piece);
        do {
            *result_r = http_body_next(body, copy + from, piece - from, &used, &part);
            assert(used <= piece - from);
            buf_append(out, part.data, part.len);
            from += used;
        } while (*result_r == HTTP_BODY_DATA);
        at += from;
        assert(*result_r != HTTP_BODY_MORE || from == piece);
        mem_free(copy);
    }
    return at;
}

static void fuzz_body(const uint8_t *data, size_t size, uint32_t seed)
{
    struct http_body whole, cut;
    struct buf a = BUF_INIT, b = BUF_INIT;
    enum http_body_result ra, rb;
    size_t ua, ub;

    http_body_init(&whole, -1);
    http_body_init(&cut, -1);
    ua = decode(&whole, data, size, 0, &a, &ra);
    ub = decode(&cut, data, size, seed, &b, &rb);
    assert(ra == rb && whole.status == cut.status && whole.reason == cut.reason);
    assert(a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0));
    assert(ra == HTTP_BODY_BAD || ua == ub);
    buf_free(&a);
    buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 1)
        fuzz_body(data + 1, size - 1, data[0]);
    else
        fuzz_head(data + 1, size - 1, data[0] | 256u);
    return 0;
}
