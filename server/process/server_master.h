/*
 * The server's master process: opens what its children share, runs them
 * (common/master/master.h), names the listeners, reloads, makes way for a new binary.
 */
#ifndef OFFLOOP_SERVER_PROCESS_SERVER_MASTER_H
#define OFFLOOP_SERVER_PROCESS_SERVER_MASTER_H

#include "common/process/handover.h"
#include "server/process/config.h"

/* Runs until everything has stopped; returns the exit status. Takes the configuration
   over; argc and argv are read again for each reload. Where the master before was another
   binary (USR2), `left` is what it left and `config`, which is in there, NULL. Main
   thread of the process that the user started. */
int server_master_main(struct server_config *config, int argc, char **argv,
                       const struct handover *left);

#endif
