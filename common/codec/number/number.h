/*
 * Numbers between JSON text and machine form, exact both ways.
 *
 * Pure functions: no locale, no globals, no allocation; every process and thread may
 * call. Nothing here can fail: the callers' promises are asserted.
 *
 * The rules (API.md section 4): integers within int64/uint64 are exact; `-0` is the
 * double -0.0; other fractions and exponents become the nearest double, ties to even.
 * What neither holds keeps its digits as text: integers beyond 64 bits, and texts whose
 * double would be infinite or, though the text is not zero, zero.
 */
#ifndef OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_H
#define OFFLOOP_COMMON_CODEC_NUMBER_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room that number_print_double() needs; 25 bytes at most are text, the rest is scratch.
 */
#define NUMBER_DOUBLE_MAX 40

/* Room that number_print_u64() and number_print_i64() need. */
#define NUMBER_INT_MAX 24

/* A number of more bytes may take long to read for the little that it becomes: what each
   byte takes, in units of a budget (codec.h). */
#define NUMBER_LONG       24
#define NUMBER_DIGIT_WORK 4

enum number_kind {
    NUMBER_UINT,   /* u: an integer from 0 */
    NUMBER_INT,    /* i: an integer below 0 */
    NUMBER_DOUBLE, /* d: finite; the text has a fraction or exponent, or is -0 */
    NUMBER_TEXT    /* neither holds it: the text itself is the value */
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

/* Makes a number of that text NUMBER_TEXT where printing its machine form would give
   another text: 12500.00, 1e2, -0. Linear in len. */
void number_keep_text(const uint8_t *text, size_t len, struct number *number);

/* The bytes at the start of the text that are one JSON number (RFC 8259 section 6), the
   longest such run; 0 where none is. */
size_t number_scan(const uint8_t *text, size_t len);

/* The double nearest to digits * 10^exp10, negated where asked, ties to even. Too large
   gives infinity, too small zero: digits that are not 0 are NUMBER_TEXT then. */
double number_from_decimal(uint64_t digits, int64_t exp10, bool negative);

/* Writes the shortest text that reads back as the same finite double (of several the
   nearest), laid out as JavaScript does, except that -0.0 keeps its sign and integral
   values below 1e21 get ".0": 0.000001, 1.5e-7, 100.0, 1e+21. Returns its length. */
size_t number_print_double(double value, uint8_t *out);

/* Writes the decimal digits; returns how many. */
size_t number_print_u64(uint64_t value, uint8_t *out);

/* Writes the decimal digits with their sign; returns the length. */
size_t number_print_i64(int64_t value, uint8_t *out);

#endif
