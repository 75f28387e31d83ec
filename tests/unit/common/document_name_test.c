/* Names of collections and documents. */
#include "common/base/document_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static bool valid(const char *text, size_t len)
{
    return document_name_is_valid((struct slice){(const uint8_t *)text, len});
}

static void test_bytes(void **state)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._~:@-";

    (void)state;
    for (unsigned byte = 0; byte < 256; byte++)
        assert_int_equal(document_name_has_byte((uint8_t)byte),
                         byte != 0 && strchr(allowed, (int)byte) != NULL);
    assert_true(valid(allowed, strlen(allowed)));
}

static void test_lengths(void **state)
{
    char text[DOCUMENT_NAME_MAX_BYTES + 1];

    (void)state;
    memset(text, 'x', sizeof text);
    assert_false(valid(text, 0));
    assert_true(valid(text, 1));
    assert_true(valid(text, DOCUMENT_NAME_MAX_BYTES));
    assert_false(valid(text, DOCUMENT_NAME_MAX_BYTES + 1));
    for (size_t i = 0; i < 5; i++) {
        text[i] = '/';
        assert_false(valid(text, 5));
        text[i] = 'x';
    }
}

static void test_dots(void **state)
{
    (void)state;
    assert_false(valid(".", 1));
    assert_false(valid("..", 2));
    assert_true(valid("...", 3));
    assert_true(valid(".a", 2));
    assert_true(valid("a.", 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bytes),
                                       cmocka_unit_test(test_dots),
                                       cmocka_unit_test(test_lengths)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
