#include "common/codec/engine.h"

#include <assert.h>
#include <stdlib.h>

#include "common/loop/cpu_yield.h"

/* The first allocation of a block: growing by doubling starts here. */
#define MIN_BYTES 256

/* The output after which a job offers the processor to others: 200 us at 300 MB/s. */
#define OFFER_BYTES ((size_t)64 << 10)

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t output_bytes(const struct engine_job *job)
{
    return job->out->cap > job->base ? job->out->cap - job->base : 0;
}

static void note_peak(struct engine_job *job, size_t held)
{
    size_t total = held + job->scratch_bytes;

    if (total > job->peak_bytes)
        job->peak_bytes = total;
}

/* The capacity to grow the output to, counted behind base: doubled, but no more than the
   job can ever fill, nor its budget. */
static size_t output_capacity(const struct engine_job *job, size_t need, size_t budget)
{
    /* The slack, because an engine's last step may ask for that much more than the job
       becomes: a result of the input's size must not make the output double. */
    size_t whole = max_size(job->in.len, MIN_BYTES) + ENGINE_SLACK_BYTES;
    size_t want = max_size(output_bytes(job) * 2, whole);
    size_t most = min_size(job->bound_output, job->max_output) + ENGINE_SLACK_BYTES;

    return min_size(max_size(min_size(want, most), need), budget);
}

enum codec_status engine_reserve(struct engine_job *job, size_t extra)
{
    struct buf *out = job->out;
    size_t used = out->len - job->base;
    size_t need = used + extra;
    size_t budget, cap;
    uint8_t *data;

    assert(out->len >= job->base && out->len <= out->cap);
    if (out->cap - out->len >= extra && out->data != NULL &&
        need <= job->max_output + ENGINE_SLACK_BYTES)
        return CODEC_OK;
    if (need < extra || need > job->max_output + ENGINE_SLACK_BYTES)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    budget = job->max_memory - min_size(job->scratch_bytes, job->max_memory);
    if (need > budget)
        return engine_fail(job, CODEC_MEMORY, 0);
    cap = output_capacity(job, need, budget);
    assert(cap >= need);
    data = realloc(out->data, job->base + cap);
    if (data == NULL)
        return engine_fail(job, CODEC_MEMORY, 0);
    out->data = data;
    out->cap = job->base + cap;
    note_peak(job, cap);
    return CODEC_OK;
}

enum codec_status engine_make_room(struct engine_job *job, size_t extra, uint8_t **end_r)
{
    const struct buf *out = job->out;
    enum codec_status status = engine_reserve(job, extra);
    size_t step;

    if (status != CODEC_OK)
        return status;
    step = job->budget == NULL ? OFFER_BYTES : CODEC_BUDGET_WORK;
    if (out->len - job->offered >= step) {
        status = engine_spend(job, out->len - job->offered);
        job->offered = out->len;
        if (status != CODEC_OK)
            return status;
        cpu_yield();
    }
    *end_r = out->data + out->len + min_size(out->cap - out->len, max_size(extra, step));
    return CODEC_OK;
}

static enum codec_status ask_budget(struct engine_job *job, size_t ahead)
{
    job->budget->work = 0;
    if (job->budget->is_spent(job->budget, ahead))
        return engine_fail(job, CODEC_STOPPED, CODEC_NO_OFFSET);
    return CODEC_OK;
}

enum codec_status engine_spend_budget(struct engine_job *job, size_t work)
{
    job->budget->work += work;
    return job->budget->work >= CODEC_BUDGET_WORK ? ask_budget(job, 0) : CODEC_OK;
}

enum codec_status engine_afford_budget(struct engine_job *job, size_t work)
{
    job->budget->work += work;
    return job->budget->work >= CODEC_BUDGET_WORK ? ask_budget(job, work) : CODEC_OK;
}

enum codec_status engine_charge(struct engine_job *job, size_t bytes)
{
    size_t held = output_bytes(job) + job->scratch_bytes;

    if (held > job->max_memory || bytes > job->max_memory - held)
        return engine_fail(job, CODEC_MEMORY, 0);
    job->scratch_bytes += bytes;
    note_peak(job, output_bytes(job));
    return CODEC_OK;
}

void engine_discharge(struct engine_job *job, size_t bytes)
{
    assert(bytes <= job->scratch_bytes);
    job->scratch_bytes -= bytes;
}

enum codec_status engine_grow_scratch(struct engine_job *job,
                                      struct engine_scratch *scratch, size_t need_bytes)
{
    size_t held = output_bytes(job);
    size_t others = held + job->scratch_bytes - scratch->cap;
    size_t budget = job->max_memory - min_size(others, job->max_memory);
    size_t cap;
    void *data;

    assert(job->scratch_bytes >= scratch->cap);
    if (need_bytes <= scratch->cap)
        return CODEC_OK;
    if (need_bytes > budget)
        return engine_fail(job, CODEC_MEMORY, 0);
    cap = min_size(max_size(max_size(scratch->cap * 2, need_bytes), MIN_BYTES), budget);
    data = realloc(scratch->data, cap);
    if (data == NULL)
        return engine_fail(job, CODEC_MEMORY, 0);
    job->scratch_bytes += cap - scratch->cap;
    *scratch = (struct engine_scratch){data, cap};
    note_peak(job, held);
    return CODEC_OK;
}

void engine_free_scratch(struct engine_scratch *scratch)
{
    free(scratch->data);
    *scratch = (struct engine_scratch){NULL, 0};
}
