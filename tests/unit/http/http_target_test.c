#include "rig.h"

#include "server/http/parser/http_chars.h"
#include "server/http/parser/http_target.h"

static void test_hosts(void **state)
{
    static const char *const good[] = {
        "",      "a",           "a.b-c_d~e", "127.0.0.1:80",    "a:",
        "a:0",   "a:65535",     "[::1]",     "[2001:db8::1]:1", "[v1.a:b]",
        "a%20b", "!$&'()*+,;=", "a%20",
    };
    static const char *const bad[] = {
        ":80",  "a:b",  "a:65536", "a:123456", "a b",   "a/b",   "a?b",      "a#b",
        "a@b",  "[::1", "[]",      "[::1]a",   "[a%b]", "a%2",   "a%zz",     "a[b",
        "a\\b", "<a>",  "a:1:2",   "\xff",     "[a/b]", "[a b]", "a:000080",
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (!http_target_host_valid((const uint8_t *)good[i], strlen(good[i])))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (http_target_host_valid((const uint8_t *)bad[i], strlen(bad[i])))
            fail_msg("accepted: %s", bad[i]);
    }
}

/* Against the grammars, byte by byte. */
static void test_classes(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        uint8_t classes = http_char_classes((uint8_t)byte);
        bool alnum = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                     (byte >= 'A' && byte <= 'Z');
        bool mark = byte != 0 && byte < 128 && strchr("!#$%&'*+-.^_`|~", byte) != NULL;
        bool host = byte != 0 && byte < 128 && strchr("-._~%!$&'()*+,;=", byte) != NULL;
        bool hex =
            byte != 0 && byte < 128 && strchr("0123456789abcdefABCDEF", byte) != NULL;

        assert_int_equal(alnum || mark, (classes & HTTP_CHAR_TOKEN) != 0);
        assert_int_equal(alnum || host, (classes & HTTP_CHAR_HOST) != 0);
        assert_int_equal(hex, (classes & HTTP_CHAR_HEX) != 0);
        assert_int_equal(byte == '\t' || (byte >= ' ' && byte != 0x7f),
                         (classes & HTTP_CHAR_VALUE) != 0);
        if (classes & (HTTP_CHAR_PATH | HTTP_CHAR_QUERY))
            assert_true(byte > ' ' && byte < 0x7f && byte != '#');
        assert_false((classes & HTTP_CHAR_PATH) && byte == '?');
    }
}

static void test_case(void **state)
{
    (void)state;
    assert_true(http_chars_equal((const uint8_t *)"HoSt-1", 6, "host-1"));
    assert_false(http_chars_equal((const uint8_t *)"host", 4, "hosts"));
    assert_false(http_chars_equal((const uint8_t *)"hosts", 5, "host"));
    assert_false(http_chars_equal((const uint8_t *)"\xc8ost", 4, "host"));
    assert_int_equal('@', http_char_lower('@'));
    assert_int_equal('[', http_char_lower('['));
    assert_int_equal('z', http_char_lower('Z'));
    assert_int_equal(0xc0, http_char_lower(0xc0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_case),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
