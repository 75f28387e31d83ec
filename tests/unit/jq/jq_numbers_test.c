/* Texts that are or are not numbers: where jq_language_test does not reach. */
#include "common/codec/jq/values.h"
#include "tests/unit/jq/jq_job.h"

static void check_many_dots(size_t count)
{
    size_t room = NUMBER_PLAIN_BYTES(count);
    uint8_t *text = malloc(count), *to = malloc(room);
    char program[64];

    memset(text, '.', count);
    assert_true(values_plain_number((struct slice){text, count}, to) <= room);
    free(text);
    free(to);
    snprintf(program, sizeof program, "\".\" * %zu | try tonumber catch \"no\"", count);
    check_jq(program, "null", "\"no\"\n");
}

static void test_many_dots(void **state)
{
    (void)state;
    check_many_dots(1);
    check_many_dots(5);
    check_many_dots(2000);
    check_many_dots(65000);
}

/* The most that is added: a digit on either side of the point. */
static void test_longest_plain(void **state)
{
    static const char *const texts[][2] = {
        {".5", "0.5"},     {"-.5", "-0.5"}, {"5.", "5.0"}, {"-5.", "-5.0"},
        {"1.e5", "1.0e5"}, {"+.5", "0.5"},  {"007", "7"}};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct slice text = slice_of(texts[i][0]);
        uint8_t *to = malloc(NUMBER_PLAIN_BYTES(text.len));
        size_t len = values_plain_number(text, to);

        assert_int_equal(len, strlen(texts[i][1]));
        assert_memory_equal(to, texts[i][1], len);
        free(to);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_dots),
        cmocka_unit_test(test_longest_plain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
