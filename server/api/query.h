/*
 * The parameters of a request's query. Pure: bytes in, a value out. A parameter that
 * comes twice is a fault. %32 is 2, in names and values (RFC 3986, section 6.2.2.2).
 *
 * A parameter that has no meaning where the request goes is not looked at. One
 * that offloop does not know is ignored, too, but for a collection: there it is
 * a fault unless its name begins with '_', because a filter that somebody hoped
 * for must not give them everything.
 */
#ifndef OFFLOOP_SERVER_API_QUERY_H
#define OFFLOOP_SERVER_API_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "server/api/route.h"

/* Where parameters have a meaning. */
enum query_scope {
    QUERY_OF_NOTHING = 0,
    QUERY_OF_DOCUMENT = 1,   /* that is sent: GET, HEAD and PATCH */
    QUERY_OF_COLLECTION = 2, /* GET and HEAD */
    QUERY_OF_READ = 4,       /* of a document: GET and HEAD; with DOCUMENT */
    QUERY_OF_BULK = 8        /* POST of lines */
};

/* The parameters: NAME, text, scopes. */
#define QUERY_PARAMETER_MAP(X)                                   \
    X(AFTER, "after", QUERY_OF_COLLECTION)                       \
    X(FIELDS, "fields", QUERY_OF_DOCUMENT | QUERY_OF_COLLECTION) \
    X(IDS, "ids", QUERY_OF_COLLECTION)                           \
    X(JQ, "jq", QUERY_OF_READ | QUERY_OF_COLLECTION)             \
    X(LIMIT, "limit", QUERY_OF_COLLECTION)                       \
    X(PRETTY, "pretty", QUERY_OF_DOCUMENT | QUERY_OF_COLLECTION) \
    X(SCAN, "scan", QUERY_OF_COLLECTION)                         \
    X(VIEW, "view", QUERY_OF_READ | QUERY_OF_COLLECTION | QUERY_OF_BULK)

/* What the names of a program's arguments begin with: query_next_argument(). */
#define QUERY_ARGUMENT "arg."

enum query_parameter {
#define X(id, text, where) QUERY_##id,
    QUERY_PARAMETER_MAP(X)
#undef X
        QUERY_PARAMETERS
};

struct query {
    bool pretty;
    bool ids;  /* of a collection: each document with its id */
    bool scan; /* of a collection: to look at all keys, where the store has no list */
    bool has_limit;
    struct slice fields;      /* as codec_call.fields has them; empty for all */
    struct slice fields_sent; /* the same as it came, a part of the text */
    struct buf fields_text;   /* where fields are if they are not what came */
    struct slice jq, view;    /* as they came; data NULL where there are none */
    uint64_t limit;           /* at least 1; UINT64_MAX where there is none */
    uint8_t after_len;        /* 0 where there is none */
    uint8_t after[ROUTE_NAME_MAX];
    struct slice unknown; /* the name, as it came, of a parameter that a collection lacks;
                             data NULL for none */
};

/* Longest text of query_print_unknown(), with its NUL. */
#define QUERY_DETAIL_MAX 320

/* Reads a query ("limit=10&after=x"). Returns NULL, or a static text that says what is
   wrong with it; query_print_unknown() says it better where query_r->unknown is set. What
   `fields` may be says fields_text.h. The caller ends the query with query_free() either
   way. */
const char *query_parse(struct slice text, enum query_scope scope, struct query *query_r);

/* Takes the next of a program's arguments ("arg.x=1") off a query: its name without
   "arg." and its value, both as they came. False where there is none left. */
bool query_next_argument(struct slice *rest, struct slice *name_r, struct slice *value_r);

/* Prints, for people, which parameter is not known and which there are. */
void query_print_unknown(const struct query *query, char detail_r[QUERY_DETAIL_MAX]);

/* Frees what the query holds; a zeroed one is allowed. */
void query_free(struct query *query);

#endif
