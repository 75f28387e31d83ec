#include "common/loop/cpu_slice.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SHORT_NS 500000
#define OFFER_NS 150000

/* The first version of the kernel's struct sched_attr, which the C library lacks. */
struct attributes {
    uint32_t size;
    uint32_t policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime;
    uint64_t deadline;
    uint64_t period;
};

static void set(uint64_t slice_ns)
{
    int policy = sched_getscheduler(0);
    struct attributes attributes = {.size = sizeof attributes,
                                    .policy = (uint32_t)policy,
                                    .nice = getpriority(PRIO_PROCESS, 0),
                                    .runtime = slice_ns};

    /* A refusal is no error: the thread only waits longer for the processor. */
    if (policy == SCHED_OTHER || policy == SCHED_BATCH)
        (void)syscall(SYS_sched_setattr, 0, &attributes, 0);
}

void cpu_slice_shorten(void)
{
    set(SHORT_NS);
}

void cpu_slice_suit_offers(void)
{
    set(OFFER_NS);
}
