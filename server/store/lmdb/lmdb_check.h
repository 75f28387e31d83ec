/*
 * Walking every record of an LMDB store and checking it: what --check-store
 * does, and the writer where the file's length is odd.
 *
 * The walk runs in a forked child, because nothing less survives a file whose
 * pages point anywhere: LMDB trusts its pages, and aborts or faults on bad
 * ones. That is a finding like any other then. To be called by processes
 * without threads only (fork).
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_CHECK_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_CHECK_H

#include "server/store/store.h"

/* What a walk found. */
struct lmdb_check_result {
    uint64_t documents;   /* looked at, the damaged ones included */
    uint64_t collections; /* looked at */
    uint64_t bytes;       /* of all documents, without heads */
    uint64_t damaged;     /* findings; each was logged (the first WALK_LOG_MAX) */
};

/* Findings that are logged one by one. */
#define WALK_LOG_MAX 100

/* A second opinion on a document's bytes: 0, or -1 where they are damaged. Runs in the
   child: what it changes in memory is lost. */
typedef int lmdb_check_verify(void *ctx, struct store_key key, enum store_format format,
                              struct slice bytes);

/* Walks all records of the store in a directory; verify may be NULL. Returns 0 where all
   are sound, -1 with lines in the log otherwise, also where it cannot be opened. */
int lmdb_check_in_child(const char *dir, uint64_t map_bytes, lmdb_check_verify *verify,
                        void *ctx, struct lmdb_check_result *result_r)
    __attribute__((warn_unused_result));

#endif
