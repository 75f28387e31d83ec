/*
 * Whether a write still fits: the writer asks before it puts, so that puts stop
 * LMDB_DB_RESERVE bytes before the map (or the disk) is full and deletes,
 * which need some pages themselves, still go on then.
 *
 * Room is the unused end of the map, as far as the disk has been made to
 * promise it (fallocate ahead of the file's end, its length unchanged), and
 * the pages inside the file that LMDB has noted as free. Free pages may lie too
 * scattered for a large document: then LMDB itself says that the map is full.
 *
 * The writer's thread only, outside its write transactions.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_SPACE_H
#define OFFLOOP_SERVER_STORE_LMDB_SPACE_H

#include "server/store/lmdb_db.h"

/* What is known of the room; zero-initialise. */
struct lmdb_space {
    uint64_t promised_end; /* of the file, in bytes; 0 before the first call */
    bool no_promises;      /* the file system cannot allocate ahead */
};

/* What a transaction may need beside its puts: the pages on the way down the trees of
   documents, collections, meta and free pages, splits included. */
#define LMDB_SPACE_PATH_PAGES 12

/* The bytes of pages that putting a value of that size adds to a transaction. */
uint64_t lmdb_space_estimate(const struct lmdb_db *db, uint64_t value_bytes);

/* True where a transaction of puts with that estimate fits and leaves the reserve. */
bool lmdb_space_has(struct lmdb_space *space, const struct lmdb_db *db, uint64_t bytes);

/* True where the file system has no room to speak of. */
bool lmdb_space_disk_is_full(const struct lmdb_db *db);

/* After a commit: makes sure that the file is as long as its records say, since LMDB does
   not write a last page that was freed at once, and a front that reads behind the end
   would be killed. Failing (logged) is no harm yet. */
void lmdb_space_fix_length(const struct lmdb_db *db);

#endif
