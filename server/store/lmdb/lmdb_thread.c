#include "server/store/lmdb/lmdb_thread.h"

#include <assert.h>
#include <ev.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/cpu_yield.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/memory_budget.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/lmdb/lmdb_task.h"

/* Documents counted per transaction: a long reader keeps the writer from reusing pages.
 */
#define COUNT_SLICE 10000

#define STACK_BYTES (256 * 1024)

/* What is copied in one go: some 50 us of it, with the page faults. */
#define COPY_BYTES ((size_t)128 << 10)

/* How often the thread is looked at within the timeout. */
#define LOOKS 4

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

    atomic_ulong steps; /* of work, by the thread: it lives */
    /* the loop's */
    uint64_t waiting;
    struct list pending;  /* tasks that are not home, in the order of their coming */
    struct ev_timer look; /* runs while there are any */
    unsigned long seen_steps;
    unsigned still_looks; /* in a row that saw no step */
    bool hung;
};

/* ---- the thread ---- */

static void note_step(struct lmdb_thread *thread)
{
    atomic_fetch_add_explicit(&thread->steps, 1, memory_order_relaxed);
}

/* The kernel takes the processor away once in a tick, milliseconds apart, and the loop is
   often the one that waits for it: so it is offered after every slice. */
static void copy_in_slices(struct lmdb_thread *thread, uint8_t *to, struct slice from)
{
    for (size_t at = 0; at < from.len; at += COPY_BYTES) {
        size_t left = from.len - at;

        memcpy(to + at, from.data + at, left < COPY_BYTES ? left : COPY_BYTES);
        cpu_yield();
        note_step(thread);
    }
}

/* A blob for the document, and where its bytes go. It may be another one by now than the
   one that the room was made for. */
static struct blob *make_blob(struct lmdb_task *task, const struct layout_value *value,
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

static enum store_status run_get(struct lmdb_thread *thread, struct lmdb_task *task,
                                 MDB_txn *txn)
{
    const struct lmdb_db *db = thread->db;
    struct store_key name = {buf_slice(&task->collection), buf_slice(&task->id)};
    struct layout_value value;
    MDB_val found;
    uint8_t *bytes;
    enum store_status status = lmdb_read_find(db, txn, name, &found);

    if (status == STORE_OK)
        status = lmdb_read_value(name, found, &value);
    if (status == STORE_OK && !memory_budget_fits(value.bytes.len, value.bytes.len))
        status = STORE_NO_MEMORY;
    if (status == STORE_OK) {
        task->blob = make_blob(task, &value, &bytes);
        copy_in_slices(thread, bytes, value.bytes);
        task->format = value.format;
        task->number = value.version;
    }
    return status;
}

/* Whether the collection goes on behind the last document that was counted. */
static enum store_status look_behind(struct lmdb_task *task, const struct lmdb_db *db,
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
static bool count_is_kept(struct lmdb_task *task, const struct lmdb_db *db, MDB_txn *txn,
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
static enum store_status run_count(struct lmdb_task *task, const struct lmdb_db *db,
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

static enum store_status run_list(struct lmdb_task *task, const struct lmdb_db *db,
                                  MDB_txn *txn)
{
    const struct lmdb_range range = {.collection = buf_slice(&task->collection),
                                     .after = buf_slice(&task->id),
                                     .until = buf_slice(&task->until),
                                     .max_documents = task->max,
                                     .max_bytes = task->max_bytes};
    enum store_status status = lmdb_read_list(db, txn, &range, &task->rows);

    /* A run is small, but for one of a single large document. */
    if (!memory_budget_fits(task->rows.bytes.len, task->rows.bytes.len))
        return STORE_NO_MEMORY;
    if (task->rows.bytes.len > 0)
        task->blob = blob_new_steal(&task->rows.bytes); /* the rows' slices stay good */
    return status;
}

/* *again_r tells that the task wants another step. */
static enum store_status run_step(struct lmdb_thread *thread, struct lmdb_task *task,
                                  MDB_txn *txn, bool *again_r)
{
    const struct lmdb_db *db = thread->db;

    switch (task->kind) {
    case TASK_GET: return run_get(thread, task, txn);
    case TASK_LIST: return run_list(task, db, txn);
    case TASK_COUNT: return run_count(task, db, txn, again_r);
    case TASK_COLLECTIONS:
        return lmdb_read_collections(db, txn, buf_slice(&task->id), task->max,
                                     &task->names);
    }
    log_panic("store: no such task %d", (int)task->kind);
}

/* Runs a step, in a transaction of its own. Returns whether the task wants another. */
static bool run_task(struct lmdb_thread *thread, struct lmdb_task *task)
{
    bool again = false;
    MDB_txn *txn;
    int rc;

    if (lmdb_task_is_cancelled(task))
        return false;
    rc = lmdb_db_begin_read(thread->db, &txn);
    if (rc != 0) {
        log_warn("store: a read cannot begin: %s", mdb_strerror(rc));
        task->status = STORE_ERROR;
        return false;
    }
    task->status = run_step(thread, task, txn, &again);
    mdb_txn_abort(txn);
    note_step(thread);
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
        again = run_task(thread, container_of(link, struct lmdb_task, link));
        pthread_mutex_lock(&thread->lock);
        if (put_away(thread, link, again))
            ev_async_send(thread->loop, &thread->async);
    }
    pthread_mutex_unlock(&thread->lock);
    return NULL;
}

/* ---- the loop ---- */

/* What comes meanwhile finds the thread hung, and is refused. */
static void give_up(struct lmdb_thread *thread)
{
    struct list local;

    log_warn("store: reads hang: %" PRIu64 " wait for the disk", thread->waiting);
    thread->hung = true;
    list_init(&local);
    while (!list_is_empty(&thread->pending))
        list_append(&local, list_shift(&thread->pending));
    while (!list_is_empty(&local))
        lmdb_task_fail(container_of(list_shift(&local), struct lmdb_task, pending));
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct lmdb_thread *thread = timer->data;
    unsigned long steps = atomic_load_explicit(&thread->steps, memory_order_relaxed);

    (void)events;
    if (steps != thread->seen_steps || thread->waiting == 0)
        thread->still_looks = 0;
    else if (++thread->still_looks == LOOKS && !thread->hung)
        give_up(thread);
    thread->seen_steps = steps;
    if (thread->waiting == 0)
        ev_timer_stop(loop, timer);
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
    if (thread->hung)
        log_info("store: reads go on");
    thread->hung = false;
    while ((link = shift_finished(thread)) != NULL) {
        struct lmdb_task *task = container_of(link, struct lmdb_task, link);

        thread->waiting--;
        list_remove(&task->pending);
        lmdb_task_end(task);
    }
}

static void send_task(struct lmdb_thread *thread, struct lmdb_task *task,
                      struct store_request *request)
{
    request->backend = &task->flight;
    thread->waiting++;
    list_append(&thread->pending, &task->pending);
    if (!ev_is_active(&thread->look)) {
        thread->still_looks = 0;
        ev_timer_again(thread->loop, &thread->look);
    }
    pthread_mutex_lock(&thread->lock);
    list_append(&thread->todo, &task->link);
    pthread_cond_signal(&thread->wake);
    pthread_mutex_unlock(&thread->lock);
}

void lmdb_thread_get(struct lmdb_thread *thread, struct store_get *get,
                     struct blob *target, uint8_t *target_bytes)
{
    struct lmdb_task *task;

    if (thread->hung) {
        blob_unref(&target);
        lmdb_task_refuse_get(get);
        return;
    }
    task = lmdb_task_create(TASK_GET, get->key.collection, get->key.id);
    task->request.get = get;
    task->room_formats = get->target.formats;
    task->target = target;
    task->target_bytes = target_bytes;
    send_task(thread, task, &get->request);
}

void lmdb_thread_list(struct lmdb_thread *thread, struct store_list *list)
{
    struct lmdb_task *task;

    if (thread->hung) {
        lmdb_task_refuse_list(list);
        return;
    }
    task = lmdb_task_create(TASK_LIST, list->collection, list->after);
    task->request.list = list;
    buf_append(&task->until, list->until.data, list->until.len);
    task->max = list->max_documents;
    task->max_bytes = list->max_bytes;
    task->rows.divider = list->divider;
    send_task(thread, task, &list->request);
}

void lmdb_thread_count(struct lmdb_thread *thread, struct store_count *count)
{
    struct lmdb_task *task;

    if (thread->hung) {
        lmdb_task_refuse_count(count);
        return;
    }
    task = lmdb_task_create(TASK_COUNT, count->collection, count->after);
    task->request.count = count;
    task->max = count->max_documents;
    send_task(thread, task, &count->request);
}

void lmdb_thread_collections(struct lmdb_thread *thread,
                             struct store_collections *collections)
{
    struct lmdb_task *task;

    if (thread->hung) {
        lmdb_task_refuse_collections(collections);
        return;
    }
    task =
        lmdb_task_create(TASK_COLLECTIONS, (struct slice){NULL, 0}, collections->after);
    task->request.collections = collections;
    task->max = collections->max_count;
    send_task(thread, task, &collections->request);
}

bool lmdb_thread_is_hung(const struct lmdb_thread *thread)
{
    return thread->hung;
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

struct lmdb_thread *lmdb_thread_create(struct ev_loop *loop, const struct lmdb_db *db,
                                       double timeout_s)
{
    struct lmdb_thread *thread = mem_zalloc(sizeof *thread);
    int rc;

    thread->loop = loop;
    thread->db = db;
    list_init(&thread->todo);
    list_init(&thread->finished);
    list_init(&thread->pending);
    ev_init(&thread->look, on_look);
    thread->look.repeat = timeout_s / LOOKS;
    thread->look.data = thread;
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
        struct lmdb_task *task = container_of(link, struct lmdb_task, link);

        assert(lmdb_task_is_cancelled(task));
        lmdb_task_free(task);
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
    ev_timer_stop(t->loop, &t->look);
    drop_tasks(&t->todo);
    drop_tasks(&t->finished);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}
