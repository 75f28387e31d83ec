/*
 * The broker: the child of a worker daemon that applications hand their jobs to
 * (--listen), and the gate beside it. To the daemon's workers the two are one more
 * server, which they dial like any other; to applications the broker is what stands
 * behind the job socket (PROTOCOL.md, section 6). It runs no job itself.
 */
#ifndef OFFLOOP_WORKER_BROKER_BROKER_H
#define OFFLOOP_WORKER_BROKER_BROKER_H

#include <stdbool.h>
#include <stdint.h>

struct credentials;
struct spawn_self;

struct broker_config {
    const char *url;                       /* where the workers find the gate */
    const char *engine;                    /* the workers' codec */
    const struct credentials *credentials; /* the workers': a secret they share */
    bool has_admin;                        /* there is an operations listener */
    uint64_t drain_timeout_ns;
};

/* Master: makes the memory of the broker's statistics; -1 with errno. */
int broker_create_stats_fd(void) __attribute__((warn_unused_result));

/* Master: an abstract socket where gate and broker meet; -1 with errno. */
int broker_create_gate_fd(void) __attribute__((warn_unused_result));

/* The broker process, with descriptors as enum spawn_broker_fd numbers them: runs until
   TERM or the master's end, says goodbye to the applications, and returns the exit status
   once they have their answers. Leave with _exit(). */
int broker_main(const struct broker_config *config, const struct spawn_self *self);

/* The gate process, with the first of those descriptors; as rpc_gate_main(). */
int broker_gate_main(const struct broker_config *config, const struct spawn_self *self);

#endif
