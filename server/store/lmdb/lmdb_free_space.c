#include "server/store/lmdb/lmdb_free_space.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"

uint64_t lmdb_free_space_estimate(const struct lmdb_db *db, uint64_t value_bytes)
{
    size_t page = lmdb_db_page_bytes(db);

    /* a small value shares its leaf, which may be copied or split; a large one has pages
       of its own, and the last is not full */
    return (value_bytes / page + (value_bytes > page / 4 ? 3 : 2)) * page;
}

/* ---- the reserve on the disk ---- */

static void fill_reserve(struct lmdb_free_space *space)
{
    int rc;

    assert(!space->is_full);
    if (space->fd < 0)
        return;
    do
        rc = posix_fallocate(space->fd, 0, (off_t)LMDB_DB_RESERVE);
    while (rc == EINTR);
    space->is_full = rc == 0;
}

void lmdb_free_space_open(struct lmdb_free_space *space, const struct lmdb_db *db)
{
    const char *dir = NULL;
    char *path;

    *space = (struct lmdb_free_space){.fd = -1};
    if (mdb_env_get_path(db->env, &dir) != 0)
        return;
    path = str_printf("%s/%s", dir, LMDB_FREE_SPACE_RESERVE_FILE);
    space->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    mem_free(path);
    fill_reserve(space);
}

void lmdb_free_space_close(struct lmdb_free_space *space)
{
    if (space->fd >= 0)
        close(space->fd);
    space->fd = -1;
}

bool lmdb_free_space_release(struct lmdb_free_space *space)
{
    if (!space->is_full)
        return false;
    space->is_full = false;
    return ftruncate(space->fd, 0) == 0;
}

/* ---- the free space ---- */

/* Bytes of free pages that no reader can see; stops counting at `enough`. */
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

        /* a record: the transaction that freed the pages, how many they are, their
           numbers; pages of the last two transactions cannot be used yet */
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

/* Free bytes of the file system. */
static uint64_t disk_bytes(const struct lmdb_db *db)
{
    struct statvfs fs;
    int fd;

    if (mdb_env_get_fd(db->env, &fd) != 0 || fstatvfs(fd, &fs) < 0)
        return UINT64_MAX; /* unknown: the commit will find out */
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

bool lmdb_free_space_has(struct lmdb_free_space *space, const struct lmdb_db *db,
                         uint64_t bytes)
{
    uint64_t need = bytes + LMDB_FREE_SPACE_PATH_PAGES * lmdb_db_page_bytes(db);
    uint64_t used = lmdb_db_used_bytes(db), map_end = lmdb_db_map_bytes(db);
    uint64_t map_free = map_end > used ? map_end - used : 0;
    uint64_t disk = disk_bytes(db);
    uint64_t disk_need, disk_free, map_need = need + LMDB_DB_RESERVE, free_bytes;

    if (!space->is_full && disk >= 2 * LMDB_DB_RESERVE) {
        fill_reserve(space);
        disk = disk_bytes(db);
    }
    disk_need = need + (space->is_full || space->fd < 0 ? 0 : LMDB_DB_RESERVE);
    disk_free = map_free < disk ? map_free : disk;
    if (map_free >= map_need && disk_free >= disk_need)
        return true;
    free_bytes = count_free(db, map_need);
    return map_free + free_bytes >= map_need && disk_free + free_bytes >= disk_need;
}

bool lmdb_free_space_disk_is_full(const struct lmdb_db *db)
{
    return disk_bytes(db) < LMDB_DB_RESERVE;
}

/* Sets the file's length under the write lock, so that another writer cannot make the
   file longer between fstat() and ftruncate(). */
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

void lmdb_free_space_fix_length(const struct lmdb_db *db)
{
    struct stat st;
    int fd;

    if (mdb_env_get_fd(db->env, &fd) != 0 || fstat(fd, &st) < 0)
        return;
    if ((uint64_t)st.st_size >= lmdb_db_used_bytes(db))
        return;
    if (grow_locked(db, fd) < 0)
        log_warn("store: the file cannot be made longer: %s", strerror(errno));
}
