/* Which numbers keep their text: those that would be printed as another text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/codec/number/number.h"

static enum number_kind kind_of(const char *text)
{
    struct number number;

    number_parse((const uint8_t *)text, strlen(text), &number);
    number_keep_text((const uint8_t *)text, strlen(text), &number);
    return number.kind;
}

static void test_kept_texts(void **state)
{
    static const char *const kept[] = {"-0",
                                       "12500.00",
                                       "1.50",
                                       "0.10",
                                       "1e2",
                                       "1E2",
                                       "1e+2",
                                       "0e0",
                                       "0.00",
                                       "-0.00",
                                       "0.0000001",
                                       "1.0000000",
                                       "-1.250",
                                       "1e21",
                                       "1.5e3",
                                       "1e-7000",
                                       "1e7000",
                                       "10000000000000000000.0e0",
                                       "0.1000000000000000055511151231257827",
                                       "123456789012345678.0"};
    static const char *const plain[] = {"0.0",
                                        "-0.0",
                                        "1.5",
                                        "100.0",
                                        "0.000001",
                                        "-0.5",
                                        "1e+21",
                                        "1e-7",
                                        "1.5e-7",
                                        "12345678901234.5",
                                        "0.12345678901234",
                                        "123456789012345.0",
                                        "4503599627370495.5",
                                        "0.1234567890123456",
                                        "5e-324",
                                        "1.7976931348623157e+308"};
    static const char *const integers[] = {"0", "1", "-1", "18446744073709551615"};

    (void)state;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kind_of(kept[i]) != NUMBER_TEXT)
            fail_msg("%s is not kept", kept[i]);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (kind_of(plain[i]) != NUMBER_DOUBLE)
            fail_msg("%s is kept", plain[i]);
    for (size_t i = 0; i < sizeof integers / sizeof *integers; i++) {
        enum number_kind kind = kind_of(integers[i]);

        assert_true(kind == NUMBER_UINT || kind == NUMBER_INT);
    }
}

/* The short cut for plain fractions against printing: every text of a few digits. */
static void test_kept_texts_are_those_printed_otherwise(void **state)
{
    static const char digits[] = "0159";
    unsigned tried = 0;

    (void)state;
    for (unsigned n = 0; n < 4 * 4 * 4 * 4 * 4 * 4 * 4; n++)
        for (size_t point = 1; point < 7; point++) {
            uint8_t text[8], printed[NUMBER_DOUBLE_MAX];
            size_t at = 0, len;
            struct number number;
            bool same;

            for (unsigned i = 0, left = n; i < 7; i++, left /= 4) {
                if (i == point)
                    text[at++] = '.';
                text[at++] = (uint8_t)digits[left % 4];
            }
            if (number_scan(text, at) != at)
                continue;
            number_parse(text, at, &number);
            len = number_print_double(number.d, printed);
            same = len == at && memcmp(printed, text, at) == 0;
            number_keep_text(text, at, &number);
            if (same != (number.kind == NUMBER_DOUBLE))
                fail_msg("%.*s", (int)at, (const char *)text);
            tried++;
        }
    assert_in_range(tried, 60000, 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kept_texts),
        cmocka_unit_test(test_kept_texts_are_those_printed_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
