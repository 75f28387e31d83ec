/*
 * The server's master process: opens what its children share, runs them
 * (common/master.h), names the listeners, reloads.
 */
#ifndef OFFLOOP_SERVER_SERVER_MASTER_H
#define OFFLOOP_SERVER_SERVER_MASTER_H

#include "server/config.h"

/* Runs until everything has stopped; returns the exit status. Takes the configuration
   over; argc and argv are read again for each reload. Main thread of the process that the
   user started. */
int server_master_main(struct server_config *config, int argc, char **argv);

#endif
