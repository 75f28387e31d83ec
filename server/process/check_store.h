/*
 * --check-store: verifies every document of the configured store.
 */
#ifndef OFFLOOP_SERVER_PROCESS_CHECK_STORE_H
#define OFFLOOP_SERVER_PROCESS_CHECK_STORE_H

#include "server/process/config.h"

/* Walks the store, has the codec read every document, and prints one line with what was
   found. Returns the exit status: 0 where all is sound, 1 otherwise. Main thread of a
   process that does nothing else. */
int check_store(const struct server_config *config);

#endif
