#include "server/store/lmdb/lmdb_task.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"

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

static void cancel_task(struct store_flight *flight)
{
    struct lmdb_task *task = container_of(flight, struct lmdb_task, flight);

    atomic_store_explicit(&task->cancelled, true, memory_order_relaxed);
}

struct lmdb_task *lmdb_task_create(enum lmdb_task_kind kind, struct slice collection,
                                   struct slice id)
{
    struct lmdb_task *task = mem_zalloc(sizeof *task);

    task->flight.cancel = cancel_task;
    task->kind = kind;
    task->status = STORE_ERROR;
    list_init(&task->link);
    list_init(&task->pending);
    buf_append(&task->collection, collection.data, collection.len);
    buf_append(&task->id, id.data, id.len);
    return task;
}

bool lmdb_task_is_cancelled(const struct lmdb_task *task)
{
    return atomic_load_explicit(&task->cancelled, memory_order_relaxed);
}

void lmdb_task_refuse_get(struct store_get *get)
{
    get->request.backend = NULL;
    get->status = STORE_DOWN;
    get->done(get);
}

void lmdb_task_refuse_list(struct store_list *list)
{
    list->request.backend = NULL;
    list->status = STORE_DOWN;
    list->done(list);
}

void lmdb_task_refuse_count(struct store_count *count)
{
    count->request.backend = NULL;
    count->status = STORE_DOWN;
    count->done(count);
}

void lmdb_task_refuse_collections(struct store_collections *collections)
{
    collections->request.backend = NULL;
    collections->status = STORE_DOWN;
    collections->done(collections);
}

static void end_get(struct lmdb_task *task, struct store_get *get)
{
    get->request.backend = NULL;
    get->status = task->status;
    get->blob = task->blob;
    get->format = task->format;
    get->version = task->number;
    get->done(get);
}

static void end_list(struct lmdb_task *task, struct store_list *list)
{
    list->request.backend = NULL;
    list->status = task->status;
    list->documents = task->rows.documents;
    list->count = task->status == STORE_OK ? task->rows.count : 0;
    list->more = task->rows.more;
    list->blob = task->blob;
    list->done(list);
}

static void end_count(struct lmdb_task *task, struct store_count *count)
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

static void end_collections(struct lmdb_task *task, struct store_collections *collections)
{
    collections->request.backend = NULL;
    collections->status = task->status;
    collections->collections = task->names.collections;
    collections->count = task->status == STORE_OK ? task->names.count : 0;
    collections->more = task->names.more;
    collections->done(collections);
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
    atomic_store_explicit(&task->cancelled, true, memory_order_relaxed);
    switch (task->kind) {
    case TASK_GET: lmdb_task_refuse_get(task->request.get); break;
    case TASK_LIST: lmdb_task_refuse_list(task->request.list); break;
    case TASK_COUNT: lmdb_task_refuse_count(task->request.count); break;
    case TASK_COLLECTIONS: lmdb_task_refuse_collections(task->request.collections); break;
    }
}
