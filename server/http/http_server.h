/*
 * The server's inside, shared by the files of this room only: what all its
 * connections have in common. Owned by whoever called http_server_create().
 * On the loop's thread only.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_SERVER_H
#define OFFLOOP_SERVER_HTTP_HTTP_SERVER_H

#include <ev.h>

#include "common/base/list.h"
#include "server/http/http.h"
#include "server/http/http_head.h"
#include "server/http/parser/http_parser.h"

/* What all connections together receive and send in a turn of the loop in large pieces:
   about half a millisecond's work. */
#define HTTP_SERVER_TURN_BYTES ((size_t)512 * 1024)

/* What each may move when that is used up. */
#define HTTP_SERVER_SHARE_BYTES ((size_t)16 * 1024)

struct http_connection;

struct http_server {
    struct ev_loop *loop;
    struct http_limits limits;
    struct http_parser_limits parser_limits;
    struct http_callbacks callbacks;
    struct http_hosts hosts;
    void *context;

    struct list listeners;   /* struct http_listener */
    struct list connections; /* all of them */
    struct list idle;        /* those between requests, longest idle first */
    struct list ready;       /* those with work that no descriptor tells of */
    unsigned count;          /* of connections */
    uint64_t accepted;
    unsigned turn;       /* of the loop, that turn_bytes is of */
    size_t turn_bytes;   /* received and sent in it */
    uint64_t cuts;       /* connections cut off for their memory */
    uint64_t relieve_ns; /* when the slowest were last looked for */

    struct ev_prepare kick; /* never started: fed, to run the ready ones once */
    struct ev_idle again;   /* keeps the loop from sleeping while some are ready */

    bool turning; /* the ready ones are being run */
    bool draining;
    void (*drain_done)(void *context);
    void *drain_context;

    time_t date_second; /* of date */
    char date[HTTP_DATE_BYTES];
};

/* Has the connection run soon: in this turn of the loop, or in the next one where the
   ready ones are being run already. */
void http_server_make_ready(struct http_server *server, struct http_connection *c);

/* The text for the Date header, made once a second. */
const char *http_server_date(struct http_server *server);

/* Notes a connection's beginning. */
void http_server_add(struct http_server *server, struct http_connection *c);

/* Notes its end; the last one ends a drain. */
void http_server_remove(struct http_server *server, struct http_connection *c);

/* Has the slowest of those that hold memory give it up, until that makes so many bytes.
   Looks at them ten times a second at most. Returns whether it makes as many. */
bool http_server_relieve(struct http_server *server, uint64_t bytes);

/* How many bytes a connection may receive or send at once in this turn of the loop: what
   it would like, until all of them together have moved HTTP_SERVER_TURN_BYTES, and a
   little then, so that a turn stays short however many move a lot. */
size_t http_server_share(struct http_server *server, size_t wanted);

/* Notes bytes that were received or sent. */
void http_server_note_moved(struct http_server *server, size_t bytes);

/* Closes the connection that has been idle longest, where that is at least a second, to
   make room for another. Returns false where there is none. */
bool http_server_evict_idle(struct http_server *server);

#endif
