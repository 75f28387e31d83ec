/*
 * What exactly is wrong with a JSON text, and where. yajl's own offsets are
 * vague and it accepts some texts that are not JSON; when it, or a check
 * before it, objects, this reads the text once more, byte by byte, and gives
 * the class and offset of docs/CODEC.md. No allocation, any thread.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_SCAN_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_SCAN_H

#include "common/codec/codec.h"

/* The verdict on all of `text`, CODEC_OK where it is valid after all; the faulty byte's
   offset is in *offset_r otherwise. max_depth is at most CODEC_OPEN_MAX. Linear in the
   text. */
enum codec_status yajl_scan(struct slice text, unsigned max_depth, uint64_t *offset_r)
    __attribute__((warn_unused_result));

/* The value of four hexadecimal digits, or -1 where one is none. */
int yajl_scan_hex4(const uint8_t *digits);

#endif
