/*
 * Walking every document in Redis and checking it: what --check-store does. May
 * run beside servers: what comes or goes meanwhile is no finding. It has a loop
 * of its own, for processes that have no store open.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_CHECK_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_CHECK_H

#include "server/store/store_check.h"

/* Findings that are logged one by one. */
#define REDIS_CHECK_LOG_MAX 100

/* store_check() for a Redis URL. */
int redis_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r) __attribute__((warn_unused_result));

#endif
