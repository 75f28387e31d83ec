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
 * process) and Redis (redis_*.c). store.c chooses by URL.
 *
 * Only the front's loop thread may call.
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_H
#define OFFLOOP_SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"

/* Longest collection name and longest id, in bytes. */
#define STORE_NAME_MAX 255

/* Most bytes of one document as stored; a larger PUT ends as STORE_ERROR. */
#define STORE_DOCUMENT_MAX (UINT64_C(512) << 20)

struct ev_loop;
struct store;

/* How stored bytes are to be read; kept with each document. Values are on disk. */
enum store_format { STORE_MSGPACK = 1, STORE_JSON = 2 };

/* How a request can end: NAME, text for people. */
#define STORE_STATUS_MAP(X)                                                  \
    X(OK, "ok")                                                              \
    X(CREATED, "created") /* PUT of a document that was not there */         \
    X(NOT_FOUND, "no such document")                                         \
    X(CONFLICT, "the condition does not hold") /* see store_put.condition */ \
    X(FULL, "the store is full")                                             \
    X(DOWN, "the store cannot be reached")                                   \
    X(ERROR, "the store failed")                                             \
    X(NO_MEMORY, "the memory for requests is taken: try again later")        \
    X(UNSURE,                                                                \
      "the store was lost before it answered: the write may or may not have happened")

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

/* One row of a listing. */
struct store_document {
    struct slice id;
    struct slice bytes;
    enum store_format format;
    uint64_t version;
};

/* Common head of all requests; private to the store. Zero it before the first use, so
   that store_cancel() can tell an unused request from one in flight. */
struct store_request {
    void *backend; /* where the request is in flight, NULL otherwise */
};

/* Other memory than the heap for what is read, that a caller may offer; a backend need
   not take it. */
struct store_target {
    /* A blob of `len` bytes, which the store fills in at *bytes_r; one reference, the
       store's. Returns NULL where there is no room. Called within store_get() only. NULL
       for no such offer. */
    struct blob *(*take)(void *ctx, size_t len, uint8_t **bytes_r);
    void *ctx;
    unsigned formats; /* documents of these go there: bits of STORE_ROOM_FOR() */
};

/* The bit of a format. */
#define STORE_ROOM_FOR(format) (1u << (format))

/* Reads one document. */
struct store_get {
    struct store_request request;
    struct store_key key;       /* input; bytes must stay until done */
    struct store_target target; /* input; zeros for none */
    uint64_t known_version; /* input: where the document still has this version, it is not
                               read, and blob is NULL; 0 for none */
    void (*done)(struct store_get *get);
    /* results */
    enum store_status status; /* OK, NOT_FOUND, DOWN, ERROR, NO_MEMORY */
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
    struct slice until;      /* input: no id greater than this; empty for no such bound */
    size_t max_documents;    /* input: at least 1 */
    size_t max_bytes;        /* input: stops before the document that would exceed it, but
                                always gives one where there is one */
    uint8_t divider;         /* input: what follows each JSON text in the blob */
    void (*done)(struct store_list *list);
    /* results */
    enum store_status status; /* OK (also for none), DOWN, ERROR, NO_MEMORY */
    struct store_document *documents;
    size_t count;
    bool more;         /* documents follow the last one, up to `until` */
    struct blob *blob; /* what all documents' bytes lie in, back to back but for the
                          dividers, so that a run of them needs no copy; released after
                          done, keep with blob_ref(). NULL where the backend has them
                          elsewhere (then they are small), or there are none */
};

/* Counts a collection's documents after an id, stopping at max_documents, and tells where
   it stopped (so that a listing can name its next page before it is read). A count of
   many documents is no snapshot either. */
struct store_count {
    struct store_request request;
    struct slice collection; /* inputs as in store_list */
    struct slice after;
    uint64_t max_documents;
    void (*done)(struct store_count *count);
    /* results */
    enum store_status status;
    uint64_t documents;
    bool more; /* documents follow the last one counted */
    uint8_t last_id_len;
    uint8_t last_id[STORE_NAME_MAX]; /* of the last one counted; empty for none */
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
    enum store_status status; /* OK (also for none), DOWN, ERROR */
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
/* A PUT whose condition does not hold is CONFLICT, also where the document is missing;
   deleting a missing document is NOT_FOUND whatever the condition. */

/* Writes (or, with remove, deletes) one document; durable when done says so. A write that
   ends as DOWN has not happened; one that the store had when it was lost ends as UNSURE,
   and is never replayed. */
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
                                 CONFLICT, FULL, DOWN, UNSURE, ERROR */
    uint64_t version;         /* the new version; never used before for any document */
};

/* Has store_clock_us() know the last version of a collection. */
struct store_learn {
    struct store_request request;
    struct slice collection;                 /* input; must stay until done */
    void (*done)(struct store_learn *learn); /* also where it could not be learned */
};

/* For stores that are reached by TLS: PEM texts, which need not stay; NULL for none. */
struct store_tls {
    const char *cert; /* ours, for a server that asks for one, and what is behind it */
    const char *key;  /* of cert */
    const char *ca;   /* who may vouch for the server; NULL for those the system trusts */
};

/* What a front needs to open its store. */
struct store_config {
    const char *url; /* see store_url.h; need not stay */
    struct store_tls tls;
    uint64_t lmdb_max;    /* bytes */
    uint64_t timeout_ns;  /* how long LMDB's processes and threads may show no progress
                             before what waits for them ends; 0 for 10 s */
    int writer_listen_fd; /* the writer's listening socket (its address is asked of it) */
};

/* Opens the store for one front. Logs and returns NULL where that cannot be done at all;
   a store that is only down now is opened and answers DOWN. */
struct store *store_open(struct ev_loop *loop, const struct store_config *config);

/* Closes; every request must be done or cancelled. Never from within a done callback.
   Waits for the step that the store's thread is in. NULL inside is allowed. */
void store_close(struct store **store);

/* True where the store can answer; else *why_r is a static text for /readyz. */
bool store_is_ready(const struct store *store, const char **why_r);

/* Reads one document. Small ones are done before this returns. */
void store_get(struct store *store, struct store_get *get);

/* Reads a run of documents; the store's thread does it. */
void store_list(struct store *store, struct store_list *list);

/* Counts documents; the store's thread does it. */
void store_count(struct store *store, struct store_count *count);

/* Reads a run of the collections; the store's thread does it. */
void store_collections(struct store *store, struct store_collections *collections);

/* Writes or deletes one document. While the writer is being replaced, writes wait up to
   a second for the next one; a queue that is full ends them as DOWN at once. */
void store_put(struct store *store, struct store_put *put);

/* Forgets a request in flight: done will not be called and the request may be freed at
   once. A write that was under way may still happen. No-op for one not in flight; may be
   called from any done callback. */
void store_cancel(struct store_request *request);

/* Frees what processes that were killed left behind in the store (LMDB's reader slots);
   cheap. For a front to call when a sibling has died. Returns how many there were. */
int store_reap_readers(struct store *store);

/* Totals for /metrics. Those of the writer are as its last answer told them, since that
   writer's start. */
struct store_counters {
    uint64_t writes_sent;     /* by this front */
    uint64_t writes_unsure;   /* sent, but the writer went before it answered */
    uint64_t writes_waiting;  /* now: queued or sent, and unanswered */
    uint64_t thread_waiting;  /* now: reads that the store's thread has to do */
    uint64_t writer_commits;  /* transactions that the writer committed */
    uint64_t writer_writes;   /* writes that it answered */
    uint64_t writer_restarts; /* connections to a writer, beyond the first */
};

/* Reads the totals. */
void store_read_counters(const struct store *store, struct store_counters *counters_r);

/* A time that has passed, in microseconds since 1970, as far as the store knows one: its
   versions are made of the clock and never go back, as the clock may, not even while no
   server runs. 0 where it knows none. */
uint64_t store_clock_us(const struct store *store);

/* See struct store_learn. Hardly ever takes more than a moment. */
void store_learn(struct store *store, struct store_learn *learn);

/* The text of a status, "the store is full". */
const char *store_status_text(enum store_status status);

#endif
