/* The live page's files, as built in. */
#include "server/ops/page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"

static void check_same(const char *path, const char *source)
{
    const struct page_file *file = page_find(text_slice(path));
    static uint8_t bytes[1 << 20];
    FILE *in = fopen(source, "rb");
    size_t len;

    assert_non_null(file);
    assert_non_null(in);
    len = fread(bytes, 1, sizeof bytes, in);
    fclose(in);
    assert_int_equal(file->bytes.len, len);
    assert_memory_equal(file->bytes.data, bytes, len);
}

static void test_files_are_as_in_the_tree(void **state)
{
    (void)state;
    check_same("/", "server/ops/page/index.html");
    check_same("/page.css", "server/ops/page/page.css");
    check_same("/page.js", "server/ops/page/page.js");
    assert_string_equal(page_find(text_slice("/"))->content_type,
                        "text/html; charset=utf-8");
}

static void test_nothing_else(void **state)
{
    (void)state;
    assert_null(page_find(text_slice("")));
    assert_null(page_find(text_slice("/index.html")));
    assert_null(page_find(text_slice("/page.css/")));
    assert_null(page_find(text_slice("//")));
}

/* It asks its own server only, so it names no other. */
static void test_no_foreign_address(void **state)
{
    static const char *const paths[] = {"/", "/page.css", "/page.js"};

    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct slice bytes = page_find(text_slice(paths[i]))->bytes;

        assert_null(memmem(bytes.data, bytes.len, "https://", 8));
        assert_null(memmem(bytes.data, bytes.len, "src=\"//", 7));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_as_in_the_tree),
        cmocka_unit_test(test_nothing_else),
        cmocka_unit_test(test_no_foreign_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
