/* Large payloads, copied by turns. */
#include <ev.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <nng/nng.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "server/workers/memory/transfer.h"

#define BIG (3 * TRANSFER_SLICE_BYTES + 17)

static struct list owned;
static struct transfer *finished[8];
static unsigned finished_count;

static void on_finished(void *ctx, struct transfer *transfer)
{
    (void)ctx;
    assert_true(list_is_empty(&transfer->turn));
    finished[finished_count++] = transfer;
}

static int setup(void **state)
{
    (void)state;
    list_init(&owned);
    finished_count = 0;
    return 0;
}

static uint8_t *bytes_of(size_t len, uint8_t seed)
{
    uint8_t *bytes = mem_alloc(len);

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(seed + i * 7 + i / 251);
    return bytes;
}

static struct transfer *transfer_of(uint64_t id, const uint8_t *from, uint8_t *to,
                                    size_t len)
{
    struct transfer *transfer = transfer_create(NULL, &owned, 2);

    transfer->live = 1;
    transfer_add_piece(transfer, id, to, (struct slice){from, len});
    transfer_add_piece(transfer, id, NULL,
                       (struct slice){NULL, 0}); /* no bytes, no piece */
    return transfer;
}

static void slices_make_the_whole(void **state)
{
    static const size_t steps[] = {1, 3, 4096, SIZE_MAX};

    (void)state;
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint8_t *from = bytes_of(10000, 1), *other = bytes_of(500, 9);
        uint8_t *to = mem_zalloc(10500);
        struct transfer *transfer = transfer_of(1, from, to, 10000);

        transfer_add_piece(transfer, 2, to + 10000, (struct slice){other, 500});
        assert_int_equal(transfer->left, 10500);
        while (!transfer_copy(transfer, steps[i]))
            assert_true(transfer->left > 0);
        assert_int_equal(transfer->left, 0);
        assert_memory_equal(to, from, 10000);
        assert_memory_equal(to + 10000, other, 500);
        transfer_destroy(&transfer);
        mem_free(from);
        mem_free(other);
        mem_free(to);
    }
}

static void large_ones_take_turns(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct transfers *transfers = transfers_create(loop, on_finished, NULL);
    uint8_t *from = bytes_of(BIG, 3), *to[2] = {mem_zalloc(BIG), mem_zalloc(BIG)};
    struct transfer *large = transfer_of(1, from, to[0], BIG);
    struct transfer *small = transfer_of(2, from, to[1], 1000);
    unsigned turns = 0;

    (void)state;
    transfers_add(transfers, large);
    transfers_add(transfers, small);
    while (finished_count < 1) {
        ev_run(loop, EVRUN_ONCE);
        turns++;
    }
    assert_ptr_equal(finished[0], small); /* it did not wait for the large one */
    assert_int_equal(turns, 2);
    assert_int_equal(large->left, BIG - TRANSFER_SLICE_BYTES);
    while (finished_count < 2) {
        ev_run(loop, EVRUN_ONCE);
        turns++;
    }
    assert_int_equal(turns, 5); /* a slice each, and the end */
    assert_memory_equal(to[0], from, BIG);
    transfer_destroy(&large);
    transfer_destroy(&small);
    assert_true(list_is_empty(&owned));
    transfers_destroy(&transfers);
    assert_int_equal(ev_run(loop, EVRUN_NOWAIT), 0); /* no timer is left */
    ev_loop_destroy(loop);
    mem_free(from);
    mem_free(to[0]);
    mem_free(to[1]);
}

/* Bytes of a job that was given up may be gone (a sanitizer would see them read). */
static void forgotten_bytes_are_not_read(void **state)
{
    uint8_t *from = bytes_of(2000, 3), *other = bytes_of(2000, 4), *to = mem_zalloc(4000);
    struct transfer *transfer = transfer_of(1, from, to, 2000);

    (void)state;
    transfer_add_piece(transfer, 2, to + 2000, (struct slice){other, 2000});
    transfer->live = 2;
    assert_false(transfer_copy(transfer, 500));
    assert_false(transfer_forget(transfer, 3)); /* no job of it */
    assert_true(transfer_forget(transfer, 1));
    assert_false(transfer_forget(transfer, 1));
    mem_free(from);
    assert_int_equal(transfer->live, 1);
    assert_true(transfer_copy(transfer, SIZE_MAX));
    assert_int_equal(to[500], 0);
    assert_memory_equal(to + 2000, other, 2000);
    transfer_destroy(&transfer);
    mem_free(other);
    mem_free(to);
}

/* Those in place already are jobs of the message like others. */
static void what_is_in_place_is_not_copied(void **state)
{
    uint8_t *from = bytes_of(1000, 3), *to = mem_zalloc(1000);
    struct transfer *transfer = transfer_create(NULL, &owned, 3);

    (void)state;
    transfer->live = 3;
    transfer_add_job(transfer, 1);
    transfer_add_piece(transfer, 2, to, (struct slice){from, 1000});
    transfer_add_job(transfer, 3);
    assert_int_equal(transfer->left, 1000);
    assert_true(transfer_forget(transfer, 3));
    assert_false(transfer_forget(transfer, 3));
    assert_int_equal(transfer->live, 2);
    assert_true(transfer_copy(transfer, SIZE_MAX));
    assert_memory_equal(to, from, 1000);
    assert_true(transfer_forget(transfer, 1));
    assert_true(transfer_forget(transfer, 2));
    assert_int_equal(transfer->live, 0);
    transfer_destroy(&transfer);
    mem_free(from);
    mem_free(to);
}

static void nobody_left_ends_it_at_once(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct transfers *transfers = transfers_create(loop, on_finished, NULL);
    uint8_t *from = bytes_of(BIG, 3), *to = mem_zalloc(BIG);
    struct transfer *transfer = transfer_of(1, from, to, BIG);

    (void)state;
    assert_int_equal(nng_msg_alloc(&transfer->message, 10), 0); /* freed with it */
    transfers_add(transfers, transfer);
    assert_true(transfer_forget(transfer, 1));
    mem_free(from);
    ev_run(loop, EVRUN_ONCE);
    assert_int_equal(finished_count, 1);
    assert_int_equal(transfer->live, 0);
    transfer_destroy(&transfer);
    transfers_destroy(&transfers);
    ev_loop_destroy(loop);
    mem_free(to);
}

static void one_under_way_can_be_destroyed(void **state)
{
    struct ev_loop *loop = ev_loop_new(0);
    struct transfers *transfers = transfers_create(loop, on_finished, NULL);
    uint8_t *from = bytes_of(BIG, 3);
    struct transfer *transfer = transfer_of(1, from, NULL, BIG);

    (void)state;
    transfer->pieces[0].to = transfer->bytes = mem_zalloc(BIG);
    transfers_add(transfers, transfer);
    ev_run(loop, EVRUN_ONCE);
    transfer_destroy(&transfer);
    assert_null(transfer);
    ev_run(loop, EVRUN_ONCE); /* the turn finds nothing */
    assert_int_equal(finished_count, 0);
    transfers_destroy(&transfers);
    ev_loop_destroy(loop);
    mem_free(from);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(slices_make_the_whole),        TEST(large_ones_take_turns),
        TEST(forgotten_bytes_are_not_read), TEST(what_is_in_place_is_not_copied),
        TEST(nobody_left_ends_it_at_once),  TEST(one_under_way_can_be_destroyed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
