#include "common/codec/direct/direct.h"

#include <assert.h>
#include <string.h>

#include "common/codec/direct/direct_number.h"
#include "common/codec/direct/direct_string.h"
#include "common/codec/direct/direct_text.h"

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

static const uint8_t *skip_space(const uint8_t *at, const uint8_t *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Goes to the next byte that is not white space. The text must not end before it. */
static inline const uint8_t *find_token(struct direct_decoder *d, const uint8_t *at)
{
    if (d->end > at && at[0] > ' ')
        return at;
    at = skip_space(at, d->end);
    return at < d->end ? at : direct_fail(d, CODEC_TRUNCATED, at);
}

static bool starts_with(const uint8_t *at, const char *four)
{
    return memcmp(at, four, 4) == 0;
}

/* Reads a literal near the text's end, or fails at a byte that begins no value. */
static const uint8_t *decode_literal_slowly(struct direct_decoder *d, const uint8_t *at)
{
    static const struct {
        const char *text;
        uint8_t code;
    } literals[] = {{"null", 0xc0}, {"true", 0xc3}, {"false", 0xc2}};

    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        const char *text = literals[i].text;

        if (*at != (uint8_t)*text)
            continue;
        for (; *text != '\0'; text++, at++) {
            if (at == d->end || *at != (uint8_t)*text)
                return direct_fail_at_byte(d, CODEC_SYNTAX, at);
        }
        *d->out++ = literals[i].code;
        return at;
    }
    return direct_fail(d, CODEC_SYNTAX, at);
}

static const uint8_t *decode_literal(struct direct_decoder *d, const uint8_t *at)
{
    size_t len = 4;

    if (d->end - at < 5)
        return decode_literal_slowly(d, at);
    if (starts_with(at, "true")) {
        *d->out = 0xc3;
    } else if (starts_with(at, "null")) {
        *d->out = 0xc0;
    } else if (starts_with(at, "fals") && at[4] == 'e') {
        *d->out = 0xc2;
        len = 5;
    } else {
        return decode_literal_slowly(d, at);
    }
    d->out++;
    return at + len;
}

/* Reads a string from behind its opening quote. Most are plain and fit into one chunk. */
static inline const uint8_t *decode_string(struct direct_decoder *d, const uint8_t *at)
{
    if (d->end - at > DIRECT_CHUNK) {
        unsigned len = direct_copy_plain(d->out + 1, at);

        if (at[len] == '"') {
            *d->out = (uint8_t)(0xa0 | len);
            d->out += 1 + len;
            return at + len + 1;
        }
    }
    return direct_decode_string(d, at);
}

/* Reads a member's name and the colon, and goes to the first byte of the value. */
static inline const uint8_t *decode_name(struct direct_decoder *d, const uint8_t *at)
{
    if (*at != '"')
        return direct_fail(d, CODEC_SYNTAX, at);
    if (direct_ensure_space(d) < 0)
        return NULL;
    at = decode_string(d, at + 1);
    if (at == NULL)
        return NULL;
    if (d->end - at >= 2 && at[0] == ':' && at[1] > ' ')
        return at + 1;
    at = find_token(d, at);
    if (at == NULL)
        return NULL;
    if (*at != ':')
        return direct_fail(d, CODEC_SYNTAX, at);
    return find_token(d, at + 1);
}

/* Reads an opening bracket. Reserves one byte for the container's header. */
static const uint8_t *open_container(struct direct_decoder *d, const uint8_t *at)
{
    if (d->top == d->state->frames + d->job->max_depth)
        return direct_fail(d, CODEC_DEPTH, at);
    d->top++;
    d->top->at = (size_t)(d->out - d->job->out->data);
    d->top->items = 0;
    d->top->map = *at == '{';
    d->out++;
    return find_token(d, at + 1);
}

static const uint8_t *close_container(struct direct_decoder *d, const uint8_t *at)
{
    struct direct_frame *frame = d->top--;

    assert(frame > d->state->frames);
    if (frame->items > CONTAINERS_SMALL_MAX)
        d->job->out->len = (size_t)(d->out - d->job->out->data);
    d->status =
        containers_end(d->job, &d->state->wide, frame->at, frame->items, frame->map);
    return d->status == CODEC_OK ? at + 1 : NULL;
}

static uint8_t closing_bracket(const struct direct_frame *frame)
{
    return frame->map ? '}' : ']';
}

/* Reads a value from its first byte: a scalar, an empty container, or the start of a
   container up to its first scalar or empty container. */
static const uint8_t *decode_value(struct direct_decoder *d, const uint8_t *at)
{
    while (at != NULL) {
        if (direct_ensure_space(d) < 0)
            return NULL;
        if (*at == '"')
            return decode_string(d, at + 1);
        if ((uint8_t)(*at - '0') < 10 || *at == '-')
            return direct_decode_number(d, at);
        if (*at != '{' && *at != '[')
            return decode_literal(d, at);
        at = open_container(d, at);
        if (at != NULL && *at == closing_bracket(d->top))
            return close_container(d, at);
        if (at != NULL && d->top->map)
            at = decode_name(d, at);
    }
    return NULL;
}

/* After a value: ends the containers that end here, and goes to the next value, or behind
   the outermost one. */
static const uint8_t *find_next(struct direct_decoder *d, const uint8_t *at)
{
    while (d->top > d->state->frames) {
        at = find_token(d, at);
        if (at == NULL)
            return NULL;
        d->top->items++;
        if (*at == ',') {
            at = find_token(d, at + 1);
            return at != NULL && d->top->map ? decode_name(d, at) : at;
        }
        if (*at != closing_bracket(d->top))
            return direct_fail(d, CODEC_SYNTAX, at);
        at = close_container(d, at);
        if (at == NULL)
            return NULL;
    }
    return at;
}

enum codec_status direct_decode(void *state, struct engine_job *job)
{
    struct direct *direct = state;
    struct direct_decoder d = {.top = direct->frames, .job = job, .state = direct};
    const uint8_t *at;

    if (job->in.len == 0)
        return engine_fail(job, CODEC_TRUNCATED, 0);
    containers_reset(&direct->wide);
    if (direct_grow(&d, DIRECT_SPACE_BYTES) < 0)
        return d.status;
    d.end = job->in.data + job->in.len;
    at = find_token(&d, job->in.data);
    do {
        at = decode_value(&d, at);
        if (at != NULL)
            at = find_next(&d, at);
    } while (at != NULL && d.top > direct->frames);
    if (at == NULL)
        return d.status;
    at = skip_space(at, d.end);
    if (at < d.end) {
        direct_fail(&d, CODEC_TRAILING, at);
        return d.status;
    }
    assert(d.top == direct->frames && d.out <= d.limit + DIRECT_SPACE_BYTES);
    job->out->len = (size_t)(d.out - job->out->data);
    return containers_fix(job, &direct->wide);
}
