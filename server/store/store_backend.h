/*
 * What a store backend (LMDB, Redis) implements. Private to this room.
 *
 * store.c picks a backend by the URL's scheme and forwards every verb to it.
 * A backend embeds struct store as its first member; whatever it keeps for a
 * request in flight embeds struct store_flight, to which request->backend
 * points, so that store_cancel() needs nothing but the request.
 *
 * Everything here runs on the front's loop thread.
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_BACKEND_H
#define OFFLOOP_SERVER_STORE_STORE_BACKEND_H

#include "server/store/store.h"

/* The part of an object in flight that store_cancel() sees. */
struct store_flight {
    /* Forgets the request, of which the flight must keep no pointer after this. */
    void (*cancel)(struct store_flight *flight);
};

/* The verbs; see store.h for what each promises. */
struct store_backend {
    const char *scheme; /* "lmdb": URLs that begin with it and a colon */
    /* rest is the URL behind "scheme:"; NULL (and a line in the log) on failure */
    struct store *(*open)(struct ev_loop *loop, const struct store_config *config,
                          const char *rest);
    void (*close)(struct store *store); /* frees it */
    bool (*is_ready)(const struct store *store, const char **why_r);
    void (*get)(struct store *store, struct store_get *get);
    void (*list)(struct store *store, struct store_list *list);
    void (*count)(struct store *store, struct store_count *count);
    void (*collections)(struct store *store, struct store_collections *collections);
    void (*put)(struct store *store, struct store_put *put);
    int (*reap_readers)(struct store *store);
    uint64_t (*clock_us)(const struct store *store);
    void (*learn)(struct store *store, struct store_learn *learn); /* NULL: no need to */
    void (*read_counters)(const struct store *store, struct store_counters *counters_r);
};

/* The head of every backend's store. */
struct store {
    const struct store_backend *backend;
};

/* The text behind "scheme:" of a URL, or NULL where it has another scheme. */
const char *store_backend_match(const char *url, const char *scheme);

/* True where a stored name is one that the store can have been given: 1 to STORE_NAME_MAX
   bytes, each of which may stand in a name. What lies in a store may have been put there
   by others, or be damaged, and callers count on names. */
bool store_backend_name_is_sound(struct slice name);

#endif
