#include "common/codec/yajl/yajl_decode.h"

#include <assert.h>
#include <string.h>

#include <yajl/yajl_parse.h>

#include "common/base/alloc.h"
#include "common/codec/msgpack/containers.h"
#include "common/codec/number/number.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/utf8.h"
#include "common/codec/yajl/yajl_arena.h"
#include "common/codec/yajl/yajl_number.h"
#include "common/codec/yajl/yajl_scan.h"

/* A shorter string has a one-byte header, and is copied as one block. */
#define YAJL_MARGIN 32

/* The cost of an escape, in units of a budget. */
#define ESCAPE_WORK 10

/* An open container. levels[0] is outside of the text's one value. */
struct level {
    size_t at;    /* its reserved byte, from out->data */
    size_t items; /* so far; map: values */
};

struct yajl_decoder {
    struct engine_job *job;
    uint8_t *pos; /* where the next byte of output goes; out->len is set at the end */
    uint8_t *end; /* of the output's space */
    struct level *top;
    uintptr_t inside_from; /* the input without its margins: its address ... */
    size_t inside_bytes;   /* ... and its length */
    yajl_handle parser;
    enum codec_status status; /* a failure that yajl does not know; CODEC_OK for none */
    bool finishing;           /* in yajl_complete_parse() */
    bool done;                /* the value is complete, at done_at */
    size_t done_at;
    struct containers wide;
    struct level levels[CODEC_OPEN_MAX + 1];
    struct yajl_arena arena;
};

static void sync_output(struct yajl_decoder *d)
{
    d->job->out->len = (size_t)(d->pos - d->job->out->data);
}

static int grow(struct yajl_decoder *d, size_t bytes)
{
    struct buf *out = d->job->out;

    if (d->pos != NULL)
        sync_output(d);
    d->status = engine_make_room(d->job, bytes, &d->end);
    if (d->status != CODEC_OK)
        return 0;
    d->pos = out->data + out->len;
    return 1;
}

/* Makes space for bytes of output. Returns 0 where it cannot: that tells yajl to stop. */
static inline int make_space(struct yajl_decoder *d, size_t bytes)
{
    return (size_t)(d->end - d->pos) >= bytes ? 1 : grow(d, bytes);
}

/* A value has been written. Stops yajl after the text's own value, because yajl does not
   check strictly what follows; that is checked here. */
static inline int value_done(struct yajl_decoder *d)
{
    if (d->top != d->levels) {
        d->top->items++;
        return 1;
    }
    d->done = true;
    d->done_at = d->finishing ? d->job->in.len : yajl_get_bytes_consumed(d->parser);
    return 0;
}

static int put_literal(struct yajl_decoder *d, uint8_t byte)
{
    if (!make_space(d, 1))
        return 0;
    *d->pos++ = byte;
    return value_done(d);
}

static int on_null(void *ctx)
{
    return put_literal(ctx, 0xc0);
}

static int on_boolean(void *ctx, int value)
{
    return put_literal(ctx, value ? 0xc3 : 0xc2);
}

/* True where text is in the input itself, with YAJL_MARGIN bytes before and after its
   start. yajl gives a copy where a string had escapes or a token ended the input. */
static inline bool is_inside_input(const struct yajl_decoder *d, const uint8_t *text)
{
    return (uintptr_t)text - d->inside_from < d->inside_bytes;
}

/* Counts work that writes little. 0 where the budget is used up. */
static int spend(struct yajl_decoder *d, size_t work)
{
    d->status = engine_spend(d->job, work);
    return d->status == CODEC_OK;
}

static __attribute__((noinline)) int put_number(struct yajl_decoder *d,
                                                const uint8_t *text, size_t len)
{
    struct number number;

    if (!make_space(d, PACK_MAX_BYTES) ||
        (len > NUMBER_LONG && !spend(d, len * NUMBER_DIGIT_WORK)))
        return 0;
    yajl_number_parse(text, len, &number);
    if (d->job->keep_numbers)
        number_keep_text(text, len, &number);
    switch (number.kind) {
    case NUMBER_UINT: d->pos = pack_uint(d->pos, number.u); break;
    case NUMBER_INT: d->pos = pack_negative(d->pos, number.i); break;
    case NUMBER_DOUBLE: d->pos = pack_double(d->pos, number.d); break;
    case NUMBER_TEXT:
        if (!make_space(d, PACK_MAX_BYTES + len))
            return 0;
        d->pos = pack_ext(d->pos, CODEC_EXT_NUMBER, (uint32_t)len);
        d->pos = pack_bytes(d->pos, text, len);
        break;
    }
    return value_done(d);
}

static int on_number(void *ctx, const char *chars, size_t len)
{
    static const double powers[8] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7};
    struct yajl_decoder *d = ctx;
    const uint8_t *text = (const uint8_t *)chars;
    bool negative = *text == '-';
    uint64_t digits;
    int decimals;

    if ((size_t)(d->end - d->pos) < PACK_MAX_BYTES || len - negative > 8 ||
        !is_inside_input(d, text))
        return put_number(d, text, len);
    decimals = yajl_number_short(text + len, len - negative, &digits);
    if (decimals > 0 && d->job->keep_numbers && chars[len - 1] == '0' && decimals > 1) {
        return put_number(d, text, len);
    } else if (decimals > 0) {
        /* Both are exact, so the quotient is the nearest double. */
        double quotient = (double)digits / powers[decimals];

        d->pos = pack_double(d->pos, negative ? -quotient : quotient);
    } else if (decimals < 0 || (negative && digits == 0)) {
        return put_number(d, text, len);
    } else if (negative) {
        d->pos = pack_negative(d->pos, -(int64_t)digits);
    } else {
        d->pos = pack_uint(d->pos, digits);
    }
    return value_done(d);
}

static __attribute__((noinline)) int put_any_string(struct yajl_decoder *d,
                                                    const uint8_t *text, size_t len)
{
    if (!make_space(d, PACK_MAX_BYTES + len))
        return 0;
    d->pos = pack_str(d->pos, (uint32_t)len);
    d->pos = pack_bytes(d->pos, text, len);
    return 1;
}

/* Most strings and names are short: copying both halves of a fixed block is cheaper than
   copying the exact number of bytes. */
static inline int put_string(struct yajl_decoder *d, const uint8_t *text, size_t len)
{
    uint8_t *pos = d->pos;

    if (len >= YAJL_MARGIN || (size_t)(d->end - pos) <= YAJL_MARGIN ||
        !is_inside_input(d, text))
        return put_any_string(d, text, len);
    *pos = (uint8_t)(0xa0 | len);
    memcpy(pos + 1, text, YAJL_MARGIN / 2);
    memcpy(pos + 1 + YAJL_MARGIN / 2, text + YAJL_MARGIN / 2, YAJL_MARGIN / 2);
    d->pos = pos + 1 + len;
    return 1;
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
    return put_string(ctx, text, len) && value_done(ctx);
}

static int on_map_key(void *ctx, const unsigned char *text, size_t len)
{
    return put_string(ctx, text, len);
}

static int on_start(void *ctx)
{
    struct yajl_decoder *d = ctx;

    if (d->top == d->levels + d->job->max_depth || !make_space(d, 1))
        return 0;
    *++d->top = (struct level){(size_t)(d->pos - d->job->out->data), 0};
    d->pos++;
    return 1;
}

static int on_end(struct yajl_decoder *d, bool map)
{
    struct level *level = d->top--;

    assert(level > d->levels);
    if (level->items > CONTAINERS_SMALL_MAX)
        sync_output(d);
    d->status = containers_end(d->job, &d->wide, level->at, level->items, map);
    return d->status == CODEC_OK && value_done(d);
}

static int on_end_map(void *ctx)
{
    return on_end(ctx, true);
}

static int on_end_array(void *ctx)
{
    return on_end(ctx, false);
}

static const yajl_callbacks callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_boolean,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = on_start,
    .yajl_map_key = on_map_key,
    .yajl_end_map = on_end_map,
    .yajl_start_array = on_start,
    .yajl_end_array = on_end_array,
};

/* False where the text certainly has a lone surrogate, which yajl would replace without
   an error. Backslashes occur only in strings; yajl refuses others later, and bad digits
   too. */
static bool surrogates_pair_up(struct slice text)
{
    const uint8_t *end = text.data + text.len;
    const uint8_t *p = text.data;

    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL && end - p >= 6) {
        int unit;

        if (p[1] != 'u') {
            p += 2;
            continue;
        }
        unit = yajl_scan_hex4(p + 2);
        p += 6;
        if (unit < 0 || (unit & 0xf800) != 0xd800)
            continue;
        if ((unit & 0xfc00) != 0xd800 || end - p < 6 || p[0] != '\\' || p[1] != 'u' ||
            (yajl_scan_hex4(p + 2) & ~0x3ff) != 0xdc00)
            return false;
        p += 6;
    }
    return true;
}

/* The checks that yajl does not make strictly. All work on the whole text: VT and FF are
   not allowed anywhere, and bytes above 0x7f only in strings. */
static bool is_worth_parsing(struct slice text)
{
    if (text.len == 0)
        return false;
    return utf8_valid_prefix(text.data, text.len) == text.len &&
           memchr(text.data, '\v', text.len) == NULL &&
           memchr(text.data, '\f', text.len) == NULL && surrogates_pair_up(text);
}

/* Runs yajl over the text. Afterwards d->done says whether a value is complete, and
   d->status whether space ran out. */
static void parse(struct yajl_decoder *d)
{
    yajl_alloc_funcs hooks = yajl_arena_hooks(&d->arena);
    struct slice text = d->job->in;

    if (setjmp(d->arena.out_of_memory) != 0) {
        d->done = false;
        d->status = CODEC_MEMORY;
        return;
    }
    d->parser = yajl_alloc(&callbacks, &hooks, d);
    /* utf8_valid_prefix() has checked more strictly. */
    yajl_config(d->parser, yajl_dont_validate_strings, 1);
    if (yajl_parse(d->parser, text.data, text.len) == yajl_status_ok) {
        d->finishing = true;
        (void)yajl_complete_parse(d->parser);
    }
}

static bool only_space_follows(struct slice text, size_t at)
{
    while (at < text.len && (text.data[at] == ' ' || text.data[at] == '\n' ||
                             text.data[at] == '\r' || text.data[at] == '\t'))
        at++;
    return at == text.len;
}

/* Spends the budget for all escapes before yajl runs, because yajl takes long for an
   escape and does not stop inside a string. */
static enum codec_status afford_escapes(struct engine_job *job)
{
    const uint8_t *end = job->in.data + job->in.len, *p = job->in.data;
    size_t escapes = 0;

    if (job->budget == NULL)
        return CODEC_OK;
    while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
        escapes++;
        p += end - p > 1 ? 2 : 1;
    }
    return engine_afford(job, escapes * ESCAPE_WORK);
}

static enum codec_status verdict(struct engine_job *job)
{
    enum codec_status status = yajl_scan(job->in, job->max_depth, &job->fault_offset);

    /* yajl refuses the text, but the scanner finds no fault. The tests have never found
       such a text. It stays refused. */
    return status == CODEC_OK ? engine_fail(job, CODEC_SYNTAX, 0) : status;
}

static void begin(struct yajl_decoder *d, struct engine_job *job)
{
    d->job = job;
    d->pos = d->end = NULL;
    d->top = d->levels;
    d->inside_from = (uintptr_t)job->in.data + YAJL_MARGIN;
    d->inside_bytes = job->in.len > 2 * YAJL_MARGIN ? job->in.len - 2 * YAJL_MARGIN : 0;
    d->status = CODEC_OK;
    d->finishing = d->done = false;
    containers_reset(&d->wide);
    yajl_arena_begin(&d->arena, job);
}

enum codec_status yajl_decoder_run(struct yajl_decoder *d, struct engine_job *job)
{
    enum codec_status status;

    if (!is_worth_parsing(job->in))
        return verdict(job);
    status = afford_escapes(job);
    if (status != CODEC_OK)
        return status;
    begin(d, job);
    parse(d);
    yajl_arena_end(&d->arena);
    if (d->status != CODEC_OK)
        return engine_fail(job, d->status, 0);
    if (!d->done || !only_space_follows(job->in, d->done_at))
        return verdict(job);
    assert(d->top == d->levels);
    sync_output(d);
    return containers_fix(job, &d->wide);
}

struct yajl_decoder *yajl_decoder_create(void)
{
    return mem_zalloc(sizeof(struct yajl_decoder));
}

void yajl_decoder_destroy(struct yajl_decoder **decoder)
{
    engine_free_scratch(&(*decoder)->wide.list);
    mem_free(*decoder);
    *decoder = NULL;
}

size_t yajl_decoder_trim(struct yajl_decoder *decoder, size_t keep_bytes)
{
    if (decoder->wide.list.cap > keep_bytes)
        engine_free_scratch(&decoder->wide.list);
    return decoder->wide.list.cap;
}
