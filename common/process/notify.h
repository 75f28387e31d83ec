/*
 * Telling the service manager how a daemon is: systemd's sd_notify protocol
 * (datagrams to $NOTIFY_SOCKET), without its library. Without that variable
 * nothing is sent, and nothing here is ever an error.
 *
 * Masters only; their children do not get the variables.
 */
#ifndef OFFLOOP_COMMON_PROCESS_NOTIFY_H
#define OFFLOOP_COMMON_PROCESS_NOTIFY_H

#include <stdint.h>

/* What the manager is told. */
enum notify_state {
    NOTIFY_READY,     /* serving; also the end of a reload, whatever came of it */
    NOTIFY_RELOADING, /* a reload has begun */
    NOTIFY_STOPPING,  /* a drain has begun */
    NOTIFY_WATCHDOG   /* still turning */
};

/* Tells the manager. */
void notify_send(enum notify_state state);

/* How often NOTIFY_WATCHDOG is due, from $WATCHDOG_USEC (half of it) where $WATCHDOG_PID
   is this process or not set; 0 for never. */
uint64_t notify_watchdog_ns(void);

#endif
