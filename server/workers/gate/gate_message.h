/*
 * What the gate and the fronts of one server tell each other, as pure bytes:
 * datagrams on the gate's internal SOCK_SEQPACKET socket. Both ends are the
 * same binary; a datagram that is not exactly one of these closes the
 * connection.
 *
 *     HELLO  gate to front    1, then a worker's HELLO as it came (wire.h)
 *     OFFER  front to gate    2, the worker's id, then a WELCOME (wire.h) with the one
 *                             seat that this front has for it
 *     GONE   front to gate    3, the worker's id: the seat is closed
 *     PROMPT gate to front    4, and nothing: another front has come, so its workers
 *                             are to say hello
 *
 * No state; any thread may call.
 */
#ifndef OFFLOOP_SERVER_WORKERS_GATE_GATE_MESSAGE_H
#define OFFLOOP_SERVER_WORKERS_GATE_GATE_MESSAGE_H

#include "proto/wire.h"

/* No datagram is longer: hellos are checked against it before they are passed on. */
#define GATE_MESSAGE_MAX_BYTES 16384

enum gate_message_type {
    GATE_MESSAGE_HELLO = 1,
    GATE_MESSAGE_OFFER = 2,
    GATE_MESSAGE_GONE = 3,
    GATE_MESSAGE_PROMPT = 4
};

struct gate_message {
    enum gate_message_type type;
    struct wire_id worker; /* OFFER, GONE */
    struct slice hello;    /* HELLO: the worker's own bytes, for wire_decode() */
    struct wire_seat seat; /* OFFER: slices point into the datagram */
};

/* Appends a HELLO with the bytes of a worker's hello. */
void gate_message_put_hello(struct buf *out, struct slice hello);

/* Appends an OFFER. */
void gate_message_put_offer(struct buf *out, const struct wire_id *worker,
                            const struct wire_seat *seat);

/* Appends a GONE. */
void gate_message_put_gone(struct buf *out, const struct wire_id *worker);

/* Appends a PROMPT. */
void gate_message_put_prompt(struct buf *out);

/* Reads one datagram; -1 where it is not exactly one. The hello inside a HELLO is not
   looked at; note_r->worker is zero where there is none. */
int gate_message_decode(struct slice datagram, struct gate_message *note_r)
    __attribute__((warn_unused_result));

/* True where the ids are the same. */
bool gate_message_same_worker(const struct wire_id *a, const struct wire_id *b);

#endif
