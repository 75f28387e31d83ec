#include "tests/simulation/front/sim_worker.h"

#include <assert.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "proto/document_fingerprint.h"
#include "tests/simulation/front/sim_jobs.h"

/* How long a message takes from one process to the other, at most. */
#define WAY_NS (2 * NS_PER_MS)

/* Work on one job of a worker that stops now and then, at most. */
#define LONG_WORK_NS (400 * NS_PER_MS)

/* How long a worker that stops is silent, at most. */
#define SILENT_NS (12 * NS_PER_S)

/* Workers that live say so. */
#define ALIVE_NS (WIRE_ALIVE_EVERY_MS * NS_PER_MS)

/* ---- tasks ---- */

static struct sim_task *task_at(struct list *link)
{
    return container_of(link, struct sim_task, link);
}

void sim_worker_clear_tasks(struct rpc_worker *worker, struct list *tasks)
{
    while (!list_is_empty(tasks)) {
        struct sim_task *task = task_at(tasks->next);

        if (--task->message->unanswered == 0) {
            mem_free(task->message);
            worker->open--;
        }
        sim_task_destroy(task);
    }
}

static struct sim_task *find_task(struct rpc_worker *worker, uint64_t id)
{
    for (struct list *at = worker->jobs.next; at != &worker->jobs; at = at->next)
        if (task_at(at)->job.id == id)
            return task_at(at);
    return NULL;
}

/* ---- the work ---- */

static bool is_silent(const struct rpc_worker *worker)
{
    return worker->silent_until_ns > sim_now_ns();
}

static void on_work(struct sim_event *event);
static void on_send(struct sim_event *event);

/* Begins the next job, if there is one. */
static void begin_work(struct rpc_worker *worker)
{
    uint64_t most_ns = sim_has(SIM_WORKER_SILENT) && sim_chance(&worker->random, 16)
                           ? LONG_WORK_NS
                           : sim_load()->work_ns;
    uint64_t start_ns = sim_now_ns();

    if (worker->work.place != 0 || list_is_empty(&worker->jobs) || worker->is_gone)
        return;
    if (is_silent(worker))
        start_ns = worker->silent_until_ns;
    sim_event_at(&worker->work, start_ns + sim_some_ns(&worker->random, most_ns),
                 on_work);
}

static void on_work(struct sim_event *event)
{
    struct rpc_worker *worker = container_of(event, struct rpc_worker, work);
    struct sim_task *task = task_at(worker->jobs.next);

    assert(!list_is_empty(&worker->jobs));
    if (is_silent(worker)) {
        sim_event_at(event, worker->silent_until_ns, on_work);
        return;
    }
    if (!task->is_forgotten)
        sim_task_fetch(task);
    if (sim_has(SIM_POISON) && sim_task_is_poison(task)) {
        sim_worker_die(worker, task);
        return;
    }
    sim_task_run(task, worker->is_old, &worker->random);
    list_remove(&task->link);
    list_append(&worker->outbox, &task->link);
    if (worker->send.place == 0)
        sim_event_at(&worker->send, sim_now_ns() + sim_some_ns(&worker->random, WAY_NS),
                     on_send);
    begin_work(worker);
}

/* Sends what is done, or some of it. */
static void on_send(struct sim_event *event)
{
    struct rpc_worker *worker = container_of(event, struct rpc_worker, send);
    struct sim_news *news = sim_workers_tell(worker, NEWS_ANSWERS);
    unsigned count = 0;

    while (!list_is_empty(&worker->outbox) && count++ < WIRE_MAX_BATCH &&
           (count == 1 || !sim_chance(&worker->random, 128))) {
        struct list *link = list_shift(&worker->outbox);

        list_append(&news->tasks, link);
    }
    if (!list_is_empty(&worker->outbox))
        sim_event_at(event, sim_now_ns() + sim_some_ns(&worker->random, WAY_NS), on_send);
}

/* ---- the life of a worker ---- */

static void on_life(struct sim_event *event);

static void next_life(struct rpc_worker *worker, uint64_t most_ns)
{
    sim_event_at(&worker->life, sim_now_ns() + sim_some_ns(&worker->random, most_ns),
                 on_life);
}

/* Keeps the last sign of life, before there are none for a while. */
static void keep_heard(struct rpc_worker *worker)
{
    worker->heard_ns = rpc_worker_heard_ns(worker);
}

/* The process ends, by itself or by what it worked on. */
void sim_worker_die(struct rpc_worker *worker, const struct sim_task *culprit)
{
    sim_trace("worker %d dies%s", (int)worker->pid, culprit != NULL ? " of a job" : "");
    keep_heard(worker);
    worker->is_gone = true;
    sim_event_cancel(&worker->work);
    sim_event_cancel(&worker->send);
    sim_event_cancel(&worker->life);
    sim_event_cancel(&worker->pong);
    if (culprit != NULL) {
        struct wire_crash crash = {.signal = 11};

        document_fingerprint_of(buf_slice(&culprit->payload), (struct slice){NULL, 0},
                                &crash.document);
        sim_workers_note_crash(&crash);
    }
    sim_workers_tell(worker, NEWS_LOST);
}

static void babble(struct rpc_worker *worker)
{
    struct sim_news *news = sim_workers_tell(worker, NEWS_ANSWERS);

    news->is_babble = true;
    news->babble_id = UINT64_C(1) << 40 | sim_below(&worker->random, 64);
    if (worker->answered_id != 0 && sim_chance(&worker->random, 768))
        news->babble_id = worker->answered_id;
}

/* One thing of those that may happen to it. */
static void on_life(struct sim_event *event)
{
    struct rpc_worker *worker = container_of(event, struct rpc_worker, life);

    next_life(worker, 4 * NS_PER_S);
    switch (sim_below(&worker->random, 6)) {
    case 0:
        if (sim_has(SIM_WORKER_LOST))
            sim_worker_die(worker, NULL);
        break;
    case 1:
        if (sim_has(SIM_WORKER_SILENT) && !is_silent(worker)) {
            keep_heard(worker);
            worker->silent_until_ns =
                sim_now_ns() + sim_some_ns(&worker->random, SILENT_NS);
        }
        break;
    case 2:
        if (sim_has(SIM_WORKER_BABBLES) && sim_chance(&worker->random, 256))
            babble(worker);
        break;
    case 3:
        if (sim_has(SIM_WORKER_LEAVES) && sim_chance(&worker->random, 256))
            sim_workers_tell(worker, NEWS_LEAVING);
        break;
    case 4:
        if (!worker->is_fast)
            sim_workers_tell(worker, NEWS_FAST);
        break;
    default: break;
    }
}

struct rpc_worker *sim_worker_create(struct rpc_client *client, uint64_t pid)
{
    struct rpc_worker *worker = mem_zalloc(sizeof *worker);

    worker->client = client;
    worker->pid = pid;
    worker->random = sim_random_stream('w', worker->pid);
    worker->credits = 1 + (unsigned)sim_below(&worker->random, 16);
    worker->shares_memory = sim_chance(&worker->random, 512);
    worker->is_old = sim_has(SIM_WORKER_OLD) && sim_chance(&worker->random, 512);
    list_init(&worker->jobs);
    list_init(&worker->outbox);
    list_init(&worker->link);
    list_append(&client->workers, &worker->link);
    sim_workers_tell(worker, NEWS_UP);
    next_life(worker, NS_PER_S);
    return worker;
}

void sim_worker_destroy(struct rpc_worker *worker)
{
    sim_event_cancel(&worker->work);
    sim_event_cancel(&worker->send);
    sim_event_cancel(&worker->life);
    sim_event_cancel(&worker->pong);
    sim_worker_clear_tasks(worker, &worker->jobs);
    sim_worker_clear_tasks(worker, &worker->outbox);
    assert(worker->open == 0);
    list_remove(&worker->link);
    mem_free(worker);
}

/* ---- rpc_client.h ---- */

static void check_message(const struct rpc_worker *worker, unsigned count)
{
    unsigned most = worker->is_fast ? 16 : worker->credits;

    if (!worker->is_up || count == 0 || count > WIRE_MAX_BATCH)
        sim_fail("a message of %u jobs is sent to a worker that is%s up", count,
                 worker->is_up ? "" : " not");
    if (worker->open >= most)
        sim_fail("a worker that takes %u messages unanswered is sent another", most);
}

int rpc_worker_send_jobs(struct rpc_worker *worker, const struct wire_job *jobs,
                         const struct rpc_input *inputs, unsigned count)
{
    struct sim_message *message;
    struct sim_task *task;

    check_message(worker, count);
    if (sim_has(SIM_WORKER_FULL) && sim_chance(&worker->random, 96))
        return -1;
    message = mem_zalloc(sizeof *message);
    worker->open++;
    for (unsigned i = 0; i < count; i++) {
        sim_jobs_sent(jobs[i].id, jobs[i].payload.bytes);
        task = sim_task_create(message, &jobs[i], &inputs[i], &worker->random);
        list_append(&worker->jobs, &task->link);
    }
    sim_trace("worker %d gets %u jobs from %d on", (int)worker->pid, count,
              (int)jobs[0].id);
    begin_work(worker);
    return 0;
}

void rpc_worker_flush(struct rpc_worker *worker)
{
    (void)worker;
}

bool rpc_worker_is_fast(const struct rpc_worker *worker)
{
    return worker->is_fast;
}

size_t rpc_worker_message_bytes(const struct rpc_worker *worker, size_t payload_bytes)
{
    return worker->shares_memory ? 0 : payload_bytes;
}

void rpc_worker_forget_input(struct rpc_worker *worker, uint64_t id)
{
    struct sim_task *task = find_task(worker, id);

    if (task != NULL)
        sim_task_forget(task);
}

void rpc_worker_send_cancel(struct rpc_worker *worker, const uint64_t *ids,
                            unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct sim_task *task = find_task(worker, ids[i]);

        if (task != NULL)
            task->is_cancelled = true;
    }
}

static void on_pong(struct sim_event *event)
{
    struct rpc_worker *worker = container_of(event, struct rpc_worker, pong);

    if (!is_silent(worker))
        worker->heard_ns = sim_now_ns();
}

void rpc_worker_send_ping(struct rpc_worker *worker)
{
    if (!worker->is_gone)
        sim_event_at(&worker->pong, sim_now_ns() + sim_some_ns(&worker->random, WAY_NS),
                     on_pong);
}

uint64_t rpc_worker_heard_ns(const struct rpc_worker *worker)
{
    uint64_t alive_ns = sim_now_ns() / ALIVE_NS * ALIVE_NS;

    if (worker->is_gone || alive_ns < worker->silent_until_ns ||
        alive_ns < worker->heard_ns)
        return worker->heard_ns;
    return alive_ns;
}

unsigned rpc_worker_credits(const struct rpc_worker *worker)
{
    return worker->credits;
}

uint64_t rpc_worker_pid(const struct rpc_worker *worker)
{
    return worker->pid;
}

void rpc_worker_set_owner(struct rpc_worker *worker, void *owner)
{
    worker->owner = owner;
}

void *rpc_worker_owner(const struct rpc_worker *worker)
{
    return worker->owner;
}
