/*
 * Access from browsers: the header lines of the CORS protocol (Fetch standard, section
 * 3.2) for origins that --cors names. Pure: bytes in, header lines out.
 *
 * Credentials in the sense of the protocol (cookies) are never allowed: a script sends
 * its bearer token itself.
 */
#ifndef OFFLOOP_SERVER_API_ACCESS_CORS_H
#define OFFLOOP_SERVER_API_ACCESS_CORS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"

/* The origins: "https://app.example", or "*" for every one. Not owned. */
struct cors {
    char *const *origins;
    size_t count;         /* 0: off, nothing is ever written */
    char *const *headers; /* names of request header fields that are allowed besides */
    size_t header_count;
};

/* For option tables: -1 and what is expected where a text is neither an origin, nor "*",
   nor "off". */
int cors_check(const char *text, const char **expected_r);

/* The same for names of header fields, divided by commas, or "off". */
int cors_headers_check(const char *text, const char **expected_r);

/* Appends what any reply to that Origin (data NULL for none) carries. */
void cors_put_reply(const struct cors *cors, struct slice origin, struct buf *headers);

/* True where a request is the question that a browser asks before another: OPTIONS with
   an Origin and an Access-Control-Request-Method field. */
bool cors_is_preflight(struct slice origin, struct slice wanted_method);

/* Appends what the answer to that question carries besides; `methods` as in Allow. */
void cors_put_preflight(const struct cors *cors, struct slice origin, const char *methods,
                        struct buf *headers);

#endif
