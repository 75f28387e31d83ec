#include "common/codec/msgpack/tape.h"

#include <assert.h>
#include <string.h>

#include "common/codec/msgpack/cursor.h"

static struct tape_entry *entries(const struct tape *tape)
{
    return tape->entries.data;
}

/* Records a container that begins. */
static enum codec_status begin(struct tape *tape, struct engine_job *job)
{
    enum codec_status status = engine_grow_scratch(
        job, &tape->entries, ((size_t)tape->count + 1) * sizeof(struct tape_entry));

    if (status == CODEC_OK)
        tape->count++;
    return status;
}

enum codec_status tape_build(struct tape *tape, struct engine_job *job, struct slice in,
                             size_t *used_r)
{
    uint32_t open[CODEC_MAX_DEPTH]; /* numbers of the containers that are open */
    struct cursor cursor;
    enum codec_status status = CODEC_OK;

    assert(in.len < TAPE_MAX_BYTES);
    tape->in = in;
    tape->count = 0;
    if (used_r != NULL)
        *used_r = 0;
    cursor_init(&cursor, in, 0);
    do {
        enum cursor_event event = cursor_next(&cursor);

        if (event == CURSOR_FAULT)
            return engine_fail(job, cursor.status, cursor.fault_at);
        status = engine_spend(job, CURSOR_EVENT_WORK);
        if (status != CODEC_OK)
            return status;
        if (event == CURSOR_ARRAY || event == CURSOR_MAP) {
            open[cursor.depth - 1] = tape->count;
            status = begin(tape, job);
        } else if (event == CURSOR_END_ARRAY || event == CURSOR_END_MAP) {
            entries(tape)[open[cursor.depth]] =
                (struct tape_entry){(uint32_t)(cursor.at - cursor.start), tape->count};
        }
    } while (status == CODEC_OK && cursor.depth > 0);
    if (used_r != NULL)
        *used_r = (size_t)(cursor.at - cursor.start);
    else if (status == CODEC_OK && cursor.at < cursor.end)
        return engine_fail(job, CODEC_TRAILING, (size_t)(cursor.at - cursor.start));
    return status;
}

void tape_free(struct tape *tape)
{
    engine_free_scratch(&tape->entries);
}

static uint8_t type_of(const struct tape *tape, struct tape_value value)
{
    assert(value.at < tape->in.len);
    return tape->in.data[value.at];
}

enum tape_kind tape_kind(const struct tape *tape, struct tape_value value)
{
    uint8_t type = type_of(tape, value);

    if (type == 0xc0)
        return TAPE_NIL;
    if ((type & 0xe0) == 0xa0 || (type >= 0xd9 && type <= 0xdb))
        return TAPE_STR;
    if ((type & 0xf0) == 0x90 || type == 0xdc || type == 0xdd)
        return TAPE_ARRAY;
    if ((type & 0xf0) == 0x80 || type == 0xde || type == 0xdf)
        return TAPE_MAP;
    return TAPE_OTHER;
}

static bool is_container(enum tape_kind kind)
{
    return kind == TAPE_ARRAY || kind == TAPE_MAP;
}

/* Reads a big-endian length of 1, 2 or 4 bytes after a type byte. */
static uint32_t read_length(const uint8_t *p, unsigned size)
{
    uint32_t length = 0;

    for (unsigned i = 0; i < size; i++)
        length = length << 8 | p[i];
    return length;
}

struct tape_value tape_open(const struct tape *tape, struct tape_value container,
                            uint32_t *items_r)
{
    const uint8_t *p = tape->in.data + container.at;
    uint8_t type = type_of(tape, container);
    unsigned size = 0;

    assert(is_container(tape_kind(tape, container)));
    if (type >= 0xdc)
        size = type & 1 ? 4 : 2;
    *items_r = size ? read_length(p + 1, size) : type & 0x0f;
    return (struct tape_value){container.at + 1 + size, container.container + 1};
}

/* The number of bytes of a value that is no container. */
static size_t scalar_bytes(const uint8_t *p)
{
    static const uint8_t fixed[] = {/* from 0xca: floats, integers */
                                    5, 9, 2, 3, 5, 9, 2, 3, 5, 9};
    uint8_t type = *p;

    if (type < 0x80 || type >= 0xe0)
        return 1;
    if (type < 0xc0)
        return 1 + (size_t)(type & 0x1f);
    if (type <= 0xc3)
        return 1;
    if (type >= 0xc7 && type <= 0xc9)
        return 2 + ((size_t)1 << (type - 0xc7)) + read_length(p + 1, 1u << (type - 0xc7));
    if (type >= 0xca && type <= 0xd3)
        return fixed[type - 0xca];
    if (type >= 0xd4 && type <= 0xd8)
        return 2 + ((size_t)1 << (type - 0xd4));
    assert(type >= 0xd9 && type <= 0xdb);
    return 1 + ((size_t)1 << (type - 0xd9)) + read_length(p + 1, 1u << (type - 0xd9));
}

struct tape_value tape_skip(const struct tape *tape, struct tape_value value)
{
    if (is_container(tape_kind(tape, value))) {
        const struct tape_entry *entry = &entries(tape)[value.container];

        assert(value.container < tape->count);
        return (struct tape_value){entry->end, entry->next};
    }
    value.at += scalar_bytes(tape->in.data + value.at);
    assert(value.at <= tape->in.len);
    return value;
}

struct slice tape_bytes(const struct tape *tape, struct tape_value value)
{
    struct tape_value behind = tape_skip(tape, value);

    return (struct slice){tape->in.data + value.at, behind.at - value.at};
}

struct slice tape_text(const struct tape *tape, struct tape_value value)
{
    struct slice bytes = tape_bytes(tape, value);
    uint8_t type = *bytes.data;
    size_t header = type >= 0xd9 ? 1 + ((size_t)1 << (type - 0xd9)) : 1;

    assert(tape_kind(tape, value) == TAPE_STR);
    return (struct slice){bytes.data + header, bytes.len - header};
}
