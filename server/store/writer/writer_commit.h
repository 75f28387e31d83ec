/*
 * Commits a group of writes to LMDB: many writes, one transaction, one flush to
 * the disk.
 *
 * A group is tried as one transaction. If anything in it fails (no space, a full
 * disk), its halves are tried, and so on down to single writes, so that a write
 * that does not fit never makes others fail.
 *
 * The writer's thread only.
 */
#ifndef OFFLOOP_SERVER_STORE_WRITER_WRITER_COMMIT_H
#define OFFLOOP_SERVER_STORE_WRITER_WRITER_COMMIT_H

#include "common/base/list.h"
#include "server/store/lmdb/lmdb_free_space.h"
#include "server/store/writer/writer_protocol.h"

/* One write, as received. */
struct writer_op {
    struct list link;
    void *origin; /* the connection that gets the answer */
    struct writer_head head;
    enum store_status status; /* results */
    uint64_t version;
    uint8_t bytes[]; /* collection, id, document */
};

/* Totals since the start. */
struct writer_totals {
    uint64_t commits;      /* transactions written */
    uint64_t writes;       /* writes done, refused ones included */
    uint64_t last_version; /* in the store, at the last commit of this writer */
};

struct writer_commit;

/* Makes a committer for an open environment, which must outlive it. */
struct writer_commit *writer_commit_create(struct lmdb_db *db);

/* on_step is called after each transaction; a group may need many. */
void writer_commit_set_step(struct writer_commit *commit, void (*on_step)(void *ctx),
                            void *ctx);

/* Frees it; NULL inside is allowed. */
void writer_commit_destroy(struct writer_commit **commit);

/* Commits all writes of a list of struct writer_op and sets their results. Writes that
   end as OK or CREATED are on the disk then. Returns -1 if the environment cannot be used
   any more and the process must be replaced; the writes end as ERROR. */
int writer_commit_run(struct writer_commit *commit, struct list *ops);

/* The totals. */
struct writer_totals writer_commit_totals(const struct writer_commit *commit);

/* The document's name; points into the op. */
struct store_key writer_op_key(const struct writer_op *op);

#endif
