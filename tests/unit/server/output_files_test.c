/* Files that fronts could not write are found before there are fronts. */
#include "server/process/output_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/offloop-output-XXXXXX";

static int make_dir(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state)
{
    (void)state;
    return rmdir(dir); /* nothing may be left in it */
}

/* Checks with these paths below the directory (or whole, or "off"). */
static int check(const char *access_log, const char *profile, struct buf *why)
{
    struct server_config config = {0};

    config.access_log = (char *)(uintptr_t)access_log;
    config.profile = (char *)(uintptr_t)profile;
    *why = (struct buf)BUF_INIT;
    return output_files_check(&config, why);
}

static void good_files(void **state)
{
    char path[96];
    struct buf why;

    (void)state;
    assert_int_equal(check("off", "off", &why), 0);
    assert_int_equal(check("-", "off", &why), 0);
    snprintf(path, sizeof path, "%s/log", dir);
    assert_int_equal(check(path, "off", &why), 0);
    assert_int_equal(access(path, W_OK), 0);
    assert_int_equal(check(path, "off", &why), 0); /* it is there */
    unlink(path);
    assert_int_equal(check("off", path, &why),
                     0); /* which leaves nothing: remove_dir() */
    assert_int_equal(why.len, 0);
}

/* A front waits until somebody reads it; the master does not. */
static void a_pipe(void **state)
{
    char path[96];
    struct buf why;

    (void)state;
    snprintf(path, sizeof path, "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(check(path, "off", &why), 0);
    unlink(path);
}

static void check_refused(const char *access_log, const char *profile,
                          const char *const words[3])
{
    struct buf why;

    assert_int_equal(check(access_log, profile, &why), -1);
    buf_append(&why, "", 1);
    for (int i = 0; i < 3; i++)
        if (strstr((const char *)why.data, words[i]) == NULL)
            fail_msg("%s: no \"%s\"", (const char *)why.data, words[i]);
    buf_free(&why);
}

static void bad_files(void **state)
{
    static const char nowhere[] = "/tmp/offloop-no-such-dir/log";
    char long_name[5000];

    (void)state;
    memset(long_name, 'x', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    check_refused(nowhere, "off", (const char *[]){"--access-log", nowhere, "No such"});
    check_refused("off", nowhere, (const char *[]){"--profile", nowhere, "No such"});
    check_refused(dir, "off", (const char *[]){"--access-log", dir, "directory"});
    check_refused("off", long_name, (const char *[]){"--profile", "x", "too long"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files),
        cmocka_unit_test(a_pipe),
        cmocka_unit_test(bad_files),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
