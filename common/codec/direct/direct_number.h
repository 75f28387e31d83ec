/*
 * A step of engine direct's decoder: one JSON number to MessagePack. Returns as all steps
 * do (direct_decoder.h). The decoder's thread only.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_NUMBER_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_NUMBER_H

#include "common/codec/direct/direct_decoder.h"

/* Reads a number from its first byte, which is a digit or '-'. */
const uint8_t *direct_decode_number(struct direct_decoder *d, const uint8_t *at);

#endif
