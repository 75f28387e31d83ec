/*
 * Where a server may send this worker. A gate names the addresses of its fronts, and a
 * front the socket at which it hands out its arena (PROTOCOL.md sections 1 and 4). The
 * worker goes only where its configuration led it: over ipc:// into the directory of the
 * URL that it was given, over a network to fronts by the same scheme. So no server can
 * use it to reach a socket that only the worker may reach.
 *
 * Pure; any thread may call.
 */
#ifndef OFFLOOP_WORKER_LINK_FRONT_ADDRESS_H
#define OFFLOOP_WORKER_LINK_FRONT_ADDRESS_H

#include <stdbool.h>

#include "proto/wire.h"

/* Appends the URL at which the worker dials a front that the gate at gate_url named by
   `named`. Of a path only the name in its directory counts: the directory is the one of
   gate_url. Returns -1, and appends nothing, where the worker must not go there, or where
   that is longer than WIRE_MAX_TEXT_BYTES. */
int front_address_of_seat(const char *gate_url, struct slice named, struct buf *url)
    __attribute__((warn_unused_result));

/* Appends the path of the arena socket that the front at front_url named by `named`, in
   the form of SEAT_WELCOME. Over ipc:// it is a name in the directory of front_url. Over
   a network it must be a name that the kernel picked ('@' and five digits of
   hexadecimal), and the front on this host (is_here). Returns -1, and appends nothing,
   for others. */
int front_address_of_arena_socket(const char *front_url, bool is_here, struct slice named,
                                  struct buf *path) __attribute__((warn_unused_result));

#endif
