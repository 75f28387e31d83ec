#include "server/store/store.h"

#include <assert.h>

#include "common/base/log.h"
#include "server/store/lmdb/lmdb_store.h"
#include "server/store/redis/redis_store.h"
#include "server/store/redis/redis_url.h"
#include "server/store/store_backend.h"
#include "server/store/store_url.h"

/* The backend for a URL; NULL for none. */
static const struct store_backend *find_backend(const char *url)
{
    if (store_url_lmdb_dir(url) != NULL)
        return lmdb_store_backend();
    return redis_url_is_redis(url) ? redis_store_backend() : NULL;
}

struct store *store_open(struct ev_loop *loop, const struct store_config *config)
{
    const struct store_backend *backend = find_backend(config->url);
    struct buf shown = BUF_INIT;

    if (backend != NULL)
        return backend->open(loop, config);
    store_url_print(config->url, &shown);
    log_warn("no store is known for the URL '%.*s'", (int)shown.len,
             (const char *)shown.data);
    buf_free(&shown);
    return NULL;
}

void store_close(struct store **store)
{
    struct store *s = *store;

    *store = NULL;
    if (s != NULL)
        s->backend->close(s);
}

bool store_is_ready(const struct store *store, const char **why_r)
{
    return store->backend->is_ready(store, why_r);
}

static bool name_fits(struct slice name)
{
    return name.len >= 1 && name.len <= STORE_NAME_MAX;
}

void store_get(struct store *store, struct store_get *get)
{
    assert(name_fits(get->key.collection) && name_fits(get->key.id));
    get->request.backend = NULL;
    get->blob = NULL;
    get->version = 0;
    store->backend->get(store, get);
}

void store_list(struct store *store, struct store_list *list)
{
    assert(name_fits(list->collection) && list->after.len <= STORE_NAME_MAX);
    assert(list->max_documents > 0);
    list->request.backend = NULL;
    list->documents = NULL;
    list->count = 0;
    list->more = false;
    store->backend->list(store, list);
}

void store_list_end(struct store_list *list)
{
    struct store_scan *scan = list->scan;

    assert(list->request.backend == NULL);
    list->scan = NULL;
    if (scan != NULL)
        scan->free(scan);
}

bool store_is_foreign(const struct store *store)
{
    return store->is_foreign;
}

void store_count(struct store *store, struct store_count *count)
{
    assert(name_fits(count->collection) && count->after.len <= STORE_NAME_MAX);
    count->request.backend = NULL;
    count->documents = 0;
    store->backend->count(store, count);
}

void store_collections(struct store *store, struct store_collections *collections)
{
    assert(collections->max_count > 0 && collections->after.len <= STORE_NAME_MAX);
    collections->request.backend = NULL;
    collections->collections = NULL;
    collections->count = 0;
    collections->more = false;
    store->backend->collections(store, collections);
}

void store_put(struct store *store, struct store_put *put)
{
    assert(name_fits(put->key.collection) && name_fits(put->key.id));
    assert(put->remove || put->blob != NULL);
    put->request.backend = NULL;
    put->version = 0;
    store->backend->put(store, put);
}

void store_cancel(struct store_request *request)
{
    store_backend_cancel(request);
}

int store_reap_readers(struct store *store)
{
    return store->backend->reap_readers(store);
}

uint64_t store_clock_us(const struct store *store)
{
    return store->backend->clock_us(store);
}

bool store_keeps_order(const struct store *store)
{
    return store->backend->keeps_order;
}

void store_learn(struct store *store, struct store_learn *learn)
{
    assert(name_fits(learn->collection));
    learn->request.backend = NULL;
    if (store->backend->learn != NULL)
        store->backend->learn(store, learn);
    else
        learn->done(learn);
}

void store_read_counters(const struct store *store, struct store_counters *counters_r)
{
    *counters_r = (struct store_counters){0};
    store->backend->read_counters(store, counters_r);
}

int store_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r)
{
    const struct store_backend *backend = find_backend(config->url);

    *counts_r = (struct store_check_counts){0};
    if (backend != NULL)
        return backend->check(config, verify, ctx, counts_r);
    log_warn("no check is known for that store");
    return -1;
}

const char *store_status_text(enum store_status status)
{
    switch (status) {
#define X(name, text) \
    case STORE_##name: return text;
        STORE_STATUS_MAP(X)
#undef X
    }
    return "unknown";
}
