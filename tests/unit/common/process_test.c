/* What processes do at their start, and the text for their end. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/process/process.h"

/* The exit status of a child that lowers its soft limit and raises it: 0 where it equals
   the hard limit again. */
static int raise_in_child(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct rlimit limit, raised;

        if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
            _exit(2);
        limit.rlim_cur = limit.rlim_max / 2;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
            _exit(3);
        process_raise_fd_limit();
        getrlimit(RLIMIT_NOFILE, &raised);
        _exit(raised.rlim_cur == limit.rlim_max && raised.rlim_max == limit.rlim_max ? 0
                                                                                     : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_limit_on_descriptors_is_raised(void **state)
{
    (void)state;
    assert_int_equal(raise_in_child(), 0);
}

/* Runs in a child, whose limit is the highest possible before. */
static int forbid_core_in_child(void)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        struct rlimit before, after;

        if (getrlimit(RLIMIT_CORE, &before) != 0)
            _exit(2);
        before.rlim_cur = before.rlim_max;
        if (setrlimit(RLIMIT_CORE, &before) != 0)
            _exit(3);
        process_dump_no_core();
        getrlimit(RLIMIT_CORE, &after);
        _exit(after.rlim_cur == 0 && after.rlim_max == before.rlim_max ? 0 : 1);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void no_core_is_dumped_until_someone_asks(void **state)
{
    (void)state;
    assert_int_equal(forbid_core_in_child(), 0);
}

static void check_end(int status, const char *text)
{
    struct buf out = BUF_INIT;

    process_print_end(status, &out);
    assert_int_equal(out.len, strlen(text));
    assert_memory_equal(out.data, text, out.len);
    buf_free(&out);
}

static void ends_are_told_by_name(void **state)
{
    (void)state;
    check_end(W_EXITCODE(0, 0), "exit status 0");
    check_end(W_EXITCODE(3, 0), "exit status 3");
    check_end(W_EXITCODE(0, SIGSEGV), "SIGSEGV");
    check_end(W_EXITCODE(0, SIGABRT) | WCOREFLAG, "SIGABRT, core dumped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_limit_on_descriptors_is_raised),
        cmocka_unit_test(no_core_is_dumped_until_someone_asks),
        cmocka_unit_test(ends_are_told_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
