/*
 * The Redis backend of a front: one pipelined connection to each server, no
 * writer process, and no thread except for looking up host names. How durable a
 * write is depends on the settings of Redis: docs/REDIS.md.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_STORE_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_STORE_H

struct store_backend;

/* The backend for all URLs of redis_url.h; static memory. */
const struct store_backend *redis_store_backend(void);

#endif
