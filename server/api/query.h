/*
 * The parameters of a request's query. Pure: bytes in, a value out. Parameters
 * that offloop does not know are ignored; the first of several counts. %32 is 2,
 * in names and values (RFC 3986, section 6.2.2.2).
 */
#ifndef OFFLOOP_SERVER_API_QUERY_H
#define OFFLOOP_SERVER_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/api/route.h"

struct query {
    bool pretty;
    bool has_limit;
    struct slice fields;      /* as codec_call.fields has them; empty for all */
    struct slice fields_sent; /* the same as it came, a part of the text */
    struct buf fields_text;   /* where fields are if they are not what came */
    uint64_t limit;           /* at least 1; UINT64_MAX where there is none */
    uint8_t after_len;        /* 0 where there is none */
    uint8_t after[ROUTE_NAME_MAX];
};

/* Reads a query ("limit=10&after=x"). Returns NULL, or a static text that says what is
   wrong with it. What `fields` may be says fields_text.h. The caller ends the query with
   query_free() either way. */
const char *query_parse(struct slice text, struct query *query_r);

/* Frees what the query holds; a zeroed one is allowed. */
void query_free(struct query *query);

#endif
