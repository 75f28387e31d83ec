/*
 * A listening socket. It accepts a bounded number of connections in a turn of the
 * loop, so that many new clients do not starve the old ones. When descriptors run
 * out, it first closes the connection that has been idle longest. Then accepting
 * pauses, and clients wait in the kernel's queue, where another process may accept
 * them. After a second of pauses it answers one waiting client in each pause with
 * 503, by means of a descriptor that it keeps in reserve.
 *
 * Its server owns it; only the thread of the loop uses it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_LISTENER_H
#define OFFLOOP_SERVER_HTTP_HTTP_LISTENER_H

#include "server/http/http_server.h"

struct http_listener;

/* Takes the listening socket over, and accepts from now on. */
void http_listener_open(struct http_server *server, int fd);

/* Accepts the connections that wait already, where a drain asks for that, then closes
   every listener. */
void http_listener_close_all(struct http_server *server, bool accept_waiting);

#endif
