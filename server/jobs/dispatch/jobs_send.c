#include "server/jobs/dispatch/jobs_send.h"

#include <assert.h>

#include "common/base/clock.h"
#include "server/jobs/place/jobs_poison.h"

/* What waits is spread over so many messages for each worker that may have them, so that
   workers do not march in step. */
#define SPREAD 2U

void jobs_send_init(struct jobs_send *send)
{
    jobs_waiting_init(&send->waiting);
    jobs_queue_init(&send->retried);
    jobs_queue_init(&send->ending);
    list_init(&send->workers);
}

struct jobs_worker *jobs_send_worker(struct list *link)
{
    return container_of(link, struct jobs_worker, link);
}

void jobs_send_end_later(struct jobs_send *send, struct job *job, enum job_status status)
{
    job->status = status;
    jobs_queue_push(&send->ending, job);
}

/* True where the worker has enough to do for now. */
static bool is_held(const struct jobs_worker *worker, uint64_t now_ns)
{
    return jobs_flight_left_us(&worker->flight, now_ns) > worker->limits->top_up_us;
}

/* True where the worker may be sent jobs of that weight now. A light job is never put
   behind a heavy one; of heavy ones a worker gets one at a time while there are light
   ones about, since those must wait until it is done. */
static bool may_have(const struct jobs_send *send, struct jobs_worker *worker,
                     enum jobs_weight weight, uint64_t now_ns)
{
    if (jobs_worker_free(worker) == 0 || is_held(worker, now_ns))
        return false;
    return worker->flight.heavy == 0 ||
           (weight == JOBS_HEAVY && !jobs_waiting_saw_light(&send->waiting, now_ns));
}

/* True where `worker` has less to do; what is estimated to take no time is something. */
static bool is_less_busy(const struct jobs_worker *worker, const struct jobs_worker *than)
{
    if (worker->flight.cost_us != than->flight.cost_us)
        return worker->flight.cost_us < than->flight.cost_us;
    return worker->flight.batches_open < than->flight.batches_open;
}

/* The worker that is to have the next batch of that weight, NULL for none now: the one
   with the least to do. */
static struct jobs_worker *least_busy(struct jobs_send *send, enum jobs_weight weight,
                                      uint64_t now_ns)
{
    struct jobs_worker *best = NULL;

    FOR_EACH_WORKER(send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);

        if (may_have(send, worker, weight, now_ns) &&
            (best == NULL || is_less_busy(worker, best)))
            best = worker;
    }
    return best;
}

/* A worker without anything to do, NULL for none. */
static struct jobs_worker *idle_worker(struct jobs_send *send)
{
    FOR_EACH_WORKER(send, at)
        if (jobs_worker_free(jobs_send_worker(at)) > 0 &&
            jobs_send_worker(at)->flight.batches_open == 0)
            return jobs_send_worker(at);
    return NULL;
}

/* True where one more worker may take a heavy job: of several, one is left to the light
   ones while there are any about. */
static bool lane_is_kept(struct jobs_send *send, uint64_t now_ns)
{
    unsigned usable = 0, without_heavy = 0;

    if (!jobs_waiting_saw_light(&send->waiting, now_ns))
        return true;
    FOR_EACH_WORKER(send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);

        if (!jobs_worker_is_usable(worker))
            continue;
        usable++;
        without_heavy += worker->flight.heavy == 0;
    }
    return usable < 2 || without_heavy >= 2;
}

/* The first job that was given back and need not wait for news. */
static struct job *next_retried(struct jobs_send *send, uint64_t now_ns)
{
    struct job *job = jobs_queue_first(&send->retried);

    while (job != NULL && job->attempts >= POISON_CRASHES &&
           now_ns < job->lost_ns + JOBS_NEWS_NS)
        job = jobs_queue_next(&send->retried, job);
    return job;
}

/* Jobs that were given back go first, and while there are any, nothing else is sent: so
   workers run empty and can take one each. */
static void send_retried(struct jobs_send *send, uint64_t now_ns)
{
    struct jobs_worker *worker;
    struct job *job;

    while ((job = next_retried(send, now_ns)) != NULL &&
           (worker = idle_worker(send)) != NULL) {
        jobs_queue_remove(&send->retried, job);
        worker->alone = jobs_worker_send(worker, &job, 1, now_ns) == 0;
        if (!worker->alone)
            jobs_queue_push_front(&send->retried, job);
    }
}

/* True where batches of so many like the first one would be worth a second message to the
   worker. */
static bool is_worth_second(const struct jobs_worker *worker, const struct job *first,
                            unsigned count)
{
    return (uint64_t)count * first->cost_us >= worker->limits->second_us;
}

/* Over how many messages to the worker, which may have one, its part is spread. */
static unsigned places_of(const struct jobs_worker *worker)
{
    unsigned open = worker->flight.batches_open, free = jobs_flight_free(&worker->flight);
    unsigned places = open < SPREAD ? SPREAD - open : 1;

    return places < free ? places : free;
}

/* How many light jobs, of which the first is known, the next batch, which that worker
   gets, should have: as many as leave the others' share, in places that will be used. */
static unsigned light_share(struct jobs_send *send, const struct jobs_worker *next,
                            const struct job *first, uint64_t now_ns)
{
    unsigned waiting = jobs_waiting_light(&send->waiting), places = 0, idle = 0, share;

    FOR_EACH_WORKER(send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);

        if (!may_have(send, worker, JOBS_LIGHT, now_ns))
            continue;
        places += places_of(worker);
        idle += worker->flight.batches_open == 0;
    }
    share = jobs_worker_share(waiting, places);
    if (idle > 0 && !is_worth_second(next, first, share))
        share = jobs_worker_share(waiting, idle);
    return share;
}

/* A batch being made up. */
struct batch {
    struct job *jobs[FLIGHT_MAX_BATCH];
    unsigned count;
    uint64_t bytes; /* in the message */
    uint64_t cost_us;
};

/* True where the job would make the batch too large or too long. */
static bool is_too_much(const struct jobs_worker *worker, const struct batch *batch,
                        const struct job *job, uint64_t bytes)
{
    return batch->count > 0 && (batch->bytes + bytes > JOBS_BATCH_BYTES ||
                                batch->cost_us + job->cost_us > worker->limits->batch_us);
}

/* Takes a batch for the worker out of what waits: `share` jobs of that weight, and more
   where they are short, as far as they go together. Late ones end instead. */
static void take_batch(struct jobs_send *send, const struct jobs_worker *worker,
                       enum jobs_weight weight, unsigned share, uint64_t now_ns,
                       struct batch *batch)
{
    struct job *job;

    while (batch->count < FLIGHT_MAX_BATCH &&
           (batch->count < share || batch->cost_us < worker->limits->batch_min_us) &&
           (job = jobs_waiting_first(&send->waiting, weight, now_ns)) != NULL) {
        uint64_t bytes = jobs_worker_message_bytes(worker, job);
        bool late = job->deadline_ns <= now_ns;

        if (!late && is_too_much(worker, batch, job, bytes))
            return;
        jobs_waiting_remove(&send->waiting, job);
        if (late) {
            jobs_send_end_later(send, job, JOB_DEADLINE);
            continue;
        }
        batch->jobs[batch->count++] = job;
        batch->bytes += bytes;
        batch->cost_us += job->cost_us;
    }
}

static void send_batch(struct jobs_send *send, struct jobs_worker *worker,
                       enum jobs_weight weight, unsigned share, uint64_t now_ns)
{
    struct batch batch = {.count = 0};

    take_batch(send, worker, weight, share, now_ns, &batch);
    if (batch.count == 0 ||
        jobs_worker_send(worker, batch.jobs, batch.count, now_ns) == 0)
        return;
    while (batch.count > 0)
        jobs_waiting_put_back(&send->waiting, batch.jobs[--batch.count]);
}

/* Sends one batch, of the weight whose turn it is; returns false where nothing can be
   sent. */
static bool send_next(struct jobs_send *send, uint64_t now_ns)
{
    struct job *light = jobs_waiting_first(&send->waiting, JOBS_LIGHT, now_ns);
    struct job *heavy = jobs_waiting_first(&send->waiting, JOBS_HEAVY, now_ns);
    struct jobs_worker *for_light = NULL, *for_heavy = NULL;
    unsigned share = 0;

    if (light != NULL)
        for_light = least_busy(send, JOBS_LIGHT, now_ns);
    if (for_light != NULL)
        share = light_share(send, for_light, light, now_ns);
    if (heavy != NULL && lane_is_kept(send, now_ns))
        for_heavy = least_busy(send, JOBS_HEAVY, now_ns);
    /* Where a heavy one is next, the light ones had better be gone. */
    if (for_light != NULL && for_heavy == NULL && for_light->flight.batches_open > 0 &&
        !is_worth_second(for_light, light, share))
        for_light = NULL;
    if (for_light != NULL && (for_heavy == NULL || jobs_waiting_score(light, now_ns) <=
                                                       jobs_waiting_score(heavy, now_ns)))
        send_batch(send, for_light, JOBS_LIGHT, share, now_ns);
    else if (for_heavy != NULL)
        send_batch(send, for_heavy, JOBS_HEAVY, 1, now_ns);
    return for_light != NULL || for_heavy != NULL;
}

static void send_waiting(struct jobs_send *send, uint64_t now_ns)
{
    while (send_next(send, now_ns))
        ;
}

uint64_t jobs_send_held_us(struct jobs_send *send, uint64_t now_ns)
{
    uint64_t shortest_us = 0;

    if (send->waiting.depth == 0)
        return 0;
    FOR_EACH_WORKER(send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);
        uint64_t left_us = jobs_flight_left_us(&worker->flight, now_ns);

        if (jobs_worker_free(worker) == 0 || left_us <= worker->limits->top_up_us)
            continue;
        left_us -= worker->limits->top_up_us;
        if (shortest_us == 0 || left_us < shortest_us)
            shortest_us = left_us;
    }
    return shortest_us;
}

void jobs_send(struct jobs_send *send, uint64_t now_ns)
{
    send_retried(send, now_ns);
    if (next_retried(send, now_ns) == NULL)
        send_waiting(send, now_ns);
}
