/*
 * A peer of an nng ipc:// listener, by hand: a plain socket and a few bytes.
 * Tests that play a worker beside their own front use it, as nng's closing of
 * a socket may wait for ever (nng 1543): here nothing is closed but a
 * descriptor. What does not come within SP_PEER_PATIENCE_S fails the test.
 */
#ifndef OFFLOOP_TESTS_SP_PEER_H
#define OFFLOOP_TESTS_SP_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

#define SP_PEER_PATIENCE_S 60

/* The protocols' numbers. */
#define SP_PAIR0 0x10
#define SP_REQ0  0x30

/* Bytes of either side's opening. */
#define SP_OPENING_BYTES 8

struct sp_peer {
    int fd;
    struct buf in; /* received and not yet looked at */
};

/* Connects to the ipc:// URL, without a word; returns the descriptor, or -1 where nobody
   listens or accepts. */
int sp_peer_dial(const char *url);

/* Sends the first `len` bytes of an opening, and does not care whether they arrive. */
void sp_peer_open(int fd, uint8_t protocol, unsigned len);

/* Connects and shakes hands as that protocol. */
void sp_peer_connect(struct sp_peer *peer, const char *url, uint8_t protocol);

/* Sends one message: the head (empty for PAIR0, the request's id for REQ0), then the
   body. */
void sp_peer_send(struct sp_peer *peer, struct slice head, struct slice body);

/* Reads what has come, without waiting; true where that begins with a whole message. Of
   the form that rpc_fixture_run_until() takes. */
bool sp_peer_has_message(void *peer);

/* That message, valid until the next call. */
struct slice sp_peer_message(const struct sp_peer *peer);

/* Hangs up and frees. */
void sp_peer_close(struct sp_peer *peer);

#endif
