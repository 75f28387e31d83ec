#include "server/store/lmdb/lmdb_open_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"
#include "server/store/lmdb/lmdb_check.h"
#include "server/store/lmdb/lmdb_free_space.h"
#include "server/store/lmdb/lmdb_layout.h"

#define DIR_MODE 0700

static int put_meta(struct lmdb_db *db, MDB_txn *txn)
{
    uint8_t meta[LAYOUT_META_BYTES], version[LAYOUT_COUNT_BYTES] = {0};
    MDB_val key = lmdb_db_val(LMDB_META_LAYOUT), value = {sizeof meta, meta};
    int rc;

    layout_put_meta(meta);
    rc = mdb_put(txn, db->meta, &key, &value, 0);
    if (rc != 0)
        return rc;
    key = lmdb_db_val(LMDB_META_VERSION);
    value = (MDB_val){sizeof version, version};
    return mdb_put(txn, db->meta, &key, &value, 0);
}

static int fill_new(struct lmdb_db *db, const char *dir)
{
    MDB_txn *txn;
    int rc = lmdb_db_begin_write(db, &txn);

    if (rc != 0)
        return lmdb_db_refuse(dir, rc);
    rc = lmdb_db_open_databases(db, txn, MDB_CREATE);
    if (rc == 0)
        rc = put_meta(db, txn);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return lmdb_db_refuse(dir, rc);
    }
    rc = mdb_txn_commit(txn);
    if (rc == EIO && lmdb_free_space_disk_is_full(db))
        rc = ENOSPC; /* LMDB returns EIO for a write that was cut short */
    return rc == 0 ? 0 : lmdb_db_refuse(dir, rc);
}

static int sync_directory(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);

    if (fd >= 0)
        close(fd);
    return rc;
}

/* Completes a file that is shorter than its records say. LMDB leaves such a file now and
   then (it does not write a last page that the same transaction made and freed), so it is
   not always damaged. But a missing page would end a front with SIGBUS. So a child, which
   may die of it, first checks all of the file. */
static int complete_file(struct lmdb_db *db, const char *dir)
{
    uint64_t need = lmdb_db_used_bytes(db);
    struct store_check_counts counts;
    struct stat st;
    int fd;

    if (mdb_env_get_fd(db->env, &fd) != 0 || fstat(fd, &st) < 0)
        return -1;
    if ((uint64_t)st.st_size >= need)
        return 0;
    if (lmdb_check_in_child(dir, 0, NULL, NULL, &counts) < 0) {
        log_warn("the store in '%s' is damaged: its file has %" PRIu64
                 " bytes and needs %" PRIu64,
                 dir, (uint64_t)st.st_size, need);
        return -1;
    }
    return ftruncate(fd, (off_t)need);
}

/* Makes the map large enough for the file and the reserve; a smaller one would refuse
   deletes too. */
static int keep_reserve(const struct lmdb_db *db, const char *dir, uint64_t map_bytes)
{
    uint64_t need = lmdb_db_used_bytes(db) + LMDB_DB_RESERVE;
    int rc;

    if (map_bytes >= need)
        return 0;
    log_warn("the store in '%s' uses %" PRIu64 " bytes; more than %" PRIu64
             " were not allowed: documents are refused until some are deleted",
             dir, need - LMDB_DB_RESERVE, map_bytes);
    rc = mdb_env_set_mapsize(db->env, need);
    return rc == 0 ? 0 : lmdb_db_refuse(dir, rc);
}

/* Makes the last folder of the path only: a wrong path must not make a tree. */
static int make_directory(const char *dir)
{
    if (mkdir(dir, DIR_MODE) == 0 || errno == EEXIST)
        return 0;
    log_warn("the store's directory '%s' cannot be made: %s", dir, strerror(errno));
    return -1;
}

int lmdb_open_writer(struct lmdb_db *db, const char *dir, uint64_t map_bytes, bool sync)
{
    bool empty;
    int rc;

    *db = (struct lmdb_db){0};
    if (make_directory(dir) < 0)
        return -1;
    rc = lmdb_db_open_env(db, dir, map_bytes, sync ? 0 : MDB_NOSYNC);
    if (rc != 0)
        return lmdb_db_refuse(dir, rc);
    lmdb_db_reap_readers(db);
    if (complete_file(db, dir) == 0 && keep_reserve(db, dir, map_bytes) == 0) {
        if (lmdb_db_open_filled(db, dir, &empty) == 0)
            return 0;
        if (empty && fill_new(db, dir) == 0 && (!sync || sync_directory(dir) == 0))
            return 0;
    }
    lmdb_db_close(db);
    return -1;
}
