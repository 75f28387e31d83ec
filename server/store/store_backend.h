/*
 * The interface that a store backend (LMDB, Redis) implements. Private to
 * server/store.
 *
 * store.c chooses a backend by the URL and forwards every call to it. A backend
 * embeds struct store as its first member. For a request in flight it keeps an
 * object that embeds struct store_flight; request->backend points to that, so
 * that store_cancel() needs only the request.
 *
 * All functions run on the front's loop thread, except check().
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_BACKEND_H
#define OFFLOOP_SERVER_STORE_STORE_BACKEND_H

#include "server/store/store.h"

/* The part of an object in flight that store_cancel() sees. */
struct store_flight {
    /* Forgets the request; the flight must keep no pointer to it after this. */
    void (*cancel)(struct store_flight *flight);
};

/* The functions; see store.h for what each promises. */
struct store_backend {
    /* NULL (and a line in the log) on failure */
    struct store *(*open)(struct ev_loop *loop, const struct store_config *config);
    void (*close)(struct store *store); /* frees it */
    bool (*is_ready)(const struct store *store, const char **why_r);
    void (*get)(struct store *store, struct store_get *get);
    void (*list)(struct store *store, struct store_list *list);
    void (*count)(struct store *store, struct store_count *count);
    void (*collections)(struct store *store, struct store_collections *collections);
    void (*put)(struct store *store, struct store_put *put);
    int (*reap_readers)(struct store *store);
    uint64_t (*clock_us)(const struct store *store);
    bool keeps_order; /* store_keeps_order() */
    void (*learn)(struct store *store, struct store_learn *learn); /* NULL: not needed */
    void (*read_counters)(const struct store *store, struct store_counters *counters_r);
    /* store_check(); *counts_r is zero before the call */
    int (*check)(const struct store_config *config, store_check_verify *verify, void *ctx,
                 struct store_check_counts *counts_r);
};

/* The head of every backend's store. */
struct store {
    const struct store_backend *backend;
    bool is_foreign;
};

/* The head of what a foreign store keeps from one run of a list to the next. */
struct store_scan {
    void (*free)(struct store_scan *scan);
};

/* store_cancel(), for a backend whose requests make requests of their own. */
void store_backend_cancel(struct store_request *request);

/* True for a name that the store can have been given: 1 to STORE_NAME_MAX bytes, all
   allowed in a name. A backend checks each name that it reads, because other programs may
   have written it, or it may be damaged, and callers rely on names. */
bool store_backend_name_is_sound(struct slice name);

/* Ends a request of any kind with a status; its other results must be set before. The
   request may be gone afterwards. */
#define STORE_BACKEND_END(ended, with)   \
    do {                                 \
        (ended)->request.backend = NULL; \
        (ended)->status = (with);        \
        (ended)->done(ended);            \
    } while (0)

#endif
