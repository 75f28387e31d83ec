/*
 * Messages on a byte stream: how a socket that keeps no boundaries carries the
 * messages of wire.h. Each is a frame of its own, in the form that nng gives
 * messages on ipc connections:
 *
 *     01, length (8 bytes, big-endian), message
 *
 * A frame_reader collects what a socket has received and gives one message
 * after another. It owns its memory, which grows with the bytes that have come
 * and never by the length that a peer claims. Pure bytes: no socket, no clock.
 * One thread at a time. A peer that sends anything else is dropped.
 */
#ifndef OFFLOOP_PROTO_FRAME_H
#define OFFLOOP_PROTO_FRAME_H

#include <stdbool.h>

#include "common/base/buf.h"

#define FRAME_HEAD_BYTES 9

/* The least room that a reader offers while no large frame is under way. */
#define FRAME_READ_BYTES ((size_t)64 << 10)

struct frame_reader {
    struct buf bytes;
    size_t at;          /* where the next frame begins */
    size_t last;        /* where the last message began, and... */
    size_t last_bytes;  /* ...its length; 0 for none */
    uint64_t max_bytes; /* of a message */
};

enum frame_result {
    FRAME_MESSAGE, /* there is one */
    FRAME_MORE,    /* more bytes are needed */
    FRAME_BAD      /* not a frame, or too long a one: drop the peer */
};

/* Writes the head of a frame whose message has so many bytes. */
void frame_put_head(uint8_t head_r[FRAME_HEAD_BYTES], uint64_t message_bytes);

/* Begins with nothing received; takes messages of at most max_bytes. The caller ends it
   with frame_reader_free(). */
void frame_reader_init(struct frame_reader *reader, uint64_t max_bytes);

/* Frees the memory. */
void frame_reader_free(struct frame_reader *reader);

/* Where bytes are to be received to, and how many at most; the last message is not valid
   any more. To be called when frame_reader_next() has said FRAME_MORE. */
uint8_t *frame_reader_space(struct frame_reader *reader, size_t *bytes_r)
    __attribute__((returns_nonnull));

/* So many bytes have been received there. */
void frame_reader_add(struct frame_reader *reader, size_t bytes);

/* The next message, which is in *message_r until frame_reader_space() is called. A frame
   without a message in it is bad. */
enum frame_result frame_reader_next(struct frame_reader *reader, struct slice *message_r)
    __attribute__((warn_unused_result));

/* Gives the memory of the last message away where it is most of it and nothing lies
   behind: *bytes_r is the caller's then, the message stays where it is in there, and the
   reader begins anew. Returns false, having done nothing, where it is not so. */
bool frame_reader_steal(struct frame_reader *reader, struct buf *bytes_r);

#endif
