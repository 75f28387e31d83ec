#include "common/codec/yajl/yajl_encode.h"

#include <assert.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "common/base/alloc.h"
#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"
#include "common/codec/yajl/yajl_number.h"

/* yajl_gen fails at depth 128, and reads out of bounds if it is called after that. So a
   document is written by a stack of generators. Each has this many levels; a container
   that belongs to the next generator is a number without digits in the one below. */
#define STOREY_LEVELS 120
#define STOREYS       ((CODEC_MAX_DEPTH + STOREY_LEVELS - 1) / STOREY_LEVELS)

struct yajl_encoder {
    struct engine_job *job;
    uint8_t *pos; /* where the next byte of output goes; out->len is set at the end */
    uint8_t *end; /* of the output's space */
    enum codec_status status; /* CODEC_OK, or why output is dropped */
    yajl_gen gen;             /* the generator in use */
    yajl_gen storeys[STOREYS];
    struct cursor cursor;
};

static void sync_output(struct yajl_encoder *e)
{
    if (e->pos != NULL)
        e->job->out->len = (size_t)(e->pos - e->job->out->data);
}

static bool grow(struct yajl_encoder *e, size_t bytes)
{
    struct buf *out = e->job->out;

    if (e->status != CODEC_OK)
        return false;
    sync_output(e);
    e->status = engine_make_room(e->job, bytes, &e->end);
    if (e->status != CODEC_OK) {
        /* The output may have moved before the budget stopped the job, and yajl still
           hands over the rest of this event: without space, put_rare() drops it. */
        e->pos = e->end = NULL;
        return false;
    }
    e->pos = out->data + out->len;
    return true;
}

/* Changes yajl's \u001F to \u001f, as other programs write it. yajl passes an escape as a
   piece of its own, and other pieces contain no backslash. */
static void put_escape(uint8_t *p, const uint8_t *piece)
{
    memcpy(p, piece, 6);
    p[5] |= p[5] >= 'A' ? 0x20 : 0;
}

static __attribute__((noinline)) void put_rare(struct yajl_encoder *e,
                                               const uint8_t *piece, size_t len)
{
    if ((size_t)(e->end - e->pos) < len && !grow(e, len))
        return;
    if (len == 6 && piece[0] == '\\')
        put_escape(e->pos, piece);
    else
        memcpy(e->pos, piece, len);
    e->pos += len;
}

/* yajl's print callback: appends a piece of text. Most pieces are short, such as a quote
   or a comma: they need no further call. */
static void put_piece(void *ctx, const char *chars, size_t len)
{
    struct yajl_encoder *e = ctx;
    const uint8_t *piece = (const uint8_t *)chars;
    uint8_t *pos = e->pos;

    if ((size_t)(e->end - pos) < len || len > 16 || (len == 6 && piece[0] == '\\')) {
        put_rare(e, piece, len);
    } else if (len == 1) {
        *pos = piece[0];
        e->pos = pos + 1;
    } else if (len > 0) { /* an empty piece may come before there is any space */
        e->pos = pack_bytes(pos, piece, len);
    }
}

static void put_number(struct yajl_encoder *e, const uint8_t *text, size_t len)
{
    (void)yajl_gen_number(e->gen, (const char *)text, len);
}

/* Before a container opens at the cursor's depth: the first one of a generator needs that
   generator, empty. */
static void enter_level(struct yajl_encoder *e)
{
    unsigned below = e->cursor.depth - 1;

    if (below % STOREY_LEVELS != 0 || below == 0)
        return;
    put_number(e, (const uint8_t *)"", 0);
    e->gen = e->storeys[below / STOREY_LEVELS];
    yajl_gen_reset(e->gen, NULL);
}

/* After a container closed: goes back to the generator below, where it was the first one.
 */
static void leave_level(struct yajl_encoder *e)
{
    unsigned depth = e->cursor.depth;

    if (depth % STOREY_LEVELS == 0 && depth > 0)
        e->gen = e->storeys[depth / STOREY_LEVELS - 1];
}

static void put_event(struct yajl_encoder *e, enum cursor_event event)
{
    const struct cursor *c = &e->cursor;
    uint8_t digits[NUMBER_DOUBLE_MAX];

    switch (event) {
    case CURSOR_STR:
        (void)yajl_gen_string(e->gen, c->value.text.data, c->value.text.len);
        break;
    case CURSOR_UINT:
        put_number(e, digits, yajl_number_print_uint(c->value.u, digits));
        break;
    case CURSOR_INT: put_number(e, digits, number_print_i64(c->value.i, digits)); break;
    case CURSOR_DOUBLE:
        put_number(e, digits, yajl_number_print_double(c->value.d, digits));
        break;
    case CURSOR_NUMBER: put_number(e, c->value.text.data, c->value.text.len); break;
    case CURSOR_NIL: (void)yajl_gen_null(e->gen); break;
    case CURSOR_FALSE: (void)yajl_gen_bool(e->gen, 0); break;
    case CURSOR_TRUE: (void)yajl_gen_bool(e->gen, 1); break;
    case CURSOR_ARRAY:
        enter_level(e);
        (void)yajl_gen_array_open(e->gen);
        break;
    case CURSOR_MAP:
        enter_level(e);
        (void)yajl_gen_map_open(e->gen);
        break;
    case CURSOR_END_ARRAY:
        (void)yajl_gen_array_close(e->gen);
        leave_level(e);
        break;
    case CURSOR_END_MAP:
        (void)yajl_gen_map_close(e->gen);
        leave_level(e);
        break;
    case CURSOR_FAULT: break;
    }
}

static void begin(struct yajl_encoder *e, struct engine_job *job, size_t at)
{
    e->job = job;
    e->status = CODEC_OK;
    e->pos = e->end = NULL;
    e->gen = e->storeys[0];
    yajl_gen_reset(e->gen, NULL);
    cursor_init(&e->cursor, job->in, at);
}

enum codec_status yajl_encoder_run(struct yajl_encoder *e, struct engine_job *job,
                                   size_t *at)
{
    begin(e, job, *at);
    do {
        enum cursor_event event = cursor_next(&e->cursor);

        if (event == CURSOR_FAULT)
            return engine_fail(job, e->cursor.status, e->cursor.fault_at);
        put_event(e, event);
        if (e->status != CODEC_OK)
            return engine_fail(job, e->status, 0);
    } while (e->cursor.depth > 0);
    sync_output(e);
    *at = (size_t)(e->cursor.at - e->cursor.start);
    return CODEC_OK;
}

/* The allocation functions for a new generator: they never return NULL. */
static void *hook_malloc(void *ctx, size_t size)
{
    (void)ctx;
    return mem_alloc(size);
}

static void *hook_realloc(void *ctx, void *bytes, size_t size)
{
    (void)ctx;
    return mem_realloc(bytes, size);
}

static void hook_free(void *ctx, void *bytes)
{
    (void)ctx;
    mem_free(bytes);
}

static const yajl_alloc_funcs hooks = {hook_malloc, hook_realloc, hook_free, NULL};

struct yajl_encoder *yajl_encoder_create(void)
{
    struct yajl_encoder *e = mem_zalloc(sizeof *e);

    for (size_t i = 0; i < STOREYS; i++) {
        e->storeys[i] = yajl_gen_alloc(&hooks);
        assert(e->storeys[i] != NULL);
        yajl_gen_config(e->storeys[i], yajl_gen_print_callback, put_piece, e);
    }
    return e;
}

void yajl_encoder_destroy(struct yajl_encoder **encoder)
{
    for (size_t i = 0; i < STOREYS; i++)
        yajl_gen_free((*encoder)->storeys[i]);
    mem_free(*encoder);
    *encoder = NULL;
}
