#include "clients/c/client_inside.h"

#include <assert.h>

#include "common/codec/codec.h"

/* A job is sent so often: once more where the connection was lost. */
#define MAX_TRIES 2u
/* What is read in one call. */
#define READ_BYTES ((size_t)1 << 20)

static void put_off_connecting(struct offloop *o, uint64_t now_ns)
{
    o->retry_ns = now_ns + o->pause_ns;
    o->pause_ns = o->pause_ns * 2 < RETRY_MAX_NS ? o->pause_ns * 2 : RETRY_MAX_NS;
}

/* Without a daemon the jobs are this process's, if they may be. */
static void miss_daemon(struct offloop *o)
{
    struct job *job;

    o->is_absent = true;
    put_off_connecting(o, clock_now_ns());
    while (jobs_may_run_here(o) && (job = job_first(&o->queued)) != NULL)
        job_move(o, job, JOB_HERE);
}

/* What was under way is sent once more, by a connection that is made at once where the
   last one was good; one that was not welcome has not even been tried. */
static void connection_lose(struct offloop *o)
{
    bool was_welcome = o->is_welcome;
    struct job *job;

    link_close(&o->link);
    arena_close(&o->arena);
    o->no_arena = o->no_arena || o->in_doubt;
    o->is_welcome = o->in_doubt = false;
    o->cancel_count = 0;
    o->retry_ns = 0;
    while (!o->is_over && (job = job_first(&o->sent)) != NULL) {
        if (!was_welcome)
            job->tries--;
        if (job->tries >= MAX_TRIES)
            job_end(o, job, OFFLOOP_LOST);
        else
            job_move(o, job, JOB_QUEUED);
    }
    if (!was_welcome && !o->is_over)
        miss_daemon(o);
}

void connection_try(struct offloop *o, uint64_t now_ns)
{
    if (o->link.fd >= 0 || now_ns < o->retry_ns)
        return;
    if (link_connect(&o->link, o->path, o->name) != 0) {
        miss_daemon(o);
        return;
    }
    o->generation++;
    o->is_welcome = o->is_leaving = o->is_absent = o->takes_arena = false;
    o->max_jobs = MAX_JOBS;
    o->max_bytes = WIRE_MAX_PAYLOAD_BYTES;
}

static enum offloop_outcome outcome_of(const struct wire_result *result)
{
    switch (result->verdict) {
    case WIRE_DONE: return result->status == CODEC_OK ? OFFLOOP_OK : OFFLOOP_REFUSED;
    case WIRE_EXPIRED: return OFFLOOP_TIMEOUT;
    case WIRE_OVERLOADED: return OFFLOOP_OVERLOADED;
    case WIRE_NO_WORKER: return OFFLOOP_NO_WORKER;
    case WIRE_POISON: return OFFLOOP_POISON;
    default: return OFFLOOP_LOST;
    }
}

/* Returns -1 for an answer to what is not sent yet. */
static int take_result(struct offloop *o, const struct wire_result *wire)
{
    struct slice payload = wire->payload.bytes;
    struct job *job = job_find(o, wire->id);
    struct offloop_result result = {.outcome = outcome_of(wire),
                                    .status = wire->status,
                                    .offset = wire->fault_offset,
                                    .queue_us = wire->queue_us,
                                    .codec_us = wire->codec_us};
    struct buf text = BUF_INIT;

    if (job == NULL || job->state != JOB_SENT)
        return 0; /* taken back */
    if (job_is_half_sent(o, job))
        return -1;
    if (result.outcome == OFFLOOP_NO_WORKER && jobs_may_run_here(o)) {
        job_move(o, job, JOB_HERE);
        return 0;
    }
    if (result.outcome == OFFLOOP_OK) {
        result.data = payload.data;
        result.len = payload.len;
    } else if (result.outcome == OFFLOOP_REFUSED) {
        result.message = job_fault_text(wire->status, payload, &text);
    }
    job_finish(o, job, &result);
    buf_free(&text);
    return 0;
}

/* The results of a message: -1 as above, and for one that is not in the message. */
static int take_results(struct offloop *o, const struct wire_results *results)
{
    for (unsigned i = 0; i < results->count && !o->is_over; i++) {
        const struct wire_result *result = &results->results[i];

        if (result->payload.in_arena || take_result(o, result) != 0)
            return -1;
        arena_end(&o->arena, result->id);
    }
    return 0;
}

/* Returns -1 for what a daemon does not say. */
static int take_message(struct offloop *o, struct slice bytes)
{
    struct wire_message *message = &o->message;

    if (wire_decode(bytes, message, NULL) != WIRE_OK)
        return -1;
    switch (message->type) {
    case WIRE_RESULTS: o->in_doubt = false; return take_results(o, &message->results);
    case WIRE_APP_WELCOME:
        o->is_welcome = true;
        o->pause_ns = RETRY_MIN_NS;
        o->max_jobs = message->app_welcome.max_jobs;
        o->max_bytes = message->app_welcome.max_bytes;
        o->takes_arena = (message->app_welcome.capabilities & WIRE_APP_TAKES_ARENA) != 0;
        return 0;
    case WIRE_BYE: o->is_leaving = true; return 0;
    case WIRE_ALIVE: return 0;
    default: return -1; /* REFUSED, too */
    }
}

void connection_read(struct offloop *o)
{
    size_t total = 0;
    struct slice message;

    while (total < READ_BYTES && o->link.fd >= 0 && !o->is_over) {
        bool was_greeting = o->link.greeting_bytes < WIRE_GREETING_BYTES;
        enum frame_result frame;
        ssize_t got = link_receive(&o->link);

        if (got == 0)
            return;
        total += got > 0 ? (size_t)got : 0;
        frame = got < 0 ? FRAME_BAD : FRAME_MORE;
        while (got > 0 && !o->is_over &&
               (frame = link_next(&o->link, &message)) == FRAME_MESSAGE)
            if (take_message(o, message) != 0) {
                frame = FRAME_BAD;
                break;
            }
        if (frame == FRAME_BAD && !o->is_over)
            connection_lose(o);
        else if (!was_greeting && (size_t)got < FRAME_READ_BYTES)
            return; /* that was all; a level-triggered loop tells of more */
    }
}

/* ---- sending ---- */

/* The jobs that go into the next message, which are sent then. */
static unsigned take_batch(struct offloop *o, struct job **batch)
{
    unsigned count = 0;
    struct job *job;

    while (count < WIRE_MAX_BATCH && (job = job_first(&o->queued)) != NULL) {
        if (o->sent_count >= o->max_jobs ||
            (o->sent_count > 0 && o->sent_bytes + job_payload_bytes(job) > o->max_bytes))
            break;
        job->tries++;
        job->message = o->messages + 1;
        job_move(o, job, JOB_SENT);
        batch[count++] = job;
    }
    return count;
}

static struct slice data_of(const struct job *job)
{
    return (struct slice){job->request.data, job->request.len};
}

static struct slice argument_of(const struct job *job)
{
    return (struct slice){job->request.argument, job->request.argument_len};
}

/* Puts the arena, for the first job that is large enough for it; false where that is not
   to be done. */
static bool put_arena(struct offloop *o)
{
    struct job *job = job_first(&o->queued);
    struct buf message = BUF_INIT;
    int fd;

    if (!o->takes_arena || o->no_arena || o->arena.data != NULL || o->arena.is_refused ||
        job == NULL || !arena_suits(job_payload_bytes(job)))
        return false;
    fd = arena_open(&o->arena);
    if (fd < 0)
        return false;
    wire_put_app_arena(&message, WIRE_MAX_APP_ARENA_BYTES);
    link_put_descriptor(&o->link, buf_slice(&message), fd);
    o->in_doubt = true;
    buf_free(&message);
    return true;
}

static void put_batch(struct offloop *o, struct job *const *batch, unsigned count,
                      uint64_t now_ns)
{
    struct wire_job jobs[WIRE_MAX_BATCH];
    struct buf message = BUF_INIT;
    size_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct job *job = batch[i];
        uint64_t left_ms =
            job->ends_ns > now_ns ? (job->ends_ns - now_ns) / NS_PER_MS + 1 : 1;

        jobs[i] = (struct wire_job){
            .id = job->number,
            .op = job->request.op,
            .flags = job->request.flags,
            .separator = job->request.separator,
            .deadline_ms = left_ms < UINT32_MAX ? (uint32_t)left_ms : UINT32_MAX,
            .max_output = job->request.max_output,
            .options = {job->options, job->options_len},
            .payload = {.bytes = {NULL, job_payload_bytes(job)}}};
        if (!arena_put(&o->arena, &jobs[i], data_of(job), argument_of(job)))
            bytes += job_payload_bytes(job);
    }
    assert(count > 0);
    wire_put_jobs(&message, jobs, count);
    link_put_message(&o->link, buf_slice(&message), bytes);
    buf_free(&message);
    for (unsigned i = 0; i < count; i++) {
        if (jobs[i].payload.in_arena)
            continue;
        link_put_borrowed(&o->link, batch[i]->request.data, batch[i]->request.len);
        link_put_borrowed(&o->link, batch[i]->request.argument,
                          batch[i]->request.argument_len);
    }
}

static void put_cancels(struct offloop *o)
{
    unsigned count = o->cancel_count < WIRE_MAX_BATCH ? o->cancel_count : WIRE_MAX_BATCH;
    struct buf message = BUF_INIT;

    o->cancel_count -= count;
    wire_put_cancel(&message, o->cancels + o->cancel_count, count);
    link_put_message(&o->link, buf_slice(&message), 0);
    buf_free(&message);
}

/* Puts the next message; false where there is none. */
static bool put_next(struct offloop *o)
{
    struct job *batch[WIRE_MAX_BATCH];
    unsigned count = 0;

    if (o->cancel_count > 0)
        put_cancels(o);
    else if (o->is_leaving)
        return false;
    else if (!put_arena(o)) {
        count = take_batch(o, batch);
        if (count == 0)
            return false;
        put_batch(o, batch, count, clock_now_ns());
    }
    o->messages++;
    return true;
}

void connection_send(struct offloop *o)
{
    while (o->link.fd >= 0 && !o->is_over) {
        if (link_is_clear(&o->link) && !put_next(o))
            return;
        if (link_send(&o->link) != 0) {
            /* what has come is read first: results may be among it */
            connection_read(o);
            if (o->link.fd >= 0 && !o->is_over)
                connection_lose(o);
            return;
        }
        if (!link_is_clear(&o->link))
            return;
    }
}
