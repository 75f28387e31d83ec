/*
 * Who this worker process is, as it tells every server. Made once at start,
 * read-only afterwards: any thread may read.
 */
#ifndef OFFLOOP_WORKER_HELLO_H
#define OFFLOOP_WORKER_HELLO_H

#include "proto/wire.h"

/* Fills in a fresh identity (random id, boot id, pid) of a worker with that engine; the
   name must outlive the hello. Ends the process where the kernel gives no randomness. */
void hello_init(struct wire_hello *hello_r, const char *engine);

#endif
