/*
 * The log: one line on stderr per event, written with one write(2) so that
 * lines of several processes do not mix:
 *
 *     2026-11-22T10:28:50.123Z offloop-server[123] front 0: warning: text
 *
 * info  = something an operator asked for happened (started, draining)
 * warn  = a peer misbehaved, or something is being retried
 * fatal = the environment failed: the process exits with EXIT_FATAL
 * panic = the program is wrong: the process aborts
 *
 * A failure is logged once, where it is handled. Text from peers is an argument, never
 * the format; control characters in it become '?'. Every process and thread may call.
 */
#ifndef OFFLOOP_COMMON_BASE_LOG_H
#define OFFLOOP_COMMON_BASE_LOG_H

#include <stdint.h>

/* Exit status after log_fatal(): the environment failed. */
#define EXIT_FATAL 1

/* Names the process in every line ("offloop-server", "front 0"); role may be
   NULL. Copies both. Call once at start, before there are threads. */
void log_open(const char *program, const char *role);

/* Logs an event that an operator wants to see. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Logs that a peer misbehaved or that something is retried. */
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Logs that the environment failed, and exits with EXIT_FATAL. */
void log_fatal(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Logs that the program is wrong, and aborts. */
void log_panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* A warning whose cause may come again and again (a peer that misbehaves in a loop) is
   logged once in a while: the first one at once, and the next line also says how many
   were left out. One struct for each cause; one thread at a time for each struct. */
struct log_limited {    /* starts as zeros */
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
