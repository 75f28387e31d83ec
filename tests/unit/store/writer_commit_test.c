/* Groups of writes to an environment in this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <sys/stat.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/writer/document_version.h"
#include "server/store/lmdb/lmdb_open_writer.h"
#include "server/store/writer/writer_commit.h"

#define MAP_BYTES (UINT64_C(4) << 20)

struct bench {
    struct rig rig; /* only its directory is used */
    struct lmdb_db db;
    struct writer_commit *commit;
    struct list ops;
    struct writer_op *all[2000];
    size_t count;
};

static int setup(void **state)
{
    struct bench *b = mem_zalloc(sizeof *b);

    rig_init(&b->rig, MAP_BYTES);
    RIG_CHECK(lmdb_open_writer(&b->db, b->rig.dir, MAP_BYTES, false) == 0);
    b->commit = writer_commit_create(&b->db);
    list_init(&b->ops);
    *state = b;
    return 0;
}

static void clear(struct bench *b)
{
    list_init(&b->ops);
    for (size_t i = 0; i < b->count; i++)
        mem_free(b->all[i]);
    b->count = 0;
}

/* After every test the store must be sound. */
static int teardown(void **state)
{
    struct bench *b = *state;
    struct store_check_counts counts;

    clear(b);
    writer_commit_destroy(&b->commit);
    lmdb_db_close(&b->db);
    RIG_CHECK(
        store_check(&(struct store_config){.url = b->rig.url, .lmdb_max = MAP_BYTES},
                    NULL, NULL, &counts) == 0);
    rig_stop(&b->rig);
    mem_free(b);
    return 0;
}

/* Adds a write to the group; size < 0 deletes. */
static struct writer_op *add(struct bench *b, const char *collection, const char *id,
                             ssize_t size)
{
    size_t payload = size < 0 ? 0 : (size_t)size;
    struct writer_op *op =
        mem_zalloc(sizeof *op + strlen(collection) + strlen(id) + payload);

    op->head = (struct writer_head){.type = WRITER_WRITE,
                                    .format = size < 0 ? 0 : STORE_JSON,
                                    .remove = size < 0,
                                    .collection_len = (uint16_t)strlen(collection),
                                    .id_len = (uint16_t)strlen(id),
                                    .payload_len = payload};
    memcpy(op->bytes, collection, strlen(collection));
    memcpy(op->bytes + strlen(collection), id, strlen(id));
    list_append(&b->ops, &op->link);
    RIG_CHECK(b->count < 2000);
    b->all[b->count++] = op;
    return op;
}

static void run(struct bench *b)
{
    assert_int_equal(writer_commit_run(b->commit, &b->ops), 0);
}

static enum store_status run_one(struct bench *b, const char *id, ssize_t size)
{
    struct writer_op *op = add(b, "c", id, size);
    enum store_status status;

    run(b);
    status = op->status;
    clear(b);
    return status;
}

static uint64_t total(struct bench *b, const char *collection)
{
    uint64_t count;
    MDB_txn *txn;

    assert_int_equal(lmdb_db_begin_read(&b->db, &txn), 0);
    assert_int_equal(lmdb_read_total(&b->db, txn, rig_slice(collection), &count),
                     STORE_OK);
    mdb_txn_abort(txn);
    return count;
}

static void a_group_is_one_commit(void **state)
{
    struct bench *b = *state;
    struct writer_totals totals;
    char id[16];

    for (int i = 0; i < 200; i++) {
        snprintf(id, sizeof id, "%d", i % 150);
        add(b, "c", id, 20);
    }
    run(b);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(b->all[i]->status, i < 150 ? STORE_CREATED : STORE_OK);
        assert_int_equal(b->all[i]->version, b->all[0]->version + (uint64_t)i);
    }
    totals = writer_commit_totals(b->commit);
    assert_int_equal(totals.commits, 1);
    assert_int_equal(totals.writes, 200);
    assert_int_equal(total(b, "c"), 150);
}

static uint64_t put_version(struct bench *b, const char *id)
{
    struct writer_op *op = add(b, "c", id, 1);
    uint64_t version;

    run(b);
    assert_true(op->status == STORE_CREATED || op->status == STORE_OK);
    version = op->version;
    clear(b);
    return version;
}

static void set_last_version(struct bench *b, uint64_t version)
{
    MDB_val key = {7, "version"}, value = {sizeof version, &version}; /* little-endian */
    MDB_txn *txn;

    RIG_CHECK(lmdb_db_begin_write(&b->db, &txn) == 0);
    RIG_CHECK(mdb_put(txn, b->db.meta, &key, &value, 0) == 0);
    RIG_CHECK(mdb_txn_commit(txn) == 0);
}

/* Another writer on an older copy of the store: a restored backup. */
static void back_up(struct bench *b, char path[128])
{
    snprintf(path, 128, "%s/backup", b->rig.dir);
    RIG_CHECK(mkdir(path, 0700) == 0);
    RIG_CHECK(mdb_env_copy(b->db.env, path) == 0);
}

static void restore(struct bench *b, const char *path)
{
    char from[160], to[160];

    writer_commit_destroy(&b->commit);
    lmdb_db_close(&b->db);
    snprintf(from, sizeof from, "%s/data.mdb", path);
    snprintf(to, sizeof to, "%s/data.mdb", b->rig.dir);
    RIG_CHECK(rename(from, to) == 0 && rmdir(path) == 0);
    RIG_CHECK(lmdb_open_writer(&b->db, b->rig.dir, MAP_BYTES, false) == 0);
    b->commit = writer_commit_create(&b->db);
}

/* Versions of one document before and after a restore: none is used twice. */
static void check_restore(struct bench *b)
{
    uint64_t before[50], last = put_version(b, "x");
    char path[128];

    back_up(b, path);
    for (int i = 0; i < 50; i++) {
        if (i % 3 == 2) /* deleted and made again */
            assert_int_equal(run_one(b, "x", -1), STORE_OK);
        before[i] = put_version(b, "x");
        assert_true(before[i] > last);
        last = before[i];
    }
    restore(b, path);
    for (int i = 0; i < 50; i++) {
        uint64_t version = put_version(b, "x");

        for (int j = 0; j < 50; j++)
            assert_int_not_equal(version, before[j]);
    }
}

static void no_version_comes_again_after_a_restore(void **state)
{
    struct bench *b = *state;

    set_last_version(b, 5); /* a store whose versions counted from 1 */
    check_restore(b);
}

static void nor_where_the_clock_was_set_back(void **state)
{
    struct bench *b = *state;
    uint64_t ahead = clock_real_us() + UINT64_C(86400000000) * 365;

    set_last_version(b, ahead);
    check_restore(b);
    assert_true(put_version(b, "x") > ahead);
    assert_true(put_version(b, "x") < ahead + 2 * (DOCUMENT_VERSION_GAP_MAX + 200));
}

static void writes_of_a_group_see_one_another(void **state)
{
    struct bench *b = *state;
    struct writer_op *ops[5];

    ops[0] = add(b, "c", "x", 5);
    ops[0]->head.condition = STORE_IF_ABSENT;
    ops[1] = add(b, "c", "x", 6);
    ops[1]->head.condition = STORE_IF_ABSENT;
    ops[2] = add(b, "c", "x", -1);
    ops[3] = add(b, "c", "x", -1);
    ops[4] = add(b, "c", "x", 7);
    ops[4]->head.condition = STORE_IF_PRESENT;
    run(b);
    assert_int_equal(ops[0]->status, STORE_CREATED);
    assert_int_equal(ops[1]->status, STORE_CONFLICT);
    assert_int_equal(ops[1]->version, 0);
    assert_int_equal(ops[2]->status, STORE_OK);
    assert_int_equal(ops[3]->status, STORE_NOT_FOUND);
    assert_int_equal(ops[4]->status, STORE_CONFLICT);
    assert_int_equal(total(b, "c"), 0);
}

static void nothing_changed_nothing_flushed(void **state)
{
    struct bench *b = *state;

    for (int i = 0; i < 10; i++)
        assert_int_equal(run_one(b, "none", -1), STORE_NOT_FOUND);
    assert_int_equal(writer_commit_totals(b->commit).commits, 0);
    assert_int_equal(writer_commit_totals(b->commit).writes, 10);
}

/* Puts documents of one size until FULL; returns how many there are. */
static int fill(struct bench *b, const char *prefix, ssize_t size)
{
    char id[32];

    for (int i = 0; i < 50000; i++) {
        enum store_status status;

        snprintf(id, sizeof id, "%s%d", prefix, i);
        status = run_one(b, id, size);
        if (status == STORE_FULL)
            return i;
        assert_int_equal(status, STORE_CREATED);
    }
    fail_msg("the map never filled");
    return 0;
}

static void full_map_takes_deletes(void **state)
{
    static const ssize_t sizes[] = {100, 1500, 3000, 100000};
    struct bench *b = *state;
    char id[32];

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        int count = fill(b, "d", sizes[s]);

        assert_true(count > 10);
        assert_true(lmdb_db_used_bytes(&b->db) <= MAP_BYTES - LMDB_DB_RESERVE + 100000 ||
                    s > 0);
        assert_int_equal(total(b, "c"), count);
        for (int i = 0; i < count; i++) { /* one by one, each in a transaction */
            snprintf(id, sizeof id, "d%d", i);
            assert_int_equal(run_one(b, id, -1), STORE_OK);
        }
        assert_int_equal(total(b, "c"), 0);
    }
}

static void puts_go_on_after_deletes(void **state)
{
    struct bench *b = *state;
    int count = fill(b, "d", 3000), again = 0;
    char id[32];

    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "d%d", i);
        assert_int_equal(run_one(b, id, -1), STORE_OK);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "new%d", i);
        again += run_one(b, id, 3000) == STORE_CREATED;
    }
    assert_in_range(again, 30, 50);
    assert_int_equal(total(b, "c"), count - 50 + again);
}

/* A write that is too large does not make the others fail. */
static void group_with_one_too_large(void **state)
{
    struct bench *b = *state;
    struct writer_op *small = add(b, "c", "small", 100);
    struct writer_op *large = add(b, "c", "large", (ssize_t)MAP_BYTES);
    struct writer_op *other = add(b, "c", "other", 100);
    struct writer_op *gone = add(b, "c", "small", -1);

    run(b);
    assert_int_equal(small->status, STORE_CREATED);
    assert_int_equal(large->status, STORE_FULL);
    assert_int_equal(large->version, 0);
    assert_int_equal(other->status, STORE_CREATED);
    assert_int_equal(gone->status, STORE_OK);
    assert_int_equal(total(b, "c"), 1);
}

static void group_of_deletes_on_a_full_map(void **state)
{
    struct bench *b = *state;
    int count = fill(b, "d", 1000);
    char id[32];

    for (int i = 0; i < count && i < 2000; i++) {
        snprintf(id, sizeof id, "d%d", i);
        add(b, "c", id, -1);
    }
    run(b);
    for (size_t i = 0; i < b->count; i++)
        assert_int_equal(b->all[i]->status, STORE_OK);
    assert_int_equal(total(b, "c"), (uint64_t)count - b->count);
}

/* A document that is written twice in a group may leave the file too short (LMDB never
   writes pages that a transaction made and freed): it is completed at once. */
static void file_is_never_shorter_than_its_records(void **state)
{
    struct bench *b = *state;
    struct stat st;
    int fd;

    for (int i = 0; i < 5; i++)
        assert_int_equal(run_one(b, "x", 100), i ? STORE_OK : STORE_CREATED);
    add(b, "c", "small", 10);
    add(b, "c", "big", 400000);
    add(b, "c", "big", -1);
    run(b);
    assert_int_equal(b->all[2]->status, STORE_OK);
    assert_int_equal(mdb_env_get_fd(b->db.env, &fd), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true((uint64_t)st.st_size >= lmdb_db_used_bytes(&b->db));
}

static void space_is_estimated_upwards(void **state)
{
    struct bench *b = *state;
    size_t page = lmdb_db_page_bytes(&b->db);

    assert_true(lmdb_free_space_estimate(&b->db, 0) >= page);
    assert_true(lmdb_free_space_estimate(&b->db, 1000000) >= 1000000 + page);
}

static void reserve_is_taken_given_and_taken_again(void **state)
{
    struct bench *b = *state;
    struct lmdb_free_space space;
    struct stat st;
    char path[128];

    snprintf(path, sizeof path, "%s/" LMDB_FREE_SPACE_RESERVE_FILE, b->rig.dir);
    lmdb_free_space_open(&space, &b->db);
    assert_true(space.is_full);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, LMDB_DB_RESERVE);
    assert_true((uint64_t)st.st_blocks * 512 >= LMDB_DB_RESERVE);
    assert_true(lmdb_free_space_release(&space));
    assert_false(lmdb_free_space_release(&space)); /* only once */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_true(lmdb_free_space_has(&space, &b->db, 1000)); /* the disk has space */
    assert_true(space.is_full);
    assert_false(lmdb_free_space_has(&space, &b->db, MAP_BYTES));
    lmdb_free_space_close(&space);
}

#define WITH_ENV(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ENV(a_group_is_one_commit),
        WITH_ENV(no_version_comes_again_after_a_restore),
        WITH_ENV(nor_where_the_clock_was_set_back),
        WITH_ENV(writes_of_a_group_see_one_another),
        WITH_ENV(nothing_changed_nothing_flushed),
        WITH_ENV(full_map_takes_deletes),
        WITH_ENV(puts_go_on_after_deletes),
        WITH_ENV(group_with_one_too_large),
        WITH_ENV(group_of_deletes_on_a_full_map),
        WITH_ENV(file_is_never_shorter_than_its_records),
        WITH_ENV(space_is_estimated_upwards),
        WITH_ENV(reserve_is_taken_given_and_taken_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
