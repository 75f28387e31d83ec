#include "server/workers/worker_message.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/loop/memory_budget.h"
#include "proto/frame.h"
#include "server/workers/memory/job_memory.h"
#include "server/workers/memory/transfer.h"
#include "server/workers/worker.h"

/* Results from this size on keep the message they came in, where they are most of it:
   a copy would cost more than the message's memory is worth. */
#define KEEP_MIN_BYTES 8192

struct message_blob {
    struct blob blob;
    nng_msg *message; /* one of the two */
    struct buf frame;
};

/* Any thread. */
static void message_blob_free(void *object)
{
    struct message_blob *kept = object;

    if (kept->message != NULL)
        nng_msg_free(kept->message);
    buf_free(&kept->frame);
    mem_free(kept);
}

static size_t kept_bytes(const struct message_blob *kept)
{
    return kept->message != NULL ? nng_msg_len(kept->message) : kept->frame.cap;
}

static void message_blob_release(struct blob *blob)
{
    struct message_blob *kept = container_of(blob, struct message_blob, blob);

    memory_budget_release(kept_bytes(kept));
    background_free_object(message_blob_free, kept, blob->bytes.len);
}

/* The memory that the message is in, but for the blob in it; NULL where more than the
   message is in there. */
static struct message_blob *keep_memory(struct rpc_message *message)
{
    struct message_blob *kept;
    struct buf frame = BUF_INIT;

    if (message->message == NULL && !frame_reader_steal(message->reader, &frame))
        return NULL;
    kept = mem_alloc(sizeof *kept);
    *kept = (struct message_blob){.frame = frame};
    if (message->message != NULL) {
        kept->message = *message->message;
        *message->message = NULL;
    }
    return kept;
}

struct blob *rpc_message_blob(struct rpc_message *message, struct slice payload)
{
    struct message_blob *kept;

    if (message->ready != NULL) {
        struct blob *blob = message->ready;

        message->ready = NULL;
        return blob;
    }
    if (message->in_arena != NULL)
        return blob_new_copy(message->in_arena, payload.len);
    if (payload.len < KEEP_MIN_BYTES || payload.len <= message->bytes / 2)
        return blob_new_copy(payload.data, payload.len);
    /* More than half of the message: no other result of it comes here. */
    assert(message->kept == NULL);
    kept = keep_memory(message);
    if (kept == NULL)
        return blob_new_copy(payload.data, payload.len);
    kept->blob = (struct blob){payload, 1, message_blob_release};
    /* Whoever takes the blob may let it go at once, but the other results are still to be
       read. */
    memory_budget_hold(kept_bytes(kept));
    message->kept = blob_ref(&kept->blob);
    return &kept->blob;
}

const char *worker_message_deliver(struct rpc_worker *worker,
                                   const struct wire_result *result,
                                   struct rpc_message *message)
{
    struct workers_shared *shared = worker->shared;

    if (shared->events->result(shared->ctx, worker, result, message) != 0)
        return "a result for a job that it does not have";
    job_memory_free(worker->job_memory, result->id);
    return NULL;
}

/* A large result is copied first, and slowly. */
static void fetch(struct rpc_worker *worker, const struct wire_result *result,
                  const uint8_t *in_arena)
{
    struct transfer *transfer = transfer_create(worker, &worker->transfers, 1);
    size_t len = result->payload.bytes.len;

    transfer->result = *result;
    transfer->bytes = mem_alloc(len);
    transfer->live = 1;
    transfer_add_piece(transfer, result->id, transfer->bytes,
                       (struct slice){in_arena, len});
    transfers_add(worker->shared->transfers, transfer);
}

const char *worker_message_finished(struct rpc_worker *worker, struct transfer *transfer)
{
    size_t len = transfer->result.payload.bytes.len;
    struct buf bytes = {transfer->bytes, len, len};
    struct rpc_message message = {.ready = blob_new_steal(&bytes)};
    struct wire_result result = transfer->result;
    const char *why;

    transfer->bytes = NULL;
    transfer_destroy(&transfer);
    why = worker_message_deliver(worker, &result, &message);
    blob_unref(&message.ready);
    return why;
}

/* True for a job whose message is still being made: no worker has it yet. */
static bool is_being_sent(const struct rpc_worker *worker, uint64_t id)
{
    const struct list *head = &worker->transfers;

    for (struct list *at = head->next; at != head; at = at->next) {
        const struct transfer *transfer = container_of(at, struct transfer, owned);

        for (unsigned i = 0; transfer->message != NULL && i < transfer->piece_count; i++)
            if (transfer->pieces[i].id == id)
                return true;
    }
    return false;
}

static const char *take_result(struct rpc_worker *worker,
                               const struct wire_result *result,
                               struct rpc_message *message)
{
    const struct workers_shared *shared = worker->shared;
    const char *why;

    message->in_arena = NULL;
    if (is_being_sent(worker, result->id))
        return "a result for a job that it has not been sent";
    if (result->payload.in_arena) {
        message->in_arena = job_memory_find_result(worker->job_memory, result);
        if (message->in_arena == NULL)
            return "a result where it has no memory in the arena";
        if (shared->events->takes_lent_result != NULL &&
            shared->events->takes_lent_result(shared->ctx, worker, result->id))
            message->ready = job_memory_lend_result(worker->job_memory, result);
        if (message->ready == NULL && result->payload.bytes.len > TRANSFER_SLICE_BYTES) {
            fetch(worker, result, message->in_arena);
            return NULL;
        }
    }
    why = worker_message_deliver(worker, result, message);
    blob_unref(&message->ready);
    return why;
}

static const char *take_results(struct rpc_worker *worker,
                                const struct wire_results *results,
                                struct rpc_message *message)
{
    const char *why = NULL;

    for (unsigned i = 0; i < results->count && why == NULL; i++)
        why = take_result(worker, &results->results[i], message);
    return why;
}

static const char *take_message(struct rpc_worker *worker,
                                const struct wire_message *decoded,
                                struct rpc_message *message)
{
    switch (decoded->type) {
    case WIRE_RESULTS: return take_results(worker, &decoded->results, message);
    case WIRE_BYE:
        worker->shared->events->leaving(worker->shared->ctx, worker);
        return NULL;
    case WIRE_ALIVE: return NULL; /* that it was heard is noted already */
    default: return "a message that a worker does not send";
    }
}

const char *worker_message_handle(struct rpc_worker *worker, nng_msg **message)
{
    struct slice bytes = {nng_msg_body(*message), nng_msg_len(*message)};
    struct rpc_message under_way = {.message = message, .bytes = bytes.len};
    struct wire_message decoded;
    const char *why;

    assert(worker->state == WORKER_UP);
    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    why = take_message(worker, &decoded, &under_way);
    blob_unref(&under_way.kept);
    return why;
}

const char *worker_message_handle_fast(struct rpc_worker *worker, struct slice bytes,
                                       struct frame_reader *reader)
{
    struct rpc_message under_way = {.reader = reader, .bytes = bytes.len};
    struct wire_message decoded;
    const char *why;

    assert(worker->state == WORKER_UP);
    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    if (decoded.type != WIRE_RESULTS)
        return "a message that does not travel on the fast path";
    why = take_results(worker, &decoded.results, &under_way);
    blob_unref(&under_way.kept);
    return why;
}

uint64_t rpc_worker_heard_ns(const struct rpc_worker *worker)
{
    return worker->heard_ns;
}

unsigned rpc_worker_credits(const struct rpc_worker *worker)
{
    return worker->credits;
}

bool rpc_worker_is_fast(const struct rpc_worker *worker)
{
    return worker->has_fastpath;
}

uint64_t rpc_worker_pid(const struct rpc_worker *worker)
{
    return worker->pid;
}

void rpc_worker_set_owner(struct rpc_worker *worker, void *owner)
{
    worker->owner = owner;
}

void *rpc_worker_owner(const struct rpc_worker *worker)
{
    return worker->owner;
}
