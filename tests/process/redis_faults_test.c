/* Requests when Redis dies, hangs, refuses commands or loses data. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/process/support/child.h"
#include "tests/unit/store/redis_rig.h"

#include "common/base/alloc.h"
#include "common/base/clock.h"
#include "server/store/redis/redis_flight.h"

/* A get that must end before the call returns. */
static enum store_status find_at_once(struct rig *rig)
{
    struct rig_get get;

    rig_begin_get(rig, &get, "c", "x");
    assert_true(get.done);
    blob_unref(&get.blob);
    return get.get.status;
}

static void check_all_down_at_once(struct rig *rig)
{
    struct rig_put put;

    assert_int_equal(find_at_once(rig), STORE_DOWN);
    rig_begin_put(rig, &put, "c", "x", "1", 1);
    assert_true(put.done);
    assert_int_equal(put.put.status, STORE_DOWN);
}

static void a_redis_that_is_killed_and_comes_back(void **state)
{
    struct redis_rig redis;
    struct store_counters counters;

    (void)state;
    redis_rig_start(&redis, NULL);
    for (int round = 0; round < 3; round++) {
        assert_true(rig_put_text(&redis.rig, "c", "x", "kept") <= STORE_CREATED);
        redis_rig_end_server(&redis, SIGKILL);
        redis_rig_await(&redis.rig, false);
        check_all_down_at_once(&redis.rig);
        redis_rig_start_server(&redis);
        redis_rig_await(&redis.rig, true);
        assert_true(rig_has_text(&redis.rig, "c", "x", "kept"));
    }
    store_read_counters(redis.rig.store, &counters);
    assert_int_equal(counters.writer_restarts, 3);
    redis_rig_stop(&redis);
}

/* ---- under load ---- */

struct writer {
    struct rig_put put;
    struct rig *rig;
    char id[16];
    unsigned next; /* number of the next document */
    unsigned char stored[100000];
    unsigned sent, acknowledged, down;
    bool stop;
};

static void write_next(struct writer *writer);

static void on_written(struct store_put *put)
{
    struct writer *writer = (struct writer *)(void *)put;

    if (put->status == STORE_CREATED || put->status == STORE_OK) {
        writer->stored[writer->next] = 1;
        writer->acknowledged++;
    } else {
        assert_true(put->status == STORE_DOWN || put->status == STORE_UNSURE);
        writer->down++;
    }
    writer->put.done = true;
}

static void write_next(struct writer *writer)
{
    struct blob *blob = blob_new_copy("x", 1);

    assert_true(writer->next + 1 < sizeof writer->stored);
    snprintf(writer->id, sizeof writer->id, "%06u", ++writer->next);
    writer->put =
        (struct rig_put){.put = {.key = {rig_slice("load"), rig_slice(writer->id)},
                                 .blob = blob,
                                 .format = STORE_JSON,
                                 .done = on_written}};
    store_put(writer->rig->store, &writer->put.put);
    blob_unref(&blob);
}

/* Writes one after another until that many more were acknowledged, or refused. */
static void write_until(struct writer *writer, unsigned acknowledged, unsigned down)
{
    acknowledged += writer->acknowledged;
    down += writer->down;
    while (writer->acknowledged < acknowledged && writer->down < down) {
        if (writer->put.done)
            write_next(writer);
        if (!writer->put.done)
            ev_run(writer->rig->loop, EVRUN_ONCE);
    }
}

static void no_acknowledged_write_is_lost(void **state)
{
    struct redis_rig redis;
    struct writer *writer = mem_zalloc(sizeof *writer);

    (void)state;
    redis_rig_start(&redis, NULL);
    writer->rig = &redis.rig;
    writer->put.done = true;
    for (int round = 0; round < 4; round++) {
        write_until(writer, 100, UINT32_MAX / 2);
        write_next(writer); /* under way when it dies */
        redis_rig_end_server(&redis, SIGKILL);
        write_until(writer, UINT32_MAX / 2, 50);
        redis_rig_start_server(&redis);
        redis_rig_await(&redis.rig, true);
    }
    for (unsigned n = 1; n <= writer->next; n++) {
        snprintf(writer->id, sizeof writer->id, "%06u", n);
        if (writer->stored[n])
            assert_int_equal(rig_find(&redis.rig, "load", writer->id), STORE_OK);
    }
    assert_true(writer->acknowledged >= 400);
    redis_rig_stop(&redis);
    mem_free(writer);
}

static void a_redis_that_hangs(void **state)
{
    struct redis_rig redis;
    struct rig_get get;
    uint64_t began;
    const char *why;

    (void)state;
    redis_rig_start(&redis, NULL);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    child_stop(redis.pid);
    rig_begin_get(&redis.rig, &get, "c", "x");
    began = clock_now_ns();
    while (!get.done)
        ev_run(redis.rig.loop, EVRUN_ONCE);
    assert_int_equal(get.get.status, STORE_DOWN);
    assert_true(clock_now_ns() - began >
                (uint64_t)((REDIS_CONN_SILENCE_S - 0.5) * NS_PER_S));
    assert_false(store_is_ready(redis.rig.store, &why));
    assert_non_null(why);
    check_all_down_at_once(&redis.rig);
    RIG_CHECK(kill(redis.pid, SIGCONT) == 0);
    redis_rig_await(&redis.rig, true);
    assert_true(rig_has_text(&redis.rig, "c", "x", "1"));
    redis_rig_stop(&redis);
}

/* All connections except that of the test. */
static void close_clients(const struct redis_rig *redis)
{
    redisContext *context = redis_rig_connect(redis);
    redisReply *reply = redisCommand(context, "CLIENT KILL TYPE normal SKIPME yes");

    RIG_CHECK(reply != NULL && reply->type == REDIS_REPLY_INTEGER);
    freeReplyObject(reply);
    redisFree(context);
}

static void pass_time(struct rig *rig, uint64_t ns)
{
    uint64_t end = clock_now_ns() + ns;

    while (clock_now_ns() < end) {
        ev_run(rig->loop, EVRUN_NOWAIT);
        usleep(1000); /* polling */
    }
}

/* Redis closes idle connections after a second; the store's is never idle for so long. */
static void idle_connections_stay(void **state)
{
    static const char *const more[] = {"--timeout", "1", NULL};
    struct redis_rig redis;
    struct store_counters counters;

    (void)state;
    redis_rig_start(&redis, more);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "kept"), STORE_CREATED);
    pass_time(&redis.rig, 4 * NS_PER_S);
    assert_true(rig_has_text(&redis.rig, "c", "x", "kept"));
    store_read_counters(redis.rig.store, &counters);
    assert_int_equal(counters.writer_restarts, 0);
    redis_rig_stop(&redis);
}

/* Requests wait while a closed idle connection is made again. */
static void an_idle_connection_that_is_closed_costs_no_request(void **state)
{
    struct redis_rig redis;
    struct store_counters counters;
    struct rig_get get;
    struct rig_put put;
    const char *why;

    (void)state;
    redis_rig_start(&redis, NULL);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "kept"), STORE_CREATED);
    for (unsigned round = 1; round <= 3; round++) {
        pass_time(&redis.rig, NS_PER_S);
        close_clients(&redis);
        ev_run(redis.rig.loop, EVRUN_ONCE); /* it is noticed */
        rig_begin_get(&redis.rig, &get, "c", "x");
        rig_begin_put(&redis.rig, &put, "c", "y", "1", 1);
        assert_false(get.done || put.done);
        assert_true(store_is_ready(redis.rig.store, &why));
        assert_true(rig_wait_put(&redis.rig, &put, NULL) <= STORE_CREATED);
        while (!get.done)
            ev_run(redis.rig.loop, EVRUN_ONCE);
        assert_int_equal(get.get.status, STORE_OK);
        blob_unref(&get.blob);
        store_read_counters(redis.rig.store, &counters);
        assert_int_equal(counters.writer_restarts, round);
    }
    /* a server that does not come back is down */
    pass_time(&redis.rig, NS_PER_S);
    redis_rig_end_server(&redis, SIGKILL);
    redis_rig_await(&redis.rig, false);
    check_all_down_at_once(&redis.rig);
    redis_rig_start_server(&redis);
    redis_rig_stop(&redis);
}

static void a_redis_that_is_not_there_yet(void **state)
{
    struct redis_rig redis;
    char url[64];

    (void)state;
    redis_rig_init(&redis, NULL);
    redis_rig_end_server(&redis, SIGTERM);
    snprintf(url, sizeof url, "redis://%s:%d",
             redis_rig_has_localhost() ? "localhost" : "127.0.0.1", redis.port);
    redis_rig_open_url(&redis.rig, url);
    check_all_down_at_once(&redis.rig);
    for (int i = 0; i < 10; i++)
        ev_run(redis.rig.loop, EVRUN_ONCE);
    check_all_down_at_once(&redis.rig);
    redis_rig_start_server(&redis);
    redis_rig_await(&redis.rig, true);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    redis_rig_stop(&redis);
}

/* connect() to a path that is not there fails at once, without the loop. */
static void a_unix_socket_that_comes_later(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), fd;
    struct rig rig = {.loop = ev_loop_new(EVFLAG_AUTO)};
    char dir[] = "/tmp/offloop-redis-XXXXXX", url[160];

    (void)state;
    alarm(RIG_ALARM_S);
    assert_non_null(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/redis.sock", dir);
    snprintf(url, sizeof url, "redis+unix://%s", address.sun_path);
    rig.store = store_open(rig.loop, &(struct store_config){.url = url});
    assert_non_null(rig.store);
    assert_return_code(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_return_code(listen(listener, 4), 0);
    while ((fd = accept(listener, NULL, NULL)) < 0)
        ev_run(rig.loop, EVRUN_ONCE);
    close(fd);
    store_close(&rig.store);
    ev_loop_destroy(rig.loop);
    close(listener);
    unlink(address.sun_path);
    rmdir(dir);
    alarm(0);
}

static void by_unix_socket(void **state)
{
    struct redis_rig redis;
    char url[128];

    (void)state;
    redis_rig_init(&redis, NULL);
    snprintf(url, sizeof url, "redis+unix://%s/redis.sock?db=3", redis.dir);
    redis_rig_open_url(&redis.rig, url);
    redis_rig_await(&redis.rig, true);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    redis_rig_command(&redis, "0", "DBSIZE"); /* of database 0 */
    redis_rig_stop(&redis);
}

/* ---- users and passwords ---- */

static void passwords(void **state)
{
    static const char *const flags[] = {"--requirepass", "s3cret", NULL};
    struct redis_rig redis;
    char url[96];
    const char *why = NULL;

    (void)state;
    redis_rig_init(&redis, flags);
    for (int i = 0; i < 2; i++) {
        snprintf(url, sizeof url, "redis://%s127.0.0.1:%d", i ? "me:wrong@" : "",
                 redis.port);
        redis_rig_open_url(&redis.rig, url);
        do {
            ev_run(redis.rig.loop, EVRUN_ONCE);
            assert_false(store_is_ready(redis.rig.store, &why));
        } while (strstr(why, "password") == NULL);
        check_all_down_at_once(&redis.rig);
        redis_rig_close(&redis.rig);
    }
    snprintf(url, sizeof url, "redis://:s3cret@127.0.0.1:%d/1", redis.port);
    redis_rig_open_url(&redis.rig, url);
    redis_rig_await(&redis.rig, true);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    redis_rig_stop(&redis);
}

static void a_db_that_redis_has_not(void **state)
{
    struct redis_rig redis;
    char url[64];
    const char *why = NULL;

    (void)state;
    redis_rig_init(&redis, NULL);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d/999", redis.port);
    redis_rig_open_url(&redis.rig, url);
    do {
        ev_run(redis.rig.loop, EVRUN_ONCE);
        assert_false(store_is_ready(redis.rig.store, &why));
    } while (strstr(why, "db number") == NULL);
    redis_rig_stop(&redis);
}

/* The rights that docs/REDIS.md names for a user are enough: CONFIG, ROLE and SCRIPT LOAD
   may be forbidden. */
static void a_user_with_few_rights(void **state)
{
    struct redis_rig redis;
    char url[96];
    uint8_t *bytes = mem_zalloc(300000);

    (void)state;
    redis_rig_init(&redis, NULL);
    redis_rig_command(&redis, "OK",
                      "ACL SETUSER app on >pass ~offloop:* +getrange +eval +evalsha "
                      "+strlen +get +set +setrange +time +zadd +zrem +zcard +zrange "
                      "+zrangebylex +zlexcount +exists +expire +persist +rename +unlink");
    snprintf(url, sizeof url, "redis://app:pass@127.0.0.1:%d", redis.port);
    redis_rig_open_url(&redis.rig, url);
    redis_rig_await(&redis.rig, true);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    assert_int_equal(rig_put_bytes(&redis.rig, "c", "y", bytes, 300000), STORE_CREATED);
    assert_int_equal(rig_find(&redis.rig, "c", "y"), STORE_OK);
    assert_int_equal(rig_remove(&redis.rig, "c", "x"), STORE_OK);
    redis_rig_command(&redis, "OK", "ACL SETUSER app -getrange");
    assert_int_equal(rig_find(&redis.rig, "c", "y"), STORE_ERROR);
    redis_rig_stop(&redis);
    mem_free(bytes);
}

/* ---- refused writes ---- */

static void scripts_that_redis_forgot(void **state)
{
    struct redis_rig redis;
    struct rig_put puts[5];

    (void)state;
    redis_rig_start(&redis, NULL);
    for (int round = 0; round < 3; round++) {
        redis_rig_command(&redis, "OK", "SCRIPT FLUSH");
        for (int i = 0; i < 5; i++)
            rig_begin_put(&redis.rig, &puts[i], "c", i % 2 ? "x" : "y", "1", 1);
        for (int i = 0; i < 5; i++)
            assert_true(rig_wait_put(&redis.rig, &puts[i], NULL) <= STORE_CREATED);
    }
    redis_rig_stop(&redis);
}

static void a_replica_takes_no_writes(void **state)
{
    struct redis_rig redis;
    struct store_counters counters;
    unsigned long before;
    const char *why;

    (void)state;
    redis_rig_start(&redis, NULL);
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "1"), STORE_CREATED);
    redis_rig_command(&redis, "OK", "REPLICAOF 127.0.0.1 1");
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "2"), STORE_DOWN);
    assert_false(store_is_ready(redis.rig.store, &why));
    assert_non_null(strstr(why, "replica"));
    assert_true(rig_has_text(&redis.rig, "c", "x", "1")); /* it still reads */
    /* The store asks on its connection again and again whether the server is a master. */
    before = redis_rig_calls(&redis, "role");
    while (redis_rig_calls(&redis, "role") < before + 2)
        assert_int_equal(rig_find(&redis.rig, "c", "x"), STORE_OK);
    store_read_counters(redis.rig.store, &counters);
    assert_int_equal(counters.writer_restarts, 0);
    redis_rig_command(&redis, "OK", "REPLICAOF NO ONE");
    redis_rig_await(&redis.rig, true); /* found without a request */
    assert_int_equal(rig_put_text(&redis.rig, "c", "x", "3"), STORE_OK);
    redis_rig_stop(&redis);
}

static void a_full_redis(void **state)
{
    struct redis_rig redis;
    uint8_t *bytes = mem_zalloc(1 << 20);
    enum store_status status = STORE_OK;
    unsigned stored = 0;
    char id[16];

    (void)state;
    redis_rig_start(&redis, NULL);
    redis_rig_command(&redis, "OK", "CONFIG SET maxmemory 20mb");
    while (status <= STORE_CREATED) {
        snprintf(id, sizeof id, "%u", ++stored);
        status = rig_put_bytes(&redis.rig, "c", id, bytes, 1 << 20);
        assert_true(stored < 100);
    }
    assert_int_equal(status, STORE_FULL);
    assert_int_equal(rig_find(&redis.rig, "c", id), STORE_NOT_FOUND);
    redis_rig_command(&redis, "OK", "CONFIG SET maxmemory 1mb");
    assert_int_equal(rig_put_text(&redis.rig, "c", "small", "1"), STORE_FULL);
    assert_int_equal(rig_put_text(&redis.rig, "c", "1", "1"), STORE_FULL);
    assert_int_equal(rig_find(&redis.rig, "c", "small"), STORE_NOT_FOUND);
    assert_int_equal(rig_find(&redis.rig, "c", "1"), STORE_OK);
    assert_int_equal(rig_remove(&redis.rig, "c", "1"), STORE_OK); /* deletes still work */
    redis_rig_command(&redis, "OK", "CONFIG SET maxmemory 0");
    assert_int_equal(rig_put_text(&redis.rig, "c", "small", "1"), STORE_CREATED);
    redis_rig_stop(&redis);
    mem_free(bytes);
}

/* ---- two fronts ---- */

static void one_of_two_conditional_writes_wins(void **state)
{
    struct redis_rig redis;
    struct rig other;
    uint64_t version, seen;

    (void)state;
    redis_rig_start(&redis, NULL);
    redis_rig_open(&redis, &other);
    assert_int_equal(rig_write_if(&redis.rig, "c", "x", "0", STORE_ALWAYS, 0, &version),
                     STORE_CREATED);
    for (int round = 0; round < 200; round++) {
        struct blob *blob = blob_new_copy("1", 1);
        struct rig_put puts[2];
        struct rig *rigs[2] = {&redis.rig, &other};
        int won = 0, lost = 0;

        for (int i = 0; i < 2; i++) {
            puts[i] = (struct rig_put){.put = {.key = {rig_slice("c"), rig_slice("x")},
                                               .blob = blob,
                                               .format = STORE_JSON,
                                               .condition = STORE_IF_VERSION,
                                               .if_version = version,
                                               .done = rig_put_done}};
            store_put(rigs[i]->store, &puts[i].put);
            ev_run(rigs[i]->loop, EVRUN_NOWAIT); /* it is being sent */
        }
        for (int i = 0; i < 2; i++) {
            enum store_status status = rig_wait_put(rigs[i], &puts[i], &seen);

            won += status == STORE_OK;
            lost += status == STORE_CONFLICT;
            version = status == STORE_OK ? seen : version;
        }
        assert_int_equal(won, 1);
        assert_int_equal(lost, 1);
        blob_unref(&blob);
    }
    redis_rig_close(&other);
    redis_rig_stop(&redis);
}

/* A large document that another front replaces all the time is never a mixture of two. */
static void a_large_read_is_of_one_version(void **state)
{
    enum { SIZE = 1500000 };
    struct redis_rig redis;
    struct rig other;
    uint8_t *bytes = mem_alloc(SIZE);
    struct blob *blob;

    (void)state;
    redis_rig_start(&redis, NULL);
    redis_rig_open(&redis, &other);
    memset(bytes, 'A', SIZE);
    assert_int_equal(rig_put_bytes(&other, "c", "x", bytes, SIZE), STORE_CREATED);
    for (int round = 0; round < 30; round++) {
        struct rig_get get;
        struct rig_put put;

        memset(bytes, 'a' + round % 26, SIZE - (size_t)(round % 3) * 70000);
        rig_begin_get(&redis.rig, &get, "c", "x");
        rig_begin_put(&other, &put, "c", "x", bytes, SIZE - (size_t)(round % 3) * 70000);
        while (!get.done || !put.done) {
            ev_run(redis.rig.loop, EVRUN_NOWAIT);
            ev_run(other.loop, EVRUN_NOWAIT);
        }
        assert_int_equal(get.get.status, STORE_OK);
        assert_int_equal(put.put.status, STORE_OK);
        blob = get.blob;
        for (size_t i = 1; i < blob->bytes.len; i++)
            if (blob->bytes.data[i] != blob->bytes.data[0])
                fail_msg("byte %zu of %zu is another document's", i, blob->bytes.len);
        blob_unref(&get.blob);
    }
    redis_rig_close(&other);
    redis_rig_stop(&redis);
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_redis_that_is_killed_and_comes_back),
        cmocka_unit_test(no_acknowledged_write_is_lost),
        cmocka_unit_test(a_redis_that_hangs),
        cmocka_unit_test(idle_connections_stay),
        cmocka_unit_test(an_idle_connection_that_is_closed_costs_no_request),
        cmocka_unit_test(a_redis_that_is_not_there_yet),
        cmocka_unit_test(a_unix_socket_that_comes_later),
        cmocka_unit_test(by_unix_socket),
        cmocka_unit_test(passwords),
        cmocka_unit_test(a_db_that_redis_has_not),
        cmocka_unit_test(a_user_with_few_rights),
        cmocka_unit_test(scripts_that_redis_forgot),
        cmocka_unit_test(a_replica_takes_no_writes),
        cmocka_unit_test(a_full_redis),
        cmocka_unit_test(one_of_two_conditional_writes_wins),
        cmocka_unit_test(a_large_read_is_of_one_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
