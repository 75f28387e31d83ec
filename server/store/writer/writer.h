/*
 * The writer process: it receives writes from the fronts, commits them to LMDB
 * in groups (all that arrive while the last group is flushed), and answers when
 * they are on the disk. It is a process of its own because a flush blocks.
 *
 * - It keeps no state outside LMDB. If it is killed, only writes without an
 *   answer are lost. Two writers may run at a time (during an upgrade): LMDB's
 *   lock orders their transactions.
 * - It accepts fronts on a socket that the master makes and keeps, so that the
 *   next writer has the same address.
 * - SIGTERM: it sends BYE to the fronts, commits and answers the writes that they
 *   have begun to send, and ends, after WRITER_DRAIN_S at the latest. Fronts keep
 *   later writes for the next writer.
 * - End of file on control_fd (the master is gone): it serves until the last
 *   front has closed its connection, for WRITER_ORPHAN_S at most.
 * - SIGINT is ignored: a terminal sends it to all processes, and the fronts must
 *   end first.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#define WRITER_DRAIN_S  10.0
#define WRITER_ORPHAN_S 60.0

/* With more bytes than this in one group, the writer reports that it is busy. */
#define WRITER_BUSY_BYTES (UINT64_C(16) << 20)

/* A writer's configuration. */
struct store_writer_config {
    const char *url;   /* "lmdb:DIR" */
    uint64_t lmdb_max; /* bytes of the map; if the file is larger, its size */
    bool sync;         /* flush before answering; false: a power loss may lose data */
    int listen_fd;     /* AF_UNIX stream, listening; stays the caller's */
    int control_fd;    /* the socket to the master, or -1; stays the caller's */
    void (*on_ready)(void *ctx); /* the store is open; may be NULL */
    void (*on_did)(void *ctx);   /* the first group is committed; may be NULL */
    /* A sign of life: every SPAWN_ALIVE_EVERY_MS, and after each transaction. is_busy: a
       group follows that may take much longer. May be NULL. */
    void (*on_alive)(void *ctx, bool is_busy);
    void *ctx;
};

/* Runs a writer to its end. Returns 0 after draining; EXIT_FATAL (1), with the reason in
   the log, if the store cannot be opened or cannot be used any more. */
int store_writer_main(const struct store_writer_config *config);

#endif
