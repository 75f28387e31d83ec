#include "worker/broker/app_jobs.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "proto/call_options.h"
#include "proto/frame.h"
#include "server/jobs/jobs.h"

/* Longer payloads are not copied behind the job, but stay in a blob. */
#define COPY_BYTES ((size_t)16 << 10)
/* Results of more do not share a message. */
#define MESSAGE_BYTES ((size_t)256 << 10)
/* A job's deadline where it names none. */
#define DEFAULT_DEADLINE_NS (10 * NS_PER_S)
/* What a crash costs the application in turns: about what a new worker takes. */
#define CRASH_US 1000000

enum app_job_state {
    APP_JOB_WAITING, /* its turn is awaited, or its deadline */
    APP_JOB_RUNNING, /* server/jobs has it */
    APP_JOB_FINISHED /* its answer is to be sent */
};

struct app_job {
    struct job job;
    struct app_jobs *owner;
    enum app_job_state state;
    struct turns_item turn;
    struct list bucket; /* not for one that was never accepted */
    struct list finished;
    uint64_t arrived_ns, deadline_ns;
    size_t bytes;     /* of the payload, while it counts as unanswered */
    bool is_in_arena; /* the payload, still: at this offset */
    uint64_t arena_offset;
    struct wire_result result;
    struct blob *result_blob;
    uint8_t tail[]; /* options, and a short payload */
};

/* What is left of a job that was given up: a worker is at it, perhaps. */
struct given_up {
    struct list link; /* in app_shared.given_up */
    struct turns_item turn;
};

/* A job is given up: it stays under way, and its application's, until its worker is done
   with it. So who cancels what has begun is served no less than who waits for it. */
static void *on_given_up(void *context, struct job *job)
{
    struct app_shared *shared = context;
    struct given_up *given_up = mem_zalloc(sizeof *given_up);

    turns_move(&container_of(job, struct app_job, job)->turn, &given_up->turn);
    list_append(&shared->given_up, &given_up->link);
    return given_up;
}

static void on_given_up_ended(void *context, void *ended, uint32_t codec_us)
{
    struct app_shared *shared = context;
    struct given_up *given_up = ended;

    turns_end(&shared->turns, &given_up->turn,
              codec_us == JOBS_LOST_US ? given_up->turn.cost_us : codec_us);
    list_remove(&given_up->link);
    mem_free(given_up);
    shared->wake(shared->context); /* another may have its turn */
}

void app_shared_init(struct app_shared *shared, struct jobs *jobs)
{
    *shared = (struct app_shared){.jobs = jobs};
    turns_init(&shared->turns);
    app_rows_init(&shared->rows);
    list_init(&shared->dirty);
    list_init(&shared->given_up);
    jobs_watch_given_up(
        jobs, &(struct jobs_given_up_events){on_given_up, on_given_up_ended, shared});
}

void app_shared_end(struct app_shared *shared)
{
    struct list *link;

    jobs_watch_given_up(shared->jobs, NULL);
    while ((link = list_shift(&shared->given_up)) != NULL)
        mem_free(container_of(link, struct given_up, link));
}

void app_jobs_init(struct app_jobs *jobs, struct app_shared *shared)
{
    *jobs = (struct app_jobs){.shared = shared, .expire_ns = UINT64_MAX};
    turns_member_init(&jobs->member);
    app_arena_init(&jobs->arena);
    for (unsigned i = 0; i < APP_JOB_BUCKETS; i++)
        list_init(&jobs->buckets[i]);
    list_init(&jobs->finished);
    list_init(&jobs->dirty);
}

void app_jobs_start(struct app_jobs *jobs, struct app_row *row)
{
    jobs->row = row;
}

static struct app_job *find(struct app_jobs *jobs, uint64_t id)
{
    struct list *bucket = &jobs->buckets[id % APP_JOB_BUCKETS];

    for (struct list *link = bucket->next; link != bucket; link = link->next) {
        struct app_job *job = container_of(link, struct app_job, bucket);

        if (job->result.id == id)
            return job;
    }
    return NULL;
}

static void wake(struct app_jobs *jobs)
{
    if (list_is_empty(&jobs->dirty))
        list_append(&jobs->shared->dirty, &jobs->dirty);
    jobs->shared->wake(jobs->shared->context);
}

/* The job does not count as unanswered any more. */
static void release(struct app_job *job)
{
    struct app_jobs *jobs = job->owner;

    if (list_is_empty(&job->bucket))
        return;
    list_remove(&job->bucket);
    assert(jobs->unanswered > 0 && jobs->unanswered_bytes >= job->bytes);
    jobs->unanswered--;
    jobs->row->unanswered--;
    jobs->unanswered_bytes -= job->bytes;
    jobs->shared->held_bytes -= job->bytes;
}

static void free_job(struct app_job *job)
{
    release(job);
    list_remove(&job->finished);
    blob_unref(&job->job.in_blob);
    blob_unref(&job->result_blob);
    mem_free(job);
}

/* The job has its answer. */
static void finish(struct app_job *job, enum wire_verdict verdict)
{
    struct app_jobs *jobs = job->owner;

    assert(job->state != APP_JOB_FINISHED);
    job->state = APP_JOB_FINISHED;
    job->result.verdict = verdict;
    blob_unref(&job->job.in_blob);
    jobs->overloaded = verdict == WIRE_OVERLOADED ? jobs->overloaded + 1 : 0;
    list_append(&jobs->finished, &job->finished);
    jobs->finished_count++;
    wake(jobs);
}

/* ---- from server/jobs ---- */

static enum wire_verdict verdict_of(enum job_status status)
{
    switch (status) {
    case JOB_OK:
    case JOB_REFUSED: return WIRE_DONE;
    case JOB_QUEUE_FULL:
    case JOB_NO_MEMORY: return WIRE_OVERLOADED;
    case JOB_NO_WORKER: return WIRE_NO_WORKER;
    case JOB_WORKER_LOST: return WIRE_LOST;
    case JOB_DEADLINE: return WIRE_EXPIRED;
    case JOB_POISON: return WIRE_POISON;
    case JOB_STATUSES: break;
    }
    assert(false);
    return WIRE_LOST;
}

static uint32_t us_between(uint64_t from_ns, uint64_t to_ns)
{
    uint64_t us = (to_ns - from_ns) / NS_PER_US;

    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* Its own crashes; a worker that somebody kills says nothing against the document. */
static void charge(struct app_job *job)
{
    if (job->job.status != JOB_POISON || job->job.attempts == 0)
        return;
    turns_charge(&job->owner->member, CRASH_US);
    app_row_note_crash(job->owner->row, clock_now_ns());
}

/* The job's turn is over, if it was not given up. */
static void end_turn(struct app_job *job, uint32_t us)
{
    if (job->turn.member != NULL)
        turns_end(&job->owner->shared->turns, &job->turn, us);
}

static void on_done(struct job *done)
{
    struct app_job *job = container_of(done, struct app_job, job);
    struct wire_result *result = &job->result;
    uint64_t waited_us;

    end_turn(job, done->codec_us);
    charge(job);
    result->status = done->status == JOB_REFUSED ? done->fault.status : 0;
    result->fault_offset = done->status == JOB_REFUSED ? done->fault.offset : 0;
    result->codec_us = done->codec_us;
    waited_us =
        (uint64_t)us_between(job->arrived_ns, done->submitted_ns) + done->queue_us;
    result->queue_us = waited_us < UINT32_MAX ? (uint32_t)waited_us : UINT32_MAX;
    if (done->result != NULL)
        job->result_blob = blob_ref(done->result);
    finish(job, verdict_of(done->status));
}

/* ---- accepting ---- */

/* The rules that a job from an application must keep beside those of any JOBS message. */
static const char *find_fault(struct app_jobs *jobs, const struct wire_job *job)
{
    if (job->id == 0)
        return "a job with id 0";
    if (!app_arena_fits(&jobs->arena, job))
        return "a job outside of its arena";
    if (job->has_reply_space)
        return "a job with room for its result";
    if ((job->flags & ~(unsigned)WIRE_JOB_PRETTY) != 0)
        return "a job with unknown flags";
    if (find(jobs, job->id) != NULL)
        return "a second job with the id of one that is unanswered";
    return NULL;
}

static struct app_job *make_job(struct app_jobs *jobs, const struct wire_job *wire,
                                size_t tail_bytes, uint64_t now_ns)
{
    struct app_job *job = mem_alloc(sizeof *job + tail_bytes);

    memset(job, 0, sizeof *job);
    job->owner = jobs;
    job->state = APP_JOB_WAITING;
    list_init(&job->bucket);
    list_init(&job->finished);
    job->arrived_ns = now_ns;
    job->result.id = wire->id;
    return job;
}

static bool is_too_much(const struct app_jobs *jobs, uint64_t bytes)
{
    const struct app_shared *shared = jobs->shared;

    if (jobs->unanswered >= APP_MAX_JOBS ||
        (jobs->unanswered > 0 && jobs->unanswered_bytes + bytes > APP_MAX_BYTES))
        return true;
    return shared->held_bytes > 0 && shared->held_bytes + bytes > APP_TOTAL_BYTES;
}

/* Memory for the payload that workers read, or else of its own; to be filled in. */
static uint8_t *make_input(struct app_job *job, size_t len)
{
    uint8_t *bytes;

    job->job.in_blob = jobs_make_input(job->owner->shared->jobs, JOBS_RPC, len, &bytes);
    if (job->job.in_blob == NULL)
        job->job.in_blob = blob_new(len, &bytes);
    job->job.call.in = (struct slice){bytes, len};
    return bytes;
}

/* Puts the payload where it can stay: behind the job, in the message, or in memory for
   it. */
static void keep_payload(struct app_job *job, struct slice payload, uint8_t *behind,
                         struct blob *message)
{
    struct codec_call *call = &job->job.call;

    call->in = (struct slice){behind, payload.len};
    if (payload.len <= COPY_BYTES) {
        if (payload.len > 0)
            memcpy(behind, payload.data, payload.len);
        return;
    }
    call->in.data = payload.data;
    if (message != NULL) {
        job->job.in_blob = blob_ref(message);
        return;
    }
    memcpy(make_input(job, payload.len), payload.data, payload.len);
}

/* Copies a payload out of the arena: what is looked at is the copy. */
static int fetch_payload(struct app_job *job)
{
    size_t len = job->bytes;

    job->is_in_arena = false;
    return app_arena_read(&job->owner->arena, job->arena_offset, make_input(job, len),
                          len);
}

static void fill_call(struct app_job *job, const struct wire_job *wire,
                      struct blob *message)
{
    struct codec_call *call = &job->job.call;

    call->op = (enum codec_op)wire->op;
    call->pretty = wire->flags & WIRE_JOB_PRETTY;
    call->separator = wire->separator;
    call->max_output = wire->max_output;
    job->job.mode = JOBS_RPC;
    job->job.sends_result = true;
    job->job.done = on_done;
    if (wire->options.len > 0)
        memcpy(job->tail, wire->options.data, wire->options.len);
    job->job.options = (struct slice){job->tail, wire->options.len};
    job->is_in_arena = wire->payload.in_arena;
    job->arena_offset = wire->payload.offset;
    if (job->is_in_arena)
        call->in = (struct slice){NULL, wire->payload.bytes.len};
    else
        keep_payload(job, wire->payload.bytes, job->tail + wire->options.len, message);
    call_options_glance(job->job.options, call);
}

static void accept_job(struct app_jobs *jobs, const struct wire_job *wire,
                       struct blob *message, uint64_t now_ns)
{
    size_t bytes = wire->payload.bytes.len;
    bool is_behind = bytes <= COPY_BYTES && !wire->payload.in_arena;
    struct app_job *job =
        make_job(jobs, wire, wire->options.len + (is_behind ? bytes : 0), now_ns);
    uint64_t deadline_ns = wire->deadline_ms * NS_PER_MS;

    job->deadline_ns = now_ns + (deadline_ns > 0 ? deadline_ns : DEFAULT_DEADLINE_NS);
    job->bytes = bytes;
    fill_call(job, wire, message);
    list_append(&jobs->buckets[wire->id % APP_JOB_BUCKETS], &job->bucket);
    jobs->unanswered++;
    jobs->row->unanswered++;
    jobs->unanswered_bytes += bytes;
    jobs->shared->held_bytes += bytes;
    jobs->row->in_bytes += bytes;
    if (jobs->expire_ns > now_ns + (job->deadline_ns - now_ns) / 2)
        jobs->expire_ns = now_ns + (job->deadline_ns - now_ns) / 2;
    turns_push(&jobs->shared->turns, &jobs->member, &job->turn,
               jobs_estimate_us(jobs->shared->jobs, &job->job.call), now_ns);
    jobs->shared->wake(jobs->shared->context);
}

static void take_job(struct app_jobs *jobs, const struct wire_job *wire,
                     struct blob *message, uint64_t now_ns)
{
    struct app_job *job;

    if (is_too_much(jobs, wire->payload.bytes.len)) {
        finish(make_job(jobs, wire, 0, now_ns), WIRE_OVERLOADED);
    } else if (app_row_is_refused(jobs->row, now_ns)) {
        finish(make_job(jobs, wire, 0, now_ns), WIRE_POISON);
    } else if (wire->op >= CODEC_OPS) {
        job = make_job(jobs, wire, 0, now_ns);
        job->result.status = CODEC_UNSUPPORTED;
        finish(job, WIRE_DONE);
    } else {
        accept_job(jobs, wire, message, now_ns);
    }
}

const char *app_jobs_take(struct app_jobs *jobs, const struct wire_jobs *batch,
                          struct blob *message)
{
    uint64_t now_ns = clock_now_ns();

    assert(jobs->row != NULL);
    for (unsigned i = 0; i < batch->count; i++) {
        const char *fault = find_fault(jobs, &batch->jobs[i]);

        if (fault != NULL)
            return fault;
        take_job(jobs, &batch->jobs[i], message, now_ns);
    }
    return NULL;
}

/* ---- ending ---- */

/* Takes the job from where it waits or runs. */
static void withdraw(struct app_job *job)
{
    struct app_shared *shared = job->owner->shared;

    if (job->state == APP_JOB_RUNNING)
        jobs_cancel(shared->jobs, &job->job);
    end_turn(job, 0);
}

void app_jobs_cancel(struct app_jobs *jobs, uint64_t id)
{
    struct app_job *job = find(jobs, id);

    if (job == NULL || job->state == APP_JOB_FINISHED)
        return;
    withdraw(job);
    finish(job, WIRE_CANCELLED);
}

/* Ends a job that waits and is late; where no worker is there half of its time is enough.
   Returns when it is to be looked at again. */
static uint64_t expire(struct app_job *job, bool has_workers, uint64_t now_ns)
{
    uint64_t half_ns = job->arrived_ns + (job->deadline_ns - job->arrived_ns) / 2;

    if (job->deadline_ns > now_ns && (has_workers || half_ns > now_ns))
        return half_ns > now_ns ? half_ns : job->deadline_ns;
    withdraw(job);
    job->result.queue_us = us_between(job->arrived_ns, now_ns);
    finish(job, has_workers ? WIRE_EXPIRED : WIRE_NO_WORKER);
    return UINT64_MAX;
}

void app_jobs_expire(struct app_jobs *jobs, uint64_t now_ns)
{
    bool has_workers = jobs_workers(jobs->shared->jobs) > 0;

    if (jobs->expire_ns > now_ns && has_workers)
        return;
    jobs->expire_ns = UINT64_MAX;
    for (int lane = 0; lane < TURNS_LANES; lane++) {
        struct list *head = &jobs->member.waiting[lane], *next;

        for (struct list *link = head->next; link != head; link = next) {
            struct turns_item *turn = container_of(link, struct turns_item, link);
            uint64_t again_ns;

            next = link->next;
            again_ns =
                expire(container_of(turn, struct app_job, turn), has_workers, now_ns);
            if (again_ns < jobs->expire_ns)
                jobs->expire_ns = again_ns;
        }
    }
}

/* What is under way of a connection that ends is nobody's. */
static void leave_given_up(struct app_jobs *jobs)
{
    struct list *head = &jobs->shared->given_up;

    for (struct list *link = head->next; link != head; link = link->next) {
        struct given_up *given_up = container_of(link, struct given_up, link);

        if (given_up->turn.member == &jobs->member)
            turns_leave(&jobs->shared->turns, &given_up->turn);
    }
}

void app_jobs_drop(struct app_jobs *jobs)
{
    for (unsigned i = 0; i < APP_JOB_BUCKETS; i++)
        while (!list_is_empty(&jobs->buckets[i])) {
            struct app_job *job =
                container_of(jobs->buckets[i].next, struct app_job, bucket);

            if (job->state != APP_JOB_FINISHED)
                withdraw(job);
            free_job(job);
        }
    while (!list_is_empty(&jobs->finished))
        free_job(container_of(jobs->finished.next, struct app_job, finished));
    list_remove(&jobs->dirty);
    leave_given_up(jobs);
    app_arena_close(&jobs->arena);
    assert(jobs->unanswered == 0 && jobs->unanswered_bytes == 0);
    jobs->shared->wake(jobs->shared->context); /* others may have its turns */
}

/* ---- answers ---- */

static void count(const struct app_job *job)
{
    struct app_row *row = job->owner->row;
    const struct wire_result *result = &job->result;

    row->answers[result->verdict]++;
    row->refused += result->verdict == WIRE_DONE && result->status != CODEC_OK;
    row->out_bytes += result->payload.bytes.len;
    row->codec_us += result->codec_us;
    row->queue_us += result->queue_us;
}

/* As many of the finished jobs as share a message. */
static unsigned choose(struct app_jobs *jobs, struct app_job **chosen,
                       struct wire_result *results, size_t *bytes_r)
{
    struct list *link = jobs->finished.next;
    unsigned chosen_count = 0;

    *bytes_r = 0;
    for (; link != &jobs->finished && chosen_count < WIRE_MAX_BATCH; link = link->next) {
        struct app_job *job = container_of(link, struct app_job, finished);
        size_t bytes = job->result_blob != NULL ? job->result_blob->bytes.len : 0;

        if (chosen_count > 0 && *bytes_r + bytes > MESSAGE_BYTES)
            break;
        job->result.payload = (struct wire_payload){.bytes = {NULL, bytes}};
        *bytes_r += bytes;
        count(job);
        chosen[chosen_count] = job;
        results[chosen_count++] = job->result;
    }
    return chosen_count;
}

static void answer_some(struct app_jobs *jobs, struct output *output)
{
    struct app_job *chosen[WIRE_MAX_BATCH];
    struct wire_result results[WIRE_MAX_BATCH];
    uint8_t head[FRAME_HEAD_BYTES];
    struct buf message = BUF_INIT;
    size_t payload_bytes;
    unsigned chosen_count = choose(jobs, chosen, results, &payload_bytes);

    assert(chosen_count > 0);
    wire_put_results(&message, results, chosen_count);
    frame_put_head(head, message.len + payload_bytes);
    output_put(output, head, sizeof head);
    output_put(output, message.data, message.len);
    buf_free(&message);
    for (unsigned i = 0; i < chosen_count; i++) {
        if (chosen[i]->result_blob != NULL)
            output_put_blob(output, chosen[i]->result_blob);
        free_job(chosen[i]);
    }
    jobs->finished_count -= chosen_count;
}

void app_jobs_answer(struct app_jobs *jobs, struct output *output)
{
    while (!list_is_empty(&jobs->finished))
        answer_some(jobs, output);
}

/* ---- turns ---- */

void app_jobs_pump(struct app_shared *shared)
{
    uint64_t now_ns = clock_now_ns();
    struct turns_item *turn;

    turns_set_workers(&shared->turns, jobs_workers(shared->jobs));
    while ((turn = turns_next(&shared->turns, now_ns)) != NULL) {
        struct app_job *job = container_of(turn, struct app_job, turn);

        if (job->is_in_arena && fetch_payload(job) != 0) {
            end_turn(job, 0);
            finish(job, WIRE_LOST);
            continue;
        }
        job->state = APP_JOB_RUNNING;
        job->job.deadline_ns = job->deadline_ns;
        jobs_submit(shared->jobs, &job->job);
    }
}
