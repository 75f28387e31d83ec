/*
 * The requests of store.h over an application's own values in Redis: what is different
 * from documents of the server's own (redis_verbs.h; redis_put() does both). Each
 * function makes a flight, sends commands, and ends the request by its done. Loop thread
 * only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_KEYS_REDIS_VALUES_H
#define OFFLOOP_SERVER_STORE_REDIS_KEYS_REDIS_VALUES_H

#include "server/store/store.h"

struct redis_servers;

/* A value up to this size is read with one command. A larger one comes in pieces of this
   size, which one script reads at one moment, and is put together in steps. */
#define REDIS_VALUE_PIECE_BYTES 65536

/* redis_value_get.c: reads a value. */
void redis_value_get(struct redis_servers *servers, struct store_get *get);

/* The same for a list, in which texts are divided by newlines: each newline of the value
   is replaced by a carriage return, which means the same to JSON wherever it stands. */
void redis_value_get_line(struct redis_servers *servers, struct store_get *get);

/* redis_value_list.c: reads a run of values, from a SCAN of all servers. */
void redis_value_list(struct redis_servers *servers, struct store_list *list);

#endif
