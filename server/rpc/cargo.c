#include "server/rpc/cargo.h"

#include <assert.h>

#include "common/alloc.h"
#include "common/blob.h"
#include "common/clock.h"
#include "common/codec/codec.h"
#include "common/list.h"
#include "server/rpc/arena.h"
#include "server/rpc/loan.h"
#include "server/rpc/pool.h"
#include "server/rpc/remains.h"

/* One job's blocks; those that it does not have are NULL. */
struct hold {
    struct list link;
    uint64_t id;
    bool answered; /* its result is being taken */
    struct space_block *payload;
    struct space_block *reply;
    struct blob *input; /* in the pool */
};

struct cargo {
    struct arena *arena;
    struct pool *pool; /* NULL for none */
    struct list holds; /* oldest first, as they are usually answered */
};

struct cargo *cargo_create(struct arena *arena, struct pool *pool)
{
    struct cargo *cargo = mem_zalloc(sizeof *cargo);

    cargo->arena = arena;
    cargo->pool = pool;
    list_init(&cargo->holds);
    return cargo;
}

static struct hold *hold_at(struct list *link)
{
    return container_of(link, struct hold, link);
}

static void hold_destroy(struct cargo *cargo, struct hold *hold)
{
    list_remove(&hold->link);
    space_give_back(cargo->arena->space, &hold->payload);
    space_give_back(cargo->arena->space, &hold->reply);
    blob_unref(&hold->input);
    mem_free(hold);
}

void cargo_destroy(struct cargo **cargo)
{
    if (*cargo == NULL)
        return;
    while (!list_is_empty(&(*cargo)->holds))
        hold_destroy(*cargo, hold_at((*cargo)->holds.next));
    mem_free(*cargo);
    *cargo = NULL;
}

void cargo_leave_inputs(struct cargo *cargo, struct remains *remains, pid_t process)
{
    uint64_t now_ns = clock_now_ns();

    if (cargo == NULL)
        return;
    for (struct list *at = cargo->holds.next; at != &cargo->holds; at = at->next)
        if (hold_at(at)->input != NULL)
            remains_add(remains, &hold_at(at)->input, process, now_ns);
}

static struct hold *find(struct cargo *cargo, uint64_t id)
{
    for (struct list *at = cargo->holds.next; at != &cargo->holds; at = at->next)
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

static struct space_block *take(struct cargo *cargo, uint64_t bytes)
{
    return bytes < CARGO_MIN_BYTES ? NULL : space_take(cargo->arena->space, bytes);
}

/* Notes what the worker has of a job. */
static void hold_create(struct cargo *cargo, const struct hold *what)
{
    struct hold *hold = mem_alloc(sizeof *hold);

    *hold = *what;
    list_init(&hold->link);
    list_append(&cargo->holds, &hold->link);
}

/* True where the job's payload is one that the worker can read where it is: the envelope
   says so. */
static bool is_in_pool(const struct cargo *cargo, struct wire_job *job,
                       const struct blob *input)
{
    uint64_t offset;

    if (input == NULL || cargo->pool == NULL ||
        !pool_find(cargo->pool, job->payload.bytes, &offset))
        return false;
    assert(job->payload.bytes.data >= input->bytes.data &&
           job->payload.bytes.len <= input->bytes.len);
    job->payload.in_arena = true;
    job->payload.offset = cargo->arena->bytes + offset;
    return true;
}

uint8_t *cargo_place(struct cargo *cargo, struct wire_job *job, struct blob *input)
{
    struct hold what = {.id = job->id};

    assert(!job->payload.in_arena && !job->has_reply_space);
    if (cargo == NULL)
        return NULL;
    if (is_in_pool(cargo, job, input))
        what.input = blob_ref(input);
    else
        what.payload = take(cargo, job->payload.bytes.len);
    what.reply = take(cargo, guess_result_bytes(job));
    if (what.payload == NULL && what.reply == NULL && what.input == NULL)
        return NULL;
    hold_create(cargo, &what);
    if (what.reply != NULL) {
        job->has_reply_space = true;
        job->reply_offset = space_block_offset(what.reply);
        job->reply_bytes = space_block_bytes(what.reply);
    }
    if (what.payload == NULL)
        return NULL;
    job->payload.in_arena = true;
    job->payload.offset = space_block_offset(what.payload);
    return cargo->arena->data + job->payload.offset;
}

void cargo_free(struct cargo *cargo, uint64_t id)
{
    struct hold *hold = cargo == NULL ? NULL : find(cargo, id);

    if (hold != NULL)
        hold_destroy(cargo, hold);
}

/* True where the payload lies in the block; no sum that could overflow is made. */
static bool lies_in(const struct space_block *block, const struct wire_payload *payload)
{
    uint64_t start = space_block_offset(block), bytes = space_block_bytes(block);

    return payload->offset >= start && payload->offset - start <= bytes &&
           payload->bytes.len <= bytes - (payload->offset - start);
}

const uint8_t *cargo_find_result(struct cargo *cargo, const struct wire_result *result)
{
    struct hold *hold = cargo == NULL ? NULL : find(cargo, result->id);

    assert(result->payload.in_arena);
    if (hold == NULL || hold->reply == NULL || hold->answered ||
        !lies_in(hold->reply, &result->payload))
        return NULL;
    hold->answered = true;
    return cargo->arena->data + result->payload.offset;
}

struct blob *cargo_lend_result(struct cargo *cargo, const struct wire_result *result)
{
    struct hold *hold = find(cargo, result->id);

    assert(hold != NULL && hold->answered && hold->reply != NULL);
    return loan_create(cargo->arena, &hold->reply, result->payload.offset,
                       result->payload.bytes.len);
}

bool cargo_is_empty(const struct cargo *cargo)
{
    return list_is_empty(&cargo->holds);
}
