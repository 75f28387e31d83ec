/*
 * Text operations of engine direct, for both directions, many bytes at a time: they copy
 * the plain bytes of a string, and convert runs of digits. They take 16 bytes at a time
 * with SSE2 and 8 without it; the results are the same. -DOFFLOOP_NO_SSE2 builds the
 * second way on any machine.
 *
 * Pure inline functions. Each says how many bytes it reads: the caller must have them.
 */
#ifndef OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_TEXT_H
#define OFFLOOP_COMMON_CODEC_DIRECT_DIRECT_TEXT_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(OFFLOOP_NO_SSE2)
#define DIRECT_SSE2 1
#include <emmintrin.h>
#define DIRECT_CHUNK 16
#else
#define DIRECT_SSE2  0
#define DIRECT_CHUNK 8
#endif

/* The same byte eight times. */
#define DIRECT_EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Eight bytes, the first of them lowest. */
static inline uint64_t direct_load8(const uint8_t *text)
{
    uint64_t word;

    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/* Copies DIRECT_CHUNK bytes and returns how many at their start are plain in a JSON
   string: ASCII without controls, quote and backslash. */
static inline unsigned direct_copy_plain(uint8_t *out, const uint8_t *text)
{
#if DIRECT_SSE2
    __m128i chunk = _mm_loadu_si128((const __m128i *)(const void *)text);
    /* As signed bytes, both controls and non-ASCII are below a space. */
    __m128i other = _mm_cmplt_epi8(chunk, _mm_set1_epi8(0x20));

    other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('"')));
    other = _mm_or_si128(other, _mm_cmpeq_epi8(chunk, _mm_set1_epi8('\\')));
    _mm_storeu_si128((__m128i *)(void *)out, chunk);
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(other) | 0x10000);
#else
    uint64_t word = direct_load8(text);
    uint64_t quote = word ^ DIRECT_EACH('"'), slash = word ^ DIRECT_EACH('\\');
    /* The lowest byte with its top bit set is right; borrows change only higher bytes. */
    uint64_t other = (word - DIRECT_EACH(0x20)) | (quote - DIRECT_EACH(1)) |
                     (slash - DIRECT_EACH(1)) | word;

    other &= DIRECT_EACH(0x80);
    memcpy(out, text, DIRECT_CHUNK);
    return other == 0 ? DIRECT_CHUNK : (unsigned)__builtin_ctzll(other) / 8;
#endif
}

/* For eight bytes of text XORed with '0': bit 7 of each byte that is no digit, right up
   to and including the first byte from 0x8a on. */
static inline uint64_t direct_find_other(uint64_t word)
{
    return ((word + DIRECT_EACH(0x76)) | word) & DIRECT_EACH(0x80);
}

/* The value of the first `count` (1 to 8) of eight bytes of text XORed with '0'. */
static inline uint64_t direct_convert_digits(uint64_t word, unsigned count)
{
    const uint64_t pairs = UINT64_C(0x000000ff000000ff);

    word <<= 64 - 8 * count;
    word = word * 10 + (word >> 8);
    return ((word & pairs) * UINT64_C(0x000f424000000064) +
            (word >> 16 & pairs) * UINT64_C(0x0000271000000001)) >>
           32;
}

/* Four bytes, the first of them lowest. */
static inline uint32_t direct_load4(const uint8_t *text)
{
    uint32_t word;

    memcpy(&word, text, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap32(word);
#endif
    return word;
}

/* The length (2 to 4) of the well-formed UTF-8 sequence of several bytes at the start of
   the text; 0 if there is none. Reads 4 bytes. */
static inline unsigned direct_sequence(const uint8_t *text)
{
    uint32_t word = direct_load4(text), lead;

    if ((word & 0xc0c0f0) == 0x8080e0) {
        /* Neither overlong (below U+0800) nor a surrogate. */
        lead = word & 0x200f;
        return lead != 0 && lead != 0x200d ? 3 : 0;
    }
    if ((word & 0xc0e0) == 0x80c0)
        return (word & 0x1e) != 0 ? 2 : 0;
    if ((word & 0xc0c0c0f8) == 0x808080f0) {
        /* From U+10000 to U+10FFFF. */
        lead = (word & 7) << 2 | (word >> 12 & 3);
        return lead - 1 < 16 ? 4 : 0;
    }
    return 0;
}

#endif
