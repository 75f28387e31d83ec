/* The values of an application in Redis: what happens to one between two commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "tests/unit/store/fake_redis.h"

#include "server/store/redis/redis_script.h"

#define KEYS "?key=doc:{collection}:{id}"

#define GREET    "ROLE *1\r\n$6\r\nmaster\r\nCONFIG -ERR no\r\nSCRIPT -ERR no\r\n"
#define NOTHING  "$0\r\n\r\n"
#define DOCUMENT "$7\r\n{\"a\":1}\r\n"

struct faked {
    struct rig rig;
    struct fake_redis *fake;
};

static void start(struct faked *faked, const char *script)
{
    char url[96];

    alarm(RIG_ALARM_S);
    faked->rig.loop = ev_loop_new(EVFLAG_AUTO);
    faked->fake = fake_redis_start(faked->rig.loop, script);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d" KEYS, fake_redis_port(faked->fake));
    faked->rig.store = store_open(
        faked->rig.loop, &(struct store_config){.url = url, .max_value_bytes = 1 << 20});
    redis_rig_await(&faked->rig, true);
}

static void stop(struct faked *faked)
{
    store_close(&faked->rig.store);
    fake_redis_stop(&faked->fake);
    ev_loop_destroy(faked->rig.loop);
    alarm(0);
}

/* The application writes the value after GETRANGE found none, and before EXISTS. */
static void write_before_exists(struct fake_redis *fake, const char *word)
{
    if (strcmp(word, "EVAL") == 0)
        fake->script = GREET "GETRANGE " DOCUMENT "EVAL *0\r\n";
}

static void a_value_that_comes_while_it_is_looked_for(void **state)
{
    struct faked faked = {0};

    (void)state;
    start(&faked, GREET "GETRANGE " NOTHING "EXISTS :1\r\n");
    faked.fake->on_command = write_before_exists;
    assert_true(rig_has_text(&faked.rig, "c", "x", "{\"a\":1}"));
    stop(&faked);
}

/* It comes and goes all the time: no answer is right, but an empty value is wrong. */
static void a_value_that_never_stays(void **state)
{
    struct faked faked = {0};

    (void)state;
    start(&faked, GREET "GETRANGE " NOTHING "EXISTS :1\r\nEVAL *0\r\n");
    assert_int_equal(rig_find(&faked.rig, "c", "x"), STORE_DOWN);
    stop(&faked);
}

/* ---- with a real server */

static void start_real(struct redis_rig *redis, uint64_t max_value_bytes)
{
    char url[96];

    redis_rig_init(redis, NULL);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d" KEYS, redis->port);
    redis->rig.loop = ev_loop_new(EVFLAG_AUTO);
    redis->rig.store = store_open(
        redis->rig.loop,
        &(struct store_config){.url = url, .max_value_bytes = max_value_bytes});
    redis_rig_await(&redis->rig, true);
}

static void an_empty_value_is_there(void **state)
{
    struct redis_rig redis;

    (void)state;
    start_real(&redis, 1 << 20);
    assert_int_equal(rig_find(&redis.rig, "c", "x"), STORE_NOT_FOUND);
    redis_rig_command(&redis, "OK", "SET doc:c:x %s", "");
    assert_true(rig_has_text(&redis.rig, "c", "x", ""));
    redis_rig_command(&redis, "1", "DEL doc:c:x");
    assert_int_equal(rig_find(&redis.rig, "c", "x"), STORE_NOT_FOUND);
    redis_rig_stop(&redis);
}

/* In its last millisecond a key has 0 ms to live, and still a time to live. Redis runs
   the script with PTTL as it is then. */
static void a_time_to_live_that_is_nearly_over_stays(void **state)
{
    static const char last_ms[] =
        "local real = redis\n"
        "local redis = {sha1hex = real.sha1hex, call = function(name, ...)\n"
        "  if name == 'PTTL' then return 0 end\n"
        "  return real.call(name, ...)\n"
        "end}\n";
    struct redis_rig redis;
    struct buf script = BUF_INIT;

    (void)state;
    redis_rig_init(&redis, NULL);
    buf_printf(&script, "%slocal function run() %s end\nrun()\n", last_ms,
               redis_script_text(REDIS_SCRIPT_SET));
    buf_append_str(&script, "return real.call('PTTL', KEYS[1]) == -1 and 0 or 1");
    buf_append(&script, "", 1);
    redis_rig_command(&redis, "OK", "SET doc:c:x old PX 1000000");
    redis_rig_command(&redis, "OK", "SET upload new");
    redis_rig_command(&redis, "1", "EVAL %s 2 doc:c:x upload - - s 3",
                      (const char *)script.data);
    buf_free(&script);
    redis_rig_end(&redis);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_that_comes_while_it_is_looked_for),
        cmocka_unit_test(a_value_that_never_stays),
        cmocka_unit_test(an_empty_value_is_there),
        cmocka_unit_test(a_time_to_live_that_is_nearly_over_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
