/*
 * Finds the exact fault in a JSON text. yajl's own offsets are vague, and it accepts some
 * texts that are not JSON. When yajl or a check before it refuses a text, this reads the
 * text again, byte by byte, and returns the class and offset that docs/CODEC.md defines.
 * No allocation; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_SCAN_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_SCAN_H

#include "common/codec/codec.h"

/* Checks all of `text`. Returns CODEC_OK, or the fault; then *offset_r is the faulty
   byte's offset. max_depth is at most CODEC_OPEN_MAX. Linear in the text. */
enum codec_status yajl_scan(struct slice text, unsigned max_depth, uint64_t *offset_r)
    __attribute__((warn_unused_result));

/* The value of four hexadecimal digits; -1 where one is not a digit. */
int yajl_scan_hex4(const uint8_t *digits);

#endif
