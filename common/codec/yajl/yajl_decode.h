/*
 * JSON to MessagePack with yajl's parser: the decode half of engine `yajl`.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_DECODE_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_DECODE_H

#include "common/codec/engine.h"

/* The decoder's state between jobs: opaque, some 25 KB. */
struct yajl_decoder;

/* A decoder; never NULL. The caller ends it with yajl_decoder_destroy(). */
struct yajl_decoder *yajl_decoder_create(void);

/* Frees the decoder and its scratch, and clears the pointer. */
void yajl_decoder_destroy(struct yajl_decoder **decoder);

/* As codec_engine.trim. */
size_t yajl_decoder_trim(struct yajl_decoder *decoder, size_t keep_bytes);

/* As codec_engine.decode. */
enum codec_status yajl_decoder_run(struct yajl_decoder *decoder, struct engine_job *job)
    __attribute__((warn_unused_result));

#endif
