#include "server/store/lmdb/lmdb_task.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/loop/memory_budget.h"
#include "common/loop/cpu_yield.h"
#include "server/store/lmdb/lmdb_read.h"

/* Documents counted in one transaction; the writer cannot reuse pages that a long reader
   may see. */
#define COUNT_SLICE 10000

/* Bytes copied at a time: about 50 us, with the page faults. */
#define COPY_BYTES ((size_t)128 << 10)

enum task_kind { TASK_GET, TASK_LIST, TASK_COUNT, TASK_COLLECTIONS };

struct lmdb_task {
    struct store_flight flight;
    struct lmdb_task_links links;
    atomic_bool cancelled; /* set by the loop: no request waits */
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
    unsigned target_formats; /* TASK_GET: of documents that go to the target */
    struct blob *target;     /* NULL for none; the loop's, but for its bytes: */
    uint8_t *target_bytes;   /* the thread's until the task is back */
    /* results: the thread's until the task is back */
    enum store_status status;
    struct blob *blob;
    enum store_format format;
    uint64_t number; /* the version, or the count */
    bool counting;   /* TASK_COUNT: has begun; the next step counts on after `id` */
    bool more;       /* TASK_COUNT: documents follow the last one counted, `id` */
    struct lmdb_rows rows;
    struct lmdb_names names;
};

/* ---- made by the loop ---- */

static void cancel(struct store_flight *flight)
{
    struct lmdb_task *task = container_of(flight, struct lmdb_task, flight);

    atomic_store_explicit(&task->cancelled, true, memory_order_relaxed);
}

static struct lmdb_task *create(enum task_kind kind, struct store_request *request,
                                struct slice collection, struct slice id)
{
    struct lmdb_task *task = mem_zalloc(sizeof *task);

    task->flight.cancel = cancel;
    task->kind = kind;
    task->status = STORE_ERROR;
    list_init(&task->links.queue);
    list_init(&task->links.loop);
    buf_append(&task->collection, collection.data, collection.len);
    buf_append(&task->id, id.data, id.len);
    request->backend = &task->flight;
    return task;
}

struct lmdb_task *lmdb_task_for_get(struct store_get *get, struct blob *target,
                                    uint8_t *target_bytes)
{
    struct lmdb_task *task =
        create(TASK_GET, &get->request, get->key.collection, get->key.id);

    task->request.get = get;
    task->target_formats = get->target.formats;
    task->target = target;
    task->target_bytes = target_bytes;
    return task;
}

struct lmdb_task *lmdb_task_for_list(struct store_list *list)
{
    struct lmdb_task *task =
        create(TASK_LIST, &list->request, list->collection, list->after);

    task->request.list = list;
    buf_append(&task->until, list->until.data, list->until.len);
    task->max = list->max_documents;
    task->max_bytes = list->max_bytes;
    task->rows.divider = list->divider;
    return task;
}

struct lmdb_task *lmdb_task_for_count(struct store_count *count)
{
    struct lmdb_task *task =
        create(TASK_COUNT, &count->request, count->collection, count->after);

    task->request.count = count;
    task->max = count->max_documents;
    return task;
}

struct lmdb_task *lmdb_task_for_collections(struct store_collections *collections)
{
    struct lmdb_task *task = create(TASK_COLLECTIONS, &collections->request,
                                    (struct slice){NULL, 0}, collections->after);

    task->request.collections = collections;
    task->max = collections->max_count;
    return task;
}

struct lmdb_task_links *lmdb_task_links(struct lmdb_task *task)
{
    return &task->links;
}

struct lmdb_task *lmdb_task_of_queue(struct list *queue)
{
    return container_of(queue, struct lmdb_task, links.queue);
}

struct lmdb_task *lmdb_task_of_loop(struct list *loop)
{
    return container_of(loop, struct lmdb_task, links.loop);
}

bool lmdb_task_is_cancelled(const struct lmdb_task *task)
{
    return atomic_load_explicit(&task->cancelled, memory_order_relaxed);
}

/* ---- run by the thread ---- */

static void count_step(atomic_ulong *steps)
{
    atomic_fetch_add_explicit(steps, 1, memory_order_relaxed);
}

/* Offers the processor after every slice. The kernel takes it away only once in a tick,
   milliseconds apart, and often it is the loop that waits for it. */
static void copy_in_slices(uint8_t *to, struct slice from, atomic_ulong *steps)
{
    for (size_t at = 0; at < from.len; at += COPY_BYTES) {
        size_t left = from.len - at;

        memcpy(to + at, from.data + at, left < COPY_BYTES ? left : COPY_BYTES);
        cpu_yield();
        count_step(steps);
    }
}

/* A blob for the document, and where its bytes go. The document may have been replaced
   since the target was taken; then the target may not fit. */
static struct blob *make_blob(struct lmdb_task *task, const struct layout_value *value,
                              uint8_t **bytes_r)
{
    struct blob *target = task->target;

    if (target == NULL || target->bytes.len != value->bytes.len ||
        (task->target_formats & STORE_TARGET_FOR(value->format)) == 0)
        return blob_new(value->bytes.len, bytes_r);
    task->target = NULL;
    *bytes_r = task->target_bytes;
    return target;
}

static enum store_status run_get(struct lmdb_task *task, const struct lmdb_db *db,
                                 MDB_txn *txn, atomic_ulong *steps)
{
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
        copy_in_slices(bytes, value.bytes, steps);
        task->format = value.format;
        task->number = value.version;
    }
    return status;
}

/* Looks whether documents follow the last one that was counted. */
static enum store_status look_after(struct lmdb_task *task, const struct lmdb_db *db,
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

/* Takes the kept count if the request is for the whole collection and the count is not
   over its maximum. Returns false if documents must be counted. */
static bool take_kept_count(struct lmdb_task *task, const struct lmdb_db *db,
                            MDB_txn *txn, enum store_status *status_r)
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
    task->number = 0; /* counting finds the document at which the maximum is reached */
    return false;
}

/* Counts a slice. Sets *again_r if there is more to count. */
static enum store_status run_count(struct lmdb_task *task, const struct lmdb_db *db,
                                   MDB_txn *txn, bool *again_r)
{
    uint64_t left, slice, count;
    enum store_status status;

    if (take_kept_count(task, db, txn, &status))
        return status;
    task->counting = true;
    left = task->max - task->number;
    slice = left < COUNT_SLICE ? left : COUNT_SLICE;
    if (slice == 0)
        return look_after(task, db, txn);
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

    /* a run is small, except one of a single large document */
    if (!memory_budget_fits(task->rows.bytes.len, task->rows.bytes.len))
        return STORE_NO_MEMORY;
    if (task->rows.bytes.len > 0)
        task->blob = blob_new_steal(&task->rows.bytes); /* the rows' slices stay valid */
    return status;
}

bool lmdb_task_run(struct lmdb_task *task, const struct lmdb_db *db, atomic_ulong *steps)
{
    bool again = false;
    MDB_txn *txn;
    int rc;

    if (lmdb_task_is_cancelled(task))
        return false;
    rc = lmdb_db_begin_read(db, &txn);
    if (rc != 0) {
        log_warn("store: a read cannot begin: %s", mdb_strerror(rc));
        task->status = STORE_ERROR;
        return false;
    }
    switch (task->kind) {
    case TASK_GET: task->status = run_get(task, db, txn, steps); break;
    case TASK_LIST: task->status = run_list(task, db, txn); break;
    case TASK_COUNT: task->status = run_count(task, db, txn, &again); break;
    case TASK_COLLECTIONS:
        task->status =
            lmdb_read_collections(db, txn, buf_slice(&task->id), task->max, &task->names);
        break;
    }
    mdb_txn_abort(txn);
    count_step(steps);
    return again;
}

/* ---- ended by the loop ---- */

static void end_get(struct lmdb_task *task, struct store_get *get)
{
    get->blob = task->blob;
    get->format = task->format;
    get->version = task->number;
    STORE_BACKEND_END(get, task->status);
}

static void end_list(struct lmdb_task *task, struct store_list *list)
{
    list->documents = task->rows.documents;
    list->count = task->status == STORE_OK ? task->rows.count : 0;
    list->more = task->rows.more;
    list->blob = task->blob;
    STORE_BACKEND_END(list, task->status);
}

static void end_count(struct lmdb_task *task, struct store_count *count)
{
    count->documents = task->number;
    count->more = task->more;
    count->last_id_len = 0;
    if (task->number > 0 && task->id.len > 0) { /* no id if the last one is damaged */
        assert(task->id.len <= sizeof count->last_id);
        count->last_id_len = (uint8_t)task->id.len;
        memcpy(count->last_id, task->id.data, task->id.len);
    }
    STORE_BACKEND_END(count, task->status);
}

static void end_collections(struct lmdb_task *task, struct store_collections *collections)
{
    collections->collections = task->names.collections;
    collections->count = task->status == STORE_OK ? task->names.count : 0;
    collections->more = task->names.more;
    STORE_BACKEND_END(collections, task->status);
}

void lmdb_task_end(struct lmdb_task *task)
{
    if (!lmdb_task_is_cancelled(task)) {
        switch (task->kind) {
        case TASK_GET: end_get(task, task->request.get); break;
        case TASK_LIST: end_list(task, task->request.list); break;
        case TASK_COUNT: end_count(task, task->request.count); break;
        case TASK_COLLECTIONS: end_collections(task, task->request.collections); break;
        }
    }
    lmdb_task_free(task);
}

void lmdb_task_fail(struct lmdb_task *task)
{
    if (lmdb_task_is_cancelled(task))
        return;
    cancel(&task->flight);
    switch (task->kind) {
    case TASK_GET: STORE_BACKEND_END(task->request.get, STORE_DOWN); break;
    case TASK_LIST: STORE_BACKEND_END(task->request.list, STORE_DOWN); break;
    case TASK_COUNT: STORE_BACKEND_END(task->request.count, STORE_DOWN); break;
    case TASK_COLLECTIONS:
        STORE_BACKEND_END(task->request.collections, STORE_DOWN);
        break;
    }
}

void lmdb_task_free(struct lmdb_task *task)
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
