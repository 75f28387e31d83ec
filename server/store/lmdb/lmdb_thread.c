#include "server/store/lmdb/lmdb_thread.h"

#include <assert.h>
#include <ev.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/cpu_yield.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/store_backend.h"

/* Documents counted per transaction: a long reader keeps the writer from reusing pages.
 */
#define COUNT_SLICE 10000

#define STACK_BYTES (256 * 1024)

/* What is copied in one go: some 50 us of it, with the page faults. */
#define COPY_BYTES ((size_t)128 << 10)

enum task_kind { TASK_GET, TASK_LIST, TASK_COUNT, TASK_COLLECTIONS };

struct task {
    struct store_flight flight;
    struct list link;      /* in one of the thread's lists; guarded by its lock */
    atomic_bool cancelled; /* set by the loop: the request is gone */
    enum task_kind kind;
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

struct lmdb_thread {
    struct ev_loop *loop;
    const struct lmdb_db *db;
    struct ev_async async;
    pthread_t id;
    pthread_mutex_t lock; /* guards what follows, up to the blank line */
    pthread_cond_t wake;
    struct list todo;
    struct list finished;
    bool stop;

    uint64_t waiting; /* the loop's */
};

/* ---- the thread ---- */

/* The kernel takes the processor away once in a tick, milliseconds apart, and the loop is
   often the one that waits for it: so it is offered after every slice. */
static void copy_in_slices(uint8_t *to, struct slice from)
{
    for (size_t at = 0; at < from.len; at += COPY_BYTES) {
        size_t left = from.len - at;

        memcpy(to + at, from.data + at, left < COPY_BYTES ? left : COPY_BYTES);
        cpu_yield();
    }
}

/* A blob for the document, and where its bytes go. It may be another one by now than the
   one that the room was made for. */
static struct blob *make_blob(struct task *task, const struct layout_value *value,
                              uint8_t **bytes_r)
{
    struct blob *target = task->target;

    if (target == NULL || target->bytes.len != value->bytes.len ||
        (task->room_formats & STORE_ROOM_FOR(value->format)) == 0)
        return blob_new(value->bytes.len, bytes_r);
    task->target = NULL;
    *bytes_r = task->target_bytes;
    return target;
}

static enum store_status run_get(struct task *task, const struct lmdb_db *db,
                                 MDB_txn *txn)
{
    struct store_key name = {buf_slice(&task->collection), buf_slice(&task->id)};
    struct layout_value value;
    MDB_val found;
    uint8_t *bytes;
    enum store_status status = lmdb_read_find(db, txn, name, &found);

    if (status == STORE_OK)
        status = lmdb_read_value(name, found, &value);
    if (status == STORE_OK) {
        task->blob = make_blob(task, &value, &bytes);
        copy_in_slices(bytes, value.bytes);
        task->format = value.format;
        task->number = value.version;
    }
    return status;
}

static bool is_cancelled(const struct task *task)
{
    return atomic_load_explicit(&task->cancelled, memory_order_relaxed);
}

/* Whether the collection goes on behind the last document that was counted. */
static enum store_status look_behind(struct task *task, const struct lmdb_db *db,
                                     MDB_txn *txn)
{
    struct buf after = BUF_INIT;
    enum store_status status;
    uint64_t next;

    buf_append(&after, task->id.data, task->id.len);
    status = lmdb_read_count(db, txn, buf_slice(&task->collection), &after, 1, &next);
    task->more = next > 0;
    buf_free(&after);
    return status;
}

/* True where the whole collection is asked for, whose number is kept. */
static bool count_is_kept(struct task *task, const struct lmdb_db *db, MDB_txn *txn,
                          enum store_status *status_r)
{
    if (task->counting || task->id.len > 0)
        return false;
    *status_r = lmdb_read_total(db, txn, buf_slice(&task->collection), &task->number);
    if (*status_r != STORE_OK)
        return true;
    if (task->number <= task->max) {
        *status_r = lmdb_read_last(db, txn, buf_slice(&task->collection), &task->id);
        return true;
    }
    task->number = 0; /* cut: after which document, counting tells */
    return false;
}

/* Counts a slice. Where there is more to count, *again_r is set: it is others' turn. */
static enum store_status run_count(struct task *task, const struct lmdb_db *db,
                                   MDB_txn *txn, bool *again_r)
{
    uint64_t left, slice, count;
    enum store_status status;

    if (count_is_kept(task, db, txn, &status))
        return status;
    task->counting = true;
    left = task->max - task->number;
    slice = left < COUNT_SLICE ? left : COUNT_SLICE;
    if (slice == 0)
        return look_behind(task, db, txn);
    status =
        lmdb_read_count(db, txn, buf_slice(&task->collection), &task->id, slice, &count);
    task->number += count;
    *again_r = status == STORE_OK && count == slice;
    return status;
}

static enum store_status run_list(struct task *task, const struct lmdb_db *db,
                                  MDB_txn *txn)
{
    const struct lmdb_range range = {.collection = buf_slice(&task->collection),
                                     .after = buf_slice(&task->id),
                                     .until = buf_slice(&task->until),
                                     .max_documents = task->max,
                                     .max_bytes = task->max_bytes};
    enum store_status status = lmdb_read_list(db, txn, &range, &task->rows);

    if (task->rows.bytes.len > 0)
        task->blob = blob_new_steal(&task->rows.bytes); /* the rows' slices stay good */
    return status;
}

/* *again_r tells that the task wants another step. */
static enum store_status run_step(struct task *task, const struct lmdb_db *db,
                                  MDB_txn *txn, bool *again_r)
{
    switch (task->kind) {
    case TASK_GET: return run_get(task, db, txn);
    case TASK_LIST: return run_list(task, db, txn);
    case TASK_COUNT: return run_count(task, db, txn, again_r);
    case TASK_COLLECTIONS:
        return lmdb_read_collections(db, txn, buf_slice(&task->id), task->max,
                                     &task->names);
    }
    log_panic("store: no such task %d", (int)task->kind);
}

/* Runs a step, in a transaction of its own. Returns whether the task wants another. */
static bool run_task(struct task *task, const struct lmdb_db *db)
{
    bool again = false;
    MDB_txn *txn;
    int rc;

    if (is_cancelled(task))
        return false;
    rc = lmdb_db_begin_read(db, &txn);
    if (rc != 0) {
        log_warn("store: a read cannot begin: %s", mdb_strerror(rc));
        task->status = STORE_ERROR;
        return false;
    }
    task->status = run_step(task, db, txn, &again);
    mdb_txn_abort(txn);
    return again;
}

/* The lock is held. Returns whether the loop must be woken. */
static bool put_away(struct lmdb_thread *thread, struct list *link, bool again)
{
    bool first = !again && list_is_empty(&thread->finished);

    list_append(again ? &thread->todo : &thread->finished, link);
    return first;
}

static void *thread_main(void *arg)
{
    struct lmdb_thread *thread = arg;

    cpu_yield_enable();
    pthread_mutex_lock(&thread->lock);
    while (!thread->stop) {
        struct list *link = list_shift(&thread->todo);
        bool again;

        if (link == NULL) {
            pthread_cond_wait(&thread->wake, &thread->lock);
            continue;
        }
        pthread_mutex_unlock(&thread->lock);
        again = run_task(container_of(link, struct task, link), thread->db);
        pthread_mutex_lock(&thread->lock);
        if (put_away(thread, link, again))
            ev_async_send(thread->loop, &thread->async);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

/* ---- the loop ---- */

static void task_free(struct task *task)
{
    blob_unref(&task->target);
    blob_unref(&task->blob);
    lmdb_read_free_rows(&task->rows);
    lmdb_read_free_names(&task->names);
    buf_free(&task->collection);
    buf_free(&task->id);
    buf_free(&task->until);
    mem_free(task);
}

static void end_get(struct task *task, struct store_get *get)
{
    get->request.backend = NULL;
    get->status = task->status;
    get->blob = task->blob;
    get->format = task->format;
    get->version = task->number;
    get->done(get);
}

static void end_list(struct task *task, struct store_list *list)
{
    list->request.backend = NULL;
    list->status = task->status;
    list->documents = task->rows.documents;
    list->count = task->status == STORE_OK ? task->rows.count : 0;
    list->more = task->rows.more;
    list->blob = task->blob;
    list->done(list);
}

static void end_count(struct task *task, struct store_count *count)
{
    count->request.backend = NULL;
    count->status = task->status;
    count->documents = task->number;
    count->more = task->more;
    count->last_id_len = 0;
    if (task->number > 0) {
        assert(task->id.len <= sizeof count->last_id);
        count->last_id_len = (uint8_t)task->id.len;
        memcpy(count->last_id, task->id.data, task->id.len);
    }
    count->done(count);
}

static void end_collections(struct task *task, struct store_collections *collections)
{
    collections->request.backend = NULL;
    collections->status = task->status;
    collections->collections = task->names.collections;
    collections->count = task->status == STORE_OK ? task->names.count : 0;
    collections->more = task->names.more;
    collections->done(collections);
}

/* Brings a task home: its request learns the result, unless it is gone. */
static void end_task(struct task *task)
{
    if (!is_cancelled(task)) {
        switch (task->kind) {
        case TASK_GET: end_get(task, task->request.get); break;
        case TASK_LIST: end_list(task, task->request.list); break;
        case TASK_COUNT: end_count(task, task->request.count); break;
        case TASK_COLLECTIONS: end_collections(task, task->request.collections); break;
        }
    }
    task_free(task);
}

static struct list *shift_finished(struct lmdb_thread *thread)
{
    struct list *link;

    pthread_mutex_lock(&thread->lock);
    link = list_shift(&thread->finished);
    pthread_mutex_unlock(&thread->lock);
    return link;
}

static void on_async(struct ev_loop *loop, struct ev_async *async, int events)
{
    struct lmdb_thread *thread = async->data;
    struct list *link;

    (void)loop;
    (void)events;
    while ((link = shift_finished(thread)) != NULL) {
        thread->waiting--;
        end_task(container_of(link, struct task, link));
    }
}

static void cancel_task(struct store_flight *flight)
{
    struct task *task = container_of(flight, struct task, flight);

    atomic_store_explicit(&task->cancelled, true, memory_order_relaxed);
}

static struct task *task_new(enum task_kind kind, struct slice collection,
                             struct slice id)
{
    struct task *task = mem_zalloc(sizeof *task);

    task->flight.cancel = cancel_task;
    task->kind = kind;
    task->status = STORE_ERROR;
    list_init(&task->link);
    buf_append(&task->collection, collection.data, collection.len);
    buf_append(&task->id, id.data, id.len);
    return task;
}

static void send_task(struct lmdb_thread *thread, struct task *task,
                      struct store_request *request)
{
    request->backend = &task->flight;
    thread->waiting++;
    pthread_mutex_lock(&thread->lock);
    list_append(&thread->todo, &task->link);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

void lmdb_thread_get(struct lmdb_thread *thread, struct store_get *get,
                     struct blob *target, uint8_t *target_bytes)
{
    struct task *task = task_new(TASK_GET, get->key.collection, get->key.id);

    task->request.get = get;
    task->room_formats = get->target.formats;
    task->target = target;
    task->target_bytes = target_bytes;
    send_task(thread, task, &get->request);
}

void lmdb_thread_list(struct lmdb_thread *thread, struct store_list *list)
{
    struct task *task = task_new(TASK_LIST, list->collection, list->after);

    task->request.list = list;
    buf_append(&task->until, list->until.data, list->until.len);
    task->max = list->max_documents;
    task->max_bytes = list->max_bytes;
    task->rows.divider = list->divider;
    send_task(thread, task, &list->request);
}

void lmdb_thread_count(struct lmdb_thread *thread, struct store_count *count)
{
    struct task *task = task_new(TASK_COUNT, count->collection, count->after);

    task->request.count = count;
    task->max = count->max_documents;
    send_task(thread, task, &count->request);
}

void lmdb_thread_collections(struct lmdb_thread *thread,
                             struct store_collections *collections)
{
    struct task *task =
        task_new(TASK_COLLECTIONS, (struct slice){NULL, 0}, collections->after);

    task->request.collections = collections;
    task->max = collections->max_count;
    send_task(thread, task, &collections->request);
}

uint64_t lmdb_thread_waiting(const struct lmdb_thread *thread)
{
    return thread->waiting;
}

/* Signals are the loop's: the thread blocks them all. */
static int start_thread(struct lmdb_thread *thread)
{
    sigset_t all, before;
    pthread_attr_t attr;
    int rc;

    sigfillset(&all);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread->id, &attr, thread_main, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

struct lmdb_thread *lmdb_thread_create(struct ev_loop *loop, const struct lmdb_db *db)
{
    struct lmdb_thread *thread = mem_zalloc(sizeof *thread);
    int rc;

    thread->loop = loop;
    thread->db = db;
    list_init(&thread->todo);
    list_init(&thread->finished);
    pthread_mutex_init(&thread->lock, NULL);
    pthread_cond_init(&thread->wake, NULL);
    ev_async_init(&thread->async, on_async);
    thread->async.data = thread;
    ev_async_start(loop, &thread->async);
    ev_unref(loop); /* a thread without work keeps no loop running */
    rc = start_thread(thread);
    if (rc != 0)
        log_fatal("the store's thread cannot be started: %s", strerror(rc));
    return thread;
}

/* Frees tasks that nobody waits for. */
static void drop_tasks(struct list *tasks)
{
    struct list *link;

    while ((link = list_shift(tasks)) != NULL) {
        struct task *task = container_of(link, struct task, link);

        assert(is_cancelled(task));
        task_free(task);
    }
}

void lmdb_thread_destroy(struct lmdb_thread **thread)
{
    struct lmdb_thread *t = *thread;

    *thread = NULL;
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->id, NULL);
    ev_ref(t->loop);
    ev_async_stop(t->loop, &t->async);
    drop_tasks(&t->todo);
    drop_tasks(&t->finished);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}
