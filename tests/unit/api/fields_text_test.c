/* The forms of ?fields=: names, JSON Pointers, what is encoded once and twice. */
#include "server/api/fields_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char *read_fields(const char *sent, struct buf *text)
{
    text->len = 0;
    return fields_text_read((struct slice){(const uint8_t *)sent, strlen(sent)}, text);
}

static const struct {
    const char *sent, *expected;
} good[] = {
    {"a", "a"},
    {"a,b.c", "a,b.c"},
    {"a%2Cb%2cc", "a,b,c"},
    {"x%252Cy,a%252cb", "x%2Cy,a%2Cb"},
    {"a%252Eb.c,%252e", "a%2Eb.c,%2E"},
    {"a%2Eb", "a%2Eb"}, /* a dot in a name, where nobody has decoded it on the way */
    {"a%2525b%25", "a%2525b%25"},
    {"a/b", "a/b"}, /* no pointer: it does not begin with a slash */
    {",,", ",,"},
    {"/a", "a"},
    {"/a/0/b", "a.0.b"},
    {"/metadata/annotations/a.b~1c", "metadata.annotations.a%2Eb/c"},
    {"%2Fmetadata%2fannotations%2Fa.b~1c", "metadata.annotations.a%2Eb/c"},
    {"/a%7E1b%7e0c", "a/b~c"},
    {"/a~%31b", "a/b"},
    {"/~01", "~1"}, /* not /: RFC 6901 section 4 */
    {"/a%2Eb", "a%2Eb"},
    {"/a%252Eb", "a%2Eb"},
    {"/a%252Cb,/c", "a%2Cb,c"},
    {"/a%2Cb", "a,b"}, /* two paths, as in the other form */
    {"/a%25b", "a%25b"},
    {"/a+b%2Bc", "a b%2Bc"},
    {"/caf%C3%A9", "caf\xc3\xa9"},
    {"a.b,/c/d.e,f", "a.b,c.d%2Ee,f"},
    {"/a,", "a,"},
    {"/", "%"}, /* the empty name */
    {"/a/,//b,%2F", "a.%,%.b,%"},
    {"a.%", "a.%%"}, /* broken, and stays so */
    {"%,a.%.b,%%2C", "%%,a.%%.b,%%,"},
};

static void test_good(void **state)
{
    struct buf text = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(read_fields(good[i].sent, &text));
        buf_append(&text, "", 1);
        assert_string_equal((const char *)text.data, good[i].expected);
    }
    buf_free(&text);
}

static void test_bad(void **state)
{
    static const char *const sent[] = {"/a~", "/a~2", "/~/b", "/%zz", "/a%4", "/a~,b"};
    struct buf text = BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
        assert_non_null(read_fields(sent[i], &text));
    buf_free(&text);
}

/* A pointer can become three times as long: still it must fit a job's envelope. */
static void test_limit(void **state)
{
    char sent[FIELDS_TEXT_MAX + 1] = "/";
    struct buf text = BUF_INIT;

    (void)state;
    memset(sent + 1, '.', FIELDS_TEXT_MAX / 3);
    assert_null(read_fields(sent, &text));
    assert_in_range(text.len, FIELDS_TEXT_MAX - 3, FIELDS_TEXT_MAX);
    sent[1 + FIELDS_TEXT_MAX / 3] = '.';
    assert_non_null(read_fields(sent, &text));
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
