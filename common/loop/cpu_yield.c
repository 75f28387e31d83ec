#include "common/loop/cpu_yield.h"

#include <sched.h>
#include <stdbool.h>

static __thread bool enabled;

void cpu_yield_enable(void)
{
    enabled = true;
}

void cpu_yield(void)
{
    if (enabled)
        (void)sched_yield();
}
