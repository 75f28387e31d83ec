/* UTF-8 by exhaustion: every sequence against a plain reading of RFC 3629. */
#include "common/codec/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* The length of the sequence that begins at p and is well-formed, by decoding it and
   encoding the code point again; 0 for none. */
static size_t plain_sequence(const uint8_t *p, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80           ? 1
               : (p[0] >> 5) == 0x6  ? 2
               : (p[0] >> 4) == 0xe  ? 3
               : (p[0] >> 3) == 0x1e ? 4
                                     : 0;
    uint32_t c = n < 2 ? p[0] : p[0] & (0x7fu >> n);

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (n > 1 && c < least[n])
        return 0;
    return c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

/* All functions must agree on these bytes; the memory ends with them. */
static void check(const uint8_t *bytes, size_t len)
{
    uint8_t copy[4];
    size_t expected = plain_sequence(bytes, len);
    int cut;

    memcpy(copy, bytes, len);
    if (utf8_sequence(copy, len, &cut) != expected)
        fail();
    if (utf8_valid_prefix(copy, len) < expected)
        fail();
    if (expected == 0 && utf8_valid_prefix(copy, len) != 0)
        fail();
}

static void test_every_sequence(void **state)
{
    (void)state;
    for (uint32_t first = 0; first < 0x10000; first++) {
        uint8_t bytes[4] = {(uint8_t)(first >> 8), (uint8_t)first, 0, 0};
        static const uint8_t thirds[] = {0x00, 0x22, 0x7f, 0x80, 0x9f,
                                         0xa0, 0xbf, 0xc0, 0xff};

        check(bytes, 1);
        check(bytes, 2);
        for (size_t i = 0; i < sizeof(thirds); i++) {
            bytes[2] = thirds[i];
            check(bytes, 3);
            for (size_t k = 0; k < sizeof(thirds); k++) {
                bytes[3] = thirds[k];
                check(bytes, 4);
            }
        }
    }
}

static void test_cut_sequences(void **state)
{
    static const char *const whole[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                        "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"};
    int cut;

    (void)state;
    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++) {
        size_t len = strlen(whole[i]);

        for (size_t n = 1; n < len; n++) {
            assert_int_equal(utf8_sequence((const uint8_t *)whole[i], n, &cut), 0);
            assert_true(cut);
        }
        assert_int_equal(utf8_sequence((const uint8_t *)whole[i], len, &cut), len);
        assert_false(cut);
    }
    assert_int_equal(utf8_sequence((const uint8_t *)"\xed\xa0", 2, &cut), 0);
    assert_false(cut);
    assert_int_equal(utf8_sequence((const uint8_t *)"\xc0", 1, &cut), 0);
    assert_false(cut);
}

/* One bad byte at every place of texts of every length around the blocks that are looked
   at together. */
static void test_every_position(void **state)
{
    (void)state;
    for (size_t len = 0; len < 100; len++) {
        uint8_t *text = malloc(len + 1);

        memset(text, 'a', len);
        assert_int_equal(utf8_valid_prefix(text, len), len);
        assert_int_equal(utf8_is_short_ascii(text, len), len <= 16);
        for (size_t at = 0; at < len; at++) {
            text[at] = 0x80;
            assert_int_equal(utf8_valid_prefix(text, len), at);
            assert_false(utf8_is_short_ascii(text, len));
            text[at] = 'a';
        }
        free(text);
    }
}

static void test_mixed_text(void **state)
{
    static const char piece[] = "a\xc3\xa9"
                                "bc\xe2\x82\xac\xf0\x9f\x98\x80"
                                "def";
    char text[40 * sizeof(piece)] = "";

    (void)state;
    for (int i = 0; i < 40; i++)
        strcat(text, piece);
    assert_int_equal(utf8_valid_prefix((const uint8_t *)text, strlen(text)),
                     strlen(text));
    text[strlen(text) - 4] = 'x'; /* breaks the last emoji's end */
    assert_int_equal(utf8_valid_prefix((const uint8_t *)text, strlen(text)),
                     strlen(text) - 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sequence),
        cmocka_unit_test(test_cut_sequences),
        cmocka_unit_test(test_every_position),
        cmocka_unit_test(test_mixed_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
