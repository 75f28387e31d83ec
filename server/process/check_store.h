/*
 * --check-store: verifies every document of the configured store.
 */
#ifndef OFFLOOP_SERVER_PROCESS_CHECK_STORE_H
#define OFFLOOP_SERVER_PROCESS_CHECK_STORE_H

#include "server/process/config.h"

/* Walks the store, has the codec read every document, and prints one line with the
   counts. Returns the exit status: 0 where everything is sound, 1 otherwise. Main thread
   of a process that does nothing else. */
int check_store(const struct server_config *config);

#endif
