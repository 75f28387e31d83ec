/*
 * The store's thread: it runs reads that would block the loop (large documents,
 * listings, counts), one after another, each step in a read transaction of its
 * own.
 *
 * A read is a task (lmdb_task.h). Tasks go to the thread and come back through
 * two lists under a lock; an ev_async wakes the loop for finished tasks.
 *
 * A thread that makes no progress for the timeout hangs: a disk does not answer.
 * Then all requests that wait for it end as DOWN, and later ones end as DOWN at
 * once, until the thread continues.
 *
 * All calls are the loop thread's.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_THREAD_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_THREAD_H

#include "server/store/lmdb/lmdb_task.h"

struct lmdb_thread;

/* Starts the thread. db must stay open until lmdb_thread_destroy(). */
struct lmdb_thread *lmdb_thread_create(struct ev_loop *loop, const struct lmdb_db *db,
                                       double timeout_s);

/* Waits for the step under way, ends the thread, frees all tasks; every request must be
   done or cancelled. NULL inside is allowed. */
void lmdb_thread_destroy(struct lmdb_thread **thread);

/* Takes over a task and ends its request by its done, perhaps before this returns. */
void lmdb_thread_run(struct lmdb_thread *thread, struct lmdb_task *task);

/* True while the thread hangs: see above. */
bool lmdb_thread_is_hung(const struct lmdb_thread *thread);

/* Tasks that are not back yet, cancelled ones included. */
uint64_t lmdb_thread_waiting(const struct lmdb_thread *thread);

#endif
