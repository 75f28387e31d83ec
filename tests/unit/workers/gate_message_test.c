/* What gate and fronts tell each other, there and back, and what is none of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/workers/gate/gate_message.h"

static const struct wire_id worker = {
    {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static const struct wire_seat seat = {
    .front = 3, .incarnation = 99, .url = {(const uint8_t *)"ipc:///x", 8}};

static void a_hello_is_passed_on_as_it_is(void **state)
{
    struct buf bytes = BUF_INIT;
    struct gate_message note;

    (void)state;
    gate_message_put_hello(&bytes, (struct slice){(const uint8_t *)"whatever", 8});
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), 0);
    assert_int_equal(note.type, GATE_MESSAGE_HELLO);
    assert_int_equal(note.hello.len, 8);
    assert_memory_equal(note.hello.data, "whatever", 8);
    buf_free(&bytes);
}

static void an_offer_there_and_back(void **state)
{
    struct buf bytes = BUF_INIT;
    struct gate_message note;

    (void)state;
    gate_message_put_offer(&bytes, &worker, &seat);
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), 0);
    assert_int_equal(note.type, GATE_MESSAGE_OFFER);
    assert_true(gate_message_same_worker(&note.worker, &worker));
    assert_int_equal(note.seat.front, 3);
    assert_int_equal(note.seat.incarnation, 99);
    assert_int_equal(note.seat.url.len, 8);
    assert_memory_equal(note.seat.url.data, "ipc:///x", 8);
    buf_free(&bytes);
}

static void a_goodbye_there_and_back(void **state)
{
    struct buf bytes = BUF_INIT;
    struct gate_message note;

    (void)state;
    gate_message_put_gone(&bytes, &worker);
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), 0);
    assert_int_equal(note.type, GATE_MESSAGE_GONE);
    assert_true(gate_message_same_worker(&note.worker, &worker));
    buf_append(&bytes, "", 1); /* a byte too many */
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), -1);
    buf_free(&bytes);
}

static void a_prompt_is_its_type_alone(void **state)
{
    struct buf bytes = BUF_INIT;
    struct gate_message note;

    (void)state;
    gate_message_put_prompt(&bytes);
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), 0);
    assert_int_equal(note.type, GATE_MESSAGE_PROMPT);
    buf_append(&bytes, "", 1);
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), -1);
    buf_free(&bytes);
}

/* Every cut and every first byte of a right datagram; nothing may be read beyond. */
static void cut_and_odd_datagrams_are_refused(void **state)
{
    struct buf bytes = BUF_INIT;
    struct gate_message note;
    uint8_t *copy;

    (void)state;
    gate_message_put_offer(&bytes, &worker, &seat);
    for (size_t len = 0; len < bytes.len; len++) {
        copy = test_malloc(len == 0 ? 1 : len);
        memcpy(copy, bytes.data, len);
        assert_int_equal(gate_message_decode((struct slice){copy, len}, &note), -1);
        test_free(copy);
    }
    for (unsigned type = 5; type < 256; type++) {
        bytes.data[0] = (uint8_t)type;
        assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), -1);
    }
    buf_free(&bytes);
}

static void an_offer_has_exactly_one_seat(void **state)
{
    struct wire_welcome two = {.seat_count = 2};
    struct buf bytes = BUF_INIT;
    struct gate_message note;

    (void)state;
    two.seats[0] = two.seats[1] = seat;
    gate_message_put_gone(&bytes, &worker);
    bytes.data[0] = GATE_MESSAGE_OFFER;
    wire_put_welcome(&bytes, &two);
    assert_int_equal(gate_message_decode(buf_slice(&bytes), &note), -1);
    buf_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_is_passed_on_as_it_is),
        cmocka_unit_test(an_offer_there_and_back),
        cmocka_unit_test(a_goodbye_there_and_back),
        cmocka_unit_test(a_prompt_is_its_type_alone),
        cmocka_unit_test(cut_and_odd_datagrams_are_refused),
        cmocka_unit_test(an_offer_has_exactly_one_seat),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
