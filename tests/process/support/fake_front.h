/*
 * The server's side of the RPC, for tests of workers: a gate that answers
 * hellos as told, and fronts whose seats the test plays by hand, message by
 * message. Everything listens on ipc:// sockets in a fresh directory under
 * /tmp, which is removed at the end. Nothing waits longer than
 * FAKE_FRONT_PATIENCE_MS; what does not come by then fails the test.
 */
#ifndef OFFLOOP_TESTS_FAKE_FRONT_H
#define OFFLOOP_TESTS_FAKE_FRONT_H

#include <stdbool.h>

#include <nng/nng.h>

#include "common/base/buf.h"
#include "proto/wire.h"

#define FAKE_FRONT_PATIENCE_MS 20000
#define FAKE_FRONT_SEATS       4

/* How the gate answers a hello. */
enum fake_gate_mode {
    FAKE_GATE_WELCOME,
    FAKE_GATE_REFUSE,
    FAKE_GATE_WRONG_VERSION,
    FAKE_GATE_GARBAGE,
    FAKE_GATE_SILENT /* takes the hello, never answers */
};

struct fake_front;

/* A server without a gate yet; the tests' main thread owns it. */
struct fake_front *fake_front_create(void);

/* Closes and removes everything. */
void fake_front_destroy(struct fake_front **server);

/* Where workers are to say hello, whether the gate listens or not. */
const char *fake_front_url(const struct fake_front *server);

/* Starts and stops the gate; its thread answers hellos. */
void fake_front_open_gate(struct fake_front *server);
void fake_front_close_gate(struct fake_front *server);

/* How it answers from now on. */
void fake_front_set_gate(struct fake_front *server, enum fake_gate_mode mode);

/* Returns once the gate has taken this many more hellos. */
void fake_front_wait_hellos(struct fake_front *server, unsigned more);

/* How many hellos the gate has taken so far, and waiting until it has taken more. */
unsigned fake_front_count_hellos(struct fake_front *server);
void fake_front_wait_hellos_beyond(struct fake_front *server, unsigned count);

/* The last hello's worker. */
struct wire_hello fake_front_last_hello(struct fake_front *server);

/* Opens a seat (by index) with a new socket and incarnation, not listed yet. */
void fake_front_open_seat(struct fake_front *server, unsigned seat, uint64_t incarnation);

/* Listens, or not, on the seat's URL; the gate tells of it, or not. */
void fake_front_close_seat(struct fake_front *server, unsigned seat);
void fake_front_list_seat(struct fake_front *server, unsigned seat, bool is_listed);

/* The path behind the seat's URL, for tests that listen there themselves. */
const char *fake_front_seat_path(struct fake_front *server, unsigned seat);

/* Gives a seat its incarnation and URL and lists it, but does not listen. */
void fake_front_name_seat(struct fake_front *server, unsigned seat, uint64_t incarnation);

/* Closes the seat's connection. */
void fake_front_hang_up(struct fake_front *server, unsigned seat);

/* Returns once the seat has no connection. */
void fake_front_wait_gone(struct fake_front *server, unsigned seat);

/* Returns the next message but for unasked ALIVEs; it lives until the next call. */
const struct wire_message *fake_front_recv(struct fake_front *server, unsigned seat);

/* The same, ALIVEs included. */
const struct wire_message *fake_front_recv_any(struct fake_front *server, unsigned seat);

/* Receives, and checks that it is of this type. */
const struct wire_message *fake_front_expect(struct fake_front *server, unsigned seat,
                                             enum wire_type type);

/* Returns once the worker says that it is running this job: it is asked by PINGs until
   then. No result may come meanwhile. */
void fake_front_await_running(struct fake_front *server, unsigned seat, uint64_t id);

/* Waits for a connection whose first message is the SEAT_HELLO of the worker that said
   hello last; what is left of earlier connections is skipped. */
void fake_front_expect_hello(struct fake_front *server, unsigned seat);

/* Sends bytes as they are. */
void fake_front_send(struct fake_front *server, unsigned seat, struct slice bytes);

/* Sends a batch, payloads and all. */
void fake_front_send_jobs(struct fake_front *server, unsigned seat,
                          const struct wire_job *jobs, unsigned count);

/* A job of a text, with sane limits. */
struct wire_job fake_front_job(uint64_t id, unsigned op, const char *text);

#endif
