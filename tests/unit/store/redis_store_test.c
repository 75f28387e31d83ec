/* The store over a real redis-server: what store.h promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <inttypes.h>

#include "tests/unit/store/redis_rig.h"
#include "tests/unit/store/store_promises.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/redis/redis_flight.h"

static int setup(void **state)
{
    struct redis_rig *redis = mem_zalloc(sizeof *redis);

    redis_rig_start(redis, NULL);
    *state = redis;
    return 0;
}

static int teardown(void **state)
{
    struct redis_rig *redis = *state;

    redis_rig_stop(redis);
    mem_free(redis);
    return 0;
}

static struct rig *rig_of(void **state)
{
    struct redis_rig *redis = *state;

    redis_rig_command(redis, "OK", "FLUSHALL");
    return &redis->rig;
}

static void put_get_delete(void **state)
{
    promise_put_get_delete(rig_of(state));
}

static void conditions(void **state)
{
    promise_conditions(rig_of(state));
}

static void known_version(void **state)
{
    promise_known_version(rig_of(state));
}

static void longest_names(void **state)
{
    promise_longest_names(rig_of(state));
}

static uint64_t put_version(struct rig *rig)
{
    uint64_t version, seen;
    struct blob *blob;

    assert_int_equal(rig_write_if(rig, "v", "x", "a", STORE_ALWAYS, 0, &version),
                     STORE_CREATED);
    assert_int_equal(rig_get_blob(rig, "v", "x", &blob, &seen), STORE_OK);
    assert_int_equal(seen, version);
    blob_unref(&blob);
    assert_int_equal(rig_remove(rig, "v", "x"), STORE_OK);
    return version;
}

static void versions_only_grow(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);
    uint64_t last = 0, ahead = clock_real_us() + UINT64_C(86400000000);

    for (int i = 0; i < 20; i++) {
        uint64_t version = put_version(rig);

        assert_true(version > last);
        last = version;
        if (i == 10) /* all data are lost, the counter too */
            redis_rig_command(redis, "OK", "FLUSHALL");
    }
    /* a clock that was set back, before a backup is restored */
    redis_rig_command(redis, "OK", "SET offloop:{v}:v %" PRIu64, ahead);
    last = put_version(rig);
    assert_in_range(last, ahead + 1, ahead + (1 << 20));
    redis_rig_command(redis, "OK", "SET offloop:{v}:v %" PRIu64, ahead);
    assert_int_not_equal(put_version(rig), last);
    /* too far ahead to be taken from the clock, near the largest number */
    redis_rig_command(redis, "OK", "SET offloop:{v}:v 9000000000000000");
    assert_int_equal(put_version(rig), UINT64_C(9000000000000001));
    assert_int_equal(put_version(rig), UINT64_C(9000000000000002));
}

static void check_size(struct rig *rig, size_t size)
{
    uint8_t *bytes = mem_alloc(size);
    struct blob *blob;
    char id[32];

    for (size_t n = 0; n < size; n++)
        bytes[n] = (uint8_t)(n * 7 + n / 251 + size);
    snprintf(id, sizeof id, "%zu", size);
    assert_int_equal(rig_put_bytes(rig, "s", id, bytes, size), STORE_CREATED);
    assert_int_equal(rig_put_bytes(rig, "s", id, bytes, size), STORE_OK);
    assert_int_equal(rig_get_blob(rig, "s", id, &blob, NULL), STORE_OK);
    assert_int_equal(blob->bytes.len, size);
    assert_memory_equal(blob->bytes.data, bytes, size);
    blob_unref(&blob);
    mem_free(bytes);
}

static void sizes_around_every_bound(void **state)
{
    static const size_t sizes[] = {0,
                                   1,
                                   2000,
                                   16384,
                                   REDIS_PIECE_BYTES - 1,
                                   REDIS_PIECE_BYTES,
                                   REDIS_PIECE_BYTES + 1,
                                   2 * REDIS_PIECE_BYTES,
                                   REDIS_PIECES * REDIS_PIECE_BYTES,
                                   REDIS_PIECES * REDIS_PIECE_BYTES + 1,
                                   20 << 20};
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_size(rig, sizes[i]);
    /* collections, 'i', 'v' and the documents: no upload is left */
    redis_rig_command(redis, "14", "DBSIZE");
    redis_rig_command(redis, "-1", "TTL offloop:{s}:d:%d", 20 << 20);
}

static void a_large_put_that_is_refused_leaves_nothing(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);
    char *text = mem_alloc(200001);
    uint64_t none;

    memset(text, 'x', 200000);
    text[200000] = 0;
    assert_int_equal(rig_write_if(rig, "c", "x", text, STORE_IF_PRESENT, 0, &none),
                     STORE_CONFLICT);
    assert_int_equal(rig_find(rig, "c", "x"), STORE_NOT_FOUND); /* after the UNLINK */
    redis_rig_command(redis, "0", "DBSIZE");
    mem_free(text);
}

static void formats_are_kept(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_get get;

    assert_int_equal(rig_put_text(rig, "f", "m", "x"), STORE_CREATED);
    assert_int_equal(rig_write_if(rig, "f", "j", "x", STORE_ALWAYS, 0, NULL),
                     STORE_CREATED);
    for (int i = 0; i < 2; i++) {
        rig_begin_get(rig, &get, "f", i ? "j" : "m");
        while (!get.done)
            ev_run(rig->loop, EVRUN_ONCE);
        assert_int_equal(get.get.format, i ? STORE_JSON : STORE_MSGPACK);
        blob_unref(&get.blob);
    }
}

/* ---- listings ---- */

struct listed {
    struct store_list list;
    bool done;
    enum store_status status;
    bool more;
    size_t count;
    char ids[4096]; /* "a b c " */
    size_t bytes;
};

static void on_listed(struct store_list *list)
{
    struct listed *listed = (struct listed *)(void *)list;

    listed->done = true;
    listed->status = list->status;
    listed->more = list->more;
    listed->count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        listed->bytes += list->documents[i].bytes.len;
        assert_true(list->documents[i].version > 0);
        if (strlen(listed->ids) < 4000)
            strncat(listed->ids, (const char *)list->documents[i].id.data,
                    list->documents[i].id.len);
        strcat(listed->ids, strlen(listed->ids) < 4000 ? " " : "");
    }
}

static struct listed list_run(struct rig *rig, const char *collection, const char *after,
                              size_t max_documents, size_t max_bytes)
{
    struct listed listed = {.list = {.collection = rig_slice(collection),
                                     .after = rig_slice(after),
                                     .max_documents = max_documents,
                                     .max_bytes = max_bytes,
                                     .done = on_listed}};

    store_list(rig->store, &listed.list);
    while (!listed.done)
        ev_run(rig->loop, EVRUN_ONCE);
    return listed;
}

static void put_some(struct rig *rig)
{
    static const char *const ids[] = {"b", "a", "C", "b.1", "b:1", "~", "10", "9"};

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        assert_int_equal(rig_put_text(rig, "l", ids[i], "0123456789"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "l.", "other", "x"), STORE_CREATED);
}

static void check_list(struct rig *rig, const char *after, size_t max_documents,
                       size_t max_bytes, const char *ids, bool more)
{
    struct listed listed = list_run(rig, "l", after, max_documents, max_bytes);

    assert_int_equal(listed.status, STORE_OK);
    assert_string_equal(listed.ids, ids);
    assert_int_equal(listed.more, more);
}

static void pages(void **state)
{
    promise_pages(rig_of(state));
}

static void lists_in_order_of_bytes(void **state)
{
    struct rig *rig = rig_of(state);

    check_list(rig, "", 100, 1000, "", false);
    put_some(rig);
    check_list(rig, "", 100, 1000, "10 9 C a b b.1 b:1 ~ ", false);
    check_list(rig, "", 8, 1000, "10 9 C a b b.1 b:1 ~ ", false);
    check_list(rig, "", 7, 1000, "10 9 C a b b.1 b:1 ", true);
    check_list(rig, "b", 2, 1000, "b.1 b:1 ", true);
    check_list(rig, "aa", 1, 1000, "b ", true);
    check_list(rig, "b:1", 9, 1000, "~ ", false);
    check_list(rig, "~", 9, 1000, "", false);
    check_list(rig, "", 100, 1, "10 ", true);
    check_list(rig, "", 100, 29, "10 9 ", true);
    check_list(rig, "", 100, 30, "10 9 C ", true);
    check_list(rig, "b:1", 100, 1, "~ ", false);
}

static void lists_with_large_documents(void **state)
{
    struct rig *rig = rig_of(state);
    struct listed listed;
    uint8_t *bytes = mem_zalloc(1 << 20);

    put_some(rig);
    assert_int_equal(rig_put_bytes(rig, "l", "a1", bytes, 1 << 20), STORE_CREATED);
    assert_int_equal(rig_put_bytes(rig, "l", "~~", bytes, 70000), STORE_CREATED);
    mem_free(bytes);
    check_list(rig, "", 100, 1000, "10 9 C a ", true);
    listed = list_run(rig, "l", "a", 100, 1000);
    assert_int_equal(listed.bytes, 1 << 20);
    assert_string_equal(listed.ids, "a1 ");
    assert_true(listed.more);
    listed = list_run(rig, "l", "~", 100, 1000);
    assert_string_equal(listed.ids, "~~ ");
    assert_int_equal(listed.bytes, 70000);
    assert_false(listed.more);
    /* one that fits the run comes with the others */
    check_list(rig, "b:1", 100, 200000, "~ ~~ ", false);
}

struct counted {
    struct store_count count;
    bool done;
};

static void on_counted(struct store_count *count)
{
    ((struct counted *)(void *)count)->done = true;
}

static void counts(void **state)
{
    struct rig *rig = rig_of(state);

    promise_count(rig, "", 10, 0, "", false);
    put_some(rig);
    promise_count(rig, "", UINT64_MAX, 8, "~", false);
    promise_count(rig, "", 8, 8, "~", false);
    promise_count(rig, "", 7, 7, "b:1", true);
    promise_count(rig, "", 1, 1, "10", true);
    promise_count(rig, "a", 2, 2, "b.1", true);
    promise_count(rig, "aa", 100, 4, "~", false);
    promise_count(rig, "~", 5, 0, "", false);
    promise_count(rig, "~~", 5, 0, "", false);
}

static void collections(void **state)
{
    struct rig *rig = rig_of(state);

    promise_names(rig, "", 10, "", false);
    put_some(rig);
    assert_int_equal(rig_put_text(rig, "B", "x", "x"), STORE_CREATED);
    assert_int_equal(rig_put_text(rig, "B", "x", "y"), STORE_OK);
    promise_names(rig, "", 10, "B=1 l=8 l.=1 ", false);
    promise_names(rig, "", 2, "B=1 l=8 ", true);
    promise_names(rig, "l", 2, "l.=1 ", false);
    promise_names(rig, "B1", 1, "l=8 ", true);
    assert_int_equal(rig_remove(rig, "B", "x"), STORE_OK);
    promise_names(rig, "", 10, "l=8 l.=1 ", false);
}

/* ---- many, and many at once ---- */

static void many_at_once(void **state)
{
    enum { PUTS = 1000 };
    struct rig *rig = rig_of(state);
    struct store_counters counters;

    promise_many_at_once(rig, PUTS);
    store_read_counters(rig->store, &counters);
    assert_int_equal(counters.writes_waiting, 0);
    assert_int_equal(counters.writes_unsure, 0);
    assert_true(counters.writes_sent >= PUTS);
    assert_int_equal(list_run(rig, "g", "", PUTS, 1 << 20).count, PUTS);
}

static void the_queue_is_bounded(void **state)
{
    enum { PUTS = 280 };
    struct rig *rig = rig_of(state);
    struct rig_put *puts = mem_zalloc(PUTS * sizeof *puts);
    char *bytes = mem_zalloc(REDIS_PIECE_BYTES);
    int refused = 0;

    for (int i = 0; i < PUTS; i++) {
        rig_begin_put(rig, &puts[i], "q", "x", bytes, REDIS_PIECE_BYTES);
        refused += puts[i].done && puts[i].put.status == STORE_DOWN;
    }
    assert_in_range(refused, 1, PUTS - 250); /* 16 MiB hold 255 */
    for (int i = 0; i < PUTS; i++)
        rig_wait_put(rig, &puts[i], NULL);
    assert_int_equal(rig_put_text(rig, "q", "y", "x"), STORE_CREATED);
    mem_free(bytes);
    mem_free(puts);
}

/* ---- records of others ---- */

static void damaged_documents(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);

    put_some(rig);
    redis_rig_command(redis, "OK", "SET offloop:{l}:d:a junk");
    assert_int_equal(rig_find(rig, "l", "a"), STORE_ERROR);
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_ERROR);
    redis_rig_command(redis, "OK",
                      "SET offloop:{l}:d:a o1m:0000000000000001:0000000009:x");
    assert_int_equal(rig_find(rig, "l", "a"), STORE_ERROR);
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_ERROR);
    redis_rig_command(redis, "1", "DEL offloop:{l}:d:a");
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_ERROR);
    redis_rig_command(redis, "1", "LPUSH offloop:{l}:d:a x");
    assert_int_equal(rig_find(rig, "l", "a"), STORE_ERROR);
    assert_int_equal(rig_put_text(rig, "l", "a", "x"), STORE_ERROR);
    redis_rig_command(redis, "1", "DEL offloop:{l}:d:a");
    assert_int_equal(rig_put_text(rig, "l", "a", "x"), STORE_CREATED);
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_OK);
}

/* Such a name could break a reply's head, or its JSON. */
static void names_that_are_none(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);
    static const char line[] = "x\r\ny";
    struct counted counted = {.count = {.collection = rig_slice("l"),
                                        .after = rig_slice("l"),
                                        .max_documents = 1,
                                        .done = on_counted}};

    put_some(rig);
    redis_rig_command(redis, "1", "ZADD offloop:{l}:i 0 %s", line);
    redis_rig_command(redis, "OK",
                      "SET offloop:{l}:d:%s o1m:0000000000000001:0000000001:x", line);
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_ERROR);
    store_count(rig->store, &counted.count);
    while (!counted.done)
        ev_run(rig->loop, EVRUN_ONCE);
    assert_int_equal(counted.count.status, STORE_ERROR);
    redis_rig_command(redis, "1", "ZREM offloop:{l}:i %s", line);
    assert_int_equal(list_run(rig, "l", "", 100, 1000).status, STORE_OK);
}

/* ---- cancelling ---- */

/* The done of a request that is cancelled. */
#define NEVER(kind)                                     \
    static void never_##kind(struct store_##kind *kind) \
    {                                                   \
        (void)kind;                                     \
        log_panic("a cancelled request was ended");     \
    }
NEVER(get)
NEVER(put)
NEVER(list)
NEVER(count)
NEVER(collections)
#undef NEVER

/* Begins one request of each kind, runs the loop, and cancels them. */
static void cancel_after(struct rig *rig, int turns, const char *id)
{
    uint8_t *bytes = mem_zalloc(400000);
    struct blob *blob = blob_new_copy(bytes, 400000);
    struct store_key key = {rig_slice("x"), rig_slice(id)};
    struct store_get get = {.key = key, .done = never_get};
    struct store_put put = {.key = {rig_slice("x"), rig_slice("new")},
                            .blob = blob,
                            .format = STORE_JSON,
                            .done = never_put};
    struct store_list list = {.collection = rig_slice("x"),
                              .max_documents = 9,
                              .max_bytes = 9,
                              .done = never_list};
    struct store_count count = {
        .collection = rig_slice("x"), .max_documents = 9, .done = never_count};
    struct store_collections names = {.max_count = 9, .done = never_collections};

    store_count(rig->store, &count);
    store_collections(rig->store, &names);
    store_cancel(&count.request);
    store_cancel(&names.request);
    store_get(rig->store, &get);
    store_put(rig->store, &put);
    store_list(rig->store, &list);
    for (int i = 0;
         i < turns && get.request.backend && put.request.backend && list.request.backend;
         i++) {
        get.done = never_get;
        ev_run(rig->loop, EVRUN_ONCE);
    }
    store_cancel(&get.request);
    store_cancel(&put.request);
    store_cancel(&list.request);
    blob_unref(&blob);
    mem_free(bytes);
}

static void cancelled_requests_stay_silent(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);
    uint8_t *bytes = mem_zalloc(3 << 20);

    assert_int_equal(rig_put_bytes(rig, "x", "large", bytes, 3 << 20), STORE_CREATED);
    for (int turns = 0; turns < 12; turns++)
        cancel_after(rig, turns, "large");
    assert_true(rig_find(rig, "x", "large") ==
                STORE_OK); /* all other requests have ended */
    /* a write whose last command was sent still happens */
    (void)rig_remove(rig, "x", "new");
    assert_true(rig_find(rig, "x", "new") == STORE_NOT_FOUND);
    redis_rig_command(redis, "4", "DBSIZE"); /* uploads are deleted */
    /* closing while cancelled requests are under way */
    cancel_after(rig, 2, "large");
    store_close(&rig->store);
    ev_loop_destroy(rig->loop);
    redis_rig_open(redis, rig);
    mem_free(bytes);
}

static void opening_leaks_nothing(void **state)
{
    struct redis_rig *redis = *state;
    struct rig *rig = rig_of(state);
    unsigned before = rig_count_fds();

    for (int i = 0; i < 10; i++) {
        redis_rig_close(rig);
        redis_rig_open(redis, rig);
        assert_int_equal(rig_find(rig, "x", "y"), STORE_NOT_FOUND);
    }
    assert_int_equal(rig_count_fds(), before);
    for (int i = 0; i < 10; i++) { /* before it has connected */
        redis_rig_close(rig);
        redis_rig_open_url(rig, "redis://localhost:1");
        ev_run(rig->loop, i % 2 ? EVRUN_ONCE : EVRUN_NOWAIT);
    }
    redis_rig_close(rig);
    redis_rig_open(redis, rig);
    assert_int_equal(rig_count_fds(), before);
}

#define LOADERS 3

/* Writes and deletes a document again and again. */
static pid_t start_loader(const struct redis_rig *redis)
{
    pid_t pid = fork();
    struct rig rig;

    RIG_CHECK(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    redis_rig_open(redis, &rig);
    for (;;) {
        rig_put_text(&rig, "busy", "1", "x");
        rig_remove(&rig, "busy", "1");
    }
}

static void writes_beside_a_check_are_no_damage(void **state)
{
    struct redis_rig *redis = *state;
    pid_t loaders[LOADERS];
    char url[64];
    int status;

    for (int i = 0; i < LOADERS; i++)
        loaders[i] = start_loader(redis);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/0", redis->port);
    for (int i = 0; i < 300; i++) {
        struct store_check_counts counts;

        assert_int_equal(
            store_check(&(struct store_config){.url = url}, NULL, NULL, &counts), 0);
        assert_int_equal(counts.damaged, 0);
        RIG_CHECK(waitpid(loaders[0], &status, WNOHANG) == 0);
    }
    for (int i = 0; i < LOADERS; i++)
        RIG_CHECK(kill(loaders[i], SIGKILL) == 0 &&
                  waitpid(loaders[i], &status, 0) == loaders[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put_get_delete),
        cmocka_unit_test(conditions),
        cmocka_unit_test(known_version),
        cmocka_unit_test(versions_only_grow),
        cmocka_unit_test(sizes_around_every_bound),
        cmocka_unit_test(a_large_put_that_is_refused_leaves_nothing),
        cmocka_unit_test(longest_names),
        cmocka_unit_test(formats_are_kept),
        cmocka_unit_test(pages),
        cmocka_unit_test(lists_in_order_of_bytes),
        cmocka_unit_test(lists_with_large_documents),
        cmocka_unit_test(counts),
        cmocka_unit_test(collections),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(damaged_documents),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(cancelled_requests_stay_silent),
        cmocka_unit_test(opening_leaks_nothing),
        cmocka_unit_test(writes_beside_a_check_are_no_damage), /* leaves a document */
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
