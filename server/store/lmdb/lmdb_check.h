/*
 * Reads and checks every record of an LMDB store: for --check-store, and for
 * the writer when the file is shorter than its records say.
 *
 * The check runs in a forked child process. LMDB does not check its pages, and
 * aborts or faults on bad ones; the end of the child is then a finding as any
 * other. Only processes without threads may call, because of the fork.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_CHECK_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_CHECK_H

#include "server/store/store.h"

/* Checks all records of the store in a directory; verify may be NULL and runs in the
   child. Returns 0 if all are sound. Returns -1, with lines in the log, otherwise, also
   if the store cannot be opened. */
int lmdb_check_in_child(const char *dir, uint64_t map_bytes, store_check_verify *verify,
                        void *ctx, struct store_check_counts *counts_r)
    __attribute__((warn_unused_result));

#endif
