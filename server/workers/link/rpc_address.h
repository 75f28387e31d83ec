/*
 * The addresses of the RPC: the URL where workers say hello, and the seats'
 * URLs that derive from it.
 *
 *     ipc:///run/offloop/rpc             the gate
 *     ipc:///run/offloop/rpc-3-4711-9    generation 3, front process 4711, its seat 9
 *     tcp://10.0.0.1:9000                the gate
 *     tcp://10.0.0.1:0                   a seat listens there and asks for its port
 *     tls+tcp://10.0.0.1:9000            the same with TLS
 *
 * nng leaves the file of an ipc socket behind when its process is killed; the
 * names say whose it was. No state; any thread may call.
 */
#ifndef OFFLOOP_SERVER_WORKERS_LINK_RPC_ADDRESS_H
#define OFFLOOP_SERVER_WORKERS_LINK_RPC_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Room for any address here, with its NUL. */
#define RPC_ADDRESS_MAX_BYTES 128

struct rpc_address {
    char url[RPC_ADDRESS_MAX_BYTES];
};

/* The path of an "ipc://" URL (part of it), NULL for other URLs. */
const char *rpc_address_path(const char *url);

/* Makes the directory of an ipc URL, mode 0750, where it is missing (its last component
   only). Returns -1 with errno where that failed; 0 for other URLs. */
int rpc_address_make_directory(const char *url) __attribute__((warn_unused_result));

/* True where some process listens at the ipc URL's path, as far as the kernel's list of
   sockets tells (false for other URLs): found without connecting, which could cost a
   listener its life (nng 1518). */
bool rpc_address_is_taken(const char *url);

/* Where a front's seat number `seat` shall listen. */
void rpc_address_of_seat(const char *gate_url, uint64_t generation, pid_t front,
                         uint64_t seat, struct rpc_address *address_r);

/* Puts the port that was bound in the place of port 0; no-op for ipc URLs. */
void rpc_address_set_port(struct rpc_address *address, int port);

/* True for tls+tcp:// URLs. */
bool rpc_address_is_tls(const char *url);

/* Puts that host in the place of a wildcard one (0.0.0.0, [::]), which is no address that
   somebody else could connect to; no-op for other URLs. Returns true where it did. */
bool rpc_address_set_host(struct rpc_address *address, const char *host);

/* Unlinks what seats of dead processes left beside the gate's socket. Returns how many
   files went. */
unsigned rpc_address_sweep(const char *gate_url);

#endif
