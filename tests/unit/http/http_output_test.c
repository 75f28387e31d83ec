#include "rig.h"

#include "common/base/text.h"
#include "server/http/http_output.h"

static void make_pair(int ends[2])
{
    assert_int_equal(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends));
}

static void test_sends_in_order(void **state)
{
    struct http_output out;
    struct buf head = BUF_INIT, got = BUF_INIT;
    struct blob *blob = blob_new_copy("0123456789", 10);
    int ends[2];

    (void)state;
    make_pair(ends);
    http_output_init(&out);
    assert_true(http_output_is_empty(&out));
    buf_append_str(&head, "head ");
    http_output_append_head(&out, &head);
    assert_null(head.data);
    http_output_append(&out, blob, blob->bytes, text_slice("a:"));
    http_output_append(&out, blob, (struct slice){blob->bytes.data + 3, 2},
                       (struct slice){NULL, 0});
    assert_int_equal(5 + 12 + 2, out.bytes);
    assert_int_equal(3, blob->refs);
    assert_int_equal(19, http_output_send(&out, ends[0], HTTP_OUTPUT_STEP_BYTES));
    assert_true(http_output_is_empty(&out));
    assert_int_equal(1, blob->refs);
    assert_int_equal(12, http_output_take_sent(&out));
    assert_int_equal(0, http_output_take_sent(&out));
    rig_receive(ends[1], &got, NULL);
    assert_string_equal("head a:012345678934", rig_text(&got));
    blob_unref(&blob);
    close(ends[0]);
    close(ends[1]);
    buf_free(&got);
}

/* Pieces of all sizes through a small socket: every byte once, at most a step at a time.
 */
static void test_partial_sends(void **state)
{
    struct http_output out;
    struct buf want = BUF_INIT, got = BUF_INIT;
    int ends[2], size = 2048;

    (void)state;
    make_pair(ends);
    setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    http_output_init(&out);
    for (size_t i = 1; i < 700; i++) {
        struct blob *blob;
        struct buf bytes = BUF_INIT;
        char prefix[20];

        snprintf(prefix, sizeof prefix, "<%zu>", i);
        for (size_t at = 0; at < i * 7 % 3000; at++)
            buf_append(&bytes, &"abcdefghijklmnopqrstuvwxyz"[(at + i) % 26], 1);
        buf_append_str(&want, prefix);
        buf_append(&want, bytes.data, bytes.len);
        blob = blob_new_steal(&bytes);
        http_output_append(&out, blob, blob->bytes, text_slice(prefix));
        blob_unref(&blob);
    }
    assert_int_equal(want.len, out.bytes);
    while (!http_output_is_empty(&out)) {
        ssize_t sent = http_output_send(&out, ends[0], HTTP_OUTPUT_STEP_BYTES);

        assert_true(sent >= 0 && sent <= HTTP_OUTPUT_STEP_BYTES);
        rig_receive(ends[1], &got, NULL);
    }
    assert_int_equal(want.len, got.len);
    assert_memory_equal(want.data, got.data, want.len);
    close(ends[0]);
    close(ends[1]);
    buf_free(&want);
    buf_free(&got);
}

static void test_lost_and_cleared(void **state)
{
    struct http_output out;
    struct blob *blob = blob_new_copy("x", 1);
    int ends[2];

    (void)state;
    make_pair(ends);
    http_output_init(&out);
    http_output_append(&out, blob, blob->bytes, (struct slice){NULL, 0});
    close(ends[1]);
    assert_int_equal(-1, http_output_send(&out, ends[0], HTTP_OUTPUT_STEP_BYTES));
    http_output_clear(&out);
    assert_true(http_output_is_empty(&out));
    assert_int_equal(1, blob->refs);
    blob_unref(&blob);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sends_in_order),
        cmocka_unit_test(test_partial_sends),
        cmocka_unit_test(test_lost_and_cleared),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
