#include "worker/priority.h"

#include <sys/resource.h>

#include "common/loop/cpu_slice.h"
#include "common/base/log.h"

/* nice, and not SCHED_BATCH: a batch thread still has an equal share of the processor,
   and only wakes up more lazily, which makes jobs wait and spares the loops nothing. */
void priority_lower(void)
{
    int now = getpriority(PRIO_PROCESS, 0);

    if (now < PRIORITY_NICE && setpriority(PRIO_PROCESS, 0, PRIORITY_NICE) != 0)
        log_warn("cannot lower the priority: %m");
    cpu_slice_suit_offers();
}
