#include "server/store/lmdb/lmdb_read.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/base/log.h"
#include "server/store/store_backend.h"

#define TEXT(slice) (int)(slice).len, (const char *)(slice).data

static enum store_status failed(const char *what, int error)
{
    log_warn("store: reading %s: %s", what, mdb_strerror(error));
    return lmdb_db_status(error) == STORE_FULL ? STORE_ERROR : lmdb_db_status(error);
}

enum store_status lmdb_read_find(const struct lmdb_db *db, MDB_txn *txn,
                                 struct store_key name, MDB_val *value_r)
{
    uint8_t bytes[LAYOUT_KEY_MAX];
    MDB_val key = {layout_put_key(bytes, name), bytes};
    int rc = mdb_get(txn, db->documents, &key, value_r);

    if (rc == 0)
        return STORE_OK;
    return rc == MDB_NOTFOUND ? STORE_NOT_FOUND : failed("a document", rc);
}

enum store_status lmdb_read_value(struct store_key name, MDB_val value,
                                  struct layout_value *value_r)
{
    if (layout_read_value(lmdb_db_slice(value), value_r) == 0)
        return STORE_OK;
    log_warn("store: document %.*s/%.*s is damaged", TEXT(name.collection),
             TEXT(name.id));
    return STORE_ERROR;
}

/* The smallest page of any system. */
#define PAGE_BYTES_MIN 4096

bool lmdb_read_is_resident(MDB_val value)
{
    uint8_t pages[LMDB_READ_RESIDENT_MAX / PAGE_BYTES_MIN + 2];
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)value.mv_data & ~(page_bytes - 1);
    size_t bytes = (uintptr_t)value.mv_data + value.mv_size - start;

    if (value.mv_size > LMDB_READ_RESIDENT_MAX)
        return false;
    if (mincore((void *)start, bytes, pages) != 0)
        return false;
    for (size_t i = 0; i < (bytes + page_bytes - 1) / page_bytes; i++)
        if (!(pages[i] & 1))
            return false;
    return true;
}

/* Moves to the first document after `after`, perhaps of a later collection; MDB_NOTFOUND
   if there is none. */
static int seek(MDB_cursor *cursor, struct slice collection, struct slice after,
                MDB_val *key, MDB_val *value)
{
    uint8_t bytes[LAYOUT_KEY_MAX];
    size_t len = layout_put_key(bytes, (struct store_key){collection, after});
    int rc;

    *key = (MDB_val){len, bytes};
    rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    if (rc == 0 && key->mv_size == len && memcmp(key->mv_data, bytes, len) == 0)
        rc = mdb_cursor_get(cursor, key, value, MDB_NEXT);
    return rc;
}

/* The id in a key of the collection; -1, with a line in the log, if it is not sound. */
static int read_id(MDB_val key, struct slice collection, struct slice *id_r)
{
    size_t before = collection.len + 1;

    *id_r = (struct slice){(const uint8_t *)key.mv_data + before, key.mv_size - before};
    if (store_backend_name_is_sound(*id_r))
        return 0;
    log_warn("store: a document of %.*s has a bad id", TEXT(collection));
    return -1;
}

/* While rows are collected the slices' data are offsets, because the buffer may move. */
static struct slice put_slice(struct buf *bytes, struct slice from)
{
    size_t offset = bytes->len;

    buf_append(bytes, from.data, from.len);
    return (struct slice){(const uint8_t *)(uintptr_t)offset, from.len};
}

static struct slice set_slice(const struct buf *bytes, struct slice offset)
{
    size_t at = (size_t)(uintptr_t)offset.data;

    assert(at + offset.len <= bytes->len);
    return (struct slice){bytes->data + at, offset.len};
}

/* Makes an array large enough for one more row of `size` bytes. */
static void *grow(void *rows, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return rows;
    *cap = *cap ? *cap * 2 : 16;
    return mem_realloc(rows, *cap * size);
}

static void put_row(struct lmdb_rows *rows, struct slice id,
                    const struct layout_value *value)
{
    rows->documents =
        grow(rows->documents, rows->count, &rows->cap, sizeof *rows->documents);
    rows->documents[rows->count++] = (struct store_document){
        .id = put_slice(&rows->ids, id),
        .bytes = put_slice(&rows->bytes, value->bytes),
        .format = value->format,
        .version = value->version,
    };
    if (value->format == STORE_JSON)
        buf_append(&rows->bytes, &rows->divider, 1);
}

/* True if the id is greater than the last one of a range. */
static bool is_after(struct slice id, struct slice until)
{
    size_t len = id.len < until.len ? id.len : until.len;
    int order = until.len > 0 ? memcmp(id.data, until.data, len) : -1;

    return order > 0 || (order == 0 && id.len > until.len);
}

/* Collects rows up to a limit of the range. Returns LMDB's error; MDB_NOTFOUND at the
   end. */
static int collect_rows(MDB_cursor *cursor, const struct lmdb_range *range,
                        struct lmdb_rows *rows)
{
    struct slice collection = range->collection;
    MDB_val key, value;
    size_t total = 0;
    int rc = seek(cursor, collection, range->after, &key, &value);

    for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct layout_value document;
        struct slice id;

        if (!layout_key_is_in(lmdb_db_slice(key), collection))
            return MDB_NOTFOUND;
        if (read_id(key, collection, &id) < 0)
            return MDB_CORRUPTED;
        if (is_after(id, range->until))
            return MDB_NOTFOUND;
        if (rows->count == range->max_documents ||
            (rows->count > 0 &&
             total + value.mv_size - LAYOUT_HEAD_BYTES > range->max_bytes)) {
            rows->more = true;
            return MDB_NOTFOUND;
        }
        if (lmdb_read_value((struct store_key){collection, id}, value, &document))
            return MDB_CORRUPTED;
        put_row(rows, id, &document);
        total += document.bytes.len;
    }
    return rc;
}

enum store_status lmdb_read_list(const struct lmdb_db *db, MDB_txn *txn,
                                 const struct lmdb_range *range, struct lmdb_rows *rows)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db->documents, &cursor);

    assert(range->max_documents > 0 && rows->count == 0);
    if (rc == 0) {
        rc = collect_rows(cursor, range, rows);
        mdb_cursor_close(cursor);
    }
    for (size_t i = 0; i < rows->count; i++) {
        rows->documents[i].id = set_slice(&rows->ids, rows->documents[i].id);
        rows->documents[i].bytes = set_slice(&rows->bytes, rows->documents[i].bytes);
    }
    return rc == MDB_NOTFOUND ? STORE_OK : failed("a collection", rc);
}

void lmdb_read_free_rows(struct lmdb_rows *rows)
{
    buf_free(&rows->ids);
    background_free_buf(&rows->bytes);
    mem_free(rows->documents);
    *rows = (struct lmdb_rows){0};
}

/* Moves to the last document that is not of a later collection; MDB_NOTFOUND if there is
   none. */
static int seek_last(MDB_cursor *cursor, struct slice collection, MDB_val *key)
{
    uint8_t bytes[LAYOUT_KEY_MAX];
    size_t len = layout_put_key(bytes, (struct store_key){collection, {NULL, 0}});
    MDB_val value;
    int rc;

    bytes[len - 1]++; /* the NUL after the collection's name */
    *key = (MDB_val){len, bytes};
    rc = mdb_cursor_get(cursor, key, &value, MDB_SET_RANGE);
    if (rc == 0)
        return mdb_cursor_get(cursor, key, &value, MDB_PREV);
    return rc == MDB_NOTFOUND ? mdb_cursor_get(cursor, key, &value, MDB_LAST) : rc;
}

enum store_status lmdb_read_last(const struct lmdb_db *db, MDB_txn *txn,
                                 struct slice collection, struct buf *last_r)
{
    MDB_val key;
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db->documents, &cursor);

    last_r->len = 0;
    if (rc != 0)
        return failed("a collection", rc);
    rc = seek_last(cursor, collection, &key);
    if (rc == 0 && layout_key_is_in(lmdb_db_slice(key), collection)) {
        struct slice id;

        rc = read_id(key, collection, &id) < 0 ? MDB_CORRUPTED : 0;
        if (rc == 0)
            buf_append(last_r, id.data, id.len);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : failed("a collection", rc);
}

enum store_status lmdb_read_count(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, struct buf *after,
                                  uint64_t max, uint64_t *count_r)
{
    MDB_val key, value;
    MDB_cursor *cursor;
    struct slice last = {NULL, 0}; /* in the map; valid in the transaction */
    int rc = mdb_cursor_open(txn, db->documents, &cursor);

    *count_r = 0;
    if (rc != 0)
        return failed("a collection", rc);
    rc = seek(cursor, collection, buf_slice(after), &key, &value);
    while (rc == 0 && layout_key_is_in(lmdb_db_slice(key), collection)) {
        if (read_id(key, collection, &last) < 0) {
            rc = MDB_CORRUPTED;
            break;
        }
        if (++*count_r == max)
            break;
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    if (*count_r > 0) {
        after->len = 0;
        buf_append(after, last.data, last.len);
    }
    mdb_cursor_close(cursor);
    return rc == 0 || rc == MDB_NOTFOUND ? STORE_OK : failed("a collection", rc);
}

enum store_status lmdb_read_total(const struct lmdb_db *db, MDB_txn *txn,
                                  struct slice collection, uint64_t *count_r)
{
    MDB_val key = lmdb_db_val(collection), value;
    int rc = mdb_get(txn, db->collections, &key, &value);

    *count_r = 0;
    if (rc == MDB_NOTFOUND)
        return STORE_OK;
    if (rc == 0 && layout_read_number(lmdb_db_slice(value), count_r) < 0)
        rc = MDB_CORRUPTED;
    return rc == 0 ? STORE_OK : failed("a collection's count", rc);
}

static int collect_names(MDB_cursor *cursor, struct slice after, size_t max_count,
                         struct lmdb_names *names)
{
    MDB_val key = lmdb_db_val(after), value;
    int rc = mdb_cursor_get(cursor, &key, &value, after.len ? MDB_SET_RANGE : MDB_FIRST);

    if (rc == 0 && key.mv_size == after.len &&
        memcmp(key.mv_data, after.data, after.len) == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint64_t documents;

        if (names->count == max_count) {
            names->more = true;
            return MDB_NOTFOUND;
        }
        if (!store_backend_name_is_sound(lmdb_db_slice(key)) ||
            layout_read_number(lmdb_db_slice(value), &documents) < 0)
            return MDB_CORRUPTED;
        names->collections = grow(names->collections, names->count, &names->cap,
                                  sizeof *names->collections);
        names->collections[names->count++] = (struct store_collection){
            put_slice(&names->bytes, lmdb_db_slice(key)), documents};
    }
    return rc;
}

enum store_status lmdb_read_collections(const struct lmdb_db *db, MDB_txn *txn,
                                        struct slice after, size_t max_count,
                                        struct lmdb_names *names)
{
    MDB_cursor *cursor;
    int rc = mdb_cursor_open(txn, db->collections, &cursor);

    assert(max_count > 0 && names->count == 0);
    if (rc == 0) {
        rc = collect_names(cursor, after, max_count, names);
        mdb_cursor_close(cursor);
    }
    for (size_t i = 0; i < names->count; i++)
        names->collections[i].name = set_slice(&names->bytes, names->collections[i].name);
    return rc == MDB_NOTFOUND ? STORE_OK : failed("the collections", rc);
}

void lmdb_read_free_names(struct lmdb_names *names)
{
    buf_free(&names->bytes);
    mem_free(names->collections);
    *names = (struct lmdb_names){0};
}
