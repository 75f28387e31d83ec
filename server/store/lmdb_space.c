#include "server/store/lmdb_space.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/log.h"

/* Allocated ahead in one go. */
#define PROMISE_STEP_BYTES (UINT64_C(4) << 20)

uint64_t lmdb_space_estimate(const struct lmdb_db *db, uint64_t value_bytes)
{
    size_t page = lmdb_db_page_bytes(db);

    /* a small value shares its leaf, which may have to be copied or split; a large one
       has pages of its own, the last of them not full */
    return (value_bytes / page + (value_bytes > page / 4 ? 3 : 2)) * page;
}

static int allocate(int fd, uint64_t from, uint64_t to)
{
    int rc;

    assert(from <= to);
    if (from == to)
        return 0;
    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(to - from));
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? errno : 0;
}

/* Makes the disk promise the file's bytes up to `end`; returns how far it does. */
static uint64_t promise(struct lmdb_space *space, const struct lmdb_db *db, uint64_t end,
                        uint64_t map_end)
{
    uint64_t used = lmdb_db_used_bytes(db);
    uint64_t ahead =
        end + PROMISE_STEP_BYTES < map_end ? end + PROMISE_STEP_BYTES : map_end;
    uint64_t from = space->promised_end > used ? space->promised_end : used;
    int fd, rc;

    if (space->no_promises || from >= end)
        return space->no_promises ? end : from;
    if (mdb_env_get_fd(db->env, &fd) != 0)
        return end;
    rc = allocate(fd, from, ahead);
    if (rc == 0) {
        space->promised_end = ahead;
    } else if (rc == EOPNOTSUPP || rc == ENOSYS) {
        space->no_promises = true;
        return end;
    } else if (allocate(fd, from, end) == 0) { /* the disk's last bytes */
        space->promised_end = end;
    }
    return space->promised_end > used ? space->promised_end : used;
}

/* Bytes of free pages that no reader can still see; stops counting at `enough`. */
static uint64_t count_free(const struct lmdb_db *db, uint64_t enough)
{
    size_t page = lmdb_db_page_bytes(db);
    uint64_t free_bytes = 0;
    MDB_val key, value;
    MDB_cursor *cursor;
    MDB_txn *txn;

    if (lmdb_db_begin_read(db, &txn) != 0)
        return 0;
    if (mdb_cursor_open(txn, 0, &cursor) == 0) {
        size_t last = mdb_txn_id(txn);

        /* each record: the transaction that freed them, then the number of pages and
           their numbers; those of the last two may not be used again yet */
        while (free_bytes < enough &&
               mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
            size_t id, pages;

            if (key.mv_size != sizeof id || value.mv_size < sizeof pages)
                break;
            memcpy(&id, key.mv_data, sizeof id);
            memcpy(&pages, value.mv_data, sizeof pages);
            if (id + 1 >= last)
                break;
            free_bytes += (uint64_t)pages * page;
        }
        mdb_cursor_close(cursor);
    }
    mdb_txn_abort(txn);
    return free_bytes;
}

bool lmdb_space_has(struct lmdb_space *space, const struct lmdb_db *db, uint64_t bytes)
{
    uint64_t used = lmdb_db_used_bytes(db);
    uint64_t path = LMDB_SPACE_PATH_PAGES * lmdb_db_page_bytes(db);
    uint64_t need = bytes + path + LMDB_DB_RESERVE;
    uint64_t end = used + need, map_end = lmdb_db_map_bytes(db), room;

    if (end > map_end)
        end = map_end;
    if (end > used)
        end = promise(space, db, end, map_end);
    room = end > used ? end - used : 0;
    return room >= need || room + count_free(db, need - room) >= need;
}

bool lmdb_space_disk_is_full(const struct lmdb_db *db)
{
    struct statvfs fs;
    int fd;

    if (mdb_env_get_fd(db->env, &fd) != 0 || fstatvfs(fd, &fs) < 0)
        return false;
    return (uint64_t)fs.f_bavail * fs.f_frsize < LMDB_DB_RESERVE;
}

/* The file's length under the write lock, so that another writer cannot grow it between
   our look and our change. */
static int grow_locked(const struct lmdb_db *db, int fd)
{
    struct stat st;
    MDB_txn *txn;
    uint64_t need;
    int rc = lmdb_db_begin_write(db, &txn);

    if (rc != 0)
        return -1;
    need = lmdb_db_used_bytes(db);
    rc = fstat(fd, &st);
    if (rc == 0 && (uint64_t)st.st_size < need)
        rc = ftruncate(fd, (off_t)need);
    mdb_txn_abort(txn);
    return rc;
}

void lmdb_space_fix_length(const struct lmdb_db *db)
{
    struct stat st;
    int fd;

    if (mdb_env_get_fd(db->env, &fd) != 0 || fstat(fd, &st) < 0)
        return;
    if ((uint64_t)st.st_size >= lmdb_db_used_bytes(db))
        return;
    if (grow_locked(db, fd) < 0)
        log_warn("store: the file cannot be filled up: %s", strerror(errno));
}
