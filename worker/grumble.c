#include "worker/grumble.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#define GRUMBLE_EVERY_NS (10 * NS_PER_S)

void grumble_about(struct grumble *grumble, const char *url, const char *what)
{
    uint64_t now_ns = clock_now_ns();

    if (grumble->last_ns && now_ns - grumble->last_ns < GRUMBLE_EVERY_NS) {
        grumble->swallowed++;
        return;
    }
    if (grumble->swallowed)
        log_warn("%s: %s (and %u times more since the last report)", url, what,
                 grumble->swallowed);
    else
        log_warn("%s: %s", url, what);
    grumble->last_ns = now_ns;
    grumble->swallowed = 0;
}
