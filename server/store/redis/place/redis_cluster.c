#include "server/store/redis/place/redis_cluster.h"

#include <assert.h>
#include <ev.h>
#include <hiredis/hiredis.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/loop_defer.h"
#include "common/base/list.h"
#include "server/store/redis/place/redis_cluster_map.h"
#include "server/store/redis/link/redis_reader.h"

/* How often the map is checked, and after how many ticks a node without slots is closed.
 */
#define TICK_S     0.05
#define IDLE_TICKS 200

/* Ticks between two questions for the map. */
#define PAUSE_TICKS 4

struct node {
    struct redis_url url;
    struct redis_conn *conn;
    bool is_first; /* named in the URL: stays, to be asked for the map */
    bool has_slots;
    bool in_next; /* has slots in the map that is being read */
    unsigned idle_ticks;
};

struct redis_cluster {
    struct ev_loop *loop;
    const struct redis_url *url;
    const struct redis_tls *tls;
    struct ev_timer tick;
    struct redis_call call; /* CLUSTER SLOTS */
    struct node *asked;     /* the node that is asked, or whose map is read; NULL: none */
    unsigned next;          /* the index of the node that is asked next */
    unsigned pause;         /* ticks before the next question */
    bool is_stale;          /* the map may be out of date */
    bool has_map;
    uint64_t reconnects; /* of nodes that were closed */
    uint64_t changes;    /* of the nodes that have slots */
    unsigned count;
    struct node *nodes[REDIS_CLUSTER_NODES]; /* sorted: compare() */
    struct node *slots[REDIS_SLOTS];         /* NULL for none */
    struct redis_cluster_map map;            /* the map that is being read... */
    struct node *next_slots[REDIS_SLOTS];    /* ...to here */
    struct loop_defer *later;                /* runs the steps of reading */
};

/* ---- nodes ---- */

static int compare(const struct node *node, const char *host, unsigned port)
{
    if (node->url.port != port)
        return node->url.port < port ? -1 : 1;
    return strcmp(node->url.host, host);
}

/* The index of the node in the array, or where it would be inserted. A binary search,
   because a map may need it 16384 times. */
static unsigned find_place(const struct redis_cluster *cluster, const char *host,
                           unsigned port)
{
    unsigned from = 0, to = cluster->count;

    while (from < to) {
        unsigned middle = (from + to) / 2;

        if (compare(cluster->nodes[middle], host, port) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void insert_node(struct redis_cluster *cluster, unsigned place, struct node *node)
{
    assert(cluster->count < REDIS_CLUSTER_NODES && place <= cluster->count);
    memmove(cluster->nodes + place + 1, cluster->nodes + place,
            (cluster->count - place) * sizeof *cluster->nodes);
    cluster->nodes[place] = node;
    cluster->count++;
}

/* The node, made if it is new; NULL if there are too many nodes. */
static struct node *take_node(struct redis_cluster *cluster, const char *host,
                              unsigned port)
{
    unsigned place = find_place(cluster, host, port);
    struct node *node;

    if (place < cluster->count && compare(cluster->nodes[place], host, port) == 0)
        return cluster->nodes[place];
    if (cluster->count == REDIS_CLUSTER_NODES)
        return NULL;
    node = mem_zalloc(sizeof *node);
    redis_url_of_place(&node->url, cluster->url, host, port);
    node->conn = redis_conn_create(
        cluster->loop, &(struct redis_conn_config){.url = &node->url,
                                                   .tls = cluster->tls,
                                                   .purpose = REDIS_FOR_CLUSTER});
    insert_node(cluster, place, node);
    return node;
}

static void free_node(struct node *node)
{
    redis_conn_destroy(&node->conn);
    redis_url_free(&node->url);
    mem_free(node);
}

static bool is_up(const struct node *node)
{
    const char *why;

    return redis_conn_is_up(node->conn, &why);
}

static void set_has_slots(struct redis_cluster *cluster, struct node *node, bool has)
{
    if (node->has_slots != has)
        cluster->changes++;
    node->has_slots = has;
}

/* Closes nodes that have had no slots and no commands for a while. */
static void close_idle(struct redis_cluster *cluster)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < cluster->count; i++) {
        struct node *node = cluster->nodes[i];
        bool needed = node->has_slots || node->in_next || node->is_first ||
                      node == cluster->asked || redis_conn_waiting(node->conn) > 0;

        node->idle_ticks = needed ? 0 : node->idle_ticks + 1;
        if (node->idle_ticks < IDLE_TICKS) {
            cluster->nodes[kept++] = node;
        } else {
            cluster->reconnects += redis_conn_reconnects(node->conn);
            free_node(node);
        }
    }
    cluster->count = kept;
}

/* ---- the map ---- */

static void take_range(void *ctx, const struct redis_cluster_range *range)
{
    struct redis_cluster *cluster = ctx;
    const char *host = range->host != NULL ? range->host : cluster->asked->url.host;
    struct node *node = take_node(cluster, host, range->port);

    if (node != NULL)
        node->in_next = true;
    for (unsigned slot = range->from; slot <= range->to; slot++)
        cluster->next_slots[slot] = node;
}

/* The map is read completely: it is used from now on. */
static void take_map(struct redis_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        set_has_slots(cluster, cluster->nodes[i], cluster->nodes[i]->in_next);
    memcpy(cluster->slots, cluster->next_slots, sizeof cluster->slots);
    cluster->has_map = true;
}

/* A step of reading the map. `asked` stays set until all ranges are taken. */
static void on_map_step(void *ctx)
{
    struct redis_cluster *cluster = ctx;

    switch (redis_cluster_map_step(&cluster->map, take_range, cluster)) {
    case REDIS_MAP_MORE: break;
    case REDIS_MAP_TAKEN:
        take_map(cluster);
        cluster->asked = NULL;
        break;
    case REDIS_MAP_BAD:
        cluster->is_stale = true;
        cluster->asked = NULL;
        break;
    case REDIS_MAP_DONE: return;
    }
    loop_defer_ask(cluster->later, 0);
}

/* Begins to read a map. A redirection that comes from now on is newer than this map. */
static void begin_map(struct redis_cluster *cluster, const struct redisReply *reply)
{
    redis_reader_keep(reply);
    redis_cluster_map_begin(&cluster->map, (struct redisReply *)(uintptr_t)reply);
    for (unsigned i = 0; i < cluster->count; i++)
        cluster->nodes[i]->in_next = false;
    memset(cluster->next_slots, 0, sizeof cluster->next_slots);
    cluster->is_stale = false;
    loop_defer_ask(cluster->later, 0);
}

static void on_slots(struct redis_call *call, const struct redisReply *reply)
{
    struct redis_cluster *cluster = container_of(call, struct redis_cluster, call);

    if (reply != NULL && reply->type != REDIS_REPLY_ERROR) {
        begin_map(cluster, reply);
        return;
    }
    if (reply != NULL)
        (void)redis_conn_take_error(cluster->asked->conn, reply); /* for the log */
    cluster->asked = NULL;
}

/* Asks the next node that is up. */
static void ask(struct redis_cluster *cluster)
{
    struct redis_command args = {0};

    redis_command_text(&args, "CLUSTER");
    redis_command_text(&args, "SLOTS");
    for (unsigned i = 0; i < cluster->count; i++) {
        struct node *node = cluster->nodes[cluster->next++ % cluster->count];

        if (redis_conn_send(node->conn, &args, &cluster->call) == 0) {
            cluster->asked = node;
            cluster->pause = PAUSE_TICKS;
            return;
        }
    }
}

/* True if a node that has slots is not up. */
static bool has_gap(const struct redis_cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->nodes[i]->has_slots && !is_up(cluster->nodes[i]))
            return true;
    return false;
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    struct redis_cluster *cluster = timer->data;

    (void)loop;
    (void)events;
    close_idle(cluster);
    if (cluster->pause > 0)
        cluster->pause--;
    else if (cluster->asked == NULL && cluster->map.state == REDIS_MAP_NONE &&
             (!cluster->has_map || cluster->is_stale || has_gap(cluster)))
        ask(cluster);
}

void redis_cluster_ask_map(struct redis_cluster *cluster)
{
    cluster->is_stale = true;
}

struct redis_conn *redis_cluster_redirect(struct redis_cluster *cluster,
                                          const struct redis_conn *from, const char *text,
                                          size_t len)
{
    struct redis_redirect to;
    struct node *node;

    cluster->is_stale = true;
    if (redis_redirect_read(text, len, &to) < 0)
        return NULL;
    for (unsigned i = 0; to.host[0] == 0 && i < cluster->count; i++)
        if (cluster->nodes[i]->conn == from)
            strcpy(to.host, cluster->nodes[i]->url.host);
    if (to.host[0] == 0)
        return NULL;
    node = take_node(cluster, to.host, to.port);
    if (node == NULL)
        return NULL;
    node->idle_ticks = 0;
    if (text[0] == 'M') {
        cluster->slots[to.slot] = node;
        set_has_slots(cluster, node, true); /* until the next map */
    }
    return node->conn;
}

/* ---- outside ---- */

struct redis_cluster *redis_cluster_create(struct ev_loop *loop,
                                           const struct redis_url *url,
                                           const struct redis_tls *tls)
{
    struct redis_cluster *cluster = mem_zalloc(sizeof *cluster);

    assert(url->place_count > 0 && url->place_count <= REDIS_CLUSTER_NODES);
    cluster->loop = loop;
    cluster->url = url;
    cluster->tls = tls;
    cluster->call.on_reply = on_slots;
    cluster->later = loop_defer_create(loop, on_map_step, cluster);
    for (size_t i = 0; i < url->place_count; i++)
        take_node(cluster, url->places[i].host, url->places[i].port)->is_first = true;
    ev_timer_init(&cluster->tick, on_tick, 0., TICK_S);
    cluster->tick.data = cluster;
    ev_timer_start(loop, &cluster->tick);
    return cluster;
}

void redis_cluster_destroy(struct redis_cluster **cluster)
{
    struct redis_cluster *c = *cluster;

    if (c == NULL)
        return;
    ev_timer_stop(c->loop, &c->tick);
    loop_defer_destroy(&c->later);
    redis_cluster_map_end(&c->map);
    memset(c->slots, 0, sizeof c->slots); /* callbacks may begin other requests */
    for (unsigned i = 0; i < c->count; i++)
        free_node(c->nodes[i]);
    mem_free(c);
    *cluster = NULL;
}

bool redis_cluster_is_settled(const struct redis_cluster *cluster)
{
    for (unsigned i = 0; cluster->has_map && i < cluster->count; i++)
        if (cluster->nodes[i]->has_slots &&
            !redis_conn_is_settled(cluster->nodes[i]->conn))
            return false;
    return cluster->has_map;
}

bool redis_cluster_is_ready(const struct redis_cluster *cluster, const char **why_r)
{
    *why_r = "no node of the Redis Cluster has answered yet";
    if (!cluster->has_map)
        return false;
    for (unsigned i = 0; i < cluster->count; i++)
        if (cluster->nodes[i]->has_slots &&
            redis_conn_is_up(cluster->nodes[i]->conn, why_r))
            return true;
    return false;
}

struct redis_conn *redis_cluster_conn(const struct redis_cluster *cluster, unsigned slot)
{
    assert(slot < REDIS_SLOTS);
    return cluster->slots[slot] != NULL ? cluster->slots[slot]->conn : NULL;
}

struct redis_conn *redis_cluster_node(const struct redis_cluster *cluster, unsigned i)
{
    for (unsigned n = 0; n < cluster->count; n++)
        if (cluster->nodes[n]->has_slots && i-- == 0)
            return cluster->nodes[n]->conn;
    return NULL;
}

uint64_t redis_cluster_changes(const struct redis_cluster *cluster)
{
    return cluster->changes;
}

uint64_t redis_cluster_reconnects(const struct redis_cluster *cluster)
{
    uint64_t sum = cluster->reconnects;

    for (unsigned i = 0; i < cluster->count; i++)
        sum += redis_conn_reconnects(cluster->nodes[i]->conn);
    return sum;
}
