/* The first warning is logged at once, the others by their number, once in an interval.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/base/log.h"

/* What `count` warnings bring on stderr. */
static void warn(struct log_limited *limited, unsigned count, char *text, size_t size)
{
    int ends[2], before = dup(STDERR_FILENO);
    ssize_t got;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    for (unsigned i = 0; i < count; i++)
        log_limited_warn(limited, LOG_EVERY_MINUTE, "%s: refused: %s",
                         "tcp://192.0.2.1:9", "because");
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    got = read(ends[0], text, size - 1);
    text[got > 0 ? got : 0] = '\0';
    close(ends[0]);
}

static unsigned lines(const char *text)
{
    unsigned count = 0;

    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

static void one_line_in_an_interval(void **state)
{
    struct log_limited limited = {0};
    char text[1024];

    (void)state;
    log_open("test", NULL);
    warn(&limited, 1000, text, sizeof text);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "warning: tcp://192.0.2.1:9: refused: because\n"));
    limited.logged_ns = clock_now_ns() - 58 * NS_PER_S;
    warn(&limited, 1, text, sizeof text);
    assert_int_equal(lines(text), 0);
    limited.logged_ns = clock_now_ns() - 61 * NS_PER_S;
    warn(&limited, 5, text, sizeof text);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "(and 1000 more since the last line)\n"));
    assert_int_equal(limited.skipped, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line_in_an_interval)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
