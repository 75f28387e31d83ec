/* The first stranger is told of at once, the others by their number, a line a minute. */
#include "server/workers/link/strangers.h"

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

/* What `count` strangers bring on stderr. */
static void knock(struct strangers *strangers, unsigned count, char *text, size_t room)
{
    int ends[2], before = dup(STDERR_FILENO);
    ssize_t got;

    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    dup2(ends[1], STDERR_FILENO);
    for (unsigned i = 0; i < count; i++)
        strangers_note(strangers, "tcp://192.0.2.1:9", "because");
    dup2(before, STDERR_FILENO);
    close(before);
    close(ends[1]);
    got = read(ends[0], text, room - 1);
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

static void one_line_a_minute(void **state)
{
    struct strangers strangers = {0};
    char text[1024];

    (void)state;
    log_open("test", NULL);
    knock(&strangers, 1000, text, sizeof text);
    assert_int_equal(lines(text), 1);
    assert_non_null(
        strstr(text, "tcp://192.0.2.1:9: a stranger was turned away: because\n"));
    strangers.told_ns = clock_now_ns() - 61 * NS_PER_S;
    knock(&strangers, 5, text, sizeof text);
    assert_int_equal(lines(text), 1);
    assert_non_null(strstr(text, "(and 999 more since the last line)"));
    assert_int_equal(strangers.untold, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_line_a_minute)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
