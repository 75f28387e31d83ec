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

/* The space that every step needs: for a string's header, a chunk of 16 bytes and a few
   more bytes, or for a number. At most ENGINE_SLACK_BYTES: so a job whose result fits
   never fails because of it. */
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

/* The job fails because of the byte at `at`. Returns NULL. */
const uint8_t *direct_fail(struct direct_decoder *d, enum codec_status status,
                           const uint8_t *at);

/* As direct_fail(), but with CODEC_TRUNCATED where `at` is the input's end. */
const uint8_t *direct_fail_at_byte(struct direct_decoder *d, enum codec_status status,
                                   const uint8_t *at);

/* Makes space for DIRECT_SPACE_BYTES, if it is missing. Returns as direct_grow(). */
static inline int direct_ensure_space(struct direct_decoder *d)
{
    return d->out <= d->limit ? 0 : direct_grow(d, DIRECT_SPACE_BYTES);
}

#endif
