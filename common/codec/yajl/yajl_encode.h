/*
 * MessagePack to compact JSON with yajl's generator: the encode half of engine
 * `yajl`.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENCODE_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENCODE_H

#include "common/codec/engine.h"

/* The encoder's state between jobs: opaque, some 16 KB, no scratch. */
struct yajl_encoder;

/* An encoder; never NULL. The caller ends it with yajl_encoder_destroy(). */
struct yajl_encoder *yajl_encoder_create(void);

/* Frees the encoder and clears the pointer. */
void yajl_encoder_destroy(struct yajl_encoder **encoder);

/* As codec_engine.encode. */
enum codec_status yajl_encoder_run(struct yajl_encoder *encoder, struct engine_job *job,
                                   size_t *at) __attribute__((warn_unused_result));

#endif
