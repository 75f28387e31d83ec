#include "server/workers/memory/job_memory.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"
#include "common/base/clock.h"
#include "common/codec/codec.h"
#include "common/base/list.h"
#include "server/workers/memory/arena.h"
#include "server/workers/memory/lent_result.h"
#include "server/workers/memory/input_pool.h"
#include "server/workers/memory/memory_quarantine.h"

/* One job's blocks; those that it does not have are NULL. */
struct hold {
    struct list link;
    uint64_t id;
    bool answered; /* its result is being taken */
    struct page_block *payload;
    struct page_block *reply;
    struct blob *input; /* in the pool */
};

struct job_memory {
    struct arena *arena;
    struct input_pool *pool; /* NULL for none */
    struct list holds;       /* oldest first, as they are usually answered */
};

struct job_memory *job_memory_create(struct arena *arena, struct input_pool *pool)
{
    struct job_memory *job_memory = mem_zalloc(sizeof *job_memory);

    job_memory->arena = arena;
    job_memory->pool = pool;
    list_init(&job_memory->holds);
    return job_memory;
}

static struct hold *hold_at(struct list *link)
{
    return container_of(link, struct hold, link);
}

static void hold_destroy(struct job_memory *job_memory, struct hold *hold)
{
    list_remove(&hold->link);
    page_allocator_give_back(job_memory->arena->pages, &hold->payload);
    page_allocator_give_back(job_memory->arena->pages, &hold->reply);
    blob_unref(&hold->input);
    mem_free(hold);
}

void job_memory_destroy(struct job_memory **job_memory)
{
    if (*job_memory == NULL)
        return;
    while (!list_is_empty(&(*job_memory)->holds))
        hold_destroy(*job_memory, hold_at((*job_memory)->holds.next));
    mem_free(*job_memory);
    *job_memory = NULL;
}

void job_memory_leave_inputs(struct job_memory *job_memory,
                             struct memory_quarantine *quarantine, pid_t process)
{
    uint64_t now_ns = clock_now_ns();

    if (job_memory == NULL)
        return;
    for (struct list *at = job_memory->holds.next; at != &job_memory->holds;
         at = at->next)
        if (hold_at(at)->input != NULL)
            memory_quarantine_add(quarantine, &hold_at(at)->input, process, now_ns);
}

static struct hold *find(struct job_memory *job_memory, uint64_t id)
{
    for (struct list *at = job_memory->holds.next; at != &job_memory->holds;
         at = at->next)
        if (hold_at(at)->id == id)
            return hold_at(at);
    return NULL;
}

/* What such a job's result will hardly exceed; one that does comes in the message. */
static uint64_t guess_result_bytes(const struct wire_job *job)
{
    uint64_t in_bytes = job->payload.bytes.len;
    bool grows = job->op == CODEC_OP_ENCODE || job->op == CODEC_OP_SEQUENCE;
    uint64_t guess = grows ? 2 * in_bytes : in_bytes + in_bytes / 2;

    return guess < job->max_output ? guess : job->max_output;
}

static struct page_block *take(struct job_memory *job_memory, uint64_t bytes)
{
    return bytes < JOB_MEMORY_MIN_BYTES
               ? NULL
               : page_allocator_take(job_memory->arena->pages, bytes);
}

/* Notes what the worker has of a job. */
static void hold_create(struct job_memory *job_memory, const struct hold *what)
{
    struct hold *hold = mem_alloc(sizeof *hold);

    *hold = *what;
    list_init(&hold->link);
    list_append(&job_memory->holds, &hold->link);
}

/* True where the job's payload is one that the worker can read where it is: the envelope
   says so. */
static bool is_in_pool(const struct job_memory *job_memory, struct wire_job *job,
                       const struct blob *input)
{
    uint64_t offset;

    if (input == NULL || job_memory->pool == NULL ||
        !input_pool_find(job_memory->pool, job->payload.bytes, &offset))
        return false;
    assert(job->payload.bytes.data >= input->bytes.data &&
           job->payload.bytes.len <= input->bytes.len);
    job->payload.in_arena = true;
    job->payload.offset = job_memory->arena->bytes + offset;
    return true;
}

uint8_t *job_memory_place(struct job_memory *job_memory, struct wire_job *job,
                          struct blob *input)
{
    struct hold what = {.id = job->id};

    assert(!job->payload.in_arena && !job->has_reply_space);
    if (job_memory == NULL)
        return NULL;
    if (is_in_pool(job_memory, job, input))
        what.input = blob_ref(input);
    else
        what.payload = take(job_memory, job->payload.bytes.len);
    what.reply = take(job_memory, guess_result_bytes(job));
    if (what.payload == NULL && what.reply == NULL && what.input == NULL)
        return NULL;
    hold_create(job_memory, &what);
    if (what.reply != NULL) {
        job->has_reply_space = true;
        job->reply_offset = page_block_offset(what.reply);
        job->reply_bytes = page_block_bytes(what.reply);
    }
    if (what.payload == NULL)
        return NULL;
    job->payload.in_arena = true;
    job->payload.offset = page_block_offset(what.payload);
    return job_memory->arena->data + job->payload.offset;
}

void job_memory_free(struct job_memory *job_memory, uint64_t id)
{
    struct hold *hold = job_memory == NULL ? NULL : find(job_memory, id);

    if (hold != NULL)
        hold_destroy(job_memory, hold);
}

/* True where the payload lies in the block; no sum that could overflow is made. */
static bool lies_in(const struct page_block *block, const struct wire_payload *payload)
{
    uint64_t start = page_block_offset(block), bytes = page_block_bytes(block);

    return payload->offset >= start && payload->offset - start <= bytes &&
           payload->bytes.len <= bytes - (payload->offset - start);
}

const uint8_t *job_memory_find_result(struct job_memory *job_memory,
                                      const struct wire_result *result)
{
    struct hold *hold = job_memory == NULL ? NULL : find(job_memory, result->id);

    assert(result->payload.in_arena);
    if (hold == NULL || hold->reply == NULL || hold->answered ||
        !lies_in(hold->reply, &result->payload))
        return NULL;
    hold->answered = true;
    return job_memory->arena->data + result->payload.offset;
}

struct blob *job_memory_lend_result(struct job_memory *job_memory,
                                    const struct wire_result *result)
{
    struct hold *hold = find(job_memory, result->id);

    assert(hold != NULL && hold->answered && hold->reply != NULL);
    return lent_result_create(job_memory->arena, &hold->reply, result->payload.offset,
                              result->payload.bytes.len);
}

bool job_memory_is_empty(const struct job_memory *job_memory)
{
    return list_is_empty(&job_memory->holds);
}
