#include "server/jobs/dispatch/jobs_flight.h"

#include <assert.h>
#include <string.h>

#include "common/base/clock.h"
#include "proto/document_fingerprint.h"

void jobs_flight_init(struct jobs_flight *flight, unsigned window)
{
    memset(flight, 0, sizeof *flight);
    jobs_flight_set_window(flight, window);
}

void jobs_flight_set_window(struct jobs_flight *flight, unsigned window)
{
    assert(window >= 1 && window >= flight->batches_open);
    flight->window = window < FLIGHT_WINDOW ? window : FLIGHT_WINDOW;
}

unsigned jobs_flight_free(const struct jobs_flight *flight)
{
    assert(flight->batches_open <= flight->window);
    return flight->window - flight->batches_open;
}

uint64_t jobs_flight_left_us(const struct jobs_flight *flight, uint64_t now_ns)
{
    uint64_t past_us = (now_ns - flight->progress_ns) / NS_PER_US;

    return flight->cost_us > past_us ? flight->cost_us - past_us : 0;
}

struct flight_batch *jobs_flight_open(struct jobs_flight *flight, uint64_t now_ns)
{
    struct flight_batch *batch = flight->batches;

    assert(jobs_flight_free(flight) > 0);
    if (flight->batches_open == 0)
        flight->progress_ns = now_ns;
    while (batch->number != 0)
        batch++;
    assert(batch < flight->batches + flight->window);
    *batch = (struct flight_batch){.number = ++flight->last_number};
    flight->batches_open++;
    return batch;
}

void jobs_flight_add(struct jobs_flight *flight, struct flight_batch *batch,
                     struct job *job)
{
    assert(batch->number != 0 && batch->count < FLIGHT_MAX_BATCH && !batch->heavy);
    jobs_state_set(job, JOB_SENT);
    job->id = batch->number * FLIGHT_MAX_BATCH + batch->count;
    job->flight = flight;
    batch->jobs[batch->count] = job;
    batch->cost_us[batch->count] = job->cost_us;
    batch->unanswered |= UINT64_C(1) << batch->count;
    batch->count++;
    flight->live++;
    flight->cost_us += job->cost_us;
    if (job->cost_us > JOBS_HEAVY_US) {
        assert(batch->count == 1);
        batch->heavy = true;
        flight->heavy++;
    }
}

/* The batch of an id that is still to be answered, NULL for other ids. */
static struct flight_batch *batch_of(const struct jobs_flight *flight, uint64_t id)
{
    uint64_t number = id / FLIGHT_MAX_BATCH, bit = UINT64_C(1) << id % FLIGHT_MAX_BATCH;

    for (unsigned i = 0; number != 0 && i < flight->window; i++)
        if (flight->batches[i].number == number && flight->batches[i].unanswered & bit)
            return (struct flight_batch *)(uintptr_t)&flight->batches[i];
    return NULL;
}

enum flight_answer jobs_flight_find(const struct jobs_flight *flight, uint64_t id,
                                    struct job **job_r)
{
    const struct flight_batch *batch = batch_of(flight, id);

    *job_r = batch == NULL ? NULL : batch->jobs[id % FLIGHT_MAX_BATCH];
    if (batch == NULL)
        return FLIGHT_UNKNOWN;
    return *job_r == NULL ? FLIGHT_GIVEN_UP : FLIGHT_LIVE;
}

/* Takes the job out of the table: it is MOVING from now on. */
static void release(struct jobs_flight *flight, struct job **place)
{
    struct job *job = *place;

    assert(job->flight == flight && flight->live > 0);
    *place = NULL;
    job->flight = NULL;
    jobs_state_set(job, JOB_MOVING);
    flight->live--;
}

void jobs_flight_answer(struct jobs_flight *flight, uint64_t id, uint64_t now_ns)
{
    struct flight_batch *batch = batch_of(flight, id);
    struct job **place = &batch->jobs[id % FLIGHT_MAX_BATCH];

    assert(batch != NULL);
    if (*place != NULL)
        release(flight, place);
    batch->unanswered &= ~(UINT64_C(1) << id % FLIGHT_MAX_BATCH);
    flight->progress_ns = now_ns;
    flight->cost_us -= batch->cost_us[id % FLIGHT_MAX_BATCH];
    if (batch->unanswered == 0) {
        batch->number = 0;
        flight->batches_open--;
        flight->heavy -= batch->heavy;
    }
}

static struct flight_batch *batch_with(struct jobs_flight *flight, const struct job *job)
{
    struct flight_batch *batch = batch_of(flight, job->id);

    assert(batch != NULL && batch->jobs[job->id % FLIGHT_MAX_BATCH] == job);
    return batch;
}

void jobs_flight_give_up(struct jobs_flight *flight, struct job *job, void *given_up)
{
    struct flight_batch *batch = batch_with(flight, job);
    unsigned place = job->id % FLIGHT_MAX_BATCH;

    document_fingerprint_of(job->call.in, job->call.argument, &batch->documents[place]);
    batch->given_up[place] = given_up;
    release(flight, &batch->jobs[place]);
}

void *jobs_flight_given_up(const struct jobs_flight *flight, uint64_t id)
{
    const struct flight_batch *batch = batch_of(flight, id);

    assert(batch != NULL && batch->jobs[id % FLIGHT_MAX_BATCH] == NULL);
    return batch->given_up[id % FLIGHT_MAX_BATCH];
}

void *jobs_flight_take_given_up(struct jobs_flight *flight)
{
    for (unsigned i = 0; i < flight->window; i++) {
        struct flight_batch *batch = &flight->batches[i];

        for (unsigned place = 0; batch->number != 0 && place < batch->count; place++) {
            void *given_up = batch->given_up[place];

            if (given_up == NULL || (batch->unanswered & UINT64_C(1) << place) == 0)
                continue;
            batch->given_up[place] = NULL;
            return given_up;
        }
    }
    return NULL;
}

/* What finding out the job's document costs. */
static size_t hashed_bytes(const struct job *job)
{
    size_t bytes = job->call.in.len + job->call.argument.len;

    return bytes < DOCUMENT_FINGERPRINT_WHOLE_BYTES ? bytes
                                                    : DOCUMENT_FINGERPRINT_WHOLE_BYTES;
}

/* Adds those of a batch; *bytes counts what was hashed. Returns how many there are now.
 */
static unsigned put_documents(const struct flight_batch *batch, size_t *bytes,
                              struct wire_id *documents_r, unsigned count)
{
    for (unsigned i = 0; i < batch->count && *bytes < FLIGHT_HASHED_BYTES; i++) {
        const struct job *job = batch->jobs[i];

        if ((batch->unanswered & UINT64_C(1) << i) == 0)
            continue;
        if (job != NULL) {
            document_fingerprint_of(job->call.in, job->call.argument,
                                    &documents_r[count++]);
            *bytes += hashed_bytes(job);
        } else {
            documents_r[count++] = batch->documents[i];
        }
    }
    return count;
}

unsigned jobs_flight_documents(const struct jobs_flight *flight,
                               struct wire_id documents_r[FLIGHT_MAX_DOCUMENTS])
{
    uint64_t done = 0; /* the number of the batch looked at last */
    unsigned count = 0;
    size_t bytes = 0;

    for (unsigned turn = 0; turn < flight->batches_open; turn++) {
        const struct flight_batch *first = NULL;

        for (unsigned i = 0; i < flight->window; i++) {
            const struct flight_batch *batch = &flight->batches[i];

            if (batch->number > done && (first == NULL || batch->number < first->number))
                first = batch;
        }
        assert(first != NULL);
        done = first->number;
        count = put_documents(first, &bytes, documents_r, count);
    }
    return count;
}

static struct job *first_due_in(const struct flight_batch *batch, uint64_t now_ns)
{
    for (unsigned i = 0; batch->number != 0 && i < batch->count; i++)
        if (batch->jobs[i] != NULL && batch->jobs[i]->deadline_ns <= now_ns)
            return batch->jobs[i];
    return NULL;
}

struct job *jobs_flight_first_due(const struct jobs_flight *flight, uint64_t now_ns)
{
    struct job *first = NULL;

    for (unsigned i = 0; flight->live > 0 && i < flight->window; i++) {
        struct job *job = first_due_in(&flight->batches[i], now_ns);

        if (job != NULL && (first == NULL || job->id < first->id))
            first = job;
    }
    return first;
}

struct job *jobs_flight_take_back(struct jobs_flight *flight)
{
    struct job *job = jobs_flight_first_due(flight, UINT64_MAX);

    if (job != NULL)
        release(flight, &batch_with(flight, job)->jobs[job->id % FLIGHT_MAX_BATCH]);
    return job;
}
