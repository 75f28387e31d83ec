/*
 * Finds the addresses of a host name without blocking the loop: getaddrinfo()
 * blocks, so each look-up runs in a thread of its own. Numeric hosts need no
 * look-up.
 *
 * All calls are the loop thread's.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_RESOLVE_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* The most addresses that are kept for a name. */
#define REDIS_RESOLVE_MAX 8

/* "192.0.2.1", "2001:db8::1%eth0" */
#define REDIS_RESOLVE_TEXT 64

/* The result of a look-up. */
struct redis_addresses {
    size_t count; /* 0: the name is not known, or no name server answers */
    char texts[REDIS_RESOLVE_MAX][REDIS_RESOLVE_TEXT];
};

struct ev_loop;
struct redis_resolve;

/* Called once on the loop, unless the look-up was dropped. why is a text if count is 0.
 */
typedef void redis_resolve_done(void *ctx, const struct redis_addresses *addresses,
                                const char *why);

/* Begins a look-up; never calls done before it returns. */
struct redis_resolve *redis_resolve_start(struct ev_loop *loop, const char *host,
                                          redis_resolve_done *done, void *ctx);

/* Forgets a look-up that has not called done yet. Its thread may still run, and frees the
   rest. NULL inside is allowed. */
void redis_resolve_drop(struct redis_resolve **resolve);

/* True for a numeric address. */
bool redis_resolve_is_numeric(const char *host);

#endif
