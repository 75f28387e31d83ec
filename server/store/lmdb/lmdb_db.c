#include "server/store/lmdb/lmdb_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "server/store/lmdb/lmdb_layout.h"

#define MAX_READERS 512

/* At least the size of LMDB's lock file: a cache line for each reader, and a head. */
#define LOCK_BYTES (MAX_READERS * 64 + 4096)

#define MAX_DBS   4
#define FILE_MODE 0600

int lmdb_db_refuse(const char *dir, int error)
{
    if (error == ENOSPC || error == EDQUOT)
        log_warn("the store in '%s' cannot be opened: the disk is full (%s)", dir,
                 mdb_strerror(error));
    else if (error == EAGAIN)
        log_warn("the store in '%s' is open in another process with our number (pid %d): "
                 "containers that share a store must share the pid namespace too, and "
                 "others need a store each",
                 dir, (int)getpid());
    else if (error == MDB_INVALID || error == MDB_VERSION_MISMATCH ||
             error == MDB_CORRUPTED)
        log_warn("the store in '%s' is damaged or not an LMDB file of this version: %s",
                 dir, mdb_strerror(error));
    else
        log_warn("the store in '%s' cannot be opened: %s", dir, mdb_strerror(error));
    return -1;
}

/* Checks our record in "meta": 0, or -1 with the reason in the log. */
static int check_meta(const struct lmdb_db *db, MDB_txn *txn, const char *dir)
{
    MDB_val key = lmdb_db_val(LMDB_META_LAYOUT), value;
    int64_t version = mdb_get(txn, db->meta, &key, &value)
                          ? -1
                          : layout_read_meta(lmdb_db_slice(value));

    if (version == LAYOUT_VERSION)
        return 0;
    if (version < 0)
        log_warn("the LMDB file in '%s' is not a store of offloop's", dir);
    else
        log_warn("the store in '%s' has layout %" PRId64 ", this program knows %d", dir,
                 version, LAYOUT_VERSION);
    return -1;
}

int lmdb_db_open_databases(struct lmdb_db *db, MDB_txn *txn, unsigned flags)
{
    int rc = mdb_dbi_open(txn, "meta", flags, &db->meta);

    if (rc == 0)
        rc = mdb_dbi_open(txn, "documents", flags, &db->documents);
    if (rc == 0)
        rc = mdb_dbi_open(txn, "collections", flags, &db->collections);
    return rc;
}

/* True for a file that was made just now: it holds nothing. */
static bool is_empty(MDB_txn *txn)
{
    MDB_dbi main_dbi;
    MDB_stat stat;

    return mdb_dbi_open(txn, NULL, 0, &main_dbi) == 0 &&
           mdb_stat(txn, main_dbi, &stat) == 0 && stat.ms_entries == 0;
}

int lmdb_db_open_filled(struct lmdb_db *db, const char *dir, bool *empty_r)
{
    MDB_txn *txn;
    int rc = lmdb_db_begin_read(db, &txn);

    *empty_r = false;
    if (rc != 0)
        return lmdb_db_refuse(dir, rc);
    rc = lmdb_db_open_databases(db, txn, 0);
    if (rc == 0 && check_meta(db, txn, dir) == 0) {
        rc = mdb_txn_commit(txn); /* keeps the handles */
        return rc == 0 ? 0 : lmdb_db_refuse(dir, rc);
    }
    *empty_r = rc != 0 && is_empty(txn);
    mdb_txn_abort(txn);
    if (rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE) {
        if (!*empty_r)
            log_warn("the LMDB file in '%s' is not a store of offloop's", dir);
    } else if (rc != 0) {
        lmdb_db_refuse(dir, rc);
    }
    return -1;
}

/* LMDB maps its lock file and makes it with holes; on a full disk a hole is a SIGBUS. So
   this fills the file before. Returns 0, ENOSPC or EDQUOT; LMDB finds any other error
   itself. This process must have no environment open on the file, because closing a
   descriptor drops the file's locks. */
static int fill_lock_file(const char *dir)
{
    char *path = str_printf("%s/lock.mdb", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, FILE_MODE);
    int rc;

    mem_free(path);
    if (fd < 0)
        return errno == ENOSPC || errno == EDQUOT ? errno : 0;
    do
        rc = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, LOCK_BYTES) == 0 ? 0 : errno;
    while (rc == EINTR);
    close(fd);
    return rc == ENOSPC || rc == EDQUOT ? rc : 0;
}

int lmdb_db_open_env(struct lmdb_db *db, const char *dir, uint64_t map_bytes,
                     unsigned flags)
{
    int rc = fill_lock_file(dir);

    if (rc != 0)
        return rc;
    rc = mdb_env_create(&db->env);
    assert(rc == 0 || rc == ENOMEM);
    if (rc != 0)
        log_fatal("out of memory opening the store");
    mdb_env_set_maxdbs(db->env, MAX_DBS);
    mdb_env_set_maxreaders(db->env, MAX_READERS);
    rc = mdb_env_set_mapsize(db->env, map_bytes);
    if (rc == 0)
        rc = mdb_env_open(db->env, dir, flags | MDB_NOTLS | MDB_NORDAHEAD, FILE_MODE);
    if (rc != 0)
        lmdb_db_close(db);
    return rc;
}

int lmdb_db_open_reader(struct lmdb_db *db, const char *dir, uint64_t map_bytes)
{
    uint64_t large =
        map_bytes > LMDB_DB_READER_MAP_MIN ? map_bytes : LMDB_DB_READER_MAP_MIN;
    bool empty = false;
    int rc;

    *db = (struct lmdb_db){0};
    rc = lmdb_db_open_env(db, dir, large, MDB_RDONLY);
    if (rc == ENOMEM) /* a limit on address space */
        rc = lmdb_db_open_env(db, dir, map_bytes, MDB_RDONLY);
    if (rc != 0)
        return lmdb_db_refuse(dir, rc);
    if (lmdb_db_open_filled(db, dir, &empty) == 0)
        return 0;
    if (empty)
        log_warn("the store in '%s' is empty", dir);
    lmdb_db_close(db);
    return -1;
}

void lmdb_db_close(struct lmdb_db *db)
{
    if (db->env != NULL)
        mdb_env_close(db->env);
    db->env = NULL;
}

int lmdb_db_begin_read(const struct lmdb_db *db, MDB_txn **txn_r)
{
    int rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, txn_r);

    if (rc == MDB_READERS_FULL && lmdb_db_reap_readers(db) > 0)
        rc = mdb_txn_begin(db->env, NULL, MDB_RDONLY, txn_r);
    return rc;
}

int lmdb_db_renew_read(const struct lmdb_db *db, MDB_txn *txn)
{
    int rc = mdb_txn_renew(txn);

    if (rc == MDB_READERS_FULL && lmdb_db_reap_readers(db) > 0)
        rc = mdb_txn_renew(txn);
    return rc;
}

int lmdb_db_begin_write(const struct lmdb_db *db, MDB_txn **txn_r)
{
    int rc = mdb_txn_begin(db->env, NULL, 0, txn_r);

    if (rc == MDB_MAP_RESIZED) {
        rc = mdb_env_set_mapsize(db->env, 0);
        if (rc == 0)
            rc = mdb_txn_begin(db->env, NULL, 0, txn_r);
    }
    return rc;
}

uint64_t lmdb_db_map_bytes(const struct lmdb_db *db)
{
    MDB_envinfo info;
    int rc;

    mdb_env_info(db->env, &info);
    if (lmdb_db_used_bytes(db) <= info.me_mapsize)
        return info.me_mapsize;
    rc = mdb_env_set_mapsize(db->env, 0);
    if (rc != 0)
        log_warn("store: the map cannot be made larger: %s", mdb_strerror(rc));
    mdb_env_info(db->env, &info);
    return info.me_mapsize;
}

int lmdb_db_reap_readers(const struct lmdb_db *db)
{
    int dead = 0;
    int rc = mdb_reader_check(db->env, &dead);

    if (rc != 0)
        log_warn("killed readers of the store cannot be found: %s", mdb_strerror(rc));
    return dead;
}

uint64_t lmdb_db_used_bytes(const struct lmdb_db *db)
{
    MDB_envinfo info;

    mdb_env_info(db->env, &info);
    return ((uint64_t)info.me_last_pgno + 1) * lmdb_db_page_bytes(db);
}

size_t lmdb_db_page_bytes(const struct lmdb_db *db)
{
    MDB_stat stat;

    mdb_env_stat(db->env, &stat);
    return stat.ms_psize;
}

enum store_status lmdb_db_status(int error)
{
    switch (error) {
    case 0: return STORE_OK;
    case MDB_NOTFOUND: return STORE_NOT_FOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return STORE_FULL;
    default: return STORE_ERROR;
    }
}
