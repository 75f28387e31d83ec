/*
 * How fast peers receive and send. Where memory is short, the connections whose
 * memory waits for the slowest peers are cut off. The buffer of a socket may keep
 * megabytes for minutes, so not what the socket takes counts but what the peer
 * acknowledges.
 *
 * Owns nothing: it reads and marks the connections of a server. Only the thread of
 * the loop may call; nothing can fail.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_PACE_H
#define OFFLOOP_SERVER_HTTP_HTTP_PACE_H

#include "server/http/http_connection_state.h"

/* Begins to watch what the peer acknowledges, from now on. */
void http_pace_begin(struct http_connection *c, uint64_t now_ns);

/* Looks at what the peer has acknowledged since the last look. Returns true for any. */
bool http_pace_look(struct http_connection *c, uint64_t now_ns);

/* Counts in the memory budget what the connection uses now. */
void http_pace_count_memory(struct http_connection *c);

/* Cuts off the slowest connections until that frees so many bytes: soon the body of each
   is refused with 503, or its reply ends in the middle. Looks for them ten times a second
   at most. Returns true where it frees as many. */
bool http_pace_cut_slowest(struct http_server *server, uint64_t bytes);

#endif
