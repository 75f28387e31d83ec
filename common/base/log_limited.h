/*
 * A warning that is logged at most once in a time, however often its cause
 * comes: a peer that misbehaves in a loop must not fill the disk. The first one
 * is logged at once. The next line that is logged also says how many were left
 * out before it.
 *
 * One struct per cause, owned by whoever declares it. Every process and thread
 * may call, one thread at a time per struct. Nothing can fail.
 */
#ifndef OFFLOOP_COMMON_BASE_LOG_LIMITED_H
#define OFFLOOP_COMMON_BASE_LOG_LIMITED_H

#include <stdint.h>

/* Starts as zeros. */
struct log_limited {
    uint64_t logged_ns; /* when a line was logged last; 0 for never */
    unsigned skipped;   /* warnings since then that were not logged */
};

/* How often a warning may be logged. */
enum log_interval {
    LOG_EVERY_SECOND = 1,
    LOG_EVERY_10_SECONDS = 10,
    LOG_EVERY_MINUTE = 60
};

/* log_warn(), unless the interval since the last line has not passed. */
void log_limited_warn(struct log_limited *limited, enum log_interval interval,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
