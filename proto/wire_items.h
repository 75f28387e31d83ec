/*
 * How many items each MessagePack array of a message has: the first thing that
 * a reader checks and a writer says. Both directions use it and nothing else
 * does: private to proto/. PROTOCOL.md names the items; a number that changes
 * here is another protocol version.
 */
#ifndef OFFLOOP_PROTO_WIRE_ITEMS_H
#define OFFLOOP_PROTO_WIRE_ITEMS_H

/* Items of the arrays; PROTOCOL.md names them. */
enum {
    HELLO_ITEMS = 8,
    CRASH_ITEMS = 2,
    WELCOME_ITEMS = 2,
    SEAT_ITEMS = 3,
    REFUSED_ITEMS = 2,
    ASK_ITEMS = 2,
    CHALLENGE_ITEMS = 2,
    PROOF_ITEMS = 1,
    SEAT_HELLO_ITEMS = 2,
    SEAT_WELCOME_ITEMS = 2,
    ARENA_ITEMS = 3,
    ARENA_POOL_ITEMS = 4, /* where a pool stands beside it */
    ARENA_FAST_ITEMS = 5, /* and where a fast path does */
    JOB_ITEMS = 10,
    REPLY_SPACE_ITEMS = 2,
    RESULT_ITEMS = 8,
    ALIVE_ITEMS = 3,
    APP_HELLO_ITEMS = 3,
    APP_WELCOME_ITEMS = 5
};

/* The one kind of fast path that there is. */
enum { FASTPATH_SOCKET = 1 };

#endif
