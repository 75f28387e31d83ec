/*
 * How a connection finds its server when its URL does not say where the server
 * is: it asks a locator. The Sentinels are one (redis_sentinel.h). Loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_LOCATOR_H
#define OFFLOOP_SERVER_STORE_REDIS_LINK_REDIS_LOCATOR_H

#include <stdbool.h>
#include <string.h>

#define REDIS_LOCATOR_HOST_MAX 255

/* The result of a search. */
struct redis_found {
    char host[REDIS_LOCATOR_HOST_MAX + 1]; /* an address or a name; "" for none */
    unsigned port;
    unsigned votes;  /* how many say so... */
    unsigned voters; /* ...of how many that could be asked */
    const char *why; /* static text; why there is no server */
};

/* Called once, never before the search's call returns. */
typedef void redis_locator_done(void *ctx, const struct redis_found *found);

/* Embedded in the object that searches; its owner fills it in. */
struct redis_locator {
    /* Begins a search; only one may be under way. If lost is not NULL, it is the server
       that was lost: the search prefers another. */
    void (*search)(struct redis_locator *locator, const struct redis_found *lost,
                   redis_locator_done *done, void *ctx);
    /* Forgets the search: done will not be called. No-op if there is none. */
    void (*stop)(struct redis_locator *locator);
    /* True while a search is under way. */
    bool (*is_searching)(const struct redis_locator *locator);
};

/* True for the same host and port. */
static inline bool redis_found_equals(const struct redis_found *one,
                                      const struct redis_found *other)
{
    return one->port == other->port && strcmp(one->host, other->host) == 0;
}

#endif
