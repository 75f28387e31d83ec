/*
 * Checks UTF-8 strictly (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF. No state; any thread may call; cannot fail.
 */
#ifndef OFFLOOP_COMMON_CODEC_UTF8_H
#define OFFLOOP_COMMON_CODEC_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bits that no ASCII byte has. */
#define UTF8_HIGH_BITS UINT64_C(0x8080808080808080)

/* The number of bytes at the start of text that are whole well-formed sequences. If it is
   less than len, text[result] begins a sequence that is ill-formed or incomplete. */
size_t utf8_valid_prefix(const uint8_t *text, size_t len);

/* True for at most 16 bytes that are all ASCII, as in most names: this saves the call of
   utf8_valid_prefix(). Other text may still be well-formed. */
static inline bool utf8_is_short_ascii(const uint8_t *text, size_t len)
{
    uint64_t first = 0, last = 0;

    if (len > 16)
        return false;
    if (len >= 8) {
        memcpy(&first, text, 8);
        memcpy(&last, text + len - 8, 8);
    } else if (len >= 4) {
        memcpy(&first, text, 4);
        memcpy(&last, text + len - 4, 4);
    } else if (len > 0) {
        first = text[0] | text[len / 2];
        last = text[len - 1];
    }
    return ((first | last) & UTF8_HIGH_BITS) == 0;
}

/* The length (1 to 4) of the well-formed sequence at the start of text; 0 if there is
   none. For 0, *cut_r says whether the text only ends too early, so that more bytes could
   make it well-formed. len is at least 1. */
size_t utf8_sequence(const uint8_t *text, size_t len, int *cut_r);

#endif
