#include "common/codec/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

/* Bytes that are checked together while they are ASCII. */
#define BLOCK 64

/* The sequences of RFC 3629 by first byte: the length, and the allowed second bytes,
   which exclude overlong forms, surrogates, and values above U+10FFFF. */
static const struct form {
    uint8_t first_min, first_max, len, second_min, second_max;
} forms[] = {
    {0x00, 0x7f, 1, 0x00, 0x00}, {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
    {0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
    {0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const struct form *form_of(uint8_t first)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (first >= forms[i].first_min && first <= forms[i].first_max)
            return &forms[i];
    return NULL;
}

size_t utf8_sequence(const uint8_t *text, size_t len, int *cut_r)
{
    const struct form *form = form_of(text[0]);

    assert(len > 0);
    *cut_r = false;
    if (form == NULL)
        return 0;
    for (size_t i = 1; i < form->len; i++) {
        uint8_t min = i == 1 ? form->second_min : 0x80;
        uint8_t max = i == 1 ? form->second_max : 0xbf;

        if (i == len) {
            *cut_r = true;
            return 0;
        }
        if (text[i] < min || text[i] > max)
            return 0;
    }
    return form->len;
}

/* The length of the well-formed sequence of several bytes at p, or 0. Gives the same
   result as utf8_sequence() for non-ASCII, in few instructions. */
static inline size_t multibyte(const uint8_t *p, size_t left)
{
    uint32_t c;

    if (p[0] < 0xe0)
        return p[0] >= 0xc2 && left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
        return 0;
    if (p[0] < 0xf0) {
        c = (uint32_t)(p[0] & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6;
        return c >= 0x800 && (c & 0xf800) != 0xd800 ? 3 : 0;
    }
    if (left < 4 || p[0] > 0xf4 || (p[3] & 0xc0) != 0x80)
        return 0;
    c = (uint32_t)(p[0] & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12;
    return c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
}

static inline uint64_t word_at(const uint8_t *p)
{
    uint64_t word;

    memcpy(&word, p, sizeof word);
    return word;
}

/* The bits of the BLOCK bytes at p, combined by OR into one word. */
static inline uint64_t block_bits(const uint8_t *p)
{
    return word_at(p) | word_at(p + 8) | word_at(p + 16) | word_at(p + 24) |
           word_at(p + 32) | word_at(p + 40) | word_at(p + 48) | word_at(p + 56);
}

/* The first byte from `at` on that is not ASCII, or len. */
static inline size_t skip_ascii(const uint8_t *text, size_t at, size_t len)
{
    while (len - at >= BLOCK && (block_bits(text + at) & UTF8_HIGH_BITS) == 0)
        at += BLOCK;
    while (len - at >= 8 && (word_at(text + at) & UTF8_HIGH_BITS) == 0)
        at += 8;
    while (at < len && text[at] < 0x80)
        at++;
    return at;
}

size_t utf8_valid_prefix(const uint8_t *text, size_t len)
{
    size_t at = skip_ascii(text, 0, len);

    while (at < len) {
        size_t n = multibyte(text + at, len - at);

        if (n == 0)
            break;
        at += n;
        if (at < len && text[at] < 0x80)
            at = skip_ascii(text, at, len);
    }
    return at;
}
