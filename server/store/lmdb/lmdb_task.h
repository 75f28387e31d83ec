/*
 * One read that the store's thread does (a large document, a listing, a count):
 * the request's inputs, copied, how the read runs in steps, and its results.
 *
 * The loop makes a task, the thread runs it, the loop ends it (lmdb_thread.h).
 * Only the loop touches the request. A task whose request is cancelled or has
 * ended early is freed without a result.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_TASK_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_TASK_H

#include <stdatomic.h>

#include "common/base/list.h"
#include "server/store/lmdb/lmdb_db.h"
#include "server/store/store_backend.h"

struct lmdb_task;

/* The part of a task that the thread's lists use. */
struct lmdb_task_links {
    struct list queue; /* in a list of tasks to run or finished ones; under a lock */
    struct list loop;  /* in the loop's list, until the task is back */
};

/* Loop: make a task for a request, which is then in flight. `target` (NULL for none) is
   taken over: the document's bytes go there, at target_bytes, if its format is one of
   those that the request wants there and it has exactly that length. */
struct lmdb_task *lmdb_task_for_get(struct store_get *get, struct blob *target,
                                    uint8_t *target_bytes);
struct lmdb_task *lmdb_task_for_list(struct store_list *list);
struct lmdb_task *lmdb_task_for_count(struct store_count *count);
struct lmdb_task *lmdb_task_for_collections(struct store_collections *collections);

/* The task's links, and the task of a link. */
struct lmdb_task_links *lmdb_task_links(struct lmdb_task *task);
struct lmdb_task *lmdb_task_of_queue(struct list *queue);
struct lmdb_task *lmdb_task_of_loop(struct list *loop);

/* Any thread: true if no request waits for the task any more. */
bool lmdb_task_is_cancelled(const struct lmdb_task *task);

/* Thread: runs one step in a read transaction of its own, and adds to *steps whenever it
   makes progress. Returns true if the task needs another step: other tasks may run before
   it. */
bool lmdb_task_run(struct lmdb_task *task, const struct lmdb_db *db, atomic_ulong *steps);

/* Loop: ends the request of a task that has run, unless it is cancelled; frees the task.
 */
void lmdb_task_end(struct lmdb_task *task);

/* Loop: ends the request of a task that the thread may still have as DOWN. The task is
   cancelled then. */
void lmdb_task_fail(struct lmdb_task *task);

/* Frees a task and its results. No other thread may have it. */
void lmdb_task_free(struct lmdb_task *task);

#endif
