/* --check-store: the damage that it must find; a sound store passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>

#include "tests/unit/store/store_rig.h"

#include "common/base/alloc.h"
#include "server/store/lmdb/lmdb_open_writer.h"
#include "server/store/lmdb/lmdb_layout.h"
#include "server/store/store.h"

#define MAP_BYTES (UINT64_C(64) << 20)

static int setup(void **state)
{
    struct rig *rig;

    rig_set_up(state, MAP_BYTES);
    rig = *state;
    RIG_CHECK(rig_put_text(rig, "a", "1", "one") == STORE_CREATED);
    RIG_CHECK(rig_put_text(rig, "a", "2", "two") == STORE_CREATED);
    RIG_CHECK(rig_put_text(rig, "b", "1", "three") == STORE_CREATED);
    return 0;
}

/* Changes a record directly in LMDB; an empty value deletes it. */
static void tamper(struct rig *rig, int which, struct slice name, struct slice bytes)
{
    MDB_val key = lmdb_db_val(name), value = lmdb_db_val(bytes);
    struct lmdb_db db;
    MDB_txn *txn;
    MDB_dbi dbi;

    store_close(&rig->store);
    RIG_CHECK(rig_end_writer(rig, SIGTERM) == 0);
    RIG_CHECK(lmdb_open_writer(&db, rig->dir, MAP_BYTES, true) == 0);
    dbi = which == 'd' ? db.documents : which == 'c' ? db.collections : db.meta;
    RIG_CHECK(mdb_txn_begin(db.env, NULL, 0, &txn) == 0);
    RIG_CHECK((bytes.len ? mdb_put(txn, dbi, &key, &value, 0)
                         : mdb_del(txn, dbi, &key, NULL)) == 0);
    RIG_CHECK(mdb_txn_commit(txn) == 0);
    lmdb_db_close(&db);
    RIG_CHECK(rig_start_writer(rig) == 0);
    rig_open_store(rig);
}

static uint64_t count_damage(struct rig *rig)
{
    struct store_check_counts counts;
    int rc = store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES},
                         NULL, NULL, &counts);

    assert_int_equal(rc, counts.damaged ? -1 : 0);
    return counts.damaged;
}

static void sound_store_passes(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;

    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES}, NULL,
                    NULL, &counts),
        0);
    assert_int_equal(counts.documents, 3);
    assert_int_equal(counts.collections, 2);
    assert_int_equal(counts.bytes, 11);
    assert_int_equal(counts.damaged, 0);
}

static int refuse_two(void *ctx, struct store_key key, enum store_format format,
                      struct slice bytes)
{
    RIG_CHECK(strcmp(ctx, "ctx") == 0 && format == STORE_MSGPACK);
    RIG_CHECK(key.collection.len == 1 && key.id.len == 1);
    return bytes.len == 3 && memcmp(bytes.data, "two", 3) == 0 ? -1 : 0;
}

static void verify_has_its_say(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;
    char ctx[] = "ctx";

    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES},
                    refuse_two, ctx, &counts),
        -1);
    assert_int_equal(counts.documents, 3);
    assert_int_equal(counts.damaged, 1);
}

static void damage_is_found(void **state)
{
    static const struct slice none = {NULL, 0};
    struct rig *rig = *state;
    struct slice a1 = {(const uint8_t *)"a\0001", 3};
    uint8_t value[20] = {0};

    tamper(rig, 'd', a1, rig_slice("short"));
    assert_int_equal(count_damage(rig), 1);
    assert_int_equal(rig_find(rig, "a", "1"), STORE_ERROR);
    assert_int_equal(rig_find(rig, "a", "2"), STORE_OK);
    layout_put_head(value, STORE_JSON, UINT64_MAX / 2); /* never given out */
    tamper(rig, 'd', a1, (struct slice){value, sizeof value});
    assert_int_equal(count_damage(rig), 1);
    layout_put_head(value, STORE_JSON, 1);
    tamper(rig, 'd', a1, (struct slice){value, sizeof value});
    assert_int_equal(count_damage(rig), 0);
    tamper(rig, 'd', rig_slice("nokey"), (struct slice){value, sizeof value});
    assert_int_equal(count_damage(rig), 1);
    tamper(rig, 'd', rig_slice("nokey"), none);
    tamper(rig, 'd', a1, none); /* the count is wrong now */
    assert_int_equal(count_damage(rig), 1);
    tamper(rig, 'd', (struct slice){(const uint8_t *)"a\0002", 3}, none);
    assert_true(count_damage(rig) >= 1); /* a count without documents */
}

/* A read, and whether it has ended. */
struct reading {
    union {
        struct store_list list;
        struct store_count count;
        struct store_collections collections;
    };
    bool done;
};

static void list_done(struct store_list *list)
{
    ((struct reading *)(void *)list)->done = true;
}

static void count_done(struct store_count *count)
{
    ((struct reading *)(void *)count)->done = true;
}

static void collections_done(struct store_collections *collections)
{
    ((struct reading *)(void *)collections)->done = true;
}

static void wait_for(struct rig *rig, const struct reading *reading)
{
    while (!reading->done)
        ev_run(rig->loop, EVRUN_ONCE);
}

/* Reads all of collection a and returns the status. A count checks only the last key that
   it counts; there it must end with the same status. */
static enum store_status read_all(struct rig *rig)
{
    struct reading list = {.list = {.collection = rig_slice("a"),
                                    .max_documents = 10,
                                    .max_bytes = 1000,
                                    .done = list_done}};
    struct reading count = {
        .count = {.collection = rig_slice("a"), .max_documents = 3, .done = count_done}};

    store_list(rig->store, &list.list);
    wait_for(rig, &list);
    store_count(rig->store, &count.count);
    wait_for(rig, &count);
    if (count.count.status == STORE_OK && count.count.more)
        assert_true(count.count.last_id_len == 1 && count.count.last_id[0] == '3');
    return list.list.status;
}

static enum store_status read_names(struct rig *rig)
{
    struct reading names = {.collections = {.max_count = 10, .done = collections_done}};

    store_collections(rig->store, &names.collections);
    wait_for(rig, &names);
    return names.collections.status;
}

/* Keys that the store never makes: longer than any name, or with bytes that would end a
   line in a reply's head. */
static void names_that_are_none_are_refused(void **state)
{
    static const struct slice none = {NULL, 0};
    struct rig *rig = *state;
    uint8_t value[20], key[302] = "a";
    const struct slice bytes = {value, sizeof value};
    const struct slice keys[] = {{key, sizeof key}, {(const uint8_t *)"a\0x\r\n", 5}};

    memset(key + 2, 'x', sizeof key - 2);
    layout_put_head(value, STORE_JSON, 1);
    for (size_t i = 0; i < 4; i++)
        value[LAYOUT_HEAD_BYTES + i] = '1';
    assert_int_equal(rig_put_text(rig, "a", "3", "more"), STORE_CREATED);
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        assert_int_equal(read_all(rig), STORE_OK);
        tamper(rig, 'd', (struct slice){(const uint8_t *)"a\0001", 3}, none);
        tamper(rig, 'd', keys[i], bytes);
        assert_int_equal(read_all(rig), STORE_ERROR);
        assert_true(count_damage(rig) > 0);
        tamper(rig, 'd', keys[i], none);
        tamper(rig, 'd', (struct slice){(const uint8_t *)"a\0001", 3}, bytes);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct slice name = i == 0 ? (struct slice){key + 2, 300} : rig_slice("\r\n\"");

        assert_int_equal(read_names(rig), STORE_OK);
        tamper(rig, 'c', name, rig_slice("12345678"));
        assert_int_equal(read_names(rig), STORE_ERROR);
        tamper(rig, 'c', name, none);
    }
}

static void damaged_records_are_found(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;

    tamper(rig, 'c', rig_slice("b"), rig_slice("12345678"));
    assert_int_equal(count_damage(rig), 1);
    tamper(rig, 'c', rig_slice("b"), rig_slice("123"));
    assert_int_equal(count_damage(rig), 1);
    tamper(rig, 'm', rig_slice("version"), rig_slice("x"));
    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES}, NULL,
                    NULL, &counts),
        -1);
    assert_int_equal(rig_put_text(rig, "a", "1", "x"), STORE_ERROR);
    assert_int_equal(rig_find(rig, "a", "1"), STORE_OK);
}

/* More documents than the check reads in one transaction. */
#define MANY 10500

/* Another process that writes while the check runs: see writes_between. */
struct loader {
    pid_t pid;
    int ask[2], answer[2];
    unsigned seen; /* documents, by the check */
};

static void be_loader(struct rig *rig, const struct loader *loader)
{
    char byte;

    alarm(RIG_ALARM_S);
    rig->loop = ev_loop_new(EVFLAG_AUTO);
    rig_open_store(rig);
    RIG_CHECK(read(loader->ask[0], &byte, 1) == 1);
    RIG_CHECK(rig_put_text(rig, "many", "0", "before all others") == STORE_CREATED);
    RIG_CHECK(rig_remove(rig, "b", "1") == STORE_OK);
    RIG_CHECK(rig_put_text(rig, "b2", "1", "new, and the check is past it") ==
              STORE_CREATED);
    RIG_CHECK(write(loader->answer[1], &byte, 1) == 1);
    RIG_CHECK(read(loader->ask[0], &byte, 1) == 0);
    _exit(0);
}

static void start_loader(struct rig *rig, struct loader *loader)
{
    *loader = (struct loader){0};
    RIG_CHECK(pipe(loader->ask) == 0 && pipe(loader->answer) == 0);
    loader->pid = fork();
    RIG_CHECK(loader->pid >= 0);
    if (loader->pid == 0) {
        close(loader->ask[1]);
        be_loader(rig, loader);
    }
}

static void end_loader(struct loader *loader)
{
    int status;

    close(loader->ask[1]);
    RIG_CHECK(waitpid(loader->pid, &status, 0) == loader->pid && status == 0);
    close(loader->ask[0]);
    close(loader->answer[0]);
    close(loader->answer[1]);
}

/* Has the loader write in the middle of the collection "many". */
static int writes_between(void *ctx, struct store_key key, enum store_format format,
                          struct slice bytes)
{
    struct loader *loader = ctx;
    char byte = 0;

    (void)key, (void)format, (void)bytes;
    if (++loader->seen == 5000) {
        RIG_CHECK(write(loader->ask[1], &byte, 1) == 1);
        RIG_CHECK(read(loader->answer[0], &byte, 1) == 1);
    }
    return 0;
}

static void fill_many(struct rig *rig)
{
    static struct rig_put puts[MANY];
    static char ids[MANY][8];

    for (int i = 0; i < MANY; i++) {
        snprintf(ids[i], sizeof ids[i], "%05d", i);
        rig_begin_put(rig, &puts[i], "many", ids[i], "x", 1);
        if (i >= 1000) /* a limited number: the queue has a limit */
            RIG_CHECK(rig_wait_put(rig, &puts[i - 1000], NULL) == STORE_CREATED);
    }
    for (int i = MANY - 1000; i < MANY; i++)
        RIG_CHECK(rig_wait_put(rig, &puts[i], NULL) == STORE_CREATED);
}

static void writes_beside_a_check_are_no_damage(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;
    struct loader loader;

    fill_many(rig);
    start_loader(rig, &loader);
    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES},
                    writes_between, &loader, &counts),
        0);
    assert_int_equal(counts.damaged, 0);
    assert_int_equal(counts.documents, MANY + 3);
    end_loader(&loader);
    /* damage is still found */
    tamper(rig, 'c', rig_slice("many"), rig_slice("12345678"));
    assert_int_equal(count_damage(rig), 1);
    tamper(rig, 'c', rig_slice("zzz"), rig_slice("12345678"));
    assert_int_equal(count_damage(rig), 2);
}

/* Pages overwritten with noise: the check ends, whatever LMDB does. */
static void noise_in_the_pages_is_survived(void **state)
{
    struct rig *rig = *state;
    struct store_check_counts counts;
    char path[128];
    uint8_t page[4096];
    int fd, refused = 0;

    for (int i = 0; i < 200; i++) {
        char id[16];

        snprintf(id, sizeof id, "%d", i);
        assert_int_equal(rig_put_text(rig, "n", id, path), STORE_CREATED);
    }
    store_close(&rig->store);
    assert_int_equal(rig_end_writer(rig, SIGTERM), 0);
    snprintf(path, sizeof path, "%s/data.mdb", rig->dir);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    for (off_t at = 2 * 4096; pread(fd, page, sizeof page, at) == sizeof page;
         at += 4096) {
        uint8_t noise[4096];

        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(i * 31 + (size_t)at / 4096 * 7);
        assert_int_equal(pwrite(fd, noise, sizeof noise, at), sizeof noise);
        refused +=
            store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES},
                        NULL, NULL, &counts) < 0;
        assert_int_equal(pwrite(fd, page, sizeof page, at), sizeof page);
    }
    assert_true(refused > 0); /* free pages may hold anything */
    close(fd);
    assert_int_equal(
        store_check(&(struct store_config){.url = rig->url, .lmdb_max = MAP_BYTES}, NULL,
                    NULL, &counts),
        0);
}

static void what_is_no_store_is_refused(void **state)
{
    struct store_check_counts counts;

    (void)state;
    assert_int_equal(
        store_check(&(struct store_config){.url = "redis://x", .lmdb_max = MAP_BYTES},
                    NULL, NULL, &counts),
        -1);
    assert_int_equal(store_check(&(struct store_config){.url = "lmdb:/nonexistent",
                                                        .lmdb_max = MAP_BYTES},
                                 NULL, NULL, &counts),
                     -1);
    assert_int_equal(counts.documents, 0);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(sound_store_passes),
        WITH_STORE(verify_has_its_say),
        WITH_STORE(damage_is_found),
        WITH_STORE(names_that_are_none_are_refused),
        WITH_STORE(damaged_records_are_found),
        WITH_STORE(writes_beside_a_check_are_no_damage),
        WITH_STORE(noise_in_the_pages_is_survived),
        cmocka_unit_test(what_is_no_store_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
