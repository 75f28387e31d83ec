#include "server/jobs/jobs_result_budget.h"

#include <assert.h>

#include "common/loop/memory_budget.h"

/* JSON is 1.1 to 1.6 times as long as MessagePack, and at most 6 times. Indented, or out
   of a compressed body, it is a few times longer. */
#define FIRST_FACTOR      2
#define FIRST_FACTOR_LONG 8
#define FIRST_BYTES       ((size_t)64 << 10)

/* What is made in vain is a seventh of what is made in the end, at most. */
#define RAISE_FACTOR 8

void jobs_result_budget_init(struct job *job)
{
    size_t input = job->call.in.len + job->call.argument.len;
    bool is_long = job->call.pretty || job->call.gunzip;
    size_t first = (is_long ? FIRST_FACTOR_LONG : FIRST_FACTOR) * input + FIRST_BYTES;

    assert(input < SIZE_MAX / 16);

    job->promised_bytes = 0;
    job->most_output = job->call.max_output;
    if (memory_budget_is_limited() && first < job->call.max_output)
        job->call.max_output = first;
}

void jobs_result_budget_limit(struct job *job, size_t bytes)
{
    if (job->call.max_output > bytes)
        job->call.max_output = bytes;
    if (job->most_output > bytes)
        job->most_output = bytes;
}

bool jobs_result_budget_take(struct job *job)
{
    uint64_t bytes = job->call.max_output;

    assert(job->promised_bytes == 0);
    if (!memory_budget_is_limited())
        return true;
    if (!memory_budget_fits(bytes, bytes))
        return false;
    job->promised_bytes = bytes;
    memory_budget_promise(bytes);
    return true;
}

void jobs_result_budget_give_back(struct job *job)
{
    memory_budget_end_promise(job->promised_bytes);
    job->promised_bytes = 0;
}

enum jobs_result_budget_end jobs_result_budget_raise(struct job *job)
{
    size_t *most = &job->call.max_output, next = job->most_output;
    uint64_t room = memory_budget_room();

    assert(job->promised_bytes == 0);
    if (*most >= job->most_output)
        return JOBS_MEMORY_TOO_LARGE;
    if (*most < next / RAISE_FACTOR)
        next = *most * RAISE_FACTOR;
    if (next > room)
        next = (size_t)room;
    if (next < job->most_output && next / 2 < *most)
        return JOBS_MEMORY_NONE;
    *most = next;
    return JOBS_MEMORY_AGAIN;
}
