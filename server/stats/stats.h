/*
 * The counters of all fronts lie in memory that the fronts share, so that any
 * front can answer /metrics and /debug/loop for all of them.
 *
 * The master makes a memfd with one slot for each front index. A front that dies
 * leaves its counts there, and the next front of that index counts on in the
 * same slot. Only the loop thread of the front of that index writes to a slot;
 * any front reads any slot. Counters are relaxed atomics: each is exact, but
 * they are not a snapshot of one moment.
 */
#ifndef OFFLOOP_SERVER_STATS_STATS_H
#define OFFLOOP_SERVER_STATS_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/codec/codec.h"
#include "server/stats/histogram.h"

/* Phases of the loop's time: NAME, label. */
#define STATS_PHASE_MAP(X) \
    X(POLL, "poll")        \
    X(HTTP, "http")        \
    X(STORE, "store")      \
    X(ENCODE, "encode")    \
    X(DECODE, "decode")    \
    X(RPC, "rpc")          \
    X(WRITE, "write")

enum stats_phase {
#define X(name, label) STATS_##name,
    STATS_PHASE_MAP(X)
#undef X
        STATS_PHASES
};

/* What requests are counted under: NAME, metric label. */
#define STATS_ROUTE_MAP(X)        \
    X(DOCUMENT, "document")       \
    X(COLLECTION, "collection")   \
    X(COLLECTIONS, "collections") \
    X(HEALTH, "healthz")          \
    X(READY, "readyz")            \
    X(METRICS, "metrics")         \
    X(DEBUG, "debug")             \
    X(OTHER, "other")

enum stats_route {
#define X(name, label) STATS_ROUTE_##name,
    STATS_ROUTE_MAP(X)
#undef X
        STATS_ROUTES
};

/* Sizes of the tables below; the folders that own the enums check that theirs fit. */
#define STATS_HTTP_CODES   600
#define STATS_MODES        4
#define STATS_JOB_STATUSES 12

/* Classes of the learned costs: by floor(log2) of a job's bytes (up to 1 GiB and more),
   and of how many jobs are under way together (up to 128 and more). */
#define STATS_COST_SIZES    31
#define STATS_COST_BACKLOGS 8

/* Requests by the bytes of their bodies, both ways: NAME, metric label, upper bound. */
#define STATS_SIZE_MAP(X)                \
    X(LIGHT, "light", 16384) /* small */ \
    X(MEDIUM, "medium", 262144)          \
    X(HEAVY, "heavy", UINT64_MAX)

enum stats_size {
#define X(name, label, below) STATS_##name,
    STATS_SIZE_MAP(X)
#undef X
        STATS_SIZES
};

/* Rows for the workers of one front; more than that are not told apart. */
#define STATS_WORKERS 32

/* One worker as one front sees it. A worker process that takes the place of one that is
   gone gets its row. */
struct stats_worker {
    stats_counter pid;            /* 0 for a row never used */
    stats_counter up;             /* gauge: 1 while it is connected and usable */
    stats_counter restarts;       /* processes that had the row before */
    stats_counter jobs_in_flight; /* gauge */
    stats_counter jobs;           /* results it has sent */
    stats_counter codec_us;       /* its time inside the codec, for this front */
};

/* Rows for the views of one front, "" for requests' own programs among them; views beyond
   share the last one. */
#define STATS_PROGRAMS           64
#define STATS_PROGRAM_NAME_BYTES 256

/* Requests with programs of one name. */
struct stats_program {
    stats_counter used; /* 1 once the name is there, which never changes then */
    char name[STATS_PROGRAM_NAME_BYTES];
    stats_counter requests;
    stats_counter failures; /* of them, those answered by an error */
    stats_counter codec_us;
};

struct stats_front {
    stats_counter pid;         /* of the front that has the slot; 0 for none yet */
    stats_counter running;     /* 1 from its start to its orderly end */
    stats_counter connections; /* gauges: open now */
    stats_counter connections_total;
    stats_counter requests[STATS_ROUTES][STATS_HTTP_CODES];
    stats_counter sent_bytes;
    stats_counter memory_bytes;       /* gauges: what clients' requests take now, */
    stats_counter memory_limit_bytes; /* and may take */
    stats_counter memory_refusals;    /* times that something did not fit */
    stats_counter memory_cuts;        /* clients cut off as the slowest */
    stats_counter jobs[CODEC_OPS][STATS_MODES][STATS_JOB_STATUSES];
    stats_counter job_codec_us[CODEC_OPS][STATS_MODES]; /* sums */
    stats_counter job_queue_us[CODEC_OPS][STATS_MODES];
    stats_counter job_in_bytes[CODEC_OPS][STATS_MODES];
    stats_counter job_out_bytes[CODEC_OPS][STATS_MODES];
    stats_counter codec_runs;     /* times a codec function ran in this front process */
    stats_counter queue_depth;    /* gauge: jobs waiting for a worker */
    stats_counter jobs_in_flight; /* gauge: with workers */
    stats_counter workers;        /* gauge: connected and usable */
    stats_counter fastpaths;      /* gauge: of them, those with a fast path */
    stats_counter jobs_fast;      /* sent to workers on fast paths... */
    stats_counter jobs_on_seats;  /* ...and on seats */
    stats_counter workers_lost;   /* connections that ended with jobs in flight or not */
    stats_counter job_retries;
    stats_counter jobs_shared;     /* that got the result of an equal one */
    stats_counter jobs_stopped;    /* on the loop, when their budget was over */
    stats_counter peers_dropped;   /* workers dropped for a bad message */
    stats_counter cache_hits;      /* replies sent out of the cache (reply_cache.h) */
    stats_counter cache_misses;    /* made by a job, that could have been there */
    stats_counter cache_evictions; /* entries that gave way to others */
    stats_counter cache_bytes;     /* gauge: what is in it */
    /* gauges: learned costs (jobs_cost.h), 0 where nothing is learned yet */
    stats_counter cost_codec_ns[CODEC_OPS][STATS_COST_SIZES];
    stats_counter cost_rpc_ns[STATS_COST_BACKLOGS];
    stats_counter phase_ns[STATS_PHASES];     /* wall time of the loop's thread */
    stats_counter phase_cpu_ns[STATS_PHASES]; /* its CPU time; see stats_loop.h */
    stats_counter loop_turns;
    stats_counter loop_cpu_ns;                   /* all CPU time of the loop's thread */
    struct stats_histogram away, away_cpu;       /* from poll, a turn: wall and CPU */
    struct stats_histogram latency[STATS_SIZES]; /* of answered requests */
    struct stats_worker worker[STATS_WORKERS];
    struct stats_program program[STATS_PROGRAMS];
};

struct stats;

/* Master: makes the memfd for that many fronts and returns its descriptor, or -1 with
   errno. The first front that opens it gives it its form: during an upgrade that front is
   of another build than the master. */
int stats_create_fd(unsigned fronts) __attribute__((warn_unused_result));

/* Front: maps the memfd. NULL with errno where stats_create_fd() did not make it. The
   caller ends it with stats_close(). */
struct stats *stats_open(int fd);

/* Unmaps; NULL inside is allowed. */
void stats_close(struct stats **stats);

/* How many slots there are. */
unsigned stats_fronts(const struct stats *stats);

/* The slot of one front, index below stats_fronts(). */
struct stats_front *stats_slot(struct stats *stats, unsigned index);

/* The sum over all slots of the counter at that offset in a slot. */
uint64_t stats_sum(struct stats *stats, size_t offset);

/* The same by the member's name. */
#define STATS_SUM(stats, member) stats_sum(stats, offsetof(struct stats_front, member))

/* True for the slot of a front that is running now; a slot whose pid is 0 was never used,
   any other was one of a front that has ended, whose counts stay in the totals. */
bool stats_front_is_alive(const struct stats_front *slot);

/* Front, at its start: takes the slot over from a predecessor, whose gauges end. */
void stats_front_take(struct stats_front *slot, uint64_t pid);

/* Front, at its end: sets the gauges to 0. */
void stats_front_leave(struct stats_front *slot);

/* The class of a request that moved that many bytes. */
enum stats_size stats_size_of(uint64_t bytes);

/* Gives a worker that has come a row: one of a worker that is gone, or a new one. NULL
   where all are in use. */
struct stats_worker *stats_worker_take(struct stats_front *slot, uint64_t pid);

/* The worker is gone; NULL is allowed. */
void stats_worker_leave(struct stats_worker *worker);

/* The row of a view of that name, at most STATS_PROGRAM_NAME_BYTES - 1 bytes. */
struct stats_program *stats_program_row(struct stats_front *slot, const char *name);

/* Adds the time since the last call to the phase that was current, and makes `phase`
   current. Returns the phase that was current, which the caller enters again at the end
   of its step. Does nothing before stats_loop_watch() (stats_loop.h). Loop thread only.
 */
enum stats_phase stats_phase_enter(enum stats_phase phase);

/* The label of a route, "document". */
const char *stats_route_label(enum stats_route route);

/* The label of a class of sizes, "light". */
const char *stats_size_label(enum stats_size size);

/* The label of a phase, "poll". */
const char *stats_phase_label(enum stats_phase phase);

#endif
