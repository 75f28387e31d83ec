/*
 * A front process: one libev loop that does IO only. It wires the rooms
 * together (http, api, ops, store, jobs, stats) and lives from its master's
 * exec to its drain.
 */
#ifndef OFFLOOP_SERVER_PROCESS_FRONT_H
#define OFFLOOP_SERVER_PROCESS_FRONT_H

#include "common/process/spawn.h"
#include "server/process/config.h"

/* Runs a front on the descriptors of spawn.h until TERM or the master's end, drains and
   returns its exit status. Keys and secrets are wiped off the configuration. Main thread
   of a freshly exec'd process. */
int front_main(struct server_config *config, const struct spawn_self *self);

#endif
