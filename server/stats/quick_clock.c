#include "server/stats/quick_clock.h"

#include <assert.h>
#include <stdbool.h>

#include "common/base/clock.h"

/* The speed of the counter is known well enough after the first time, because two
   readings of the clock are off by some 50 ns. Every sync improves it until the second
   time. */
#define KNOWN_AFTER_NS  (10 * NS_PER_MS)
#define BETTER_UNTIL_NS (100 * NS_PER_S)

/* The counter is not believed where it shows more than this between two syncs. */
#define MAX_NS NS_PER_S

#if defined(__x86_64__)
#include <cpuid.h>

#define LEAF_POWER       0x80000007u
#define INVARIANT_CYCLES (1u << 8)

static bool has_cycles(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(LEAF_POWER, &eax, &ebx, &ecx, &edx) != 0 &&
           (edx & INVARIANT_CYCLES) != 0;
}

static uint64_t read_cycles(void)
{
    return __builtin_ia32_rdtsc();
}
#else
static bool has_cycles(void)
{
    return false;
}

static uint64_t read_cycles(void)
{
    return 0;
}
#endif

void quick_clock_start(struct quick_clock *clock)
{
    clock->scale = 0;
    clock->first_ns = clock->ns = clock_now_ns();
    clock->first_cycles = clock->cycles = has_cycles() ? read_cycles() : 0;
}

uint64_t quick_clock_sync(struct quick_clock *clock)
{
    uint64_t passed_ns, passed;

    clock->ns = clock_now_ns();
    if (clock->first_cycles == 0)
        return clock->ns;
    clock->cycles = read_cycles();
    passed_ns = clock->ns - clock->first_ns;
    passed = clock->cycles - clock->first_cycles;
    if (passed_ns >= KNOWN_AFTER_NS && passed_ns < BETTER_UNTIL_NS && passed > 0)
        clock->scale = (uint64_t)(((unsigned __int128)passed_ns << 32) / passed);
    return clock->ns;
}

uint64_t quick_clock_now_ns(const struct quick_clock *clock)
{
    uint64_t cycles, passed_ns;

    assert(clock->ns != 0);
    if (clock->scale == 0)
        return clock_now_ns();
    cycles = read_cycles();
    if (cycles < clock->cycles) /* another core's counter may be a little behind */
        return clock->ns;
    passed_ns =
        (uint64_t)(((unsigned __int128)(cycles - clock->cycles) * clock->scale) >> 32);
    return passed_ns < MAX_NS ? clock->ns + passed_ns : clock_now_ns();
}
