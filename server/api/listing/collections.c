/*
 * GET /v1: a JSON array of the collections with their document counts, in name order:
 * [{"name":"sizes","documents":4}]. Names need no escaping (route.h). Streamed, a run of
 * names at a time; no codec is needed for text this small.
 */
#include "server/api/exchange_kinds.h"

#include <assert.h>
#include <string.h>

#define RUN_NAMES 500

struct collections_read {
    struct exchange base;
    struct store_collections request;
    bool begun;
    uint8_t after_len;
    uint8_t after[STORE_NAME_MAX];
};

static void next_run(struct collections_read *read);

static void begin_reply(struct collections_read *read)
{
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200};

    reply.content_type = exchange_media(&read->base);
    exchange_put_vary(&read->base, &headers);
    exchange_put_common(&read->base, &headers);
    reply.headers = buf_slice(&headers);
    read->begun = true;
    http_reply_begin(read->base.x, &reply);
    buf_free(&headers);
}

/* The text of one run of names, with the array's brackets where they belong. */
static struct blob *print_run(const struct store_collections *run, bool first)
{
    struct buf text = BUF_INIT;

    if (first)
        buf_append_str(&text, "[");
    for (size_t i = 0; i < run->count; i++) {
        const struct store_collection *c = &run->collections[i];

        buf_append_str(&text, first && i == 0 ? "{\"name\":\"" : ",{\"name\":\"");
        buf_append(&text, c->name.data, c->name.len);
        buf_printf(&text, "\",\"documents\":%llu}", (unsigned long long)c->documents);
    }
    if (!run->more)
        buf_append_str(&text, "]");
    return blob_new_steal(&text);
}

static void send_run(struct collections_read *read, const struct store_collections *run)
{
    bool first = !read->begun, more = run->more, room;
    struct blob *text = print_run(run, first);

    if (run->count > 0) {
        struct slice last = run->collections[run->count - 1].name;

        assert(last.len <= sizeof read->after);
        memcpy(read->after, last.data, last.len);
        read->after_len = (uint8_t)last.len;
    }
    if (first)
        begin_reply(read);
    room = http_reply_chunk(read->base.x, text, text->bytes);
    blob_unref(&text);
    if (!more)
        http_reply_end(read->base.x);
    else if (room)
        next_run(read);
}

static void on_done(struct store_collections *run)
{
    struct collections_read *read = container_of(run, struct collections_read, request);

    exchange_store_answered(&read->base);
    if (run->status == STORE_OK)
        send_run(read, run);
    else if (read->begun)
        http_reply_abort(read->base.x);
    else
        exchange_fail_store(&read->base, run->status);
}

static void next_run(struct collections_read *read)
{
    read->request.after = (struct slice){read->after, read->after_len};
    read->request.max_count = RUN_NAMES;
    read->request.done = on_done;
    exchange_store_asked(&read->base);
    store_collections(read->base.api->config.store, &read->request);
}

static void start(struct exchange *e)
{
    if (exchange_is_foreign(e)) {
        exchange_fail(e, 405,
                      "the store is an application's and keeps no list of collections");
        return;
    }
    next_run(container_of(e, struct collections_read, base));
}

static void writable(struct exchange *e)
{
    next_run(container_of(e, struct collections_read, base));
}

static void cancel(struct exchange *e)
{
    store_cancel(&container_of(e, struct collections_read, base)->request.request);
}

const struct exchange_kind *collections_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct collections_read),
                                              .start = start,
                                              .writable = writable,
                                              .cancel = cancel};

    return &kind;
}
