#include "server/stats/stats_loop.h"

#include <assert.h>
#include <ev.h>
#include <stdbool.h>

#include "common/base/clock.h"
#include "server/stats/quick_clock.h"

/* How often the CPU clock is read at most. */
#define READING_NS (500 * NS_PER_US)

/* A process has one loop thread; what it is doing now. */
static struct {
    struct stats_front *slot;
    enum stats_phase phase;
    struct quick_clock clock;
    uint64_t since_ns;     /* when the phase began */
    uint64_t away_ns;      /* of this turn, so far */
    uint64_t away_cpu_ns;  /* and its CPU */
    bool turning;          /* a turn has begun: time before it is no time away */
    uint64_t read_ns;      /* when the CPU clock was last read */
    uint64_t read_cpu_ns;  /* and what it said */
    uint64_t given_cpu_ns; /* CPU that phases other than poll were given since */
    ev_prepare prepare;
    ev_check check;
} now_doing;

/* Reads the CPU clock. CPU time that was used since the last reading, and that no phase
   was given, belongs to the phase that ends here, up to the time that it took; the rest
   belongs to poll. Returns the phase's part. */
static uint64_t read_cpu(uint64_t now_ns, uint64_t took_ns)
{
    struct stats_front *slot = now_doing.slot;
    uint64_t cpu_ns = clock_thread_cpu_ns(), used = cpu_ns - now_doing.read_cpu_ns;
    uint64_t left = used > now_doing.given_cpu_ns ? used - now_doing.given_cpu_ns : 0;
    uint64_t part = now_doing.phase != STATS_POLL && left > took_ns ? took_ns : left;

    stats_add(&slot->loop_cpu_ns, used);
    stats_add(&slot->phase_cpu_ns[STATS_POLL], left - part);
    /* A short step that was preempted was given too much. The next steps get less. */
    now_doing.given_cpu_ns =
        now_doing.given_cpu_ns > used ? now_doing.given_cpu_ns - used : 0;
    now_doing.read_ns = now_ns;
    now_doing.read_cpu_ns = cpu_ns;
    (void)quick_clock_sync(&now_doing.clock);
    return part;
}

/* Adds the time since the phase began to it. */
static void add_time(uint64_t now_ns)
{
    struct stats_front *slot = now_doing.slot;
    enum stats_phase phase = now_doing.phase;
    uint64_t took_ns, cpu_ns;

    if (now_ns < now_doing.since_ns)
        now_ns = now_doing.since_ns; /* the quick clock was set right */
    took_ns = now_ns - now_doing.since_ns;
    now_doing.since_ns = now_ns;
    stats_add(&slot->phase_ns[phase], took_ns);
    if (now_ns - now_doing.read_ns >= READING_NS) {
        cpu_ns = read_cpu(now_ns, took_ns);
    } else {
        /* The next reading tells how much poll used. */
        cpu_ns = phase == STATS_POLL ? 0 : took_ns;
        now_doing.given_cpu_ns += cpu_ns;
    }
    stats_add(&slot->phase_cpu_ns[phase], cpu_ns);
    if (phase != STATS_POLL) {
        now_doing.away_ns += took_ns;
        now_doing.away_cpu_ns += cpu_ns;
    }
}

enum stats_phase stats_phase_enter(enum stats_phase phase)
{
    enum stats_phase was = now_doing.phase;

    assert(phase < STATS_PHASES);
    if (now_doing.slot == NULL || phase == was)
        return was;
    add_time(quick_clock_now_ns(&now_doing.clock));
    now_doing.phase = phase;
    return was;
}

static void end_turn(void)
{
    struct stats_front *slot = now_doing.slot;

    if (now_doing.turning) {
        stats_histogram_add(&slot->away, now_doing.away_ns);
        stats_histogram_add(&slot->away_cpu, now_doing.away_cpu_ns);
        stats_add(&slot->loop_turns, 1);
    }
    now_doing.turning = true;
    now_doing.away_ns = now_doing.away_cpu_ns = 0;
}

static void on_prepare(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    stats_phase_enter(STATS_POLL);
}

/* The turn ends here and not in on_prepare, because prepare watchers of other folders,
   which enter a phase of their own, may run after ours. */
static void on_check(struct ev_loop *loop, ev_check *watcher, int events)
{
    (void)loop, (void)watcher, (void)events;
    stats_phase_enter(STATS_HTTP);
    end_turn();
}

#ifdef OFFLOOP_ACCOUNTING_SWITCH
/* A build that stops and starts the accounting at each SIGUSR1, to measure what it costs.
   Both are measured in one process, because the places of things in memory make more
   difference than the accounting does (tests/bench/accounting-cost). */
#include <signal.h>

static void on_switch(struct ev_loop *loop, ev_signal *watcher, int events)
{
    uint64_t scale = now_doing.clock.scale;

    (void)events;
    if (now_doing.slot != NULL)
        stats_loop_unwatch(loop);
    else
        stats_loop_watch(loop, watcher->data);
    now_doing.clock.scale = scale; /* so that it need not be measured again */
}

static void watch_switch(struct ev_loop *loop, struct stats_front *slot)
{
    static ev_signal turned;

    if (ev_is_active(&turned))
        return;
    ev_signal_init(&turned, on_switch, SIGUSR1);
    turned.data = slot;
    ev_signal_start(loop, &turned);
    ev_unref(loop);
}
#else
static void watch_switch(struct ev_loop *loop, struct stats_front *slot)
{
    (void)loop, (void)slot;
}
#endif

void stats_loop_watch(struct ev_loop *loop, struct stats_front *slot)
{
    assert(now_doing.slot == NULL && slot != NULL);
    watch_switch(loop, slot);
    now_doing.slot = slot;
    now_doing.phase = STATS_HTTP;
    now_doing.turning = false;
    now_doing.given_cpu_ns = 0;
    quick_clock_start(&now_doing.clock);
    now_doing.since_ns = now_doing.read_ns = clock_now_ns();
    now_doing.read_cpu_ns = clock_thread_cpu_ns();
    /* Our prepare watcher runs last and our check watcher first, so that the work of
       other watchers belongs to the time away. */
    ev_prepare_init(&now_doing.prepare, on_prepare);
    ev_set_priority(&now_doing.prepare, EV_MINPRI);
    ev_prepare_start(loop, &now_doing.prepare);
    ev_check_init(&now_doing.check, on_check);
    ev_set_priority(&now_doing.check, EV_MAXPRI);
    ev_check_start(loop, &now_doing.check);
    ev_unref(loop);
    ev_unref(loop);
}

void stats_loop_unwatch(struct ev_loop *loop)
{
    uint64_t now_ns;

    if (now_doing.slot == NULL)
        return;
    now_ns = clock_now_ns();
    now_doing.read_ns = now_ns - READING_NS; /* the last reading is due */
    add_time(now_ns);
    end_turn();
    ev_ref(loop);
    ev_ref(loop);
    ev_prepare_stop(loop, &now_doing.prepare);
    ev_check_stop(loop, &now_doing.check);
    now_doing.slot = NULL;
}
