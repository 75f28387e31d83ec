/*
 * Reading steps: each runs within one read transaction that the caller holds
 * (and ends soon: a long reader keeps the writer from using freed pages again,
 * and the file grows), takes bounded time, and copies what it gives, so that
 * no pointer into the map outlives the transaction.
 *
 * What is damaged is logged here and given as STORE_ERROR. The loop's thread
 * and the store's thread may call, each with transactions of its own.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_READ_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_READ_H

#include "server/store/lmdb/lmdb_db.h"
#include "server/store/lmdb/lmdb_layout.h"

/* Finds a document without touching the pages of its bytes: *size_r is the value's size.
   OK, NOT_FOUND or ERROR. */
enum store_status lmdb_read_find(const struct lmdb_db *db, MDB_txn *txn,
                                 struct store_key name, MDB_val *value_r);

/* Takes a found value apart; its bytes are in the map, for as long as the transaction.
   OK, or ERROR (logged) where it is damaged. */
enum store_status lmdb_read_value(struct store_key name, MDB_val value,
                                  struct layout_value *value_r);

/* True where the pages of a found value are in memory, so that reading it waits for no
   disk. Values up to LMDB_READ_RESIDENT_MAX; of larger ones it says no. (A kernel that
   does not tell says yes: then they are read as smaller ones are.) */
#define LMDB_READ_RESIDENT_MAX (1U << 20)
bool lmdb_read_is_resident(MDB_val value);

/* Documents collected: rows whose slices point into ids and bytes once lmdb_read_list is
   done. The bytes are laid out as struct store_list says of its blob. */
struct lmdb_rows {
    uint8_t divider; /* behind each JSON text; set by the caller, as a store_list's */
    struct buf ids;
    struct buf bytes;
    struct store_document *documents;
    size_t count;
    size_t cap;
    bool more;
};

/* Which documents of a collection are wanted: see struct store_list. */
struct lmdb_range {
    struct slice collection;
    struct slice after;
    struct slice until;
    size_t max_documents;
    size_t max_bytes;
};

/* A run of a collection's documents: see struct store_list. */
enum store_status lmdb_read_list(const struct lmdb_db *db, MDB_txn *txn,
                                 const struct lmdb_range *range, struct lmdb_rows *rows);

/* Frees collected rows. */
void lmdb_read_free_rows(struct lmdb_rows *rows);

/* Sets *last_r (emptied first) to the greatest id of a collection; to nothing where it
   has no documents. */
enum store_status lmdb_read_last(const struct lmdb_db *db, MDB_txn *txn,
                                 struct slice collection, struct buf *last_r);

/* Counts at most `max` documents with ids greater than *after (a buffer that is set to
   the last one counted, if any); *count_r < max means that the collection ends there. */
enum store_status lmdb_read_count(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, struct buf *after,
                                  uint64_t max, uint64_t *count_r);

/* The number of documents that is kept for a collection; 0 for none such. */
enum store_status lmdb_read_total(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, uint64_t *count_r);

/* Collections collected; names point into bytes in the end. */
struct lmdb_names {
    struct buf bytes;
    struct store_collection *collections;
    size_t count;
    size_t cap;
    bool more;
};

/* A run of the collections: see struct store_collections. */
enum store_status lmdb_read_collections(const struct lmdb_db *db, MDB_txn *txn,
                                        struct slice after, size_t max_count,
                                        struct lmdb_names *names);

/* Frees collected names. */
void lmdb_read_free_names(struct lmdb_names *names);

#endif
