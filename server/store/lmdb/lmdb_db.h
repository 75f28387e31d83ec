/*
 * Opening and checking the LMDB environment: as the writer (which makes the
 * files) or as a reader (a front, whose transactions are read-only).
 *
 * - Never MDB_WRITEMAP: a full disk would be SIGBUS. Without it the file grows
 *   as pages are used, whatever the map's size: the map is address space only.
 * - MDB_NOTLS: a reader's slot belongs to its transaction, not to a thread.
 * - Readers map READER_MAP_MIN or more, so that a writer with a larger
 *   --lmdb-max than theirs does not outgrow them (MDB_MAP_RESIZED).
 * - A map smaller than the file (--lmdb-max was lowered) is made as large as the
 *   file and LMDB_DB_RESERVE, so that deletes go on.
 * - sync off is MDB_NOSYNC: nothing is flushed. kill -9 loses nothing then
 *   either (the kernel has the pages), but a power loss may damage the file.
 *
 * An environment must be opened only once in a process (LMDB's file locks), and
 * is used by the thread that opened it and by those it hands it to: read
 * transactions may run in any thread, the writer has one thread.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_DB_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_DB_H

#include <lmdb.h>

#include "common/base/buf.h"
#include "server/store/store.h"

#define LMDB_DB_READER_MAP_MIN (UINT64_C(256) << 30)

/* What puts leave free at the end of the map, in bytes, for deletes: they need some
   pages themselves before they free any. */
#define LMDB_DB_RESERVE (UINT64_C(1) << 20)

/* An open environment; env is NULL in a closed one. */
struct lmdb_db {
    MDB_env *env;
    MDB_dbi documents;
    MDB_dbi collections;
    MDB_dbi meta;
};

/* Opens the environment in a directory for writing; makes both where they are missing
   (readable by the user only). Returns -1, with the reason in the log, where that fails
   or the files are damaged, another program's, or of a newer version. */
int lmdb_db_open_writer(struct lmdb_db *db, const char *dir, uint64_t map_bytes,
                        bool sync) __attribute__((warn_unused_result));

/* Opens an environment that a writer has made, for reading. As above. */
int lmdb_db_open_reader(struct lmdb_db *db, const char *dir, uint64_t map_bytes)
    __attribute__((warn_unused_result));

/* Closes; no transaction may be open. A closed one is allowed. */
void lmdb_db_close(struct lmdb_db *db);

/* Begins a read transaction, freeing the slots of killed readers where there is none
   left. Returns 0 or LMDB's error. */
int lmdb_db_begin_read(const struct lmdb_db *db, MDB_txn **txn_r)
    __attribute__((warn_unused_result));

/* Renews a reset read transaction; as above. */
int lmdb_db_renew_read(const struct lmdb_db *db, MDB_txn *txn)
    __attribute__((warn_unused_result));

/* Begins a write transaction. Where another writer (of a newer configuration, during an
   upgrade) has outgrown our map, ours grows too; no transaction may be open. Returns 0 or
   LMDB's error. */
int lmdb_db_begin_write(const struct lmdb_db *db, MDB_txn **txn_r)
    __attribute__((warn_unused_result));

/* The map's size in bytes, after growing it as above where that is needed. */
uint64_t lmdb_db_map_bytes(const struct lmdb_db *db);

/* Frees the slots of killed readers; how many there were. */
int lmdb_db_reap_readers(const struct lmdb_db *db);

/* Where the used part of the file ends, in bytes, as of the last commit. */
uint64_t lmdb_db_used_bytes(const struct lmdb_db *db);

/* The size of a page, in bytes. */
size_t lmdb_db_page_bytes(const struct lmdb_db *db);

/* The status that a request ends with for LMDB's (or the system's) error. */
enum store_status lmdb_db_status(int error);

/* A view of bytes as LMDB takes and gives it. */
static inline MDB_val lmdb_db_val(struct slice bytes)
{
    return (MDB_val){bytes.len, (void *)(uintptr_t)bytes.data};
}

/* The other way round. */
static inline struct slice lmdb_db_slice(MDB_val val)
{
    return (struct slice){val.mv_data, val.mv_size};
}

#endif
