#include "common/base/log_limited.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* The log cuts longer lines too. */
#define TEXT_MAX_BYTES 2048

void log_limited_warn(struct log_limited *limited, enum log_interval interval,
                      const char *format, ...)
{
    uint64_t now_ns = clock_now_ns();
    char text[TEXT_MAX_BYTES];
    va_list args;

    if (limited->logged_ns != 0 &&
        now_ns - limited->logged_ns < (uint64_t)interval * NS_PER_S) {
        limited->skipped++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (limited->skipped > 0)
        log_warn("%s (and %u more since the last line)", text, limited->skipped);
    else
        log_warn("%s", text);
    limited->logged_ns = now_ns;
    limited->skipped = 0;
}
