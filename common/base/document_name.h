/*
 * The names of collections and documents: 1 to 255 bytes of
 * A-Z a-z 0-9 . _ ~ : @ -. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_BASE_DOCUMENT_NAME_H
#define OFFLOOP_COMMON_BASE_DOCUMENT_NAME_H

#include <stdbool.h>

#include "common/base/buf.h"

#define DOCUMENT_NAME_MAX_BYTES 255

/* The rule, for people. */
#define DOCUMENT_NAME_RULE "1 to 255 bytes of A-Z a-z 0-9 . _ ~ : @ -"

/* True for a byte that may stand in a name. */
bool document_name_has_byte(uint8_t byte);

/* True for a whole name. */
bool document_name_is_valid(struct slice text);

#endif
