/*
 * All applications that are connected to the job socket: accepts them, shares the workers
 * out among them, and says goodbye to them. Loop thread only.
 */
#ifndef OFFLOOP_WORKER_BROKER_APPS_H
#define OFFLOOP_WORKER_BROKER_APPS_H

#include <stdint.h>

#include "common/base/buf.h"

struct apps;
struct ev_loop;
struct jobs;

/* Connections at once; more are refused. */
#define APPS_MAX 512u

struct apps_config {
    struct ev_loop *loop;
    struct jobs *jobs;
    const char *engine;            /* the workers' codec, told to applications */
    void (*on_did)(void *context); /* the first answers were sent; once */
    void *context;
};

/* Nobody is connected and nothing listened at. The caller ends it with apps_destroy(). */
struct apps *apps_create(const struct apps_config *config);

/* Closes all connections at once. NULL inside is allowed. */
void apps_destroy(struct apps **apps);

/* Accepts at a listening socket, which is theirs from now on. */
void apps_listen(struct apps *apps, int listen_fd);

/* Stops accepting and says goodbye to all; calls done once nobody is left, perhaps at
   once. */
void apps_drain(struct apps *apps, void (*done)(void *context), void *context);

/* Connections that are open, and that have been accepted. */
unsigned apps_count(const struct apps *apps);
uint64_t apps_accepted(const struct apps *apps);

/* Appends metrics by application. */
void apps_print_metrics(const struct apps *apps, struct buf *text);

#endif
