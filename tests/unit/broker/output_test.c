/* Bytes to a socket that takes some of them at a time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/base/alloc.h"
#include "worker/broker/output.h"

/* Reads all that is there. */
static void drain(int fd, struct buf *got)
{
    for (;;) {
        uint8_t *room = buf_reserve(got, 65536);
        ssize_t bytes = recv(fd, room, 65536, MSG_DONTWAIT);

        if (bytes <= 0)
            return;
        got->len += (size_t)bytes;
    }
}

static void test_all_bytes_in_their_order(void **state)
{
    struct output output;
    struct buf expected = BUF_INIT, got = BUF_INIT;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    output_init(&output);
    for (unsigned i = 0; i < 300; i++) {
        size_t len = i % 7 == 0 ? 100000 : i * 37 % 3000;
        uint8_t *bytes;
        struct blob *blob = blob_new(len, &bytes);

        memset(bytes, (int)i, len);
        buf_append(&expected, bytes, len);
        if (i % 2 == 0)
            output_put_blob(&output, blob);
        else
            output_put(&output, bytes, len);
        blob_unref(&blob);
    }
    assert_int_equal(output.bytes, expected.len);
    assert_true(output_send(&output, ends[0]) > 0);
    assert_true(output.bytes > 0); /* the socket is full */
    assert_int_equal(output_send(&output, ends[0]), 0);
    while (output.bytes > 0) {
        drain(ends[1], &got);
        assert_true(output_send(&output, ends[0]) > 0);
    }
    drain(ends[1], &got);
    assert_int_equal(got.len, expected.len);
    assert_memory_equal(got.data, expected.data, got.len);
    assert_true(list_is_empty(&output.chunks));
    buf_free(&got);
    buf_free(&expected);
    close(ends[0]);
    close(ends[1]);
}

static void test_a_peer_that_left(void **state)
{
    struct output output;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    close(ends[1]);
    output_init(&output);
    assert_int_equal(output_send(&output, ends[0]), 0); /* nothing to send */
    output_put(&output, "x", 1);
    assert_int_equal(output_send(&output, ends[0]), -1);
    output_free(&output);
    assert_int_equal(output.bytes, 0);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_bytes_in_their_order),
        cmocka_unit_test(test_a_peer_that_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
