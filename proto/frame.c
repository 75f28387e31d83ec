#include "proto/frame.h"

#include <assert.h>
#include <string.h>

#define FRAME_MARK 0x01

void frame_put_head(uint8_t head_r[FRAME_HEAD_BYTES], uint64_t message_bytes)
{
    head_r[0] = FRAME_MARK;
    for (unsigned i = 0; i < 8; i++)
        head_r[1 + i] = (uint8_t)(message_bytes >> (56 - 8 * i));
}

static uint64_t length_in(const uint8_t *head)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < 8; i++)
        bytes = bytes << 8 | head[1 + i];
    return bytes;
}

void frame_reader_init(struct frame_reader *reader, uint64_t max_bytes)
{
    assert(max_bytes > 0 && max_bytes <= SIZE_MAX / 2);
    *reader = (struct frame_reader){.max_bytes = max_bytes};
}

void frame_reader_free(struct frame_reader *reader)
{
    buf_free(&reader->bytes);
    reader->at = reader->last = reader->last_bytes = 0;
}

static size_t unread_bytes(const struct frame_reader *reader)
{
    assert(reader->at <= reader->bytes.len);
    return reader->bytes.len - reader->at;
}

/* What is still missing of the frame that has begun; 0 where its length is unknown. */
static size_t missing_bytes(const struct frame_reader *reader)
{
    size_t have = unread_bytes(reader);

    if (have < FRAME_HEAD_BYTES)
        return 0;
    return (size_t)length_in(reader->bytes.data + reader->at) + FRAME_HEAD_BYTES - have;
}

uint8_t *frame_reader_space(struct frame_reader *reader, size_t *bytes_r)
{
    struct buf *bytes = &reader->bytes;
    size_t have, missing;

    reader->last_bytes = 0;
    buf_consume(bytes, reader->at);
    reader->at = 0;
    if (bytes->len == 0 && bytes->cap > FRAME_READ_BYTES)
        buf_free(bytes);
    have = bytes->len;
    missing = missing_bytes(reader);
    if (have + missing <= FRAME_READ_BYTES) {
        (void)buf_reserve(bytes, FRAME_READ_BYTES - have);
        *bytes_r = bytes->cap - have;
    } else {
        /* A large frame gets memory of its own, up to as much again as has come. */
        *bytes_r = have > FRAME_READ_BYTES ? have : FRAME_READ_BYTES;
        if (*bytes_r > missing)
            *bytes_r = missing;
        (void)buf_reserve(bytes, *bytes_r);
    }
    return bytes->data + have;
}

void frame_reader_add(struct frame_reader *reader, size_t bytes)
{
    assert(bytes <= reader->bytes.cap - reader->bytes.len);
    reader->bytes.len += bytes;
}

enum frame_result frame_reader_next(struct frame_reader *reader, struct slice *message_r)
{
    size_t have = unread_bytes(reader);
    const uint8_t *head;
    uint64_t bytes;

    reader->last_bytes = 0;
    if (have == 0)
        return FRAME_MORE;
    head = reader->bytes.data + reader->at;
    if (head[0] != FRAME_MARK)
        return FRAME_BAD;
    if (have < FRAME_HEAD_BYTES)
        return FRAME_MORE;
    bytes = length_in(head);
    if (bytes == 0 || bytes > reader->max_bytes)
        return FRAME_BAD;
    if (have - FRAME_HEAD_BYTES < bytes)
        return FRAME_MORE;
    reader->last = reader->at + FRAME_HEAD_BYTES;
    reader->last_bytes = (size_t)bytes;
    reader->at = reader->last + reader->last_bytes;
    *message_r = (struct slice){head + FRAME_HEAD_BYTES, reader->last_bytes};
    return FRAME_MESSAGE;
}

bool frame_reader_steal(struct frame_reader *reader, struct buf *bytes_r)
{
    if (reader->last_bytes <= reader->bytes.cap / 2 || unread_bytes(reader) > 0)
        return false;
    *bytes_r = reader->bytes;
    reader->bytes = (struct buf)BUF_INIT;
    reader->at = reader->last = reader->last_bytes = 0;
    return true;
}
