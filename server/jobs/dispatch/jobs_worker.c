#include "server/jobs/dispatch/jobs_worker.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "proto/call_options.h"
#include "server/workers/rpc_client.h"

static_assert(FLIGHT_MAX_BATCH <= WIRE_MAX_BATCH, "a batch fits into a message");

struct jobs_worker *jobs_worker_create(struct rpc_worker *rpc)
{
    struct jobs_worker *worker = mem_zalloc(sizeof *worker);

    worker->rpc = rpc;
    worker->limits = jobs_limits_of(false);
    list_init(&worker->link);
    jobs_flight_init(&worker->flight, worker->limits->window);
    if (rpc_worker_credits(rpc) < worker->limits->window)
        jobs_flight_set_window(&worker->flight, rpc_worker_credits(rpc));
    rpc_worker_set_owner(rpc, worker);
    return worker;
}

void jobs_worker_destroy(struct jobs_worker **worker)
{
    assert((*worker)->flight.live == 0);
    list_remove(&(*worker)->link);
    buf_free(&(*worker)->options);
    mem_free(*worker);
    *worker = NULL;
}

struct jobs_worker *jobs_worker_of(const struct job *job)
{
    assert(job->state == JOB_SENT);
    return container_of(job->flight, struct jobs_worker, flight);
}

bool jobs_worker_is_usable(struct jobs_worker *worker)
{
    if (worker->quiet_ns != 0 && rpc_worker_heard_ns(worker->rpc) > worker->quiet_ns)
        worker->quiet_ns = 0;
    return worker->quiet_ns == 0 && !worker->leaving;
}

/* A worker takes its fast path after it has come, and keeps it to its end. */
static void notice_fastpath(struct jobs_worker *worker)
{
    const struct jobs_limits *limits = jobs_limits_of(rpc_worker_is_fast(worker->rpc));

    if (worker->limits == limits)
        return;
    worker->limits = limits;
    jobs_flight_set_window(&worker->flight, limits->window);
}

unsigned jobs_worker_free(struct jobs_worker *worker)
{
    notice_fastpath(worker);
    if (worker->flight.batches_open == 0)
        worker->alone = false;
    if (worker->alone || !jobs_worker_is_usable(worker))
        return 0;
    return jobs_flight_free(&worker->flight);
}

unsigned jobs_worker_share(unsigned waiting, unsigned free_batches)
{
    unsigned share;

    assert(free_batches > 0);
    share = (waiting + free_batches - 1) / free_batches;
    return share < FLIGHT_MAX_BATCH ? share : FLIGHT_MAX_BATCH;
}

uint64_t jobs_worker_message_bytes(const struct jobs_worker *worker,
                                   const struct job *job)
{
    return rpc_worker_message_bytes(worker->rpc,
                                    job->call.in.len + job->call.argument.len);
}

/* The job's envelope but for where its options are; those it appends to `options`. */
static struct wire_job job_on_wire(const struct job *job, uint64_t now_ns,
                                   struct buf *options)
{
    size_t options_start = options->len;
    uint64_t left_ms = (job->deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;

    assert(job->deadline_ns > now_ns);
    if (job->options.len > 0)
        buf_append(options, job->options.data, job->options.len);
    else
        call_options_put(options, &job->call);
    return (struct wire_job){
        .id = job->id,
        .op = job->call.op,
        .flags = job->call.pretty ? WIRE_JOB_PRETTY : 0,
        .separator = job->call.separator,
        .deadline_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX,
        .max_output = job->call.max_output,
        .options = {NULL, options->len - options_start},
        .payload = {.bytes = {job->call.in.data,
                              job->call.in.len + job->call.argument.len}},
    };
}

static struct flight_batch *fill_batch(struct jobs_worker *worker,
                                       struct job *const *jobs, unsigned count,
                                       uint64_t now_ns)
{
    struct flight_batch *batch = jobs_flight_open(&worker->flight, now_ns);

    for (unsigned i = 0; i < count; i++) {
        jobs[i]->sent_ns = now_ns;
        jobs[i]->attempts++;
        jobs_flight_add(&worker->flight, batch, jobs[i]);
    }
    return batch;
}

/* The message was not taken: as if the batch had never been. */
static void undo_batch(struct jobs_worker *worker, const struct flight_batch *batch)
{
    uint64_t first_id = batch->number * FLIGHT_MAX_BATCH;
    unsigned count = batch->count;

    worker->quiet_ns = clock_now_ns();
    for (unsigned i = 0; i < count; i++) {
        batch->jobs[i]->attempts--;
        jobs_flight_answer(&worker->flight, first_id + i, worker->quiet_ns);
    }
}

static int send_batch(struct jobs_worker *worker, const struct flight_batch *batch,
                      uint64_t now_ns)
{
    struct wire_job jobs[FLIGHT_MAX_BATCH];
    struct rpc_input inputs[FLIGHT_MAX_BATCH];
    const uint8_t *options;

    worker->options.len = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        jobs[i] = job_on_wire(batch->jobs[i], now_ns, &worker->options);
        inputs[i] =
            (struct rpc_input){batch->jobs[i]->call.argument, batch->jobs[i]->in_blob};
    }
    options = worker->options.data; /* it stays in place from here on */
    for (unsigned i = 0; i < batch->count; i++) {
        jobs[i].options.data = options;
        if (jobs[i].options.len > 0)
            options += jobs[i].options.len;
    }
    return rpc_worker_send_jobs(worker->rpc, jobs, inputs, batch->count);
}

int jobs_worker_send(struct jobs_worker *worker, struct job *const *jobs, unsigned count,
                     uint64_t now_ns)
{
    struct flight_batch *batch;

    assert(count > 0 && count <= FLIGHT_MAX_BATCH);
    batch = fill_batch(worker, jobs, count, now_ns);
    if (send_batch(worker, batch, now_ns) == 0)
        return 0;
    undo_batch(worker, batch);
    return -1;
}

void jobs_worker_give_up(struct jobs_worker *worker, struct job *job, void *given_up)
{
    uint64_t id = job->id;

    rpc_worker_forget_input(worker->rpc, id);
    jobs_flight_give_up(&worker->flight, job, given_up);
    if (worker->cancelling == FLIGHT_MAX_BATCH)
        jobs_worker_send_cancels(worker);
    worker->cancels[worker->cancelling++] = id;
}

void jobs_worker_send_cancels(struct jobs_worker *worker)
{
    if (worker->cancelling > 0)
        rpc_worker_send_cancel(worker->rpc, worker->cancels, worker->cancelling);
    worker->cancelling = 0;
}

bool jobs_worker_fell_silent(struct jobs_worker *worker, uint64_t now_ns,
                             uint64_t job_timeout_ns)
{
    uint64_t heard_ns = rpc_worker_heard_ns(worker->rpc);
    uint64_t since_ns = heard_ns;
    struct job *oldest = jobs_flight_first_due(&worker->flight, UINT64_MAX);

    if (oldest == NULL || worker->quiet_ns != 0)
        return false;
    if (oldest->sent_ns > since_ns)
        since_ns = oldest->sent_ns; /* it had nothing to say before */
    if (now_ns - since_ns > job_timeout_ns / 2) {
        log_warn("worker process %llu has been silent too long; its jobs go to others",
                 (unsigned long long)rpc_worker_pid(worker->rpc));
        worker->quiet_ns = now_ns;
        return true;
    }
    if (now_ns - since_ns > job_timeout_ns / 4 && worker->pinged_ns < since_ns) {
        worker->pinged_ns = now_ns;
        rpc_worker_send_ping(worker->rpc);
    }
    return false;
}
