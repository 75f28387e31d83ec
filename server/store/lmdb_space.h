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

/* The bytes of pages that putting a value of that size may take: the value's own and
   those of the tree's path to it. */
uint64_t lmdb_space_estimate(const struct lmdb_db *db, uint64_t value_bytes);

/* True where `bytes` more fit and the reserve is left. */
bool lmdb_space_has(struct lmdb_space *space, const struct lmdb_db *db, uint64_t bytes);

/* After a commit: makes sure that the file is as long as its records say, since LMDB does
   not write a last page that was freed at once, and a front that reads behind the end
   would be killed. Failing (logged) is no harm yet. */
void lmdb_space_fix_length(const struct lmdb_db *db);

#endif
