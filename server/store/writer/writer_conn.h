/*
 * A front's connection, in the writer process: reads the front's writes into the
 * group that is committed next, and sends the answers. The writer's thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_CONN_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_CONN_H

#include "server/store/writer/writer_commit.h"

/* The connections read no more once the group has one of these sizes. */
#define WRITER_GROUP_WRITES 1024
#define WRITER_GROUP_BYTES  (UINT64_C(16) << 20)

struct ev_loop;
struct writer_conn;

/* What all connections of the writer share. */
struct writer_shared {
    struct ev_loop *loop;
    struct list conns;    /* of struct writer_conn */
    struct list group;    /* of struct writer_op: received, not done yet */
    uint64_t group_bytes; /* documents in it */
    uint64_t group_writes;
    uint64_t last_version; /* in the store; each HELLO has it */
};

/* Takes over an accepted descriptor and sends HELLO. Returns NULL, with the descriptor
   closed, if the peer runs as another user. The connection belongs to `shared`. */
struct writer_conn *writer_conn_create(struct writer_shared *shared, int fd);

/* Queues the answer to a write, and frees the write. */
void writer_conn_answer(struct writer_op *op, struct writer_totals totals);

/* Sends the queued answers of all connections and closes connections that have ended.
   Returns how many. The group must be empty, because a connection must outlive its
   writes.
   */
unsigned writer_conn_sweep(struct writer_shared *shared);

/* Queues BYE for all fronts. */
void writer_conn_say_bye_all(struct writer_shared *shared);

/* Closes all connections and drops the group. */
void writer_conn_close_all(struct writer_shared *shared);

/* Takes bytes as they come from a front; -1 if they break a rule. Public for tests. */
int writer_conn_take(struct writer_conn *conn, const uint8_t *bytes, size_t len)
    __attribute__((warn_unused_result));

#endif
