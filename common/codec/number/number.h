/*
 * Converts numbers between JSON text and machine form, exactly in both directions.
 *
 * Pure functions: no locale, no globals, no allocation; every process and thread may
 * call. Nothing here can fail: what callers must ensure is asserted.
 *
 * The rules: integers within int64/uint64 are exact; `-0` is the double -0.0; numbers
 * with a fraction or exponent become the nearest double, ties to even. Other numbers keep
 * their digits as text: integers beyond 64 bits, and numbers whose double would be
 * infinite, or zero although the number is not zero.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The space that number_print_double() needs: at most 25 bytes of text; the rest is
   scratch. */
#define NUMBER_DOUBLE_MAX 40

/* The space that number_print_u64() and number_print_i64() need. */
#define NUMBER_INT_MAX 24

/* A longer number may take long to read, although its result is short. The cost of each
   of its bytes, in units of a budget (codec.h). */
#define NUMBER_LONG       24
#define NUMBER_DIGIT_WORK 4

enum number_kind {
    NUMBER_UINT,   /* u: an integer from 0 */
    NUMBER_INT,    /* i: an integer below 0 */
    NUMBER_DOUBLE, /* d: finite; the text has a fraction or exponent, or is -0 */
    NUMBER_TEXT    /* none of them is exact: the text itself is the value */
};

struct number {
    enum number_kind kind;
    union {
        uint64_t u;
        int64_t i;
        double d;
    };
};

/* Reads a text that number_scan() accepts in full. Linear in len. */
void number_parse(const uint8_t *text, size_t len, struct number *number_r);

/* Changes the number of that text to NUMBER_TEXT where its machine form would be printed
   as another text: 12500.00, 1e2, -0. Linear in len. */
void number_keep_text(const uint8_t *text, size_t len, struct number *number);

/* The length of the longest JSON number (RFC 8259 section 6) at the start of the text; 0
   if there is none. */
size_t number_scan(const uint8_t *text, size_t len);

/* The double nearest to digits * 10^exp10, ties to even; with `negative` its negation.
   Infinity for too large a number, zero for too small a one: unless digits is 0, the
   number is NUMBER_TEXT then. */
double number_from_decimal(uint64_t digits, int64_t exp10, bool negative);

/* Writes the shortest text that reads as the same finite double; of several, the nearest.
   The layout is JavaScript's, but -0.0 keeps its sign, and whole numbers below 1e21 get
   ".0": 0.000001, 1.5e-7, 100.0, 1e+21. Returns the length. */
size_t number_print_double(double value, uint8_t *out);

/* Writes the decimal digits. Returns their number. */
size_t number_print_u64(uint64_t value, uint8_t *out);

/* Writes the decimal digits with their sign. Returns the length. */
size_t number_print_i64(int64_t value, uint8_t *out);

#endif
