/*
 * Reading a cluster's map (the answer to CLUSTER SLOTS), which may have thousands
 * of ranges: in steps that hold the loop for a fraction of a millisecond each. A
 * map is checked whole before any of it is taken, and then freed, also in steps.
 *
 * Pure but for the reply, which the reading owns. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_MAP_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_MAP_H

#include <stddef.h>

struct redisReply;

/* How long a step may take, in microseconds, beside one range and what is done with it.
 */
#define REDIS_CLUSTER_MAP_STEP_US 100

/* Where a reading is. */
enum redis_cluster_map_state {
    REDIS_MAP_NONE,  /* nothing is being read */
    REDIS_MAP_CHECK, /* ranges before `at` make sense */
    REDIS_MAP_TAKE,  /* those before `at` were taken */
    REDIS_MAP_FREE   /* those before `at` are freed */
};

/* One range: slots from `from` to `to`. */
struct redis_cluster_range {
    unsigned from, to;
    const char *host; /* NULL for the node that was asked */
    unsigned port;
};

/* A reading; zero at first. */
struct redis_cluster_map {
    enum redis_cluster_map_state state;
    struct redisReply *reply;
    size_t at;
    unsigned slots; /* in the ranges checked: none may come twice */
};

/* What a step came to. */
enum redis_cluster_map_news {
    REDIS_MAP_MORE,  /* another step is to follow */
    REDIS_MAP_TAKEN, /* the last range was taken just now; more steps free the reply */
    REDIS_MAP_BAD,   /* the map makes no sense; more steps free the reply */
    REDIS_MAP_DONE   /* nothing is left */
};

/* Begins with a reply, which it takes over. None may be under way. */
void redis_cluster_map_begin(struct redis_cluster_map *map, struct redisReply *reply);

/* Does one step; take is called for ranges of a map that was found good. */
enum redis_cluster_map_news
redis_cluster_map_step(struct redis_cluster_map *map,
                       void (*take)(void *ctx, const struct redis_cluster_range *range),
                       void *ctx);

/* Frees what is left, all at once. */
void redis_cluster_map_end(struct redis_cluster_map *map);

#endif
