/*
 * The receiving half of a connection: bytes from the socket become requests and
 * bodies, which the handler is told of; what breaks a rule is answered here. All
 * of it is called inside a connection's run only, on the loop's thread.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_INPUT_H
#define OFFLOOP_SERVER_HTTP_HTTP_INPUT_H

#include "server/http/http_connection_state.h"

/* The bytes received and not used yet. */
struct slice http_input_bytes(const struct http_connection *c);

/* Forgets the bytes received and not used yet, and gives their memory back. */
void http_input_drop(struct http_connection *c);

/* Receives once. Returns true where something new came: bytes, the end, a failure. */
bool http_input_receive(struct http_connection *c);

/* Parses, feeds bodies and tells the handler, one step of it. Returns true where it got
   on and may be called again. */
bool http_input_step(struct http_connection *c);

/* Answers a broken rule with a problem where nothing has been answered yet, and closes.
   Ends the exchange. */
void http_input_refuse(struct http_connection *c, int status, const char *reason);

/* Ends the exchange, on_close included; does nothing where there is none. status 0 takes
   the reply's. */
void http_input_finish(struct http_connection *c, int status);

#endif
