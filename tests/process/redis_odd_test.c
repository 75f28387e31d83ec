/* Replies that no real server gives: they only cause an error or a lost connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "tests/unit/store/fake_redis.h"
#include "tests/unit/store/store_promises.h"

#include "server/store/redis/link/redis_reader.h"

/* hiredis 0.14 ends the connection at arrays nested ten deep; since 1.0 it reads them,
   and the store finds that they are no valid answer. */
#if HIREDIS_MAJOR >= 1
#define TOO_DEEP STORE_ERROR
#else
#define TOO_DEEP STORE_DOWN
#endif

#define GREET "ROLE *1\r\n$6\r\nmaster\r\nCONFIG -ERR no\r\nSCRIPT -ERR no\r\n"

struct odd {
    struct rig rig;
    struct fake_redis *fake;
    char script[1024];
};

static void start(struct odd *odd, const char *script)
{
    char url[64];

    alarm(RIG_ALARM_S);
    snprintf(odd->script, sizeof odd->script, GREET "%s", script);
    odd->rig.loop = ev_loop_new(EVFLAG_AUTO);
    odd->fake = fake_redis_start(odd->rig.loop, odd->script);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", fake_redis_port(odd->fake));
    odd->rig.store = store_open(odd->rig.loop, &(struct store_config){.url = url});
    redis_rig_await(&odd->rig, true);
}

static void stop(struct odd *odd)
{
    store_close(&odd->rig.store);
    fake_redis_stop(&odd->fake);
    ev_loop_destroy(odd->rig.loop);
    alarm(0);
}

struct case_of {
    const char *reply;
    enum store_status status;
};

static void reading(void **state)
{
    static const struct case_of cases[] = {
        {"$-1\r\n", STORE_ERROR},
        {":1\r\n", STORE_ERROR},
        {"*0\r\n", STORE_ERROR},
        {"+OK\r\n", STORE_ERROR},
        {"$1\r\nx\r\n", STORE_ERROR},
        {"$32\r\no1m:0000000000000000:0000000000:\r\n", STORE_ERROR},
        {"$32\r\no1m:0000000000000001:0000000000:\r\n", STORE_OK},
        {"$32\r\no1m:0000000000000001:0000000001:\r\n", STORE_ERROR},
        {"$33\r\no1m:0000000000000001:0000000000:x\r\n", STORE_ERROR},
        {"$32\r\no1m:0000000000000001:9999999999:\r\n", STORE_ERROR},
        {"-ERR\r\n", STORE_ERROR},
        {"-\r\n", STORE_ERROR},
        {"-MOVED 1 127.0.0.1:1\r\n", STORE_DOWN}, /* from a server without a cluster */
        {"-ASK 1 127.0.0.1:1\r\n", STORE_DOWN},
        {"-TRYAGAIN\r\n", STORE_DOWN},
        {"?\r\n", STORE_DOWN},
        {"$x\r\n", STORE_DOWN},
        {"*999999999\r\n", STORE_DOWN},
        {"*131073\r\n", STORE_DOWN},
        {"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", TOO_DEEP},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[256];
        struct odd odd = {0};
        enum store_status status;

        snprintf(script, sizeof script, "GETRANGE %s", cases[i].reply);
        start(&odd, script);
        status = rig_find(&odd.rig, "c", "x");
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].reply, store_status_text(status));
        stop(&odd);
    }
}

/* hiredis would search all of the line again whenever bytes arrive: the connection ends
   at once, not after a timeout. */
static void a_line_without_end(void **state)
{
    static const char kinds[] = {'+', '-', ':', '$', '*'};

    (void)state;
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct buf script = BUF_INIT;
        struct odd odd = {0};
        const char *why;

        start(&odd, "");
        buf_printf(&script, GREET "GETRANGE %c", kinds[i]);
        while (script.len < REDIS_READER_LINE_BYTES + 1024)
            buf_append_str(&script, "\n1\r1");
        buf_append(&script, "", 1);
        odd.fake->script = (const char *)script.data;
        assert_int_equal(rig_find(&odd.rig, "c", "x"), STORE_DOWN);
        assert_false(store_is_ready(odd.rig.store, &why));
        assert_non_null(strstr(why, "was lost"));
        stop(&odd);
        buf_free(&script);
    }
}

static void writing(void **state)
{
    static const struct case_of cases[] = {
        {"*2\r\n:1\r\n$16\r\n0000000000000007\r\n", STORE_CREATED},
        {"*2\r\n:0\r\n$16\r\n0000000000000007\r\n", STORE_OK},
        {"*2\r\n:4\r\n$0\r\n\r\n", STORE_CONFLICT},
        {"*2\r\n:6\r\n$0\r\n\r\n", STORE_ERROR}, /* only a cluster answers that */
        {"*2\r\n:7\r\n$0\r\n\r\n", STORE_ERROR},
        {"*2\r\n:-1\r\n$0\r\n\r\n", STORE_ERROR},
        {"*2\r\n$1\r\n1\r\n$0\r\n\r\n", STORE_ERROR},
        {"*1\r\n:1\r\n", STORE_ERROR},
        {"*0\r\n", STORE_ERROR},
        {"*-1\r\n", STORE_ERROR},
        {"$1\r\nx\r\n", STORE_ERROR},
        {":1\r\n", STORE_ERROR},
        {"-OOM no\r\n", STORE_FULL},
        {"-READONLY no\r\n", STORE_DOWN},
        {"-NOSCRIPT\r\n", STORE_ERROR},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[256];
        struct odd odd = {0};
        enum store_status status;

        snprintf(script, sizeof script, "EVAL %sZADD :1\r\n", cases[i].reply);
        start(&odd, script);
        status = rig_put_text(&odd.rig, "c", "x", "1");
        if (status != cases[i].status)
            fail_msg("%s: %s", cases[i].reply, store_status_text(status));
        stop(&odd);
    }
}

/* Other replies in place of a run of documents or of collections. */
static void listing(void **state)
{
    static const char *const replies[] = {
        ":1\r\n",
        "*0\r\n",
        "*-1\r\n",
        "*2\r\n:0\r\n$1\r\nx\r\n",
        "*3\r\n$1\r\n0\r\n$1\r\nx\r\n:1\r\n",
        "*3\r\n:0\r\n$0\r\n\r\n:1\r\n",
        "*3\r\n:0\r\n$1\r\nx\r\n*0\r\n",
        "*3\r\n:0\r\n:1\r\n:1\r\n",
        "*3\r\n:0\r\n$-1\r\n$-1\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        char script[256];
        struct odd odd = {0};
        struct promised_names named = {
            .names = {.max_count = 9, .done = promise_on_names}};

        snprintf(script, sizeof script, "EVAL %s", replies[i]);
        start(&odd, script);
        store_collections(odd.rig.store, &named.names);
        while (!named.done)
            ev_run(odd.rig.loop, EVRUN_ONCE);
        assert_int_equal(named.names.status, STORE_ERROR);
        stop(&odd);
    }
}

struct odd_run {
    struct store_list list;
    bool done;
    enum store_status status;
    size_t count;
};

static void on_run(struct store_list *list)
{
    struct odd_run *run = (struct odd_run *)(void *)list;

    run->status = list->status;
    run->count = list->count;
    run->done = true;
}

/* The caller relies on max_documents. */
static void a_run_of_more_than_was_asked_for(void **state)
{
#define ROW(id) "$1\r\n" id "\r\n$32\r\no1m:0000000000000001:0000000000:\r\n"
    (void)state;
    for (size_t max = 1; max <= 2; max++) {
        struct odd odd = {0};
        struct odd_run run = {.list = {.collection = {(const uint8_t *)"c", 1},
                                       .max_documents = max,
                                       .max_bytes = 1024,
                                       .done = on_run}};

        start(&odd, "EVAL *5\r\n:0\r\n" ROW("a") ROW("b"));
        store_list(odd.rig.store, &run.list);
        while (!run.done)
            ev_run(odd.rig.loop, EVRUN_ONCE);
        assert_int_equal(run.status, max == 2 ? STORE_OK : STORE_ERROR);
        assert_int_equal(run.count, max == 2 ? 2 : 0);
        stop(&odd);
    }
#undef ROW
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(a_line_without_end),
        cmocka_unit_test(writing),
        cmocka_unit_test(listing),
        cmocka_unit_test(a_run_of_more_than_was_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
