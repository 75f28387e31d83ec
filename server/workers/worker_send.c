#include "server/workers/worker_send.h"

#include <assert.h>
#include <nng/nng.h>
#include <string.h>

#include "common/base/clock.h"
#include "server/workers/memory/job_memory.h"
#include "server/workers/fastpath.h"
#include "server/workers/link/seat.h"
#include "server/workers/memory/transfer.h"
#include "server/workers/worker.h"
#include "server/stats/stats.h"

static struct buf *empty_scratch(struct rpc_worker *worker)
{
    worker->shared->scratch.len = 0;
    return &worker->shared->scratch;
}

static int send_head(struct rpc_worker *worker)
{
    nng_msg *message = seat_make_message(buf_slice(&worker->shared->scratch), 0);

    if (seat_send(worker->seat, message) == 0)
        return 0;
    nng_msg_free(message);
    return -1;
}

int worker_send_welcome(struct rpc_worker *worker,
                        const struct wire_seat_welcome *welcome)
{
    wire_put_seat_welcome(empty_scratch(worker), welcome);
    return send_head(worker);
}

int worker_send_challenge(struct rpc_worker *worker,
                          const struct wire_challenge *challenge)
{
    wire_put_challenge(empty_scratch(worker), challenge);
    return send_head(worker);
}

/* Where the payloads of a message's jobs go. */
struct placement {
    uint8_t *places[WIRE_MAX_BATCH]; /* in the arena; NULL for those in the message, and
                                        for those that stay where they are */
    size_t in_message_bytes;
    size_t copied_bytes;
};

/* Finds room for the payloads; the envelopes say where they are then. */
static void place_jobs(struct rpc_worker *worker, struct wire_job *jobs,
                       const struct rpc_input *inputs, unsigned count,
                       struct placement *placement_r)
{
    placement_r->in_message_bytes = placement_r->copied_bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        size_t bytes = jobs[i].payload.bytes.len;
        uint8_t *place =
            job_memory_place(worker->job_memory, &jobs[i],
                             inputs[i].argument.len == 0 ? inputs[i].blob : NULL);

        placement_r->places[i] = place;
        if (!jobs[i].payload.in_arena)
            placement_r->in_message_bytes += bytes;
        if (place != NULL || !jobs[i].payload.in_arena)
            placement_r->copied_bytes += bytes;
    }
}

/* Adds what is to be copied for one job: its input, and behind it its argument. Returns
   where the next payload goes that has to be in the message. */
static uint8_t *add_job(struct transfer *transfer, const struct wire_job *job,
                        struct slice argument, uint8_t *place, uint8_t *in_message)
{
    uint8_t *to = place == NULL ? in_message : place;
    struct slice input = job->payload.bytes;

    if (place == NULL && job->payload.in_arena) {
        transfer_add_job(transfer, job->id);
        return in_message;
    }
    assert(argument.len <= input.len);
    input.len -= argument.len;
    transfer_add_piece(transfer, job->id, to, input);
    transfer_add_piece(transfer, job->id, to + input.len, argument);
    return place == NULL ? to + job->payload.bytes.len : in_message;
}

/* The message without what is to be copied, which the transfer knows. */
static struct transfer *make_transfer(struct rpc_worker *worker, struct slice head,
                                      const struct wire_job *jobs,
                                      const struct rpc_input *inputs, unsigned count,
                                      const struct placement *placement)
{
    struct transfer *transfer = transfer_create(worker, &worker->transfers, 2 * count);
    uint8_t *at;

    transfer->message = seat_make_message(head, placement->in_message_bytes);
    transfer->live = count;
    at = (uint8_t *)nng_msg_body(transfer->message) + head.len;
    for (unsigned i = 0; i < count; i++)
        at = add_job(transfer, &jobs[i], inputs[i].argument, placement->places[i], at);
    return transfer;
}

/* True where a message of that length goes by the fast path. */
static bool is_fast(const struct rpc_worker *worker, size_t bytes)
{
    return worker->has_fastpath && bytes <= WIRE_MAX_FAST_BYTES;
}

/* Hands the finished message over; false where it is not taken. */
static bool hand_over(struct rpc_worker *worker, struct transfer **transfer)
{
    nng_msg *message = (*transfer)->message;
    size_t bytes = nng_msg_len(message);

    if (is_fast(worker, bytes)) {
        if (fastpath_is_full(worker->fastpath))
            return false;
        (void)fastpath_add(worker->fastpath, (struct slice){nng_msg_body(message), bytes},
                           0);
        fastpath_flush(worker->fastpath); /* no turn of the dispatcher's */
    } else {
        if (seat_send(worker->seat, message) != 0)
            return false;
        (*transfer)->message = NULL;
    }
    transfer_destroy(transfer);
    return true;
}

/* Copies bytes that may be none. */
static uint8_t *put(uint8_t *to, struct slice from)
{
    if (from.len > 0)
        memcpy(to, from.data, from.len);
    return to + from.len;
}

/* A small message is written where it is sent from. */
static void send_fast(struct rpc_worker *worker, struct slice head,
                      const struct wire_job *jobs, const struct rpc_input *inputs,
                      unsigned count, const struct placement *placement)
{
    uint8_t *at = fastpath_add(worker->fastpath, head, placement->in_message_bytes);

    for (unsigned i = 0; i < count; i++) {
        struct slice input = jobs[i].payload.bytes;
        uint8_t *place = placement->places[i];

        input.len -= inputs[i].argument.len;
        if (place != NULL)
            (void)put(put(place, input), inputs[i].argument);
        else if (!jobs[i].payload.in_arena)
            at = put(put(at, input), inputs[i].argument);
    }
}

static int send_on_seat(struct rpc_worker *worker, struct transfer *transfer,
                        const struct wire_job *jobs, unsigned count)
{
    (void)transfer_copy(transfer, TRANSFER_SLICE_BYTES);
    if (hand_over(worker, &transfer))
        return 0;
    transfer_destroy(&transfer);
    for (unsigned i = 0; i < count; i++)
        job_memory_free(worker->job_memory, jobs[i].id);
    return -1;
}

int rpc_worker_send_jobs(struct rpc_worker *worker, const struct wire_job *jobs,
                         const struct rpc_input *inputs, unsigned count)
{
    struct stats_front *stats = worker->shared->config->stats;
    struct wire_job placed[WIRE_MAX_BATCH];
    struct placement placement;
    struct transfer *transfer;
    struct slice head;
    bool fast;

    assert(worker->state == WORKER_UP && count >= 1 && count <= WIRE_MAX_BATCH);
    if (worker->has_fastpath && fastpath_is_full(worker->fastpath))
        return -1;
    memcpy(placed, jobs, count * sizeof *jobs);
    place_jobs(worker, placed, inputs, count, &placement);
    wire_put_jobs(empty_scratch(worker), placed, count);
    head = buf_slice(&worker->shared->scratch);
    fast = is_fast(worker, head.len + placement.in_message_bytes);
    stats_add(fast ? &stats->jobs_fast : &stats->jobs_on_seats, count);
    if (fast && placement.copied_bytes <= TRANSFER_SLICE_BYTES) {
        send_fast(worker, head, placed, inputs, count, &placement);
        return 0;
    }
    transfer = make_transfer(worker, head, placed, inputs, count, &placement);
    if (transfer->left <= TRANSFER_SLICE_BYTES)
        return send_on_seat(worker, transfer, jobs, count);
    transfers_add(worker->shared->transfers, transfer);
    return 0;
}

void rpc_worker_flush(struct rpc_worker *worker)
{
    if (worker->has_fastpath)
        fastpath_flush(worker->fastpath);
}

size_t rpc_worker_message_bytes(const struct rpc_worker *worker, size_t payload_bytes)
{
    return worker->job_memory != NULL && payload_bytes >= JOB_MEMORY_MIN_BYTES
               ? 0
               : payload_bytes;
}

void rpc_worker_forget_input(struct rpc_worker *worker, uint64_t id)
{
    for (struct list *at = worker->transfers.next; at != &worker->transfers;
         at = at->next)
        if (transfer_forget(container_of(at, struct transfer, owned), id))
            return;
}

/* The jobs that nobody waits for any more never leave: as if the worker had answered. */
static const char *abandon(struct rpc_worker *worker, struct transfer **transfer)
{
    const char *why = NULL;
    uint64_t last_id = 0;

    for (unsigned i = 0; i < (*transfer)->piece_count && why == NULL; i++) {
        struct wire_result result = {.id = (*transfer)->pieces[i].id,
                                     .verdict = WIRE_CANCELLED};

        if (i == 0 || result.id != last_id)
            why = worker_message_deliver(worker, &result, &(struct rpc_message){0});
        last_id = result.id;
    }
    transfer_destroy(transfer);
    return why;
}

/* A worker that does not take the message may do so later; should it be too late for the
   jobs, their owner finds out. */
const char *worker_send_finished(struct rpc_worker *worker, struct transfer *transfer)
{
    assert(transfer->message != NULL);
    if (transfer->live == 0)
        return abandon(worker, &transfer);
    (void)hand_over(worker, &transfer);
    return NULL;
}

void worker_send_again(struct rpc_worker *worker)
{
    for (struct list *at = worker->transfers.next, *next; at != &worker->transfers;
         at = next) {
        struct transfer *transfer = container_of(at, struct transfer, owned);

        next = at->next;
        if (transfer->message != NULL && list_is_empty(&transfer->turn) &&
            !hand_over(worker, &transfer))
            return;
    }
}

/* Where the worker does not read, it will not mind that it is not asked. */
void rpc_worker_send_cancel(struct rpc_worker *worker, const uint64_t *ids,
                            unsigned count)
{
    assert(worker->state == WORKER_UP && count >= 1 && count <= WIRE_MAX_BATCH);
    wire_put_cancel(empty_scratch(worker), ids, count);
    if (!worker->has_fastpath)
        (void)!send_head(worker);
    else if (!fastpath_is_full(worker->fastpath))
        (void)fastpath_add(worker->fastpath, buf_slice(&worker->shared->scratch), 0);
}

void rpc_worker_send_ping(struct rpc_worker *worker)
{
    assert(worker->state == WORKER_UP);
    wire_put_ping(empty_scratch(worker), clock_now_ns() | 1);
    (void)!send_head(worker);
}

void worker_send_prompt(struct rpc_worker *worker)
{
    if (worker->state != WORKER_UP || !worker->can_prompt)
        return;
    wire_put_prompt(empty_scratch(worker));
    (void)!send_head(worker);
}
