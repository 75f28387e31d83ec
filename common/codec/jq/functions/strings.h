/*
 * Strings as sequences of code points. Bytes that are not UTF-8 (a document may hold
 * them, though the server stores none) count as one code point each, U+FFFD.
 */
#ifndef OFFLOOP_COMMON_CODEC_JQ_FUNCTIONS_STRINGS_H
#define OFFLOOP_COMMON_CODEC_JQ_FUNCTIONS_STRINGS_H

#include "common/codec/jq/run.h"

/* How many bytes the code point at `at` has; `end` is behind it. */
size_t strings_step(const uint8_t *at, const uint8_t *end, uint32_t *code_r);

/* Writes a code point; returns its bytes, at most 4. Surrogates become U+FFFD. */
size_t strings_put(uint8_t *to, uint32_t code);

/* The code points; borrows. */
size_t strings_length(struct jq_run *run, struct jv string);

/* The code points [from, to). */
struct jv strings_slice(struct jq_run *run, struct jv string, size_t from, size_t to);

/* Where `part` begins first in the bytes from `from` on; SIZE_MAX where nowhere. Both are
   borrowed. */
size_t strings_find(struct jq_run *run, struct jv string, struct jv part, size_t from);

/* The pieces between what `separator` matches; an empty one gives each code point. */
struct jv strings_split(struct jq_run *run, struct jv string, struct jv separator);

#endif
