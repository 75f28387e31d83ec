#include "worker/runner.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/loop/cpu_yield.h"
#include "common/base/list.h"
#include "worker/job.h"

/* Finished results are sent when they have come to this much... */
#define RUNNER_FLUSH_BYTES (256U << 10)
/* ...or when the oldest would wait longer than this for another job: many messages' worth
   of the front's time (60 to 90 us each), so that a batch of small jobs is answered by
   one... */
#define RUNNER_FLUSH_US 1000
/* ...and one of long jobs, of which a front sends 4 ms in a message, by one too: what
   took a while itself may wait so many times that, and so long at most. */
#define RUNNER_STRETCH    12
#define RUNNER_STRETCH_US 5000
/* Nothing short waits for a heavy job, of about this length. */
#define RUNNER_HEAVY_US 100
/* A smaller result is cheaper in the message than in an arena. */
#define RUNNER_ARENA_MIN_BYTES 4096
/* Memory that an output buffer or an idle codec may keep. */
#define RUNNER_KEEP_BYTES (4U << 20)
/* Input that is copied between two offers of the processor: about 20 us. */
#define RUNNER_COPY_BYTES (256U << 10)

/* A JOBS message waiting or being worked on. */
struct runner_batch {
    struct list link; /* in runner.queue; unlinked once its work began */
    struct runner_sink *sink;
    uint8_t *arena; /* where its jobs' offsets count from; NULL for none */
    void *message;
    uint64_t arrived_ns;
    uint64_t cancelled; /* bit per job; written under the lock, read when it starts */
    uint32_t peer;
    unsigned count;
    struct wire_job jobs[];
};

/* Results not sent yet; only the running thread touches them. */
struct runner_output {
    unsigned count;
    uint64_t oldest_ns;   /* when the first of them was finished */
    uint32_t shortest_us; /* codec time of one */
    size_t longest_bytes; /* payload of one job */
    struct wire_result results[WIRE_MAX_BATCH];
    struct buf payloads;
};

struct runner {
    struct runner_config config;
    struct codec *codec;         /* the running thread's */
    struct buf input;            /* the running thread's copy of what a job reads */
    struct runner_output output; /* the running thread's */
    pthread_mutex_t lock;        /* over all below */
    struct list queue;           /* of batches, oldest first */
    bool running;                /* some thread is at a batch */
    bool announce_idle;
    struct runner_batch *current; /* NULL between batches */
    uint64_t running_id;          /* meaningful where running_since_ns is not 0 */
    uint64_t running_since_ns;    /* 0 between jobs */
    uint64_t done;
};

_Static_assert(WIRE_MAX_BATCH <= 64, "runner_batch.cancelled has a bit for every job");

struct runner *runner_create(const struct runner_config *config)
{
    struct codec *codec = codec_create(config->engine);
    struct runner *runner;

    if (!codec)
        return NULL;
    runner = mem_zalloc(sizeof(*runner));
    runner->config = *config;
    runner->codec = codec;
    list_init(&runner->queue);
    pthread_mutex_init(&runner->lock, NULL);
    return runner;
}

static void runner_free_batch(struct runner_batch *batch)
{
    batch->sink->release(batch->sink, batch->message);
    mem_free(batch);
}

void runner_destroy(struct runner **runner)
{
    struct runner *r = *runner;
    struct list *link;

    if (!r)
        return;
    assert(!r->running);
    while ((link = list_shift(&r->queue)))
        runner_free_batch(container_of(link, struct runner_batch, link));
    buf_free(&r->output.payloads);
    buf_free(&r->input);
    codec_destroy(&r->codec);
    pthread_mutex_destroy(&r->lock);
    mem_free(r);
    *runner = NULL;
}

static bool runner_batch_is_of(const struct runner_batch *batch,
                               const struct runner_sink *sink, uint32_t peer)
{
    return batch->sink == sink && batch->peer == peer;
}

/* Batches of a peer that wait; the lock is held. */
static unsigned runner_count_waiting(const struct runner *runner,
                                     const struct runner_sink *sink, uint32_t peer)
{
    unsigned waiting = 0;

    for (struct list *link = runner->queue.next; link != &runner->queue;
         link = link->next)
        waiting +=
            runner_batch_is_of(container_of(link, struct runner_batch, link), sink, peer);
    return waiting;
}

static struct runner_batch *runner_new_batch(struct runner_sink *sink, uint32_t peer,
                                             const struct wire_jobs *jobs, uint8_t *arena,
                                             void *message)
{
    size_t size = jobs->count * sizeof(struct wire_job);
    struct runner_batch *batch = mem_alloc(sizeof(*batch) + size);

    assert(jobs->count >= 1 && jobs->count <= WIRE_MAX_BATCH);
    list_init(&batch->link);
    batch->sink = sink;
    batch->arena = arena;
    batch->message = message;
    batch->arrived_ns = clock_now_ns();
    batch->cancelled = 0;
    batch->peer = peer;
    batch->count = jobs->count;
    for (unsigned i = 0; i < jobs->count; i++) {
        struct wire_payload *payload = &batch->jobs[i].payload;

        batch->jobs[i] = jobs->jobs[i];
        if (payload->in_arena)
            payload->bytes.data = arena + payload->offset;
    }
    return batch;
}

int runner_submit(struct runner *runner, struct runner_sink *sink, uint32_t peer,
                  const struct wire_jobs *jobs, uint8_t *arena, void *message)
{
    struct runner_batch *batch = runner_new_batch(sink, peer, jobs, arena, message);
    bool taken;

    pthread_mutex_lock(&runner->lock);
    taken = runner_count_waiting(runner, sink, peer) < WIRE_MAX_CREDITS;
    if (taken)
        list_append(&runner->queue, &batch->link);
    pthread_mutex_unlock(&runner->lock);
    if (taken)
        return 0;
    mem_free(batch);
    return -1;
}

/* Sends what is finished. */
static void runner_flush(struct runner *runner, struct runner_batch *batch)
{
    struct runner_output *output = &runner->output;

    if (output->count == 0)
        return;
    batch->sink->results(batch->sink, batch->peer, output->results, output->count,
                         buf_slice(&output->payloads));
    output->count = 0;
    output->payloads.len = 0;
    if (output->payloads.cap > RUNNER_KEEP_BYTES)
        buf_free(&output->payloads);
}

static uint32_t runner_us_between(uint64_t from_ns, uint64_t to_ns)
{
    uint64_t us = to_ns > from_ns ? (to_ns - from_ns) / NS_PER_US : 0;

    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* True where the job will take long, and what is finished did not: one that is not much
   larger than one of those takes about as long as they did, however long that is here. */
static bool runner_job_is_longer(const struct runner_output *output,
                                 const struct wire_job *job)
{
    return job_is_heavy(job) && output->shortest_us < RUNNER_HEAVY_US &&
           job->payload.bytes.len > 2 * output->longest_bytes;
}

/* True where what is finished should not wait for this job, which will take about as long
   as the shortest of them. */
static bool runner_must_flush(const struct runner_output *output,
                              const struct wire_job *job, uint64_t now_ns)
{
    uint64_t wait_us = output->shortest_us, patience_us = RUNNER_STRETCH * wait_us;

    if (patience_us > RUNNER_STRETCH_US)
        patience_us = RUNNER_STRETCH_US;
    wait_us += runner_us_between(output->oldest_ns, now_ns);
    return output->payloads.len >= RUNNER_FLUSH_BYTES ||
           runner_job_is_longer(output, job) ||
           wait_us > (patience_us < RUNNER_FLUSH_US ? RUNNER_FLUSH_US : patience_us);
}

/* Sends what is finished where it should not wait for this job. */
static void runner_flush_before(struct runner *runner, struct runner_batch *batch,
                                const struct wire_job *job, uint64_t now_ns)
{
    if (runner->output.count > 0 && runner_must_flush(&runner->output, job, now_ns))
        runner_flush(runner, batch);
}

static bool runner_job_is_late(const struct runner_batch *batch,
                               const struct wire_job *job, uint64_t now_ns)
{
    return job->deadline_ms != 0 &&
           now_ns - batch->arrived_ns >= job->deadline_ms * NS_PER_MS;
}

/* Decides, and tells the other threads what starts now. */
static enum wire_verdict runner_begin_job(struct runner *runner,
                                          struct runner_batch *batch, unsigned index,
                                          uint64_t now_ns)
{
    const struct wire_job *job = &batch->jobs[index];
    enum wire_verdict verdict = WIRE_DONE;

    if (runner_job_is_late(batch, job, now_ns))
        verdict = WIRE_EXPIRED;
    pthread_mutex_lock(&runner->lock);
    if (batch->cancelled >> index & 1)
        verdict = WIRE_CANCELLED;
    if (verdict == WIRE_DONE) {
        runner->running_id = job->id;
        runner->running_since_ns = now_ns;
    }
    pthread_mutex_unlock(&runner->lock);
    return verdict;
}

static void runner_end_job(struct runner *runner)
{
    uint64_t done;

    pthread_mutex_lock(&runner->lock);
    runner->running_since_ns = 0;
    done = ++runner->done;
    pthread_mutex_unlock(&runner->lock);
    if (done == 1 || done == runner->config.max_jobs)
        runner->config.wake(runner->config.wake_arg);
}

/* Makes room for so many bytes in the place of what is there; -1 where memory is out. */
static int runner_make_room(struct buf *input, size_t len)
{
    input->len = 0;
    if (len <= input->cap)
        return 0;
    buf_free(input);
    input->data = malloc(len);
    input->cap = input->data == NULL ? 0 : len;
    return input->data == NULL ? -1 : 0;
}

/* The front can change shared memory while a job reads it, and no engine is made for
   that: a length would be checked in one reading and used in another. So a job reads a
   copy, made once. It costs a worker 1 to 5 percent of the time of a job by yajl, and 4
   to 10 by direct. What came in the message is nobody else's. */
static int runner_own_input(struct buf *input, struct wire_job *job)
{
    struct slice shared = job->payload.bytes;

    if (!job->payload.in_arena)
        return 0;
    if (runner_make_room(input, shared.len) != 0)
        return -1;
    while (input->len < shared.len) {
        size_t len = shared.len - input->len;

        if (len > RUNNER_COPY_BYTES)
            len = RUNNER_COPY_BYTES;
        buf_append(input, shared.data + input->len, len);
        if (input->len < shared.len)
            cpu_yield();
    }
    job->payload.in_arena = false;
    job->payload.bytes = buf_slice(input);
    return 0;
}

/* Runs one job of a message that arrived then; its result is at the end of the payloads.
 */
static void runner_run_codec(struct runner *runner, const struct wire_job *job,
                             uint64_t arrived_ns, struct wire_result *result)
{
    uint64_t stop_ns =
        job->deadline_ms == 0 ? 0 : arrived_ns + job->deadline_ms * NS_PER_MS;
    struct wire_job own = *job;

    if (runner_own_input(&runner->input, &own) == 0)
        job_run(runner->codec, &own, runner->config.memory_bytes, stop_ns,
                &runner->output.payloads, result);
    else
        job_fail(job, CODEC_MEMORY, result);
    if (runner->input.cap > RUNNER_KEEP_BYTES)
        buf_free(&runner->input);
}

/* Moves the result at the end of the payloads into the arena, where it has room there. */
static void runner_place_result(const struct runner_batch *batch,
                                const struct wire_job *job, struct buf *payloads,
                                struct wire_result *result)
{
    size_t len = result->payload.bytes.len;

    if (!job->has_reply_space || len < RUNNER_ARENA_MIN_BYTES || len > job->reply_bytes)
        return;
    assert(batch->arena && payloads->len >= len);
    payloads->len -= len;
    memcpy(batch->arena + job->reply_offset, payloads->data + payloads->len, len);
    result->payload.in_arena = true;
    result->payload.offset = job->reply_offset;
}

static void runner_do_job(struct runner *runner, struct runner_batch *batch,
                          unsigned index)
{
    const struct wire_job *job = &batch->jobs[index];
    struct runner_output *output = &runner->output;
    struct wire_result *result = &output->results[output->count];
    uint64_t now_ns = clock_now_ns();
    enum wire_verdict verdict = runner_begin_job(runner, batch, index, now_ns);

    if (verdict == WIRE_DONE) {
        runner_flush_before(runner, batch, job, now_ns);
        result = &output->results[output->count];
        if (job->flags & WIRE_JOB_REPORT)
            batch->sink->started(batch->sink, batch->peer, job->id);
        runner_run_codec(runner, job, batch->arrived_ns, result);
        runner_place_result(batch, job, &output->payloads, result);
    } else {
        job_skip(job, verdict, result);
    }
    result->queue_us = runner_us_between(batch->arrived_ns, now_ns);
    if (output->count == 0)
        output->oldest_ns = clock_now_ns();
    if (output->count == 0 || result->codec_us < output->shortest_us)
        output->shortest_us = result->codec_us;
    if (output->count == 0 || job->payload.bytes.len > output->longest_bytes)
        output->longest_bytes = job->payload.bytes.len;
    output->count++;
    assert(output->count <= WIRE_MAX_BATCH);
    runner_end_job(runner);
}

static void runner_do_batch(struct runner *runner, struct runner_batch *batch)
{
    assert(runner->output.count == 0 && runner->output.payloads.len == 0);
    for (unsigned i = 0; i < batch->count; i++)
        runner_do_job(runner, batch, i);
    runner_flush(runner, batch);
}

/* The next batch, which becomes the current one, where this thread is the one to run now;
   else NULL. */
static struct runner_batch *runner_begin_batch(struct runner *runner)
{
    struct list *link = NULL;

    pthread_mutex_lock(&runner->lock);
    if (!runner->running)
        link = list_shift(&runner->queue);
    if (link) {
        runner->running = true;
        runner->current = container_of(link, struct runner_batch, link);
    }
    pthread_mutex_unlock(&runner->lock);
    return link ? container_of(link, struct runner_batch, link) : NULL;
}

/* The batch is done; true where others wait. */
static bool runner_end_batch(struct runner *runner, struct runner_batch *batch)
{
    bool more, announce;

    pthread_mutex_lock(&runner->lock);
    assert(runner->running && runner->current == batch);
    runner->current = NULL;
    runner->running = false;
    more = !list_is_empty(&runner->queue);
    announce = !more && runner->announce_idle;
    pthread_mutex_unlock(&runner->lock);
    runner_free_batch(batch);
    if (announce)
        runner->config.wake(runner->config.wake_arg);
    return more;
}

bool runner_run_batch(struct runner *runner)
{
    struct runner_batch *batch = runner_begin_batch(runner);

    if (!batch)
        return false;
    cpu_yield_enable();
    runner_do_batch(runner, batch);
    return runner_end_batch(runner, batch);
}

void runner_run(struct runner *runner)
{
    while (runner_run_batch(runner))
        ;
}

/* Marks the batch's jobs of these ids; the lock is held. */
static void runner_cancel_in(struct runner_batch *batch, const struct wire_cancel *cancel)
{
    for (unsigned i = 0; i < batch->count; i++)
        for (unsigned j = 0; j < cancel->count; j++)
            if (batch->jobs[i].id == cancel->ids[j])
                batch->cancelled |= UINT64_C(1) << i;
}

void runner_cancel(struct runner *runner, const struct runner_sink *sink, uint32_t peer,
                   const struct wire_cancel *cancel)
{
    pthread_mutex_lock(&runner->lock);
    if (runner->current && runner_batch_is_of(runner->current, sink, peer))
        runner_cancel_in(runner->current, cancel);
    for (struct list *link = runner->queue.next; link != &runner->queue;
         link = link->next) {
        struct runner_batch *batch = container_of(link, struct runner_batch, link);

        if (runner_batch_is_of(batch, sink, peer))
            runner_cancel_in(batch, cancel);
    }
    pthread_mutex_unlock(&runner->lock);
}

void runner_forget(struct runner *runner, const struct runner_sink *sink, uint32_t peer)
{
    struct list gone;
    struct list *next;

    list_init(&gone);
    pthread_mutex_lock(&runner->lock);
    if (runner->current && runner_batch_is_of(runner->current, sink, peer))
        runner->current->cancelled = UINT64_MAX;
    for (struct list *link = runner->queue.next; link != &runner->queue; link = next) {
        next = link->next;
        if (runner_batch_is_of(container_of(link, struct runner_batch, link), sink,
                               peer)) {
            list_remove(link);
            list_append(&gone, link);
        }
    }
    pthread_mutex_unlock(&runner->lock);
    while ((next = list_shift(&gone)))
        runner_free_batch(container_of(next, struct runner_batch, link));
}

struct runner_state runner_state_of(struct runner *runner, const struct runner_sink *sink)
{
    struct runner_state state = {0, 0};

    pthread_mutex_lock(&runner->lock);
    if (runner->running_since_ns) {
        state.running_ms =
            runner_us_between(runner->running_since_ns, clock_now_ns()) / 1000;
        if (runner->current && runner->current->sink == sink)
            state.running_id = runner->running_id;
    }
    pthread_mutex_unlock(&runner->lock);
    return state;
}

uint64_t runner_jobs_done(struct runner *runner)
{
    uint64_t done;

    pthread_mutex_lock(&runner->lock);
    done = runner->done;
    pthread_mutex_unlock(&runner->lock);
    return done;
}

bool runner_is_worn(struct runner *runner)
{
    return runner->config.max_jobs && runner_jobs_done(runner) >= runner->config.max_jobs;
}

bool runner_is_idle(struct runner *runner)
{
    bool idle;

    pthread_mutex_lock(&runner->lock);
    idle = !runner->running && list_is_empty(&runner->queue);
    pthread_mutex_unlock(&runner->lock);
    return idle;
}

void runner_announce_idle(struct runner *runner)
{
    pthread_mutex_lock(&runner->lock);
    runner->announce_idle = true;
    pthread_mutex_unlock(&runner->lock);
}

void runner_trim(struct runner *runner)
{
    /* under the lock, so that whoever brings work meanwhile waits and then runs it */
    pthread_mutex_lock(&runner->lock);
    if (!runner->running) {
        codec_trim(runner->codec, RUNNER_KEEP_BYTES);
        malloc_trim(0);
    }
    pthread_mutex_unlock(&runner->lock);
}
