/*
 * A client's connection: it reads requests, hands them to the handler one at a
 * time as exchanges, writes replies, and closes so that the peer can still read
 * what it was told (RFC 9112 section 9).
 *
 * One function, http_connection_run(), moves it on. Descriptors, timers and
 * replies only cause it to run. It alone calls the handler's callbacks and frees
 * the connection, so nothing disappears under a caller. A run does a bounded
 * amount of work and continues in the next turn of the loop. Between requests a
 * connection owns no memory but its struct.
 *
 * Owned by its server; on the loop's thread only.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_H
#define OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_H

#include "server/http/http_connection_state.h"

/* Takes over a connected non-blocking socket. */
void http_connection_open(struct http_server *server, int fd,
                          const struct http_peer *peer);

/* Moves the connection on as far as this turn allows; revents as the loop told them (0
   for none). The connection may be gone afterwards. */
void http_connection_run(struct http_connection *c, int revents);

/* Has the connection run soon, because something changed outside a run (a reply, a
   resumed body). */
void http_connection_wake(struct http_connection *c);

/* Closes at once; on_close comes where an exchange is open. Not to be called in a run. */
void http_connection_destroy(struct http_connection **c);

/* Applies the shorter time of a drain to an idle connection. */
void http_connection_drain(struct http_connection *c);

#endif
