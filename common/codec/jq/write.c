/* From values to MessagePack and JSON, and back. */
#include <float.h>
#include <math.h>
#include <stdio.h>

#include "common/codec/codec.h"
#include "common/codec/jq/values.h"
#include "common/codec/msgpack/pack.h"

#define FIRST_OUT_BYTES 4096
#define OUT_LARGE_BYTES 16384

/* The longest header of an array. */
#define HEAD_MAX_BYTES 5

static void grow_out(struct jq_run *run, size_t bytes)
{
    size_t cap =
        run->output.cap * 2 > FIRST_OUT_BYTES ? run->output.cap * 2 : FIRST_OUT_BYTES;
    size_t whole = (size_t)(run->end - run->start) / 4 * 5;

    if (bytes > run->output.max || run->output.len > run->output.max - bytes)
        run_end(run, JQ_OUTPUT, NULL);
    while (cap - run->output.len < bytes)
        cap *= 2;
    /* Once a result is not small, it may be most of the document. */
    if (cap > OUT_LARGE_BYTES && cap < whole &&
        run->pool.max - run->pool.used > 2 * whole)
        cap = whole;
    run->output.bytes = run->output.bytes == NULL
                            ? pool_alloc(run, cap)
                            : pool_resize(run, run->output.bytes, run->output.cap, cap);
    run->output.cap = cap;
}

static inline void make_room(struct jq_run *run, size_t bytes)
{
    if (__builtin_expect(run->output.cap - run->output.len < bytes, 0))
        grow_out(run, bytes);
}

/* Bytes of the document are written together with those that follow them there. */
static void flush(struct jq_run *run)
{
    size_t len = (size_t)(run->output.to - run->output.from);

    if (len == 0)
        return;
    make_room(run, len);
    run_charge(run, len / 256);
    memcpy(run->output.bytes + run->output.len, run->output.from, len);
    run->output.len += len;
    run->output.from = run->output.to = NULL;
}

static void write_range(struct jq_run *run, const uint8_t *from, const uint8_t *to)
{
    if (from != run->output.to || run->output.to == NULL) {
        flush(run);
        run->output.from = from;
    }
    run->output.to = to;
}

/* Where a header or scalar goes. */
static uint8_t *place(struct jq_run *run, size_t extra)
{
    flush(run);
    make_room(run, PACK_MAX_BYTES + extra);
    return run->output.bytes + run->output.len;
}

static void placed(struct jq_run *run, const uint8_t *end)
{
    run->output.len = (size_t)(end - run->output.bytes);
}

static void write_string(struct jq_run *run, struct jv string)
{
    uint8_t *at = pack_str(place(run, string.len), string.len);

    run_charge(run, string.len / 256);
    placed(run, pack_bytes(at, string.at, string.len));
}

static void write_double(struct jq_run *run, double value)
{
    uint8_t *at = place(run, 0);

    if (isnan(value)) {
        *at++ = 0xc0;
        placed(run, at);
        return;
    }
    if (isinf(value)) /* JSON has none: the largest there is, as jq does */
        value = value < 0 ? -DBL_MAX : DBL_MAX;
    placed(run, pack_double(at, value));
}

static void write_digits(struct jq_run *run, struct jv digits)
{
    uint8_t *at = place(run, digits.len);

    values_charge_digits(run, digits);
    if (!values_digits_valid(digits))
        run_end(run, JQ_DOCUMENT, NULL);
    at = pack_ext(at, CODEC_EXT_NUMBER, digits.len);
    placed(run, pack_bytes(at, digits.at, digits.len));
}

static void write_scalar(struct jq_run *run, struct jv value)
{
    uint8_t *at;

    switch (value.kind) {
    case JV_DOUBLE: write_double(run, value.d); return;
    case JV_DIGITS: write_digits(run, value); return;
    case JV_STRING:
    case JV_TEXT: write_string(run, value); return;
    default: break;
    }
    at = place(run, 0);
    switch (value.kind) {
    case JV_NULL: *at++ = 0xc0; break;
    case JV_FALSE: *at++ = 0xc2; break;
    case JV_TRUE: *at++ = 0xc3; break;
    case JV_UINT: at = pack_uint(at, value.u); break;
    default:
        at = value.i < 0 ? pack_negative(at, value.i) : pack_uint(at, (uint64_t)value.i);
    }
    placed(run, at);
}

/* A value of the document. `depth` containers are open. A container takes a byte at
   least: short ones cannot be too deep. */
static void write_raw(struct jq_run *run, struct jv value, unsigned depth)
{
    const uint8_t *end;

    if (depth == 0 && value.at == run->start)
        end = run->end; /* the document itself, whatever follows the value in it */
    else if (value.len == 0 || value.len > CODEC_MAX_DEPTH - depth)
        end = raw_skip(run, value.at, CODEC_MAX_DEPTH - depth);
    else
        end = value.at + value.len;
    write_range(run, value.at, end);
}

static void write_value(struct jq_run *run, struct jv value, unsigned depth);

/* The header of a name of the document, whose text begins at `at`; NULL where it is not
   the shortest. */
static const uint8_t *name_header(const struct jq_run *run, struct jv key)
{
    if (key.at <= run->start || key.at > run->end)
        return NULL;
    if (key.len < 32 && key.at[-1] == (0xa0 | key.len))
        return key.at - 1;
    if (key.len >= 32 && key.len < 256 && key.at - run->start > 2 && key.at[-2] == 0xd9 &&
        key.at[-1] == key.len)
        return key.at - 2;
    return NULL;
}

/* Name and value as they stand in the document, if they do. */
static bool write_raw_member(struct jq_run *run, const struct jv_member *member,
                             unsigned depth)
{
    struct jv key = member->key, value = member->value;
    const uint8_t *header;

    if (key.kind != JV_STRING || value.kind != JV_RAW || key.at + key.len != value.at)
        return false;
    header = name_header(run, key);
    if (header == NULL)
        return false;
    if (value.len > CODEC_MAX_DEPTH - depth)
        (void)raw_skip(run, value.at, CODEC_MAX_DEPTH - depth);
    write_range(run, header, value.at + value.len);
    return true;
}

static void write_object(struct jq_run *run, struct jv_object *object, unsigned depth)
{
    uint32_t i = 0;

    placed(run, pack_container(place(run, 0), object->count, true));
    run_charge(run, object->count / 4);
    if (object->intact > 0 &&
        object->intact_to - object->intact_from <= CODEC_MAX_DEPTH - (int)depth) {
        write_range(run, object->intact_from, object->intact_to);
        i = object->intact;
    } else {
        jv_object_fill(run, object);
    }
    for (; i < object->count; i++) {
        if (write_raw_member(run, &object->members[i], depth))
            continue;
        write_string(run, object->members[i].key);
        write_value(run, object->members[i].value, depth);
    }
}

static void write_array(struct jq_run *run, struct jv_array *array, unsigned depth)
{
    placed(run, pack_container(place(run, 0), array->count, false));
    run_charge(run, array->count / 4);
    for (uint32_t i = 0; i < array->count; i++)
        write_value(run, array->items[i], depth);
}

/* `depth` containers are open around the value. */
static void write_value(struct jq_run *run, struct jv value, unsigned depth)
{
    if (value.kind < JV_RAW_ARRAY || value.kind == JV_TEXT) {
        write_scalar(run, value);
        return;
    }
    if (value.kind <= JV_RAW) {
        write_raw(run, value, depth);
        return;
    }
    if (depth == CODEC_MAX_DEPTH)
        run_end(run, JQ_FAILED, "the result is nested more than 512 deep");
    run_check_stack(run);
    if (value.kind == JV_OBJECT)
        write_object(run, value.object, depth + 1);
    else
        write_array(run, value.array, depth + 1);
}

static void begin(struct jq_run *run, size_t max)
{
    run->output.len = 0;
    run->output.max = max;
    run->output.from = run->output.to = NULL;
}

struct slice values_write(struct jq_run *run, struct jv value, size_t max)
{
    begin(run, max);
    write_value(run, value, 0);
    flush(run);
    if (run->output.len > run->output.max)
        run_end(run, JQ_OUTPUT, NULL);
    return (struct slice){run->output.bytes, run->output.len};
}

/* ---- an array whose items are written as they come */

void values_begin_array(struct jq_run *run, size_t max)
{
    begin(run, max > SIZE_MAX - HEAD_MAX_BYTES ? SIZE_MAX : max + HEAD_MAX_BYTES);
    make_room(run, HEAD_MAX_BYTES);
    run->output.len = HEAD_MAX_BYTES;
}

void values_write_item(struct jq_run *run, struct jv item)
{
    write_value(run, item, 1);
}

struct slice values_end_array(struct jq_run *run, uint32_t count)
{
    uint8_t head[PACK_MAX_BYTES];
    size_t head_bytes = (size_t)(pack_container(head, count, false) - head);
    struct slice whole;

    flush(run);
    whole.data = run->output.bytes + HEAD_MAX_BYTES - head_bytes;
    whole.len = run->output.len - HEAD_MAX_BYTES + head_bytes;
    memcpy(run->output.bytes + HEAD_MAX_BYTES - head_bytes, head, head_bytes);
    if (whole.len > run->output.max - HEAD_MAX_BYTES)
        run_end(run, JQ_OUTPUT, NULL);
    return whole;
}

/* ---- JSON */

/* Runs the codec on MessagePack or JSON; the result is in run->text. */
static enum codec_status transcode(struct jq_run *run, enum codec_op op, struct slice in,
                                   struct codec_fault *fault_r)
{
    struct codec_call call = {.op = op, .in = in};

    if (run->codec == NULL)
        run->codec = codec_create("direct");
    call.max_memory = call.max_output = run->pool.max - run->pool.used;
    run->text.len = 0;
    run_charge(run, 8 + in.len / 8);
    return codec_run(run->codec, &call, &run->text, fault_r);
}

struct jv values_to_json(struct jq_run *run, struct jv value)
{
    struct codec_fault fault;
    enum codec_status status;
    struct output output = run->output; /* may be an array that is being written */

    run->output = run->scratch;
    status =
        transcode(run, CODEC_OP_ENCODE, values_write(run, value, run->pool.max), &fault);
    run->scratch = run->output;
    run->output = output;
    jv_drop(run, value);
    if (status == CODEC_TOO_LARGE || status == CODEC_MEMORY)
        run_end(run, JQ_MEMORY, NULL);
    if (status != CODEC_OK)
        run_end(run, JQ_DOCUMENT, NULL);
    return jv_text(run, run->text.data, run->text.len);
}

struct jv values_to_string(struct jq_run *run, struct jv value)
{
    return jv_is_string(value) ? value : values_to_json(run, value);
}

bool values_is_nan(struct slice text)
{
    return text.len == 3 &&
           (memcmp(text.data, "nan", 3) == 0 || memcmp(text.data, "NaN", 3) == 0);
}

int values_from_json(struct jq_run *run, const struct node *node, struct jv text,
                     struct jv *out_r)
{
    struct codec_fault fault;
    enum codec_status status;

    if (values_is_nan(jv_slice(text))) {
        *out_r = jv_double(NAN);
        return FLOW_OK;
    }
    status = transcode(run, CODEC_OP_DECODE, jv_slice(text), &fault);
    if (status == CODEC_TOO_LARGE || status == CODEC_MEMORY)
        run_end(run, JQ_MEMORY, NULL);
    if (status != CODEC_OK)
        return flow_failf(run, node, "%s at byte %llu (while parsing '%.*s')",
                          codec_status_text(status), (unsigned long long)fault.offset,
                          text.len < 100 ? (int)text.len : 100, (const char *)text.at);
    jv_drop(run, text);
    *out_r = jv_null();
    (void)values_from_msgpack(run, buf_slice(&run->text), out_r);
    return FLOW_OK;
}

/* ---- MessagePack from elsewhere */

static struct jv read_value(struct jq_run *run, const uint8_t **at);

static struct jv read_array(struct jq_run *run, struct jv raw, const uint8_t **at)
{
    uint32_t count = raw_count(run, raw, at);
    struct jv array = jv_array(run, count < 1000 ? count : 1000);

    for (; count > 0; count--)
        array = jv_array_push(run, array, read_value(run, at));
    return array;
}

static struct jv read_object(struct jq_run *run, struct jv raw, const uint8_t **at)
{
    uint32_t count = raw_count(run, raw, at);
    struct jv object = jv_object(run, count < 1000 ? count : 1000);

    for (; count > 0; count--) {
        struct jv name = raw_name(run, *at);

        *at = name.at + name.len;
        name = jv_text(run, name.at, name.len);
        object = jv_object_set(run, object, name, read_value(run, at));
    }
    return object;
}

static struct jv read_value(struct jq_run *run, const uint8_t **at)
{
    struct jv value = raw_load(run, *at);
    uint8_t *copy;

    run_charge(run, 1);
    run_check_stack(run);
    if (value.kind == JV_RAW_ARRAY)
        return read_array(run, value, at);
    if (value.kind == JV_RAW_OBJECT)
        return read_object(run, value, at);
    *at = raw_skip(run, *at, 0);
    if (value.kind == JV_STRING)
        return jv_text(run, value.at, value.len);
    if (value.kind != JV_DIGITS)
        return value;
    copy = pool_alloc(run, value.len + 1u);
    memcpy(copy, value.at, value.len);
    value.at = copy;
    return value;
}

bool values_from_msgpack(struct jq_run *run, struct slice bytes, struct jv *out_r)
{
    const uint8_t *start = run->start, *end = run->end, *at = bytes.data;
    bool whole;

    run->start = at;
    run->end = at + bytes.len;
    *out_r = read_value(run, &at);
    whole = at == run->end;
    run->start = start;
    run->end = end;
    return whole;
}
