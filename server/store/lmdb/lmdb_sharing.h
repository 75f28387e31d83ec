/*
 * Whether another server works on a store already. LMDB allows it and nothing
 * breaks, but each commits by itself and counts its own, and it is hardly ever
 * meant. Found by LMDB's table of readers: every front has its place there.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_SHARING_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_SHARING_H

#include <sys/types.h>

#include "server/store/lmdb/lmdb_db.h"

/* The pid of another offloop-server's master whose children have the store open; 0 where
   there is none, or it cannot be seen. Ours is our parent; children whose master has died
   count for nobody's. */
pid_t lmdb_sharing_find(const struct lmdb_db *db);

#endif
