/*
 * PATCH of a document with a JSON merge patch (RFC 7396) or a program: read it, apply the
 * patch and print the result in a worker, then write it on the condition that the version
 * is still the one read; where it is not, start again. So no update is lost, whoever else
 * writes, and none is made twice.
 *
 * Patches of one document that meet in one front wait for each other: without that, of
 * n clients n - 1 would do their work in vain each time. None waits longer than a job may
 * take.
 */
#include "server/api/conditions.h"
#include "server/api/document/document_reply.h"
#include "server/api/exchange_kinds.h"
#include "server/api/programs/program.h"

#include <assert.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/codec/jq/jq.h"
#include "common/loop/loop_defer.h"

/* After so long of others always being first, the client is asked to come again. */
#define PATCH_TRY_NS (10 * NS_PER_S)

struct document_patch {
    struct exchange base;
    struct list link;    /* in api.patches: at work; in api.patches_due: about to be; or
                            in another's `waiting` */
    struct list waiting; /* patches of the same document */
    struct loop_defer *late; /* while it waits for another: when that is over */
    bool gunzip;
    bool is_program;
    uint64_t begun_ns; /* when it went to work */
    struct conditions conditions;
    struct codec_fault fault; /* the patch's, unless the stored document is damaged */
    struct store_get get;
    struct store_put put;
    struct job job;
    struct blob *patch;  /* or the program, as a call's argument */
    struct blob *stored; /* the document as read */
    struct blob *result; /* the document as it will be stored */
    struct blob *reply;  /* and as it will be sent */
    enum store_format format;
    uint64_t version;     /* as read */
    uint64_t new_version; /* of the result, where the store is foreign */
};

static void read_document(struct document_patch *patch);

static bool same_document(const struct exchange *a, const struct exchange *b)
{
    return a->route.collection_len == b->route.collection_len &&
           a->route.id_len == b->route.id_len &&
           memcmp(a->route.collection, b->route.collection, a->route.collection_len) ==
               0 &&
           memcmp(a->route.id, b->route.id, a->route.id_len) == 0;
}

static void begin_work(struct document_patch *patch)
{
    loop_defer_destroy(&patch->late);
    patch->begun_ns = clock_now_ns();
    list_append(&patch->base.api->patches, &patch->link);
    read_document(patch);
}

/* Lets patches that are due go to work. One that ends at once makes the next one due: a
   loop, so that the stack does not grow with the number of clients. */
static void begin_due(struct api *api)
{
    struct list *first;

    if (api->patches_beginning)
        return;
    api->patches_beginning = true;
    while ((first = list_shift(&api->patches_due)) != NULL)
        begin_work(container_of(first, struct document_patch, link));
    api->patches_beginning = false;
}

/* Lets the next patch of the document go to work, and the others wait for that one. */
static void end_work(struct document_patch *patch)
{
    struct api *api = patch->base.api;
    struct list *first;
    struct document_patch *next;

    loop_defer_destroy(&patch->late);
    list_remove(&patch->link);
    first = list_shift(&patch->waiting);
    if (first == NULL)
        return;
    next = container_of(first, struct document_patch, link);
    while ((first = list_shift(&patch->waiting)) != NULL)
        list_append(&next->waiting, first);
    list_append(&api->patches_due, &next->link);
    begin_due(api);
}

static void start_again(struct document_patch *patch)
{
    blob_unref(&patch->stored);
    blob_unref(&patch->result);
    blob_unref(&patch->reply);
    if (clock_now_ns() - patch->begun_ns < PATCH_TRY_NS) {
        read_document(patch);
        return;
    }
    exchange_fail(&patch->base, 503,
                  "the document is being changed too often; try again");
    end_work(patch);
}

static void on_put_done(struct store_put *put)
{
    struct document_patch *patch = container_of(put, struct document_patch, put);

    exchange_store_answered(&patch->base);
    if (put->status == STORE_OK) {
        document_reply_send(&patch->base,
                            exchange_is_foreign(&patch->base) ? patch->new_version
                                                              : put->version,
                            patch->reply);
        end_work(patch);
    } else if (put->status == STORE_CONFLICT) {
        start_again(patch);
    } else {
        exchange_fail_store(&patch->base, put->status);
        end_work(patch);
    }
}

static void write_document(struct document_patch *patch)
{
    struct store_put *put = &patch->put;

    put->key.id = route_id(&patch->base.route);
    put->blob = patch->result;
    put->format = patch->format;
    put->condition = STORE_IF_VERSION;
    put->if_version = patch->version;
    exchange_put(&patch->base, put, on_put_done);
}

static void print_result(struct document_patch *patch);

static void on_printed(struct job *job)
{
    struct document_patch *patch = container_of(job, struct document_patch, job);

    exchange_job_ended(&patch->base, job);
    if (exchange_lacks_coding(&patch->base, job)) {
        print_result(patch);
    } else if (job->status == JOB_OK) {
        patch->reply = blob_ref(job->result);
        write_document(patch);
    } else {
        exchange_fail_stored(&patch->base, job);
        end_work(patch);
    }
}

/* Prints the result before it is written: then the reply cannot fail any more. */
static void print_result(struct document_patch *patch)
{
    struct exchange *e = &patch->base;
    struct codec_call call;

    if (document_reply_plan(e, patch->format, patch->result->bytes, &call)) {
        patch->job.in_blob = patch->result;
        patch->job.argument_blob = NULL;
        exchange_submit(e, &patch->job, &call, on_printed);
    } else {
        patch->reply = blob_ref(patch->result);
        write_document(patch);
    }
}

static void on_checked(struct job *job)
{
    struct document_patch *patch = container_of(job, struct document_patch, job);

    exchange_job_ended(&patch->base, job);
    if (job->status == JOB_OK) {
        job->status = JOB_REFUSED;
        job->fault = patch->fault;
        exchange_fail_job(&patch->base, job);
    } else {
        exchange_fail_stored(&patch->base, job);
    }
    end_work(patch);
}

/* The job was refused for what the patch is or for what the stored document is, and does
   not say which: whether the document is whole tells. */
static void check_stored(struct document_patch *patch)
{
    const struct codec_call call = {.op = patch->format == STORE_JSON ? CODEC_OP_DECODE
                                                                      : CODEC_OP_VALIDATE,
                                    .in = patch->stored->bytes};

    patch->job.in_blob = patch->stored;
    patch->job.argument_blob = NULL;
    exchange_submit(&patch->base, &patch->job, &call, on_checked);
}

/* True if the conditions hold. The version of what a foreign store has is known now. */
static bool check_foreign(struct document_patch *patch, const struct job *job)
{
    patch->version = job->digest_in;
    patch->new_version = job->digest_out;
    if (conditions_hold(&patch->conditions, patch->version))
        return true;
    exchange_fail_store(&patch->base, STORE_CONFLICT);
    end_work(patch);
    return false;
}

static void on_patched(struct job *job)
{
    struct document_patch *patch = container_of(job, struct document_patch, job);

    exchange_job_ended(&patch->base, job);
    if (job->status == JOB_OK) {
        if (exchange_is_foreign(&patch->base) && !check_foreign(patch, job))
            return;
        patch->result = blob_ref(job->result);
        print_result(patch);
    } else if (job->status == JOB_REFUSED && !codec_status_has_text(job->fault.status) &&
               codec_status_http(job->fault.status) == 400) {
        patch->fault = job->fault;
        check_stored(patch);
    } else {
        exchange_fail_job(&patch->base, job);
        end_work(patch);
    }
}

static void apply_patch(struct document_patch *patch)
{
    const struct codec_call call = {
        .op = CODEC_OP_PATCH,
        .digests = exchange_is_foreign(&patch->base) ? CODEC_DIGESTS : 0,
        .transform = patch->base.program != NULL,
        .gunzip = patch->gunzip,
        .format = exchange_codec_format(patch->format),
        .in = patch->stored->bytes,
        .argument = patch->patch->bytes};

    patch->job.in_blob = patch->stored;
    patch->job.argument_blob = patch->patch;
    exchange_submit(&patch->base, &patch->job, &call, on_patched);
}

static void on_get_done(struct store_get *get)
{
    struct document_patch *patch = container_of(get, struct document_patch, get);

    exchange_store_answered(&patch->base);
    patch->version = get->version;
    patch->format = get->format;
    if (get->status == STORE_OK && (exchange_is_foreign(&patch->base) ||
                                    conditions_hold(&patch->conditions, get->version))) {
        patch->stored = blob_ref(get->blob);
        apply_patch(patch);
    } else {
        exchange_fail_store(&patch->base,
                            get->status == STORE_OK ? STORE_CONFLICT : get->status);
        end_work(patch);
    }
}

static void read_document(struct document_patch *patch)
{
    exchange_get(&patch->base, &patch->get, on_get_done);
}

static void on_late(void *ctx)
{
    struct document_patch *patch = ctx;

    exchange_fail(&patch->base, 504, "others change the document; it took too long");
    end_work(patch);
}

static void wait_for(struct document_patch *patch, struct document_patch *other)
{
    const struct api_config *config = &patch->base.api->config;

    list_append(&other->waiting, &patch->link);
    patch->late = loop_defer_create(config->loop, on_late, patch);
    loop_defer_ask(patch->late, (unsigned)(config->job_timeout_ns / NS_PER_MS));
}

/* The body is a program. Returns -1 where it is answered. */
static int take_program(struct document_patch *patch)
{
    struct exchange *e = &patch->base;
    struct blob *body = patch->patch;
    int result = -1;

    patch->patch = NULL;
    if (body->bytes.len > JQ_MAX_TEXT_BYTES)
        exchange_fail(e, 413, "a program has 65536 bytes at most");
    else
        result = program_of_body(e, body->bytes);
    blob_unref(&body);
    if (result == 0)
        patch->patch = blob_ref(e->program->argument);
    return result;
}

static void body_end(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);
    struct list *head = &e->api->patches;

    patch->patch = http_take_body(e->x);
    if (patch->is_program && take_program(patch) != 0)
        return;
    for (struct list *at = head->next; at != head; at = at->next) {
        struct document_patch *other = container_of(at, struct document_patch, link);

        if (same_document(e, &other->base)) {
            wait_for(patch, other);
            return;
        }
    }
    begin_work(patch);
}

static void start(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);
    struct slice type = http_header(e->x, "content-type");
    const char *fault = conditions_read(e->x, &patch->conditions);

    list_init(&patch->link);
    list_init(&patch->waiting);
    patch->is_program = negotiate_is_media(type, PROGRAM_MEDIA);
    if (!patch->is_program && !negotiate_is_media(type, "application/merge-patch+json"))
        exchange_fail_content_type(e, program_patch_types(e), program_accept_patch(e));
    else if (fault != NULL)
        exchange_fail(e, 400, fault);
    else if (patch->is_program && !program_may_be_own(e))
        return;
    else if (!exchange_check_body(e, "a patch", &patch->gunzip))
        return;
    else if (patch->is_program && patch->gunzip)
        exchange_fail_with(e, 415, "a program takes no Content-Encoding",
                           "Accept-Encoding: identity\r\n");
    else
        http_collect_body(e->x);
}

static void cancel(struct exchange *e)
{
    struct document_patch *patch = container_of(e, struct document_patch, base);

    if (patch->link.next == NULL)
        return; /* refused before it was started */
    store_cancel(&patch->get.request);
    store_cancel(&patch->put.request);
    jobs_cancel(e->api->config.jobs, &patch->job);
    blob_unref(&patch->patch);
    blob_unref(&patch->stored);
    blob_unref(&patch->result);
    blob_unref(&patch->reply);
    end_work(patch);
}

const struct exchange_kind *document_patch_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct document_patch),
                                              .start = start,
                                              .body_end = body_end,
                                              .cancel = cancel};

    return &kind;
}
