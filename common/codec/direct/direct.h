/*
 * Engine direct: one pass over the bytes, each token written as it is read. No
 * recursion: the open containers lie in a stack of CODEC_OPEN_MAX entries.
 *
 * What the engine's files share; codec.c takes only direct_engine(). One state
 * belongs to one thread at a time.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_H

#include "common/codec/msgpack/containers.h"
#include "common/codec/engine.h"

/* An open container. */
struct direct_frame {
    size_t at;      /* decode: its reserved byte, from out->data */
    uint64_t items; /* decode: finished ones; encode: those to come (a pair is two) */
    bool map;
};

/* What outlives a job. The stack's content does not. */
struct direct {
    struct direct_frame frames[CODEC_OPEN_MAX + 1]; /* the first is none: a bottom */
    struct containers wide;
};

/* The engine; static memory. */
const struct codec_engine *direct_engine(void);

/* codec_engine.decode and .encode of this engine; state is a struct direct. */
enum codec_status direct_decode(void *state, struct engine_job *job);

/* As direct_decode. */
enum codec_status direct_encode(void *state, struct engine_job *job, size_t *at);

#endif
