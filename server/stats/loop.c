#include "server/stats/loop.h"

#include <assert.h>
#include <ev.h>

#include "common/clock.h"

#define SUB_BUCKETS_LOG2 3
#define SUB_BUCKETS      (1u << SUB_BUCKETS_LOG2)

/* The CPU clock is a system call: read it once in so many turns. */
#define CPU_EVERY_TURNS 64

/* A process has one loop thread; what it is doing now. */
static struct {
    struct stats_front *slot;
    enum stats_phase phase;
    uint64_t since_ns;
    uint64_t left_poll_ns;
    uint64_t cpu_seen_ns;
    ev_prepare prepare;
    ev_check check;
} loop_now;

unsigned stats_away_bucket(uint64_t ns)
{
    unsigned log2, bucket;

    if (ns < SUB_BUCKETS)
        return (unsigned)ns;
    log2 = 63u - (unsigned)__builtin_clzll(ns);
    bucket = (log2 - SUB_BUCKETS_LOG2 + 1) * SUB_BUCKETS +
             (unsigned)((ns >> (log2 - SUB_BUCKETS_LOG2)) & (SUB_BUCKETS - 1));
    return bucket < STATS_AWAY_BUCKETS ? bucket : STATS_AWAY_BUCKETS - 1;
}

uint64_t stats_away_bound_ns(unsigned bucket)
{
    unsigned group = bucket / SUB_BUCKETS, sub = bucket % SUB_BUCKETS;

    assert(bucket < STATS_AWAY_BUCKETS);
    if (group == 0)
        return sub;
    return (((uint64_t)SUB_BUCKETS + sub + 1) << (group - 1)) - 1;
}

uint64_t stats_away_quantile_ns(const struct stats_front *slot, double quantile)
{
    uint64_t total = 0, seen = 0, rank;

    for (unsigned i = 0; i < STATS_AWAY_BUCKETS; i++)
        total += stats_read(&slot->away[i]);
    if (total == 0)
        return 0;
    rank = (uint64_t)((double)total * quantile);
    if (rank >= total)
        rank = total - 1;
    for (unsigned i = 0; i < STATS_AWAY_BUCKETS; i++) {
        seen += stats_read(&slot->away[i]);
        if (seen > rank)
            return stats_away_bound_ns(i);
    }
    return stats_away_bound_ns(STATS_AWAY_BUCKETS - 1);
}

enum stats_phase stats_phase_enter(enum stats_phase phase)
{
    enum stats_phase was = loop_now.phase;
    uint64_t now;

    if (loop_now.slot == NULL || phase == was)
        return was;
    now = clock_now_ns();
    stats_add(&loop_now.slot->phase_ns[was], now - loop_now.since_ns);
    loop_now.since_ns = now;
    loop_now.phase = phase;
    return was;
}

static void book_cpu(void)
{
    uint64_t cpu = clock_thread_cpu_ns();

    stats_add(&loop_now.slot->loop_cpu_ns, cpu - loop_now.cpu_seen_ns);
    loop_now.cpu_seen_ns = cpu;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct stats_front *slot = loop_now.slot;
    uint64_t away;

    (void)loop, (void)watcher, (void)events;
    stats_phase_enter(STATS_POLL);
    away = loop_now.since_ns - loop_now.left_poll_ns;
    stats_add(&slot->away[stats_away_bucket(away)], 1);
    if (away > stats_read(&slot->away_max_ns))
        stats_set(&slot->away_max_ns, away);
    stats_add(&slot->loop_turns, 1);
    if (stats_read(&slot->loop_turns) % CPU_EVERY_TURNS == 0)
        book_cpu();
}

static void on_check(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    stats_phase_enter(STATS_HTTP);
    loop_now.left_poll_ns = loop_now.since_ns;
}

void stats_loop_watch(struct ev_loop *loop, struct stats_front *slot)
{
    assert(loop_now.slot == NULL && slot != NULL);
    loop_now.slot = slot;
    loop_now.phase = STATS_HTTP;
    loop_now.since_ns = loop_now.left_poll_ns = clock_now_ns();
    loop_now.cpu_seen_ns = clock_thread_cpu_ns();
    /* Prepare watchers run by priority, last ours; check watchers first ours: work done
       in others' belongs to the time away. */
    ev_prepare_init(&loop_now.prepare, on_prepare);
    ev_set_priority(&loop_now.prepare, EV_MINPRI);
    ev_prepare_start(loop, &loop_now.prepare);
    ev_check_init(&loop_now.check, on_check);
    ev_set_priority(&loop_now.check, EV_MAXPRI);
    ev_check_start(loop, &loop_now.check);
    ev_unref(loop);
    ev_unref(loop);
}

void stats_loop_unwatch(struct ev_loop *loop)
{
    if (loop_now.slot == NULL)
        return;
    book_cpu();
    ev_ref(loop);
    ev_ref(loop);
    ev_prepare_stop(loop, &loop_now.prepare);
    ev_check_stop(loop, &loop_now.check);
    loop_now.slot = NULL;
}
