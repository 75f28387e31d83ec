#include "common/codec/jq/value.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/codec/jq/raw.h"

static size_t array_bytes(size_t cap)
{
    return sizeof(struct jv_array) + cap * sizeof(struct jv);
}

static size_t object_bytes(size_t cap)
{
    return sizeof(struct jv_object) + cap * sizeof(struct jv_member);
}

static void free_object(struct jq_run *run, struct jv_object *object)
{
    for (uint32_t i = object->intact; i < object->count; i++) {
        jv_drop(run, object->members[i].key);
        jv_drop(run, object->members[i].value);
    }
    if (object->index_cap > 0)
        pool_free(run, object->index, object->index_cap * sizeof *object->index);
    pool_free(run, object, object_bytes(object->block.cap));
}

void jv_free(struct jq_run *run, struct jv value)
{
    struct jv_block *block = jv_block_of(value);

    if (value.kind == JV_TEXT) {
        pool_free(run, block, sizeof *block + block->cap);
    } else if (value.kind == JV_OBJECT) {
        free_object(run, value.object);
    } else {
        struct jv_array *array = value.array;

        for (uint32_t i = 0; i < array->count; i++)
            jv_drop(run, array->items[i]);
        pool_free(run, array, array_bytes(array->block.cap));
    }
}

/* ---- strings */

static void check_len(struct jq_run *run, size_t len)
{
    if (len > JV_MAX_LEN)
        run_end(run, JQ_MEMORY, NULL);
}

static struct jv text_with_room(struct jq_run *run, size_t len, size_t room)
{
    struct jv_block *block = pool_alloc(run, sizeof *block + room);

    *block = (struct jv_block){1, (uint32_t)room};
    return (struct jv){
        .kind = JV_TEXT, .len = (uint32_t)len, .at = (const uint8_t *)(block + 1)};
}

struct jv jv_text_alloc(struct jq_run *run, size_t len, uint8_t **bytes_r)
{
    struct jv text;

    check_len(run, len);
    run_charge(run, len / 64);
    text = text_with_room(run, len, len);
    *bytes_r = (uint8_t *)(uintptr_t)text.at;
    return text;
}

struct jv jv_text(struct jq_run *run, const void *bytes, size_t len)
{
    uint8_t *to;
    struct jv text = jv_text_alloc(run, len, &to);

    if (len > 0)
        memcpy(to, bytes, len);
    return text;
}

struct jv jv_textf(struct jq_run *run, const char *format, ...)
{
    char text[512];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len >= (int)sizeof text)
        len = sizeof text - 1;
    return jv_text(run, text, len > 0 ? (size_t)len : 0);
}

struct jv jv_text_append(struct jq_run *run, struct jv string, const void *bytes,
                         size_t len)
{
    struct jv grown;
    size_t total = (size_t)string.len + len;

    check_len(run, total);
    run_charge(run, len / 64);
    if (len == 0)
        return string;
    if (string.kind == JV_TEXT && jv_block_of(string)->refs == 1 &&
        jv_block_of(string)->cap >= total) {
        memmove((uint8_t *)(uintptr_t)string.at + string.len, bytes, len);
        string.len = (uint32_t)total;
        return string;
    }
    run_charge(run, string.len / 64);
    grown = text_with_room(run, total, total + total / 2 + 16);
    memcpy((uint8_t *)(uintptr_t)grown.at, string.at, string.len);
    memcpy((uint8_t *)(uintptr_t)grown.at + string.len, bytes, len);
    jv_drop(run, string);
    return grown;
}

/* ---- arrays */

struct jv jv_array(struct jq_run *run, size_t room)
{
    struct jv_array *array;

    check_len(run, room * sizeof(struct jv));
    array = pool_alloc(run, array_bytes(room));
    *array = (struct jv_array){.block = {1, (uint32_t)room}, .depth = 1};
    return (struct jv){.kind = JV_ARRAY, .array = array};
}

static void deepen(struct jq_run *run, uint32_t *depth, struct jv within)
{
    uint32_t deeper = jv_depth(within) + 1;

    if (deeper <= *depth)
        return;
    if (deeper > JV_MAX_DEPTH)
        run_end(run, JQ_FAILED, "the program builds a value nested more than 512 deep");
    *depth = deeper;
}

static struct jv_array *array_room(struct jq_run *run, struct jv_array *array,
                                   size_t extra)
{
    size_t cap = array->block.cap, need = array->count + extra;

    if (need <= cap)
        return array;
    check_len(run, need * sizeof(struct jv));
    cap = need > cap + cap / 2 + 4 ? need : cap + cap / 2 + 4;
    run_charge(run, array->count / 16);
    array = pool_resize(run, array, array_bytes(array->block.cap), array_bytes(cap));
    array->block.cap = (uint32_t)cap;
    return array;
}

/* Reads the items of an array of the document that has as many. */
static void copy_raw_items(struct jq_run *run, struct jv raw, struct jv_array *array)
{
    const uint8_t *at;
    uint32_t count = raw_count(run, raw, &at);

    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *next = raw_skip(run, at, RAW_MAX_DEPTH);

        array->items[i] =
            (struct jv){.kind = JV_RAW, .len = (uint32_t)(next - at), .at = at};
        at = next;
    }
    array->count = count;
    run_charge(run, count / 2);
}

struct jv jv_array_own(struct jq_run *run, struct jv array, size_t room)
{
    size_t count = jv_array_count(run, array);
    struct jv own;

    if (array.kind == JV_ARRAY && array.array->block.refs == 1) {
        array.array = array_room(run, array.array, room);
        return array;
    }
    own = jv_array(run, count + room);
    if (array.kind == JV_RAW_ARRAY) {
        copy_raw_items(run, array, own.array);
        return own;
    }
    run_charge(run, count / 4);
    for (size_t i = 0; i < count; i++)
        own.array->items[i] = jv_ref(array.array->items[i]);
    own.array->count = (uint32_t)count;
    own.array->depth = array.array->depth;
    jv_drop(run, array);
    return own;
}

struct jv jv_array_built(struct jq_run *run, struct jv array)
{
    return array.kind == JV_ARRAY ? array : jv_array_own(run, array, 0);
}

size_t jv_array_count(struct jq_run *run, struct jv array)
{
    const uint8_t *first;

    return array.kind == JV_ARRAY ? array.array->count : raw_count(run, array, &first);
}

struct jv jv_array_get(struct jq_run *run, struct jv array, int64_t index)
{
    size_t count = jv_array_count(run, array);
    const uint8_t *at;

    if (index < 0)
        index += (int64_t)count;
    if (index < 0 || (uint64_t)index >= count)
        return jv_null();
    if (array.kind == JV_ARRAY)
        return jv_ref(raw_resolve(run, array.array->items[index]));
    (void)raw_count(run, array, &at);
    run_charge(run, (uint64_t)index / 4);
    for (; index > 0; index--)
        at = raw_skip(run, at, RAW_MAX_DEPTH);
    return raw_load(run, at);
}

struct jv jv_array_push(struct jq_run *run, struct jv array, struct jv item)
{
    array = jv_array_own(run, array, 1);
    deepen(run, &array.array->depth, item);
    array.array->items[array.array->count++] = item;
    return array;
}

struct jv jv_array_set(struct jq_run *run, struct jv array, size_t index, struct jv item)
{
    size_t count = jv_array_count(run, array);

    check_len(run, (index + 1) * sizeof(struct jv));
    array = jv_array_own(run, array, index < count ? 0 : index + 1 - count);
    if (index < count)
        jv_drop(run, array.array->items[index]);
    else
        run_charge(run, (index - count) / 8);
    for (; count <= index; count++)
        array.array->items[count] = jv_null();
    array.array->items[index] = item;
    deepen(run, &array.array->depth, item);
    array.array->count = (uint32_t)count;
    return array;
}

struct jv jv_array_slice(struct jq_run *run, struct jv array, size_t from, size_t to)
{
    struct jv part = jv_array(run, to - from);

    array = jv_array_built(run, array);
    run_charge(run, (to - from) / 4);
    for (size_t i = from; i < to; i++)
        part.array->items[i - from] = jv_ref(array.array->items[i]);
    part.array->count = (uint32_t)(to - from);
    part.array->depth = array.array->depth;
    jv_drop(run, array);
    return part;
}

const char *jv_type_name(struct jv value)
{
    static const char *const names[] = {
        [JV_NULL] = "null",         [JV_FALSE] = "boolean", [JV_TRUE] = "boolean",
        [JV_INT] = "number",        [JV_UINT] = "number",   [JV_DOUBLE] = "number",
        [JV_DIGITS] = "number",     [JV_STRING] = "string", [JV_RAW_ARRAY] = "array",
        [JV_RAW_OBJECT] = "object", [JV_RAW] = "value",     [JV_TEXT] = "string",
        [JV_ARRAY] = "array",       [JV_OBJECT] = "object"};

    return names[value.kind];
}
