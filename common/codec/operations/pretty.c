#include "common/codec/operations/pretty.h"

#include <assert.h>
#include <string.h>

#define INDENT 2

/* The place for the indented text. With data NULL, its bytes are only counted. */
struct writer {
    uint8_t *data;
    size_t len;
    size_t max; /* len does not grow beyond it */
    unsigned depth;
};

static void put(struct writer *to, const uint8_t *bytes, size_t len)
{
    if (to->data != NULL)
        memmove(to->data + to->len, bytes, len);
    to->len += len;
}

static void put_byte(struct writer *to, uint8_t byte)
{
    if (to->data != NULL)
        to->data[to->len] = byte;
    to->len++;
}

static void put_line_start(struct writer *to)
{
    put_byte(to, '\n');
    if (to->data != NULL)
        memset(to->data + to->len, ' ', (size_t)to->depth * INDENT);
    to->len += (size_t)to->depth * INDENT;
}

/* The length of the string at the start of text. An engine wrote it, so its closing quote
   is there. */
static size_t string_len(const uint8_t *text)
{
    size_t at = 1;

    while (text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    return at + 1;
}

/* Writes the opening bracket at text[0]. Returns the bytes that it read: two for an empty
   container. */
static size_t put_open(struct writer *to, const uint8_t *text)
{
    uint8_t open = text[0], next = text[1];

    if (next == ']' || next == '}') {
        put_byte(to, open);
        put_byte(to, next);
        return 2;
    }
    put_byte(to, open);
    to->depth++;
    put_line_start(to);
    return 1;
}

/* Writes the token at the start of text. Returns the token's length. */
static size_t put_token(struct writer *to, const uint8_t *text)
{
    size_t len = 1;

    switch (text[0]) {
    case '"':
        len = string_len(text);
        put(to, text, len);
        break;
    case '{':
    case '[': len = put_open(to, text); break;
    case '}':
    case ']':
        assert(to->depth > 0);
        to->depth--;
        put_line_start(to);
        put_byte(to, text[0] == '}' ? '}' : ']');
        break;
    case ',':
        put_byte(to, ',');
        put_line_start(to);
        break;
    case ':':
        put_byte(to, ':');
        put_byte(to, ' ');
        break;
    default: put_byte(to, text[0]);
    }
    return len;
}

/* Stops above to->max, and when the job's budget is used up. */
static enum codec_status put_text(struct engine_job *job, struct writer *to,
                                  const uint8_t *text, size_t len)
{
    size_t at = 0, asked = 0;

    if (to->depth > 0)
        put_line_start(to);
    while (at < len && to->len <= to->max) {
        size_t done;

        at += put_token(to, text + at);
        done = to->data != NULL ? to->len : at;
        if (done - asked >= CODEC_BUDGET_WORK) {
            enum codec_status status = engine_spend(job, done - asked);

            if (status != CODEC_OK)
                return status;
            asked = done;
        }
    }
    return CODEC_OK;
}

enum codec_status pretty_expand(struct engine_job *job, size_t from, unsigned depth)
{
    struct buf *out = job->out;
    size_t len = out->len - from;
    size_t most = job->base + job->max_output - from;
    struct writer to = {NULL, 0, most, depth};
    enum codec_status status;
    size_t wide;

    assert(from >= job->base && from <= out->len);
    if (out->len - job->base > job->max_output)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    status = put_text(job, &to, out->data + from, len);
    if (status != CODEC_OK)
        return status;
    if (to.len > most)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    wide = to.len;
    job->bound_output = job->max_output;
    status = engine_reserve(job, wide - len);
    if (status != CODEC_OK)
        return status;
    /* Moves the compact text to the end of its space, and then indents it from the start:
       the bytes to read are always behind those that are written. */
    memmove(out->data + from + wide - len, out->data + from, len);
    to = (struct writer){out->data + from, 0, wide, depth};
    status = put_text(job, &to, out->data + from + wide - len, len);
    if (status != CODEC_OK)
        return status;
    assert(to.len == wide && to.depth == depth);
    out->len = from + wide;
    return CODEC_OK;
}
