/*
 * One front's connection, as the writer sees it: bytes become writes, answers
 * become bytes. The writer's thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_CONN_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_CONN_H

#include "server/store/writer/writer_commit.h"

struct ev_loop;
struct writer_conn;

/* What connections share and report to. */
struct writer_shared {
    struct ev_loop *loop;
    struct list conns;    /* of struct writer_conn */
    struct list group;    /* of struct writer_op: received, not done yet */
    uint64_t group_bytes; /* documents in it */
    uint64_t group_writes;
    uint64_t last_version; /* in the store: told to fronts that come */
};

/* Takes over an accepted descriptor and says HELLO. Returns NULL, and has closed it,
   where the peer is a stranger. The hub owns the connection. */
struct writer_conn *writer_conn_create(struct writer_shared *shared, int fd);

/* Queues the answer to a write that is done, and frees it. */
void writer_conn_answer(struct writer_op *op, struct writer_totals totals);

/* Sends what is queued on all connections and ends those that are over. Returns how many
   ended. No write of the group may be undone: a connection must outlive its writes. */
unsigned writer_conn_sweep(struct writer_shared *shared);

/* Asks all fronts to send nothing more. */
void writer_conn_say_bye_all(struct writer_shared *shared);

/* Closes all connections and drops the group. */
void writer_conn_close_all(struct writer_shared *shared);

/* Takes bytes as they come from a front; -1 where they break a rule. For tests too. */
int writer_conn_take(struct writer_conn *conn, const uint8_t *bytes, size_t len)
    __attribute__((warn_unused_result));

#endif
