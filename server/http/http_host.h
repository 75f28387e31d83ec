/*
 * Whether a request names a host that this server is (RFC 9110 section 7.4): the
 * rules of struct http_hosts in http.h. Pure; the loop's thread.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_HOST_H
#define OFFLOOP_SERVER_HTTP_HTTP_HOST_H

#include <stdbool.h>

#include "server/http/http.h"

/* True where the rule lets the authority (well formed: uri-host, perhaps with a port,
   which plays no part) be named. is_local: the request came by a listener that only
   this host reaches. An empty authority names no host, which is allowed. */
bool http_host_allowed(const struct http_hosts *hosts, struct slice authority,
                       bool is_local);

/* The host in an authority, without its port; a literal keeps its brackets. */
struct slice http_host_of(struct slice authority);

#endif
