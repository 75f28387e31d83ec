/*
 * The files that fronts write beside the store: --access-log and --profile. A
 * front that cannot open one of them ends, and so does every front after it. So
 * the master tries to open them before it starts a front.
 */
#ifndef OFFLOOP_SERVER_PROCESS_OUTPUT_FILES_H
#define OFFLOOP_SERVER_PROCESS_OUTPUT_FILES_H

#include "common/base/buf.h"
#include "server/process/config.h"

/* Returns 0 where this process can write them; else -1, with a line appended to why.
   It creates the access log, and no profile. To be called as the user that fronts will
   be. Blocks as opening files does. Master only. */
int output_files_check(const struct server_config *config, struct buf *why)
    __attribute__((warn_unused_result));

#endif
