/*
 * Reads a cluster's map (the reply to CLUSTER SLOTS). A map may have thousands of
 * ranges, so it is read in steps of a fraction of a millisecond. All of a map is
 * checked before any of it is used; then it is freed, also in steps.
 *
 * Pure, except that a reading owns its reply. Loop thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_MAP_H
#define OFFLOOP_SERVER_STORE_REDIS_PLACE_REDIS_CLUSTER_MAP_H

#include <stddef.h>

struct redisReply;

/* How long a step may take, in microseconds, besides the last range and its use. */
#define REDIS_CLUSTER_MAP_STEP_US 100

/* The state of a reading. */
enum redis_cluster_map_state {
    REDIS_MAP_NONE,  /* nothing is being read */
    REDIS_MAP_CHECK, /* ranges before `at` make sense */
    REDIS_MAP_TAKE,  /* ranges before `at` are taken */
    REDIS_MAP_FREE   /* ranges before `at` are freed */
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

/* The result of a step. */
enum redis_cluster_map_news {
    REDIS_MAP_MORE,  /* another step must follow */
    REDIS_MAP_TAKEN, /* the last range has been taken; more steps free the reply */
    REDIS_MAP_BAD,   /* the map makes no sense; more steps free the reply */
    REDIS_MAP_DONE   /* nothing is left */
};

/* Begins to read a reply, and takes it over. No other reading may be under way. */
void redis_cluster_map_begin(struct redis_cluster_map *map, struct redisReply *reply);

/* Does one step; calls take for the ranges of a map that makes sense. */
enum redis_cluster_map_news
redis_cluster_map_step(struct redis_cluster_map *map,
                       void (*take)(void *ctx, const struct redis_cluster_range *range),
                       void *ctx);

/* Frees what is left, all at once. */
void redis_cluster_map_end(struct redis_cluster_map *map);

#endif
