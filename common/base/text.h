/*
 * Small questions about text: what a string or a slice begins with, and the
 * values of hex digits. Nothing is copied: what a function returns points into
 * its argument. Every process and thread may call; nothing can fail.
 */
#ifndef OFFLOOP_COMMON_BASE_TEXT_H
#define OFFLOOP_COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <string.h>

#include "common/base/buf.h"

/* The value of a hex digit; -1 for another byte. */
static inline int hex_digit_value(uint8_t byte)
{
    unsigned digit = byte - (unsigned)'0', letter = (byte | 0x20u) - (unsigned)'a';

    return digit < 10 ? (int)digit : letter < 6 ? (int)letter + 10 : -1;
}

/* The byte that two hex digits stand for; -1 where one of them is none. */
static inline int hex_byte_value(uint8_t high, uint8_t low)
{
    int high_value = hex_digit_value(high), low_value = hex_digit_value(low);

    return high_value < 0 || low_value < 0 ? -1 : high_value * 16 + low_value;
}

/* True where the text begins with the prefix. */
static inline bool text_starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The text after the prefix; NULL where it does not begin with it. */
static inline const char *text_after(const char *text, const char *prefix)
{
    return text_starts_with(text, prefix) ? text + strlen(prefix) : NULL;
}

/* The bytes of a text, without its NUL. */
static inline struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* True where the bytes are those of the text. */
static inline bool slice_is(struct slice slice, const char *text)
{
    return slice.len == strlen(text) && memcmp(slice.data, text, slice.len) == 0;
}

/* True where the bytes begin with the prefix. */
static inline bool slice_starts_with(struct slice slice, const char *prefix)
{
    size_t len = strlen(prefix);

    return slice.len >= len && memcmp(slice.data, prefix, len) == 0;
}

/* The bytes after the prefix; data is NULL where they do not begin with it. */
static inline struct slice slice_after(struct slice slice, const char *prefix)
{
    size_t len = strlen(prefix);

    if (!slice_starts_with(slice, prefix))
        return (struct slice){NULL, 0};
    return (struct slice){slice.data + len, slice.len - len};
}

#endif
