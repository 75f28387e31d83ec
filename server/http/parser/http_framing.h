/*
 * The header fields that say where a request ends and what becomes of its
 * connection: Host, Content-Length, Transfer-Encoding, Connection, Expect (RFC
 * 9112 sections 3.2, 6, 9; RFC 9110 section 10.1.1). Pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_FRAMING_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_FRAMING_H

#include "server/http/parser/http_parser.h"

/* Takes note of one header line where it is one of those. Returns HTTP_PARSER_MORE, or
   HTTP_PARSER_BAD with the verdict in the parser. */
enum http_parser_result http_framing_field(struct http_parser *parser,
                                           const uint8_t *bytes,
                                           const struct http_field *field);

/* The verdict on all of them together, at the head's end. Returns HTTP_PARSER_DONE with
   parser->length set, or HTTP_PARSER_BAD. */
enum http_parser_result http_framing_finish(struct http_parser *parser);

#endif
