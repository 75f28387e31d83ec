/*
 * UTF-8, strictly (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF. Bytes in, a count out; no state, any thread, cannot fail.
 */
#ifndef OFFLOOP_COMMON_CODEC_UTF8_H
#define OFFLOOP_COMMON_CODEC_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* How many bytes at the start of text are whole well-formed sequences: len where all
   are. Otherwise text[result] begins a sequence that is ill-formed or cut short. */
size_t utf8_valid_prefix(const uint8_t *text, size_t len);

/* The length (1 to 4) of the well-formed sequence at the start of text, or 0 where there
   is none. *cut_r says, for 0, whether text only ends too early: more bytes could make
   it well-formed. len is at least 1. */
size_t utf8_sequence(const uint8_t *text, size_t len, int *cut_r);

#endif
