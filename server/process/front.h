/*
 * A front process: one libev loop that does IO only. It connects the parts of the
 * server (http, api, ops, store, jobs, stats), and lives from the exec of its
 * master to its drain.
 */
#ifndef OFFLOOP_SERVER_PROCESS_FRONT_H
#define OFFLOOP_SERVER_PROCESS_FRONT_H

#include "common/process/spawn.h"
#include "server/process/config.h"

/* Runs a front on the descriptors of spawn.h until TERM or the master's end, drains and
   returns its exit status. Wipes keys and secrets from the configuration. Main thread of
   a process that has just been started. */
int front_main(struct server_config *config, const struct spawn_self *self);

#endif
