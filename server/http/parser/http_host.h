/*
 * Decides whether a request may name a host (RFC 9110 section 7.4), by the rules of
 * struct http_hosts in http.h. Pure; any thread may call.
 */
#ifndef OFFLOOP_SERVER_HTTP_PARSER_HTTP_HOST_H
#define OFFLOOP_SERVER_HTTP_PARSER_HTTP_HOST_H

#include <stdbool.h>

#include "server/http/http.h"

/* True where the rule allows the authority, which must be well formed: uri-host, perhaps
   with a port, which does not matter. is_local: the request came to a listener that only
   this host reaches. An empty authority names no host and is allowed. */
bool http_host_allowed(const struct http_hosts *hosts, struct slice authority,
                       bool is_local);

/* The host in an authority, without its port; a literal keeps its brackets. */
struct slice http_host_of(struct slice authority);

#endif
