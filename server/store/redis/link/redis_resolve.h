/*
 * From a host's name to numeric addresses, off the loop: getaddrinfo() blocks,
 * so each look-up has a short thread of its own. Numeric hosts need none.
 *
 * All calls are the loop thread's.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_RESOLVE_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* Addresses that are kept of a name. */
#define REDIS_RESOLVE_MAX 8

/* "192.0.2.1", "2001:db8::1%eth0" */
#define REDIS_RESOLVE_TEXT 64

/* What a look-up gave. */
struct redis_addresses {
    size_t count; /* 0: the name is not known, or nobody could be asked */
    char texts[REDIS_RESOLVE_MAX][REDIS_RESOLVE_TEXT];
};

struct ev_loop;
struct redis_resolve;

/* Called on the loop, once, unless the look-up was dropped; why is a text where count is
   0. */
typedef void redis_resolve_done(void *ctx, const struct redis_addresses *addresses,
                                const char *why);

/* Begins a look-up; never calls done before it returns. */
struct redis_resolve *redis_resolve_start(struct ev_loop *loop, const char *host,
                                          redis_resolve_done *done, void *ctx);

/* Forgets a look-up that has not called done yet (its thread may go on and leaves nothing
   behind); NULL inside is allowed. */
void redis_resolve_drop(struct redis_resolve **resolve);

/* True for an address, which needs no look-up. */
bool redis_resolve_is_numeric(const char *host);

#endif
