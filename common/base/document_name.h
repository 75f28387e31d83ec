/*
 * The names of collections and documents: 1 to 255 bytes of
 * A-Z a-z 0-9 . _ ~ : @ -, but not "." or "..", because clients remove those from a path
 * before they send it (RFC 3986 section 5.2.4). Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_BASE_DOCUMENT_NAME_H
#define OFFLOOP_COMMON_BASE_DOCUMENT_NAME_H

#include <stdbool.h>

#include "common/base/buf.h"

#define DOCUMENT_NAME_MAX_BYTES 255

/* The rule, for error messages. */
#define DOCUMENT_NAME_RULE "1 to 255 bytes of A-Z a-z 0-9 . _ ~ : @ - (not . or ..)"

/* True for a byte that may stand in a name. */
bool document_name_has_byte(uint8_t byte);

/* True for "." and "..". */
bool name_is_dots(struct slice text);

/* True for a whole name. */
bool document_name_is_valid(struct slice text);

#endif
