/*
 * The LMDB backend of a front: gets of small documents, and of larger ones
 * that are in memory, from the map at once, other reads through the store's
 * thread, writes through the link to the
 * writer process. Opens the environment when the writer says that it is there.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_STORE_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_STORE_H

/* The largest document, in bytes, that is read on the loop without a look. */
#define LMDB_STORE_INLINE_MAX 65536

/* The largest that is read there where all of it is in memory: some 50 us of copying,
   less than two changes of threads cost. */
#define LMDB_STORE_RESIDENT_MAX (512U << 10)

/* How much of such ones is read in one turn of the loop, however many clients ask: the
   rest is the thread's. */
#define LMDB_STORE_TURN_MAX (512U << 10)

struct store_backend;

/* The backend for "lmdb:DIR"; static memory. */
const struct store_backend *lmdb_store_backend(void);

#endif
