/*
 * A step of engine direct's decoder: one JSON string to MessagePack. Returns as all steps
 * do (direct_decoder.h). The decoder's thread only.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_STRING_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_STRING_H

#include "common/codec/direct/direct_decoder.h"

/* Reads a string from behind its opening quote, of any length and content. */
const uint8_t *direct_decode_string(struct direct_decoder *d, const uint8_t *at);

#endif
