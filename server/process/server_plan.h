/*
 * One generation of the server as its master runs it: a configuration, the memory
 * file of it for the children, the listeners that it uses, and the children that
 * it wants. Master only.
 */
#ifndef OFFLOOP_SERVER_PROCESS_SERVER_PLAN_H
#define OFFLOOP_SERVER_PROCESS_SERVER_PLAN_H

#include "common/master/master.h"
#include "server/process/config.h"
#include "common/process/listeners.h"

/* The stages: fronts stop first, then what serves them. */
enum server_stage { SERVER_STAGE_SERVICES, SERVER_STAGE_FRONTS };

/* What the children of one binary share beside the listeners. The master owns the
   descriptors, which outlive every plan that has them. */
struct server_shared {
    int service_fds[2]; /* WRITER and GATE, as spawn.h numbers them */
    int stats_fd;
};

struct server_plan {
    struct master_plan master; /* first: the master knows the plan by its address */
    struct server_config *config;
    struct listeners *listeners;
    struct server_shared shared;
    struct master_role roles[3];
    int *front_fds;
    size_t front_fd_count;
    size_t used; /* how many of the client listeners the plan uses */
};

/* Makes a plan and opens the listeners that it needs. Takes the configuration over.
   Returns NULL with a line appended to why; then the configuration is freed too. */
struct server_plan *server_plan_create(struct server_config *config,
                                       struct listeners *listeners,
                                       const struct server_shared *shared,
                                       struct buf *why);

/* Releases the listeners and frees; NULL inside is allowed. */
void server_plan_destroy(struct server_plan **plan);

/* Prints to stdout the listeners that have not been printed yet. */
void server_plan_name_listeners(const struct server_plan *plan);

#endif
