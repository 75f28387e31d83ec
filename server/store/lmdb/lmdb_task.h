/*
 * One read that the store's thread does: the request's inputs, copied, and what
 * became of it. The loop makes it, the thread works on it, the loop ends it: who
 * has which part when stands at each. Used by lmdb_thread.c alone.
 */
#ifndef OFFLOOP_SERVER_STORE_LMDB_LMDB_TASK_H
#define OFFLOOP_SERVER_STORE_LMDB_LMDB_TASK_H

#include <stdatomic.h>

#include "common/base/list.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/store_backend.h"

enum lmdb_task_kind { TASK_GET, TASK_LIST, TASK_COUNT, TASK_COLLECTIONS };

struct lmdb_task {
    struct store_flight flight;
    struct list link;      /* in one of the thread's lists; guarded by its lock */
    struct list pending;   /* in the loop's list, until the task is home */
    atomic_bool cancelled; /* set by the loop: the request is gone */
    enum lmdb_task_kind kind;
    union { /* the loop's alone */
        struct store_get *get;
        struct store_list *list;
        struct store_count *count;
        struct store_collections *collections;
    } request;
    /* inputs, copied */
    struct buf collection;
    struct buf id; /* or `after` */
    struct buf until;
    uint64_t max;
    size_t max_bytes;
    unsigned room_formats; /* TASK_GET: of documents that go to the room */
    struct blob *target;   /* NULL for none; the loop's, but for its bytes: */
    uint8_t *target_bytes; /* the thread's until the task is home */
    /* results: the thread's until the task is home */
    enum store_status status;
    struct blob *blob;
    enum store_format format;
    uint64_t number; /* the version, or the count */
    bool counting;   /* TASK_COUNT: has begun; it counts on behind `id` */
    bool more;       /* TASK_COUNT: documents follow the one that `id` names then */
    struct lmdb_rows rows;
    struct lmdb_names names;
};

/* Loop: makes a task of copies of these; ended with lmdb_task_free(). */
struct lmdb_task *lmdb_task_create(enum lmdb_task_kind kind, struct slice collection,
                                   struct slice id);

/* Loop, and who has the task for itself: frees it with its results. */
void lmdb_task_free(struct lmdb_task *task);

/* Any thread: true where nobody waits for it any more. */
bool lmdb_task_is_cancelled(const struct lmdb_task *task);

/* Loop: tells the request of a task that is home its result, unless it is gone. */
void lmdb_task_end(struct lmdb_task *task);

/* Loop: ends the request of a task that may never come home as DOWN: the task is an
   orphan then, and what it has is the thread's. */
void lmdb_task_fail(struct lmdb_task *task);

/* Loop: end requests that get no task as DOWN. */
void lmdb_task_refuse_get(struct store_get *get);
void lmdb_task_refuse_list(struct store_list *list);
void lmdb_task_refuse_count(struct store_count *count);
void lmdb_task_refuse_collections(struct store_collections *collections);

#endif
