#include "tests/simulation/front/sim_jobs.h"

#include <assert.h>

#include "server/jobs/dispatch/jobs_dispatch.h"
#include "server/jobs/jobs.h"
#include "tests/simulation/system/sim_world.h"

/* Jobs in flight at once. */
#define JOBS_MAX 1024

void __real_jobs_submit(struct jobs *jobs, struct job *job);
void __wrap_jobs_submit(struct jobs *jobs, struct job *job);
void __real_jobs_cancel(struct jobs *jobs, struct job *job);
void __wrap_jobs_cancel(struct jobs *jobs, struct job *job);

struct watched {
    struct job *job;
    void (*done)(struct job *job); /* the owner's */
};

static struct {
    struct watched jobs[JOBS_MAX];
    unsigned count;
    unsigned queue_max;
} watch;

void sim_jobs_begin(unsigned queue_max)
{
    watch.count = 0;
    watch.queue_max = queue_max;
}

void sim_jobs_end(void)
{
    if (watch.count > 0)
        sim_fail("%u jobs were submitted, and neither done nor cancelled", watch.count);
}

static struct watched *find(const struct job *job)
{
    for (unsigned i = 0; i < watch.count; i++)
        if (watch.jobs[i].job == job)
            return &watch.jobs[i];
    return NULL;
}

static void forget(struct watched *watched)
{
    *watched = watch.jobs[--watch.count];
}

static void on_done(struct job *job)
{
    struct watched *watched = find(job);
    void (*done)(struct job * job);

    if (watched == NULL)
        sim_fail("a job is done twice, or after it was cancelled");
    if (job->state != JOB_DONE)
        sim_fail("a job is done in state %d", job->state);
    if (job->promised_bytes != 0)
        sim_fail("a job is done, and its result's memory is promised still");
    done = watched->done;
    forget(watched);
    sim_trace("job done: %s, ran %s, attempts %u", job_status_label(job->status),
              jobs_mode_name(job->ran), job->attempts);
    sim_note((uint64_t)job->status << 8 | job->ran);
    job->done = done;
    done(job);
}

void __wrap_jobs_submit(struct jobs *jobs, struct job *job)
{
    assert(watch.count < JOBS_MAX);
    if (find(job) != NULL)
        sim_fail("a job is submitted that is in flight");
    watch.jobs[watch.count++] = (struct watched){job, job->done};
    sim_trace("job submitted: op %d, mode %s, %zu bytes", job->call.op,
              jobs_mode_name(job->mode), job->call.in.len);
    job->done = on_done;
    __real_jobs_submit(jobs, job);
}

void __wrap_jobs_cancel(struct jobs *jobs, struct job *job)
{
    struct watched *watched = find(job);

    if (watched != NULL) {
        forget(watched);
        sim_trace("job cancelled in state %d", job->state);
    }
    __real_jobs_cancel(jobs, job);
}

static void check_job(const struct job *job)
{
    if (!jobs_state_is_active(job->state))
        sim_fail("a job is in state %d and will never be done", job->state);
    if (job->state == JOB_MOVING || job->state == JOB_ENDING)
        sim_fail("a job is left in state %d by a turn of the loop", job->state);
    if (job->deadline_ns + UINT64_C(5000000000) < sim_now_ns())
        sim_fail("a job is in state %d five seconds after its deadline", job->state);
}

void sim_jobs_check(void)
{
    unsigned waiting = 0;

    for (unsigned i = 0; i < watch.count; i++) {
        const struct job *job = watch.jobs[i].job;

        check_job(job);
        waiting += job->state == JOB_WAITING && job->ran == JOBS_RPC;
    }
    if (waiting > watch.queue_max)
        sim_fail("%u jobs wait for a worker, %u may", waiting, watch.queue_max);
}

void sim_jobs_sent(uint64_t id, struct slice payload)
{
    for (unsigned i = 0; i < watch.count; i++) {
        const struct job *job = watch.jobs[i].job;

        if (job->call.in.data != payload.data || job->state != JOB_SENT || job->id != id)
            continue;
        if (job->attempts > JOBS_MAX_ATTEMPTS)
            sim_fail("a job is sent to a worker for the %u. time", job->attempts);
        return;
    }
    sim_fail("a job is sent to a worker, and nobody waits for it");
}
