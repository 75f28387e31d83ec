/* The cache of replies: what it gives back, what stays when it is full, and what it
 * counts.
 */
#include "server/api/reply_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/stats/stats.h"

#define CACHE_BYTES (UINT64_C(1) << 20)
#define REPLY_BYTES 1000
#define CAPACITY    (CACHE_BYTES / REPLY_BYTES) /* replies, and some less */
#define HOT         50

static struct stats_front stats;
static struct reply_cache *cache;

static int setup(void **state)
{
    (void)state;
    stats = (struct stats_front){0};
    cache = reply_cache_create(CACHE_BYTES, 7, &stats);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    reply_cache_destroy(&cache);
    assert_null(cache);
    return 0;
}

static struct slice key_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void put_sized(const char *key, uint64_t version, size_t bytes)
{
    uint8_t *data;
    struct blob *reply = blob_new(bytes, &data);

    memset(data, (int)version, bytes);
    reply_cache_put(cache, key_of(key), version, reply);
    blob_unref(&reply);
}

static void put(const char *key, uint64_t version)
{
    put_sized(key, version, REPLY_BYTES);
}

/* The version of the reply that is there, 0 for none. */
static uint64_t version_of(const char *key)
{
    uint64_t version = 0;
    struct blob *reply = reply_cache_find(cache, key_of(key), &version);

    if (reply == NULL)
        return 0;
    assert_int_equal(reply->bytes.data[0], (uint8_t)version);
    blob_unref(&reply);
    return version;
}

/* A client asks, and gets the reply from here or by a job: true where it was here. */
static bool ask(const char *key)
{
    if (version_of(key) == 1) {
        reply_cache_hit(cache, key_of(key));
        return true;
    }
    reply_cache_miss(cache, key_of(key));
    put(key, 1);
    return false;
}

static bool ask_number(const char *kind, unsigned number)
{
    char key[32];

    snprintf(key, sizeof key, "%s%u", kind, number);
    return ask(key);
}

static uint64_t bytes(void)
{
    return stats_read(&stats.cache_bytes);
}

static void gives_back_what_was_put(void **state)
{
    (void)state;
    assert_int_equal(version_of("a"), 0);
    put("a", 5);
    assert_int_equal(version_of("a"), 5);
    assert_int_equal(version_of("b"), 0);
    assert_int_equal(version_of("aa"), 0);
    put("a", 6); /* another version replaces it */
    assert_int_equal(version_of("a"), 6);
    put("a", 6);
    assert_true(bytes() > REPLY_BYTES && bytes() < 2 * REPLY_BYTES);
}

/* The store said that the document has another version. */
static void what_is_stale_goes_at_once(void **state)
{
    (void)state;
    put("a", 5);
    reply_cache_miss(cache, key_of("a"));
    assert_int_equal(version_of("a"), 0);
    assert_int_equal(bytes(), 0);
    assert_int_equal(stats_read(&stats.cache_misses), 1);
    assert_true(reply_cache_expects(cache, key_of("a"))); /* the next will be kept */
    reply_cache_miss(cache, key_of("never there"));
    assert_false(reply_cache_expects(cache, key_of("never there")));
}

/* Who sends a reply has it for as long as it wants. */
static void replies_outlive_their_entry(void **state)
{
    uint64_t version;
    struct blob *reply;

    (void)state;
    put("a", 5);
    reply = reply_cache_find(cache, key_of("a"), &version);
    reply_cache_miss(cache, key_of("a"));
    assert_int_equal(reply->refs, 1);
    assert_int_equal(reply->bytes.data[REPLY_BYTES - 1], 5);
    blob_unref(&reply);
    reply_cache_hit(cache, key_of("a")); /* gone meanwhile: no harm */
    assert_int_equal(stats_read(&stats.cache_hits), 1);
}

static void stays_within_its_bytes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5 * CAPACITY; i++) {
        (void)ask_number("k", i);
        assert_true(bytes() <= CACHE_BYTES);
    }
    assert_true(bytes() > CACHE_BYTES * 9 / 10);
    assert_true(stats_read(&stats.cache_evictions) > 3 * CAPACITY);
}

static void large_replies_are_not_kept(void **state)
{
    uint64_t most = reply_cache_max_bytes(cache);

    (void)state;
    assert_true(most <= CACHE_BYTES / 8 && most > CACHE_BYTES / 9);
    put_sized("large", 1, most + 1);
    assert_int_equal(version_of("large"), 0);
    put_sized("large", 1, most - 1000);
    assert_int_equal(version_of("large"), 1);
    put_sized("large", 2, most + 1); /* what it replaces goes all the same */
    assert_int_equal(version_of("large"), 0);
    assert_int_equal(bytes(), 0);
}

/* The point of it: a scan over ten times what fits leaves what many ask for. */
static void a_scan_flushes_nothing(void **state)
{
    unsigned kept = 0;

    (void)state;
    for (unsigned round = 0; round < 4; round++)
        for (unsigned i = 0; i < HOT; i++)
            (void)ask_number("hot", i);
    for (unsigned i = 0; i < 10 * CAPACITY; i++)
        (void)ask_number("scan", i);
    for (unsigned i = 0; i < HOT; i++)
        kept += ask_number("hot", i);
    assert_int_equal(kept, HOT);
}

/* What is asked for again soon after it left the small queue comes to stay. */
static void ghosts_are_let_in(void **state)
{
    (void)state;
    for (unsigned i = 0; i < CAPACITY; i++) /* full */
        (void)ask_number("first", i);
    (void)ask("back");
    for (unsigned i = 0; version_of("back") != 0; i++)
        (void)ask_number("push", i);
    assert_true(reply_cache_expects(cache, key_of("back")));
    (void)ask("back");
    assert_false(reply_cache_expects(cache, key_of("back")));
    for (unsigned i = 0; i < CAPACITY / 2; i++)
        (void)ask_number("later", i);
    assert_int_equal(version_of("back"), 1);
}

/* What was hot once goes when other things are. */
static void yesterdays_favourites_go(void **state)
{
    unsigned kept = 0;

    (void)state;
    for (unsigned round = 0; round < 8; round++)
        for (unsigned i = 0; i < CAPACITY * 8 / 10; i++)
            (void)ask_number("old", i);
    for (unsigned round = 0; round < 30; round++)
        for (unsigned i = 0; i < CAPACITY * 8 / 10; i++)
            (void)ask_number("new", i);
    for (unsigned i = 0; i < CAPACITY * 8 / 10; i++)
        kept += ask_number("new", i);
    assert_true(kept > CAPACITY * 6 / 10);
}

/* Making room for one large reply never takes many steps; it comes in later. */
static void room_is_made_in_steps(void **state)
{
    uint64_t before, large = reply_cache_max_bytes(cache) - 1000;

    (void)state;
    for (unsigned i = 0; i < 2 * CAPACITY; i++)
        (void)ask_number("k", i);
    before = stats_read(&stats.cache_evictions);
    put_sized("large", 1, large);
    assert_int_equal(version_of("large"), 0); /* it would take the place of 130 */
    assert_true(stats_read(&stats.cache_evictions) - before <= 64);
    for (unsigned i = 0; i < 3 && version_of("large") == 0; i++)
        put_sized("large", 1, large);
    assert_int_equal(version_of("large"), 1);
}

static void notes_are_ghosts(void **state)
{
    (void)state;
    assert_false(reply_cache_expects(cache, key_of("a")));
    reply_cache_note(cache, key_of("a"));
    assert_true(reply_cache_expects(cache, key_of("a")));
    assert_false(reply_cache_expects(cache, key_of("b")));
    assert_int_equal(bytes(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(gives_back_what_was_put),     TEST(what_is_stale_goes_at_once),
        TEST(replies_outlive_their_entry), TEST(stays_within_its_bytes),
        TEST(large_replies_are_not_kept),  TEST(a_scan_flushes_nothing),
        TEST(ghosts_are_let_in),           TEST(yesterdays_favourites_go),
        TEST(room_is_made_in_steps),       TEST(notes_are_ghosts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
