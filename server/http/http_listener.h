/*
 * A listening socket: accepts a bounded number of connections per turn, so that
 * a rush of new clients does not starve the old ones, and steps back when
 * descriptors run out: first the longest idle connection makes room, then
 * accepting pauses (what waits stays in the kernel's queue, perhaps for another
 * process), and when that has lasted a second, one waiting client per pause is
 * sent away with a 503 by way of a descriptor kept in reserve.
 *
 * Owned by its server; on the loop's thread only.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_LISTENER_H
#define OFFLOOP_SERVER_HTTP_HTTP_LISTENER_H

#include "server/http/http_server.h"

struct http_listener;

/* Takes the listening socket over, and accepts from now on. */
void http_listener_open(struct http_server *server, int fd);

/* Accepts what waits already (a drain's last), then closes every listener. */
void http_listener_close_all(struct http_server *server, bool accept_waiting);

#endif
