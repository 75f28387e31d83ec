/*
 * The store as a front process sees it: asynchronous, never blocking the loop.
 *
 * A caller embeds a request object, fills in its inputs, and calls a verb. The
 * store calls request->done on the loop's thread exactly once, perhaps before
 * the verb returns, unless store_cancel() came first. The request must stay in
 * place until then; its results belong to the request and are valid during
 * done only, but for blobs, which done may keep with blob_ref().
 *
 * Backends: LMDB (lmdb_*.c: reads from the map, writes through the one writer
 * process) and, later, Redis. store.c chooses by URL.
 *
 * Only the front's loop thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_H
#define OFFLOOP_SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/blob.h"
#include "common/list.h"

/* Longest collection name and longest id, in bytes. */
#define STORE_NAME_MAX 255

struct ev_loop;
struct store;

/* How stored bytes are to be read; kept with each document. Values are on disk. */
enum store_format { STORE_MSGPACK = 1, STORE_JSON = 2 };

/* How a request can end: NAME, text for people. */
#define STORE_STATUS_MAP(X)                                                   \
    X(OK, "ok")                                                               \
    X(CREATED, "created") /* PUT of a document that was not there */          \
    X(NOT_FOUND, "no such document")                                          \
    X(CONFLICT, "the condition does not hold") /* see store_put.if_version */ \
    X(FULL, "the store is full")                                              \
    X(DOWN, "the store cannot be reached")                                    \
    X(ERROR, "the store failed")

enum store_status {
#define X(name, text) STORE_##name,
    STORE_STATUS_MAP(X)
#undef X
};

/* A document's name; not NUL-terminated, at most STORE_NAME_MAX bytes each, and only of
   the characters the API allows (so never a NUL). */
struct store_key {
    struct slice collection;
    struct slice id;
};

struct store_document {
    struct slice id; /* in listings */
    struct slice bytes;
    enum store_format format;
    uint64_t version;
};

/* Common head of all requests. Private to the store but for ctx and done's use. */
struct store_request {
    struct list link;
    void *backend; /* where the request is in flight, NULL otherwise */
    enum store_status status;
};

/* Reads one document. */
struct store_get {
    struct store_request request;
    struct store_key key; /* input; bytes must stay until done */
    void (*done)(struct store_get *get);
    /* results */
    enum store_status status; /* OK, NOT_FOUND, DOWN, ERROR */
    struct blob *blob;        /* the bytes; released after done, keep with blob_ref() */
    enum store_format format;
    uint64_t version;
};

/* Reads a run of a collection's documents in id order. Not a snapshot: each run sees the
   store as it is then. */
struct store_list {
    struct store_request request;
    struct slice collection; /* input; must stay until done */
    struct slice after;      /* input: ids greater than this; empty for the start */
    size_t max_documents;    /* input: at least 1 */
    size_t max_bytes;        /* input: stops before the document that would exceed it, but
                                always gives one where there is one */
    void (*done)(struct store_list *list);
    /* results */
    enum store_status status; /* OK (also for none), DOWN, ERROR */
    struct store_document *documents;
    size_t count;
    bool more; /* documents follow the last one */
};

/* Counts a collection's documents after an id, stopping at max_documents. */
struct store_count {
    struct store_request request;
    struct slice collection; /* inputs as in store_list */
    struct slice after;
    uint64_t max_documents;
    void (*done)(struct store_count *count);
    /* results */
    enum store_status status;
    uint64_t documents;
};

struct store_collection {
    struct slice name;
    uint64_t documents;
};

/* Reads a run of the collections' names in order, with their document counts. */
struct store_collections {
    struct store_request request;
    struct slice after; /* input: names greater than this; empty for the start */
    size_t max_count;   /* input */
    void (*done)(struct store_collections *collections);
    /* results */
    enum store_status status;
    struct store_collection *collections;
    size_t count;
    bool more;
};

/* What a write demands of the version that is there. */
enum store_condition {
    STORE_ALWAYS,
    STORE_IF_ABSENT,  /* only where there is no such document */
    STORE_IF_PRESENT, /* only where there is one */
    STORE_IF_VERSION  /* only where its version is if_version */
};

/* Writes (or, with remove, deletes) one document; durable when done says so. A writer
   that dies answers DOWN; the write may or may not have happened, and is never
   replayed. */
struct store_put {
    struct store_request request;
    struct store_key key; /* input; bytes must stay until done */
    bool remove;          /* input: delete instead; blob and format are not used */
    struct blob *blob;    /* input: the bytes; the store takes its own reference */
    enum store_format format;
    enum store_condition condition;
    uint64_t if_version;
    void (*done)(struct store_put *put);
    /* results */
    enum store_status status; /* OK (replaced, deleted), CREATED, NOT_FOUND (deleting),
                                 CONFLICT, FULL, DOWN, ERROR */
    uint64_t version;         /* the new version; never used before for any document */
};

/* What a front needs to open its store. */
struct store_config {
    const char *url;      /* "lmdb:DIR" */
    uint64_t lmdb_max;    /* bytes */
    int writer_listen_fd; /* the writer's listening socket (its address is asked of it) */
};

/* Opens the store for one front. Logs and returns NULL where that cannot be done at all;
   a store that is only down now is opened and answers DOWN. */
struct store *store_open(struct ev_loop *loop, const struct store_config *config);

/* Closes; every request must be done or cancelled. NULL inside is allowed. */
void store_close(struct store **store);

/* True where the store can answer; else *why_r is a static text for /readyz. */
bool store_is_ready(const struct store *store, const char **why_r);

/* The verbs: see the request types. */
void store_get(struct store *store, struct store_get *get);
void store_list(struct store *store, struct store_list *list);
void store_count(struct store *store, struct store_count *count);
void store_collections(struct store *store, struct store_collections *collections);
void store_put(struct store *store, struct store_put *put);

/* Forgets a request in flight: done will not be called and the request may be freed at
   once. A write that was under way may still happen. No-op for one not in flight. */
void store_cancel(struct store_request *request);

/* The text of a status. */
const char *store_status_text(enum store_status status);

#endif
