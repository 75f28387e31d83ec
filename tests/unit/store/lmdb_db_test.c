/* Opening: new, ours, foreign, damaged, of other sizes; killed readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "server/store/lmdb/lmdb_open_writer.h"

#define MAP_BYTES (UINT64_C(64) << 20)

static int setup(void **state)
{
    struct rig *rig = mem_zalloc(sizeof *rig);

    rig_init(rig, MAP_BYTES);
    *state = rig;
    return 0;
}

static void data_path(const struct rig *rig, char path[128])
{
    snprintf(path, 128, "%s/data.mdb", rig->dir);
}

static void write_file(const struct rig *rig, const void *bytes, size_t len)
{
    char path[128];
    FILE *file;

    data_path(rig, path);
    file = fopen(path, "w");
    RIG_CHECK(file != NULL && fwrite(bytes, 1, len, file) == len);
    fclose(file);
}

static void reader_refuses_what_is_not_there(void **state)
{
    struct rig *rig = *state;
    struct lmdb_db db;
    char missing[128];

    snprintf(missing, sizeof missing, "%s/missing/dir", rig->dir);
    assert_int_equal(lmdb_db_open_reader(&db, missing, MAP_BYTES), -1);
    assert_int_equal(lmdb_db_open_reader(&db, rig->dir, MAP_BYTES), -1);
    assert_null(db.env);
    assert_int_equal(lmdb_open_writer(&db, missing, MAP_BYTES, true), -1);
}

static void writer_makes_what_is_not_there(void **state)
{
    struct rig *rig = *state;
    struct lmdb_db db;
    struct stat st;
    char dir[128];

    snprintf(dir, sizeof dir, "%s/new", rig->dir);
    assert_int_equal(lmdb_open_writer(&db, dir, MAP_BYTES, true), 0);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    lmdb_db_close(&db);
    assert_int_equal(lmdb_db_open_reader(&db, dir, MAP_BYTES), 0);
    lmdb_db_close(&db);
    assert_int_equal(lmdb_open_writer(&db, dir, MAP_BYTES, false), 0);
    lmdb_db_close(&db);
    snprintf(dir, sizeof dir, "%s/new/data.mdb", rig->dir);
    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(dir);
    snprintf(dir, sizeof dir, "%s/new/lock.mdb", rig->dir);
    unlink(dir);
    snprintf(dir, sizeof dir, "%s/new", rig->dir);
    rmdir(dir);
}

static void garbage_is_refused(void **state)
{
    static const size_t sizes[] = {1, 100, 4096, 8192, 100000};
    struct rig *rig = *state;
    uint8_t *bytes = mem_alloc(100000);
    struct lmdb_db db;

    memset(bytes, 0x5a, 100000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        write_file(rig, bytes, sizes[i]);
        assert_int_equal(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true), -1);
        assert_int_equal(lmdb_db_open_reader(&db, rig->dir, MAP_BYTES), -1);
    }
    mem_free(bytes);
}

/* An LMDB file of another program: with records in its main database, or in named
   ones. */
static void make_foreign(const struct rig *rig, const char *name)
{
    MDB_val key = {1, "k"}, value = {1, "v"};
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;

    RIG_CHECK(mdb_env_create(&env) == 0);
    mdb_env_set_maxdbs(env, 4);
    RIG_CHECK(mdb_env_open(env, rig->dir, 0, 0600) == 0);
    RIG_CHECK(mdb_txn_begin(env, NULL, 0, &txn) == 0);
    RIG_CHECK(mdb_dbi_open(txn, name, MDB_CREATE, &dbi) == 0);
    RIG_CHECK(mdb_put(txn, dbi, &key, &value, 0) == 0);
    RIG_CHECK(mdb_txn_commit(txn) == 0);
    mdb_env_close(env);
}

static void foreign_files_are_refused(void **state)
{
    static const char *const names[] = {NULL, "other", "meta", "documents"};
    struct rig *rig = *state;
    struct lmdb_db db;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        rig_remove_files(rig);
        make_foreign(rig, names[i]);
        assert_int_equal(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true), -1);
        assert_int_equal(lmdb_db_open_reader(&db, rig->dir, MAP_BYTES), -1);
        assert_int_equal(rig_start_writer(rig), -1);
        assert_int_equal(WEXITSTATUS(rig_wait_writer(rig)), 1);
    }
}

static void newer_layout_is_refused(void **state)
{
    struct rig *rig = *state;
    struct lmdb_db db;
    MDB_val key = {6, "layout"}, value = {12, "offloop!\2\0\0\0"};
    MDB_txn *txn;

    assert_int_equal(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true), 0);
    assert_int_equal(mdb_txn_begin(db.env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db.meta, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    lmdb_db_close(&db);
    assert_int_equal(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true), -1);
}

/* A store with some documents, and no process that uses it. */
static void make_store(struct rig *rig)
{
    uint8_t bytes[3000] = {0};
    char id[16];

    assert_int_equal(rig_start_writer(rig), 0);
    rig_open_store(rig);
    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(rig_put_bytes(rig, "t", id, bytes, sizeof bytes), STORE_CREATED);
    }
    store_close(&rig->store);
    assert_int_equal(rig_end_writer(rig, SIGTERM), 0);
}

static off_t data_size(const struct rig *rig)
{
    struct stat st;
    char path[128];

    data_path(rig, path);
    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

static void truncated_file_is_refused(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;
    char path[128];

    make_store(rig);
    data_path(rig, path);
    assert_int_equal(truncate(path, data_size(rig) / 2 & ~4095), 0);
    assert_int_equal(rig_start_writer(rig), -1);
    assert_int_equal(WEXITSTATUS(rig_wait_writer(rig)), 1);
    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES}, NULL,
                    NULL, &counts),
        -1);
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(rig_start_writer(rig), -1);
    rig_wait_writer(rig);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(rig_start_writer(rig), -1);
    rig_wait_writer(rig);
}

/* Puts a value and, with again, deletes it within the same transaction. */
static void raw_put(const struct lmdb_db *db, size_t size, bool again)
{
    uint8_t *bytes = mem_zalloc(size);
    MDB_val key = {3, "a\0b"}, small = {3, "a\0a"}, value = {size, bytes};
    MDB_txn *txn;

    assert_int_equal(mdb_txn_begin(db->env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_put(txn, db->meta, &small, &small, 0), 0);
    assert_int_equal(mdb_put(txn, db->documents, &key, &value, 0), 0);
    if (again)
        assert_int_equal(mdb_del(txn, db->documents, &key, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mem_free(bytes);
}

/* LMDB itself leaves a file too short if a transaction made and freed its last pages: it
   never writes these. */
static void short_but_sound_file_is_filled_up(void **state)
{
    struct rig *rig = *state;
    struct lmdb_db db;
    uint64_t need;

    assert_int_equal(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true), 0);
    for (int i = 0; i < 4; i++)
        raw_put(&db, 100, true); /* free pages from earlier transactions */
    raw_put(&db, 400000, true);
    need = lmdb_db_used_bytes(&db);
    lmdb_db_close(&db);
    assert_true((uint64_t)data_size(rig) < need);
    assert_int_equal(rig_start_writer(rig), 0);
    assert_true((uint64_t)data_size(rig) >= need);
}

static void other_map_sizes(void **state)
{
    struct rig *rig = *state;
    uint8_t *bytes = mem_zalloc(1 << 20);
    char id[16];

    rig->max = 16 << 20;
    assert_int_equal(rig_start_writer(rig), 0);
    rig_open_store(rig);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(rig_put_bytes(rig, "m", id, bytes, 1 << 20), STORE_CREATED);
    }
    /* smaller than the file: full for puts, everything else works */
    assert_int_equal(rig_end_writer(rig, SIGTERM), 0);
    rig->max = 4 << 20;
    assert_int_equal(rig_start_writer(rig), 0);
    assert_int_equal(rig_put_bytes(rig, "m", "more", bytes, 1 << 20), STORE_FULL);
    assert_int_equal(rig_find(rig, "m", "9"), STORE_OK);
    assert_int_equal(rig_remove(rig, "m", "0"), STORE_OK);
    /* larger than the front's configuration: the front still sees the end of the file */
    assert_int_equal(rig_end_writer(rig, SIGTERM), 0);
    rig->max = 256 << 20;
    assert_int_equal(rig_start_writer(rig), 0);
    for (int i = 10; i < 60; i++) {
        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(rig_put_bytes(rig, "m", id, bytes, 1 << 20), STORE_CREATED);
        assert_int_equal(rig_find(rig, "m", id), STORE_OK);
    }
    mem_free(bytes);
}

static void writer_follows_a_larger_map(void **state)
{
    struct rig *rig = *state;
    struct rig other;
    uint8_t *bytes = mem_zalloc(1 << 20);

    rig->max = 8 << 20;
    assert_int_equal(rig_start_writer(rig), 0);
    rig_open_store(rig);
    assert_int_equal(rig_put_text(rig, "m", "first", "x"), STORE_CREATED);
    other = *rig; /* an upgrade: another writer on the same store, with a larger map */
    other.writer = 0;
    other.max = 128 << 20;
    other.listen_fd = rig_listen();
    assert_int_equal(rig_start_writer(&other), 0);
    rig_open_store(&other);
    for (int i = 0; i < 20; i++) {
        char id[16];

        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(rig_put_bytes(&other, "m", id, bytes, 1 << 20), STORE_CREATED);
    }
    assert_int_equal(rig_put_text(rig, "m", "first", "y"), STORE_OK);
    assert_true(rig_has_text(&other, "m", "first", "y"));
    store_close(&other.store);
    assert_int_equal(rig_end_writer(&other, SIGTERM), 0);
    close(other.listen_fd);
    mem_free(bytes);
}

/* A reader that dies in a transaction keeps its slot until it is reaped. */
static void be_killed_reader(const struct rig *rig, int fd)
{
    struct lmdb_db db;
    MDB_txn *txn;

    alarm(0);
    RIG_CHECK(lmdb_db_open_reader(&db, rig->dir, MAP_BYTES) == 0);
    RIG_CHECK(lmdb_db_begin_read(&db, &txn) == 0);
    RIG_CHECK(write(fd, "x", 1) == 1);
    for (;;)
        pause();
}

static void killed_readers_are_reaped(void **state)
{
    enum { READERS = 5 };
    struct rig *rig = *state;
    pid_t pids[READERS];
    int fds[2];
    char byte;

    assert_int_equal(rig_start_writer(rig), 0);
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    for (int i = 0; i < READERS; i++) {
        pids[i] = fork();
        RIG_CHECK(pids[i] >= 0);
        if (pids[i] == 0)
            be_killed_reader(rig, fds[1]);
    }
    for (int i = 0; i < READERS; i++)
        assert_int_equal(read(fds[0], &byte, 1), 1);
    rig_open_store(rig);
    assert_int_equal(store_reap_readers(rig->store), 0);
    for (int i = 0; i < READERS; i++) {
        kill(pids[i], SIGKILL);
        waitpid(pids[i], NULL, 0);
    }
    assert_int_equal(store_reap_readers(rig->store), READERS);
    assert_int_equal(store_reap_readers(rig->store), 0);
    close(fds[0]);
    close(fds[1]);
}

static void errors_become_statuses(void **state)
{
    (void)state;
    assert_int_equal(lmdb_db_status(0), STORE_OK);
    assert_int_equal(lmdb_db_status(MDB_NOTFOUND), STORE_NOT_FOUND);
    assert_int_equal(lmdb_db_status(MDB_MAP_FULL), STORE_FULL);
    assert_int_equal(lmdb_db_status(ENOSPC), STORE_FULL);
    assert_int_equal(lmdb_db_status(EIO), STORE_ERROR);
    assert_int_equal(lmdb_db_status(MDB_CORRUPTED), STORE_ERROR);
}

/* Captures the stderr of a child that opens the store as a writer or reader; returns its
   wait status. */
static int open_in_child(const struct rig *rig, int (*open_it)(const struct rig *rig),
                         char log[4096])
{
    size_t len = 0;
    ssize_t n;
    int pipe_fds[2], status;
    pid_t pid;

    RIG_CHECK(pipe(pipe_fds) == 0);
    pid = fork();
    RIG_CHECK(pid >= 0);
    if (pid == 0) {
        RIG_CHECK(dup2(pipe_fds[1], STDERR_FILENO) >= 0);
        signal(SIGBUS, SIG_DFL);
        _exit(open_it(rig) == 0 ? 0 : 1);
    }
    close(pipe_fds[1]);
    while ((n = read(pipe_fds[0], log + len, 4095 - len)) > 0)
        len += (size_t)n;
    log[len] = 0;
    close(pipe_fds[0]);
    RIG_CHECK(waitpid(pid, &status, 0) == pid);
    return status;
}

static int open_as_writer(const struct rig *rig)
{
    struct lmdb_db db;
    MDB_txn *txn;

    if (lmdb_open_writer(&db, rig->dir, MAP_BYTES, true) < 0)
        return -1;
    RIG_CHECK(lmdb_db_begin_write(&db, &txn) == 0); /* touches the lock file */
    mdb_txn_abort(txn);
    lmdb_db_close(&db);
    return 0;
}

/* Tries every size of a disk that is too small, and the first that is large enough. */
static void a_full_disk_is_said(void **state)
{
    struct rig *rig = *state;
    char options[32], log[4096];
    int status = 1, refused = 0;

    for (int pages = 2; status != 0 && pages < 200; pages++) {
        snprintf(options, sizeof options, "size=%dk", pages * 4);
        if (mount("tmpfs", rig->dir, "tmpfs", 0, options) < 0)
            skip(); /* not root, or not allowed */
        status = open_in_child(rig, open_as_writer, log);
        RIG_CHECK(umount2(rig->dir, MNT_DETACH) == 0);
        assert_true(WIFEXITED(status));
        if (status != 0) {
            assert_non_null(strstr(log, "the disk is full"));
            refused++;
        }
    }
    assert_int_equal(status, 0);
    assert_true(refused > 10); /* the lock file already needs nine pages */
}

/* A process of another container can have our pid if pid namespaces are not shared. */
static int open_beside_a_namesake(const struct rig *rig)
{
    struct flock place = {.l_type = F_WRLCK, .l_start = getpid(), .l_len = 1};
    char path[128], byte = 0;
    int ready[2], fd;
    struct lmdb_db db;
    pid_t pid;
    int rc;

    RIG_CHECK(pipe(ready) == 0);
    pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        snprintf(path, sizeof path, "%s/lock.mdb", rig->dir);
        fd = open(path, O_RDWR);
        RIG_CHECK(fd >= 0 && fcntl(fd, F_SETLK, &place) == 0);
        RIG_CHECK(write(ready[1], &byte, 1) == 1);
        pause();
    }
    RIG_CHECK(read(ready[0], &byte, 1) == 1);
    rc = lmdb_db_open_reader(&db, rig->dir, MAP_BYTES);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (rc < 0)
        return -1;
    lmdb_db_close(&db);
    return 0;
}

static void a_namesake_in_another_container_is_said(void **state)
{
    struct rig *rig = *state;
    char log[4096];

    assert_int_equal(open_in_child(rig, open_as_writer, log), 0);
    assert_int_equal(WEXITSTATUS(open_in_child(rig, open_beside_a_namesake, log)), 1);
    assert_non_null(strstr(log, "share the pid namespace"));
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIR(reader_refuses_what_is_not_there),
        IN_DIR(writer_makes_what_is_not_there),
        IN_DIR(garbage_is_refused),
        IN_DIR(foreign_files_are_refused),
        IN_DIR(newer_layout_is_refused),
        IN_DIR(truncated_file_is_refused),
        IN_DIR(short_but_sound_file_is_filled_up),
        IN_DIR(other_map_sizes),
        IN_DIR(writer_follows_a_larger_map),
        IN_DIR(killed_readers_are_reaped),
        cmocka_unit_test(errors_become_statuses),
        IN_DIR(a_full_disk_is_said),
        IN_DIR(a_namesake_in_another_container_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
