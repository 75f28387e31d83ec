/* Keys and heads in Redis, error replies, and the log line about durability. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "server/store/redis/link/redis_error.h"
#include "server/store/redis/link/redis_greeting.h"
#include "server/store/redis/redis_layout.h"
#include "server/store/redis/link/redis_resolve.h"

static struct slice slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void check_key(const struct redis_key *key, const char *expected)
{
    assert_int_equal(key->len, strlen(expected));
    assert_memory_equal(key->bytes, expected, key->len);
}

static void keys(void **state)
{
    struct redis_key key;

    (void)state;
    redis_key_document(&key, (struct store_key){slice("c"), slice("id:1")});
    check_key(&key, "offloop:{c}:d:id:1");
    redis_key_document(&key, (struct store_key){slice("c"), slice("")});
    check_key(&key, "offloop:{c}:d:");
    redis_key_own(&key, slice("a:b"), 'i');
    check_key(&key, "offloop:{a:b}:i");
    redis_key_own(&key, slice("c"), 'v');
    check_key(&key, "offloop:{c}:v");
    redis_key_upload(&key, slice("c"), 0xabc);
    check_key(&key, "offloop:{c}:u:0000000000000abc");
}

static void longest_keys(void **state)
{
    struct redis_key key;
    uint8_t bytes[REDIS_TEMPLATE_MAX + 2 * STORE_NAME_MAX];
    struct slice name = {bytes, STORE_NAME_MAX};

    (void)state;
    memset(bytes, '~', sizeof bytes);
    redis_key_document(&key, (struct store_key){name, name});
    assert_int_equal(key.len, 9 + 4 + 2 * STORE_NAME_MAX);
    assert_true(key.len < REDIS_KEY_MAX);
    redis_key_upload(&key, (struct slice){bytes, sizeof bytes}, UINT64_MAX);
    assert_int_equal(key.len, REDIS_KEY_MAX);
}

static void heads(void **state)
{
    static const char good[] = "o1m:1763812430123456:0000002048:rest";
    struct redis_head head;

    (void)state;
    assert_int_equal(redis_head_read(good, strlen(good), &head), 0);
    assert_int_equal(head.format, STORE_MSGPACK);
    assert_int_equal(head.version, 1763812430123456);
    assert_int_equal(head.len, 2048);
    assert_int_equal(redis_head_read("o1j:0000000000000001:0000000000:", 32, &head), 0);
    assert_int_equal(head.format, STORE_JSON);
    assert_int_equal(head.len, 0);
}

static void damaged_heads(void **state)
{
    static const char *const bad[] = {
        "",
        "o1m:1763812430123456:0000002048", /* too short */
        "o2m:1763812430123456:0000002048:",
        "x1m:1763812430123456:0000002048:",
        "o1x:1763812430123456:0000002048:",
        "o1m;1763812430123456:0000002048:",
        "o1m:17638124301x3456:0000002048:",
        "o1m:1763812430123456;0000002048:",
        "o1m:1763812430123456:00000 2048:",
        "o1m:1763812430123456:0000002048;",
        "o1m:0000000000000000:0000002048:", /* no version */
        "o1m:1763812430123456:0536870912:", /* longer than any string in Redis */
        "o1m:1763812430123456:9999999999:",
    };
    struct redis_head head;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (redis_head_read(bad[i], strlen(bad[i]), &head) == 0)
            fail_msg("taken: %s", bad[i]);
}

static void versions(void **state)
{
    char digits[REDIS_VERSION_DIGITS + 1];

    (void)state;
    redis_head_put_version(digits, 42);
    assert_string_equal(digits, "0000000000000042");
    redis_head_put_version(digits, REDIS_VERSION_MAX);
    assert_string_equal(digits, "9007199254740991");
    redis_head_put_version(digits, UINT64_MAX); /* never given out */
    assert_string_equal(digits, "0000000000000000");
    assert_int_equal(redis_head_format(STORE_MSGPACK), 'm');
    assert_int_equal(redis_head_format(STORE_JSON), 'j');
}

static void errors(void **state)
{
    static const struct {
        const char *text, *code;
        enum store_status status;
        enum redis_remedy remedy;
    } cases[] = {
        {"NOSCRIPT No matching script.", "NOSCRIPT", STORE_ERROR, REDIS_REMEDY_LOAD},
        {"OOM command not allowed when used memory > 'maxmemory'.", "OOM", STORE_FULL,
         REDIS_REMEDY_NONE},
        {"ERR Error running script (call to f_1): @user_script:9: -OOM command not "
         "allowed",
         "OOM", STORE_FULL, REDIS_REMEDY_NONE},
        {"LOADING Redis is loading the dataset in memory", "LOADING", STORE_DOWN,
         REDIS_REMEDY_RECONNECT},
        {"READONLY You can't write against a read only replica. script: x", "READONLY",
         STORE_DOWN, REDIS_REMEDY_REPLICA},
        {"MISCONF Redis is configured to save RDB snapshots, but", "MISCONF", STORE_DOWN,
         REDIS_REMEDY_NONE},
        {"MISCONF Errors writing to the AOF file: No space left on device", "MISCONF",
         STORE_FULL, REDIS_REMEDY_NONE},
        {"BUSY Redis is busy running a script.", "BUSY", STORE_DOWN, REDIS_REMEDY_NONE},
        {"NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", STORE_DOWN,
         REDIS_REMEDY_NONE},
        {"NOAUTH Authentication required.", "NOAUTH", STORE_DOWN, REDIS_REMEDY_RECONNECT},
        {"NOPERM this user has no permissions", "", STORE_ERROR, REDIS_REMEDY_NONE},
        {"WRONGTYPE Operation against a key", "WRONGTYPE", STORE_WRONG_TYPE,
         REDIS_REMEDY_NONE},
        {"BUSYKEY Target key name already exists.", "", STORE_ERROR, REDIS_REMEDY_NONE},
        {"ERR the OOM is not said by Redis", "", STORE_ERROR, REDIS_REMEDY_NONE},
        {"OO", "", STORE_ERROR, REDIS_REMEDY_NONE},
        {"", "", STORE_ERROR, REDIS_REMEDY_NONE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_error error = redis_error_read(cases[i].text, strlen(cases[i].text));

        assert_string_equal(error.code, cases[i].code);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.remedy, cases[i].remedy);
    }
}

static void durability(void **state)
{
    static const struct {
        const char settings[REDIS_SETTINGS][24];
        const char *says; /* NULL: nothing */
    } cases[] = {
        {{"yes", "always", "noeviction"}, NULL},
        {{"yes", "always", ""}, NULL},
        {{"no", "always", "noeviction"}, "appendonly is off"},
        {{"yes", "everysec", "noeviction"}, "appendfsync is everysec"},
        {{"yes", "no", "noeviction"}, "appendfsync is no,"},
        {{"", "", ""}, "is not known"},
        {{"yes", "always", "allkeys-lru"}, "maxmemory-policy is allkeys-lru"},
        {{"no", "always", "allkeys-lru"}, "; maxmemory-policy"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;

        redis_greeting_judge(cases[i].settings, &out);
        buf_append(&out, "", 1);
        if (cases[i].says == NULL)
            assert_string_equal((const char *)out.data, "");
        else
            assert_non_null(strstr((const char *)out.data, cases[i].says));
        buf_free(&out);
    }
}

static void numeric_hosts(void **state)
{
    (void)state;
    assert_true(redis_resolve_is_numeric("127.0.0.1"));
    assert_true(redis_resolve_is_numeric("::1"));
    assert_false(redis_resolve_is_numeric("localhost"));
    assert_false(redis_resolve_is_numeric("127.0.0.1.example"));
}

static void every_script_has_a_text(void **state)
{
    (void)state;
    for (int i = 0; i < REDIS_SCRIPTS; i++)
        assert_non_null(strstr(redis_script_text((enum redis_script)i), "redis.call("));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(longest_keys),
        cmocka_unit_test(heads),
        cmocka_unit_test(damaged_heads),
        cmocka_unit_test(versions),
        cmocka_unit_test(errors),
        cmocka_unit_test(durability),
        cmocka_unit_test(numeric_hosts),
        cmocka_unit_test(every_script_has_a_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
