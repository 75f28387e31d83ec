/*
 * The writer process: receives writes from the fronts, commits them to LMDB in
 * groups (all that arrived while the last group was flushed), and answers when
 * they are on the disk. It is a process of its own because a flush blocks.
 *
 * - It keeps no state outside LMDB: killed at any moment it loses only what it
 *   has not answered. Two may run at a time (an upgrade): LMDB's lock orders
 *   their transactions.
 * - It accepts fronts on a socket that its master made and keeps, so that a
 *   writer that follows another has the same address.
 * - SIGTERM: it says BYE to the fronts, does and answers what they had begun
 *   to send, and ends (after WRITER_DRAIN_S at the latest). Fronts keep later
 *   writes for the next writer.
 * - End of file on control_fd (the master is gone): it serves until the last
 *   front has closed its connection, for WRITER_ORPHAN_S at most.
 * - SIGINT is ignored: a terminal sends it to everybody, and the fronts go first.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#define WRITER_DRAIN_S  10.0
#define WRITER_ORPHAN_S 60.0

/* More bytes than this in one group are told of as work that takes its time. */
#define WRITER_BUSY_BYTES (UINT64_C(16) << 20)

/* A group is committed when it has grown to this, if not before. */
#define WRITER_GROUP_WRITES 1024
#define WRITER_GROUP_BYTES  (UINT64_C(16) << 20)

struct writer_conn;

/* What a writer is told. */
struct store_writer_config {
    const char *url;   /* "lmdb:DIR" */
    uint64_t lmdb_max; /* bytes that the map may have; less than is used counts as that */
    bool sync;         /* flush before answering; false: only kill -9 is survived */
    int listen_fd;     /* AF_UNIX stream, listening; stays the caller's */
    int control_fd;    /* the socket to the master, or -1; stays the caller's */
    void (*on_ready)(void *ctx); /* the store is open; may be NULL */
    void (*on_did)(void *ctx);   /* the first group is done; may be NULL */
    /* The writer lives: every SPAWN_ALIVE_EVERY_MS, and after each transaction. busy:
       before a group that may take much longer. May be NULL. */
    void (*on_alive)(void *ctx, bool is_busy);
    void *ctx;
};

/* Runs a writer to its end. Returns 0 after draining, EXIT_FATAL (1) with the reason in
   the log where the store cannot be opened or has become unusable. */
int store_writer_main(const struct store_writer_config *config);

#endif
