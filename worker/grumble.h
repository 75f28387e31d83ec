/*
 * Complaints about a peer, at most one every ten seconds: one that misbehaves
 * in a loop must not fill the log. One object per peer; any thread, one at a
 * time per object.
 */
#ifndef OFFLOOP_WORKER_GRUMBLE_H
#define OFFLOOP_WORKER_GRUMBLE_H

#include <stdint.h>

/* Zero-initialise. */
struct grumble {
    uint64_t last_ns;
    unsigned swallowed; /* since the last that was logged */
};

/* log_warn("URL: what") unless there was one just now; later the number of those
   swallowed is told. */
void grumble_about(struct grumble *grumble, const char *url, const char *what);

#endif
