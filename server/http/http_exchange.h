/*
 * One request and its reply, from the first byte of its head to on_close. The
 * handler sees it through http.h. Its connection owns it; only the thread of the
 * loop uses it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_EXCHANGE_H
#define OFFLOOP_SERVER_HTTP_HTTP_EXCHANGE_H

#include "server/http/http.h"
#include "server/http/parser/http_body.h"
#include "server/http/http_head.h"
#include "server/http/parser/http_parser.h"

struct http_connection;

/* What becomes of the request's body. */
enum http_want {
    HTTP_WANT_NOTHING, /* nobody asked for it: it waits in the socket */
    HTTP_WANT_COLLECT, /* kept in `body` */
    HTTP_WANT_STREAM,  /* handed to on_body */
    HTTP_WANT_DISCARD  /* read and dropped: the reply has been given */
};

/* How far the reply is. */
enum http_replying {
    HTTP_REPLYING_NOT,
    HTTP_REPLYING_STREAM, /* begun, pieces to come */
    HTTP_REPLYING_DONE,   /* all of it is queued or sent */
    HTTP_REPLYING_ABORTED /* given up: the connection goes */
};

struct http_exchange {
    struct http_connection *connection;
    void *user; /* the handler's */
    struct http_request request;
    struct buf head;       /* the head's bytes; request and fields point into it */
    struct joined *joined; /* texts made by http_header_joined() */
    struct buf body;       /* collected */
    struct http_body decoder;
    uint64_t discard_left; /* bytes of body dropped before the connection is given
                                      up */
    uint64_t sent_bytes;
    int status; /* of the reply; 0 before */
    enum http_want want;
    enum http_replying replying;
    enum http_delimiter delimiter; /* of the reply */
    bool dispatched;               /* on_request was called */
    bool body_done;                /* the request has been read whole */
    bool body_end_told;            /* on_body_end was called */
    bool paused;
    bool expects_continue; /* the client waits for 100 */
    bool wants_writable;   /* on_writable is owed */
    bool chunk_open;       /* the last chunk's CRLF is still to be written */
    char peer[48];
    struct http_parser parser; /* last: large, and only its start is cleared */
};

/* A new exchange, ready to parse a head; ends with http_exchange_destroy(). */
struct http_exchange *http_exchange_create(struct http_connection *connection,
                                           const struct http_parser_limits *limits);

/* Frees; calls nobody. */
void http_exchange_destroy(struct http_exchange **x);

/* The head was parsed: keeps its bytes and fills in the request. */
void http_exchange_set_head(struct http_exchange *x, const uint8_t *bytes);

/* The host that the target names (absolute-form); empty where it names none. */
struct slice http_exchange_authority(const struct http_exchange *x);

/* True where the request has fields of that name whose values differ, in more than case.
 */
bool http_exchange_fields_differ(const struct http_exchange *x, const char *name);

/* Adds bytes to the collected body. Memory grows as bytes come, however long the body is
   said to be. */
void http_exchange_collect(struct http_exchange *x, struct slice bytes);

/* Reserves memory for more of a collected body of known length, so that it can be
   received in place; returns how many bytes fit. The caller adds to body.len. */
size_t http_exchange_reserve(struct http_exchange *x);

/* True while bytes of the body are to be read from the socket. */
bool http_exchange_reads(const struct http_exchange *x);

#endif
