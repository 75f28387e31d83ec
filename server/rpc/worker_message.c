#include "server/rpc/worker_message.h"

#include <assert.h>
#include <string.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "server/rpc/gate_note.h"
#include "server/rpc/seat.h"
#include "server/rpc/worker.h"

/* Results from this size on keep the message they came in, where they are most of it:
   a copy would cost more than the message's memory is worth. */
#define KEEP_MIN_BYTES 8192

struct rpc_message {
    nng_msg **message; /* cleared once a blob has it */
    size_t bytes;
};

struct message_blob {
    struct blob blob;
    nng_msg *message;
};

static void message_blob_release(struct blob *blob)
{
    struct message_blob *kept = container_of(blob, struct message_blob, blob);

    nng_msg_free(kept->message);
    mem_free(kept);
}

struct blob *rpc_message_blob(struct rpc_message *message, struct slice payload)
{
    struct message_blob *kept;

    if (payload.len < KEEP_MIN_BYTES || payload.len <= message->bytes / 2)
        return blob_new_copy(payload.data, payload.len);
    /* More than half of the message: no other result of it comes here. */
    assert(*message->message != NULL);
    kept = mem_alloc(sizeof *kept);
    kept->blob = (struct blob){payload, 1, message_blob_release};
    kept->message = *message->message;
    *message->message = NULL;
    return &kept->blob;
}

static int send_head(struct rpc_worker *worker)
{
    return seat_send(worker->seat, buf_slice(&worker->room->scratch), NULL, 0);
}

static struct buf *empty_scratch(struct rpc_worker *worker)
{
    worker->room->scratch.len = 0;
    return &worker->room->scratch;
}

static const char *take_seat_hello(struct rpc_worker *worker,
                                   const struct wire_seat_hello *hello)
{
    const struct wire_seat_welcome welcome = {.incarnation = worker->room->incarnation};

    if (!gate_note_same_worker(&hello->worker, &worker->id))
        return "another worker's seat";
    if (hello->incarnation != worker->room->incarnation)
        return "another front's seat";
    wire_put_seat_welcome(empty_scratch(worker), &welcome);
    return send_head(worker) == 0 ? NULL : "it does not read";
}

static const char *take_results(struct rpc_worker *worker,
                                const struct wire_results *results,
                                struct rpc_message *message)
{
    struct worker_room *room = worker->room;

    for (unsigned i = 0; i < results->count; i++) {
        const struct wire_result *result = &results->results[i];

        if (result->payload.in_arena)
            return "a result in an arena that was never agreed on";
        if (room->events->result(room->ctx, worker, result, message) != 0)
            return "a result for a job that it does not have";
    }
    return NULL;
}

static const char *take_while_up(struct rpc_worker *worker,
                                 const struct wire_message *decoded,
                                 struct rpc_message *message)
{
    switch (decoded->type) {
    case WIRE_RESULTS: return take_results(worker, &decoded->results, message);
    case WIRE_BYE: worker->room->events->leaving(worker->room->ctx, worker); return NULL;
    case WIRE_STARTED:
    case WIRE_ALIVE: return NULL; /* that it was heard is noted already */
    default: return "a message that a worker does not send";
    }
}

const char *worker_message_handle(struct rpc_worker *worker, nng_msg **message)
{
    struct slice bytes = {nng_msg_body(*message), nng_msg_len(*message)};
    struct rpc_message under_way = {message, bytes.len};
    struct wire_message decoded;
    const char *why;

    if (wire_decode(bytes, &decoded, &why) != WIRE_OK)
        return why;
    if (worker->state == WORKER_UP)
        return take_while_up(worker, &decoded, &under_way);
    if (decoded.type != WIRE_SEAT_HELLO)
        return "its first message is no SEAT_HELLO";
    return take_seat_hello(worker, &decoded.seat_hello);
}

int rpc_worker_send_jobs(struct rpc_worker *worker, const struct wire_job *jobs,
                         const struct slice *arguments, unsigned count)
{
    struct slice payloads[WIRE_MAX_BATCH * 2];

    assert(worker->state == WORKER_UP && count >= 1 && count <= WIRE_MAX_BATCH);
    for (unsigned i = 0; i < count; i++) {
        payloads[2 * i] = jobs[i].payload.bytes;
        payloads[2 * i].len -= arguments[i].len;
        payloads[2 * i + 1] = arguments[i];
    }
    wire_put_jobs(empty_scratch(worker), jobs, count);
    return seat_send(worker->seat, buf_slice(&worker->room->scratch), payloads,
                     2 * count);
}

/* Where the worker does not read, it will not mind that it is not asked. */
void rpc_worker_send_cancel(struct rpc_worker *worker, const uint64_t *ids,
                            unsigned count)
{
    assert(worker->state == WORKER_UP && count >= 1 && count <= WIRE_MAX_BATCH);
    wire_put_cancel(empty_scratch(worker), ids, count);
    (void)!send_head(worker);
}

void rpc_worker_send_ping(struct rpc_worker *worker)
{
    assert(worker->state == WORKER_UP);
    wire_put_ping(empty_scratch(worker), clock_now_ns() | 1);
    (void)!send_head(worker);
}

uint64_t rpc_worker_heard_ns(const struct rpc_worker *worker)
{
    return worker->heard_ns;
}

unsigned rpc_worker_credits(const struct rpc_worker *worker)
{
    return worker->credits;
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
