/*
 * A seat: the PAIR0 socket that a front keeps for one worker. It takes one peer
 * in its life; when that one leaves, the seat is closed and another made, so
 * that nothing which nng still has in its buffers reaches a later peer.
 *
 * What happens to it arrives in the inbox, from nng's threads. Loop thread
 * only; no call waits for anything.
 */
#ifndef OFFLOOP_SERVER_RPC_SEAT_H
#define OFFLOOP_SERVER_RPC_SEAT_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "server/rpc/address.h"

struct inbox;
struct reaper;
struct seat;

/* Opens a seat that listens at *address (whose port 0 becomes the one that was bound) and
   takes messages of at most max_message_bytes. Returns NULL with *why_r (static text)
   where it cannot. The caller ends it with seat_close(). */
struct seat *seat_open(struct inbox *inbox, uint64_t id, struct address *address,
                       size_t max_message_bytes, const char **why_r);

/* Sends one message, made of a head and pieces behind it; all are copied. Returns -1
   where nng would not take it: no peer, or too much is waiting already. */
int seat_send(struct seat *seat, struct slice head, const struct slice *pieces,
              unsigned count) __attribute__((warn_unused_result));

/* To be called when a message of that many bytes from the seat is taken out of the inbox:
   a peer that sends faster than that is not read from for a while. */
void seat_took(struct seat *seat, size_t bytes);

/* Closes the seat on the reaper's thread; nothing new of it arrives in the inbox once
   that is done (older events may). NULL inside is allowed. */
void seat_close(struct seat **seat, struct reaper *reaper);

#endif
