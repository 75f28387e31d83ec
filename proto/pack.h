/*
 * The few MessagePack types that envelopes are made of, written with
 * msgpack-c and read by a strict cursor of our own: bounds are checked before
 * anything is believed, nothing is allocated, and integers may come in any
 * width that holds them (other languages' encoders choose differently).
 * Private to proto/.
 */
#ifndef OFFLOOP_PROTO_PACK_H
#define OFFLOOP_PROTO_PACK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

/* A cursor over one message. After the first failure `why` is set, everything read is
   zero or empty, and nothing moves: check once, at the end. */
struct pack_reader {
    const uint8_t *at;
    const uint8_t *end;
    const char *why; /* static text of the first failure; NULL while all is well */
};

/* Marks the message as bad; the first reason stays. */
void pack_fail(struct pack_reader *in, const char *why);

/* The next raw byte, 0 after the end. */
uint8_t pack_get_byte(struct pack_reader *in);

/* An unsigned integer of at most `max`. */
uint64_t pack_get_uint(struct pack_reader *in, uint64_t max);

/* The head of an array of `min` to `max` items: how many. */
unsigned pack_get_array(struct pack_reader *in, unsigned min, unsigned max);

/* A str of at most `max` bytes without NULs. */
struct slice pack_get_str(struct pack_reader *in, size_t max);

/* A bin of at most `max` bytes. */
struct slice pack_get_bin(struct pack_reader *in, size_t max);

/* A bin of exactly `len` bytes, copied. */
void pack_get_fixed(struct pack_reader *in, void *bytes, size_t len);

/* True where the next item is nil, which is taken. */
bool pack_get_nil(struct pack_reader *in);

/* The next `len` raw bytes. */
struct slice pack_get_raw(struct pack_reader *in, uint64_t len);

/* Appends an unsigned integer in its shortest form. */
void pack_put_uint(struct buf *out, uint64_t value);

/* Appends the head of an array. */
void pack_put_array(struct buf *out, unsigned count);

/* Appends a str. */
void pack_put_str(struct buf *out, struct slice text);

/* Appends a bin. */
void pack_put_bin(struct buf *out, const void *bytes, size_t len);

/* Appends nil. */
void pack_put_nil(struct buf *out);

#endif
