#include "server/api/bulk/bulk_jobs.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/api/programs/program.h"

enum block_state {
    BLOCK_WAITS,    /* for the codec */
    BLOCK_FLIES,    /* with the codec */
    BLOCK_READY,    /* its records are there */
    BLOCK_FAILED,   /* there are none: why */
    BLOCK_TOO_LONG, /* it stands for one line that was not kept */
};

struct bulk_block {
    struct list link;
    struct bulk_jobs *owner;
    enum block_state state;
    struct job job;
    struct blob *text; /* NULL once it is decoded */
    uint64_t line;     /* the next to be handed out */
    uint64_t lines_left;
    unsigned full, lost; /* times that it found no room, or no end */
    const char *why;
    struct blob *records;
    struct slice rest; /* of records */
};

static struct bulk_block *block_at(struct list *link)
{
    return container_of(link, struct bulk_block, link);
}

void bulk_jobs_init(struct bulk_jobs *jobs, struct exchange *e, void (*moved)(void *ctx),
                    void *ctx)
{
    *jobs = (struct bulk_jobs){.e = e, .moved = moved, .ctx = ctx};
    list_init(&jobs->blocks);
}

static void block_destroy(struct bulk_block *block)
{
    list_remove(&block->link);
    block->owner->held--;
    blob_unref(&block->text);
    blob_unref(&block->records);
    mem_free(block);
}

void bulk_jobs_free(struct bulk_jobs *jobs)
{
    while (!list_is_empty(&jobs->blocks)) {
        struct bulk_block *block = block_at(jobs->blocks.next);

        jobs_cancel(jobs->e->api->config.jobs, &block->job);
        block_destroy(block);
    }
    assert(jobs->held == 0);
}

static struct bulk_block *add(struct bulk_jobs *jobs, enum block_state state,
                              uint64_t lines)
{
    struct bulk_block *block = mem_zalloc(sizeof *block);

    assert(lines > 0);
    block->owner = jobs;
    block->state = state;
    block->line = jobs->lines + 1;
    block->lines_left = lines;
    list_init(&block->link);
    list_append(&jobs->blocks, &block->link);
    jobs->lines += lines;
    jobs->held++;
    return block;
}

void bulk_jobs_add(struct bulk_jobs *jobs, struct buf *text, uint64_t lines)
{
    struct bulk_block *block = add(jobs, BLOCK_WAITS, lines);

    block->text = blob_new_steal(text);
}

void bulk_jobs_add_too_long(struct bulk_jobs *jobs)
{
    add(jobs, BLOCK_TOO_LONG, 1)->why = "the line is longer than --max-body";
}

static void fail_block(struct bulk_block *block, const char *why)
{
    block->state = BLOCK_FAILED;
    block->why = why;
}

/* A job that did not end well: tried again, where it may go better then. */
static void take_failure(struct bulk_block *block, const struct job *job)
{
    block->owner->retry_at_ns = clock_now_ns() + BULK_JOBS_RETRY_MS * NS_PER_MS;
    switch (job->status) {
    case JOB_REFUSED: fail_block(block, codec_status_text(job->fault.status)); break;
    case JOB_QUEUE_FULL:
    case JOB_NO_MEMORY:
        block->state = BLOCK_WAITS;
        if (++block->full > BULK_JOBS_RETRIES)
            fail_block(block, job_status_text(job->status));
        break;
    case JOB_NO_WORKER:
    case JOB_WORKER_LOST:
    case JOB_DEADLINE:
        block->state = BLOCK_WAITS;
        if (++block->lost >= BULK_JOBS_LOST_MAX)
            fail_block(block, job_status_text(job->status));
        break;
    default: fail_block(block, job_status_text(job->status)); break;
    }
}

static void on_job_done(struct job *job)
{
    struct bulk_block *block = container_of(job, struct bulk_block, job);
    struct bulk_jobs *jobs = block->owner;

    exchange_job_ended(jobs->e, job);
    assert(jobs->flying > 0 && block->state == BLOCK_FLIES);
    jobs->flying--;
    jobs->flying_bytes -= block->text->bytes.len;
    if (job->status == JOB_OK) {
        block->state = BLOCK_READY;
        block->records = blob_ref(job->result);
        block->rest = job->result->bytes;
    } else {
        take_failure(block, job);
    }
    if (block->state != BLOCK_WAITS)
        blob_unref(&block->text);
    jobs->moved(jobs->ctx);
}

/* The first block that waits; NULL for none. */
static struct bulk_block *first_waiting(const struct bulk_jobs *jobs)
{
    for (struct list *at = jobs->blocks.next; at != &jobs->blocks; at = at->next)
        if (block_at(at)->state == BLOCK_WAITS)
            return block_at(at);
    return NULL;
}

bool bulk_jobs_submit_one(struct bulk_jobs *jobs)
{
    struct bulk_block *block = first_waiting(jobs);
    struct codec_call call = {.op = CODEC_OP_BULK};

    if (block == NULL || bulk_jobs_wait(jobs) || jobs->flying >= BULK_JOBS_FLYING ||
        (jobs->flying > 0 &&
         jobs->flying_bytes + block->text->bytes.len > BULK_JOBS_FLYING_BYTES))
        return false;
    call.format = exchange_codec_format(exchange_store_format(jobs->e));
    call.in = block->text->bytes;
    block->job.in_blob = block->text;
    if (jobs->e->program != NULL) {
        program_put_call(jobs->e, &call);
        block->job.argument_blob = jobs->e->program->argument;
    }
    block->state = BLOCK_FLIES;
    jobs->flying++;
    jobs->flying_bytes += block->text->bytes.len;
    exchange_submit(jobs->e, &block->job, &call, on_job_done);
    return true;
}

bool bulk_jobs_wait(const struct bulk_jobs *jobs)
{
    return jobs->retry_at_ns > 0 && clock_now_ns() < jobs->retry_at_ns &&
           first_waiting(jobs) != NULL;
}

/* Takes the next record; a worker that sends other than one for each line is not
   believed, and what is left of the block fails. */
static void read_record(struct bulk_block *block, struct bulk_line *line_r)
{
    if (bulk_read(&block->rest, &line_r->record) != 0 ||
        (block->lines_left == 1 && block->rest.len > 0))
        fail_block(block, "a worker's answer was malformed");
    line_r->records = block->records;
}

bool bulk_jobs_next(struct bulk_jobs *jobs, struct bulk_line *line_r)
{
    struct bulk_block *block;

    while (!list_is_empty(&jobs->blocks) && block_at(jobs->blocks.next)->lines_left == 0)
        block_destroy(block_at(jobs->blocks.next));
    if (list_is_empty(&jobs->blocks))
        return false;
    block = block_at(jobs->blocks.next);
    if (block->state == BLOCK_WAITS || block->state == BLOCK_FLIES)
        return false;
    *line_r = (struct bulk_line){.number = block->line};
    if (block->state == BLOCK_READY)
        read_record(block, line_r);
    line_r->why = block->why;
    block->line++;
    block->lines_left--;
    return true;
}
