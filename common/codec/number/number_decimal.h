/*
 * Converts a decimal to the nearest double exactly, ties to even. One 64x128-bit product
 * decides all but a few in 2^53 cases; exact integers decide those. Pure; every thread
 * may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_DECIMAL_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The most significant digits for number_decimal_compare(). No point halfway between two
   doubles has so many, so of further digits only "more than zero" matters. */
#define NUMBER_DECIMAL_DIGITS 800

/* The bits of a double's magnitude, and whether it is certain. */
struct number_rounded {
    uint64_t bits; /* sign clear; 0x7ff0... is infinity */
    bool unsure;   /* the next double above may be the nearest */
};

/* The double nearest to digits * 10^exp10. Where it is unsure: the smaller of the two
   candidates. */
struct number_rounded number_decimal_round(uint64_t digits, int64_t exp10);

/* Compares the number 0.d1 d2 d3... * 10^point with the halfway point between the double
   of these bits and the next larger one: < 0, 0 or > 0. digits are 0 to 9, not ASCII;
   count is 1 to NUMBER_DECIMAL_DIGITS + 1; the number is near that point. */
int number_decimal_compare(const uint8_t *digits, size_t count, int64_t point,
                           uint64_t bits);

#endif
