/* The file of tokens, and what it allows. */
#include "server/api/access/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* SHA-256 of "alpha-token" and of "beta-token". */
#define ALPHA "a336d9b1d8b8647875238537ca5087b0ea335afd2032936aecdffc3e4b13f720"
#define BETA  "863d63c0bd3a94bfca84ed2063a7355a226faff82ca50b90158bf183aa1a9e61"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, s ? strlen(s) : 0};
}

static struct auth *parse(const char *file)
{
    struct buf why = BUF_INIT;
    struct auth *auth = auth_parse(text(file), &why);

    assert_non_null(auth);
    assert_int_equal(why.len, 0);
    return auth;
}

static void check_refused(const char *file, const char *expected)
{
    struct buf why = BUF_INIT;

    assert_null(auth_parse(text(file), &why));
    buf_append(&why, "", 1);
    assert_non_null(strstr((const char *)why.data, expected));
    buf_free(&why);
}

static enum auth_verdict ask(const struct auth *auth, const char *field,
                             const char *collection, unsigned rights)
{
    return auth_check(auth, text(field), text(collection), rights);
}

static void test_verdicts(void **state)
{
    struct auth *auth = parse("# two tokens\n\n"
                              "  " ALPHA "\trw  orders\r\n" ALPHA " r prices.\n" BETA
                              " r *\n" BETA " w beta-only");
    const char *alpha = "Bearer alpha-token", *beta = "bearer  beta-token ";
    const unsigned both = AUTH_READ | AUTH_WRITE;

    (void)state;
    assert_int_equal(ask(auth, alpha, "orders", both), AUTH_ALLOWED);
    assert_int_equal(ask(auth, alpha, "orders-2026", AUTH_WRITE), AUTH_ALLOWED);
    assert_int_equal(ask(auth, alpha, "order", AUTH_READ), AUTH_FORBIDDEN);
    assert_int_equal(ask(auth, alpha, "prices.eu", AUTH_READ), AUTH_ALLOWED);
    assert_int_equal(ask(auth, alpha, "prices.eu", AUTH_WRITE), AUTH_FORBIDDEN);
    assert_int_equal(ask(auth, alpha, "prices", AUTH_READ), AUTH_FORBIDDEN);
    assert_int_equal(ask(auth, alpha, "", AUTH_READ), AUTH_FORBIDDEN);
    assert_int_equal(ask(auth, beta, "", AUTH_READ), AUTH_ALLOWED);
    assert_int_equal(ask(auth, beta, "orders", AUTH_READ), AUTH_ALLOWED);
    assert_int_equal(ask(auth, beta, "orders", AUTH_WRITE), AUTH_FORBIDDEN);
    assert_int_equal(ask(auth, beta, "beta-only", both), AUTH_ALLOWED); /* of two lines */
    auth_destroy(&auth);
    assert_null(auth);
    auth_destroy(&auth);
}

static void test_fields(void **state)
{
    struct auth *auth = parse(ALPHA " rw *");
    char longest[700] = "Bearer ";

    (void)state;
    memset(longest + 7, 'a', 600);
    assert_int_equal(ask(auth, NULL, "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "Bearer", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "Bearer ", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "Basic alpha-token", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "alpha-token", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "Bearer alpha-token x", "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, longest, "x", AUTH_READ), AUTH_MISSING);
    assert_int_equal(ask(auth, "Bearer alpha-tokem", "x", AUTH_READ), AUTH_UNKNOWN);
    assert_int_equal(ask(auth, "Bearer Alpha-token", "x", AUTH_READ), AUTH_UNKNOWN);
    assert_int_equal(ask(auth, "Bearer " ALPHA, "x", AUTH_READ), AUTH_UNKNOWN);
    assert_int_equal(ask(auth, "BEARER alpha-token", "x", AUTH_READ), AUTH_ALLOWED);
    auth_destroy(&auth);
}

/* No name, but names begin so. */
static void test_a_dot_is_a_prefix(void **state)
{
    struct auth *auth = parse(ALPHA " r .");

    (void)state;
    assert_int_equal(ask(auth, "Bearer alpha-token", ".hidden", AUTH_READ), AUTH_ALLOWED);
    assert_int_equal(ask(auth, "Bearer alpha-token", "x", AUTH_READ), AUTH_FORBIDDEN);
    auth_destroy(&auth);
}

static void test_bad_files(void **state)
{
    (void)state;
    check_refused("", "no line");
    check_refused("# only this\n\n", "no line");
    check_refused("alpha-token rw *", "line 1: expected the SHA-256");
    check_refused("\n" ALPHA "0 rw *", "line 2: expected the SHA-256");
    check_refused("g" ALPHA " rw *", "line 1: expected the SHA-256");
    check_refused(ALPHA, "line 1: expected r, w or rw");
    check_refused(ALPHA " wr *", "expected r, w or rw");
    check_refused(ALPHA " rw", "expected a prefix");
    check_refused(ALPHA " rw a/b", "expected a prefix");
    check_refused(ALPHA " rw x*", "expected a prefix");
    check_refused(ALPHA " r *\n" BETA " rw a b", "line 2: expected nothing behind");
}

static void test_too_many_lines(void **state)
{
    struct buf file = BUF_INIT;
    struct auth *auth;

    (void)state;
    for (int i = 0; i < 2048; i++)
        buf_append_str(&file, ALPHA " r a\n");
    buf_append(&file, "", 1);
    file.len--;
    auth = parse((const char *)file.data);
    auth_destroy(&auth);
    buf_append_str(&file, ALPHA " r a\n");
    buf_append(&file, "", 1);
    check_refused((const char *)file.data, "line 2049: expected 2048");
    buf_free(&file);
}

static void test_load(void **state)
{
    char path[] = "/tmp/offloop-auth-XXXXXX";
    struct buf why = BUF_INIT;
    struct auth *auth;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    dprintf(fd, "%s rw x\n", ALPHA);
    close(fd);
    auth = auth_load(path, &why);
    assert_non_null(auth);
    assert_int_equal(ask(auth, "Bearer alpha-token", "xy", AUTH_WRITE), AUTH_ALLOWED);
    auth_destroy(&auth);
    unlink(path);
    assert_null(auth_load(path, &why));
    assert_true(why.len > 0);
    buf_free(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),          cmocka_unit_test(test_fields),
        cmocka_unit_test(test_a_dot_is_a_prefix), cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_too_many_lines),    cmocka_unit_test(test_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
