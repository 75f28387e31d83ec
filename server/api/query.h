/*
 * The parameters of a request's query. Pure: bytes in, a value out. Parameters
 * that offloop does not know are ignored; the first of several counts.
 */
#ifndef OFFLOOP_SERVER_API_QUERY_H
#define OFFLOOP_SERVER_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/api/route.h"

struct query {
    bool pretty;
    bool has_limit;
    struct slice fields; /* still encoded, a part of the text; empty for all */
    uint64_t limit;      /* at least 1; UINT64_MAX where there is none */
    uint8_t after_len;   /* 0 where there is none */
    uint8_t after[ROUTE_NAME_MAX];
};

/* Reads a query ("limit=10&after=x"). Returns NULL, or a static text that says what is
   wrong with it. */
const char *query_parse(struct slice text, struct query *query_r);

#endif
