/*
 * Fast paths for the most common numbers: integers below 10^18, and fractions of few
 * digits, for which one exact division gives the nearest double. The results are the same
 * as those of number.h, which handles all other numbers. No state; any thread may call;
 * cannot fail.
 */
#ifndef OFFLOOP_COMMON_CODEC_YAJL_YAJL_NUMBER_H
#define OFFLOOP_COMMON_CODEC_YAJL_YAJL_NUMBER_H

#include <string.h>

#include "common/codec/number/number.h"

/* As number_parse(). */
void yajl_number_parse(const uint8_t *text, size_t len, struct number *number_r);

/* As number_print_double(); needs the same space. */
size_t yajl_number_print_double(double value, uint8_t *out);

/* As number_print_u64(); needs the same space. */
size_t yajl_number_print_uint(uint64_t value, uint8_t *out);

#define YAJL_NUMBER_EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* The value of eight digits (0 to 9, not ASCII), the first one in the lowest byte. Joins
   neighbours to pairs, then fours, then all eight. */
static inline uint64_t yajl_number_join(uint64_t word)
{
    const uint64_t mask = UINT64_C(0x000000ff000000ff);

    word = word * 10 + (word >> 8);
    return ((word & mask) * (100 + (UINT64_C(1000000) << 32)) +
            (word >> 16 & mask) * (1 + (UINT64_C(10000) << 32))) >>
           32;
}

/* Reads a number of 1 to 8 bytes, without sign: digits and perhaps a point. At least 8
   bytes up to its end must be readable. *digits_r is the digits as an integer. Returns
   the number of digits after the point (0: no point), or -1 for another text. */
static inline int yajl_number_short(const uint8_t *end, size_t len, uint64_t *digits_r)
{
    unsigned unused_bits = 64 - 8 * (unsigned)len, point;
    uint64_t word, marks, before;

    memcpy(&word, end - 8, sizeof word);
    /* Digits become 0 to 9, and so do the bytes before them; other bytes keep high bits.
     */
    word = (word ^ YAJL_NUMBER_EACH_BYTE('0')) & ~UINT64_C(0) << unused_bits;
    marks = word & YAJL_NUMBER_EACH_BYTE(0x10);
    if (marks == 0) {
        *digits_r = yajl_number_join(word);
        return 0;
    }
    point = (unsigned)__builtin_ctzll(marks) & ~7u;
    if ((uint8_t)(word >> point) != ('.' ^ '0'))
        return -1;
    /* The digits before the point move up over it. */
    before = (UINT64_C(1) << point) - 1;
    word = (word & ~(before << 8 | 0xff)) | (word & before) << 8;
    if ((word & YAJL_NUMBER_EACH_BYTE(0xf0)) != 0)
        return -1;
    *digits_r = yajl_number_join(word);
    return 7 - (int)(point / 8);
}

#endif
