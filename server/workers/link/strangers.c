#include "server/workers/link/strangers.h"

#include "common/base/clock.h"
#include "common/base/log.h"

#define TELL_EVERY_NS (60 * NS_PER_S)

void strangers_note(struct strangers *strangers, const char *url, const char *why)
{
    uint64_t now_ns = clock_now_ns();

    if (strangers->told_ns != 0 && now_ns - strangers->told_ns < TELL_EVERY_NS) {
        strangers->untold++;
        return;
    }
    if (strangers->untold > 0)
        log_warn("%s: a stranger was turned away: %s (and %u more since the last line)",
                 url, why, strangers->untold);
    else
        log_warn("%s: a stranger was turned away: %s", url, why);
    strangers->told_ns = now_ns;
    strangers->untold = 0;
}
