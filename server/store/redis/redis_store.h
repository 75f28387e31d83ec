/*
 * The Redis backend of a front: one pipelined connection, no writer process and
 * no thread but for looking up names. Durable is what Redis makes durable:
 * docs/REDIS.md.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_STORE_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_STORE_H

struct store_backend;

/* The backend for all URLs of redis_url.h; static memory. */
const struct store_backend *redis_store_backend(void);

#endif
