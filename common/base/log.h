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

#endif
