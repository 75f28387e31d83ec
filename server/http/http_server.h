/*
 * What the connections of one server share: limits, lists, the queue of those that
 * are ready to run, and how much may be moved in a turn of the loop. For the files
 * of this folder; the caller of http_server_create() owns it. Only the thread of
 * the loop uses it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_SERVER_H
#define OFFLOOP_SERVER_HTTP_HTTP_SERVER_H

#include <ev.h>

#include "common/base/list.h"
#include "server/http/http.h"
#include "server/http/http_head.h"
#include "server/http/parser/http_parser.h"

/* So much all connections together receive and send in large pieces in a turn of the
   loop: about half a millisecond of work. */
#define HTTP_SERVER_TURN_BYTES ((size_t)512 * 1024)

/* So much each of them may still move after that. */
#define HTTP_SERVER_SHARE_BYTES ((size_t)16 * 1024)

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
    struct list ready;       /* those that have work without an event of a descriptor */
    unsigned count;          /* of connections */
    uint64_t accepted;
    unsigned turn;          /* of the loop, that turn_bytes is of */
    size_t turn_bytes;      /* received and sent in it */
    uint64_t cuts;          /* connections cut off for their memory */
    uint64_t cut_looked_ns; /* when the slowest were last looked for */

    void (*run)(struct list *ready_link); /* runs a connection that is ready */
    struct ev_prepare
        kick;             /* never started; an event is fed to it to run the ready ones */
    struct ev_idle again; /* keeps the loop from sleeping while some are ready */

    bool turning; /* the ready ones are being run */
    bool draining;
    void (*drain_done)(void *context);
    void *drain_context;

    time_t date_second; /* of date */
    char date[HTTP_DATE_BYTES];
};

/* Prepares a zeroed server's lists and watchers. run() is called for each connection that
   is ready, and may free it. */
void http_server_init(struct http_server *server, struct ev_loop *loop,
                      void (*run)(struct list *ready_link));

/* Stops the watchers, when no connection is left. */
void http_server_stop(struct http_server *server);

/* Runs the ready ones after all other events of this turn of the loop. */
void http_server_kick(struct http_server *server);

/* Has the connection run soon: in this turn of the loop, or in the next turn where the
   ready ones are being run already. */
void http_server_make_ready(struct http_server *server, struct list *ready_link);

/* The text for the Date header, made once a second. */
const char *http_server_date(struct http_server *server);

/* A connection begins. */
void http_server_add(struct http_server *server, struct list *all_link);

/* A connection ends; the last one ends a drain. */
void http_server_remove(struct http_server *server, struct list *all_link);

/* How many bytes a connection may receive or send at once in this turn of the loop: as
   many as it wants until all connections together have moved HTTP_SERVER_TURN_BYTES, then
   a few. So a turn stays short, however many connections move a lot. */
size_t http_server_share(struct http_server *server, size_t wanted);

/* Counts bytes that were received or sent. */
void http_server_add_moved(struct http_server *server, size_t bytes);

#endif
