/* Redis URLs, and which values of --store are accepted and how they are printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/alloc.h"
#include "server/store/redis/redis_url.h"
#include "server/store/store_url.h"

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static void good_ones(void **state)
{
    static const struct {
        const char *text, *host, *path, *user, *password;
        unsigned port, db;
    } cases[] = {
        {"redis://localhost", "localhost", "", "", "", 6379, 0},
        {"redis://127.0.0.1:7000/3", "127.0.0.1", "", "", "", 7000, 3},
        {"redis://127.0.0.1:7000/", "127.0.0.1", "", "", "", 7000, 0},
        {"redis://[::1]:1/65535", "::1", "", "", "", 1, 65535},
        {"redis://[fe80::1]", "fe80::1", "", "", "", 6379, 0},
        {"redis://:secret@db_1.example-x", "db_1.example-x", "", "", "secret", 6379, 0},
        {"redis://me:se%40cr%2Fet%3a@h:65535/1", "h", "", "me", "se@cr/et:", 65535, 1},
        {"redis://me:a:b@h", "h", "", "me", "a:b", 6379, 0},
        {"redis://me:a@b@h", "h", "", "me", "a@b", 6379, 0},
        {"rediss://me:a@db.example:6380/2", "db.example", "", "me", "a", 6380, 2},
        {"redis+unix:///run/r.sock", "", "/run/r.sock", "", "", 6379, 0},
        {"redis+unix:///run/r@1.sock?db=4", "", "/run/r@1.sock", "", "", 6379, 4},
        {"redis+unix://u:p@/r?db=0", "", "/r", "u", "p", 6379, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_url url;

        assert_true(redis_url_is_redis(cases[i].text));
        if (redis_url_parse(cases[i].text, &url) < 0)
            fail_msg("refused: %s", cases[i].text);
        assert_string_equal(or_empty(url.host), cases[i].host);
        assert_string_equal(or_empty(url.path), cases[i].path);
        assert_string_equal(or_empty(url.user), cases[i].user);
        assert_string_equal(or_empty(url.password), cases[i].password);
        assert_int_equal(url.port, cases[i].port);
        assert_int_equal(url.db, cases[i].db);
        assert_int_equal(url.tls, strncmp(cases[i].text, "rediss", 6) == 0);
        redis_url_free(&url);
        assert_null(url.host);
    }
}

static void sentinels(void **state)
{
    struct redis_url url;
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(
        redis_url_parse("rediss+sentinel://u:p@a,[::1]:7,b.c:65535/my-master.1/3", &url),
        0);
    assert_int_equal(url.kind, REDIS_SENTINEL);
    assert_true(url.tls);
    assert_null(url.host);
    assert_int_equal(url.place_count, 3);
    assert_string_equal(url.places[0].host, "a");
    assert_int_equal(url.places[0].port, 26379);
    assert_string_equal(url.places[1].host, "::1");
    assert_int_equal(url.places[1].port, 7);
    assert_string_equal(url.places[2].host, "b.c");
    assert_int_equal(url.places[2].port, 65535);
    assert_string_equal(url.master, "my-master.1");
    assert_string_equal(url.user, "u");
    assert_string_equal(url.password, "p");
    assert_int_equal(url.db, 3);
    redis_url_print(&url, &out);
    assert_int_equal(out.len, strlen("redis (TLS) my-master.1/3 by Sentinel"));
    buf_free(&out);
    redis_url_free(&url);
    assert_int_equal(redis_url_parse("redis+sentinel://h/m/", &url), 0);
    assert_int_equal(url.db, 0);
    redis_url_free(&url);
}

static void clusters(void **state)
{
    struct redis_url url;
    struct buf out = BUF_INIT;

    (void)state;
    assert_int_equal(redis_url_parse("redis+cluster://:p@a,b:7/", &url), 0);
    assert_int_equal(url.kind, REDIS_CLUSTER);
    assert_false(url.tls);
    assert_int_equal(url.place_count, 2);
    assert_int_equal(url.places[0].port, 6379);
    assert_int_equal(url.places[1].port, 7);
    redis_url_print(&url, &out);
    assert_int_equal(out.len, strlen("redis cluster at a:6379"));
    buf_free(&out);
    redis_url_free(&url);
    assert_int_equal(redis_url_parse("rediss+cluster://a", &url), 0);
    assert_true(url.tls);
    redis_url_free(&url);
}

static void bad_ones(void **state)
{
    static const char *const texts[] = {
        "redis:",
        "redis:/h",
        "redis://",
        "redis://:1",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:1x",
        "redis://h:-1",
        "redis://h:9999999999",
        "redis://h/x",
        "redis://h/65536",
        "redis://h/1/2",
        "redis://h?db=1",
        "redis://h x",
        "redis://[::1",
        "redis://[]",
        "redis://[::1]x",
        "redis://[host]",
        "redis://user@h",
        "redis://user:@h",
        "redis://:%4@h",
        "redis://:%4",
        "redis://:%zz@h",
        "redis://:a%00b@h",
        "redis://:p@",
        "redis+unix://h",
        "redis+unix://",
        "redis+unix:///",
        "redis+unix:///a?db=",
        "redis+unix:///a?db=x",
        "redis+unix:///a?x=1",
        "redis+tcp://h",
        "rediss://",
        "rediss+unix:///r",
        "redis+sentinel://h",
        "redis+sentinel://h/",
        "redis+sentinel:///m",
        "redis+sentinel://h,/m",
        "redis+sentinel://,h/m",
        "redis+sentinel://h;i/m",
        "redis+sentinel://h:1,i:0/m",
        "redis+sentinel://h/m/x",
        "redis+sentinel://h/m n",
        "redis+sentinel://h/m/0/1",
        "redis+sentinel://a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q/m",
        "redis+cluster://",
        "redis+cluster://h/1",
        "redis+cluster://h,",
        "redis+cluster://user@h",
        "redisx://h",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct redis_url url;
        const char *expected = NULL;

        if (redis_url_parse(texts[i], &url) == 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(store_url_check(texts[i], &expected), -1);
        assert_non_null(strstr(expected, "redis://"));
    }
}

static void too_long_ones(void **state)
{
    struct redis_url url;
    char text[REDIS_URL_MAX + 64];

    (void)state;
    memset(text, 'h', sizeof text);
    memcpy(text, "redis://", 8);
    text[8 + 256] = 0;
    assert_int_equal(redis_url_parse(text, &url), -1); /* a host of 256 */
    text[8 + 255] = 0;
    assert_int_equal(redis_url_parse(text, &url), 0);
    redis_url_free(&url);
    memset(text + 8 + 255, 'h', 2);
    text[sizeof text - 1] = 0;
    assert_int_equal(redis_url_parse(text, &url), -1);
}

static void check_of_stores(void **state)
{
    const char *expected;

    (void)state;
    assert_int_equal(store_url_check("lmdb:data", &expected), 0);
    assert_int_equal(store_url_check("redis://h:1/2", &expected), 0);
    assert_int_equal(store_url_check("redis+unix:///r", &expected), 0);
    assert_int_equal(store_url_check("lmdb:", &expected), -1);
    assert_non_null(strstr(expected, "lmdb:DIR"));
    assert_int_equal(store_url_check("", &expected), -1);
    assert_int_equal(store_url_check("mysql://h", &expected), -1);
    assert_true(store_url_needs_writer("lmdb:data"));
    assert_false(store_url_needs_writer("redis://h"));
}

static void check_shown(const char *url, const char *shown)
{
    struct buf out = BUF_INIT;

    store_url_print(url, &out);
    buf_append(&out, "", 1);
    assert_string_equal((const char *)out.data, shown);
    buf_free(&out);
}

static void no_password_is_shown(void **state)
{
    (void)state;
    check_shown("lmdb:da@ta", "lmdb:da@ta");
    check_shown("redis://h:1/2", "redis://h:1/2");
    check_shown("redis://me:secret@h:1/2", "redis://me:***@h:1/2");
    check_shown("redis://:secret@h", "redis://***@h");
    check_shown("redis://secret@h", "redis://***@h");
    check_shown("redis://me:se/cr@et@h:bad", "redis://me:***@h:bad");
    check_shown("redis+unix://me:secret@/r", "redis+unix://me:***@/r");
    check_shown("postgres://me:secret@h", "postgres://me:***@h");
    check_shown("a@b//c", "a@b//c");
    check_shown("", "");
}

static void print_of_a_url(void **state)
{
    static const struct {
        const char *text, *printed;
    } cases[] = {{"redis://u:p@h:1/2", "redis h:1/2"},
                 {"redis://[::1]", "redis [::1]:6379/0"},
                 {"redis+unix://u:p@/r?db=5", "redis /r, db 5"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct redis_url url;
        struct buf out = BUF_INIT;

        assert_int_equal(redis_url_parse(cases[i].text, &url), 0);
        redis_url_print(&url, &out);
        buf_append(&out, "", 1);
        assert_string_equal((const char *)out.data, cases[i].printed);
        buf_free(&out);
        redis_url_free(&url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones),
        cmocka_unit_test(sentinels),
        cmocka_unit_test(clusters),
        cmocka_unit_test(bad_ones),
        cmocka_unit_test(too_long_ones),
        cmocka_unit_test(check_of_stores),
        cmocka_unit_test(no_password_is_shown),
        cmocka_unit_test(print_of_a_url),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
