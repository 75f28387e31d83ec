/*
 * Tells whether a write still fits. The writer asks before it puts a document,
 * so that puts stop before the map or the disk is full. Deletes, which need some
 * pages before they free any, still work then.
 *
 * The space for puts is the unused end of the map, as far as the disk has space
 * for it, and the pages in the file that LMDB lists as free. These may be too
 * scattered for a large document; then LMDB itself returns that it is full.
 * Deletes have a reserve: LMDB_DB_RESERVE of the map, and as much of the disk, in
 * a file of that size beside the data. The file is emptied when a delete finds
 * the disk full, and filled again when there is space. (Allocating the data file
 * in advance would do the same, but it made flushed commits slower by a quarter
 * on ext4.)
 *
 * The writer's thread only, outside its write transactions.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_FREE_SPACE_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_FREE_SPACE_H

#include "server/store/lmdb/lmdb_db.h"

#define LMDB_FREE_SPACE_RESERVE_FILE "reserve"

/* The reserve on the disk. */
struct lmdb_free_space {
    int fd;       /* of the reserve's file; -1 if it cannot be made */
    bool is_full; /* the file has its size */
};

/* Fills the reserve's file, if there is space. End with lmdb_free_space_close(). */
void lmdb_free_space_open(struct lmdb_free_space *space, const struct lmdb_db *db);

/* Closes; the file stays for the next writer. */
void lmdb_free_space_close(struct lmdb_free_space *space);

/* Empties the file for a delete that found the disk full. False if it was empty already.
 */
bool lmdb_free_space_release(struct lmdb_free_space *space);

/* Pages that a transaction may need besides its puts: the paths down the trees of
   documents, collections, meta and free pages, with splits. */
#define LMDB_FREE_SPACE_PATH_PAGES 12

/* The bytes of pages that putting a value of that size adds to a transaction. */
uint64_t lmdb_free_space_estimate(const struct lmdb_db *db, uint64_t value_bytes);

/* True if a transaction of puts with that estimate fits and leaves the reserve. */
bool lmdb_free_space_has(struct lmdb_free_space *space, const struct lmdb_db *db,
                         uint64_t bytes);

/* True if the file system has less space than the reserve. */
bool lmdb_free_space_disk_is_full(const struct lmdb_db *db);

/* After a commit: makes the file as long as its records say. LMDB does not write a last
   page that was made and freed in one transaction, and a front that reads beyond the end
   would be killed. A failure is logged and harmless for now. */
void lmdb_free_space_fix_length(const struct lmdb_db *db);

#endif
