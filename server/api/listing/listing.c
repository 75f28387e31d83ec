/*
 * GET of a collection: a JSON (or MessagePack) array of its documents in id order, or
 * each of them on a line of its own (NDJSON), streamed. At any time one run of documents
 * is held: read from the store, encoded, handed to the connection; the next is read when
 * the connection has room.
 *
 * What cannot be known from the first run (how many documents a MessagePack array's
 * header must promise, after which id a long page is cut) is counted first. Others may
 * insert and delete between the count and the runs. So a page ends with the id that its
 * Link names, however many documents that are by then. A MessagePack array ends with the
 * last id that was counted, and the reply is aborted where its documents are not as many
 * as the header promised.
 *
 * A compressed reply is one stream of parts: each run is compressed by the job that
 * encodes it, and here they are only put together (coding.h). Where a worker lacks the
 * coding, workers encode what follows and a thread of the front compresses it.
 */
#include "server/api/exchange_kinds.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/codec/coding/coding.h"
#include "common/base/log.h"
#include "server/api/listing/next_link.h"
#include "server/api/listing/packed_results.h"
#include "server/api/listing/scan.h"
#include "server/api/programs/program.h"

/* One run of documents: about the work of 1 ms for a worker. */
#define RUN_BYTES     (256u * 1024)
#define RUN_DOCUMENTS 512

struct listing {
    struct exchange base;
    struct store_count count;
    struct store_list list;
    struct job job;
    struct blob *run;       /* what the run's documents lie in */
    struct slice documents; /* of the run: they have one format, and dividers */
    struct blob *ids; /* theirs, where asked for; a '\n' behind each. Or the program with
                         them, as a call's argument */
    enum store_format format;     /* theirs */
    uint64_t promised;            /* documents, by a MessagePack array's header */
    uint64_t in_run;              /* documents in the run */
    uint64_t sent;                /* documents handed to the connection; a program may
                                     have made nothing of them */
    bool any;                     /* something of them was sent */
    struct packed_results packed; /* where they are not sent as they come */
    struct coding_stream stream;  /* of the reply, once it has begun */
    enum codec_coding coding;     /* of the reply; NONE for one run that is small */
    bool begun;                   /* the reply's head and the array's opening are out */
    bool bounded; /* the reply ends with count.last_id, not where the collection does */
    bool lacking; /* some worker lacks the coding: a thread of ours compresses */
    bool last_run;
    uint64_t taken;   /* documents read */
    struct buf names; /* of the run's documents, of a foreign store; '\n' behind each */
    uint8_t after_len;
    uint8_t after[ROUTE_NAME_MAX];
};

static void next_run(struct listing *listing);
static void encode_run(struct listing *listing);

/* Ends an exchange that cannot go on: with a status where none was sent, else by cutting
   the reply short, so that nobody takes it for whole. */
static bool fail_begun(struct listing *listing)
{
    if (listing->begun)
        http_reply_abort(listing->base.x);
    return listing->begun;
}

static void begin_reply(struct listing *listing)
{
    struct exchange *e = &listing->base;
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200};

    reply.content_type = exchange_media(e);
    exchange_put_coding(&headers, listing->coding);
    if (e->query.has_limit && listing->count.more)
        next_link_put(e,
                      (struct slice){listing->count.last_id, listing->count.last_id_len},
                      &headers);
    exchange_put_vary(e, &headers);
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    listing->begun = true;
    http_reply_begin(e->x, &reply);
    buf_free(&headers);
}

/* Sends what is in the buffer, which is empty then; false as http_reply_chunk(). */
static bool send_buf(struct listing *listing, struct buf *bytes)
{
    struct blob *blob = blob_new_steal(bytes);
    bool room = http_reply_chunk(listing->base.x, blob, blob->bytes);

    blob_unref(&blob);
    return room;
}

/* Sends a few bytes of the array's own; false as http_reply_chunk(). */
static bool send_text(struct listing *listing, const void *text, size_t len)
{
    struct buf bytes = BUF_INIT;

    coding_stream_put(&listing->stream, (struct slice){text, len}, &bytes);
    return send_buf(listing, &bytes);
}

static void send_opening(struct listing *listing)
{
    uint64_t total = listing->promised;
    const uint8_t array32[5] = {0xdd, (uint8_t)(total >> 24), (uint8_t)(total >> 16),
                                (uint8_t)(total >> 8), (uint8_t)total};
    struct buf bytes = BUF_INIT;

    coding_stream_begin(&listing->stream, listing->coding, &bytes);
    if (bytes.len > 0)
        send_buf(listing, &bytes);
    if (listing->base.type == NEGOTIATE_MSGPACK)
        send_text(listing, array32, sizeof array32);
    else if (listing->base.type == NEGOTIATE_JSON)
        send_text(listing, "[", 1);
}

static void end_reply(struct listing *listing)
{
    struct buf bytes = BUF_INIT;

    if (listing->base.type == NEGOTIATE_JSON) {
        if (listing->base.query.pretty && listing->any)
            send_text(listing, "\n", 1);
        send_text(listing, "]", 1);
    }
    coding_stream_end(&listing->stream, &bytes);
    if (bytes.len > 0)
        send_buf(listing, &bytes);
    http_reply_end(listing->base.x);
}

/* Sends a run's documents, which are a part of the blob; -1 where they are no part of the
   stream. *room_r as http_reply_chunk(). */
static int send_documents(struct listing *listing, struct blob *blob, struct slice bytes,
                          bool *room_r)
{
    *room_r = true;
    if (bytes.len == 0 && listing->base.program != NULL) {
        listing->sent += listing->in_run;
        return 0;
    }
    if (listing->any && listing->base.type == NEGOTIATE_JSON)
        send_text(listing, ",", 1);
    listing->any = true;
    if (coding_stream_take(&listing->stream, &bytes) != 0 || bytes.len == 0) {
        log_warn("a worker's run of documents is malformed");
        return -1;
    }
    *room_r = http_reply_chunk(listing->base.x, blob, bytes);
    if (listing->base.type == NEGOTIATE_NDJSON)
        *room_r = send_text(listing, "\n", 1);
    listing->sent += listing->in_run;
    return 0;
}

/* False where a MessagePack array cannot become what its header promised, since others
   inserted or deleted meanwhile. */
static bool keeps_promise(const struct listing *listing)
{
    uint64_t sent = listing->sent + listing->in_run;

    if (listing->base.type != NEGOTIATE_MSGPACK)
        return true;
    return listing->last_run ? sent == listing->promised : sent <= listing->promised;
}

/* Begins the reply before its first run is sent. */
static void begin_stream(struct listing *listing)
{
    if (listing->last_run) /* then nothing can come between */
        listing->promised = listing->in_run;
    begin_reply(listing);
    if (http_request(listing->base.x)->method == HTTP_HEAD)
        http_reply_end(listing->base.x);
    else
        send_opening(listing);
}

/* True for results whose number must be known before the first of them is sent. */
static bool collects(const struct exchange *e)
{
    return e->type == NEGOTIATE_MSGPACK && e->program != NULL;
}

/* Keeps a run's results; behind the last all are sent. */
static void collect_run(struct listing *listing, struct blob *run)
{
    struct exchange *e = &listing->base;
    bool is_head = http_request(e->x)->method == HTTP_HEAD;
    enum packed_end end =
        is_head ? PACKED_TAKEN : packed_results_take(&listing->packed, run);

    if (end == PACKED_MALFORMED) {
        log_warn("a worker's run of documents is malformed");
        exchange_fail(e, 500, "a worker's answer was malformed");
    } else if (end == PACKED_TOO_LARGE) {
        exchange_fail(e, 413, "the results are too many for one array; use limit");
    } else if (!is_head && !listing->last_run) {
        next_run(listing);
    } else {
        listing->promised = listing->packed.results;
        begin_reply(listing);
        if (!is_head) {
            send_opening(listing);
            packed_results_send(&listing->packed, e->x);
        }
        http_reply_end(e->x);
    }
}

/* Sends a run, and goes on. */
static void send_run(struct listing *listing, struct blob *blob, struct slice bytes)
{
    bool room = true;

    if (collects(&listing->base)) {
        collect_run(listing, blob);
        return;
    }
    if (!listing->begun)
        begin_stream(listing);
    if (http_request(listing->base.x)->method == HTTP_HEAD)
        return;
    if (!keeps_promise(listing) ||
        (listing->in_run > 0 && send_documents(listing, blob, bytes, &room) < 0))
        http_reply_abort(listing->base.x);
    else if (listing->last_run)
        end_reply(listing);
    else if (room)
        next_run(listing);
}

/* Sends a run that needs no codec. */
static void send_bytes(struct listing *listing)
{
    struct blob *run = listing->run;

    listing->run = NULL;
    send_run(listing, run, listing->documents);
    blob_unref(&run);
}

/* True where a document of a foreign store was no JSON: then that is answered. */
static bool fail_foreign(struct listing *listing, const struct job *job)
{
    char detail[SCAN_DETAIL_MAX];

    if (!exchange_is_foreign(&listing->base) ||
        !scan_explain(job, listing->documents, buf_slice(&listing->names), detail))
        return false;
    log_limited_warn(&listing->base.api->scan_log, LOG_EVERY_SECOND, "a scan ended: %s",
                     detail);
    if (!fail_begun(listing))
        exchange_fail(&listing->base, 422, detail);
    return true;
}

/* The run's last job is done. */
static void end_job(struct listing *listing, struct job *job)
{
    bool failed = job->status != JOB_OK && fail_foreign(listing, job);

    blob_unref(&listing->run);
    blob_unref(&listing->ids);
    if (failed)
        return;
    if (job->status == JOB_OK) {
        struct blob *result = blob_ref(job->result);

        send_run(listing, result, result->bytes);
        blob_unref(&result);
    } else if (!fail_begun(listing)) {
        exchange_fail_stored(&listing->base, job);
    }
}

static void on_compressed(struct job *job)
{
    struct listing *listing = container_of(job, struct listing, job);

    exchange_job_ended(&listing->base, job);
    end_job(listing, job);
}

/* Has a thread of this front compress what a worker without the coding has encoded. To
   the thread it is bytes: nothing that a document holds is looked at in this process. */
static void compress_run(struct listing *listing, struct blob *encoded)
{
    const struct codec_call call = {.op = CODEC_OP_PROJECT,
                                    .coding = listing->coding,
                                    .part = true,
                                    .in = encoded->bytes};

    blob_ref(encoded);
    blob_unref(&listing->run);
    listing->run = encoded;
    listing->documents = encoded->bytes; /* the others are gone */
    listing->job.in_blob = encoded;
    listing->job.argument_blob = NULL;
    exchange_submit_as(&listing->base, JOBS_THREADS, &listing->job, &call, on_compressed);
}

/* True where a worker is too old to give documents with their ids. */
static bool lacks_ids(const struct job *job)
{
    return job->status == JOB_REFUSED && job->fault.status == CODEC_UNSUPPORTED &&
           job->call.ids && job->mode != JOBS_THREADS;
}

static void on_job_done(struct job *job)
{
    struct listing *listing = container_of(job, struct listing, job);

    exchange_job_ended(&listing->base, job);
    if (lacks_ids(job)) {
        const struct codec_call call = job->call;

        exchange_submit_as(&listing->base, JOBS_THREADS, job, &call, on_job_done);
    } else if (exchange_lacks_coding(&listing->base, job)) {
        listing->base.coding = listing->coding;
        listing->lacking = true;
        encode_run(listing);
    } else if (job->status == JOB_OK && listing->lacking) {
        compress_run(listing, job->result);
    } else {
        end_job(listing, job);
    }
}

/* False where stored documents of that format are the reply's bytes. */
static bool needs_codec(const struct exchange *e, enum store_format format)
{
    bool json = e->type != NEGOTIATE_MSGPACK;

    return exchange_is_foreign(e) || e->query.ids || e->program != NULL ||
           json != (format == STORE_JSON) || e->query.fields.len > 0 ||
           (e->type == NEGOTIATE_JSON && e->query.pretty) || e->coding != CODING_NONE;
}

/* What divides stored JSON texts, as the reply or the codec wants them. */
static uint8_t divider(const struct exchange *e)
{
    return e->type == NEGOTIATE_JSON && !needs_codec(e, STORE_JSON) ? ',' : '\n';
}

/* Notes the documents that have the first one's format as the run. */
static void choose_run(struct listing *listing, const struct store_list *list)
{
    size_t count = 0;

    listing->format = list->count > 0 ? list->documents[0].format : STORE_MSGPACK;
    while (count < list->count && list->documents[count].format == listing->format)
        count++;
    if (count > 0) {
        struct slice id = list->documents[count - 1].id;

        assert(id.len <= sizeof listing->after);
        memcpy(listing->after, id.data, id.len);
        listing->after_len = (uint8_t)id.len;
    }
    listing->in_run = count;
    listing->taken += count;
    listing->last_run = (!list->more && count == list->count) ||
                        (exchange_is_foreign(&listing->base) &&
                         listing->taken >= listing->base.query.limit);
}

/* Puts a run together where the store has no blob of it: such a run is small. */
static void copy_run(struct listing *listing, const struct store_list *list)
{
    struct buf run = BUF_INIT;

    for (size_t i = 0; i < listing->in_run; i++) {
        if (i > 0 && listing->format == STORE_JSON)
            buf_append(&run, &list->divider, 1);
        buf_append(&run, list->documents[i].bytes.data, list->documents[i].bytes.len);
    }
    listing->run = blob_new_steal(&run);
    listing->documents = listing->run->bytes;
}

static void put_ids(const struct listing *listing, const struct store_list *list,
                    struct buf *ids)
{
    for (size_t i = 0; i < listing->in_run; i++) {
        buf_append(ids, list->documents[i].id.data, list->documents[i].id.len);
        buf_append(ids, "\n", 1);
    }
}

/* Notes the ids of the run's documents: at most RUN_DOCUMENTS. */
static void note_ids(struct listing *listing, const struct store_list *list)
{
    struct buf ids = BUF_INIT;

    put_ids(listing, list, &ids);
    if (listing->base.program == NULL) {
        listing->ids = blob_new_steal(&ids);
        return;
    }
    listing->ids = program_argument_for(
        &listing->base,
        (struct slice){ids.len > 0 ? ids.data : (const uint8_t *)"", ids.len});
    buf_free(&ids);
}

/* Takes a run out of what the store gave. */
static void take_run(struct listing *listing, const struct store_list *list)
{
    struct slice first, last;

    choose_run(listing, list);
    listing->names.len = 0;
    if (exchange_is_foreign(&listing->base))
        put_ids(listing, list, &listing->names);
    if ((listing->base.query.ids && listing->in_run > 0) || listing->base.program != NULL)
        note_ids(listing, list);
    if (listing->in_run == 0 || list->blob == NULL) {
        copy_run(listing, list);
        return;
    }
    first = list->documents[0].bytes;
    last = list->documents[listing->in_run - 1].bytes;
    listing->run = blob_ref(list->blob);
    listing->documents =
        (struct slice){first.data, (size_t)(last.data + last.len - first.data)};
}

/* One run that is small is not worth compressing. */
static enum codec_coding choose_coding(const struct listing *listing)
{
    return listing->last_run && listing->documents.len <= CODEC_CODED_MIN_BYTES
               ? CODING_NONE
               : listing->base.coding;
}

static void encode_run(struct listing *listing)
{
    const struct exchange *e = &listing->base;
    struct codec_call call = {.op = CODEC_OP_SEQUENCE,
                              .separator = ',',
                              .format = exchange_codec_format(listing->format),
                              .pretty = e->query.pretty,
                              .fields = e->query.fields,
                              .in = listing->documents};

    if (!listing->begun)
        listing->coding = choose_coding(listing);
    call.coding = listing->lacking ? CODING_NONE : listing->coding;
    call.part = call.coding != CODING_NONE;
    if (e->type == NEGOTIATE_NDJSON) {
        call.separator = '\n';
        call.pretty = false; /* a document is a line */
    }
    if (e->type == NEGOTIATE_MSGPACK)
        call.op = CODEC_OP_PROJECT; /* of a program with the separator: an array */
    listing->job.in_blob = listing->run;
    listing->job.argument_blob = listing->ids;
    if (listing->ids != NULL) {
        call.ids = e->query.ids;
        call.transform = e->program != NULL;
        call.argument = listing->ids->bytes;
    }
    exchange_submit(&listing->base, &listing->job, &call, on_job_done);
}

static void on_list_done(struct store_list *list)
{
    struct listing *listing = container_of(list, struct listing, list);
    struct exchange *e = &listing->base;

    exchange_store_answered(e);
    if (list->status != STORE_OK) {
        if (!fail_begun(listing))
            scan_fail_store(e, list->status);
        return;
    }
    take_run(listing, list);
    /* A program that does not compile is refused by an empty collection, too. */
    if ((listing->in_run > 0 || e->program != NULL) && needs_codec(e, listing->format))
        encode_run(listing);
    else
        send_bytes(listing);
}

static void next_run(struct listing *listing)
{
    struct exchange *e = &listing->base;
    struct store_list *list = &listing->list;
    enum stats_phase was = stats_phase_enter(STATS_STORE);

    list->collection = route_collection(&e->route);
    list->after = (struct slice){listing->after, listing->after_len};
    list->until = (struct slice){listing->count.last_id,
                                 listing->bounded ? listing->count.last_id_len : 0};
    list->max_bytes = RUN_BYTES;
    list->max_documents = RUN_DOCUMENTS;
    list->is_scan = e->query.scan;
    if (exchange_is_foreign(e) && e->query.limit - listing->taken < RUN_DOCUMENTS)
        list->max_documents = (size_t)(e->query.limit - listing->taken);
    list->divider = divider(e);
    list->done = on_list_done;
    exchange_store_asked(e);
    store_list(e->api->config.store, list);
    stats_phase_enter(was);
}

static void on_count_done(struct store_count *count)
{
    struct listing *listing = container_of(count, struct listing, count);

    exchange_store_answered(&listing->base);
    if (count->status != STORE_OK) {
        exchange_fail_store(&listing->base, count->status);
        return;
    }
    if (count->documents > UINT32_MAX && listing->base.type == NEGOTIATE_MSGPACK) {
        exchange_fail(&listing->base, 413, "too many documents for one array; use limit");
        return;
    }
    listing->promised = count->documents;
    listing->bounded = count->more || (listing->base.type == NEGOTIATE_MSGPACK &&
                                       !collects(&listing->base));
    if (count->documents == 0 && listing->base.program == NULL) {
        listing->last_run = true;
        send_run(listing, NULL, (struct slice){NULL, 0});
    } else {
        next_run(listing);
    }
}

static void start(struct exchange *e)
{
    struct listing *listing = container_of(e, struct listing, base);
    bool counts = e->type == NEGOTIATE_MSGPACK && !collects(e);

    if (exchange_is_foreign(e)) {
        if (scan_may_begin(e, counts))
            next_run(listing);
        return;
    }
    listing->after_len = e->query.after_len;
    memcpy(listing->after, e->query.after, e->query.after_len);
    if (e->query.has_limit || counts) {
        listing->count.collection = route_collection(&e->route);
        listing->count.after = (struct slice){e->query.after, e->query.after_len};
        listing->count.max_documents = e->query.limit;
        listing->count.done = on_count_done;
        exchange_store_asked(e);
        store_count(e->api->config.store, &listing->count);
        return;
    }
    next_run(listing);
}

static void cancel(struct exchange *e)
{
    struct listing *listing = container_of(e, struct listing, base);

    store_cancel(&listing->count.request);
    store_cancel(&listing->list.request);
    store_list_end(&listing->list);
    buf_free(&listing->names);
    jobs_cancel(e->api->config.jobs, &listing->job);
    blob_unref(&listing->run);
    blob_unref(&listing->ids);
    packed_results_free(&listing->packed);
}

static void writable(struct exchange *e)
{
    next_run(container_of(e, struct listing, base));
}

const struct exchange_kind *listing_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct listing),
                                              .start = start,
                                              .writable = writable,
                                              .cancel = cancel};

    return &kind;
}
