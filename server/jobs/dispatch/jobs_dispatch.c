#include "server/jobs/dispatch/jobs_dispatch.h"

#include <assert.h>
#include <ev.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "proto/wire.h"
#include "server/jobs/jobs_finish.h"
#include "server/jobs/jobs_result_budget.h"
#include "server/jobs/dispatch/jobs_send.h"
#include "server/workers/rpc_client.h"
#include "server/stats/stats.h"

/* How often deadlines and signs of life are looked at: a fraction of the job timeout. */
#define TICKS_PER_TIMEOUT 64
#define TICK_MIN_S        0.001
#define TICK_MAX_S        0.05

/* Retries may be a fifth of the jobs, after a stock for the death of a few workers. */
#define RETRY_SHARE 0.2
#define RETRY_STOCK 1000

struct jobs_dispatch {
    struct ev_loop *loop;
    const struct jobs_config *config;
    struct jobs_context *context;
    struct stats_front *stats; /* the context's */
    struct rpc_client *rpc;    /* NULL where no worker will ever come */
    struct jobs_send send;     /* the jobs that are with no worker, and the workers */
    double retries_left;       /* the budget: see RETRY_ constants */
    ev_prepare prepare;        /* before poll: sends what waits */
    ev_timer held;             /* wakes the loop when a busy worker may get more */
    ev_timer tick;             /* active while there are jobs */
    uint64_t ticked_ns;
    struct jobs_given_up_events given_up_events; /* of NULLs for none */
};

/* ---- endings ---- */

static void end_jobs(struct jobs_dispatch *dispatch)
{
    struct job *job;

    while ((job = jobs_queue_first(&dispatch->send.ending)) != NULL) {
        jobs_queue_remove(&dispatch->send.ending, job);
        if (job->attempts == 0)
            job->queue_us = (uint32_t)((clock_now_ns() - job->submitted_ns) / NS_PER_US);
        jobs_finish(dispatch->context, job, job->status);
    }
}

/* A job that its worker did not finish goes to another worker, while its attempts and the
   budget of retries last. */
static void retry(struct jobs_dispatch *dispatch, struct job *job)
{
    if (job->attempts >= JOBS_MAX_ATTEMPTS || dispatch->retries_left < 1) {
        jobs_send_end_later(&dispatch->send, job, JOB_WORKER_LOST);
        return;
    }
    dispatch->retries_left--;
    stats_add(&dispatch->stats->job_retries, 1);
    job->lost_ns = clock_now_ns();
    jobs_queue_push(&dispatch->send.retried, job);
}

/* Nobody waits for a job any more that a worker has. */
static void give_up(struct jobs_dispatch *dispatch, struct jobs_worker *worker,
                    struct job *job)
{
    const struct jobs_given_up_events *events = &dispatch->given_up_events;
    void *given_up = NULL;

    if (events->begun != NULL)
        given_up = events->begun(events->ctx, job);
    jobs_worker_give_up(worker, job, given_up);
}

static void end_given_up(struct jobs_dispatch *dispatch, void *given_up,
                         uint32_t codec_us)
{
    const struct jobs_given_up_events *events = &dispatch->given_up_events;

    if (given_up != NULL && events->ended != NULL)
        events->ended(events->ctx, given_up, codec_us);
}

static unsigned count_in_flight(const struct jobs_dispatch *dispatch)
{
    unsigned count = 0;

    FOR_EACH_WORKER(&dispatch->send, at)
        count += jobs_send_worker(at)->flight.live;
    return count;
}

static void set_gauges(struct jobs_dispatch *dispatch)
{
    FOR_EACH_WORKER(&dispatch->send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);

        if (worker->row != NULL)
            stats_set(&worker->row->jobs_in_flight, worker->flight.live);
    }
    stats_set(&dispatch->stats->queue_depth,
              dispatch->send.waiting.depth + dispatch->send.retried.depth);
    stats_set(&dispatch->stats->jobs_in_flight, count_in_flight(dispatch));
}

/* ---- time ---- */

/* True where a job has waited too long: until its deadline, or for half of that time
   where there is no worker. */
static bool is_due(const struct job *job, bool no_worker, uint64_t now_ns)
{
    uint64_t half_ns = job->submitted_ns + (job->deadline_ns - job->submitted_ns) / 2;

    return job->deadline_ns <= now_ns || (no_worker && half_ns <= now_ns);
}

/* True where a job that lost its worker has waited long enough for the news how that
   worker ended. */
static bool has_waited_for_news(const struct job *job, uint64_t now_ns)
{
    uint64_t quarter_ns = (job->deadline_ns - job->submitted_ns) / 4;

    return now_ns >=
           job->lost_ns + (quarter_ns < JOBS_NEWS_NS ? quarter_ns : JOBS_NEWS_NS);
}

/* How a retried job ends now; JOB_OK where it does not. */
static enum job_status retried_ending(const struct job *job, bool no_worker,
                                      uint64_t now_ns)
{
    if (no_worker && job->mode == JOBS_AUTO && job->crashed &&
        has_waited_for_news(job, now_ns))
        return JOB_WORKER_LOST; /* nothing else may run it */
    if (!is_due(job, no_worker, now_ns))
        return JOB_OK;
    return no_worker ? JOB_NO_WORKER : JOB_DEADLINE;
}

static void expire_retried(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    bool no_worker = jobs_dispatch_workers(dispatch) == 0;

    for (struct job *job = jobs_queue_first(&dispatch->send.retried), *next; job != NULL;
         job = next) {
        enum job_status status = retried_ending(job, no_worker, now_ns);

        next = jobs_queue_next(&dispatch->send.retried, job);
        if (status == JOB_OK)
            continue;
        jobs_queue_remove(&dispatch->send.retried, job);
        jobs_send_end_later(&dispatch->send, job, status);
    }
}

static void expire_waiting(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    bool no_worker = jobs_dispatch_workers(dispatch) == 0;

    for (struct job *job = jobs_waiting_any(&dispatch->send.waiting), *next; job != NULL;
         job = next) {
        next = jobs_waiting_next(&dispatch->send.waiting, job);
        if (!is_due(job, no_worker, now_ns))
            continue;
        jobs_waiting_remove(&dispatch->send.waiting, job);
        jobs_send_end_later(&dispatch->send, job,
                            no_worker ? JOB_NO_WORKER : JOB_DEADLINE);
    }
}

static void expire_in_flight(struct jobs_dispatch *dispatch, struct jobs_worker *worker,
                             uint64_t now_ns)
{
    struct job *job;

    while ((job = jobs_flight_first_due(&worker->flight, now_ns)) != NULL) {
        give_up(dispatch, worker, job);
        jobs_send_end_later(&dispatch->send, job, JOB_DEADLINE);
    }
}

static void take_all_back(struct jobs_dispatch *dispatch, struct jobs_worker *worker)
{
    struct job *job;

    while ((job = jobs_flight_first_due(&worker->flight, UINT64_MAX)) != NULL) {
        jobs_worker_give_up(worker, job, NULL);
        retry(dispatch, job);
    }
}

static void check_workers(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    uint64_t timeout_ns = dispatch->config->job_timeout_ns;
    /* After a long turn of the loop, signs of life may lie unread. */
    bool was_away = now_ns - dispatch->ticked_ns > timeout_ns / 4;

    FOR_EACH_WORKER(&dispatch->send, at) {
        struct jobs_worker *worker = jobs_send_worker(at);

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
    if (dispatch->send.waiting.depth + dispatch->send.retried.depth +
            count_in_flight(dispatch) ==
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

/* Only wakes the loop: on_prepare() sends, in this same turn of the loop. */
static void on_held(struct ev_loop *loop, ev_timer *held, int events)
{
    (void)loop;
    (void)held;
    (void)events;
}

static void watch_held(struct jobs_dispatch *dispatch, uint64_t now_ns)
{
    uint64_t held_us = jobs_send_held_us(&dispatch->send, now_ns);

    ev_timer_stop(dispatch->loop, &dispatch->held);
    if (held_us == 0)
        return;
    ev_timer_set(&dispatch->held, (double)(held_us * NS_PER_US) / NS_PER_S, 0.);
    ev_timer_start(dispatch->loop, &dispatch->held);
}

static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    struct jobs_dispatch *dispatch = container_of(prepare, struct jobs_dispatch, prepare);
    enum stats_phase before;
    uint64_t now_ns;

    (void)loop;
    (void)events;
    if (dispatch->send.waiting.depth + dispatch->send.retried.depth > 0) {
        /* Only here: where nothing waits, the measurement would cost more than the work.
         */
        before = stats_phase_enter(STATS_RPC);
        now_ns = clock_now_ns();
        expire_retried(dispatch, now_ns);
        jobs_send(&dispatch->send, now_ns);
        end_jobs(dispatch);
        watch_held(dispatch, now_ns);
        (void)stats_phase_enter(before);
    }
    FOR_EACH_WORKER(&dispatch->send, at) {
        jobs_worker_send_cancels(jobs_send_worker(at));
        rpc_worker_flush(jobs_send_worker(at)->rpc);
    }
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
    list_append(&dispatch->send.workers, &worker->link);
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
    struct wire_id documents[FLIGHT_MAX_DOCUMENTS];
    struct job *job;
    void *given_up;

    jobs_poison_note_loss(&dispatch->context->poison, documents,
                          jobs_flight_documents(&worker->flight, documents),
                          clock_now_ns());
    while ((job = jobs_flight_take_back(&worker->flight)) != NULL)
        retry(dispatch, job);
    while ((given_up = jobs_flight_take_given_up(&worker->flight)) != NULL)
        end_given_up(dispatch, given_up, JOBS_LOST_US);
    stats_worker_leave(worker->row);
    jobs_worker_destroy(&worker);
    count_workers(dispatch);
    end_jobs(dispatch);
}

/* Marks the retried jobs whose document is named in one of the crashes. */
static void note_crashed(struct jobs_dispatch *dispatch, const struct wire_crash *crashes,
                         unsigned count)
{
    for (struct job *job = jobs_queue_first(&dispatch->send.retried); job != NULL;
         job = jobs_queue_next(&dispatch->send.retried, job))
        job->crashed |= jobs_poison_names(crashes, count, &job->call);
}

/* A job whose document was at two crashes is not tried a third time. */
static void on_crashes(void *ctx, const struct wire_crash *crashes, unsigned count)
{
    struct jobs_dispatch *dispatch = ctx;
    uint64_t now_ns = clock_now_ns();

    note_crashed(dispatch, crashes, count);
    if (!jobs_poison_take(&dispatch->context->poison, crashes, count, now_ns))
        return;
    for (struct job *job = jobs_queue_first(&dispatch->send.retried), *next; job != NULL;
         job = next) {
        next = jobs_queue_next(&dispatch->send.retried, job);
        if (!jobs_poison_has(&dispatch->context->poison, &job->call, now_ns))
            continue;
        jobs_queue_remove(&dispatch->send.retried, job);
        jobs_send_end_later(&dispatch->send, job, JOB_POISON);
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
    if (result->verdict >= WIRE_CANCELLED)
        return false;
    if (result->status == CODEC_OK && result->verdict == WIRE_DONE &&
        result->payload.bytes.len < codec_digest_bytes(job->call.digests))
        return false;
    return (result->payload.bytes.len <= job->call.max_output ||
            codec_status_has_text((enum codec_status)result->status)) &&
           (result->fault_offset <= last_offset(&job->call) ||
            result->fault_offset == CODEC_NO_OFFSET);
}

/* True for a job whose worker is too old: it does not know keep_numbers, programs or
   digests. */
static bool is_outdated(const struct job *job, const struct wire_result *result)
{
    return result->status == CODEC_UNSUPPORTED &&
           (job->call.keep_numbers || job->call.transform || job->call.digests != 0);
}

/* Runs a job on a thread of the front, where the codec is as new as the front. Equal ones
   find their own places. */
static void run_here(struct jobs_dispatch *dispatch, struct job *job)
{
    struct jobs_context *context = dispatch->context;
    struct list followers;

    jobs_share_end(job, &followers);
    jobs_result_budget_give_back(job); /* its next place promises again */
    job->mode = JOBS_THREADS;
    context->place(context, job);
    while ((job = jobs_share_shift(&followers)) != NULL)
        context->place(context, job);
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
        jobs_finish(dispatch->context, job, JOB_DEADLINE);
        return;
    }
    if (fault.status == CODEC_OK || codec_status_has_text(fault.status))
        blob = rpc_message_blob(message, result->payload.bytes);
    jobs_finish_run(dispatch->context, job, &fault, blob);
}

static bool on_takes_lent_result(void *ctx, struct rpc_worker *rpc, uint64_t id)
{
    struct jobs_worker *worker = rpc_worker_owner(rpc);
    struct job *job;

    (void)ctx;
    return jobs_flight_find(&worker->flight, id, &job) == FLIGHT_LIVE &&
           job->sends_result;
}

static int on_result(void *ctx, struct rpc_worker *rpc, const struct wire_result *result,
                     struct rpc_message *message)
{
    struct jobs_dispatch *dispatch = ctx;
    struct jobs_worker *worker = rpc_worker_owner(rpc);
    struct job *job;
    void *given_up;

    switch (jobs_flight_find(&worker->flight, result->id, &job)) {
    case FLIGHT_UNKNOWN: return -1;
    case FLIGHT_GIVEN_UP:
        given_up = jobs_flight_given_up(&worker->flight, result->id);
        jobs_flight_answer(&worker->flight, result->id, rpc_worker_heard_ns(rpc));
        end_given_up(dispatch, given_up, result->codec_us);
        return 0;
    case FLIGHT_LIVE: break;
    }
    if (!is_plausible(job, result))
        return -1;
    jobs_flight_answer(&worker->flight, result->id, rpc_worker_heard_ns(rpc));
    if (worker->row != NULL) {
        stats_add(&worker->row->jobs, 1);
        stats_add(&worker->row->codec_us, result->codec_us);
    }
    if (is_outdated(job, result))
        run_here(dispatch, job);
    else
        finish(dispatch, job, result, message);
    return 0;
}

/* ---- what the rest of the room calls ---- */

static struct rpc_client *create_client(struct jobs_dispatch *dispatch)
{
    static const struct rpc_client_events events = {.up = on_up,
                                                    .leaving = on_leaving,
                                                    .takes_lent_result =
                                                        on_takes_lent_result,
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
        .fastpath = config->fastpath,
        .credentials = config->credentials,
        .stats = config->stats,
        .on_stuck = config->on_stuck,
        .stuck_ctx = config->stuck_ctx,
    };

    return rpc_client_create(dispatch->loop, &rpc_config, &events, dispatch);
}

struct jobs_dispatch *jobs_dispatch_create(struct ev_loop *loop,
                                           const struct jobs_config *config,
                                           struct jobs_context *context)
{
    struct jobs_dispatch *dispatch = mem_zalloc(sizeof *dispatch);
    double tick_s = (double)config->job_timeout_ns / NS_PER_S / TICKS_PER_TIMEOUT;

    dispatch->loop = loop;
    dispatch->config = config;
    dispatch->context = context;
    dispatch->stats = context->stats;
    jobs_send_init(&dispatch->send);
    dispatch->retries_left = RETRY_STOCK;
    tick_s = tick_s < TICK_MIN_S ? TICK_MIN_S : tick_s > TICK_MAX_S ? TICK_MAX_S : tick_s;
    ev_timer_init(&dispatch->tick, on_tick, 0, tick_s);
    ev_timer_init(&dispatch->held, on_held, 0., 0.);
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
    assert(d->send.waiting.depth + d->send.retried.depth + d->send.ending.depth == 0);
    rpc_client_destroy(&d->rpc);
    while (!list_is_empty(&d->send.workers)) {
        struct jobs_worker *worker = jobs_send_worker(d->send.workers.next);

        jobs_worker_destroy(&worker);
    }
    ev_prepare_stop(d->loop, &d->prepare);
    ev_timer_stop(d->loop, &d->tick);
    ev_timer_stop(d->loop, &d->held);
    mem_free(d);
}

void jobs_dispatch_submit(struct jobs_dispatch *dispatch, struct job *job)
{
    struct codec_fault too_large = {CODEC_TOO_LARGE, 0};

    job->ran = JOBS_RPC;
    if (job->call.in.len > WIRE_MAX_PAYLOAD_BYTES - job->call.argument.len) {
        jobs_finish_run(dispatch->context, job, &too_large, NULL);
        return;
    }
    jobs_result_budget_limit(job, WIRE_MAX_PAYLOAD_BYTES);
    if (dispatch->send.waiting.depth + dispatch->send.retried.depth >=
        dispatch->config->queue_max) {
        jobs_finish(dispatch->context, job, JOB_QUEUE_FULL);
        return;
    }
    if (dispatch->retries_left < RETRY_STOCK)
        dispatch->retries_left += RETRY_SHARE;
    jobs_waiting_push(&dispatch->send.waiting, job);
    start_tick(dispatch);
}

void jobs_dispatch_watch_given_up(struct jobs_dispatch *dispatch,
                                  const struct jobs_given_up_events *events)
{
    dispatch->given_up_events =
        events != NULL ? *events : (struct jobs_given_up_events){.ctx = NULL};
}

unsigned jobs_dispatch_under_way(const struct jobs_dispatch *dispatch)
{
    return dispatch->send.waiting.depth + dispatch->send.retried.depth +
           count_in_flight(dispatch);
}

static struct job *take_stranded_waiting(struct jobs_dispatch *dispatch)
{
    struct job *job = jobs_waiting_any(&dispatch->send.waiting);

    while (job != NULL && job->mode != JOBS_AUTO)
        job = jobs_waiting_next(&dispatch->send.waiting, job);
    if (job != NULL)
        jobs_waiting_remove(&dispatch->send.waiting, job);
    return job;
}

static struct job *take_stranded_retried(struct jobs_dispatch *dispatch)
{
    struct job *job = jobs_queue_first(&dispatch->send.retried);
    uint64_t now_ns = clock_now_ns();

    while (job != NULL &&
           (job->mode != JOBS_AUTO || job->crashed || !has_waited_for_news(job, now_ns)))
        job = jobs_queue_next(&dispatch->send.retried, job);
    if (job != NULL)
        jobs_queue_remove(&dispatch->send.retried, job);
    return job;
}

struct job *jobs_dispatch_take_stranded(struct jobs_dispatch *dispatch)
{
    struct job *job;

    if (dispatch->send.waiting.depth + dispatch->send.retried.depth == 0 ||
        jobs_dispatch_workers(dispatch) > 0)
        return NULL;
    job = take_stranded_waiting(dispatch);
    return job != NULL ? job : take_stranded_retried(dispatch);
}

void jobs_dispatch_cancel(struct jobs_dispatch *dispatch, struct job *job)
{
    if (job->state == JOB_WAITING)
        jobs_waiting_remove(&dispatch->send.waiting, job);
    else if (job->state == JOB_RETRIED)
        jobs_queue_remove(&dispatch->send.retried, job);
    else if (job->state == JOB_ENDING)
        jobs_queue_remove(&dispatch->send.ending, job);
    else
        give_up(dispatch, jobs_worker_of(job), job);
}

struct blob *jobs_dispatch_make_input(struct jobs_dispatch *dispatch, size_t len,
                                      uint8_t **bytes_r)
{
    if (dispatch->rpc == NULL)
        return NULL;
    return rpc_client_make_input(dispatch->rpc, len, bytes_r);
}

unsigned jobs_dispatch_workers(const struct jobs_dispatch *dispatch)
{
    unsigned count = 0;

    FOR_EACH_WORKER(&dispatch->send, at)
        if (jobs_worker_is_usable(jobs_send_worker(at)))
            count++;
    return count;
}
