#include "server/http/http_pace.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "common/base/clock.h"
#include "common/loop/memory_budget.h"

/* A connection with less memory is not cut off, nor is one that needs less time. */
#define SLOW_MIN_BYTES (64 * 1024)
#define SLOW_NS        (30 * NS_PER_S)
/* So long a time shows how fast a peer is... */
#define SLOW_LOOK_NS (2 * NS_PER_S)
/* ...and a peer without a byte in so long is not moving. */
#define SLOW_STILL_NS (5 * NS_PER_S)

/* How many connections one look cuts off at most. */
#define SLOWEST_MAX 16

/* The slowest are looked for no more often than this: there may be thousands. */
#define LOOK_PAUSE_NS (100 * NS_PER_MS)

/* How much memory waits for a slow peer, and how slow it is. */
struct slowness {
    uint64_t waiting_bytes; /* freed when the connection is cut off */
    uint64_t rate;          /* bytes a second */
};

/* Bytes in the socket that the peer has not acknowledged (TCP) or read (Unix). */
static uint64_t unacknowledged_bytes(const struct http_connection *c)
{
    int bytes = 0;

    return ioctl(c->io.fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (uint64_t)bytes : 0;
}

void http_pace_begin(struct http_connection *c, uint64_t now_ns)
{
    c->progress = (struct http_progress){
        .acked_ns = now_ns, .window_ns = now_ns, .queued_bytes = unacknowledged_bytes(c)};
}

bool http_pace_look(struct http_connection *c, uint64_t now_ns)
{
    struct http_progress *progress = &c->progress;
    uint64_t queued = unacknowledged_bytes(c);
    uint64_t in = progress->queued_bytes + progress->handed_bytes;
    uint64_t acked = in > queued ? in - queued : 0;

    progress->queued_bytes = queued;
    progress->handed_bytes = 0;
    progress->window_bytes += acked;
    if (acked > 0)
        progress->acked_ns = now_ns;
    return acked > 0;
}

void http_pace_count_memory(struct http_connection *c)
{
    const struct http_exchange *x = c->exchange;
    uint64_t held = c->in.cap + (x == NULL ? 0 : x->head.cap + x->body.len);

    if (held == c->counted_bytes)
        return;
    memory_budget_hold(held);
    memory_budget_release(c->counted_bytes);
    c->counted_bytes = held;
}

/* True where `left` bytes will take too long, after `moved` bytes took so long. */
static bool is_slow(uint64_t moved, uint64_t took_ns, uint64_t left, uint64_t *rate_r)
{
    *rate_r = moved * 1000 / (took_ns / NS_PER_MS + 1);
    return took_ns >= SLOW_LOOK_NS && left > *rate_r * (SLOW_NS / NS_PER_S);
}

static bool is_slow_reader(struct http_connection *c, struct slowness *slowness_r)
{
    const struct http_progress *progress = &c->progress;
    uint64_t now = clock_now_ns(), moved;

    slowness_r->waiting_bytes = c->out.bytes;
    if (c->out.bytes < SLOW_MIN_BYTES)
        return false;
    http_pace_look(c, now);
    moved = now - progress->acked_ns > SLOW_STILL_NS ? 0 : progress->window_bytes;
    return is_slow(moved, now - progress->window_ns, c->out.bytes, &slowness_r->rate);
}

static bool is_slow_writer(const struct http_connection *c, struct slowness *slowness_r)
{
    const struct http_exchange *x = c->exchange;
    uint64_t window = c->server->limits.body_grace_ms * NS_PER_MS, now = clock_now_ns();
    uint64_t left = c->deadline_ns > now ? c->deadline_ns - now : 0, size = x->body.len;

    slowness_r->waiting_bytes = size;
    if (size < SLOW_MIN_BYTES || x->want != HTTP_WANT_COLLECT)
        return false;
    return is_slow(c->window_bytes, left < window ? window - left : 0,
                   x->request.length > 0 ? (uint64_t)x->request.length - size : size,
                   &slowness_r->rate);
}

/* True where a lot of memory waits for the peer, and will wait for more than 30 seconds.
 */
static bool keeps_memory(struct http_connection *c, struct slowness *slowness_r)
{
    *slowness_r = (struct slowness){0};
    if (c->cut || c->running)
        return false;
    if (c->state == HTTP_CONNECTION_SENDING)
        return is_slow_reader(c, slowness_r);
    return c->state == HTTP_CONNECTION_BODY && is_slow_writer(c, slowness_r);
}

struct slowest {
    struct http_connection *connections[SLOWEST_MAX];
    struct slowness slowness[SLOWEST_MAX];
    unsigned count;
};

/* Puts a connection where it belongs among the slowest, slowest first. */
static void put_slow(struct slowest *slowest, struct http_connection *c,
                     const struct slowness *slowness)
{
    unsigned at = slowest->count;

    while (at > 0 && slowest->slowness[at - 1].rate > slowness->rate)
        at--;
    if (at == SLOWEST_MAX)
        return;
    if (slowest->count < SLOWEST_MAX)
        slowest->count++;
    for (unsigned i = slowest->count - 1; i > at; i--) {
        slowest->connections[i] = slowest->connections[i - 1];
        slowest->slowness[i] = slowest->slowness[i - 1];
    }
    slowest->connections[at] = c;
    slowest->slowness[at] = *slowness;
}

static void find_slowest(struct http_server *server, struct slowest *slowest_r)
{
    struct slowness slowness;

    slowest_r->count = 0;
    for (struct list *at = server->connections.next; at != &server->connections;
         at = at->next) {
        struct http_connection *c = container_of(at, struct http_connection, all_link);

        if (keeps_memory(c, &slowness))
            put_slow(slowest_r, c, &slowness);
    }
}

bool http_pace_cut_slowest(struct http_server *server, uint64_t bytes)
{
    uint64_t now = clock_now_ns(), freed = 0;
    struct slowest slowest;

    if (now < server->cut_looked_ns + LOOK_PAUSE_NS)
        return false;
    server->cut_looked_ns = now;
    find_slowest(server, &slowest);
    for (unsigned i = 0; i < slowest.count && freed < bytes; i++) {
        freed += slowest.slowness[i].waiting_bytes;
        server->cuts++;
        slowest.connections[i]->cut = true;
        http_server_make_ready(server, &slowest.connections[i]->ready_link);
    }
    return freed >= bytes;
}

void http_server_look_at_memory(struct http_server *server)
{
    uint64_t missing = memory_budget_missing();

    if (missing > 0)
        http_pace_cut_slowest(server, missing);
}

uint64_t http_server_cuts(const struct http_server *server)
{
    return server->cuts;
}
