/*
 * The master process of the server. It opens what its children share, runs them
 * (common/master/master.h), prints the addresses of the listeners, reloads the
 * configuration, and hands over to a new binary.
 */
#ifndef OFFLOOP_SERVER_PROCESS_SERVER_MASTER_H
#define OFFLOOP_SERVER_PROCESS_SERVER_MASTER_H

#include "common/process/handover.h"
#include "server/process/config.h"

/* Runs until everything has stopped; returns the exit status. Takes the configuration
   over; argc and argv are read again for each reload. After an upgrade (USR2) `left` is
   what the binary before left, with the configuration, and `config` is NULL. Main thread
   of the process that the user started. */
int server_master_main(struct server_config *config, int argc, char **argv,
                       const struct handover *left);

#endif
