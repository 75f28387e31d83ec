/*
 * Verifying a whole store, for --check-store. May run beside a server. Called
 * by a process without threads and without open stores (it forks).
 */
#ifndef OFFLOOP_SERVER_STORE_STORE_CHECK_H
#define OFFLOOP_SERVER_STORE_STORE_CHECK_H

#include "server/store/store.h"

/* What was found. */
struct store_check_counts {
    uint64_t documents;
    uint64_t collections;
    uint64_t bytes;   /* of all documents */
    uint64_t damaged; /* documents and records that are not sound */
};

/* A second opinion on a document's bytes (the codec's): 0, or -1 where they are damaged.
   Runs in a child process: what it changes in memory is lost. */
typedef int store_check_verify(void *ctx, struct store_key key, enum store_format format,
                               struct slice bytes);

/* Walks every document: heads, keys, versions, the collections' counts and, with verify
   (which may be NULL), the bytes. Returns 0 where all is sound; -1 otherwise, with a line
   in the log for each finding (up to 100). *counts_r is filled in either case. */
int store_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r) __attribute__((warn_unused_result));

#endif
