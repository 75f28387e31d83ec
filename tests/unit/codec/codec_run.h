/*
 * Short forms of codec_run() for tests, without limits; and random numbers.
 */
#ifndef OFFLOOP_TESTS_UNIT_CODEC_CODEC_RUN_H
#define OFFLOOP_TESTS_UNIT_CODEC_CODEC_RUN_H

#include <string.h>

#include "common/codec/codec.h"

/* Runs one call with these bytes; the result replaces out's content. */
static inline struct codec_fault run_bytes(struct codec *codec, enum codec_op op,
                                           const void *data, size_t len, struct buf *out)
{
    struct codec_call call = {.op = op,
                              .separator = ',',
                              .in = {data, len},
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct codec_fault fault;

    out->len = 0;
    if (codec_run(codec, &call, out, &fault) != CODEC_OK && out->len != 0)
        fault.status =
            CODEC_STATUSES; /* a failed job must leave nothing: no test expects this */
    return fault;
}

/* As run_bytes for a buffer. */
static inline struct codec_fault run_buf(struct codec *codec, enum codec_op op,
                                         const struct buf *in, struct buf *out)
{
    return run_bytes(codec, op, in->data, in->len, out);
}

/* As run_bytes for a C string. */
static inline struct codec_fault run_text(struct codec *codec, enum codec_op op,
                                          const char *text, struct buf *out)
{
    return run_bytes(codec, op, text, strlen(text), out);
}

/* True where two buffers have the same bytes. */
static inline bool same_bytes(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t next_random(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1du;
}

#endif
