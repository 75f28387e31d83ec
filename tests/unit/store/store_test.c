/* The store as a front uses it, with a real writer process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/store/store_promises.h"

#include "common/base/alloc.h"
#include "server/store/lmdb/lmdb_read.h"
#include "server/store/lmdb/lmdb_store.h"

static int setup(void **state)
{
    return rig_set_up(state, UINT64_C(1) << 30);
}

static void put_get_delete(void **state)
{
    promise_put_get_delete(*state);
}

static void conditions(void **state)
{
    promise_conditions(*state);
}

static void known_version(void **state)
{
    promise_known_version(*state);
}

static void versions_only_grow(void **state)
{
    struct rig *rig = *state;
    uint64_t last = 0, version;
    struct blob *blob;

    for (int i = 0; i < 5; i++) {
        assert_true(rig_write_if(rig, "v", "x", "a", STORE_ALWAYS, 0, &version) ==
                    STORE_CREATED);
        assert_true(version > last);
        last = version;
        assert_int_equal(rig_get_blob(rig, "v", "x", &blob, &version), STORE_OK);
        blob_unref(&blob);
        assert_true(version == last);
        assert_int_equal(rig_write_if(rig, "v", "x", NULL, STORE_ALWAYS, 0, &version),
                         STORE_OK);
        assert_true(version > last);
        last = version;
        if (i == 2) { /* the next writer continues from there */
            rig_end_writer(rig, SIGKILL);
            assert_int_equal(rig_start_writer(rig), 0);
        }
    }
}

static void sizes_around_every_bound(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   2000,
                                   4096,
                                   LMDB_STORE_INLINE_MAX - 1,
                                   LMDB_STORE_INLINE_MAX,
                                   LMDB_STORE_INLINE_MAX + 1,
                                   300000,
                                   LMDB_STORE_RESIDENT_MAX - LAYOUT_HEAD_BYTES,
                                   LMDB_STORE_RESIDENT_MAX - LAYOUT_HEAD_BYTES + 1,
                                   20 << 20};
    struct rig *rig = *state;
    char id[32];

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        uint8_t *bytes = mem_alloc(sizes[i]);
        struct blob *blob;

        for (size_t n = 0; n < sizes[i]; n++)
            bytes[n] = (uint8_t)(n * 7 + n / 251 + i);
        snprintf(id, sizeof id, "%zu", sizes[i]);
        assert_int_equal(rig_put_bytes(rig, "s", id, bytes, sizes[i]), STORE_CREATED);
        assert_int_equal(rig_get_blob(rig, "s", id, &blob, NULL), STORE_OK);
        assert_int_equal(blob->bytes.len, sizes[i]);
        assert_memory_equal(blob->bytes.data, bytes, sizes[i]);
        blob_unref(&blob);
        mem_free(bytes);
    }
}

/* A document that was just written is in memory: only its size makes the thread read
   it. */
static void resident_ones_are_done_at_once(void **state)
{
    struct rig *rig = *state;
    const size_t most = LMDB_STORE_RESIDENT_MAX - LAYOUT_HEAD_BYTES;
    uint8_t *bytes = mem_zalloc(most + 1);
    struct rig_get get;

    assert_int_equal(rig_put_bytes(rig, "r", "short", bytes, most), STORE_CREATED);
    assert_int_equal(rig_put_bytes(rig, "r", "long", bytes, most + 1), STORE_CREATED);
    mem_free(bytes);
    rig_begin_get(rig, &get, "r", "short");
    assert_true(get.done);
    blob_unref(&get.blob);
    rig_begin_get(rig, &get, "r", "long");
    assert_false(get.done);
    store_cancel(&get.get.request);
}

/* ---- memory that the caller offers ---- */

/* Memory for one document, and what the store did with it. */
struct test_target {
    struct blob blob;
    uint8_t *bytes;
    unsigned taken, released;
    bool is_full;
    size_t too_long; /* bytes */
};

static void target_release(struct blob *blob)
{
    struct test_target *target = (struct test_target *)(void *)blob;

    target->released++;
    mem_free(target->bytes);
}

static struct blob *target_take(void *ctx, size_t len, uint8_t **bytes_r)
{
    struct test_target *target = ctx;

    target->taken++;
    if (target->is_full)
        return NULL;
    *bytes_r = target->bytes = mem_zalloc(len + target->too_long);
    target->blob =
        (struct blob){{target->bytes, len + target->too_long}, 1, target_release};
    return &target->blob;
}

/* Sizes of documents that the loop reads, and that the thread reads. */
#define ON_LOOP   300000
#define ON_THREAD 2000000

static void put_filled(struct rig *rig, size_t len)
{
    uint8_t *bytes = mem_alloc(len);

    memset(bytes, 'r', len);
    assert_true(rig_put_bytes(rig, "target", "x", bytes, len) <= STORE_CREATED);
    mem_free(bytes);
}

static void begin_get(struct rig *rig, struct rig_get *get, struct test_target *target,
                      unsigned formats)
{
    *get = (struct rig_get){.get = {.key = {rig_slice("target"), rig_slice("x")},
                                    .target = {target_take, target, formats},
                                    .done = rig_get_done}};
    store_get(rig->store, &get->get);
}

/* Reads the document. Returns whether it is in the target; if not, checks that the target
   was released. */
static bool is_read_into(struct rig *rig, struct test_target *target, unsigned formats,
                         size_t len)
{
    struct rig_get get;
    bool is;

    put_filled(rig, len);
    begin_get(rig, &get, target, formats);
    while (!get.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(get.get.status, STORE_OK);
    assert_int_equal(get.blob->bytes.len, len);
    assert_int_equal(get.blob->bytes.data[0], 'r');
    assert_int_equal(get.blob->bytes.data[len - 1], 'r');
    is = get.blob == &target->blob;
    assert_int_equal(target->released, !is && target->bytes != NULL);
    blob_unref(&get.blob);
    assert_int_equal(target->released, target->bytes != NULL);
    return is;
}

static void documents_go_to_the_target(void **state)
{
    static const size_t sizes[] = {1, 4096, LMDB_STORE_INLINE_MAX + 1, ON_LOOP,
                                   ON_THREAD};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct test_target target = {0};

        assert_true(
            is_read_into(*state, &target, STORE_TARGET_FOR(STORE_MSGPACK), sizes[i]));
        assert_int_equal(target.taken, 1);
    }
}

static void documents_of_other_formats_do_not(void **state)
{
    static const size_t sizes[] = {ON_LOOP, ON_THREAD};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct test_target target = {0}, none = {0};

        assert_false(
            is_read_into(*state, &target, STORE_TARGET_FOR(STORE_JSON), sizes[i]));
        assert_false(is_read_into(*state, &none, 0, sizes[i]));
        assert_int_equal(none.taken, 0);
    }
}

static void the_target_may_have_no_memory(void **state)
{
    static const size_t sizes[] = {ON_LOOP, ON_THREAD};

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct test_target target = {.is_full = true};

        assert_false(
            is_read_into(*state, &target, STORE_TARGET_FOR(STORE_MSGPACK), sizes[i]));
        assert_int_equal(target.taken, 1);
    }
}

/* The document was replaced by another after the target was taken. */
static void target_of_another_length_is_not_used(void **state)
{
    struct test_target target = {.too_long = 1};

    assert_false(
        is_read_into(*state, &target, STORE_TARGET_FOR(STORE_MSGPACK), ON_THREAD));
}

/* The thread may write to the target when the request is cancelled: the target is
   released once, when the thread has finished. */
static void target_is_released_after_a_cancel(void **state)
{
    struct rig *rig = *state;
    struct test_target targets[8] = {{.taken = 0}};

    put_filled(rig, ON_THREAD);
    for (unsigned i = 0; i < 8; i++) {
        struct rig_get get;

        begin_get(rig, &get, &targets[i], STORE_TARGET_FOR(STORE_MSGPACK));
        assert_false(get.done);
        if (i % 2)
            usleep(200 * i);
        store_cancel(&get.get.request);
        assert_int_equal(targets[i].released, 0);
    }
    assert_int_equal(rig_find(rig, "target", "y"), STORE_NOT_FOUND);
    store_close(&rig->store); /* at the latest */
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(targets[i].released, 1);
}

/* Of many reads at once, the loop does only some, because it has other clients. */
static void a_turn_reads_so_much_itself(void **state)
{
    enum { BYTES = 400000, GETS = 2 * LMDB_STORE_TURN_MAX / BYTES };
    struct rig *rig = *state;
    uint8_t *bytes = mem_zalloc(BYTES);
    struct rig_get gets[GETS];

    assert_int_equal(rig_put_bytes(rig, "t", "one", bytes, BYTES), STORE_CREATED);
    ev_run(rig->loop, EVRUN_NOWAIT); /* a turn of its own */
    for (unsigned i = 0; i < GETS; i++) {
        rig_begin_get(rig, &gets[i], "t", "one");
        assert_int_equal(gets[i].done, i < LMDB_STORE_TURN_MAX / BYTES);
    }
    for (unsigned i = 0; i < GETS; i++)
        if (gets[i].done)
            blob_unref(&gets[i].blob);
        else
            store_cancel(&gets[i].get.request);
    ev_run(rig->loop, EVRUN_NOWAIT);
    rig_begin_get(rig, &gets[0], "t", "one");
    assert_true(gets[0].done);
    assert_memory_equal(gets[0].blob->bytes.data, bytes, BYTES);
    blob_unref(&gets[0].blob);
    mem_free(bytes);
}

static void pages_that_nobody_read_are_not_resident(void **state)
{
    enum { VALUE = LMDB_READ_RESIDENT_MAX, APART = 16 << 20 };
    FILE *file = tmpfile();
    uint8_t *map;

    (void)state;
    assert_non_null(file);
    assert_int_equal(ftruncate(fileno(file), 2 * APART), 0);
    map = mmap(NULL, 2 * APART, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_false(lmdb_read_is_resident((MDB_val){VALUE, map}));
    memset(map, 1, VALUE);
    assert_true(lmdb_read_is_resident((MDB_val){VALUE, map}));
    assert_true(lmdb_read_is_resident((MDB_val){VALUE - 100, map + 100}));
    assert_false(lmdb_read_is_resident((MDB_val){VALUE, map + APART}));
    assert_false(lmdb_read_is_resident((MDB_val){VALUE + 1, map})); /* too large to ask */
    munmap(map, 2 * APART);
    fclose(file);
}

static void longest_names(void **state)
{
    promise_longest_names(*state);
}

static void pages(void **state)
{
    promise_pages(*state);
}

static void format_is_kept(void **state)
{
    struct rig *rig = *state;
    struct rig_get get;

    assert_int_equal(rig_put_text(rig, "f", "m", "x"), STORE_CREATED);
    assert_int_equal(rig_write_if(rig, "f", "j", "x", STORE_ALWAYS, 0, NULL),
                     STORE_CREATED);
    rig_begin_get(rig, &get, "f", "m");
    assert_true(get.done); /* small ones are done at once */
    assert_int_equal(get.get.format, STORE_MSGPACK);
    blob_unref(&get.blob);
    rig_begin_get(rig, &get, "f", "j");
    assert_int_equal(get.get.format, STORE_JSON);
    blob_unref(&get.blob);
}

static void many_at_once_are_grouped(void **state)
{
    enum { PUTS = 1000 };
    struct rig *rig = *state;
    struct store_counters counters;

    promise_many_at_once(rig, PUTS);
    store_read_counters(rig->store, &counters);
    assert_int_equal(counters.writer_writes, PUTS);
    assert_int_equal(counters.writes_sent, PUTS);
    assert_int_equal(counters.writes_waiting, 0);
    assert_in_range(counters.writer_commits, 1, PUTS / 4);
}

static void queue_is_bounded(void **state)
{
    enum { PUTS = 4200 };
    struct rig *rig = *state;
    struct rig_put *puts = mem_zalloc(PUTS * sizeof *puts);
    int refused = 0;

    for (int i = 0; i < PUTS; i++)
        rig_begin_put(rig, &puts[i], "q", "x", "x", 1);
    for (int i = 0; i < PUTS; i++)
        refused += rig_wait_put(rig, &puts[i], NULL) == STORE_DOWN;
    assert_int_equal(refused, PUTS - 4096);
    mem_free(puts);
}

static void bytes_in_the_queue_are_bounded(void **state)
{
    enum { SIZE = 100 << 20 };
    struct rig *rig = *state;
    struct rig_put puts[4];
    uint8_t *bytes = mem_zalloc(SIZE);

    for (int i = 0; i < 4; i++)
        rig_begin_put(rig, &puts[i], "q", "large", bytes, SIZE);
    assert_true(puts[2].done && puts[2].put.status == STORE_DOWN);
    assert_true(puts[3].done && puts[3].put.status == STORE_DOWN);
    assert_int_equal(rig_wait_put(rig, &puts[0], NULL), STORE_CREATED);
    assert_int_equal(rig_wait_put(rig, &puts[1], NULL), STORE_OK);
    mem_free(bytes);
}

static void unknown_urls_are_refused(void **state)
{
    struct store_config config = {.url = "ldap://x", .lmdb_max = 1 << 20};
    int pair[2];

    (void)state;
    assert_null(store_open(ev_default_loop(0), &config));
    config.url = "lmdbx:/tmp";
    assert_null(store_open(ev_default_loop(0), &config));
    config.url = "lmdb:/tmp/none";
    assert_int_equal(pipe(pair), 0); /* no socket */
    config.writer_listen_fd = pair[0];
    assert_null(store_open(ev_default_loop(0), &config));
    close(pair[0]);
    close(pair[1]);
    ev_loop_destroy(ev_default_loop(0));
}

static void texts_of_statuses(void **state)
{
    (void)state;
    assert_string_equal(store_status_text(STORE_FULL), "the store is full");
    assert_string_equal(store_status_text(STORE_OK), "ok");
    assert_string_equal(store_status_text((enum store_status)99), "unknown");
}

static void nothing_is_leaked_by_opening(void **state)
{
    struct rig *rig = *state;
    unsigned before = rig_count_fds();

    for (int i = 0; i < 20; i++) {
        store_close(&rig->store);
        rig_open_store(rig);
        assert_int_equal(rig_find(rig, "x", "y"), STORE_NOT_FOUND);
    }
    assert_int_equal(rig_count_fds(), before);
}

static void close_of_nothing(void **state)
{
    struct store *none = NULL;

    (void)state;
    store_close(&none);
    assert_null(none);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, setup, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STORE(put_get_delete),
        WITH_STORE(conditions),
        WITH_STORE(known_version),
        WITH_STORE(versions_only_grow),
        WITH_STORE(sizes_around_every_bound),
        WITH_STORE(resident_ones_are_done_at_once),
        WITH_STORE(documents_go_to_the_target),
        WITH_STORE(documents_of_other_formats_do_not),
        WITH_STORE(the_target_may_have_no_memory),
        WITH_STORE(target_of_another_length_is_not_used),
        WITH_STORE(target_is_released_after_a_cancel),
        WITH_STORE(a_turn_reads_so_much_itself),
        cmocka_unit_test(pages_that_nobody_read_are_not_resident),
        WITH_STORE(longest_names),
        WITH_STORE(pages),
        WITH_STORE(format_is_kept),
        WITH_STORE(many_at_once_are_grouped),
        WITH_STORE(queue_is_bounded),
        WITH_STORE(bytes_in_the_queue_are_bounded),
        cmocka_unit_test(unknown_urls_are_refused),
        cmocka_unit_test(texts_of_statuses),
        WITH_STORE(nothing_is_leaked_by_opening),
        cmocka_unit_test(close_of_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
