#include "common/codec/operations/program_argument.h"

#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"

/* The next value, which must be a string. */
static bool take_str(struct cursor *cursor, struct slice *text_r)
{
    if (cursor_next(cursor) != CURSOR_STR)
        return false;
    *text_r = cursor->value.text;
    return true;
}

/* The next value, whatever it is: a member of the map of arguments. */
static bool take_value(struct cursor *cursor, struct slice *value_r)
{
    const uint8_t *start = cursor->at;

    do {
        if (cursor_next(cursor) == CURSOR_FAULT)
            return false;
    } while (cursor->depth > 2);
    *value_r = (struct slice){start, (size_t)(cursor->at - start)};
    return true;
}

static bool take_arguments(struct cursor *cursor, struct program_argument *argument)
{
    enum cursor_event event;

    if (cursor_next(cursor) != CURSOR_MAP)
        return false;
    for (argument->count = 0; (event = cursor_next(cursor)) != CURSOR_END_MAP;
         argument->count++) {
        if (event != CURSOR_STR || argument->count == JQ_MAX_NAMES)
            return false;
        argument->names[argument->count] = cursor->value.text;
        if (!take_value(cursor, &argument->values[argument->count]))
            return false;
    }
    return true;
}

int program_argument_read(struct slice bytes, struct program_argument *argument_r)
{
    struct cursor cursor;
    enum cursor_event event;

    cursor_init(&cursor, bytes, 0);
    if (cursor_next(&cursor) != CURSOR_ARRAY || !take_str(&cursor, &argument_r->text) ||
        !take_arguments(&cursor, argument_r))
        return -1;
    event = cursor_next(&cursor);
    argument_r->has_ids = event == CURSOR_STR;
    if (argument_r->has_ids) {
        argument_r->ids = cursor.value.text;
        event = cursor_next(&cursor);
    }
    return event == CURSOR_END_ARRAY && cursor.at == cursor.end ? 0 : -1;
}

struct slice program_argument_text(struct slice bytes)
{
    struct cursor cursor;
    struct slice text;

    cursor_init(&cursor, bytes, 0);
    if (cursor_next(&cursor) != CURSOR_ARRAY || !take_str(&cursor, &text))
        text = (struct slice){NULL, 0};
    return text;
}

static void put_str(struct buf *out, struct slice text)
{
    uint8_t *at = buf_reserve(out, text.len + PACK_MAX_BYTES);

    at = pack_str(at, (uint32_t)text.len);
    at = pack_bytes(at, text.data, text.len);
    out->len = (size_t)(at - out->data);
}

void program_argument_put(struct buf *out, struct slice text, struct slice arguments,
                          struct slice ids)
{
    const uint8_t head = ids.data == NULL ? 0x92 : 0x93; /* an array of two or three */

    buf_append(out, &head, 1);
    put_str(out, text);
    buf_append(out, arguments.data, arguments.len);
    if (ids.data != NULL)
        put_str(out, ids);
}
