/*
 * Whether a write still fits: the writer asks before it puts, so that puts stop
 * before the map or the disk is full and deletes, which need some pages
 * themselves before they free any, still go on then.
 *
 * Room for puts is the unused end of the map, as far as the disk has space for
 * it, and the pages inside the file that LMDB has noted as free (which may lie
 * too scattered for a large document: then LMDB itself says that it is full).
 * Deletes have LMDB_DB_RESERVE of the map to themselves, and as much of the
 * disk: a file of that size beside the data, given up when a delete finds the
 * disk full and taken again when there is space. (Allocating the data file
 * ahead does the same, but cost a quarter of all flushed commits on ext4.)
 *
 * The writer's thread only, outside its write transactions.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_FREE_SPACE_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_FREE_SPACE_H

#include "server/store/lmdb/lmdb_db.h"

#define LMDB_FREE_SPACE_RESERVE_FILE "reserve"

/* The reserve on the disk. */
struct lmdb_free_space {
    int fd;    /* of the reserve's file; -1 where there can be none */
    bool held; /* the file has its size */
};

/* Takes the reserve on the disk, if there is space. End with lmdb_free_space_close(). */
void lmdb_free_space_open(struct lmdb_free_space *space, const struct lmdb_db *db);

/* Closes; the reserve stays for the next writer. */
void lmdb_free_space_close(struct lmdb_free_space *space);

/* Gives the reserve to a delete that found the disk full. False where it was gone. */
bool lmdb_free_space_release(struct lmdb_free_space *space);

/* What a transaction may need beside its puts: the pages on the way down the trees of
   documents, collections, meta and free pages, splits included. */
#define LMDB_FREE_SPACE_PATH_PAGES 12

/* The bytes of pages that putting a value of that size adds to a transaction. */
uint64_t lmdb_free_space_estimate(const struct lmdb_db *db, uint64_t value_bytes);

/* True where a transaction of puts with that estimate fits and leaves the reserves. */
bool lmdb_free_space_has(struct lmdb_free_space *space, const struct lmdb_db *db,
                         uint64_t bytes);

/* True where the file system has no room to speak of. */
bool lmdb_free_space_disk_is_full(const struct lmdb_db *db);

/* After a commit: makes sure that the file is as long as its records say, since LMDB does
   not write a last page that was freed at once, and a front that reads behind the end
   would be killed. Failing (logged) is no harm yet. */
void lmdb_free_space_fix_length(const struct lmdb_db *db);

#endif
