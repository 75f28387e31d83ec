/*
 * Engine `yajl`: yajl's parser and generator, with our own numbers, UTF-8,
 * stores and limits around them, since yajl is looser than RFC 8259 (see
 * docs/CODEC.md). Only the yajl_*.c files include yajl's headers.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENGINE_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_ENGINE_H

#include "common/codec/engine.h"

/* The engine's description; static memory, any thread. */
const struct codec_engine *yajl_engine(void);

#endif
