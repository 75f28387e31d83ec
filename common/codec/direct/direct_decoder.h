/*
 * A JSON text that engine direct reads, and what each step of the decoder needs. The
 * steps are in direct_decode.c (structure), direct_string.c and direct_number.c.
 *
 * Every step takes the place in the text where it starts, and returns the place behind
 * what it read. It returns NULL where the job failed: then decoder.status says why, and
 * the job's fault_offset is set. It appends to decoder.out, where at its start there is
 * space for DIRECT_SPACE_BYTES (direct_ensure_space()). The job's thread only.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_DECODER_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_DECODER_H

#include "common/codec/direct/direct.h"

/* What a step takes for granted: a string's header and a chunk of 16 bytes, a few more
   bytes, or a number. Not above ENGINE_SLACK_BYTES, so that asking for it never fails a
   job whose result would fit. */
#define DIRECT_SPACE_BYTES 40

struct direct_decoder {
    const uint8_t *end;       /* of the text */
    uint8_t *out;             /* where the next byte goes */
    uint8_t *limit;           /* up to here there is space for DIRECT_SPACE_BYTES */
    struct direct_frame *top; /* the innermost open container, frames[0] if none */
    struct engine_job *job;
    struct direct *state;
    enum codec_status status;
};

/* Makes space for extra bytes. Returns 0, or -1 with decoder.status set. */
int direct_grow(struct direct_decoder *d, size_t extra);

/* The job fails because of the byte there; returns NULL. */
const uint8_t *direct_fail(struct direct_decoder *d, enum codec_status status,
                           const uint8_t *at);

/* The same, but TRUNCATED where that is the input's end. */
const uint8_t *direct_fail_at_byte(struct direct_decoder *d, enum codec_status status,
                                   const uint8_t *at);

/* Makes sure of DIRECT_SPACE_BYTES. Returns as direct_grow(). */
static inline int direct_ensure_space(struct direct_decoder *d)
{
    return d->out <= d->limit ? 0 : direct_grow(d, DIRECT_SPACE_BYTES);
}

#endif
