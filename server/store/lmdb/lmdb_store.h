/*
 * The LMDB backend of a front. Small documents, and larger ones that are in
 * memory, are read from the map at once; the store's thread (lmdb_thread.h) does
 * all other reads; writes go to the writer process (writer_client.h). The
 * environment is opened when the writer is connected, because the writer makes
 * the files.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_STORE_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_STORE_H

/* The largest document, in bytes, that the loop reads in any case. */
#define LMDB_STORE_INLINE_MAX 65536

/* The largest that the loop reads if all of it is in memory: copying takes about 50 us,
   less than two switches between threads. */
#define LMDB_STORE_RESIDENT_MAX (512U << 10)

/* Bytes of such documents that are read in one turn of the loop, for all clients
   together; the thread reads the others. */
#define LMDB_STORE_TURN_MAX (512U << 10)

struct store_backend;

/* The backend for "lmdb:DIR"; static memory. */
const struct store_backend *lmdb_store_backend(void);

#endif
