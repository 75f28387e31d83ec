/*
 * The requests of store.h over Redis, each in a file of its own; redis_store.c
 * puts them together. Each function makes a flight (redis_flight.h), sends
 * commands, and ends the request by its done. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_REDIS_VERBS_H
#define OFFLOOP_SERVER_STORE_REDIS_REDIS_VERBS_H

#include "server/store/store.h"

struct redis_servers;

/* redis_get.c: reads a document, a large one piece by piece. If the document changes
   again and again meanwhile, it is read whole. */
void redis_get(struct redis_servers *servers, struct store_get *get);

/* redis_learn.c: reads the last version of a collection. */
void redis_learn(struct redis_servers *servers, struct store_learn *learn);

/* redis_put.c: writes or deletes a document; a large one is uploaded first. */
void redis_put(struct redis_servers *servers, struct store_put *put);

/* redis_list.c: reads a run of documents. */
void redis_list(struct redis_servers *servers, struct store_list *list);

/* redis_list.c: counts by ranks; the cost is the same for any number. */
void redis_count(struct redis_servers *servers, struct store_count *count);

/* redis_collections.c: reads a run of the collections. */
void redis_collections(struct redis_servers *servers,
                       struct store_collections *collections);

/* redis_check.c: store_check(). Documents that come or go meanwhile are no findings. Runs
   a loop of its own: only for a process that has no store open. */
int redis_check(const struct store_config *config, store_check_verify *verify, void *ctx,
                struct store_check_counts *counts_r) __attribute__((warn_unused_result));

#endif
