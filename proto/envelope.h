/*
 * The few MessagePack types that envelopes are made of, written with
 * msgpack-c and read by a strict cursor of our own: bounds are checked before
 * anything is believed, nothing is allocated, and integers may come in any
 * width that holds them (other languages' encoders choose differently).
 * Private to proto/.
 */
#ifndef OFFLOOP_PROTO_ENVELOPE_H
#define OFFLOOP_PROTO_ENVELOPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/* A cursor over one message. After the first failure `why` is set, everything read is
   zero or empty, and nothing moves: check once, at the end. */
struct envelope_reader {
    const uint8_t *at;
    const uint8_t *end;
    const char *why; /* static text of the first failure; NULL while all is well */
};

/* Marks the message as bad; the first reason stays. */
void envelope_fail(struct envelope_reader *in, const char *why);

/* The next raw byte, 0 after the end. */
uint8_t envelope_get_byte(struct envelope_reader *in);

/* An unsigned integer of at most `max`. */
uint64_t envelope_get_uint(struct envelope_reader *in, uint64_t max);

/* The head of an array of `min` to `max` items: how many. */
unsigned envelope_get_array(struct envelope_reader *in, unsigned min, unsigned max);

/* A str of at most `max` bytes without NULs. */
struct slice envelope_get_str(struct envelope_reader *in, size_t max);

/* A bin of at most `max` bytes. */
struct slice envelope_get_bin(struct envelope_reader *in, size_t max);

/* A bin of exactly `len` bytes, copied. */
void envelope_get_fixed(struct envelope_reader *in, void *bytes, size_t len);

/* True where the next item is nil, which is taken. */
bool envelope_get_nil(struct envelope_reader *in);

/* The next `len` raw bytes. */
struct slice envelope_get_raw(struct envelope_reader *in, uint64_t len);

/* Appends an unsigned integer in its shortest form. */
void envelope_put_uint(struct buf *out, uint64_t value);

/* Appends the head of an array. */
void envelope_put_array(struct buf *out, unsigned count);

/* Appends a str. */
void envelope_put_str(struct buf *out, struct slice text);

/* Appends a bin. */
void envelope_put_bin(struct buf *out, const void *bytes, size_t len);

/* Appends nil. */
void envelope_put_nil(struct buf *out);

#endif
