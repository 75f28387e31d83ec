/*
 * What a front knows of one worker, and the seat it has for it: a machine whose
 * state says what is awaited. Inside the workers room: the client (rpc_client.c) owns
 * the workers, feeds them hellos and events, and passes on what they report.
 * Loop thread only.
 */
#ifndef OFFLOOP_SERVER_WORKERS_WORKER_H
#define OFFLOOP_SERVER_WORKERS_WORKER_H

#include <sys/types.h>

#include "common/base/list.h"
#include "common/base/log.h"
#include "server/workers/link/rpc_address.h"
#include "server/workers/rpc_client.h"
#include "server/workers/worker_join.h"

struct arena;
struct descriptor_server;
struct job_memory;
struct fastpath;
struct inbox;
struct inbox_event;
struct nng_tls_config;
struct input_pool;
struct socket_closer;
struct memory_quarantine;
struct seat;
struct transfer;
struct transfers;

enum worker_state {
    WORKER_AWAY,    /* no seat; awaits a hello */
    WORKER_OFFERED, /* its seat listens; awaits the connection, and gets another seat when
                       later hellos show that it cannot come */
    WORKER_JOINED, /* connected; awaits the SEAT_HELLO, and before it what proves that the
                      peer knows the secret, if there is one; five seconds */
    WORKER_UP,     /* awaits results and signs of life, half a minute */
    WORKER_BANNED  /* no seat; awaits the end of the ban, half a minute */
};

/* What all workers of a client share. */
struct workers_shared {
    struct ev_loop *loop;
    /* A worker's seat is gone by news of the fast path: the gate is to be told. */
    void (*seat_gone)(struct workers_shared *shared, struct rpc_worker *worker);
    struct fastpath *(*make_fastpath)(struct rpc_worker *worker);
    const struct rpc_client_config *config;
    const struct rpc_client_events *events;
    void *ctx;
    struct inbox *inbox;
    struct socket_closer *socket_closer;  /* of sockets: it may hang */
    struct socket_closer *unmapper;       /* of arenas and the pool */
    struct input_pool *pool;              /* NULL until a worker can use it */
    unsigned pool_workers;                /* that have mapped it */
    bool is_pool_impossible;              /* it could not be made */
    struct memory_quarantine *quarantine; /* of the pool */
    struct transfers *transfers;
    struct descriptor_server *descriptor_server; /* NULL where no arenas are wanted */
    struct nng_tls_config *tls;                  /* NULL without */
    struct log_limited refusals_log;
    struct wire_id host;   /* ours; zeros where unknown */
    uint64_t incarnation;  /* of this front process */
    uint64_t next_seat_id; /* from 1 */
    struct buf scratch;    /* for envelopes */
};

struct rpc_worker {
    struct list link; /* the client's */
    struct workers_shared *shared;
    enum worker_state state;
    uint64_t since_ns; /* when the state was entered */
    struct wire_id id;
    uint64_t pid;
    unsigned credits;
    bool can_arena;    /* it is on this host and can map an arena */
    bool can_pool;     /* and a pool */
    bool can_prompt;   /* it takes a PROMPT */
    bool can_fastpath; /* it is on this host and takes a fast path */
    uint64_t hello_ns; /* last hello */
    uint64_t heard_ns; /* last message on the seat */
    struct seat *seat; /* NULL where the state says so */
    uint64_t seat_id;
    struct rpc_address address; /* of the seat */
    int pipe;                   /* nng's id of the connection; 0 for none */
    int left_pipe;              /* a connection that left the seat before it was joined */
    struct arena *arena;        /* offered to it; NULL for none */
    struct job_memory *job_memory; /* NULL until it has mapped the arena */
    struct wire_id token;          /* it shows this to get what it is offered */
    bool has_open_offer;           /* something is offered and not yet taken */
    struct fastpath *fastpath;     /* offered to it; NULL for none */
    bool has_fastpath;             /* it has its end */
    bool is_offered_pool;          /* with the arena */
    bool has_pool;                 /* it has mapped it */
    pid_t process;         /* that has mapped the arena; 0 for one not seen from here */
    struct list transfers; /* large payloads on their way */
    struct worker_secret secret_state; /* in this connection */
    bool has_greeted;                  /* its SEAT_HELLO has come in this connection */
    bool is_misled;        /* it looks for a front that was here before: no fault */
    unsigned stale_offers; /* seats in a row that it did not come to */
    void *owner;
};

/* A worker that has just said its first hello; no seat yet. */
struct rpc_worker *worker_create(struct workers_shared *shared, const struct wire_id *id);

/* Closes its seat, without events. */
void worker_destroy(struct rpc_worker **worker);

/* The worker has said hello: makes a seat where it has none and may have one. Returns
   true where it has a seat now, which the gate is to be told. */
bool worker_take_hello(struct rpc_worker *worker, const struct wire_hello *hello);

/* Something happened at the worker's seat. */
void worker_take_event(struct rpc_worker *worker, struct inbox_event *event);

/* A fast path for this worker, not offered yet; NULL with errno. It is make_fastpath of
   workers_shared. */
struct fastpath *worker_make_fastpath(struct rpc_worker *worker);

/* A transfer of this worker's is finished, which is taken over; the seat may be gone
   afterwards. */
void worker_take_transfer(struct rpc_worker *worker, struct transfer *transfer);

/* The worker has taken what it was offered, or some of it (enum wire_taken):
   that is used from now on. What it cannot have taken is not believed. `process` is as
   descriptor_server.h has it. */
void worker_take_offer(struct rpc_worker *worker, unsigned taken, pid_t process);

/* To be called about every second; the seat may be gone or another afterwards. Returns
   false where nothing is left to wait for: the client shall destroy it. */
bool worker_tick(struct rpc_worker *worker);

#endif
