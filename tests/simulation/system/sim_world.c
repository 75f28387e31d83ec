#include "tests/simulation/system/sim_world.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"

/* Events awaited at once. */
#define EVENTS_MAX 8192

/* The clock begins here, so that no time is 0 and none before it is negative. */
#define BEGIN_NS (1000000 * NS_PER_S)

static struct {
    uint64_t seed;
    struct sim_limits limits;
    uint32_t faults;
    struct sim_load load;
    uint64_t now_ns;
    uint64_t order;
    uint64_t hash;
    struct sim_event *heap[EVENTS_MAX + 1]; /* from 1 */
    size_t count;
    char *failure;
} world;

/* ---- random numbers: splitmix64 ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint64_t next(struct sim_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(random->state);
}

struct sim_random sim_random_stream(uint64_t part, uint64_t number)
{
    return (struct sim_random){mix(mix(world.seed + 1) ^ mix(part * 1000003 + number))};
}

uint64_t sim_below(struct sim_random *random, uint64_t count)
{
    assert(count > 0);
    return (uint64_t)(((unsigned __int128)next(random) * count) >> 64);
}

bool sim_chance(struct sim_random *random, unsigned parts)
{
    return sim_below(random, 1024) < parts;
}

uint64_t sim_some_ns(struct sim_random *random, uint64_t most_ns)
{
    unsigned bits = 64 - (unsigned)__builtin_clzll(most_ns | 1);
    uint64_t below = UINT64_C(1) << sim_below(random, bits);

    return sim_below(random, below < most_ns ? below * 2 : most_ns) % (most_ns + 1);
}

/* ---- beginning and end ---- */

/* A quarter of the seeds has no faults, and most have a few. */
static uint32_t choose_faults(void)
{
    struct sim_random random = sim_random_stream('f', 0);
    unsigned parts = (unsigned)sim_below(&random, 4) * 128;
    uint32_t faults = 0;

    for (unsigned i = 0; i < SIM_FAULTS; i++)
        if (sim_chance(&random, parts))
            faults |= SIM_BIT(i);
    return faults;
}

static void choose_load(struct sim_load *load_r)
{
    static const uint64_t times_ns[] = {50 * NS_PER_US, 2 * NS_PER_MS, 15 * NS_PER_MS,
                                        60 * NS_PER_MS};
    struct sim_random random = sim_random_stream('L', 0);

    load_r->clients = sim_chance(&random, 160) ? 12 : 5;
    load_r->names = 1 + (unsigned)sim_below(&random, 5);
    load_r->large = sim_chance(&random, 64) ? 200 : 16;
    load_r->begin_ns = times_ns[sim_below(&random, 4)];
    load_r->step_ns = times_ns[sim_below(&random, 3)];
    load_r->work_ns = times_ns[sim_below(&random, 3)];
    load_r->store_ns = times_ns[sim_below(&random, 3)];
}

static void trace_faults(void)
{
    static const char *const names[] = {
#define X(name, text, what) text,
        SIM_FAULT_MAP(X)
#undef X
    };

    for (unsigned i = 0; i < SIM_FAULTS; i++)
        if (sim_has(i))
            sim_trace("fault %s", names[i]);
}

void sim_world_begin(uint64_t seed, const struct sim_limits *limits)
{
    assert(world.count == 0);
    world.seed = seed;
    world.limits = *limits;
    world.now_ns = BEGIN_NS;
    world.order = 0;
    world.hash = seed;
    world.faults = choose_faults() & ~limits->without;
    choose_load(&world.load);
    trace_faults();
}

void sim_world_end(void)
{
    while (world.count > 0)
        sim_event_cancel(world.heap[1]);
}

const struct sim_load *sim_load(void)
{
    return &world.load;
}

uint64_t sim_seed(void)
{
    return world.seed;
}

const struct sim_limits *sim_limits(void)
{
    return &world.limits;
}

bool sim_has(enum sim_fault fault)
{
    return (world.faults & SIM_BIT(fault)) != 0;
}

bool sim_has_any(uint32_t faults)
{
    return (world.faults & faults) != 0;
}

/* ---- time ---- */

uint64_t sim_now_ns(void)
{
    return world.now_ns;
}

void sim_pass_to(uint64_t now_ns)
{
    assert(now_ns >= world.now_ns);
    world.now_ns = now_ns;
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(size_t place, struct sim_event *event)
{
    world.heap[place] = event;
    event->place = place;
}

static void sift_up(size_t place)
{
    struct sim_event *event = world.heap[place];

    for (; place > 1 && is_before(event, world.heap[place / 2]); place /= 2)
        put(place, world.heap[place / 2]);
    put(place, event);
}

static void sift_down(size_t place)
{
    struct sim_event *event = world.heap[place];

    for (;;) {
        size_t child = place * 2;

        if (child > world.count)
            break;
        if (child < world.count && is_before(world.heap[child + 1], world.heap[child]))
            child++;
        if (!is_before(world.heap[child], event))
            break;
        put(place, world.heap[child]);
        place = child;
    }
    put(place, event);
}

void sim_event_cancel(struct sim_event *event)
{
    size_t place = event->place;
    struct sim_event *last;

    if (place == 0)
        return;
    last = world.heap[world.count--];
    event->place = 0;
    if (last == event)
        return;
    put(place, last);
    sift_up(place);
    sift_down(last->place);
}

void sim_event_at(struct sim_event *event, uint64_t at_ns,
                  void (*run)(struct sim_event *event))
{
    sim_event_cancel(event);
    assert(world.count < EVENTS_MAX);
    event->at_ns = at_ns > world.now_ns ? at_ns : world.now_ns;
    event->order = world.order++;
    event->run = run;
    put(++world.count, event);
    sift_up(world.count);
}

uint64_t sim_next_event_ns(void)
{
    return world.count == 0 ? UINT64_MAX : world.heap[1]->at_ns;
}

void sim_run_events(void)
{
    while (world.count > 0 && world.heap[1]->at_ns <= world.now_ns) {
        struct sim_event *event = world.heap[1];

        sim_event_cancel(event);
        event->run(event);
    }
}

/* ---- what is told ---- */

void sim_trace(const char *format, ...)
{
    va_list args;

    if (!world.limits.trace)
        return;
    printf("%12.3f us  ", (double)(world.now_ns - BEGIN_NS) / 1e3);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

void sim_note(uint64_t number)
{
    world.hash = mix(world.hash ^ number) + world.now_ns;
}

uint64_t sim_noted(void)
{
    return world.hash;
}

void sim_keep_failure(char *text)
{
    world.failure = text;
}

void sim_fail(const char *format, ...)
{
    char text[SIM_FAILURE_BYTES];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    sim_trace("FAILED: %s", text);
    if (world.failure != NULL)
        memcpy(world.failure, text, sizeof text);
    else
        fprintf(stderr, "simulation: seed %llu: %s\n", (unsigned long long)world.seed,
                text);
    fflush(NULL);
    _exit(1);
}
