/*
 * A seat: the PAIR0 socket that a front keeps for one worker. It takes one peer
 * in its life; when that one leaves, the seat is closed and another made, so
 * that nothing which nng still has in its buffers reaches a later peer.
 *
 * What happens to it arrives in the inbox, from nng's threads. Loop thread
 * only; no call waits for anything.
 */
#ifndef OFFLOOP_SERVER_WORKERS_LINK_SEAT_H
#define OFFLOOP_SERVER_WORKERS_LINK_SEAT_H

#include <nng/nng.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "server/workers/link/rpc_address.h"

struct inbox;
struct nng_tls_config;
struct socket_closer;
struct seat;

/* Opens a seat that listens at *address (whose port 0 becomes the one that was bound) and
   takes messages of at most max_message_bytes; `tls` is for tls+tcp:// addresses, NULL
   for others, and is held as long as the seat. Returns NULL with *why_r (static text)
   where it cannot. The caller ends it with seat_close(). */
struct seat *seat_open(struct inbox *inbox, uint64_t id, struct rpc_address *address,
                       size_t max_message_bytes, struct nng_tls_config *tls,
                       const char **why_r);

/* A message that begins with a copy of the head; what fills the bytes behind it is the
   caller's to say before it is sent. The caller ends it with nng_msg_free() or
   seat_send().
 */
nng_msg *seat_make_message(struct slice head, size_t bytes_behind);

/* Sends a message and takes it over. Returns -1 where nng would not take it: no peer, or
   too much is waiting already; it is still the caller's then. */
int seat_send(struct seat *seat, nng_msg *message) __attribute__((warn_unused_result));

/* To be called when a message of that many bytes from the seat is taken out of the inbox:
   a peer that sends faster than that is not read from for a while. */
void seat_took(struct seat *seat, size_t bytes);

/* Closes the seat on the socket closer's thread; nothing new of it arrives in the inbox
   once that is done (older events may). NULL inside is allowed. */
void seat_close(struct seat **seat, struct socket_closer *socket_closer);

#endif
