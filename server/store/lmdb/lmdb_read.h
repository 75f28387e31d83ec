/*
 * Reads documents, listings, counts and collections from LMDB. Each function
 * runs in a read transaction of the caller and takes bounded time. The caller
 * ends the transaction soon, because the writer cannot reuse pages that a long
 * reader may see, and the file grows. Results are copies, except those of
 * lmdb_read_find() and lmdb_read_value().
 *
 * Damage is logged here and returned as STORE_ERROR. The loop's thread and the
 * store's thread may call, each with transactions of its own.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_READ_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_READ_H

#include "server/store/lmdb/lmdb_db.h"
#include "server/store/lmdb/lmdb_layout.h"

/* Finds a document's value without touching the pages of its bytes. OK, NOT_FOUND or
   ERROR. */
enum store_status lmdb_read_find(const struct lmdb_db *db, MDB_txn *txn,
                                 struct store_key name, MDB_val *value_r);

/* Takes a found value apart; its bytes lie in the map, and are valid in the transaction.
   OK, or ERROR (logged) if it is damaged. */
enum store_status lmdb_read_value(struct store_key name, MDB_val value,
                                  struct layout_value *value_r);

/* True if the pages of a found value are in memory, so that reading it does not wait for
   the disk. Always false for values over LMDB_READ_RESIDENT_MAX. (A kernel that hides
   this returns true for all pages.) */
#define LMDB_READ_RESIDENT_MAX (1U << 20)
bool lmdb_read_is_resident(MDB_val value);

/* The documents of a run. The slices point into ids and bytes when lmdb_read_list() has
   returned. For the layout of bytes see the blob of struct store_list. */
struct lmdb_rows {
    uint8_t divider; /* after each JSON text; set by the caller */
    struct buf ids;
    struct buf bytes;
    struct store_document *documents;
    size_t count;
    size_t cap;
    bool more;
};

/* The wanted documents of a collection: see struct store_list. */
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

/* Frees the rows. */
void lmdb_read_free_rows(struct lmdb_rows *rows);

/* Sets *last_r (emptied first) to the greatest id of a collection; to nothing if it has
   no documents. */
enum store_status lmdb_read_last(const struct lmdb_db *db, MDB_txn *txn,
                                 struct slice collection, struct buf *last_r);

/* Counts at most `max` documents with ids greater than *after, and sets *after to the
   last one counted, if any. *count_r < max means that the collection ends there. */
enum store_status lmdb_read_count(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, struct buf *after,
                                  uint64_t max, uint64_t *count_r);

/* The kept number of documents of a collection; 0 if there is no such collection. */
enum store_status lmdb_read_total(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, uint64_t *count_r);

/* The collections of a run; names point into bytes when lmdb_read_collections() has
   returned. */
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

/* Frees the names. */
void lmdb_read_free_names(struct lmdb_names *names);

#endif
