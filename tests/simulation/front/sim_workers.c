#include "tests/simulation/front/sim_workers.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "tests/simulation/front/sim_worker.h"

#define WORKERS_MAX 4

/* How long a worker that is gone is away, at most. */
#define AWAY_NS (3 * NS_PER_S)

struct rpc_message {
    bool lends;
};

static struct {
    struct sim_random random;
    struct sim_event come[WORKERS_MAX];
    unsigned wanted;
    uint64_t next_pid;
    unsigned shared_blobs, lent_results; /* not given back */
    struct rpc_client *client;
} farm;

/* ---- news ---- */

struct sim_news *sim_workers_tell(struct rpc_worker *worker, enum sim_news_kind kind)
{
    struct sim_news *news = mem_zalloc(sizeof *news);

    news->kind = kind;
    news->worker = worker;
    list_init(&news->link);
    list_init(&news->tasks);
    list_append(&farm.client->news, &news->link);
    ev_async_send(farm.client->loop, &farm.client->inbox);
    return news;
}

static void on_come(struct sim_event *event)
{
    (void)event;
    if (farm.client != NULL)
        sim_worker_create(farm.client, ++farm.next_pid);
}

/* ---- crash reports ---- */

static void on_crash_report(struct sim_event *event)
{
    struct rpc_client *client = container_of(event, struct rpc_client, crash_report);
    struct sim_news *news = sim_workers_tell(NULL, NEWS_CRASHES);

    memcpy(news->crashes, client->crashes, sizeof news->crashes);
    news->count = client->crash_count;
    if (client->reports_left-- > 0)
        sim_event_at(event, sim_now_ns() + sim_some_ns(&farm.random, 2 * NS_PER_S),
                     on_crash_report);
}

void sim_workers_note_crash(const struct wire_crash *crash)
{
    struct rpc_client *client = farm.client;

    if (client->crash_count == WIRE_MAX_CRASHES)
        memmove(client->crashes, client->crashes + 1,
                --client->crash_count * sizeof *crash);
    client->crashes[client->crash_count++] = *crash;
    client->reports_left = 8;
    if (client->crash_report.place == 0)
        sim_event_at(&client->crash_report,
                     sim_now_ns() + sim_some_ns(&farm.random, NS_PER_S), on_crash_report);
}

/* ---- what the loop is told ---- */

/* An answer that is owed. */
static void give_answer(struct rpc_worker *worker, struct sim_task *task)
{
    struct rpc_client *client = worker->client;
    struct rpc_message message = {.lends = false};

    if (task->result.verdict == WIRE_DONE && task->out.len >= SIM_SHARED_MIN_BYTES &&
        worker->shares_memory)
        message.lends =
            client->events->takes_lent_result(client->ctx, worker, task->job.id);
    sim_trace("worker %d answers %d: verdict %d, status %d", (int)worker->pid,
              (int)task->job.id, task->result.verdict, task->result.status);
    worker->answered_id = task->job.id;
    if (--task->message->unanswered == 0) {
        mem_free(task->message);
        worker->open--;
    }
    if (client->events->result(client->ctx, worker, &task->result, &message) != 0)
        sim_fail("an answer that a worker owes is refused");
    sim_task_destroy(task);
}

/* An answer that nobody asked for: the front refuses it, and the worker is dropped. */
static void give_babble(struct rpc_worker *worker, uint64_t id)
{
    struct wire_result result = {.id = id};
    struct rpc_message message = {.lends = false};
    struct rpc_client *client = worker->client;

    if (client->events->result(client->ctx, worker, &result, &message) == 0)
        sim_fail("a worker's answer to what it was not asked is taken");
    worker->is_dropped = true;
}

static void take_answers(struct sim_news *news)
{
    struct rpc_worker *worker = news->worker;

    worker->heard_ns = sim_now_ns();
    if (news->is_babble)
        give_babble(worker, news->babble_id);
    while (!list_is_empty(&news->tasks) && !worker->is_dropped)
        give_answer(worker, container_of(news->tasks.next, struct sim_task, link));
    sim_worker_clear_tasks(worker, &news->tasks);
    if (worker->is_dropped && !worker->is_gone)
        sim_worker_die(worker, NULL);
}

static void take_lost(struct rpc_worker *worker)
{
    struct rpc_client *client = worker->client;

    sim_worker_clear_tasks(worker,
                           &worker->jobs); /* nothing of the front's is read any more */
    sim_worker_clear_tasks(worker, &worker->outbox);
    if (worker->is_up)
        client->events->lost(client->ctx, worker);
    sim_worker_destroy(worker);
    for (unsigned i = 0; i < farm.wanted; i++)
        if (farm.come[i].place == 0) {
            sim_event_at(&farm.come[i], sim_now_ns() + sim_some_ns(&farm.random, AWAY_NS),
                         on_come);
            break;
        }
}

static void take_news(struct rpc_client *client, struct sim_news *news)
{
    struct rpc_worker *worker = news->worker;

    sim_note((uint64_t)news->kind);
    switch (news->kind) {
    case NEWS_UP:
        worker->is_up = true;
        worker->heard_ns = sim_now_ns();
        client->events->up(client->ctx, worker);
        sim_trace("worker %d is up, %u credits", (int)worker->pid, worker->credits);
        break;
    case NEWS_FAST: worker->is_fast = true; break;
    case NEWS_LEAVING: client->events->leaving(client->ctx, worker); break;
    case NEWS_ANSWERS: take_answers(news); break;
    case NEWS_CRASHES:
        client->events->crashes(client->ctx, news->crashes, news->count);
        break;
    case NEWS_LOST: take_lost(worker); break;
    }
}

static void on_inbox(struct ev_loop *loop, ev_async *inbox, int events)
{
    struct rpc_client *client = container_of(inbox, struct rpc_client, inbox);
    struct list *link;

    (void)loop, (void)events;
    while ((link = list_shift(&client->news)) != NULL) {
        struct sim_news *news = container_of(link, struct sim_news, link);

        take_news(client, news);
        mem_free(news);
    }
}

/* ---- the execution ---- */

void sim_workers_begin(void)
{
    unsigned most = sim_limits()->workers;

    memset(&farm, 0, sizeof farm);
    farm.random = sim_random_stream('W', 0);
    farm.wanted = 1 + (unsigned)sim_below(&farm.random, WORKERS_MAX);
    if (sim_has(SIM_NO_WORKER) && sim_chance(&farm.random, 256))
        farm.wanted = 0;
    farm.wanted = farm.wanted < most ? farm.wanted : most;
}

void sim_workers_end(void)
{
    if (farm.shared_blobs + farm.lent_results > 0)
        sim_fail("%u inputs in shared memory and %u lent results are not given back",
                 farm.shared_blobs, farm.lent_results);
}

struct rpc_client *rpc_client_create(struct ev_loop *loop,
                                     const struct rpc_client_config *config,
                                     const struct rpc_client_events *events, void *ctx)
{
    struct rpc_client *client = mem_zalloc(sizeof *client);

    (void)config;
    client->loop = loop;
    client->events = events;
    client->ctx = ctx;
    list_init(&client->news);
    list_init(&client->workers);
    ev_async_init(&client->inbox, on_inbox);
    ev_async_start(loop, &client->inbox);
    ev_unref(loop);
    farm.client = client;
    for (unsigned i = 0; i < farm.wanted; i++)
        sim_event_at(&farm.come[i],
                     sim_now_ns() + (sim_has(SIM_NO_WORKER)
                                         ? sim_some_ns(&farm.random, 9 * NS_PER_S)
                                         : sim_below(&farm.random, NS_PER_MS)),
                     on_come);
    return client;
}

void rpc_client_destroy(struct rpc_client **client)
{
    struct rpc_client *c = *client;
    struct list *link;

    if (c == NULL)
        return;
    *client = NULL;
    farm.client = NULL;
    for (unsigned i = 0; i < WORKERS_MAX; i++)
        sim_event_cancel(&farm.come[i]);
    sim_event_cancel(&c->crash_report);
    while ((link = list_shift(&c->news)) != NULL) {
        struct sim_news *news = container_of(link, struct sim_news, link);

        sim_worker_clear_tasks(news->worker, &news->tasks);
        mem_free(news);
    }
    while (!list_is_empty(&c->workers))
        sim_worker_destroy(container_of(c->workers.next, struct rpc_worker, link));
    ev_ref(c->loop);
    ev_async_stop(c->loop, &c->inbox);
    mem_free(c);
}

/* ---- rpc_client.h ---- */

struct blob *rpc_client_make_input(struct rpc_client *client, size_t len,
                                   uint8_t **bytes_r)
{
    bool is_shared = false;

    for (struct list *at = client->workers.next; at != &client->workers; at = at->next)
        is_shared |= container_of(at, struct rpc_worker, link)->shares_memory;
    if (!is_shared || len < SIM_SHARED_MIN_BYTES || sim_chance(&farm.random, 256))
        return NULL;
    return sim_shared_blob_new(len, bytes_r, &farm.shared_blobs);
}

struct blob *rpc_message_blob(struct rpc_message *message, struct slice payload)
{
    struct blob *blob;
    uint8_t *bytes;

    if (!message->lends)
        return blob_new_copy(payload.data, payload.len);
    blob = sim_shared_blob_new(payload.len, &bytes, &farm.lent_results);
    memcpy(bytes, payload.data, payload.len);
    return blob;
}
