/* Growable bytes, blobs over them, and the allocation below. */
#include "common/base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/base/blob.h"

static void grows_and_keeps_its_bytes(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 100000; i++) {
        uint8_t byte = (uint8_t)(i * 7);

        buf_append(&buf, &byte, 1);
        assert_true(buf.cap >= buf.len);
    }
    assert_int_equal(buf.len, 100000);
    for (unsigned i = 0; i < 100000; i++)
        assert_int_equal(buf.data[i], (uint8_t)(i * 7));
    buf_free(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.len, 0);
}

static void reserve_does_not_move_what_fits(void **state)
{
    struct buf buf = BUF_INIT;
    uint8_t *at = buf_reserve(&buf, 1000);

    (void)state;
    assert_int_equal(buf.len, 0);
    assert_ptr_equal(buf_reserve(&buf, 10), at);
    buf.len = 990;
    assert_ptr_equal(buf_reserve(&buf, 10), at + 990);
    assert_non_null(buf_reserve(&buf, 0));
    buf_free(&buf);
}

static void empty_reserve_gives_memory(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    assert_non_null(buf_reserve(&buf, 0));
    buf_append(&buf, NULL, 0);
    assert_int_equal(buf.len, 0);
    buf_free(&buf);
    buf_free(&buf);
}

static void prints(void **state)
{
    struct buf buf = BUF_INIT;
    char longer[600];

    (void)state;
    buf_append_str(&buf, "a=");
    buf_printf(&buf, "%d,%s", 42, "x");
    assert_int_equal(buf.len, 6);
    assert_memory_equal(buf.data, "a=42,x", 6);
    memset(longer, 'y', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    buf_printf(&buf, "<%s>", longer);
    assert_int_equal(buf.len, 6 + 2 + sizeof longer - 1);
    assert_int_equal(buf.data[buf.len - 1], '>');
    buf_printf(&buf, "%s", "");
    assert_int_equal(buf.len, 6 + 2 + sizeof longer - 1);
    buf_free(&buf);
}

static void consumes_at_the_start(void **state)
{
    struct buf buf = BUF_INIT;

    (void)state;
    buf_append_str(&buf, "abcdef");
    buf_consume(&buf, 0);
    buf_consume(&buf, 2);
    assert_memory_equal(buf_slice(&buf).data, "cdef", 4);
    assert_int_equal(buf_slice(&buf).len, 4);
    buf_consume(&buf, 4);
    assert_int_equal(buf.len, 0);
    buf_append_str(&buf, "g");
    assert_int_equal(buf.data[0], 'g');
    buf_free(&buf);
}

static void blob_copies(void **state)
{
    char text[] = "document";
    struct blob *blob = blob_new_copy(text, sizeof text);

    (void)state;
    text[0] = 'X';
    assert_int_equal(blob->bytes.len, sizeof text);
    assert_memory_equal(blob->bytes.data, "document", sizeof text);
    blob_unref(&blob);
    assert_null(blob);
    blob_unref(&blob);
}

static void blob_of_nothing(void **state)
{
    struct blob *blob = blob_new_copy(NULL, 0);

    (void)state;
    assert_int_equal(blob->bytes.len, 0);
    blob_unref(&blob);
}

static void blob_steals(void **state)
{
    struct buf buf = BUF_INIT;
    struct blob *blob;
    const uint8_t *bytes;

    (void)state;
    buf_append_str(&buf, "stolen");
    bytes = buf.data;
    blob = blob_new_steal(&buf);
    assert_ptr_equal(blob->bytes.data, bytes);
    assert_int_equal(blob->bytes.len, 6);
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
    blob_unref(&blob);
}

static unsigned released;

static void count_release(struct blob *blob)
{
    (void)blob;
    released++;
}

static void last_reference_releases(void **state)
{
    struct blob own = {{NULL, 0}, 1, count_release};
    struct blob *one = &own, *other = blob_ref(&own);

    (void)state;
    blob_unref(&one);
    assert_int_equal(released, 0);
    blob_unref(&other);
    assert_int_equal(released, 1);
}

static void memory_is_there_also_for_nothing(void **state)
{
    char *zeroed = mem_zalloc(64);
    char *text = str_printf("%s-%d", "x", 5);
    void *nothing = mem_alloc(0);

    (void)state;
    assert_non_null(nothing);
    for (int i = 0; i < 64; i++)
        assert_int_equal(zeroed[i], 0);
    zeroed = mem_realloc(zeroed, 4096);
    assert_int_equal(zeroed[63], 0);
    assert_string_equal(text, "x-5");
    mem_free(text);
    text = str_dup("copy");
    assert_string_equal(text, "copy");
    mem_free(text);
    mem_free(zeroed);
    mem_free(nothing);
    mem_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_its_bytes),
        cmocka_unit_test(reserve_does_not_move_what_fits),
        cmocka_unit_test(empty_reserve_gives_memory),
        cmocka_unit_test(prints),
        cmocka_unit_test(consumes_at_the_start),
        cmocka_unit_test(blob_copies),
        cmocka_unit_test(blob_of_nothing),
        cmocka_unit_test(blob_steals),
        cmocka_unit_test(last_reference_releases),
        cmocka_unit_test(memory_is_there_also_for_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
