/*
 * The window of writes against a store that the test plays, with a clock of its own: what
 * counts when, what is written again, and what must not be.
 */
#include "server/api/bulk/bulk_puts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/clock.h"

/* ---- the store and the clock */

static uint64_t now_ns = NS_PER_S;
static struct store_put *pending[4096];
static unsigned pending_count, cancelled;
static bool down; /* writes end as DOWN at once */
static bool keeps_order;

uint64_t clock_now_ns(void)
{
    return now_ns;
}

uint64_t clock_thread_cpu_ns(void)
{
    return now_ns;
}

void store_put(struct store *store, struct store_put *put)
{
    (void)store;
    assert_null(put->request.backend);
    if (down) {
        put->status = STORE_DOWN;
        put->done(put);
        return;
    }
    put->request.backend = pending;
    pending[pending_count++] = put;
}

bool store_is_foreign(const struct store *store)
{
    (void)store;
    return false;
}

bool store_keeps_order(const struct store *store)
{
    (void)store;
    return keeps_order;
}

void store_get(struct store *store, struct store_get *get)
{
    (void)store;
    (void)get;
    fail();
}

void store_cancel(struct store_request *request)
{
    cancelled += request->backend != NULL;
    request->backend = NULL;
}

const char *store_status_text(enum store_status status)
{
    static const char *const texts[] = {
        [STORE_FULL] = "full", [STORE_DOWN] = "down", [STORE_UNSURE] = "unsure"};

    return texts[status];
}

/* Answers the first write under way. */
static void answer(enum store_status status)
{
    struct store_put *put = pending[0];

    assert_true(pending_count > 0);
    memmove(pending, pending + 1, --pending_count * sizeof *pending);
    put->request.backend = NULL;
    put->status = status;
    put->done(put);
}

/* ---- the window */

static struct api api;
static struct exchange exchange = {.api = &api};
static struct bulk_report report;
static struct bulk_puts window;
static struct blob *records;
static unsigned moves;

static void moved(void *ctx)
{
    assert_ptr_equal(ctx, &window);
    moves++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&report, 0, sizeof report);
    pending_count = cancelled = moves = 0;
    down = false;
    keeps_order = true;
    exchange.route.kind = STATS_ROUTE_COLLECTION;
    exchange.route.names_valid = true;
    exchange.route.collection_len = 1;
    exchange.route.collection[0] = 'c';
    records = blob_new_copy("abcdefghijklmnopqrstuvwxyz", 26);
    bulk_puts_init(&window, &exchange, &report, moved, &window);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bulk_puts_free(&window);
    assert_int_equal(api.bulk_writes, 0);
    assert_int_equal(records->refs, 1); /* nothing holds on to them */
    blob_unref(&records);
    return 0;
}

/* A document whose id is one letter. */
static void add(uint64_t line, char id, size_t len)
{
    bulk_puts_add(&window, line, (struct slice){records->bytes.data + (id - 'a'), 1},
                  (struct slice){records->bytes.data, len}, records);
}

static char id_of(unsigned at)
{
    assert_true(at < pending_count);
    return (char)*pending[at]->key.id.data;
}

static void pass_ms(uint64_t ms)
{
    now_ns += ms * NS_PER_MS;
}

/* As much as can be written again now. */
static void retry(void)
{
    assert_false(bulk_puts_retry(&window, UINT64_MAX));
}

static void test_counts_what_is_durable(void **state)
{
    (void)state;
    add(1, 'a', 3);
    add(2, 'b', 4);
    add(3, 'c', 5);
    assert_int_equal(report.stored, 0);
    assert_int_equal(pending[1]->blob->bytes.len, 4);
    assert_int_equal(pending[1]->condition, STORE_ALWAYS);
    answer(STORE_CREATED);
    answer(STORE_FULL);
    assert_int_equal(window.count, 1);
    answer(STORE_OK);
    assert_int_equal(window.count, 0);
    assert_int_equal(moves, 3);
    assert_int_equal(report.stored, 2);
    assert_int_equal(report.failed, 1);
    assert_int_equal(report.errors[0].line, 2);
    assert_string_equal(report.errors[0].detail, "full");
}

static void test_window(void **state)
{
    unsigned count = 0;

    (void)state;
    for (; bulk_puts_has_room(&window); count++)
        add(count + 1, 'a', 1);
    assert_int_equal(count, BULK_PUTS_MAX);
    answer(STORE_OK);
    assert_true(bulk_puts_has_room(&window));
}

/* Several requests share what the store takes; each may always have a few. */
static void test_shared_window(void **state)
{
    unsigned count = 0;

    (void)state;
    api.bulk_writes = BULK_PUTS_ALL;
    for (; bulk_puts_has_room(&window); count++)
        add(count + 1, 'a', 1);
    assert_int_equal(count, BULK_PUTS_MIN);
    api.bulk_writes -= BULK_PUTS_ALL;
    assert_true(bulk_puts_has_room(&window));
}

static void test_window_of_bytes(void **state)
{
    struct blob *large = NULL;
    struct buf bytes = BUF_INIT;

    (void)state;
    memset(buf_reserve(&bytes, BULK_PUTS_MAX_BYTES), 'x', BULK_PUTS_MAX_BYTES);
    bytes.len = BULK_PUTS_MAX_BYTES;
    large = blob_new_steal(&bytes);
    bulk_puts_add(&window, 1, (struct slice){records->bytes.data, 1}, large->bytes,
                  large);
    assert_false(bulk_puts_has_room(&window));
    answer(STORE_OK);
    assert_true(bulk_puts_has_room(&window));
    assert_int_equal(large->refs, 1);
    blob_unref(&large);
}

/* What a store that is down did not take is written again, in order, when it is time. */
static void test_writes_again(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'b', 1);
    add(3, 'c', 1);
    answer(STORE_OK);
    answer(STORE_DOWN);
    assert_false(bulk_puts_has_room(&window));
    assert_false(bulk_puts_wait(&window)); /* one is under way still */
    answer(STORE_DOWN);
    assert_true(bulk_puts_wait(&window));
    retry();
    assert_int_equal(pending_count, 0); /* not at once */
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(pending_count, 2);
    assert_int_equal(id_of(0), 'b');
    assert_int_equal(id_of(1), 'c');
    answer(STORE_OK);
    answer(STORE_CREATED);
    assert_int_equal(report.stored, 3);
    assert_int_equal(report.failed, 0);
    assert_true(bulk_puts_has_room(&window));
}

/* A document that a later line has replaced must not come back. */
static void test_replaced_is_not_written_again(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'b', 1);
    add(3, 'a', 2);
    answer(STORE_DOWN);
    answer(STORE_DOWN);
    answer(STORE_OK);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(pending_count, 1);
    assert_int_equal(id_of(0), 'b');
    answer(STORE_OK);
    assert_int_equal(report.stored, 3);
    assert_int_equal(window.count, 0);
}

/* One that failed replaces nothing. */
static void test_failed_replaces_nothing(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'a', 2);
    answer(STORE_DOWN);
    answer(STORE_FULL);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    answer(STORE_OK);
    assert_int_equal(report.stored, 1);
    assert_int_equal(report.failed, 1);
}

/* A large document takes several steps to the store, on which no later line of its id may
   get ahead of it, neither at first nor when both are written again. */
static void test_nothing_overtakes_a_large_one(void **state)
{
    struct buf bytes = BUF_INIT;
    struct blob *large;

    (void)state;
    memset(buf_reserve(&bytes, BULK_PUTS_SLOW_BYTES + 1), 'x', BULK_PUTS_SLOW_BYTES + 1);
    bytes.len = BULK_PUTS_SLOW_BYTES + 1;
    large = blob_new_steal(&bytes);
    bulk_puts_add(&window, 1, (struct slice){records->bytes.data, 1}, large->bytes,
                  large);
    add(2, 'b', 1); /* of another id */
    add(3, 'a', 1);
    assert_int_equal(pending_count, 2);
    assert_false(bulk_puts_has_room(&window));
    answer(STORE_DOWN);
    assert_false(bulk_puts_wait(&window));
    answer(STORE_OK);
    assert_true(bulk_puts_wait(&window));
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(pending_count, 1); /* the large one, and it alone */
    assert_int_equal(pending[0]->blob->bytes.len, BULK_PUTS_SLOW_BYTES + 1);
    retry();
    assert_int_equal(pending_count, 1);
    answer(STORE_OK);
    retry(); /* at once: nothing was down */
    assert_int_equal(pending_count, 1);
    assert_int_equal(pending[0]->blob->bytes.len, 1);
    assert_true(bulk_puts_has_room(&window));
    answer(STORE_OK);
    assert_int_equal(report.stored, 3);
    assert_int_equal(report.failed, 0);
    assert_int_equal(window.count, 0);
    assert_int_equal(large->refs, 1);
    blob_unref(&large);
}

/* A store that may send a write again, behind later ones, gets the lines of one id one
   after another. One that keeps the order need not wait. */
static void test_nothing_overtakes_where_the_order_may_change(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'a', 1);
    assert_int_equal(pending_count, 2);
    answer(STORE_OK);
    answer(STORE_OK);
    keeps_order = false;
    add(3, 'a', 1);
    add(4, 'b', 1); /* of another id */
    assert_int_equal(pending_count, 2);
    add(5, 'a', 2);
    assert_int_equal(pending_count, 2);
    answer(STORE_OK);
    answer(STORE_OK);
    assert_true(bulk_puts_wait(&window));
    retry();
    assert_int_equal(pending_count, 1);
    assert_int_equal(pending[0]->blob->bytes.len, 2);
    answer(STORE_OK);
    assert_int_equal(report.stored, 5);
    assert_int_equal(window.count, 0);
}

/* What may have been stored is not written again: somebody may have changed it since. */
static void test_unsure_fails_and_is_not_written_again(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'b', 1);
    add(3, 'c', 1);
    answer(STORE_UNSURE);
    answer(STORE_UNSURE);
    assert_true(bulk_puts_has_room(&window)); /* the loading goes on */
    answer(STORE_OK);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(pending_count, 0);
    assert_int_equal(report.stored, 1);
    assert_int_equal(report.failed, 2);
    assert_int_equal(report.errors[1].line, 2);
    assert_string_equal(report.errors[1].detail, "unsure");
    assert_int_equal(window.count, 0);
}

/* What a later line may have replaced must not come back either, and is not known to be
   stored; where one is stored behind that, it is known. */
static void test_unsure_replaces(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'b', 1);
    add(3, 'a', 2);
    add(4, 'b', 2);
    add(5, 'b', 3);
    answer(STORE_DOWN);
    answer(STORE_DOWN);
    answer(STORE_UNSURE);
    answer(STORE_OK);
    answer(STORE_UNSURE);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(pending_count, 0);
    assert_int_equal(report.stored, 2);
    assert_int_equal(report.failed, 3);
    assert_int_equal(report.errors[0].line, 1);
    assert_string_equal(report.errors[0].detail, "unsure");
    assert_int_equal(window.count, 0);
}

/* A full window of ids that repeat: of each the last one counts, wherever it settled. */
static void test_many_replaced(void **state)
{
    (void)state;
    for (unsigned i = 0; i < BULK_PUTS_MAX; i++)
        add(i + 1, (char)('a' + i % 26), 1 + i % 20);
    for (unsigned i = 0; i < BULK_PUTS_MAX; i++)
        answer(i % 26 < 13 && i >= 26 ? STORE_OK : STORE_DOWN);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    /* of the first 26 lines the first half is replaced; the other half never was stored
     */
    assert_int_equal(pending_count,
                     BULK_PUTS_MAX / 26 * 13 +
                         (BULK_PUTS_MAX % 26 > 13 ? BULK_PUTS_MAX % 26 - 13 : 0));
    for (unsigned i = 0; i < pending_count; i++)
        assert_true(id_of(i) >= 'n');
    while (pending_count > 0)
        answer(STORE_OK);
    assert_int_equal(report.stored, BULK_PUTS_MAX);
    assert_int_equal(window.count, 0);
}

/* Writing again is done in pieces that end when the turn's time is over, in order. */
static void test_a_round_takes_turns(void **state)
{
    unsigned turns = 1;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        add(i + 1, (char)('a' + i % 26), 1);
    for (unsigned i = 0; i < 100; i++)
        answer(STORE_DOWN);
    pass_ms(BULK_PUTS_RETRY_MS);
    while (bulk_puts_retry(&window, now_ns)) { /* each turn is over at once */
        assert_false(bulk_puts_has_room(&window));
        assert_true(pending_count < 100);
        turns++;
    }
    assert_in_range(turns, 3, 10);
    assert_int_equal(pending_count, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(id_of(i), 'a' + i % 26);
    while (pending_count > 0)
        answer(STORE_OK);
    assert_int_equal(report.stored, 100);
}

/* What is refused again while a round goes on waits for the next one. */
static void test_refused_in_a_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++)
        add(i + 1, 'a', 1);
    for (unsigned i = 0; i < 40; i++)
        answer(STORE_DOWN);
    pass_ms(BULK_PUTS_RETRY_MS);
    assert_true(bulk_puts_retry(&window, now_ns));
    answer(STORE_DOWN);
    retry();
    assert_int_equal(window.refused, 1);
    while (pending_count > 0)
        answer(STORE_OK);
    retry(); /* too early */
    assert_int_equal(window.refused, 1);
    pass_ms(BULK_PUTS_RETRY_MS);
    retry(); /* later lines are stored: it has been replaced */
    assert_int_equal(pending_count, 0);
    assert_int_equal(report.stored, 40);
    assert_int_equal(window.count, 0);
}

/* While it is down still, only one write is tried at a time; in the end all fail. */
static void test_down_for_long(void **state)
{
    (void)state;
    down = true;
    add(1, 'a', 1);
    assert_false(bulk_puts_has_room(&window));
    for (unsigned i = 0; i < BULK_PUTS_DOWN_MS / BULK_PUTS_RETRY_MS; i++) {
        pass_ms(BULK_PUTS_RETRY_MS);
        retry();
        assert_int_equal(window.count, 1);
    }
    pass_ms(BULK_PUTS_RETRY_MS);
    retry();
    assert_int_equal(window.count, 0);
    assert_int_equal(report.failed, 1);
    assert_string_equal(report.errors[0].detail, "down");
    down = false;
    add(2, 'b', 1); /* and the next line gets a chance of its own */
    answer(STORE_OK);
    assert_int_equal(report.stored, 1);
}

static void test_some_settle_in_between(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        add(i + 1, (char)('a' + i), 1);
    answer(STORE_DOWN);
    answer(STORE_OK);
    answer(STORE_DOWN);
    answer(STORE_FULL);
    answer(STORE_DOWN);
    answer(STORE_OK);
    assert_int_equal(window.count, 6); /* settled ones stay behind the first unsettled */
    pass_ms(2 * BULK_PUTS_DOWN_MS);    /* the store took writes since: not too long */
    retry();
    assert_int_equal(pending_count, 3);
    answer(STORE_OK);
    answer(STORE_OK);
    answer(STORE_OK);
    assert_int_equal(report.stored, 5);
    assert_int_equal(report.failed, 1);
    assert_int_equal(report.errors[0].line, 4);
    assert_int_equal(window.count, 0);
}

static void test_cancels(void **state)
{
    (void)state;
    add(1, 'a', 1);
    add(2, 'b', 1);
    answer(STORE_DOWN);
    bulk_puts_free(&window);
    assert_int_equal(cancelled, 1);
    assert_int_equal(window.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_counts_what_is_durable),
        TEST(test_window),
        TEST(test_shared_window),
        TEST(test_window_of_bytes),
        TEST(test_writes_again),
        TEST(test_replaced_is_not_written_again),
        TEST(test_failed_replaces_nothing),
        TEST(test_nothing_overtakes_a_large_one),
        TEST(test_nothing_overtakes_where_the_order_may_change),
        TEST(test_unsure_fails_and_is_not_written_again),
        TEST(test_unsure_replaces),
        TEST(test_many_replaced),
        TEST(test_a_round_takes_turns),
        TEST(test_refused_in_a_round),
        TEST(test_down_for_long),
        TEST(test_some_settle_in_between),
        TEST(test_cancels)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
