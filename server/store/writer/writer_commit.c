#include "server/store/writer/writer_commit.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server/store/little_endian.h"
#include "server/store/lmdb/lmdb_layout.h"
#include "server/store/writer/document_version.h"

struct writer_commit {
    struct lmdb_db *db;
    struct lmdb_free_space space;
    struct writer_totals totals;
    struct document_version_source versions;
    uint64_t last_version;      /* within a transaction */
    bool changed;               /* the transaction has something to commit */
    enum store_status logged;   /* the last status logged: one line for each change */
    uint64_t logged_ns;         /* when that was */
    bool dead;                  /* LMDB refuses all further work (MDB_PANIC) */
    void (*on_step)(void *ctx); /* NULL for none */
    void *step_ctx;
};

static int read_number(MDB_txn *txn, MDB_dbi dbi, struct slice name, uint64_t *number_r)
{
    MDB_val key = lmdb_db_val(name), value;
    int rc = mdb_get(txn, dbi, &key, &value);

    *number_r = 0;
    if (rc == 0 && layout_read_number(lmdb_db_slice(value), number_r) < 0)
        rc = MDB_CORRUPTED;
    return rc;
}

/* 0 if it cannot be read; the first write will log the error. */
static uint64_t read_last_version(const struct lmdb_db *db)
{
    uint64_t version = 0;
    MDB_txn *txn;

    if (lmdb_db_begin_read(db, &txn) != 0)
        return 0;
    if (read_number(txn, db->meta, LMDB_META_VERSION, &version) != 0)
        version = 0;
    mdb_txn_abort(txn);
    return version;
}

struct writer_commit *writer_commit_create(struct lmdb_db *db)
{
    struct writer_commit *commit = mem_zalloc(sizeof *commit);

    assert(db->env != NULL);
    commit->db = db;
    document_version_init(&commit->versions);
    commit->totals.last_version = read_last_version(db);
    lmdb_free_space_open(&commit->space, db);
    return commit;
}

void writer_commit_set_step(struct writer_commit *commit, void (*on_step)(void *ctx),
                            void *ctx)
{
    commit->on_step = on_step;
    commit->step_ctx = ctx;
}

void writer_commit_destroy(struct writer_commit **commit)
{
    struct writer_commit *c = *commit;

    *commit = NULL;
    if (c == NULL)
        return;
    lmdb_free_space_close(&c->space);
    mem_free(c);
}

struct writer_totals writer_commit_totals(const struct writer_commit *commit)
{
    return commit->totals;
}

struct store_key writer_op_key(const struct writer_op *op)
{
    const uint8_t *id = op->bytes + op->head.collection_len;

    return (struct store_key){{op->bytes, op->head.collection_len},
                              {id, op->head.id_len}};
}

static struct slice op_payload(const struct writer_op *op)
{
    return (struct slice){op->bytes + op->head.collection_len + op->head.id_len,
                          op->head.payload_len};
}

/* ---- one write in a transaction; all return 0 or LMDB's error ---- */

static int put_number(MDB_txn *txn, MDB_dbi dbi, struct slice name, uint64_t number)
{
    uint8_t bytes[LAYOUT_COUNT_BYTES];
    MDB_val key = lmdb_db_val(name), value = {sizeof bytes, bytes};

    le_put(bytes, sizeof bytes, number);
    return mdb_put(txn, dbi, &key, &value, 0);
}

/* Adds to a collection's count; the record is deleted with the last document. */
static int add_to_count(struct writer_commit *commit, MDB_txn *txn, struct slice name,
                        int change)
{
    MDB_val key = lmdb_db_val(name);
    uint64_t count;
    int rc = read_number(txn, commit->db->collections, name, &count);

    if (rc == MDB_NOTFOUND)
        rc = 0;
    if (rc != 0)
        return rc;
    if (count == 0 && change < 0)
        return MDB_CORRUPTED;
    count += (uint64_t)(int64_t)change;
    if (count > 0)
        return put_number(txn, commit->db->collections, name, count);
    return mdb_del(txn, commit->db->collections, &key, NULL);
}

static int put_document(struct writer_commit *commit, MDB_txn *txn, MDB_val *key,
                        const struct writer_op *op)
{
    struct slice payload = op_payload(op);
    MDB_val value = {LAYOUT_HEAD_BYTES + payload.len, NULL};
    int rc = mdb_put(txn, commit->db->documents, key, &value, MDB_RESERVE);

    if (rc != 0)
        return rc;
    layout_put_head(value.mv_data, (enum store_format)op->head.format, op->version);
    if (payload.len > 0)
        memcpy((uint8_t *)value.mv_data + LAYOUT_HEAD_BYTES, payload.data, payload.len);
    return 0;
}

/* Checks a write's condition: STORE_OK if the write may go on, else its status. */
static enum store_status check_condition(const struct writer_op *op, bool found,
                                         MDB_val old)
{
    struct layout_value value = {.version = 0};

    if (op->head.remove && !found)
        return STORE_NOT_FOUND;
    switch ((enum store_condition)op->head.condition) {
    case STORE_ALWAYS: return STORE_OK;
    case STORE_IF_ABSENT: return found ? STORE_CONFLICT : STORE_OK;
    case STORE_IF_PRESENT: return found ? STORE_OK : STORE_CONFLICT;
    case STORE_IF_VERSION:
        if (!found || layout_read_value(lmdb_db_slice(old), &value) < 0)
            return STORE_CONFLICT;
        return value.version == op->head.version ? STORE_OK : STORE_CONFLICT;
    }
    log_panic("store: no such condition %u", op->head.condition);
}

static int apply(struct writer_commit *commit, MDB_txn *txn, struct writer_op *op)
{
    struct store_key name = writer_op_key(op);
    uint8_t bytes[LAYOUT_KEY_MAX];
    MDB_val key = {layout_put_key(bytes, name), bytes}, old;
    int rc = mdb_get(txn, commit->db->documents, &key, &old);
    bool found = rc == 0;

    if (!found && rc != MDB_NOTFOUND)
        return rc;
    op->version = 0;
    op->status = check_condition(op, found, old);
    if (op->status != STORE_OK)
        return 0;
    op->version = ++commit->last_version;
    op->status = found || op->head.remove ? STORE_OK : STORE_CREATED;
    commit->changed = true;
    if (op->head.remove) {
        rc = mdb_del(txn, commit->db->documents, &key, NULL);
        return rc ? rc : add_to_count(commit, txn, name.collection, -1);
    }
    rc = put_document(commit, txn, &key, op);
    if (rc == 0 && !found)
        rc = add_to_count(commit, txn, name.collection, 1);
    return rc;
}

/* ---- a transaction ---- */

static int end(struct writer_commit *commit, MDB_txn *txn)
{
    int rc;

    if (!commit->changed) { /* nothing to flush */
        mdb_txn_abort(txn);
        return 0;
    }
    rc = put_number(txn, commit->db->meta, LMDB_META_VERSION, commit->last_version);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0) {
        commit->totals.commits++;
        commit->totals.last_version = commit->last_version;
        lmdb_free_space_fix_length(commit->db);
    }
    return rc;
}

static int do_txn(struct writer_commit *commit, struct list *first, struct list *last)
{
    MDB_txn *txn;
    int rc = lmdb_db_begin_write(commit->db, &txn);

    if (rc != 0)
        return rc;
    commit->changed = false;
    rc = read_number(txn, commit->db->meta, LMDB_META_VERSION, &commit->last_version);
    commit->last_version =
        document_version_base(&commit->versions, commit->last_version, clock_real_us());
    for (struct list *at = first; rc == 0 && at != last; at = at->next)
        rc = apply(commit, txn, container_of(at, struct writer_op, link));
    if (rc == 0)
        return end(commit, txn);
    mdb_txn_abort(txn);
    return rc;
}

/* Commits the writes from `first` up to (without) `last`: all, or none with LMDB's error.
 */
static int run_txn(struct writer_commit *commit, struct list *first, struct list *last)
{
    int rc = do_txn(commit, first, last);

    if (commit->on_step != NULL)
        commit->on_step(commit->step_ctx);
    return rc;
}

/* ---- a group ---- */

/* Logs one line when writing begins to fail and one when it works again, but at most one
   a second, because near the limit every other write may fit. */
static void log_status(struct writer_commit *commit, enum store_status status, int rc)
{
    if (status == commit->logged)
        return;
    commit->logged = status;
    if (commit->logged_ns != 0 && clock_now_ns() < commit->logged_ns + NS_PER_S)
        return;
    commit->logged_ns = clock_now_ns();
    if (status == STORE_OK)
        log_info("store: writing goes on");
    else if (status == STORE_FULL)
        log_warn("store: full: documents are refused until some are deleted: %s",
                 mdb_strerror(rc));
    else
        log_warn("store: writing failed: %s", mdb_strerror(rc));
}

static uint64_t op_estimate(const struct writer_commit *commit,
                            const struct writer_op *op)
{
    if (op->head.remove)
        return 0; /* deletes use the reserve */
    return lmdb_free_space_estimate(commit->db, op->head.payload_len + LAYOUT_HEAD_BYTES);
}

/* One write as a transaction of its own; 0 or an error. */
static int try_alone(struct writer_commit *commit, struct writer_op *op)
{
    int rc;

    if (!op->head.remove &&
        !lmdb_free_space_has(&commit->space, commit->db, op_estimate(commit, op)))
        return lmdb_free_space_disk_is_full(commit->db) ? ENOSPC : MDB_MAP_FULL;
    rc = run_txn(commit, &op->link, op->link.next);
    if (rc == EIO && lmdb_free_space_disk_is_full(commit->db))
        rc = ENOSPC; /* LMDB returns EIO for a write that was cut short */
    return rc;
}

static void run_alone(struct writer_commit *commit, struct writer_op *op)
{
    int rc = try_alone(commit, op);

    if (op->head.remove && lmdb_db_status(rc) == STORE_FULL &&
        lmdb_free_space_release(&commit->space))
        rc = try_alone(commit, op);
    if (rc == MDB_PANIC)
        commit->dead = true;
    if (rc != 0) {
        op->status = lmdb_db_status(rc == MDB_NOTFOUND ? MDB_CORRUPTED : rc);
        op->version = 0;
        log_status(commit, op->status, rc);
    } else if (!op->head.remove &&
               (op->status == STORE_OK || op->status == STORE_CREATED)) {
        log_status(commit, STORE_OK, 0);
    }
}

static uint64_t group_estimate(const struct writer_commit *commit, struct list *first,
                               size_t count)
{
    uint64_t bytes = 0;

    for (struct list *at = first; count > 0; at = at->next, count--)
        bytes += op_estimate(commit, container_of(at, struct writer_op, link));
    return bytes;
}

/* Commits `count` writes as one transaction, or else in halves. Returns the link after
   them. */
static struct list *run_group(struct writer_commit *commit, struct list *first,
                              size_t count)
{
    uint64_t estimate = group_estimate(commit, first, count);
    struct list *last = first;

    assert(count > 0);
    if (count == 1) {
        run_alone(commit, container_of(first, struct writer_op, link));
        return first->next;
    }
    for (size_t i = 0; i < count; i++)
        last = last->next;
    if ((estimate == 0 || lmdb_free_space_has(&commit->space, commit->db, estimate)) &&
        run_txn(commit, first, last) == 0) {
        if (estimate > 0)
            log_status(commit, STORE_OK, 0);
        return last;
    }
    first = run_group(commit, first, count / 2);
    return run_group(commit, first, count - count / 2);
}

int writer_commit_run(struct writer_commit *commit, struct list *ops)
{
    size_t count = 0;

    for (struct list *at = ops->next; at != ops; at = at->next)
        count++;
    if (count > 0)
        run_group(commit, ops->next, count);
    commit->totals.writes += count;
    return commit->dead ? -1 : 0;
}
