#include "server/store/lmdb/lmdb_check.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"
#include "server/store/lmdb/lmdb_db.h"
#include "server/store/lmdb/lmdb_layout.h"
#include "server/store/lmdb/lmdb_read.h"

/* Documents per transaction; the writer cannot reuse pages that a long reader may see. */
#define SLICE_DOCUMENTS 10000

struct walk {
    struct lmdb_db db;
    MDB_txn *txn;
    store_check_verify *verify;
    void *ctx;
    struct store_check_counts *counts; /* shared with the parent */
    uint64_t last_version;
    /* the collection that the walk is in */
    uint8_t collection[STORE_NAME_MAX];
    size_t collection_len;
    uint64_t collection_documents;
    bool is_split; /* the collection began in an earlier transaction */
    /* the key that the walk is at */
    uint8_t key[LAYOUT_KEY_MAX];
    size_t key_len;
};

static void found(struct walk *walk, const char *what, struct slice name)
{
    char text[LAYOUT_KEY_MAX + 1];
    size_t len = name.len < sizeof text ? name.len : sizeof text - 1;

    for (size_t i = 0; i < len; i++)
        text[i] = name.data[i] ? (char)name.data[i] : '/';
    text[len] = 0;
    if (walk->counts->damaged++ < STORE_CHECK_LOG_MAX)
        log_warn("store: %s: %s", text, what);
}

static void found_error(struct walk *walk, const char *where, int error)
{
    found(walk, mdb_strerror(error),
          (struct slice){(const uint8_t *)where, strlen(where)});
}

/* The number of documents that "collections" has for a name; 0 if it has no record, a
   number that no collection has if the record cannot be read. */
static uint64_t recorded_count(struct walk *walk, struct slice name)
{
    MDB_val key = lmdb_db_val(name), value;
    uint64_t count = 0;
    int rc = mdb_get(walk->txn, walk->db.collections, &key, &value);

    if (rc != 0)
        return rc == MDB_NOTFOUND ? 0 : UINT64_MAX;
    return layout_read_number(lmdb_db_slice(value), &count) == 0 ? count : UINT64_MAX;
}

/* Writes between the transactions of this check change the count of a collection. So a
   count that seems wrong is counted again, in one transaction. */
static void check_count(struct walk *walk, struct slice name)
{
    uint64_t recorded = recorded_count(walk, name), counted = walk->collection_documents;
    struct buf after = BUF_INIT;

    if (recorded == counted)
        return;
    if (walk->is_split && lmdb_read_count(&walk->db, walk->txn, name, &after, UINT64_MAX,
                                          &counted) != STORE_OK)
        recorded = ~counted; /* LMDB's error is in the log */
    if (recorded != counted)
        found(walk, "the collection's document count is wrong", name);
    buf_free(&after);
}

static void end_collection(struct walk *walk)
{
    if (walk->collection_len > 0)
        check_count(walk, (struct slice){walk->collection, walk->collection_len});
    walk->collection_len = 0;
    walk->collection_documents = 0;
    walk->is_split = false;
}

static void enter_collection(struct walk *walk, struct slice name)
{
    if (name.len == walk->collection_len &&
        memcmp(name.data, walk->collection, name.len) == 0)
        return;
    end_collection(walk);
    walk->counts->collections++;
    walk->collection_len = name.len;
    memcpy(walk->collection, name.data, name.len);
}

static void check_document(struct walk *walk, struct slice key, struct slice value)
{
    struct layout_value document;
    struct store_key name;

    walk->counts->documents++;
    if (layout_read_key(key, &name) < 0) {
        found(walk, "not a document's key", key);
        return;
    }
    enter_collection(walk, name.collection);
    walk->collection_documents++;
    if (layout_read_value(value, &document) < 0) {
        found(walk, "the document's head is damaged", key);
        return;
    }
    walk->counts->bytes += document.bytes.len;
    if (document.version == 0 || document.version > walk->last_version)
        found(walk, "the document's version was never given out", key);
    if (walk->verify != NULL &&
        walk->verify(walk->ctx, name, document.format, document.bytes) < 0)
        found(walk, "the document's bytes are damaged", key);
}

/* Checks the documents of one transaction: 1 if more follow, 0 at the end, -1 if LMDB
   found its pages damaged. */
static int walk_slice(struct walk *walk, MDB_cursor *cursor)
{
    MDB_val key = {walk->key_len, walk->key}, value;
    int rc =
        mdb_cursor_get(cursor, &key, &value, walk->key_len ? MDB_SET_RANGE : MDB_FIRST);

    if (rc == 0 && key.mv_size == walk->key_len &&
        memcmp(key.mv_data, walk->key, walk->key_len) == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT); /* it is checked already */
    for (unsigned i = 0; rc == 0 && i < SLICE_DOCUMENTS; i++) {
        if (key.mv_size > LAYOUT_KEY_MAX) {
            rc = MDB_CORRUPTED;
            break;
        }
        walk->key_len = key.mv_size;
        memcpy(walk->key, key.mv_data, key.mv_size);
        check_document(walk, lmdb_db_slice(key), lmdb_db_slice(value));
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (rc == 0)
        return 1;
    if (rc == MDB_NOTFOUND)
        return 0;
    found_error(walk, "documents", rc);
    return -1;
}

/* 0 or LMDB's error. */
static int read_last_version(struct walk *walk)
{
    MDB_val key = lmdb_db_val(LMDB_META_VERSION), value;
    int rc = mdb_get(walk->txn, walk->db.meta, &key, &value);

    if (rc == 0 && layout_read_number(lmdb_db_slice(value), &walk->last_version) < 0)
        rc = MDB_CORRUPTED;
    return rc;
}

/* Begins a transaction with a cursor over the documents; -1 without both otherwise. */
static int begin_slice(struct walk *walk, MDB_cursor **cursor_r)
{
    const char *where = "documents";
    int rc = lmdb_db_begin_read(&walk->db, &walk->txn);

    if (rc == 0) {
        rc = read_last_version(walk);
        if (rc != 0)
            where = "version";
        else
            rc = mdb_cursor_open(walk->txn, walk->db.documents, cursor_r);
        if (rc != 0)
            mdb_txn_abort(walk->txn);
    }
    if (rc != 0)
        found_error(walk, where, rc);
    return rc == 0 ? 0 : -1;
}

static int walk_documents(struct walk *walk)
{
    int more;

    do {
        MDB_cursor *cursor;

        walk->is_split = walk->collection_len > 0;
        if (begin_slice(walk, &cursor) < 0)
            return -1;
        more = walk_slice(walk, cursor);
        mdb_cursor_close(cursor);
        if (more == 0)
            end_collection(walk);
        mdb_txn_abort(walk->txn);
    } while (more > 0);
    return more;
}

/* A listed collection must hold a document in the same transaction. */
static void check_listed(struct walk *walk, struct slice name)
{
    struct buf after = BUF_INIT;
    uint64_t count = 0;

    if (name.len < 1 || name.len > STORE_NAME_MAX)
        found(walk, "not a collection's name", name);
    else if (lmdb_read_count(&walk->db, walk->txn, name, &after, 1, &count) != STORE_OK ||
             count == 0)
        found(walk, "the collection is listed but holds no document", name);
    buf_free(&after);
}

/* Reads all records of another database: the collections, or LMDB's own list of free
   pages (database 0). */
static void walk_rest(struct walk *walk, MDB_dbi dbi, const char *what)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(walk->txn, dbi, &cursor);

    if (rc == 0) {
        while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
            if (dbi == walk->db.collections)
                check_listed(walk, lmdb_db_slice(key));
        mdb_cursor_close(cursor);
    }
    if (rc != MDB_NOTFOUND)
        found_error(walk, what, rc);
}

static int walk_store(struct walk *walk)
{
    int rc;

    if (walk_documents(walk) == 0) {
        rc = lmdb_db_begin_read(&walk->db, &walk->txn);
        if (rc != 0) {
            found_error(walk, "collections", rc);
            return -1;
        }
        walk_rest(walk, walk->db.collections, "collections");
        walk_rest(walk, 0, "free pages");
        mdb_txn_abort(walk->txn);
    }
    return walk->counts->damaged == 0 ? 0 : -1;
}

/* A fault must end the child, whatever handlers the parent has. */
static void default_signals(void)
{
    static const int numbers[] = {SIGBUS, SIGSEGV, SIGABRT, SIGFPE, SIGILL};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        signal(numbers[i], SIG_DFL);
}

static void run_child(struct walk *walk, const char *dir, uint64_t map_bytes)
{
    int rc;

    default_signals();
    rc = lmdb_db_open_reader(&walk->db, dir, map_bytes);
    if (rc == 0) {
        rc = walk_store(walk);
        lmdb_db_close(&walk->db);
    }
    _exit(rc == 0 ? 0 : 1);
}

static int wait_child(pid_t pid, const struct walk *walk)
{
    int status;
    pid_t got;

    do
        got = waitpid(pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got == pid && WIFSIGNALED(status))
        log_warn("store: the file is damaged: reading it ended with signal %d after "
                 "%" PRIu64 " documents",
                 WTERMSIG(status), walk->counts->documents);
    return got == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

int lmdb_check_in_child(const char *dir, uint64_t map_bytes, store_check_verify *verify,
                        void *ctx, struct store_check_counts *counts_r)
{
    struct walk walk = {.verify = verify, .ctx = ctx};
    pid_t pid;
    int rc = -1;

    *counts_r = (struct store_check_counts){0};
    walk.counts = mmap(NULL, sizeof *walk.counts, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (walk.counts == MAP_FAILED)
        return -1;
    pid = fork();
    if (pid == 0)
        run_child(&walk, dir, map_bytes);
    if (pid > 0)
        rc = wait_child(pid, &walk);
    *counts_r = *walk.counts;
    munmap(walk.counts, sizeof *walk.counts);
    return rc;
}
