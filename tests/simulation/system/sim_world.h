/*
 * The world around a simulated front: a clock that only moves when the simulation moves
 * it, random numbers that follow from the seed, the events that are to come, and what may
 * go wrong in this execution. One seed is one execution: nothing here or in the other
 * files of this folder asks the real clock, the kernel or an address for a decision.
 *
 * One thread; sim_world_begin() begins an execution and sim_world_end() ends it.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_WORLD_H
#define OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may go wrong: NAME, name on the command line, what it is. */
#define SIM_FAULT_MAP(X)                                                              \
    X(WORKER_LOST, "worker-lost", "workers die, with what they have")                 \
    X(WORKER_SILENT, "worker-silent", "workers stop for a while and answer late")     \
    X(WORKER_BABBLES, "worker-babbles", "workers answer twice, or what nobody asked") \
    X(WORKER_FULL, "worker-full", "workers do not take a message now and then")       \
    X(WORKER_LEAVES, "worker-leaves", "workers ask for no new jobs")                  \
    X(NO_WORKER, "no-worker", "there is no worker for a while, or never")             \
    X(POISON, "poison", "some documents crash workers")                               \
    X(STORE_FAILS, "store-fails", "store requests end as DOWN, ERROR, UNSURE, FULL")  \
    X(STORE_SLOW, "store-slow", "store requests take long")                           \
    X(CLIENT_LEAVES, "client-leaves", "clients close or reset at any time")           \
    X(CLIENT_SLOW, "client-slow", "clients read or write slowly, or stop")            \
    X(CLIENT_BAD, "client-bad", "clients send what is no request or no document")     \
    X(ACCEPT_FAILS, "accept-fails", "descriptors run out")                            \
    X(PAUSE, "pause", "the front's thread does not run for a while")                  \
    X(SHORT_QUEUE, "short-queue", "few jobs may wait")                                \
    X(SHORT_MEMORY, "short-memory", "there is little memory")                         \
    X(SHORT_TIME, "short-time", "jobs have little time")                              \
    X(EARLY_DRAIN, "early-drain", "the front drains while clients are busy")          \
    X(WORKER_OLD, "worker-old", "workers lack programs and numbers that keep their text")

enum sim_fault {
#define X(name, text, what) SIM_##name,
    SIM_FAULT_MAP(X)
#undef X
        SIM_FAULTS
};

/* What an execution is made of. What is smaller than the seed's own choice counts, which
   is how a failure is made smaller. */
struct sim_limits {
    unsigned clients;
    unsigned requests; /* of each client */
    unsigned workers;
    uint32_t without; /* bits of enum sim_fault that never happen */
    bool trace;       /* print what happens */
};

/* A stream of random numbers. */
struct sim_random {
    uint64_t state;
};

/* Something that happens at a time: embedded in its owner. Zero it before its first use.
 */
struct sim_event {
    uint64_t at_ns;
    uint64_t order; /* among those of one time */
    size_t place;   /* in the heap, from 1; 0 where it is not awaited */
    void (*run)(struct sim_event *event);
};

/* Begins and ends the execution of a seed. */
void sim_world_begin(uint64_t seed, const struct sim_limits *limits);
void sim_world_end(void);

/* The seed, and what limits it. */
uint64_t sim_seed(void);
const struct sim_limits *sim_limits(void);

/* How busy an execution is: few executions have much of everything, and what happens at
   the same time matters most. */
struct sim_load {
    unsigned clients;  /* at most */
    unsigned names;    /* of documents in each collection: few are shared much */
    unsigned large;    /* parts of 1024 of documents that are large */
    uint64_t begin_ns; /* all clients begin within */
    uint64_t step_ns;  /* how long a client takes for its next step, at most */
    uint64_t work_ns;  /* how long a worker takes for a job, at most, */
    uint64_t store_ns; /* and the store for a request */
};
const struct sim_load *sim_load(void);

/* True where this may go wrong in this execution. */
bool sim_has(enum sim_fault fault);

/* True where anything of the set of bits may go wrong. */
bool sim_has_any(uint32_t faults);
#define SIM_BIT(fault) (UINT32_C(1) << (fault))

/* A stream of its own for a part of the world, so that what one part does changes the
   others as little as can be. */
struct sim_random sim_random_stream(uint64_t part, uint64_t number);

/* A number below `count`, which is not 0. */
uint64_t sim_below(struct sim_random *random, uint64_t count);

/* True `parts` times in 1024. */
bool sim_chance(struct sim_random *random, unsigned parts);

/* A time up to `most_ns`, mostly much shorter: every order of magnitude is as likely. */
uint64_t sim_some_ns(struct sim_random *random, uint64_t most_ns);

/* The time now, in nanoseconds; it is some years after 0. */
uint64_t sim_now_ns(void);

/* Moves the clock on. */
void sim_pass_to(uint64_t now_ns);

/* Has the event happen then; one that is awaited is moved. */
void sim_event_at(struct sim_event *event, uint64_t at_ns,
                  void (*run)(struct sim_event *event));

/* Has it not happen. */
void sim_event_cancel(struct sim_event *event);

/* When the next event happens; UINT64_MAX for none. */
uint64_t sim_next_event_ns(void);

/* Runs the events whose time has come. */
void sim_run_events(void);

/* Prints a line of what happens, where that is wanted. */
void sim_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Mixes a number into the hash of what has happened: two executions of one seed must have
   the same. */
void sim_note(uint64_t number);
uint64_t sim_noted(void);

/* A promise is broken: says which, and ends the process. */
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Where sim_fail() leaves its text; the process that runs executions may share it with
   its parent. Of SIM_FAILURE_BYTES; NULL for none. */
#define SIM_FAILURE_BYTES 512
void sim_keep_failure(char *text);

#endif
