/*
 * Tells the service manager the state of a daemon: systemd's sd_notify protocol
 * (datagrams to $NOTIFY_SOCKET), without its library. Without that variable nothing is
 * sent. Nothing here is an error.
 *
 * Masters only; their children do not get the variables.
 */
#ifndef OFFLOOP_COMMON_PROCESS_NOTIFY_H
#define OFFLOOP_COMMON_PROCESS_NOTIFY_H

#include <stdint.h>

/* The messages to the manager. */
enum notify_state {
    NOTIFY_READY,     /* serving; also the end of a reload, even a failed one */
    NOTIFY_RELOADING, /* a reload has begun */
    NOTIFY_STOPPING,  /* a drain has begun */
    NOTIFY_WATCHDOG   /* a sign of life */
};

/* Sends the message to the manager. */
void notify_send(enum notify_state state);

/* The time between two NOTIFY_WATCHDOG: half of $WATCHDOG_USEC, where $WATCHDOG_PID is
   this process or not set; 0 for never. */
uint64_t notify_watchdog_ns(void);

#endif
