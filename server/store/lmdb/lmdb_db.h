/*
 * An open LMDB environment: opening it for reading, its transactions, sizes and
 * errors. lmdb_open_writer.h opens it for writing.
 *
 * - MDB_WRITEMAP is never used, because a full disk would be a SIGBUS. Without
 *   it the file grows as pages are used, whatever the map's size: the map is
 *   address space only.
 * - MDB_NOTLS: a reader's slot belongs to its transaction, not to a thread.
 * - Readers map LMDB_DB_READER_MAP_MIN or more, so that the file of a writer
 *   with a larger --lmdb-max does not outgrow their map (MDB_MAP_RESIZED).
 *
 * A process may open an environment only once (LMDB's file locks). Read
 * transactions may run in any thread; write transactions run in one thread, the
 * writer's.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_DB_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_DB_H

#include <lmdb.h>

#include "common/base/buf.h"
#include "server/store/store.h"

#define LMDB_DB_READER_MAP_MIN (UINT64_C(256) << 30)

/* Bytes at the end of the map that puts leave free for deletes, which need some pages
   before they free any. */
#define LMDB_DB_RESERVE (UINT64_C(1) << 20)

/* An open environment; env is NULL in a closed one. */
struct lmdb_db {
    MDB_env *env;
    MDB_dbi documents;
    MDB_dbi collections;
    MDB_dbi meta;
};

/* Opens an environment that a writer has made, for reading. Returns -1, with the reason
   in the log, if that fails or the files are damaged, another program's, or of a newer
   version. */
int lmdb_db_open_reader(struct lmdb_db *db, const char *dir, uint64_t map_bytes)
    __attribute__((warn_unused_result));

/* The steps of opening, also for lmdb_open_writer.c. This one opens the environment in a
   directory with LMDB's flags, and leaves it closed on an error. Returns 0 or LMDB's
   error.
 */
int lmdb_db_open_env(struct lmdb_db *db, const char *dir, uint64_t map_bytes,
                     unsigned flags) __attribute__((warn_unused_result));

/* Opens the three databases in a transaction; with MDB_CREATE, makes those that are
   missing. Returns 0 or LMDB's error. */
int lmdb_db_open_databases(struct lmdb_db *db, MDB_txn *txn, unsigned flags)
    __attribute__((warn_unused_result));

/* Opens the databases of a file that has them and checks that the file is ours. Returns
   -1, with the reason in the log, otherwise; without a line for a new file: then *empty_r
   is set. */
int lmdb_db_open_filled(struct lmdb_db *db, const char *dir, bool *empty_r)
    __attribute__((warn_unused_result));

/* Logs why the store in a directory cannot be opened, for LMDB's error; returns -1. */
int lmdb_db_refuse(const char *dir, int error);

/* Closes; no transaction may be open. A closed one is allowed. */
void lmdb_db_close(struct lmdb_db *db);

/* Begins a read transaction. If no reader's slot is left, it frees those of killed
   readers. Returns 0 or LMDB's error. */
int lmdb_db_begin_read(const struct lmdb_db *db, MDB_txn **txn_r)
    __attribute__((warn_unused_result));

/* Renews a reset read transaction; as above. */
int lmdb_db_renew_read(const struct lmdb_db *db, MDB_txn *txn)
    __attribute__((warn_unused_result));

/* Begins a write transaction. If another writer (with a newer configuration, during an
   upgrade) has made the file larger than our map, our map grows; no transaction may be
   open. Returns 0 or LMDB's error. */
int lmdb_db_begin_write(const struct lmdb_db *db, MDB_txn **txn_r)
    __attribute__((warn_unused_result));

/* The map's size in bytes, after it has grown as above if needed. */
uint64_t lmdb_db_map_bytes(const struct lmdb_db *db);

/* Frees the slots of killed readers; returns how many there were. */
int lmdb_db_reap_readers(const struct lmdb_db *db);

/* Where the used part of the file ends, in bytes, as of the last commit. */
uint64_t lmdb_db_used_bytes(const struct lmdb_db *db);

/* The size of a page, in bytes. */
size_t lmdb_db_page_bytes(const struct lmdb_db *db);

/* The status of a request for LMDB's (or the system's) error. */
enum store_status lmdb_db_status(int error);

/* A view of bytes, in LMDB's type. */
static inline MDB_val lmdb_db_val(struct slice bytes)
{
    return (MDB_val){bytes.len, (void *)(uintptr_t)bytes.data};
}

/* The same in our type. */
static inline struct slice lmdb_db_slice(MDB_val val)
{
    return (struct slice){val.mv_data, val.mv_size};
}

#endif
