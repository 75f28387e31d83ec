/*
 * A front's side of the RPC: which workers there are, messages to them, news
 * from them. It knows no queue and no job: whoever owns it decides what is sent
 * where, keeps the table of what is in flight, and says whether a result's id
 * was one of its own.
 *
 * A worker is first heard of through the gate, gets a seat (seat.h), connects
 * there, says who it is, and from then on is `up`; it is `lost` when its
 * connection ends or when it sends something that is not right. nng's threads
 * do nothing but hand over what came; all of this runs on the loop thread, and
 * no call waits for anything.
 */
#ifndef OFFLOOP_SERVER_WORKERS_RPC_CLIENT_H
#define OFFLOOP_SERVER_WORKERS_RPC_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "proto/wire.h"

struct credentials;
struct ev_loop;
struct rpc_client;
struct rpc_message; /* a message under way to its receiver */
struct rpc_worker;  /* valid from up to lost */
struct stats_front;

struct rpc_client_events {
    /* The worker can be sent jobs. */
    void (*up)(void *ctx, struct rpc_worker *worker);
    /* It asked for no new jobs; those it has it answers. */
    void (*leaving)(void *ctx, struct rpc_worker *worker);
    /* True where the result of this job, if it is a live one, will be sent as it is and
       not looked at: it may then stay in shared memory (see lent_result.h). NULL for
       never. */
    bool (*takes_lent_result)(void *ctx, struct rpc_worker *worker, uint64_t id);
    /* One result. Returns -1 where no such job is with this worker: then it is dropped.
     */
    int (*result)(void *ctx, struct rpc_worker *worker, const struct wire_result *result,
                  struct rpc_message *message);
    /* What a worker's daemon has crashed on lately: told again and again, before the
       worker is up too, and whichever of its processes it was. A document that crashed
       several stands there several times. Anybody who reaches the gate can say this. */
    void (*crashes)(void *ctx, const struct wire_crash *crashes, unsigned count);
    /* The connection is gone, with all that was sent on it; the last event. */
    void (*lost)(void *ctx, struct rpc_worker *worker);
};

struct rpc_client_config {
    const char *rpc_url; /* where workers say hello; seats derive from it */
    uint64_t generation; /* stands in seats' addresses */
    unsigned front_index;
    int gate_listen_fd;   /* see gate_client.h */
    uint64_t arena_bytes; /* shared with each worker on this host; 0 for none */
    bool fastpath;        /* workers on this host get a socket of their own, too */
    const struct credentials *credentials; /* for TLS, and a secret that workers have to
                                              know; NULL for neither */
    struct stats_front *stats;   /* peers_dropped and workers_lost are counted there */
    void (*on_stuck)(void *ctx); /* nng hangs while it closes connections: this process
                                    keeps all that it would close, and should end; once;
                                    NULL for none */
    void *stuck_ctx;
};

/* Connects to the gate, and to workers as they come. Starts nng's threads (with all
   signals blocked). The caller ends it with rpc_client_destroy(). */
struct rpc_client *rpc_client_create(struct ev_loop *loop,
                                     const struct rpc_client_config *config,
                                     const struct rpc_client_events *events, void *ctx);

/* Leaves all workers, without events. Waits for nng at most a second; what it does not
   close by then is left to the end of the process, which should come by _exit(). NULL
   inside is allowed. */
void rpc_client_destroy(struct rpc_client **client);

/* Memory that workers can read without a copy, for the bytes of a job's input: a blob of
   `len` bytes that the caller fills in at *bytes_r before anybody else has it; one
   reference. It is for what lives no longer than its job. Returns NULL where there is
   none: no worker has such memory, it is full, or so little is cheaper to copy. */
struct blob *rpc_client_make_input(struct rpc_client *client, size_t len,
                                   uint8_t **bytes_r);

/* What a job's payload consists of beside its first bytes. */
struct rpc_input {
    struct slice argument; /* its end; may be empty */
    struct blob *blob;     /* what the first bytes live in; NULL where that is no blob */
};

/* Sends 1 to WIRE_MAX_BATCH jobs as one message. payload.bytes.len counts the argument
   too, but that is elsewhere. What lies in memory of rpc_client_make_input() stays there,
   and is kept until the worker has answered. Other large payloads are copied later, a
   slice in each turn of the loop: their bytes must stay until the result comes,
   rpc_worker_forget_input() or the worker's loss. Everything else is copied now. Returns
   -1 where the worker has not read earlier messages yet: nothing was sent. */
int rpc_worker_send_jobs(struct rpc_worker *worker, const struct wire_job *jobs,
                         const struct rpc_input *inputs, unsigned count)
    __attribute__((warn_unused_result));

/* Sends what rpc_worker_send_jobs() and rpc_worker_send_cancel() have collected for the
   worker's fast path; to be called when all of a turn of the loop is there. */
void rpc_worker_flush(struct rpc_worker *worker);

/* True where jobs travel by the worker's fast path. */
bool rpc_worker_is_fast(const struct rpc_worker *worker);

/* How many of a payload's bytes a message to the worker carries: none where they go
   through shared memory (unless that is full). */
size_t rpc_worker_message_bytes(const struct rpc_worker *worker, size_t payload_bytes);

/* The bytes of a job that was sent, and is given up, are about to be freed. The worker
   (or this side in its place) still answers it. */
void rpc_worker_forget_input(struct rpc_worker *worker, uint64_t id);

/* Asks the worker not to start jobs it has; perhaps too late, it answers them anyhow. */
void rpc_worker_send_cancel(struct rpc_worker *worker, const uint64_t *ids,
                            unsigned count);

/* Asks the worker for a sign of life at once. */
void rpc_worker_send_ping(struct rpc_worker *worker);

/* When anything was last heard of the worker, clock_now_ns() terms. */
uint64_t rpc_worker_heard_ns(const struct rpc_worker *worker);

/* JOBS messages that it takes unanswered. */
unsigned rpc_worker_credits(const struct rpc_worker *worker);

/* Its process id, for log lines. */
uint64_t rpc_worker_pid(const struct rpc_worker *worker);

/* What the owner keeps with the worker; NULL at first. */
void rpc_worker_set_owner(struct rpc_worker *worker, void *owner);
void *rpc_worker_owner(const struct rpc_worker *worker);

/* The payload of a result as a blob: a large one keeps the message's memory, or stays in
   shared memory where it may, which saves the copy; a small one is copied. Inside the
   result event only; one reference, the caller's. */
struct blob *rpc_message_blob(struct rpc_message *message, struct slice payload);

#endif
