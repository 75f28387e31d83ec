/*
 * The character classes of HTTP's grammar (RFC 9110 section 5.6, RFC 3986), one
 * table look-up each. Pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_CHARS_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

enum http_char {
    HTTP_CHAR_TOKEN = 1, /* tchar: methods, field names, codings */
    HTTP_CHAR_VALUE = 2, /* field-content: visible, SP, HTAB, obs-text */
    HTTP_CHAR_PATH = 4,  /* of a target's path, without '?' */
    HTTP_CHAR_QUERY = 8, /* of its query, with what browsers do not escape */
    HTTP_CHAR_HOST = 16, /* reg-name, '%' included */
    HTTP_CHAR_HEX = 32
};

/* The classes of every byte, as a set of enum http_char. */
uint8_t http_char_classes(uint8_t byte);

/* True where all bytes are of the class; true for none. */
bool http_chars_all(const uint8_t *bytes, size_t len, enum http_char class);

/* True where both are the same text, in any case (ASCII). */
bool http_chars_same(struct slice one, struct slice other);

/* True where the bytes are the text, in any case (ASCII). */
bool http_chars_equal(const uint8_t *bytes, size_t len, const char *text);

/* The byte in lower case (ASCII only, whatever the locale). */
static inline uint8_t http_char_lower(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte | 0x20) : byte;
}

#endif
