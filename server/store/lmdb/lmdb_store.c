#include "server/store/lmdb/lmdb_store.h"

#include <assert.h>
#include <ev.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/loop/memory_budget.h"
#include "server/store/lmdb/lmdb_check.h"
#include "server/store/lmdb/lmdb_db.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/lmdb/lmdb_thread.h"
#include "server/store/store_backend.h"
#include "server/store/store_url.h"
#include "server/store/writer/writer_client.h"

static_assert(LMDB_STORE_RESIDENT_MAX <= LMDB_READ_RESIDENT_MAX, "it can be checked");

#define REOPEN_S 1.0

/* The timeout if the configuration gives none. */
#define TIMEOUT_S 10.0

struct lmdb_store {
    struct store base;
    struct ev_loop *loop;
    char *dir;
    uint64_t map_bytes;
    double timeout_s;
    struct lmdb_db db; /* closed until there are files */
    MDB_txn *txn;      /* the loop's; reset between reads */
    struct lmdb_thread *thread;
    unsigned turn;     /* the turn of the loop in which... */
    size_t turn_bytes; /* ...this much was read of documents over INLINE_MAX */
    struct writer_client *writer;
    struct ev_timer reopen; /* runs if the writer is connected and opening has failed */
};

static struct lmdb_store *of(struct store *store)
{
    return container_of(store, struct lmdb_store, base);
}

static bool is_open(const struct lmdb_store *store)
{
    return store->db.env != NULL;
}

static int open_db(struct lmdb_store *store)
{
    int rc;

    if (lmdb_db_open_reader(&store->db, store->dir, store->map_bytes) < 0)
        return -1;
    rc = lmdb_db_begin_read(&store->db, &store->txn);
    if (rc != 0) {
        log_warn("store: a read cannot begin: %s", mdb_strerror(rc));
        lmdb_db_close(&store->db);
        return -1;
    }
    mdb_txn_reset(store->txn);
    store->thread = lmdb_thread_create(store->loop, &store->db, store->timeout_s);
    return 0;
}

/* The writer is connected, so the files exist. */
static void on_writer_up(void *ctx)
{
    struct lmdb_store *store = ctx;

    ev_timer_stop(store->loop, &store->reopen);
    if (!is_open(store) && open_db(store) < 0) {
        ev_timer_set(&store->reopen, REOPEN_S, 0.);
        ev_timer_start(store->loop, &store->reopen);
    }
}

static void on_reopen(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    on_writer_up(timer->data);
}

static void close_store(struct store *base)
{
    struct lmdb_store *store = of(base);

    ev_timer_stop(store->loop, &store->reopen);
    writer_client_destroy(&store->writer);
    lmdb_thread_destroy(&store->thread);
    if (store->txn != NULL)
        mdb_txn_abort(store->txn);
    lmdb_db_close(&store->db);
    mem_free(store->dir);
    mem_free(store);
}

static struct store *open_store(struct ev_loop *loop, const struct store_config *config)
{
    const char *dir = store_url_lmdb_dir(config->url);
    struct lmdb_store *store = mem_zalloc(sizeof *store);

    store->base.backend = lmdb_store_backend();
    store->loop = loop;
    store->dir = str_dup(dir);
    store->map_bytes = config->lmdb_max;
    store->timeout_s =
        config->timeout_ns > 0 ? (double)config->timeout_ns / 1e9 : TIMEOUT_S;
    ev_init(&store->reopen, on_reopen);
    store->reopen.data = store;
    store->writer = writer_client_create(loop, config->writer_listen_fd, store->timeout_s,
                                         on_writer_up, store);
    /* A front that replaces another has clients at once, before the writer's greeting.
       The files exist already, or the greeting will open them. */
    if (store->writer != NULL && access(dir, F_OK) == 0)
        (void)!open_db(store);
    if (store->writer != NULL)
        return &store->base;
    close_store(&store->base);
    return NULL;
}

static bool is_ready(const struct store *base, const char **why_r)
{
    const struct lmdb_store *store =
        (const struct lmdb_store *)(const void *)base; /* its first member */

    *why_r = NULL;
    if (writer_client_is_hung(store->writer))
        *why_r = "the store's writer does not answer";
    else if (!writer_client_is_up(store->writer))
        *why_r = "the store's writer cannot be reached";
    else if (!is_open(store))
        *why_r = "the store cannot be opened";
    else if (lmdb_thread_is_hung(store->thread))
        *why_r = "the store's reads hang";
    return *why_r == NULL;
}

/* Counts bytes into this turn of the loop; false if they are too many for it. */
static bool fits_turn(struct lmdb_store *store, size_t bytes)
{
    unsigned turn = ev_iteration(store->loop);

    if (turn != store->turn)
        store->turn_bytes = 0;
    store->turn = turn;
    if (bytes > LMDB_STORE_TURN_MAX - store->turn_bytes)
        return false;
    store->turn_bytes += bytes;
    return true;
}

/* True if the loop may copy the value: it is short, or it is in memory and fits into this
   turn. */
static bool is_for_loop(struct lmdb_store *store, MDB_val value)
{
    return value.mv_size <= LMDB_STORE_INLINE_MAX + LAYOUT_HEAD_BYTES ||
           (value.mv_size <= LMDB_STORE_RESIDENT_MAX && lmdb_read_is_resident(value) &&
            fits_turn(store, value.mv_size));
}

/* The caller's memory for a document of `len` bytes and one of these formats; NULL if the
   caller offers none. */
static struct blob *take_target(const struct store_get *get, unsigned formats, size_t len,
                                uint8_t **bytes_r)
{
    const struct store_target *target = &get->target;

    if (target->take == NULL || (target->formats & formats) == 0 || len == 0)
        return NULL;
    return target->take(target->ctx, len, bytes_r);
}

static struct blob *copy_value(const struct store_get *get,
                               const struct layout_value *value)
{
    uint8_t *to;
    struct blob *blob =
        take_target(get, STORE_TARGET_FOR(value->format), value->bytes.len, &to);

    if (blob == NULL)
        return blob_new_copy(value->bytes.data, value->bytes.len);
    memcpy(to, value->bytes.data, value->bytes.len);
    return blob;
}

/* True if the caller knows this version of the document. Only the head is read. */
static bool is_known(struct store_get *get, MDB_val found)
{
    struct layout_value value;

    if (get->known_version == 0 || layout_read_value(lmdb_db_slice(found), &value) != 0 ||
        value.version != get->known_version)
        return false;
    get->format = value.format;
    get->version = value.version;
    return true;
}

/* Reads from the map, in one transaction. Returns false if the document, of *len_r bytes,
   is for the thread. */
static bool get_now(struct lmdb_store *store, struct store_get *get, size_t *len_r)
{
    struct layout_value value;
    MDB_val found;
    int rc = lmdb_db_renew_read(&store->db, store->txn);

    if (rc != 0) {
        log_warn("store: a read cannot begin: %s", mdb_strerror(rc));
        get->status = STORE_ERROR;
        return true;
    }
    get->status = lmdb_read_find(&store->db, store->txn, get->key, &found);
    if (get->status == STORE_OK && is_known(get, found)) {
        mdb_txn_reset(store->txn);
        return true;
    }
    if (get->status == STORE_OK && !is_for_loop(store, found)) {
        mdb_txn_reset(store->txn);
        *len_r = found.mv_size - LAYOUT_HEAD_BYTES;
        return false;
    }
    if (get->status == STORE_OK)
        get->status = lmdb_read_value(get->key, found, &value);
    if (get->status == STORE_OK && !memory_budget_fits(value.bytes.len, value.bytes.len))
        get->status = STORE_NO_MEMORY;
    if (get->status == STORE_OK) {
        get->blob = copy_value(get, &value);
        get->format = value.format;
        get->version = value.version;
    }
    mdb_txn_reset(store->txn);
    return true;
}

/* Takes the caller's memory here, because the thread must not ask for it. The document
   may be another one by the time it is read. */
static void get_by_thread(struct lmdb_store *store, struct store_get *get, size_t len)
{
    uint8_t *bytes = NULL;
    struct blob *target = take_target(get, UINT_MAX, len, &bytes);

    lmdb_thread_run(store->thread, lmdb_task_for_get(get, target, bytes));
}

static void get_document(struct store *base, struct store_get *get)
{
    struct lmdb_store *store = of(base);
    struct blob *blob;
    size_t len;

    if (!is_open(store)) {
        STORE_BACKEND_END(get, STORE_DOWN);
        return;
    }
    if (!get_now(store, get, &len)) {
        get_by_thread(store, get, len);
        return;
    }
    blob = get->blob; /* get may be gone after done */
    get->done(get);
    blob_unref(&blob);
}

static void list_documents(struct store *base, struct store_list *list)
{
    struct lmdb_store *store = of(base);

    if (is_open(store))
        lmdb_thread_run(store->thread, lmdb_task_for_list(list));
    else
        STORE_BACKEND_END(list, STORE_DOWN);
}

static void count_documents(struct store *base, struct store_count *count)
{
    struct lmdb_store *store = of(base);

    if (is_open(store))
        lmdb_thread_run(store->thread, lmdb_task_for_count(count));
    else
        STORE_BACKEND_END(count, STORE_DOWN);
}

static void list_collections(struct store *base, struct store_collections *collections)
{
    struct lmdb_store *store = of(base);

    if (is_open(store))
        lmdb_thread_run(store->thread, lmdb_task_for_collections(collections));
    else
        STORE_BACKEND_END(collections, STORE_DOWN);
}

static void put_document(struct store *base, struct store_put *put)
{
    writer_client_put(of(base)->writer, put);
}

static int reap_readers(struct store *base)
{
    struct lmdb_store *store = of(base);

    return is_open(store) ? lmdb_db_reap_readers(&store->db) : 0;
}

static uint64_t clock_us(const struct store *base)
{
    const struct lmdb_store *store = (const struct lmdb_store *)(const void *)base;

    return writer_client_last_version(store->writer);
}

static void read_counters(const struct store *base, struct store_counters *counters_r)
{
    const struct lmdb_store *store = (const struct lmdb_store *)(const void *)base;

    writer_client_read_counters(store->writer, counters_r);
    if (store->thread != NULL)
        counters_r->thread_waiting = lmdb_thread_waiting(store->thread);
}

static int check_store(const struct store_config *config, store_check_verify *verify,
                       void *ctx, struct store_check_counts *counts_r)
{
    return lmdb_check_in_child(store_url_lmdb_dir(config->url), config->lmdb_max, verify,
                               ctx, counts_r);
}

const struct store_backend *lmdb_store_backend(void)
{
    static const struct store_backend backend = {
        .open = open_store,
        .close = close_store,
        .is_ready = is_ready,
        .get = get_document,
        .list = list_documents,
        .count = count_documents,
        .collections = list_collections,
        .put = put_document,
        .reap_readers = reap_readers,
        .clock_us = clock_us,
        .keeps_order = true,
        .read_counters = read_counters,
        .check = check_store,
    };

    return &backend;
}
