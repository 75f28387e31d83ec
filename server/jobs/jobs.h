/*
 * Codec jobs as the rest of a front sees them: one call, one callback. Hidden
 * behind it: the mode (on the loop, in a worker process), the queue, the
 * scheduling, deadlines, retries and the deaths of workers.
 *
 * A caller embeds a struct job, fills in its inputs and submits it; done is
 * called on the loop's thread exactly once, perhaps before jobs_submit()
 * returns, unless jobs_cancel() came first. Only the front's loop thread may
 * call.
 */
#ifndef OFFLOOP_SERVER_JOBS_JOBS_H
#define OFFLOOP_SERVER_JOBS_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/blob.h"
#include "common/codec/codec.h"
#include "common/base/list.h"
#include "server/jobs/jobs_state.h"

struct credentials;
struct ev_loop;
struct jobs;
struct jobs_flight;
struct pool_task;
struct stats_front;

/* Where a job runs: NAME, text of --mode and Offloop-Mode. */
#define JOBS_MODE_MAP(X)  \
    X(INLINE, "inline")   \
    X(THREADS, "threads") \
    X(RPC, "rpc")         \
    X(AUTO, "auto")

enum jobs_mode {
#define X(name, text) JOBS_##name,
    JOBS_MODE_MAP(X)
#undef X
        JOBS_MODES
};

/* How a job can end: NAME, HTTP status, metric label, text for people. */
#define JOB_STATUS_MAP(X)                                                               \
    X(OK, 200, "ok", "ok")                                                              \
    X(REFUSED, 400, "refused", "the document was refused") /* see job.fault */          \
    X(QUEUE_FULL, 503, "queue_full", "too many jobs are waiting")                       \
    X(NO_WORKER, 503, "no_worker", "no worker is connected")                            \
    X(WORKER_LOST, 503, "worker_lost", "the workers died on it or were lost")           \
    X(DEADLINE, 504, "deadline", "the job took too long")                               \
    X(POISON, 422, "poison", "the document has crashed workers and is refused for now") \
    X(NO_MEMORY, 503, "no_memory", "the memory for requests is taken: try again later")

enum job_status {
#define X(name, http, label, text) JOB_##name,
    JOB_STATUS_MAP(X)
#undef X
        JOB_STATUSES
};

struct job {
    /* inputs; zero the whole struct first */
    struct codec_call call; /* call.in must stay in place until done; max_output and
                               max_memory of 0 take the configured ones */
    struct blob *in_blob;   /* what call.in's bytes live in, NULL for none: a reference
                               saves   copying them where they must outlive a cancel */
    struct blob *argument_blob; /* the same of call.argument */
    uint64_t share_key[2]; /* names the bytes of call.in (a document's version): jobs of
                              the same key and options that are in flight together may
                              be run once; zeros for a job of its own */
    struct slice options;  /* not empty: what a worker is told in place of the call's own
                              options (proto/call_options.h), unread. call.in is the whole
                              payload then, and the mode is RPC */
    bool sends_result; /* the result is sent as it is, and neither looked at nor kept: it
                          may lie in memory that a worker can still write to */
    enum jobs_mode mode;
    uint64_t deadline_ns; /* clock_now_ns() terms; 0 for the configured job timeout */
    void (*done)(struct job *job);

    /* results, valid during done; keep the blob with blob_ref() */
    enum job_status status;
    struct codec_fault fault; /* where status is REFUSED */
    struct blob *result;      /* where status is OK; a text for people where it is REFUSED
                                 and codec_status_has_text() */
    enum jobs_mode ran;       /* where it really ran */
    unsigned attempts;        /* times it was sent to a worker */
    uint64_t submitted_ns;
    uint32_t queue_us;              /* waiting for a worker */
    uint32_t codec_us;              /* inside the codec */
    uint64_t digest_in, digest_out; /* where status is OK and call.digests asked for
                                       them; they are not in the result then */

    /* private to jobs */
    struct list link;  /* in the queue that holds it */
    struct list share; /* among those that lead, or the followers of one */
    struct list followers;
    uint64_t id; /* with a worker: its id in the messages */
    uint64_t sent_ns;
    uint64_t lost_ns;   /* when its last worker was lost */
    bool crashed;       /* workers have crashed on its document, as far as is known */
    uint32_t cost_us;   /* what the codec will take, by estimate */
    size_t most_output; /* call.max_output as submitted: jobs_result_budget.h */
    uint64_t promised_bytes; /* for the result */
    enum jobs_state state;
    struct jobs_flight *flight; /* of the worker that has the job: state SENT */
    struct pool_task *task;     /* of the thread that has it: state ON_THREAD */
};

/* Copied by jobs_create(), strings too. A 0 takes the default in brackets. */
struct jobs_config {
    const char *engine;        /* for inline and threads [yajl] */
    enum jobs_mode mode;       /* default of requests that do not choose */
    unsigned queue_max;        /* jobs waiting for a worker [1024] */
    uint64_t inline_budget_ns; /* the longest codec work auto does on the loop [200 us] */
    uint64_t job_timeout_ns;   /* a job's deadline where it has none [10 s] */
    uint64_t max_memory_bytes; /* output and scratch of one job [1 GiB] */
    uint64_t max_output_bytes; /* result of one job: --max-reply [512 MiB] */
    int front_index;           /* which front this is, from 0 */
    uint64_t generation;       /* spawn_self.generation: stands in seats' addresses */
    int gate_listen_fd;   /* the gate's internal socket (its address is asked of it) */
    uint64_t arena_bytes; /* memory shared with each worker on this host; 0 for none */
    bool fastpath; /* jobs of workers on this host travel on a socket beside the seat */
    const char *rpc_url; /* where workers connect; seats derive from it; NULL for a front
                            that never has workers (gate_listen_fd is not used then) */
    const struct credentials *credentials; /* what is between us and workers elsewhere;
                                              NULL for nothing */
    struct stats_front *stats;             /* counters to keep; NULL for none */
    void (*on_stuck)(void *ctx); /* connections to workers cannot be closed any more: the
                                    process should end; once; NULL for none */
    void *stuck_ctx;
};

/* Whom it is told what becomes of jobs that nobody waits for any more. */
struct jobs_given_up_events {
    /* A job is given up, cancelled or late, while a worker has it: returns what `ended`
       is told, NULL for nothing. The job still exists. */
    void *(*begun)(void *ctx, struct job *job);
    /* The worker is done with it: so long it was inside the codec, or JOBS_LOST_US where
       the worker is gone. */
    void (*ended)(void *ctx, void *given_up, uint32_t codec_us);
    void *ctx;
};

/* Nobody knows how long. */
#define JOBS_LOST_US UINT32_MAX

/* Makes the jobs of one front. The caller ends it with jobs_destroy(). */
struct jobs *jobs_create(struct ev_loop *loop, const struct jobs_config *config);

/* Ends; every job must be done or cancelled. NULL inside is allowed. */
void jobs_destroy(struct jobs **jobs);

/* Memory for the input of a job of that mode that is to come, which need not be copied on
   its way to a worker: a blob of `len` bytes, to be filled in at *bytes_r (another thread
   may) and to be the job's in_blob; one reference. What holds it keeps others from the
   same memory, so it has to be let go when the job is done. Returns NULL where there is
   no such memory: then it is the caller's own. */
struct blob *jobs_make_input(struct jobs *jobs, enum jobs_mode mode, size_t len,
                             uint8_t **bytes_r);

/* How long the codec will take for a call, by estimate. */
uint32_t jobs_estimate_us(const struct jobs *jobs, const struct codec_call *call);

/* Starts a job; see the head of this file. */
void jobs_submit(struct jobs *jobs, struct job *job);

/* Forgets a job: done will not be called, and the job and its input may be freed at
   once. No-op for one not in flight. */
void jobs_cancel(struct jobs *jobs, struct job *job);

/* Tells these from now on; NULL for nobody, whatever has begun. Copied. */
void jobs_watch_given_up(struct jobs *jobs, const struct jobs_given_up_events *events);

/* How many workers are connected and usable now. */
unsigned jobs_workers(const struct jobs *jobs);

/* Finds a mode by its text; returns -1 where there is none. */
int jobs_mode_parse(struct slice text, enum jobs_mode *mode_r);

/* The text of a mode. */
const char *jobs_mode_name(enum jobs_mode mode);

/* HTTP status, metric label and text for people of a status. */
int job_status_http(enum job_status status);
const char *job_status_label(enum job_status status);
const char *job_status_text(enum job_status status);

#endif
