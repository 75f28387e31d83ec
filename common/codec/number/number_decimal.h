/*
 * Decimal to double, ties to even, exactly: one 64x128-bit product decides all but a
 * few in 2^53 cases, and exact integers decide those. Pure; every thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_DECIMAL_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Significant digits that number_decimal_compare() takes: no point halfway between two
   doubles has as many, so what follows them matters only as "more than zero". */
#define NUMBER_DECIMAL_DIGITS 800

/* The magnitude of a double by its bits, and whether that is certain. */
struct number_rounded {
    uint64_t bits; /* sign clear; 0x7ff0... is infinity */
    bool unsure;   /* the next double above may be the nearest */
};

/* The double nearest to digits * 10^exp10, or where unsure the one of the two in
   question that is below. */
struct number_rounded number_decimal_round(uint64_t digits, int64_t exp10);

/* Compares the number 0.d1 d2 d3... * 10^point with the point halfway between the
   double of these bits and the next above: < 0, 0 or > 0. digits are 0 to 9, no ASCII;
   count is 1 to NUMBER_DECIMAL_DIGITS + 1; the number is near that halfway point. */
int number_decimal_compare(const uint8_t *digits, size_t count, int64_t point,
                           uint64_t bits);

#endif
