/*
 * The sockets between simulated clients and the front. The front's end is a descriptor
 * number that only the wrapped system calls know (sim_system.c); the client's end are the
 * functions below. A socket's two directions are buffers of bytes: what the client wrote
 * and the front has not read, and what the front sent and the client has not read, which
 * is bounded like a socket's buffer.
 *
 * The room that the sockets take is freed by sim_sockets_end(), which also checks that
 * the front has closed all of its descriptors.
 */
#ifndef OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_SOCKET_H
#define OFFLOOP_TESTS_SIMULATION_SYSTEM_SIM_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "common/base/buf.h"

struct sim_socket;

/* Begins and ends an execution. */
void sim_sockets_begin(void);
void sim_sockets_end(void);

/* ---- the client's end ---- */

/* Connects; the front finds the socket when it accepts. `wake(owner)` is called when
   something has come from the front. */
struct sim_socket *sim_socket_connect(void *owner, void (*wake)(void *owner),
                                      size_t capacity);

/* Gives the front bytes. */
void sim_socket_write(struct sim_socket *socket, struct slice bytes);

/* Reads at most `most` bytes, appends them, and returns how many. */
size_t sim_socket_read(struct sim_socket *socket, size_t most, struct buf *to);

/* True where all was read and nothing more comes. */
bool sim_socket_is_over(const struct sim_socket *socket);

/* True where the front's close was a reset: what was not read may be lost. */
bool sim_socket_was_reset(const struct sim_socket *socket);

/* True where the front has closed its end. */
bool sim_socket_is_closed(const struct sim_socket *socket);

/* Sends FIN, or RST. After either the client writes no more; after a RST nothing at all
   happens on the socket. */
void sim_socket_finish(struct sim_socket *socket);
void sim_socket_reset(struct sim_socket *socket);

/* ---- the front's end: what the system calls do ---- */

/* The listening socket's descriptor. */
int sim_socket_listener(void);

/* True for a descriptor of this room that is open. */
bool sim_socket_is_open(int fd);

/* True for a descriptor of this room, open or not. */
bool sim_socket_is_ours(int fd);

/* EV_READ and EV_WRITE, as far as the descriptor is ready. */
int sim_socket_ready(int fd);

/* The calls; -1 with errno. */
int sim_socket_open_spare(void);
int sim_socket_accept(int fd);
ssize_t sim_socket_recv(int fd, void *bytes, size_t most);
ssize_t sim_socket_send(int fd, const struct iovec *iov, size_t count);
int sim_socket_unacknowledged(int fd);
int sim_socket_shutdown(int fd);
void sim_socket_linger_hard(int fd);
int sim_socket_close(int fd);

#endif
