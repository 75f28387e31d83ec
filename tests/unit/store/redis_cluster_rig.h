/*
 * A cluster of three masters, on free ports of loopback, without replicas.
 */
#ifndef OFFLOOP_TESTS_UNIT_STORE_REDIS_CLUSTER_RIG_H
#define OFFLOOP_TESTS_UNIT_STORE_REDIS_CLUSTER_RIG_H

#include "tests/unit/store/redis_rig.h"

#include "server/store/redis/place/redis_slot.h"

#define CLUSTER_RIG_NODES 3

struct cluster_rig {
    struct redis_rig nodes[CLUSTER_RIG_NODES];
    char names[CLUSTER_RIG_NODES][41]; /* the names that the cluster gives them */
    char url[160];                     /* of the first two */
    struct rig rig;
};

/* The port of the cluster's own talk goes with the other. */
static inline void cluster_rig_init_node(struct redis_rig *node)
{
    static char bus[CLUSTER_RIG_NODES][8];
    static int next;
    char *text = bus[next++ % CLUSTER_RIG_NODES];

    snprintf(text, sizeof bus[0], "%d", redis_rig_free_port());
    redis_rig_init(node, (const char *[]){"--cluster-enabled", "yes", "--cluster-port",
                                          text, "--cluster-node-timeout", "1000",
                                          "--cluster-require-full-coverage", "no",
                                          "--cluster-config-file", "nodes.conf", NULL});
}

/* True if all nodes report that the cluster is complete. */
static inline bool cluster_rig_is_whole(const struct cluster_rig *rig)
{
    for (int i = 0; i < CLUSTER_RIG_NODES; i++) {
        redisContext *context = redis_rig_connect(&rig->nodes[i]);
        redisReply *reply = context ? redisCommand(context, "CLUSTER INFO") : NULL;
        bool whole = reply != NULL && strstr(reply->str, "cluster_state:ok") != NULL &&
                     strstr(reply->str, "cluster_slots_assigned:16384") != NULL &&
                     strstr(reply->str, "cluster_known_nodes:3") != NULL;

        if (reply != NULL)
            freeReplyObject(reply);
        if (context != NULL)
            redisFree(context);
        if (!whole)
            return false;
    }
    return true;
}

static inline void cluster_rig_start_nodes(struct cluster_rig *rig)
{
    static const char *const ranges[] = {"0 5460", "5461 10922", "10923 16383"};
    char text[64];

    memset(rig, 0, sizeof *rig);
    for (int i = 0; i < CLUSTER_RIG_NODES; i++)
        cluster_rig_init_node(&rig->nodes[i]);
    for (int i = 0; i < CLUSTER_RIG_NODES; i++) {
        redisContext *context = redis_rig_connect(&rig->nodes[i]);
        redisReply *reply = redisCommand(context, "CLUSTER MYID");

        snprintf(rig->names[i], sizeof rig->names[i], "%s", reply->str);
        freeReplyObject(reply);
        snprintf(text, sizeof text, "CLUSTER ADDSLOTSRANGE %s", ranges[i]);
        freeReplyObject(redisCommand(context, text));
        snprintf(text, sizeof text, "CLUSTER SET-CONFIG-EPOCH %d", i + 1);
        freeReplyObject(redisCommand(context, text));
        redisFree(context);
    }
    for (int i = 1; i < CLUSTER_RIG_NODES; i++)
        redis_rig_command(&rig->nodes[0], "OK", "CLUSTER MEET 127.0.0.1 %d %s",
                          rig->nodes[i].port, rig->nodes[i].more[3]);
    while (!cluster_rig_is_whole(rig))
        usleep(5000); /* polling */
    snprintf(rig->url, sizeof rig->url, "redis+cluster://127.0.0.1:%d,127.0.0.1:%d",
             rig->nodes[0].port, rig->nodes[1].port);
}

/* The node that has a key's slot at the start. */
static inline int cluster_rig_node_of(const char *key)
{
    unsigned slot = redis_slot_of(rig_slice(key));

    return slot <= 5460 ? 0 : slot <= 10922 ? 1 : 2;
}

static inline void cluster_rig_start(struct cluster_rig *rig)
{
    cluster_rig_start_nodes(rig);
    redis_rig_open_url(&rig->rig, rig->url);
    redis_rig_await(&rig->rig, true);
}

static inline void cluster_rig_stop_nodes(struct cluster_rig *rig)
{
    for (int i = 0; i < CLUSTER_RIG_NODES; i++)
        redis_rig_end(&rig->nodes[i]);
}

static inline void cluster_rig_stop(struct cluster_rig *rig)
{
    redis_rig_close(&rig->rig);
    cluster_rig_stop_nodes(rig);
}

/* ---- moving a slot, step by step ---- */

static inline void cluster_rig_begin_move(struct cluster_rig *rig, unsigned slot,
                                          int from, int to)
{
    redis_rig_command(&rig->nodes[to], "OK", "CLUSTER SETSLOT %u IMPORTING %s", slot,
                      rig->names[from]);
    redis_rig_command(&rig->nodes[from], "OK", "CLUSTER SETSLOT %u MIGRATING %s", slot,
                      rig->names[to]);
}

static inline void cluster_rig_move_key(struct cluster_rig *rig, const char *key,
                                        int from, int to)
{
    redis_rig_command(&rig->nodes[from], NULL, "MIGRATE 127.0.0.1 %d %s 0 5000",
                      rig->nodes[to].port, key);
}

/* Moves at most that many keys of the slot; returns how many it moved. */
static inline size_t cluster_rig_move_keys(struct cluster_rig *rig, unsigned slot,
                                           int from, int to, int most)
{
    redisContext *context = redis_rig_connect(&rig->nodes[from]);
    redisReply *keys = redisCommand(context, "CLUSTER GETKEYSINSLOT %u %d", slot, most);
    size_t count = keys->elements;

    for (size_t i = 0; i < count; i++)
        cluster_rig_move_key(rig, keys->element[i]->str, from, to);
    freeReplyObject(keys);
    redisFree(context);
    return count;
}

static inline void cluster_rig_end_move(struct cluster_rig *rig, unsigned slot, int from,
                                        int to)
{
    redis_rig_command(&rig->nodes[to], "OK", "CLUSTER SETSLOT %u NODE %s", slot,
                      rig->names[to]);
    redis_rig_command(&rig->nodes[from], "OK", "CLUSTER SETSLOT %u NODE %s", slot,
                      rig->names[to]);
}

#endif
