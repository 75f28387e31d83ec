/*
 * The document store as a front process uses it. All calls are asynchronous and
 * never block the loop.
 *
 * The caller embeds a request object, fills in its inputs, and calls a function.
 * The store calls the request's done on the loop's thread exactly once, perhaps
 * before the function returns, unless store_cancel() came first. The request must
 * stay in place until then. Its results belong to the request and are valid only
 * during done, except blobs, which done may keep with blob_ref().
 *
 * A foreign store holds values that belong to an application, which reads and writes
 * them, too (Redis with key=). They are JSON text, perhaps indented, or none at all, and
 * have no version of their own: the digest of the bytes (common/codec/digest.h) is the
 * version, and whoever needs it has a job make it. Such a store keeps no list of its
 * documents.
 *
 * Backends: LMDB (lmdb/: reads come from the map, writes go through the writer
 * process) and Redis (redis/). store.c chooses one by the URL.
 *
 * Only the front's loop thread may call, except store_check().
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_H
#define OFFLOOP_SERVER_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"

/* Longest collection name and longest id, in bytes. */
#define STORE_NAME_MAX 255

/* The most bytes of one document as stored; a larger PUT ends as STORE_ERROR. */
#define STORE_DOCUMENT_MAX (UINT64_C(512) << 20)

struct ev_loop;
struct store;

/* The format of stored bytes; kept with each document. The values are on disk. */
enum store_format { STORE_MSGPACK = 1, STORE_JSON = 2 };

/* How a request can end: NAME, text for people */
#define STORE_STATUS_MAP(X)                                                         \
    X(OK, "ok")                                                                     \
    X(CREATED, "created") /* PUT of a document that was not there */                \
    X(NOT_FOUND, "no such document")                                                \
    X(CONFLICT, "the condition does not hold") /* see store_put.condition */        \
    X(FULL, "the store is full")                                                    \
    X(DOWN, "the store cannot be reached")                                          \
    X(ERROR, "the store failed")                                                    \
    X(NO_MEMORY, "the memory for requests is taken: try again later")               \
    X(WRONG_TYPE, "Redis holds another type of value there, not a string")          \
    X(TOO_LARGE, "the value is larger than --max-body")                             \
    X(BAD_NAME, "the store's keys (key= in --store) have no place for such a name") \
    X(UNLISTED, "the store keeps no list of its documents")                         \
    X(UNSURE,                                                                       \
      "the store was lost before it answered: the write may or may not have happened")

enum store_status {
#define X(name, text) STORE_##name,
    STORE_STATUS_MAP(X)
#undef X
};

/* A document's name. Each part has at most STORE_NAME_MAX bytes, only of the characters
   that the API allows (so no NUL), and is not NUL-terminated. */
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

/* Memory that a caller may offer, instead of the heap, for the document that is read. A
   backend need not use it. */
struct store_target {
    /* Makes a blob of `len` bytes, with one reference for the store, which writes the
       document to *bytes_r. Returns NULL if there is not enough memory. Called only
       within store_get(). NULL: no offer. */
    struct blob *(*take)(void *ctx, size_t len, uint8_t **bytes_r);
    void *ctx;
    unsigned
        formats; /* formats of documents for this memory: bits of STORE_TARGET_FOR() */
};

/* The bit of a format. */
#define STORE_TARGET_FOR(format) (1u << (format))

/* Reads one document. */
struct store_get {
    struct store_request request;
    struct store_key key;       /* input; bytes must stay until done */
    struct store_target target; /* input; zeros for none */
    uint64_t known_version; /* input: if the document still has this version, it is not
                               read, and blob is NULL; 0 for none */
    void (*done)(struct store_get *get);
    /* results */
    enum store_status status; /* OK, NOT_FOUND, DOWN, ERROR, NO_MEMORY; of a foreign store
                                 also WRONG_TYPE, TOO_LARGE, BAD_NAME */
    struct blob *blob;        /* the bytes; released after done, keep with blob_ref() */
    enum store_format format;
    uint64_t version; /* 0 of a foreign store, which does not know it */
};

/* Where the list of a foreign store stands; the store's own. */
struct store_scan;

/* Reads a run of a collection's documents in id order. Runs are no snapshot: each sees
   the store as it is at that moment.

   A foreign store looks through all of its keys, in no order, from one run to the next;
   after and until are not looked at. A run may have no documents although more follow. A
   document may come twice. One that is no string or too large does not come. */
struct store_list {
    struct store_request request;
    struct slice collection; /* input; must stay until done */
    struct slice after;      /* input: ids greater than this; empty for the start */
    struct slice until;      /* input: no id greater than this; empty for no such bound */
    size_t max_documents;    /* input: at least 1 */
    size_t max_bytes;        /* input: stops before the document that would exceed it; the
                                first document comes in any case */
    uint8_t divider;         /* input: the byte after each JSON text in the blob */
    bool is_scan;            /* input: the client has asked for a scan */
    struct store_scan *scan; /* NULL before the first run; ended by store_list_end() */
    void (*done)(struct store_list *list);
    /* results */
    enum store_status status; /* OK (also for none), DOWN, ERROR, NO_MEMORY; of a foreign
                                 store also BAD_NAME, and UNLISTED where nobody has asked
                                 for a scan, or may */
    struct store_document *documents;
    size_t count;
    bool more;         /* documents follow the last one, up to `until` */
    struct blob *blob; /* the bytes of all documents, one after another with the dividers,
                          so that nothing must be copied; released after done, keep with
                          blob_ref(). NULL if there are no documents, or if the backend
                          has their bytes elsewhere (then they are small) */
};

/* Counts a collection's documents after an id, up to max_documents. The result has the id
   of the last document counted, so that a listing can name its next page before that is
   read. A count of many documents is no snapshot. */
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

/* The condition of a write on the stored document. */
enum store_condition {
    STORE_ALWAYS,
    STORE_IF_ABSENT,  /* only if there is no such document */
    STORE_IF_PRESENT, /* only if there is one */
    STORE_IF_VERSION  /* only if its version is if_version */
};
/* A PUT whose condition does not hold ends as CONFLICT, also if the document is missing.
   Deleting a missing document ends as NOT_FOUND, whatever the condition. */

/* Writes (or, with remove, deletes) one document. The write is durable when it ends as OK
   or CREATED. A write that ends as DOWN has not happened. A write that was sent when the
   store was lost ends as UNSURE; it is never sent again. */
struct store_put {
    struct store_request request;
    struct store_key key; /* input; bytes must stay until done */
    bool remove;          /* input: delete; blob and format are not used */
    struct blob *blob;    /* input: the bytes; the store takes its own reference */
    enum store_format format;
    enum store_condition condition;
    uint64_t if_version;
    void (*done)(struct store_put *put);
    /* results */
    enum store_status status; /* OK (replaced, deleted), CREATED, NOT_FOUND (deleting),
                                 CONFLICT, FULL, DOWN, UNSURE, ERROR; of a foreign store
                                 also WRONG_TYPE, TOO_LARGE and BAD_NAME */
    uint64_t version; /* the new version; never used before for any document. 0 of a
                         foreign store */
};

/* Reads the last version of a collection, so that store_clock_us() is not behind it. */
struct store_learn {
    struct store_request request;
    struct slice collection;                 /* input; must stay until done */
    void (*done)(struct store_learn *learn); /* also if it could not be read */
};

/* For stores over TLS: PEM texts, which need not stay; NULL for none. */
struct store_tls {
    const char *cert; /* our certificate and its chain, for a server that asks for it */
    const char *key;  /* the private key of cert */
    const char *ca;   /* CAs that may sign the server's; NULL for those of the system */
};

/* How a front opens its store. */
struct store_config {
    const char *url; /* see store_url.h; need not stay */
    struct store_tls tls;
    uint64_t max_value_bytes; /* of a foreign store: larger values are neither read nor
                                 written */
    uint64_t lmdb_max;        /* bytes */
    uint64_t timeout_ns;      /* LMDB: requests end as DOWN when the writer or the store's
                                 thread makes no progress for this time; 0 for 10 s */
    int writer_listen_fd; /* the writer's listening socket; only its address is used */
};

/* Opens the store for one front. Returns NULL, with a line in the log, if that is
   impossible. A store that is only down now is opened; its requests end as DOWN. */
struct store *store_open(struct ev_loop *loop, const struct store_config *config);

/* Closes; every request must be done or cancelled. Must not be called from a done
   callback. Waits for the current step of the store's thread. NULL inside is allowed. */
void store_close(struct store **store);

/* True if the store can answer; else *why_r is a static text for /readyz. */
bool store_is_ready(const struct store *store, const char **why_r);

/* Reads one document. Small ones are done before this returns. */
void store_get(struct store *store, struct store_get *get);

/* True for a foreign store: see the head of this file. */
bool store_is_foreign(const struct store *store);

/* Reads a run of documents; the store's thread does it. */
void store_list(struct store *store, struct store_list *list);

/* Ends a list that no request is in flight for: frees what lasts from run to run. */
void store_list_end(struct store_list *list);

/* Counts documents; the store's thread does it. Not for a foreign store. */
void store_count(struct store *store, struct store_count *count);

/* Reads a run of the collections; the store's thread does it. Not for a foreign store. */
void store_collections(struct store *store, struct store_collections *collections);

/* Writes or deletes one document. While the writer is replaced, writes wait for the next
   one for up to a second. If the queue is full, they end as DOWN at once. */
void store_put(struct store *store, struct store_put *put);

/* Forgets a request in flight: done will not be called, and the request may be freed at
   once. A write under way may still happen. No-op for a request not in flight. May be
   called from any done callback. */
void store_cancel(struct store_request *request);

/* Frees LMDB's reader slots of killed processes. Cheap. A front calls it when another
   front has died. Returns how many there were. */
int store_reap_readers(struct store *store);

/* Totals for /metrics. The writer's totals come with its answers and count from its
 * start.
 */
struct store_counters {
    uint64_t writes_sent;     /* by this front */
    uint64_t writes_unsure;   /* sent, but the writer was lost before it answered */
    uint64_t writes_waiting;  /* now: queued or sent, and unanswered */
    uint64_t thread_waiting;  /* now: reads for the store's thread */
    uint64_t writer_commits;  /* transactions that the writer committed */
    uint64_t writer_writes;   /* writes that it answered */
    uint64_t writer_restarts; /* connections to a writer, beyond the first */
};

/* Reads the totals. */
void store_read_counters(const struct store *store, struct store_counters *counters_r);

/* A time that has passed, in microseconds since 1970: the newest version that the store
   knows. Versions are made from the clock but never go back, even if the clock is set
   back while no server runs. 0 if the store knows none. */
uint64_t store_clock_us(const struct store *store);

/* True if small writes happen in the order of store_put(). False if one of them may be
   sent again behind later ones (Redis has lost its scripts, or a slot moves). */
bool store_keeps_order(const struct store *store);

/* See struct store_learn. Usually ends at once. */
void store_learn(struct store *store, struct store_learn *learn);

/* What store_check() found. */
struct store_check_counts {
    uint64_t documents; /* including damaged ones */
    uint64_t collections;
    uint64_t bytes;   /* of all documents, without the store's own heads */
    uint64_t damaged; /* findings: damaged documents and records */
};

/* Checks one document's bytes for the caller (with the codec): 0, or -1 for damaged
   bytes. May run in a child process: what it changes in memory may be lost. */
typedef int store_check_verify(void *ctx, struct store_key key, enum store_format format,
                               struct slice bytes);

/* Findings that store_check() logs one by one. */
#define STORE_CHECK_LOG_MAX 100

/* Verifies a whole store, for --check-store: reads every document and checks its head,
   key and version, the collections' counts and, with verify (NULL for none), its bytes.
   Servers may use the store meanwhile. Returns 0 for a sound store; -1 otherwise, with a
   line in the log for each of the first STORE_CHECK_LOG_MAX findings. Sets *counts_r in
   both cases. Only a process without threads and without an open store may call it: it
   forks or runs a loop of its own. */
int store_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r) __attribute__((warn_unused_result));

/* The text of a status, "the store is full". */
const char *store_status_text(enum store_status status);

#endif
