/* Messages out of a stream: cut anywhere, refused where they are none, and given away
   with their memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/base/alloc.h"
#include "proto/frame.h"

#define MAX_BYTES 300000

static struct frame_reader reader;

static int setup(void **state)
{
    (void)state;
    frame_reader_init(&reader, MAX_BYTES);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    frame_reader_free(&reader);
    return 0;
}

static void put_frame(struct buf *out, uint8_t fill, size_t bytes)
{
    uint8_t head[FRAME_HEAD_BYTES];

    frame_put_head(head, bytes);
    buf_append(out, head, sizeof head);
    memset(buf_reserve(out, bytes), fill, bytes);
    out->len += bytes;
}

/* Receives as a socket would give it; returns how many bytes were taken. */
static size_t receive(const uint8_t *bytes, size_t len)
{
    size_t room;
    uint8_t *space = frame_reader_space(&reader, &room);

    assert_true(room > 0);
    len = len < room ? len : room;
    memcpy(space, bytes, len);
    frame_reader_add(&reader, len);
    return len;
}

static void check_message(uint8_t fill, size_t bytes)
{
    struct slice message;

    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MESSAGE);
    assert_int_equal(message.len, bytes);
    assert_int_equal(message.data[0], fill);
    assert_memory_equal(message.data, message.data + 1, bytes - 1);
}

static void a_head_is_as_told(void **state)
{
    static const uint8_t expected[] = {1, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x9a};
    uint8_t head[FRAME_HEAD_BYTES];

    (void)state;
    frame_put_head(head, UINT64_C(0x123456789a));
    assert_memory_equal(head, expected, sizeof expected);
}

static void several_come_at_once(void **state)
{
    struct buf out = BUF_INIT;
    struct slice message;

    (void)state;
    put_frame(&out, 'a', 1);
    put_frame(&out, 'b', 20000);
    put_frame(&out, 'c', 3);
    assert_int_equal(receive(out.data, out.len), out.len);
    check_message('a', 1);
    check_message('b', 20000);
    check_message('c', 3);
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MORE);
    buf_free(&out);
}

/* Wherever the stream is cut, the same messages come out. */
static void cut_anywhere(void **state)
{
    static const size_t steps[] = {1, 2, 7, 9, 10, 4096, 65536, 100000};
    static const size_t lengths[] = {5, 70000, 1, MAX_BYTES, 12};
    struct buf out = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        put_frame(&out, (uint8_t)('a' + i), lengths[i]);
    for (unsigned i = 0; i < sizeof steps / sizeof *steps; i++) {
        unsigned got = 0;
        struct slice message;

        for (size_t at = 0; at < out.len;) {
            size_t left = out.len - at;

            at += receive(out.data + at, left < steps[i] ? left : steps[i]);
            while (frame_reader_next(&reader, &message) == FRAME_MESSAGE) {
                assert_int_equal(message.len, lengths[got]);
                assert_int_equal(message.data[message.len - 1], 'a' + got);
                got++;
            }
        }
        assert_int_equal(got, 5);
    }
    buf_free(&out);
}

static void expect_bad(const void *bytes, size_t len)
{
    struct slice message;

    frame_reader_free(&reader);
    assert_int_equal(receive(bytes, len), len);
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_BAD);
}

/* As soon as it is known, and not when the rest has come. */
static void what_is_no_frame(void **state)
{
    uint8_t head[FRAME_HEAD_BYTES];

    (void)state;
    expect_bad("\x00", 1);
    expect_bad("\x02", 1);
    expect_bad("GET / HTTP/1.1", 14);
    frame_put_head(head, 0);
    expect_bad(head, sizeof head);
    frame_put_head(head, MAX_BYTES + 1);
    expect_bad(head, sizeof head);
    frame_put_head(head, UINT64_MAX);
    expect_bad(head, sizeof head);
}

/* A claimed length takes no memory. */
static void memory_follows_what_has_come(void **state)
{
    uint8_t head[FRAME_HEAD_BYTES];
    struct slice message;
    size_t room;

    (void)state;
    frame_put_head(head, MAX_BYTES);
    (void)receive(head, sizeof head);
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MORE);
    (void)frame_reader_space(&reader, &room);
    assert_true(room >= 1000);
    assert_true(reader.bytes.cap <= 2 * FRAME_READ_BYTES + FRAME_HEAD_BYTES);
}

static void memory_is_given_away(void **state)
{
    struct buf out = BUF_INIT, stolen;
    struct slice message;

    (void)state;
    put_frame(&out, 'x', 250000);
    for (size_t at = 0; at < out.len;) {
        at += receive(out.data + at, out.len - at);
        if (at < out.len)
            assert_int_equal(frame_reader_next(&reader, &message), FRAME_MORE);
    }
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MESSAGE);
    assert_true(frame_reader_steal(&reader, &stolen));
    assert_true(message.data > stolen.data &&
                message.data + message.len == stolen.data + stolen.len);
    assert_int_equal(receive(out.data, 100), 100); /* begins anew */
    assert_int_equal(frame_reader_next(&reader, &message), FRAME_MORE);
    assert_false(frame_reader_steal(&reader, &stolen));
    assert_int_equal(stolen.data[FRAME_HEAD_BYTES], 'x');
    buf_free(&stolen);
    buf_free(&out);
}

static void small_messages_are_not_given_away(void **state)
{
    struct buf out = BUF_INIT, none;

    (void)state;
    put_frame(&out, 'x', 100);
    (void)receive(out.data, out.len);
    check_message('x', 100);
    assert_false(frame_reader_steal(&reader, &none));
    out.len = 0;
    put_frame(&out, 'y', 50000);
    put_frame(&out, 'z', 1);
    (void)receive(out.data, out.len);
    check_message('y', 50000);
    assert_false(frame_reader_steal(&reader, &none)); /* another lies behind it */
    check_message('z', 1);
    buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_head_is_as_told),
        TEST(several_come_at_once),
        TEST(cut_anywhere),
        TEST(what_is_no_frame),
        TEST(memory_follows_what_has_come),
        TEST(memory_is_given_away),
        TEST(small_messages_are_not_given_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
