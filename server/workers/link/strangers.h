/*
 * A log of those who are turned away: the first is told at once, the others
 * once a minute by their number, so that nobody can fill a disk by knocking.
 * Loop thread.
 */
#ifndef OFFLOOP_SERVER_WORKERS_LINK_STRANGERS_H
#define OFFLOOP_SERVER_WORKERS_LINK_STRANGERS_H

#include <stdint.h>

/* Starts as zeros. */
struct strangers {
    uint64_t told_ns; /* when a line was written last; 0 for never */
    unsigned untold;  /* turned away since */
};

/* Somebody was turned away at that address, for that reason. */
void strangers_note(struct strangers *strangers, const char *url, const char *why);

#endif
