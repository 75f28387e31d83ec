#include "server/jobs/jobs_dispatch.h"

#include <assert.h>
#include <ev.h>

#include "common/alloc.h"
#include "common/clock.h"
#include "proto/wire.h"
#include "server/jobs/jobs_finish.h"
#include "server/jobs/jobs_queue.h"
#include "server/jobs/jobs_waiting.h"
#include "server/jobs/jobs_worker.h"
#include "server/rpc/client.h"
#include "server/stats/stats.h"

/* How often deadlines and signs of life are looked at: a fraction of the job timeout. */
#define TICKS_PER_TIMEOUT 64
#define TICK_MIN_S        0.001
#define TICK_MAX_S        0.05

/* Retries may be a fifth of the jobs, after a stock for the death of a few workers. */
#define RETRY_SHARE 0.2
#define RETRY_STOCK 1000

/* A job that has lost two workers waits so long for news of how they ended, before it may
   take a third. */
#define RETRY_NEWS_NS (750 * NS_PER_MS)

struct jobs_dispatch {
    struct ev_loop *loop;
    const struct jobs_config *config;
    struct jobs_book *book;
    struct stats_front *stats;   /* the book's */
    struct rpc_client *rpc;      /* NULL where no worker will ever come */
    struct jobs_waiting waiting; /* for any worker */
    struct jobs_queue
        retried;              /* given back; each goes alone to a worker that has nothing,
                                 so that one which kills workers takes no other along */
    struct jobs_queue ending; /* job->status says how; done is yet to be called */
    double retries_left;      /* the budget: see RETRY_ constants */
    struct list workers;
    ev_prepare prepare; /* before poll: sends what waits */
    ev_timer tick;      /* active while there are jobs */
    uint64_t ticked_ns;
};

static struct jobs_worker *worker_at(struct list *link)
{
    return container_of(link, struct jobs_worker, link);
}

#define EACH_WORKER(dispatch, at)                                            \
    (struct list *at = (dispatch)->workers.next; at != &(dispatch)->workers; \
     at = at->next)

/* ---- endings ---- */

/* The job, which nobody owns, ends when end_jobs() is next called: what is being walked
   over must not change under the walker, as done may do. */
static void end_later(struct jobs_dispatch *dispatch, struct job *job,
                      enum job_status status)
{
    job->status = status;
    jobs_queue_push(&dispatch->ending, job);
}

static void end_jobs(struct jobs_dispatch *dispatch)
{
    struct job *job;

    while ((job = jobs_queue_first(&dispatch->ending)) != NULL) {
        jobs_queue_remove(&dispatch->ending, job);
        if (job->attempts == 0)
            job->queue_us = (uint32_t)((clock_now_ns() - job->submitted_ns) / NS_PER_US);
        jobs_finish(dispatch->book, job, job->status);
    }
}

/* A job that its worker did not finish goes to another, if it may and the budget lasts.
 */
static void retry(struct jobs_dispatch *dispatch, struct job *job)
{
    if (job->attempts >= JOBS_MAX_ATTEMPTS || dispatch->retries_left < 1) {
        end_later(dispatch, job, JOB_WORKER_LOST);
        return;
    }
    dispatch->retries_left--;
    stats_add(&dispatch->stats->job_retries, 1);
    job->lost_ns = clock_now_ns();
    jobs_queue_push(&dispatch->retried, job);
}

/* ---- sending ---- */

/* True where the worker may be sent jobs of that weight now. A light job is never put
   behind a heavy one; of heavy ones a worker gets one at a time while there are light
   ones about, since those must wait until it is done. */
static bool may_have(const struct jobs_dispatch *dispatch, struct jobs_worker *worker,
                     enum jobs_weight weight, uint64_t now_ns)
{
    if (jobs_worker_free(worker) == 0)
        return false;
    return worker->flight.heavy == 0 ||
           (weight == JOBS_HEAVY && !jobs_waiting_saw_light(&dispatch->waiting, now_ns));
}

/* The worker that is to have the next batch of that weight, NULL for none now: the one
   with the least to do. */
static struct jobs_worker *least_busy(struct jobs_dispatch *dispatch,
                                      enum jobs_weight weight, uint64_t now_ns)
{
    struct jobs_worker *best = NULL;

    for
        EACH_WORKER(dispatch, at)
        {
            struct jobs_worker *worker = worker_at(at);

            if (may_have(dispatch, worker, weight, now_ns) &&
                (best == NULL || worker->flight.cost_us < best->flight.cost_us))
                best = worker;
        }
    return best;
}

/* A worker without anything to do, NULL for none. */
static struct jobs_worker *idle_worker(struct jobs_dispatch *dispatch)
{
    for
        EACH_WORKER(dispatch, at)
    if (jobs_worker_free(worker_at(at)) > 0 && worker_at(at)->flight.batches_open == 0)
        return worker_at(at);
    return NULL;
}

/* True where one more worker may take a heavy job: of several, one is left to the light
   ones while there are any about. */
static bool lane_is_kept(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    unsigned usable = 0, without_heavy = 0;

    if (!jobs_waiting_saw_light(&dispatch->waiting, now_ns))
        return true;
    for
        EACH_WORKER(dispatch, at)
        {
            struct jobs_worker *worker = worker_at(at);

            if (!jobs_worker_is_usable(worker))
                continue;
            usable++;
            without_heavy += worker->flight.heavy == 0;
        }
    return usable < 2 || without_heavy >= 2;
}

/* The first job that was given back and need not wait for news. */
static struct job *next_retried(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    struct job *job = jobs_queue_first(&dispatch->retried);

    while (job != NULL && job->attempts >= POISON_CRASHES &&
           now_ns < job->lost_ns + RETRY_NEWS_NS)
        job = jobs_queue_next(&dispatch->retried, job);
    return job;
}

/* Jobs that were given back go first, and while there are any, nothing else is sent: so
   workers run empty and can take one each. */
static void send_retried(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    struct jobs_worker *worker;
    struct job *job;

    while ((job = next_retried(dispatch, now_ns)) != NULL &&
           (worker = idle_worker(dispatch)) != NULL) {
        jobs_queue_remove(&dispatch->retried, job);
        worker->alone = jobs_worker_send(worker, &job, 1, now_ns) == 0;
        if (!worker->alone)
            jobs_queue_push_front(&dispatch->retried, job);
    }
}

/* How many light jobs the next batch should have. */
static unsigned light_share(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    unsigned batches = 0;

    for
        EACH_WORKER(dispatch, at)
    if (may_have(dispatch, worker_at(at), JOBS_LIGHT, now_ns))
        batches += jobs_worker_free(worker_at(at));
    return jobs_worker_share(jobs_waiting_light(&dispatch->waiting), batches);
}

/* Takes a batch out of what waits: up to `count` of that weight that together are neither
   too large nor too long. Late ones end instead. */
static unsigned take_batch(struct jobs_dispatch *dispatch, enum jobs_weight weight,
                           unsigned count, uint64_t now_ns,
                           struct job *batch[FLIGHT_MAX_BATCH])
{
    uint64_t bytes = 0, cost_us = 0;
    unsigned taken = 0;
    struct job *job;

    while (taken < count &&
           (job = jobs_waiting_first(&dispatch->waiting, weight, now_ns)) != NULL) {
        bool late = job->deadline_ns <= now_ns;

        bytes += job->call.in.len + job->call.argument.len;
        cost_us += job->cost_us;
        if (!late && taken > 0 && (bytes > JOBS_BATCH_BYTES || cost_us > JOBS_BATCH_US))
            break;
        jobs_waiting_remove(&dispatch->waiting, job);
        if (late)
            end_later(dispatch, job, JOB_DEADLINE);
        else
            batch[taken++] = job;
    }
    return taken;
}

static void send_batch(struct jobs_dispatch *dispatch, struct jobs_worker *worker,
                       enum jobs_weight weight, uint64_t now_ns)
{
    unsigned count = weight == JOBS_HEAVY ? 1 : light_share(dispatch, now_ns);
    struct job *batch[FLIGHT_MAX_BATCH];

    count = take_batch(dispatch, weight, count, now_ns, batch);
    if (count == 0 || jobs_worker_send(worker, batch, count, now_ns) == 0)
        return;
    while (count > 0)
        jobs_waiting_put_back(&dispatch->waiting, batch[--count]);
}

/* Sends one batch, of the weight whose turn it is; returns false where nothing can be
   sent. */
static bool send_next(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    struct job *light = jobs_waiting_first(&dispatch->waiting, JOBS_LIGHT, now_ns);
    struct job *heavy = jobs_waiting_first(&dispatch->waiting, JOBS_HEAVY, now_ns);
    struct jobs_worker *for_light = NULL, *for_heavy = NULL;

    if (light != NULL)
        for_light = least_busy(dispatch, JOBS_LIGHT, now_ns);
    if (heavy != NULL && lane_is_kept(dispatch, now_ns))
        for_heavy = least_busy(dispatch, JOBS_HEAVY, now_ns);
    if (for_light != NULL && (for_heavy == NULL || jobs_waiting_score(light, now_ns) <=
                                                       jobs_waiting_score(heavy, now_ns)))
        send_batch(dispatch, for_light, JOBS_LIGHT, now_ns);
    else if (for_heavy != NULL)
        send_batch(dispatch, for_heavy, JOBS_HEAVY, now_ns);
    return for_light != NULL || for_heavy != NULL;
}

static void send_waiting(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    while (send_next(dispatch, now_ns))
        ;
}

static unsigned count_in_flight(const struct jobs_dispatch *dispatch)
{
    unsigned count = 0;

    for
        EACH_WORKER(dispatch, at)
    count += worker_at(at)->flight.live;
    return count;
}

static void set_gauges(struct jobs_dispatch *dispatch)
{
    for
        EACH_WORKER(dispatch, at)
        {
            struct jobs_worker *worker = worker_at(at);

            if (worker->row != NULL)
                stats_set(&worker->row->jobs_in_flight, worker->flight.live);
        }
    stats_set(&dispatch->stats->queue_depth,
              dispatch->waiting.depth + dispatch->retried.depth);
    stats_set(&dispatch->stats->jobs_in_flight, count_in_flight(dispatch));
}

/* ---- time ---- */

/* True where a job has waited too long; where no worker is there, half the time is
   enough. */
static bool is_due(const struct job *job, bool no_worker, uint64_t now_ns)
{
    uint64_t half_ns = job->submitted_ns + (job->deadline_ns - job->submitted_ns) / 2;

    return job->deadline_ns <= now_ns || (no_worker && half_ns <= now_ns);
}

static void expire_retried(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    bool no_worker = jobs_dispatch_workers(dispatch) == 0;

    for (struct job *job = jobs_queue_first(&dispatch->retried), *next; job != NULL;
         job = next) {
        next = jobs_queue_next(&dispatch->retried, job);
        if (!is_due(job, no_worker, now_ns))
            continue;
        jobs_queue_remove(&dispatch->retried, job);
        end_later(dispatch, job, no_worker ? JOB_NO_WORKER : JOB_DEADLINE);
    }
}

static void expire_waiting(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    bool no_worker = jobs_dispatch_workers(dispatch) == 0;

    for (struct job *job = jobs_waiting_any(&dispatch->waiting), *next; job != NULL;
         job = next) {
        next = jobs_waiting_next(&dispatch->waiting, job);
        if (!is_due(job, no_worker, now_ns))
            continue;
        jobs_waiting_remove(&dispatch->waiting, job);
        end_later(dispatch, job, no_worker ? JOB_NO_WORKER : JOB_DEADLINE);
    }
}

static void expire_in_flight(struct jobs_dispatch *dispatch, struct jobs_worker *worker,
                             uint64_t now_ns)
{
    struct job *job;

    while ((job = jobs_flight_first_due(&worker->flight, now_ns)) != NULL) {
        jobs_worker_give_up(worker, job);
        end_later(dispatch, job, JOB_DEADLINE);
    }
}

static void take_all_back(struct jobs_dispatch *dispatch, struct jobs_worker *worker)
{
    struct job *job;

    while ((job = jobs_flight_first_due(&worker->flight, UINT64_MAX)) != NULL) {
        jobs_worker_give_up(worker, job);
        retry(dispatch, job);
    }
}

static void check_workers(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    uint64_t timeout_ns = dispatch->config->job_timeout_ns;
    /* After a long turn of the loop, signs of life may have come and not been seen. */
    bool was_away = now_ns - dispatch->ticked_ns > timeout_ns / 4;

    for
        EACH_WORKER(dispatch, at)
        {
            struct jobs_worker *worker = worker_at(at);

            expire_in_flight(dispatch, worker, now_ns);
            if (!was_away && jobs_worker_fell_silent(worker, now_ns, timeout_ns))
                take_all_back(dispatch, worker);
        }
}

static void on_tick(struct ev_loop *loop, ev_timer *tick, int events)
{
    struct jobs_dispatch *dispatch = container_of(tick, struct jobs_dispatch, tick);
    uint64_t now_ns = clock_now_ns();

    (void)events;
    check_workers(dispatch, now_ns);
    expire_retried(dispatch, now_ns);
    expire_waiting(dispatch, now_ns);
    dispatch->ticked_ns = now_ns;
    end_jobs(dispatch);
    if (dispatch->waiting.depth + dispatch->retried.depth + count_in_flight(dispatch) ==
        0)
        ev_timer_stop(loop, tick);
}

static void start_tick(struct jobs_dispatch *dispatch)
{
    if (ev_is_active(&dispatch->tick))
        return;
    dispatch->ticked_ns = clock_now_ns();
    ev_timer_again(dispatch->loop, &dispatch->tick);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct jobs_dispatch *dispatch = container_of(prepare, struct jobs_dispatch, prepare);
    enum stats_phase before;
    uint64_t now_ns;

    (void)loop;
    (void)events;
    if (dispatch->waiting.depth + dispatch->retried.depth > 0) {
        /* Not for a look in each turn, which costs less than to account for it. */
        before = stats_phase_enter(STATS_RPC);
        now_ns = clock_now_ns();
        expire_retried(dispatch, now_ns);
        send_retried(dispatch, now_ns);
        if (next_retried(dispatch, now_ns) == NULL)
            send_waiting(dispatch, now_ns);
        end_jobs(dispatch);
        (void)stats_phase_enter(before);
    }
    for
        EACH_WORKER(dispatch, at)
    jobs_worker_send_cancels(worker_at(at));
    set_gauges(dispatch);
}

/* ---- news of the workers ---- */

static void count_workers(struct jobs_dispatch *dispatch)
{
    stats_set(&dispatch->stats->workers, jobs_dispatch_workers(dispatch));
}

static void on_up(void *ctx, struct rpc_worker *rpc)
{
    struct jobs_dispatch *dispatch = ctx;
    struct jobs_worker *worker = jobs_worker_create(rpc);

    worker->row = stats_worker_take(dispatch->stats, rpc_worker_pid(rpc));
    list_append(&dispatch->workers, &worker->link);
    count_workers(dispatch);
}

static void on_leaving(void *ctx, struct rpc_worker *rpc)
{
    struct jobs_worker *worker = rpc_worker_owner(rpc);

    worker->leaving = true;
    count_workers(ctx);
}

static void on_lost(void *ctx, struct rpc_worker *rpc)
{
    struct jobs_dispatch *dispatch = ctx;
    struct jobs_worker *worker = rpc_worker_owner(rpc);
    struct job *job;

    while ((job = jobs_flight_first_due(&worker->flight, UINT64_MAX)) != NULL) {
        jobs_flight_give_up(&worker->flight, job);
        retry(dispatch, job);
    }
    stats_worker_leave(worker->row);
    jobs_worker_destroy(&worker);
    count_workers(dispatch);
    end_jobs(dispatch);
}

/* A job that was at two of the crashes is not tried a third time. */
static void on_crashes(void *ctx, const struct wire_crash *crashes, unsigned count)
{
    struct jobs_dispatch *dispatch = ctx;
    uint64_t now_ns = clock_now_ns();

    if (!jobs_poison_take(&dispatch->book->poison, crashes, count, now_ns))
        return;
    for (struct job *job = jobs_queue_first(&dispatch->retried), *next; job != NULL;
         job = next) {
        next = jobs_queue_next(&dispatch->retried, job);
        if (!jobs_poison_has(&dispatch->book->poison, &job->call, now_ns))
            continue;
        jobs_queue_remove(&dispatch->retried, job);
        end_later(dispatch, job, JOB_POISON);
    }
    end_jobs(dispatch);
}

/* The last offset in what the job reads at which a fault can be. */
static uint64_t last_offset(const struct codec_call *call)
{
    uint64_t last = call->in.len > call->argument.len ? call->in.len : call->argument.len;

    return call->gunzip && call->max_expanded > last ? call->max_expanded : last;
}

/* True for a result that this job can have. */
static bool is_plausible(const struct job *job, const struct wire_result *result)
{
    if (result->verdict == WIRE_CANCELLED)
        return false;
    return result->payload.bytes.len <= job->call.max_output &&
           (result->fault_offset <= last_offset(&job->call) ||
            result->fault_offset == CODEC_NO_OFFSET);
}

static void finish(struct jobs_dispatch *dispatch, struct job *job,
                   const struct wire_result *result, struct rpc_message *message)
{
    struct codec_fault fault = {(enum codec_status)result->status, result->fault_offset};
    struct blob *blob = NULL;

    job->queue_us =
        (uint32_t)((job->sent_ns - job->submitted_ns) / NS_PER_US) + result->queue_us;
    job->codec_us = result->codec_us;
    if (result->verdict == WIRE_EXPIRED) {
        jobs_finish(dispatch->book, job, JOB_DEADLINE);
        return;
    }
    if (fault.status == CODEC_OK)
        blob = rpc_message_blob(message, result->payload.bytes);
    jobs_finish_run(dispatch->book, job, &fault, blob);
}

static int on_result(void *ctx, struct rpc_worker *rpc, const struct wire_result *result,
                     struct rpc_message *message)
{
    struct jobs_dispatch *dispatch = ctx;
    struct jobs_worker *worker = rpc_worker_owner(rpc);
    struct job *job;

    switch (jobs_flight_find(&worker->flight, result->id, &job)) {
    case FLIGHT_UNKNOWN: return -1;
    case FLIGHT_GIVEN_UP: jobs_flight_answer(&worker->flight, result->id); return 0;
    case FLIGHT_LIVE: break;
    }
    if (!is_plausible(job, result))
        return -1;
    jobs_flight_answer(&worker->flight, result->id);
    if (worker->row != NULL) {
        stats_add(&worker->row->jobs, 1);
        stats_add(&worker->row->codec_us, result->codec_us);
    }
    finish(dispatch, job, result, message);
    return 0;
}

/* ---- what the rest of the room calls ---- */

static struct rpc_client *create_client(struct jobs_dispatch *dispatch)
{
    static const struct rpc_client_events events = {.up = on_up,
                                                    .leaving = on_leaving,
                                                    .result = on_result,
                                                    .crashes = on_crashes,
                                                    .lost = on_lost};
    const struct jobs_config *config = dispatch->config;
    const struct rpc_client_config rpc_config = {
        .rpc_url = config->rpc_url,
        .generation = config->generation,
        .front_index = (unsigned)config->front_index,
        .gate_listen_fd = config->gate_listen_fd,
        .arena_bytes = config->arena_bytes,
        .credentials = config->credentials,
        .stats = config->stats,
    };

    return rpc_client_create(dispatch->loop, &rpc_config, &events, dispatch);
}

struct jobs_dispatch *jobs_dispatch_create(struct ev_loop *loop,
                                           const struct jobs_config *config,
                                           struct jobs_book *book)
{
    struct jobs_dispatch *dispatch = mem_zalloc(sizeof *dispatch);
    double tick_s = (double)config->job_timeout_ns / NS_PER_S / TICKS_PER_TIMEOUT;

    dispatch->loop = loop;
    dispatch->config = config;
    dispatch->book = book;
    dispatch->stats = book->stats;
    jobs_waiting_init(&dispatch->waiting);
    jobs_queue_init(&dispatch->retried);
    jobs_queue_init(&dispatch->ending);
    list_init(&dispatch->workers);
    dispatch->retries_left = RETRY_STOCK;
    tick_s = tick_s < TICK_MIN_S ? TICK_MIN_S : tick_s > TICK_MAX_S ? TICK_MAX_S : tick_s;
    ev_timer_init(&dispatch->tick, on_tick, 0, tick_s);
    ev_prepare_init(&dispatch->prepare, on_prepare);
    ev_set_priority(&dispatch->prepare, EV_MINPRI); /* after all others' work */
    ev_prepare_start(loop, &dispatch->prepare);
    if (config->rpc_url != NULL)
        dispatch->rpc = create_client(dispatch);
    return dispatch;
}

void jobs_dispatch_destroy(struct jobs_dispatch **dispatch)
{
    struct jobs_dispatch *d = *dispatch;

    if (d == NULL)
        return;
    *dispatch = NULL;
    assert(d->waiting.depth + d->retried.depth + d->ending.depth == 0);
    rpc_client_destroy(&d->rpc);
    while (!list_is_empty(&d->workers)) {
        struct jobs_worker *worker = worker_at(d->workers.next);

        jobs_worker_destroy(&worker);
    }
    ev_prepare_stop(d->loop, &d->prepare);
    ev_timer_stop(d->loop, &d->tick);
    mem_free(d);
}

void jobs_dispatch_submit(struct jobs_dispatch *dispatch, struct job *job)
{
    struct codec_fault too_large = {CODEC_TOO_LARGE, 0};

    job->ran = JOBS_RPC;
    if (job->call.in.len > WIRE_MAX_PAYLOAD_BYTES - job->call.argument.len) {
        jobs_finish_run(dispatch->book, job, &too_large, NULL);
        return;
    }
    if (job->call.max_output > WIRE_MAX_PAYLOAD_BYTES)
        job->call.max_output = WIRE_MAX_PAYLOAD_BYTES;
    if (dispatch->waiting.depth + dispatch->retried.depth >=
        dispatch->config->queue_max) {
        jobs_finish(dispatch->book, job, JOB_QUEUE_FULL);
        return;
    }
    if (dispatch->retries_left < RETRY_STOCK)
        dispatch->retries_left += RETRY_SHARE;
    jobs_waiting_push(&dispatch->waiting, job);
    start_tick(dispatch);
}

unsigned jobs_dispatch_under_way(const struct jobs_dispatch *dispatch)
{
    return dispatch->waiting.depth + dispatch->retried.depth + count_in_flight(dispatch);
}

struct job *jobs_dispatch_take_stranded(struct jobs_dispatch *dispatch)
{
    struct job *job = jobs_waiting_any(&dispatch->waiting);

    if (job == NULL || jobs_dispatch_workers(dispatch) > 0)
        return NULL;
    while (job != NULL && job->mode != JOBS_AUTO)
        job = jobs_waiting_next(&dispatch->waiting, job);
    if (job != NULL)
        jobs_waiting_remove(&dispatch->waiting, job);
    return job;
}

void jobs_dispatch_cancel(struct jobs_dispatch *dispatch, struct job *job)
{
    if (jobs_waiting_has(&dispatch->waiting, job))
        jobs_waiting_remove(&dispatch->waiting, job);
    else if (job->owner == &dispatch->retried || job->owner == &dispatch->ending)
        jobs_queue_remove(job->owner, job);
    else
        jobs_worker_give_up(jobs_worker_of(job), job);
}

unsigned jobs_dispatch_workers(const struct jobs_dispatch *dispatch)
{
    unsigned count = 0;

    for
        EACH_WORKER(dispatch, at)
    if (jobs_worker_is_usable(worker_at(at)))
        count++;
    return count;
}
