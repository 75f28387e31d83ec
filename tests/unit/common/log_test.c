/* Lines of the log as they arrive on stderr, and how a process ends with one. */
#include "common/base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/alloc.h"
#include "common/process/process.h"

/* Runs `body` in another process. Returns its stderr and its status. */
static char *run(void (*body)(void), int *status_r)
{
    struct buf out = BUF_INIT;
    int ends[2];
    pid_t pid;
    ssize_t n;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], buf_reserve(&out, 4096), 4096)) > 0)
        out.len += (size_t)n;
    close(ends[0]);
    assert_int_equal(waitpid(pid, status_r, 0), pid);
    buf_append(&out, "", 1);
    return (char *)out.data;
}

static void say_lines(void)
{
    log_info("one %d", 1);
    log_open("offloop-server", "front 0");
    log_warn("two");
    log_open("offloop-worker", NULL);
    errno = ENOENT;
    log_info("three: %m");
}

static void lines_name_their_process(void **state)
{
    int status;
    char *text = run(say_lines, &status);

    (void)state;
    assert_non_null(strstr(text, "]: one 1\n"));
    assert_non_null(strstr(text, " offloop-server["));
    assert_non_null(strstr(text, "] front 0: warning: two\n"));
    assert_non_null(strstr(text, "]: three: No such file or directory\n"));
    /* 2026-11-22T10:28:50.123Z */
    assert_int_equal(text[10], 'T');
    assert_int_equal(text[23], 'Z');
    assert_int_equal(WEXITSTATUS(status), 0);
    mem_free(text);
}

static void say_hostile(void)
{
    char longer[8000];

    log_warn("peer says \"%s\"", "a\nb\rc\x1b[31md\x7f");
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    log_warn("%s", longer);
    log_warn("after");
}

static void peers_cannot_forge_lines(void **state)
{
    int status;
    char *text = run(say_hostile, &status);
    char *end = strchr(text, '\n');

    (void)state;
    assert_non_null(strstr(text, "peer says \"a?b?c?[31md?\"\n"));
    end = strchr(end + 1, '\n');
    assert_true(end - text < 2 * 2048); /* cut, and still one line */
    assert_non_null(strstr(end, "after\n"));
    mem_free(text);
}

static void be_fatal(void)
{
    log_fatal("no %s", "disk");
}

static void fatal_exits(void **state)
{
    int status;
    char *text = run(be_fatal, &status);

    (void)state;
    assert_non_null(strstr(text, "fatal: no disk\n"));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_FATAL);
    mem_free(text);
}

static void be_panic(void)
{
    log_panic("impossible");
}

static void panic_aborts(void **state)
{
    int status;
    char *text = run(be_panic, &status);

    (void)state;
    assert_non_null(strstr(text, "panic: impossible\n"));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    mem_free(text);
}

static void use_too_much(void)
{
    volatile size_t size = SIZE_MAX / 2;

    mem_free(mem_alloc(size));
}

static void no_memory_is_fatal(void **state)
{
    int status;
    char *text;

    (void)state;
    setenv("ASAN_OPTIONS", "allocator_may_return_null=1", 1);
    text = run(use_too_much, &status);
    assert_true(status != 0);
    mem_free(text);
}

static void close_all_and_start(void)
{
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    process_start();
    /* a new socket gets no standard number, and a peer that left does not kill */
    if (open("/dev/null", O_RDONLY) <= STDERR_FILENO)
        log_warn("number taken");
    raise(SIGPIPE);
    log_warn("alive");
}

static void process_start_guards_standard_numbers(void **state)
{
    int status;
    char *text = run(close_all_and_start, &status);

    (void)state;
    assert_null(strstr(text, "number taken"));
    assert_non_null(strstr(text, "alive"));
    assert_int_equal(status, 0);
    mem_free(text);
}

static void ends_are_told(void **state)
{
    static const struct {
        int status;
        const char *text;
    } cases[] = {{0, "exit status 0"},
                 {3 << 8, "exit status 3"},
                 {SIGKILL, "SIGKILL"},
                 {SIGSEGV | 0x80, "SIGSEGV, core dumped"},
                 {63, "signal"}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;

        process_print_end(cases[i].status, &out);
        buf_append(&out, "", 1);
        assert_int_equal(strncmp((char *)out.data, cases[i].text, strlen(cases[i].text)),
                         0);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_name_their_process),
        cmocka_unit_test(peers_cannot_forge_lines),
        cmocka_unit_test(fatal_exits),
        cmocka_unit_test(panic_aborts),
        cmocka_unit_test(no_memory_is_fatal),
        cmocka_unit_test(process_start_guards_standard_numbers),
        cmocka_unit_test(ends_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
