#include "tests/simulation/front/sim_task.h"

#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "proto/call_options.h"
#include "tests/simulation/front/sim_codec.h"
#include "worker/job.h"

/* A blob on the heap that is counted. */
struct counted_blob {
    struct blob blob;
    struct blob *inner;
    unsigned *count;
};

static void release_counted(struct blob *blob)
{
    struct counted_blob *counted = container_of(blob, struct counted_blob, blob);

    --*counted->count;
    blob_unref(&counted->inner);
    mem_free(counted);
}

struct blob *sim_shared_blob_new(size_t len, uint8_t **bytes_r, unsigned *count)
{
    struct counted_blob *counted = mem_zalloc(sizeof *counted);

    counted->inner = blob_new(len, bytes_r);
    counted->blob = (struct blob){{*bytes_r, len}, 1, release_counted};
    counted->count = count;
    ++*count;
    return &counted->blob;
}

static uint64_t checksum(uint64_t sum, struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        sum = (sum ^ bytes.data[i]) * UINT64_C(0x100000001b3);
    return sum;
}

void sim_task_destroy(struct sim_task *task)
{
    list_remove(&task->link);
    blob_unref(&task->shared);
    buf_free(&task->options);
    buf_free(&task->payload);
    buf_free(&task->out);
    mem_free(task);
}

void sim_task_fetch(struct sim_task *task)
{
    if (task->lent.data == NULL && task->lent_argument.data == NULL)
        return;
    if (checksum(checksum(0, task->lent), task->lent_argument) != task->checksum)
        sim_fail("the input of a job changes while its worker may read it");
    buf_append(&task->payload, task->lent.data, task->lent.len);
    buf_append(&task->payload, task->lent_argument.data, task->lent_argument.len);
    task->lent = task->lent_argument = (struct slice){NULL, 0};
    blob_unref(&task->shared);
}

struct sim_task *sim_task_create(struct sim_message *message, const struct wire_job *job,
                                 const struct rpc_input *input, struct sim_random *random)
{
    struct sim_task *task = mem_zalloc(sizeof *task);
    size_t first = job->payload.bytes.len - input->argument.len;

    list_init(&task->link);
    task->message = message;
    task->job = *job;
    task->arrived_ns = sim_now_ns();
    buf_append(&task->options, job->options.data, job->options.len);
    task->job.options = buf_slice(&task->options);
    task->lent = (struct slice){job->payload.bytes.data, first};
    task->lent_argument = input->argument;
    task->checksum = checksum(checksum(0, task->lent), task->lent_argument);
    if (input->blob != NULL && input->blob->release == release_counted)
        task->shared = blob_ref(input->blob);
    else if (first < SIM_SHARED_MIN_BYTES || sim_chance(random, 512))
        sim_task_fetch(task);
    message->unanswered++;
    return task;
}

void sim_task_forget(struct sim_task *task)
{
    if (task->shared != NULL) {
        sim_task_fetch(task); /* the worker keeps that memory */
        return;
    }
    task->is_forgotten = task->lent.data != NULL || task->lent_argument.data != NULL;
    task->lent = task->lent_argument = (struct slice){NULL, 0};
}

bool sim_task_is_poison(const struct sim_task *task)
{
    return !task->is_forgotten && task->payload.len > 0 &&
           checksum(7, buf_slice(&task->payload)) % 8 == 0;
}

/* True where an old worker answers that it does not know what is asked for. */
static bool is_new(const struct wire_job *job)
{
    struct codec_call call = {.op = (enum codec_op)job->op, .in = job->payload.bytes};

    return call_options_read(job->options, &call) != 0 || call.transform ||
           call.keep_numbers;
}

void sim_task_run(struct sim_task *task, bool is_old, struct sim_random *random)
{
    uint64_t now_ns = sim_now_ns();

    task->job.payload.bytes = buf_slice(&task->payload);
    if (task->is_cancelled && sim_chance(random, 768)) {
        job_skip(&task->job, WIRE_CANCELLED, &task->result);
    } else if (task->is_forgotten ||
               (task->job.deadline_ms > 0 &&
                now_ns >= task->arrived_ns + task->job.deadline_ms * NS_PER_MS)) {
        job_skip(&task->job, WIRE_EXPIRED, &task->result);
    } else if (is_old && is_new(&task->job)) {
        job_fail(&task->job, CODEC_UNSUPPORTED, &task->result);
    } else {
        job_run(sim_codec(), &task->job, UINT64_C(1) << 30,
                task->arrived_ns + task->job.deadline_ms * NS_PER_MS, &task->out,
                &task->result);
        task->result.codec_us = (uint32_t)sim_below(random, 2000);
    }
    task->result.queue_us = (uint32_t)((now_ns - task->arrived_ns) / NS_PER_US);
    task->result.payload.bytes = buf_slice(&task->out);
}
