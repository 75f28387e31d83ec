/*
 * Opens the LMDB environment for the writer process: makes the directory and the
 * files if they are missing, completes a file that is too short, and keeps space
 * for deletes.
 *
 * - A map smaller than the file (--lmdb-max was lowered) is made as large as the
 *   file and LMDB_DB_RESERVE, so that deletes still work.
 * - sync off means MDB_NOSYNC: nothing is flushed. kill -9 loses nothing even
 *   then, because the kernel has the pages; a power loss may damage the file.
 *
 * The writer's thread only; the process must have no other thread, because the
 * check of a short file forks.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_OPEN_WRITER_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_OPEN_WRITER_H

#include "server/store/lmdb/lmdb_db.h"

/* Opens the environment in a directory for writing; makes both if they are missing
   (readable by this user only). Returns -1, with the reason in the log, if that fails or
   the files are damaged, another program's, or of a newer version. */
int lmdb_open_writer(struct lmdb_db *db, const char *dir, uint64_t map_bytes, bool sync)
    __attribute__((warn_unused_result));

#endif
