/*
 * Engine direct: one pass over the bytes, which writes each token when it has read it. No
 * recursion: a stack of CODEC_OPEN_MAX entries has the open containers.
 *
 * Here is what the engine's files share; codec.c calls only direct_engine(). One state
 * belongs to one thread at a time.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_H

#include "common/codec/msgpack/containers.h"
#include "common/codec/engine.h"

/* An open container. */
struct direct_frame {
    size_t at;      /* decode: its reserved byte, from out->data */
    uint64_t items; /* decode: complete ones; encode: those to come (a pair is two) */
    bool map;
};

/* The engine's state. Only the memory of `wide` outlives a job. */
struct direct {
    struct direct_frame frames[CODEC_OPEN_MAX + 1]; /* the first one is only the bottom */
    struct containers wide;
};

/* The engine; static memory. */
const struct codec_engine *direct_engine(void);

/* codec_engine.decode and .encode of this engine; state is a struct direct. */
enum codec_status direct_decode(void *state, struct engine_job *job);

/* As direct_decode. */
enum codec_status direct_encode(void *state, struct engine_job *job, size_t *at);

#endif
