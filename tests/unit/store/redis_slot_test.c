/* Slots of keys, and the reading of redirections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "server/store/redis/link/redis_error.h"
#include "server/store/redis/redis_layout.h"
#include "server/store/redis/place/redis_slot.h"

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* The answers of CLUSTER KEYSLOT of Redis 7.0. */
static void slots_are_those_of_redis(void **state)
{
    static const struct {
        const char *key;
        unsigned slot;
    } cases[] = {
        {"", 0},
        {"123456789", 12739},
        {"foo", 12182},
        {"{foo}", 12182},
        {"x{foo}y{bar}", 12182},
        {"{user1000}.following", 3443},
        {"user1000", 3443},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(redis_slot_of(text_slice(cases[i].key)), cases[i].slot);
    /* empty braces, and an open brace alone, are no hash tag */
    assert_int_not_equal(redis_slot_of(text_slice("{}foo")),
                         redis_slot_of(text_slice("foo")));
    assert_int_not_equal(redis_slot_of(text_slice("{foo")),
                         redis_slot_of(text_slice("foo")));
}

static void all_of_a_collection_shares_a_slot(void **state)
{
    struct slice collection = text_slice("some.Thing-1");
    unsigned slot = redis_slot_of(collection);
    struct redis_key keys[4];

    (void)state;
    redis_key_document(&keys[0], (struct store_key){collection, text_slice("a:b")});
    redis_key_own(&keys[1], collection, 'i');
    redis_key_own(&keys[2], collection, 'v');
    redis_key_upload(&keys[3], collection, 7);
    for (int i = 0; i < 4; i++)
        assert_int_equal(
            redis_slot_of((struct slice){(const uint8_t *)keys[i].bytes, keys[i].len}),
            slot);
}

static void good_redirections(void **state)
{
    static const struct {
        const char *text, *host;
        unsigned slot, port;
    } cases[] = {
        {"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 3999, 6381},
        {"ASK 0 ::1:1", "::1", 0, 1},
        {"MOVED 16383 :65535", "", 16383, 65535},
        {"MOVED 1 a-b.example:80", "a-b.example", 1, 80},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_redirect to;

        assert_int_equal(redis_redirect_read(cases[i].text, strlen(cases[i].text), &to),
                         0);
        assert_int_equal(to.slot, cases[i].slot);
        assert_int_equal(to.port, cases[i].port);
        assert_string_equal(to.host, cases[i].host);
    }
}

static void bad_redirections(void **state)
{
    static const char *const texts[] = {
        "",
        "MOVED",
        "MOVED ",
        "MOVED 1",
        "MOVED 1 ",
        "MOVED  h:1",
        "MOVED x h:1",
        "MOVED -1 h:1",
        "MOVED 16384 h:1",
        "MOVED 999999 h:1",
        "MOVED 1 h",
        "MOVED 1 h:",
        "MOVED 1 h:0",
        "MOVED 1 h:65536",
        "MOVED 1 h:1x",
        "MOVED 1 h:-1",
        "MOVED 1 a b:1",
    };
    struct redis_redirect to;
    char text[400] = "MOVED 1 ";

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (redis_redirect_read(texts[i], strlen(texts[i]), &to) == 0)
            fail_msg("taken: %s", texts[i]);
    memset(text + 8, 'h', REDIS_HOST_MAX + 1);
    strcpy(text + 8 + REDIS_HOST_MAX, ":1");
    assert_int_equal(redis_redirect_read(text, strlen(text), &to), 0);
    strcpy(text + 8 + REDIS_HOST_MAX, "h:1");
    assert_int_equal(redis_redirect_read(text, strlen(text), &to), -1);
    assert_int_equal(redis_redirect_read("MOVED 1 a\0b:1", 13, &to), -1);
}

static void errors_of_a_cluster(void **state)
{
    static const struct {
        const char *text;
        enum redis_remedy remedy;
    } cases[] = {
        {"MOVED 1 h:1", REDIS_REMEDY_MOVED},
        {"ASK 1 h:1", REDIS_REMEDY_ASK},
        {"ASKING is no code", REDIS_REMEDY_NONE},
        {"TRYAGAIN Multiple keys request during rehashing of slot", REDIS_REMEDY_WAIT},
        {"ERR Script attempted to access a non local key in a cluster node script: 1",
         REDIS_REMEDY_WAIT},
        {"CLUSTERDOWN Hash slot not served", REDIS_REMEDY_NEW_MAP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_error error = redis_error_read(cases[i].text, strlen(cases[i].text));

        assert_int_equal(error.remedy, cases[i].remedy);
        if (error.remedy != REDIS_REMEDY_NONE)
            assert_int_equal(error.status, STORE_DOWN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_those_of_redis),
        cmocka_unit_test(all_of_a_collection_shares_a_slot),
        cmocka_unit_test(good_redirections),
        cmocka_unit_test(bad_redirections),
        cmocka_unit_test(errors_of_a_cluster),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
