/*
 * Engine `yajl`: yajl's parser and generator. Numbers, UTF-8 checks, output and limits
 * are offloop's own, because yajl is less strict than RFC 8259 (docs/CODEC.md). Only the
 * yajl_*.c files include yajl's headers.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENGINE_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENGINE_H

#include "common/codec/engine.h"

/* The engine's description; static memory, any thread. */
const struct codec_engine *yajl_engine(void);

#endif
