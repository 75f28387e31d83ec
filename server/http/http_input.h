/*
 * The receiving half of a connection. It turns bytes from the socket into requests
 * and bodies, tells the handler of them, and answers a request that breaks a rule.
 * All functions are called in the run of a connection, on the loop's thread.
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

/* Does one step: parses, passes bytes of a body on, tells the handler. Returns true where
   it did something and may be called again. */
bool http_input_step(struct http_connection *c);

/* Answers a broken rule with a problem where nothing has been answered yet, and closes.
   Ends the exchange. */
void http_input_refuse(struct http_connection *c, int status, const char *reason);

/* Ends the exchange, on_close included; does nothing where there is none. status 0 takes
   the reply's. */
void http_input_finish(struct http_connection *c, int status);

#endif
