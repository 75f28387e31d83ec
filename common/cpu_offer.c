#include "common/cpu_offer.h"

#include <sched.h>
#include <stdbool.h>

static __thread bool enabled;

void cpu_offer_enable(void)
{
    enabled = true;
}

void cpu_offer(void)
{
    if (enabled)
        (void)sched_yield();
}
