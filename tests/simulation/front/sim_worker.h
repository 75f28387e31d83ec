/*
 * One simulated worker, and what it and the client that has it (sim_workers.c) know of
 * each other. For the files of this folder.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_FRONT_SIM_WORKER_H
#define OFFLOOP_TESTS_SIMULATION_FRONT_SIM_WORKER_H

#include <ev.h>

#include "common/base/list.h"
#include "server/workers/rpc_client.h"
#include "tests/simulation/front/sim_task.h"
#include "tests/simulation/system/sim_world.h"

struct rpc_worker {
    struct list link; /* the client's */
    struct rpc_client *client;
    void *owner;
    uint64_t pid;
    unsigned credits;
    bool is_up;   /* the front has been told */
    bool is_gone; /* the process has ended */
    bool is_fast, shares_memory, is_old;
    bool is_dropped; /* the front has refused an answer */
    unsigned open;   /* messages that are not answered */
    uint64_t heard_ns, silent_until_ns;
    struct list jobs;   /* not run */
    struct list outbox; /* run, not sent */
    struct sim_event work, send, life, pong;
    struct sim_random random;
    uint64_t answered_id; /* the last job that it has answered */
};

enum sim_news_kind {
    NEWS_UP,
    NEWS_FAST,
    NEWS_LEAVING,
    NEWS_ANSWERS,
    NEWS_LOST,
    NEWS_CRASHES
};

/* What the loop is to be told. */
struct sim_news {
    struct list link;
    enum sim_news_kind kind;
    struct rpc_worker *worker;
    struct list tasks; /* ANSWERS */
    bool is_babble;    /* the front must refuse it */
    uint64_t babble_id;
    struct wire_crash crashes[WIRE_MAX_CRASHES];
    unsigned count;
};

struct rpc_client {
    struct ev_loop *loop;
    const struct rpc_client_events *events;
    void *ctx;
    ev_async inbox;
    struct list news;
    struct list workers;
    struct sim_event crash_report;
    struct wire_crash crashes[WIRE_MAX_CRASHES]; /* told again and again */
    unsigned crash_count;
    unsigned reports_left;
};

/* A worker that has come. */
struct rpc_worker *sim_worker_create(struct rpc_client *client, uint64_t pid);

/* Frees it, with what it has. */
void sim_worker_destroy(struct rpc_worker *worker);

/* The process ends, by itself or by the job that it worked on (NULL for none). */
void sim_worker_die(struct rpc_worker *worker, const struct sim_task *culprit);

/* Frees tasks of the worker, as if they were answered. */
void sim_worker_clear_tasks(struct rpc_worker *worker, struct list *tasks);

/* The client's loop is to be told something of the worker, after all that it is to be
   told already. */
struct sim_news *sim_workers_tell(struct rpc_worker *worker, enum sim_news_kind kind);

/* A worker has crashed so: others will tell. */
void sim_workers_note_crash(const struct wire_crash *crash);

#endif
