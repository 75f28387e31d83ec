/* Sentinels: a real trio with a master and a replica, and Sentinels that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/fake_redis.h"
#include "tests/unit/store/redis_sentinel_rig.h"
#include "tests/unit/store/store_promises.h"

#include "common/base/alloc.h"
#include "server/store/redis/place/redis_sentinel.h"

/* Runs the loop until a write is accepted; returns how many were refused before. */
static unsigned write_until_taken(struct rig *rig, const char *id)
{
    unsigned refused = 0;
    enum store_status status;

    while ((status = rig_put_text(rig, "c", id, "1")) > STORE_CREATED) {
        assert_int_equal(status, STORE_DOWN);
        refused++;
        ev_run(rig->loop, EVRUN_ONCE);
    }
    return refused;
}

static void a_master_is_found_and_followed(void **state)
{
    struct sentinel_rig *trio = mem_zalloc(sizeof *trio);
    struct rig rig;

    (void)state;
    sentinel_rig_start(trio);
    redis_rig_open_url(&rig, trio->url);
    redis_rig_await(&rig, true);
    promise_put_get_delete(&rig);
    promise_conditions(&rig);
    assert_int_equal(rig_put_text(&rig, "c", "before", "1"), STORE_CREATED);
    redis_rig_command(&trio->servers[0], "1", "WAIT 1 0"); /* the replica has it */
    redis_rig_end_server(&trio->servers[0], SIGKILL);
    redis_rig_await(&rig, false);
    assert_int_equal(rig_find(&rig, "c", "before"), STORE_DOWN);
    write_until_taken(&rig, "after");
    assert_true(rig_has_text(&rig, "c", "before", "1"));
    redis_rig_command(&trio->servers[1], "1", "EXISTS offloop:{c}:d:after");
    /* The old master comes back as a replica, and gets no commands. */
    redis_rig_start_server(&trio->servers[0]);
    while (sentinel_rig_info(&trio->servers[0], "role:slave\r\nmaster_host:") < 0)
        ev_run(rig.loop, EVRUN_ONCE);
    assert_int_equal(rig_put_text(&rig, "c", "later", "1"), STORE_CREATED);
    redis_rig_close(&rig);
    sentinel_rig_stop(trio);
    mem_free(trio);
}

/* ---- fake Sentinels and servers ---- */

struct fakes {
    struct ev_loop *loop;
    struct fake_redis *sentinels[3];
    struct redis_url url;
    struct redis_sentinels *all;
    struct redis_found found;
    bool done;
};

static void on_found(void *ctx, const struct redis_found *found)
{
    struct fakes *fakes = ctx;

    fakes->found = *found;
    fakes->done = true;
}

static void search(struct fakes *fakes, const struct redis_found *lost)
{
    struct redis_locator *locator = redis_sentinels_locator(fakes->all);

    fakes->done = false;
    locator->search(locator, lost, on_found, fakes);
    assert_false(fakes->done);
    while (!fakes->done)
        ev_run(fakes->loop, EVRUN_ONCE);
}

static void start_fakes(struct fakes *fakes, const char *const answers[3])
{
    char text[128];
    int ports[3];

    alarm(RIG_ALARM_S);
    *fakes = (struct fakes){.loop = ev_loop_new(EVFLAG_AUTO)};
    for (int i = 0; i < 3; i++) {
        fakes->sentinels[i] = fake_redis_start(fakes->loop, answers[i]);
        ports[i] = fake_redis_port(fakes->sentinels[i]);
    }
    snprintf(text, sizeof text,
             "redis+sentinel://127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/m", ports[0],
             ports[1], ports[2]);
    assert_int_equal(redis_url_parse(text, &fakes->url), 0);
    fakes->all = redis_sentinels_create(fakes->loop, &fakes->url, NULL);
}

static void stop_fakes(struct fakes *fakes)
{
    redis_sentinels_destroy(&fakes->all);
    for (int i = 0; i < 3; i++)
        fake_redis_stop(&fakes->sentinels[i]);
    redis_url_free(&fakes->url);
    ev_loop_destroy(fakes->loop);
    alarm(0);
}

#define HERE  "PING +PONG\r\nSENTINEL *2\r\n$7\r\n1.2.3.4\r\n$2\r\n99\r\n"
#define THERE "PING +PONG\r\nSENTINEL *2\r\n$7\r\n1.2.3.5\r\n$2\r\n98\r\n"

#define SOMEWHERE "PING +PONG\r\nSENTINEL *2\r\n$7\r\n1.2.3.6\r\n$2\r\n97\r\n"
#define UNKNOWN   "PING +PONG\r\nSENTINEL *-1\r\n"

static void most_sentinels_are_believed(void **state)
{
    static const char *const two_here[] = {THERE, HERE, HERE};
    struct redis_found lost = {.host = "1.2.3.4", .port = 99};
    struct redis_locator *locator;
    struct fakes fakes;

    (void)state;
    start_fakes(&fakes, two_here);
    search(&fakes, NULL);
    assert_string_equal(fakes.found.host, "1.2.3.4");
    assert_int_equal(fakes.found.port, 99);
    assert_int_equal(fakes.found.votes, 2);
    search(&fakes, &lost); /* one may lie, or two may be late */
    assert_string_equal(fakes.found.host, "1.2.3.4");
    assert_int_equal(fakes.found.votes, 2);
    fakes.sentinels[1]->script = THERE;
    search(&fakes, &lost);
    assert_string_equal(fakes.found.host, "1.2.3.5");
    assert_int_equal(fakes.found.votes, 2);
    fakes.sentinels[1]->script = HERE;
    lost.port = 100; /* another server */
    search(&fakes, &lost);
    assert_string_equal(fakes.found.host, "1.2.3.4");
    locator = redis_sentinels_locator(fakes.all);
    locator->search(locator, NULL, on_found, &fakes);
    locator->stop(locator);
    stop_fakes(&fakes);
}

/* Two equal halves: the one that names another server than the lost one is right. Three
   different answers: no server is found. */
static void sentinels_that_do_not_agree(void **state)
{
    static const char *const three[] = {HERE, THERE, SOMEWHERE};
    struct redis_found lost = {.host = "1.2.3.4", .port = 99};
    struct fakes fakes;

    (void)state;
    start_fakes(&fakes, three);
    search(&fakes, &lost);
    assert_string_equal(fakes.found.host, "");
    assert_non_null(strstr(fakes.found.why, "do not agree"));
    search(&fakes, NULL);
    assert_string_equal(fakes.found.host, "");
    fakes.sentinels[2]->script = UNKNOWN;
    search(&fakes, &lost);
    assert_string_equal(fakes.found.host, "1.2.3.5");
    assert_int_equal(fakes.found.votes, 1);
    fakes.sentinels[1]->script = UNKNOWN;
    search(&fakes, &lost); /* all that know it name the same server */
    assert_string_equal(fakes.found.host, "1.2.3.4");
    stop_fakes(&fakes);
}

static void odd_answers_of_sentinels(void **state)
{
    static const char *const odd[] = {
        "*-1\r\n",
        "-ERR no\r\n",
        ":1\r\n",
        "*0\r\n",
        "*1\r\n$7\r\n1.2.3.4\r\n",
        "*2\r\n$0\r\n\r\n$2\r\n99\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$0\r\n\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n:99\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$1\r\n0\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$5\r\n65536\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$2\r\n-1\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$2\r\n9x\r\n",
        "*2\r\n$7\r\n1.2.3.4\r\n$6\r\n000099\r\n",
        "*3\r\n$7\r\n1.2.3.4\r\n$2\r\n99\r\n$1\r\nx\r\n",
        "*2\r\n*1\r\n$1\r\nx\r\n$2\r\n99\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char answer[128];
        const char *const answers[3] = {answer, "PING -NOAUTH no\r\n", answer};
        struct fakes fakes;

        snprintf(answer, sizeof answer, "PING +PONG\r\nSENTINEL %s", odd[i]);
        start_fakes(&fakes, answers);
        search(&fakes, NULL);
        assert_string_equal(fakes.found.host, "");
        assert_non_null(strstr(fakes.found.why, "know no such master"));
        stop_fakes(&fakes);
    }
}

static void nobody_answers(void **state)
{
    static const char *const mute[] = {"", "PING -LOADING no\r\n", "PING +PONG\r\n"};
    struct fakes fakes;

    (void)state;
    start_fakes(&fakes, mute);
    search(&fakes, NULL);
    assert_string_equal(fakes.found.host, "");
    assert_non_null(strstr(fakes.found.why, "no Sentinel answers"));
    stop_fakes(&fakes);
}

/* The Sentinels name a replica, or no server: the store is down, and tells why. */
static void a_server_that_is_no_master(void **state)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct fake_redis *server = fake_redis_start(
        loop, "ROLE *1\r\n$5\r\nslave\r\nCONFIG -ERR no\r\nSCRIPT -ERR no\r\n");
    struct fake_redis *sentinel;
    struct rig rig = {.loop = loop};
    char answer[96], port[8], url[96];
    const char *why;

    (void)state;
    alarm(RIG_ALARM_S);
    snprintf(port, sizeof port, "%d", fake_redis_port(server));
    snprintf(answer, sizeof answer,
             "PING +PONG\r\nSENTINEL *2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n",
             strlen(port), port);
    sentinel = fake_redis_start(loop, answer);
    snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d/m",
             fake_redis_port(sentinel));
    rig.store = store_open(loop, &(struct store_config){.url = url});
    while (store_is_ready(rig.store, &why) || strstr(why, "no master") == NULL)
        ev_run(loop, EVRUN_ONCE);
    assert_int_equal(rig_find(&rig, "c", "x"), STORE_DOWN);
    store_close(&rig.store);
    fake_redis_stop(&server);
    fake_redis_stop(&sentinel);
    ev_loop_destroy(loop);
    alarm(0);
}

/* A server that still takes writes, but is not the master any more. */
static void a_master_that_was_replaced_is_left(void **state)
{
    static const char master[] = "ROLE *1\r\n$6\r\nmaster\r\nCONFIG -ERR no\r\n"
                                 "SCRIPT -ERR no\r\nGETRANGE $0\r\n\r\n";
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct fake_redis *servers[2], *sentinel;
    struct rig rig = {.loop = loop};
    char answers[2][96], port[8], url[96];

    (void)state;
    alarm(RIG_ALARM_S);
    for (int i = 0; i < 2; i++) {
        servers[i] = fake_redis_start(loop, master);
        snprintf(port, sizeof port, "%d", fake_redis_port(servers[i]));
        snprintf(answers[i], sizeof answers[i],
                 "PING +PONG\r\nSENTINEL *2\r\n$9\r\n127.0.0.1\r\n$%zu\r\n%s\r\n",
                 strlen(port), port);
    }
    sentinel = fake_redis_start(loop, answers[0]);
    snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%d/m",
             fake_redis_port(sentinel));
    rig.store = store_open(loop, &(struct store_config){.url = url});
    redis_rig_await(&rig, true);
    assert_int_equal(rig_find(&rig, "c", "x"), STORE_NOT_FOUND);
    assert_int_equal(servers[1]->commands, 0);
    sentinel->script = answers[1];
    redis_rig_await(&rig, false);
    redis_rig_await(&rig, true);
    assert_true(servers[1]->commands > 0);
    assert_int_equal(rig_find(&rig, "c", "x"), STORE_NOT_FOUND);
    store_close(&rig.store);
    for (int i = 0; i < 2; i++)
        fake_redis_stop(&servers[i]);
    fake_redis_stop(&sentinel);
    ev_loop_destroy(loop);
    alarm(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_sentinels_are_believed),
        cmocka_unit_test(sentinels_that_do_not_agree),
        cmocka_unit_test(odd_answers_of_sentinels),
        cmocka_unit_test(nobody_answers),
        cmocka_unit_test(a_server_that_is_no_master),
        cmocka_unit_test(a_master_that_was_replaced_is_left),
        cmocka_unit_test(a_master_is_found_and_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
