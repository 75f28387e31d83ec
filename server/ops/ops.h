/*
 * What the operations listener answers to operators and their tools: health,
 * readiness, metrics, loop accounting, CPU profiles and the live page. Clients do
 * not reach it. Any front answers for all fronts from the shared statistics.
 * The broker of a worker daemon is a front here, too.
 *
 * Only the front's loop thread may call.
 */
#ifndef OFFLOOP_SERVER_OPS_OPS_H
#define OFFLOOP_SERVER_OPS_OPS_H

#include <stdbool.h>

#include "server/http/http.h"
#include "server/jobs/jobs.h"

struct ev_loop;
struct ops;
struct stats;

struct ops_config {
    struct ev_loop *loop;
    struct stats *stats;
    unsigned front_index; /* whose slot counts the requests answered here */
    const struct jobs *jobs;
    enum jobs_mode mode; /* RPC demands a worker for readiness */
    /* False with a static text where something else that is needed is not there; NULL for
       nothing else. */
    bool (*is_ready)(void *context, const char **why_r);
    /* Appends metrics of the process's own; NULL for none. */
    void (*print_metrics)(void *context, struct buf *text);
    void *context;
};

/* Makes the answers of one front; the caller ends it with ops_destroy() once no exchange
   is left. */
struct ops *ops_create(const struct ops_config *config);

/* Frees; NULL inside is allowed. */
void ops_destroy(struct ops **ops);

/* From now on /readyz answers 503: the front drains. A profile under way ends and is
   answered. */
void ops_drain(struct ops *ops);

/* The callbacks for an http_server whose context is the ops. */
struct http_callbacks ops_callbacks(void);

#endif
