#include "tests/simulation/front/sim_store.h"

#include <assert.h>
#include <ev.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "server/store/lmdb/lmdb_store.h"
#include "server/store/redis/redis_store.h"
#include "server/store/store_backend.h"
#include "tests/simulation/front/sim_history.h"

/* How long a request of a slow store takes at most. */
#define SLOW_NS (3 * NS_PER_S)

enum kind { GET, LIST, COUNT, COLLECTIONS, PUT };

struct simulated {
    struct store head; /* its first */
    struct ev_loop *loop;
    ev_async finished;
    struct list operations; /* in flight */
    struct list ready;      /* of them, those whose end is to be told */
};

/* A request in flight. */
struct operation {
    struct store_flight flight;
    struct sim_event event;
    struct list link, ready;
    struct simulated *store;
    enum kind kind;
    void *request; /* NULL once it is cancelled */
    bool has_happened;
    bool is_unsure; /* it happens, and the caller is not told */
    enum store_status status;
    struct buf names;     /* the request's own, which may be gone after a cancel */
    struct store_put put; /* a copy, for the same reason */
    uint64_t until_ns;    /* when it ends */
    /* results */
    struct blob *blob;
    enum store_format format;
    uint64_t version;
    struct store_document *documents;
    size_t count;
    bool more;
};

static struct {
    struct sim_random random;
    bool is_failing; /* for some requests */
    uint64_t last_version;
    uint64_t last_put_ns; /* when the last write given takes effect */
    struct simulated *store;
} base;

void sim_store_begin(void)
{
    base.random = sim_random_stream('s', 0);
    base.last_version = UINT64_C(1700000000000000);
    base.last_put_ns = 0;
    base.is_failing = false;
}

static void apply_put(struct operation *operation)
{
    struct store_put *put = &operation->put;
    unsigned name = sim_history_name(put->key.collection, put->key.id);
    enum store_format format;
    struct slice bytes;
    uint64_t version = sim_history_now(name, &bytes, &format);

    if (put->remove && version == 0) {
        operation->status = STORE_NOT_FOUND;
        return;
    }
    if ((put->condition == STORE_IF_ABSENT && version != 0) ||
        (put->condition == STORE_IF_PRESENT && version == 0) ||
        (put->condition == STORE_IF_VERSION && version != put->if_version)) {
        operation->status = STORE_CONFLICT;
        return;
    }
    operation->status = version == 0 ? STORE_CREATED : STORE_OK;
    if (put->remove) {
        sim_history_remove(name);
        return;
    }
    base.last_version += 1 + sim_below(&base.random, 3);
    operation->version = base.last_version;
    sim_history_write(name, operation->version, put->blob->bytes, put->format);
}

/* ---- reads ---- */

/* The bytes in the caller's memory, where it offers some, or on the heap. */
static struct blob *copy_for(const struct store_target *target, struct slice bytes,
                             enum store_format format)
{
    struct blob *blob = NULL;
    uint8_t *at;

    if (target != NULL && target->take != NULL &&
        (target->formats & STORE_TARGET_FOR(format)) != 0)
        blob = target->take(target->ctx, bytes.len, &at);
    if (blob == NULL)
        blob = blob_new(bytes.len, &at);
    memcpy(at, bytes.data, bytes.len);
    return blob;
}

static void apply_get(struct operation *operation, bool within_call)
{
    const struct store_get *get = operation->request;
    unsigned name = sim_history_name(get->key.collection, get->key.id);
    struct slice bytes;

    operation->version = sim_history_now(name, &bytes, &operation->format);
    operation->status = operation->version == 0 ? STORE_NOT_FOUND : STORE_OK;
    if (operation->version != 0 && operation->version != get->known_version)
        operation->blob =
            copy_for(within_call ? &get->target : NULL, bytes, operation->format);
}

static int compare(struct slice a, struct slice b)
{
    int order = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    return order != 0 ? order : (int)a.len - (int)b.len;
}

/* The first document of the collection behind `after`, up to `until`; -1 for none. */
static int next_name(struct slice collection, struct slice after, struct slice until)
{
    int best = -1;

    for (unsigned i = 0; i < sim_history_names(); i++) {
        struct slice id = sim_history_id_of(i), bytes;
        enum store_format format;

        if (sim_history_now(i, &bytes, &format) == 0 ||
            !sim_slice_is(collection, sim_history_collection_of(i)) ||
            (after.len > 0 && compare(id, after) <= 0) ||
            (until.len > 0 && compare(id, until) > 0) ||
            (best >= 0 && compare(id, sim_history_id_of((unsigned)best)) >= 0))
            continue;
        best = (int)i;
    }
    return best;
}

/* Appends the document to the run; its place in `bytes` is set when that grows no more.
   Returns false where it does not fit. */
static bool add_row(struct operation *operation, const struct store_list *list,
                    unsigned name, size_t most, struct buf *bytes)
{
    struct store_document *row = &operation->documents[operation->count];
    struct store_document document = {.id = sim_history_id_of(name)};

    document.version = sim_history_now(name, &document.bytes, &document.format);
    if (operation->count == most ||
        (operation->count > 0 && bytes->len + document.bytes.len > list->max_bytes)) {
        operation->more = true;
        return false;
    }
    *row = document;
    operation->count++;
    buf_append(bytes, document.bytes.data, document.bytes.len);
    if (document.format == STORE_JSON)
        buf_append(bytes, &list->divider, 1);
    return true;
}

/* Sometimes a run ends before it has to, so that listings have several. */
static void apply_list(struct operation *operation)
{
    const struct store_list *list = operation->request;
    size_t most = sim_chance(&base.random, 256) ? 1 + sim_below(&base.random, 4) : 512;
    struct slice after = list->after;
    struct buf bytes = BUF_INIT;
    const uint8_t *at;
    int name;

    most = most < list->max_documents ? most : list->max_documents;
    operation->documents = mem_zalloc(most * sizeof *operation->documents);
    while ((name = next_name(list->collection, after, list->until)) >= 0 &&
           add_row(operation, list, (unsigned)name, most, &bytes))
        after = sim_history_id_of((unsigned)name);
    operation->status = STORE_OK;
    if (operation->count == 0)
        return;
    operation->blob = blob_new_steal(&bytes);
    at = operation->blob->bytes.data;
    for (size_t i = 0; i < operation->count; i++) {
        operation->documents[i].bytes.data = at;
        at += operation->documents[i].bytes.len +
              (operation->documents[i].format == STORE_JSON);
    }
}

static void apply_count(struct operation *operation)
{
    struct store_count *count = operation->request;
    const struct slice no_bound = {NULL, 0};
    struct slice after = count->after;
    int name;

    operation->status = STORE_OK;
    count->last_id_len = 0;
    while ((name = next_name(count->collection, after, no_bound)) >= 0) {
        if (count->documents == count->max_documents) {
            count->more = true;
            break;
        }
        count->documents++;
        after = sim_history_id_of((unsigned)name);
        count->last_id_len = (uint8_t)after.len;
        memcpy(count->last_id, after.data, after.len);
    }
}

/* The one moment at which the request takes effect. */
static void apply(struct operation *operation, bool within_call)
{
    operation->has_happened = true;
    if (operation->kind == PUT)
        apply_put(operation);
    if (operation->is_unsure)
        operation->status = STORE_UNSURE;
    if (operation->kind == PUT)
        return;
    if (operation->request == NULL)
        operation->status = STORE_OK; /* nobody is told */
    else if (operation->kind == GET)
        apply_get(operation, within_call);
    else if (operation->kind == LIST)
        apply_list(operation);
    else if (operation->kind == COUNT)
        apply_count(operation);
    else
        operation->status = STORE_OK;
}

/* ---- the life of a request ---- */

static void operation_destroy(struct operation *operation)
{
    sim_event_cancel(&operation->event);
    list_remove(&operation->link);
    list_remove(&operation->ready);
    blob_unref(&operation->blob);
    blob_unref(&operation->put.blob);
    mem_free(operation->documents);
    buf_free(&operation->names);
    mem_free(operation);
}

static void tell_get(struct operation *operation)
{
    struct store_get *get = operation->request;

    get->blob = operation->blob;
    get->format = operation->format;
    get->version = operation->version;
    STORE_BACKEND_END(get, operation->status);
}

static void tell_list(struct operation *operation)
{
    struct store_list *list = operation->request;

    if (operation->status == STORE_OK) {
        list->documents = operation->documents;
        list->count = operation->count;
        list->more = operation->more;
        list->blob = operation->blob;
    }
    STORE_BACKEND_END(list, operation->status);
}

static void tell_put(struct operation *operation)
{
    struct store_put *put = operation->request;

    put->version = operation->version;
    STORE_BACKEND_END(put, operation->status);
}

static void finish(struct operation *operation)
{
    sim_note((uint64_t)operation->kind << 8 | operation->status);
    if (operation->request == NULL) {
        operation_destroy(operation);
        return;
    }
    switch (operation->kind) {
    case GET: tell_get(operation); break;
    case LIST: tell_list(operation); break;
    case PUT: tell_put(operation); break;
    case COUNT: {
        struct store_count *count = operation->request;

        STORE_BACKEND_END(count, operation->status);
        break;
    }
    case COLLECTIONS: {
        struct store_collections *collections = operation->request;

        STORE_BACKEND_END(collections, operation->status);
        break;
    }
    }
    operation_destroy(operation);
}

static void on_finished(struct ev_loop *loop, ev_async *async, int events)
{
    struct simulated *store = container_of(async, struct simulated, finished);
    struct list *link;

    (void)loop, (void)events;
    while ((link = list_shift(&store->ready)) != NULL)
        finish(container_of(link, struct operation, ready));
}

static void on_event(struct sim_event *event)
{
    struct operation *operation = container_of(event, struct operation, event);

    if (!operation->has_happened) {
        apply(operation, false);
        sim_event_at(event, operation->until_ns, on_event);
        return;
    }
    list_append(&operation->store->ready, &operation->ready);
    ev_async_send(operation->store->loop, &operation->store->finished);
}

static void cancel(struct store_flight *flight)
{
    container_of(flight, struct operation, flight)->request = NULL;
}

static struct operation *begin(struct store *head, enum kind kind, void *request,
                               struct store_request *request_head)
{
    struct simulated *store = (struct simulated *)head; /* its first */
    struct operation *operation = mem_zalloc(sizeof *operation);

    operation->flight.cancel = cancel;
    operation->store = store;
    operation->kind = kind;
    operation->request = request;
    list_init(&operation->ready);
    list_init(&operation->link);
    list_append(&store->operations, &operation->link);
    request_head->backend = &operation->flight;
    return operation;
}

/* How the request fails; OK where it does not. */
static enum store_status choose_failure(enum kind kind)
{
    static const enum store_status of_put[] = {STORE_DOWN,   STORE_DOWN, STORE_UNSURE,
                                               STORE_UNSURE, STORE_FULL, STORE_ERROR};
    static const enum store_status of_read[] = {STORE_DOWN, STORE_ERROR};

    if (!sim_has(SIM_STORE_FAILS))
        return STORE_OK;
    if (sim_chance(&base.random, base.is_failing ? 200 : 48))
        base.is_failing = !base.is_failing;
    if (!base.is_failing || !sim_chance(&base.random, 512))
        return STORE_OK;
    return kind == PUT ? of_put[sim_below(&base.random, 6)]
                       : of_read[sim_below(&base.random, 2)];
}

/* Ends it without an effect, at once or later; true where at once. */
static bool fail_operation(struct operation *operation, enum store_status status)
{
    operation->has_happened = true;
    operation->status = status;
    if (!sim_chance(&base.random, 256))
        return false;
    finish(operation);
    return true;
}

/* Lets it take effect within the call; true where it ended there. */
static bool end_at_once(struct operation *operation)
{
    if (operation->kind == PUT || operation->kind == LIST ||
        sim_chance(&base.random, 512))
        return false;
    apply(operation, true);
    if (sim_chance(&base.random, 256))
        return false;
    finish(operation);
    return true;
}

/* Decides how the request ends, when it takes effect and when it ends. */
static void go(struct operation *operation)
{
    uint64_t most_ns = sim_has(SIM_STORE_SLOW) && sim_chance(&base.random, 128)
                           ? SLOW_NS
                           : sim_load()->store_ns;
    enum store_status failure = choose_failure(operation->kind);
    uint64_t happens_ns = sim_now_ns();

    if (failure == STORE_UNSURE)
        operation->is_unsure = sim_chance(&base.random, 512);
    if (failure == STORE_OK ? end_at_once(operation)
                            : !operation->is_unsure && fail_operation(operation, failure))
        return;
    if (!operation->has_happened)
        happens_ns += sim_some_ns(&base.random, most_ns);
    if (!operation->has_happened && operation->kind == PUT) {
        happens_ns = happens_ns > base.last_put_ns ? happens_ns : base.last_put_ns;
        base.last_put_ns = happens_ns;
    }
    operation->until_ns = happens_ns + sim_some_ns(&base.random, most_ns);
    sim_event_at(&operation->event,
                 operation->has_happened ? operation->until_ns : happens_ns, on_event);
}

/* ---- what store.c calls ---- */

static struct store *open_store(struct ev_loop *loop, const struct store_config *config)
{
    struct simulated *store = mem_zalloc(sizeof *store);

    (void)config;
    store->head.backend = lmdb_store_backend();
    store->loop = loop;
    list_init(&store->operations);
    list_init(&store->ready);
    ev_async_init(&store->finished, on_finished);
    ev_async_start(loop, &store->finished);
    ev_unref(loop);
    base.store = store;
    return &store->head;
}

static void close_store(struct store *head)
{
    struct simulated *store = (struct simulated *)head; /* its first */

    base.store = NULL;
    while (!list_is_empty(&store->operations)) {
        struct operation *operation =
            container_of(store->operations.next, struct operation, link);

        if (operation->request != NULL)
            sim_fail("a request of the store is in flight at the end");
        operation_destroy(operation);
    }
    ev_ref(store->loop);
    ev_async_stop(store->loop, &store->finished);
    mem_free(store);
}

static bool is_ready(const struct store *store, const char **why_r)
{
    (void)store;
    *why_r = NULL;
    return true;
}

static void get_document(struct store *store, struct store_get *get)
{
    go(begin(store, GET, get, &get->request));
}

static void list_documents(struct store *store, struct store_list *list)
{
    go(begin(store, LIST, list, &list->request));
}

static void count_documents(struct store *store, struct store_count *count)
{
    count->more = false;
    go(begin(store, COUNT, count, &count->request));
}

static void list_collections(struct store *store, struct store_collections *collections)
{
    go(begin(store, COLLECTIONS, collections, &collections->request));
}

static struct slice copied(const struct buf *names, size_t at, size_t len)
{
    return (struct slice){names->data + at, len};
}

static void put_document(struct store *store, struct store_put *put)
{
    struct operation *operation = begin(store, PUT, put, &put->request);
    struct store_key key = put->key;

    operation->put = *put;
    operation->put.blob = put->remove ? NULL : blob_ref(put->blob);
    buf_append(&operation->names, key.collection.data, key.collection.len);
    buf_append(&operation->names, key.id.data, key.id.len);
    operation->put.key.collection = copied(&operation->names, 0, key.collection.len);
    operation->put.key.id = copied(&operation->names, key.collection.len, key.id.len);
    go(operation);
}

static uint64_t clock_us(const struct store *store)
{
    (void)store;
    return base.last_version;
}

static void read_counters(const struct store *store, struct store_counters *counters_r)
{
    (void)store, (void)counters_r;
}

const struct store_backend *lmdb_store_backend(void)
{
    static const struct store_backend backend = {.open = open_store,
                                                 .close = close_store,
                                                 .is_ready = is_ready,
                                                 .get = get_document,
                                                 .list = list_documents,
                                                 .count = count_documents,
                                                 .collections = list_collections,
                                                 .put = put_document,
                                                 .clock_us = clock_us,
                                                 .keeps_order = true,
                                                 .read_counters = read_counters};

    return &backend;
}

const struct store_backend *redis_store_backend(void)
{
    return NULL;
}
