/*
 * Request targets and Host values (RFC 9112 section 3.2, RFC 3986 section 3.2).
 * Pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_TARGET_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_TARGET_H

#include <stdbool.h>

#include "server/http/parser/http_parser.h"

/* Finds form, path and query of parser->target in the head's bytes. Returns NULL, or why
   the target is refused (400). */
const char *http_target_split(struct http_parser *parser, const uint8_t *bytes);

/* True for a well-formed `uri-host [":" port]`, which may be empty. */
bool http_target_host_valid(const uint8_t *bytes, size_t len);

#endif
