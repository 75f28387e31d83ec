/*
 * The files that fronts write beside the store: --access-log and --profile. A
 * front that cannot open one ends, and so would each that follows it: the master
 * finds it out before it starts any.
 */
#ifndef OFFLOOP_SERVER_PROCESS_OUTPUT_FILES_H
#define OFFLOOP_SERVER_PROCESS_OUTPUT_FILES_H

#include "common/base/buf.h"
#include "server/process/config.h"

/* 0 where this process can write them; else -1 and a line appended to why. The
   access log is there afterwards, a profile is not. To be called by the user that fronts
   will be; blocks as opening files does. Master only. */
int output_files_check(const struct server_config *config, struct buf *why)
    __attribute__((warn_unused_result));

#endif
