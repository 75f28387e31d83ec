#include "server/workers/gate/gate_message.h"

#include <assert.h>
#include <string.h>

static void put_head(struct buf *out, enum gate_message_type type,
                     const struct wire_id *worker)
{
    buf_append(out, &(uint8_t){(uint8_t)type}, 1);
    if (worker != NULL)
        buf_append(out, worker->bytes, sizeof worker->bytes);
}

void gate_message_put_hello(struct buf *out, struct slice hello)
{
    assert(hello.len < GATE_MESSAGE_MAX_BYTES);
    put_head(out, GATE_MESSAGE_HELLO, NULL);
    buf_append(out, hello.data, hello.len);
}

void gate_message_put_offer(struct buf *out, const struct wire_id *worker,
                            const struct wire_seat *seat)
{
    struct wire_welcome welcome = {.seat_count = 1};

    welcome.seats[0] = *seat;
    put_head(out, GATE_MESSAGE_OFFER, worker);
    wire_put_welcome(out, &welcome);
}

void gate_message_put_gone(struct buf *out, const struct wire_id *worker)
{
    put_head(out, GATE_MESSAGE_GONE, worker);
}

void gate_message_put_prompt(struct buf *out)
{
    put_head(out, GATE_MESSAGE_PROMPT, NULL);
}

static int decode_offer(struct slice bytes, struct gate_message *note_r)
{
    struct wire_message message;

    if (wire_decode(bytes, &message, NULL) != WIRE_OK || message.type != WIRE_WELCOME ||
        message.welcome.seat_count != 1)
        return -1;
    note_r->seat = message.welcome.seats[0];
    return 0;
}

int gate_message_decode(struct slice datagram, struct gate_message *note_r)
{
    struct slice rest;

    memset(note_r, 0, sizeof *note_r);
    if (datagram.len < 1 || datagram.len > GATE_MESSAGE_MAX_BYTES)
        return -1;
    note_r->type = (enum gate_message_type)datagram.data[0];
    rest = (struct slice){datagram.data + 1, datagram.len - 1};
    if (note_r->type == GATE_MESSAGE_HELLO) {
        note_r->hello = rest;
        return rest.len > 0 ? 0 : -1;
    }
    if (note_r->type == GATE_MESSAGE_PROMPT)
        return rest.len == 0 ? 0 : -1;
    if (rest.len < sizeof note_r->worker.bytes)
        return -1;
    memcpy(note_r->worker.bytes, rest.data, sizeof note_r->worker.bytes);
    rest.data += sizeof note_r->worker.bytes;
    rest.len -= sizeof note_r->worker.bytes;
    if (note_r->type == GATE_MESSAGE_OFFER)
        return decode_offer(rest, note_r);
    return note_r->type == GATE_MESSAGE_GONE && rest.len == 0 ? 0 : -1;
}

bool gate_message_same_worker(const struct wire_id *a, const struct wire_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}
