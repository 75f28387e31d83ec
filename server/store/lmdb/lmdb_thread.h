/*
 * The store's thread: reads that would hold the loop (large documents, listings,
 * counts), one after another, each step in a read transaction of its own.
 *
 * A request that comes here is copied into a task. The task wanders to the
 * thread and back through two locked lists; the loop alone touches the request,
 * and an ev_async brings finished tasks home. A cancelled request leaves its
 * task behind as an orphan: the thread drops it, or its result is dropped at
 * home.
 *
 * A thread that shows no progress for the timeout hangs (a disk that does not
 * answer). Then everything that waits for it ends as DOWN, and so does at once what
 * comes later, until it goes on.
 *
 * All calls are the loop thread's.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_THREAD_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_THREAD_H

#include "server/store/lmdb/lmdb_db.h"

struct lmdb_thread;

/* Starts the thread. db must stay open until lmdb_thread_destroy(). */
struct lmdb_thread *lmdb_thread_create(struct ev_loop *loop, const struct lmdb_db *db,
                                       double timeout_s);

/* Waits for the step under way, ends the thread, drops what is left; every request must
   be done or cancelled. NULL inside is allowed. */
void lmdb_thread_destroy(struct lmdb_thread **thread);

/* Takes over a request; ends it by its done. `room` (NULL for none), which is taken over
   too, is where the document goes, at target_bytes, if it is of a format that the request
   wants there, and of just that length. */
void lmdb_thread_get(struct lmdb_thread *thread, struct store_get *get,
                     struct blob *target, uint8_t *target_bytes);

/* As lmdb_thread_get(). */
void lmdb_thread_list(struct lmdb_thread *thread, struct store_list *list);

/* As lmdb_thread_get(). */
void lmdb_thread_count(struct lmdb_thread *thread, struct store_count *count);

/* As lmdb_thread_get(). */
void lmdb_thread_collections(struct lmdb_thread *thread,
                             struct store_collections *collections);

/* True while the thread hangs: see above. */
bool lmdb_thread_is_hung(const struct lmdb_thread *thread);

/* Tasks that are not home yet, orphans included. */
uint64_t lmdb_thread_waiting(const struct lmdb_thread *thread);

#endif
