/*
 * The worker daemon's master process: keeps --processes workers running
 * (common/master/master.h), says when they are, reloads.
 */
#ifndef OFFLOOP_WORKER_WORKER_MASTER_H
#define OFFLOOP_WORKER_WORKER_MASTER_H

#include "worker/config.h"

/* Runs until everything has stopped; returns the exit status. Takes the configuration
   over; argc and argv are read again for each reload. Main thread of the process that the
   user started. */
int worker_master_main(struct worker_config *config, int argc, char **argv);

#endif
