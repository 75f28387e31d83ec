/*
 * Which resource a path names. Pure: bytes in, a value out.
 *
 * Percent-encoded forms of a name are the same name (RFC 3986 section 6.2.2.2).
 */
#ifndef OFFLOOP_SERVER_API_ROUTE_H
#define OFFLOOP_SERVER_API_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "server/stats/stats.h"

#define ROUTE_NAME_MAX 255

struct route {
    enum stats_route kind; /* DOCUMENT, COLLECTION, COLLECTIONS or OTHER */
    bool is_description;   /* OTHER: /openapi.json */
    bool names_valid;      /* false where a name is not one that can exist */
    bool ends_in_slash;    /* "/v1/c/", "/v1/c/id/": not valid, and a common mistake */
    uint8_t collection_len;
    uint8_t id_len;
    uint8_t collection[ROUTE_NAME_MAX]; /* decoded */
    uint8_t id[ROUTE_NAME_MAX];
};

/* Reads a path ("/v1/c/id", still percent-encoded) into *route_r. */
void route_parse(struct slice path, struct route *route_r);

/* The byte at text[*at], percent-decoded, and *at behind it; -1 for a broken escape. *at
   must be less than the length. */
int route_next_byte(struct slice text, size_t *at);

/* Decodes percent-encoding and checks that the result has the bytes of a collection's or
   document's name: 1 to 255 of A-Z a-z 0-9 . _ ~ : @ -. Returns its length, or -1. "."
   and ".." pass: a store of an earlier version may hold them, as a place to list from. */
int route_name_decode(struct slice text, uint8_t name_r[ROUTE_NAME_MAX]);

/* The decoded names, as slices into the route. */
struct slice route_collection(const struct route *route);
struct slice route_id(const struct route *route);

#endif
