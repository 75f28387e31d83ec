/*
 * How fast peers move bytes, and what is done where memory is short: those that
 * hold the most of it for the longest are cut off. A socket that takes bytes
 * says little about its peer, because its buffer may hold megabytes for minutes;
 * what the peer acknowledges counts.
 *
 * Owns nothing: it reads and marks the connections of a server. On the loop's
 * thread only; nothing can fail.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_PACE_H
#define OFFLOOP_SERVER_HTTP_HTTP_PACE_H

#include "server/http/http_connection_state.h"

/* Begins to watch what the peer acknowledges, from now on. */
void http_pace_begin(struct http_connection *c, uint64_t now_ns);

/* Looks at what the peer has acknowledged since the last look. Returns true for any. */
bool http_pace_look(struct http_connection *c, uint64_t now_ns);

/* Brings the memory budget up to date with what the connection holds now. */
void http_pace_count_memory(struct http_connection *c);

/* Has the slowest of those that hold memory give it up, until that makes so many bytes.
   Looks at them ten times a second at most. Returns whether it makes as many. Each that
   is cut off is told soon: its body is refused with 503, its reply ends in the middle. */
bool http_pace_cut_slowest(struct http_server *server, uint64_t bytes);

#endif
