/* Behind the sandbox: what is refused is, in every thread, and what children do goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/process/process.h"
#include "server/process/server_sandbox.h"

/* Runs inside() in a child behind the sandbox; its exit status. */
static int in_the_sandbox(int (*inside)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            _exit(99);
        server_sandbox_close();
        _exit(inside());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int is_refused(long result)
{
    return result == -1 && errno == EPERM ? 0 : 1;
}

static int try_program(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};

    return is_refused(execv("/bin/true", argv));
}

static int try_ptrace(void)
{
    return is_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int try_mount(void)
{
    return is_refused(mount("none", "/tmp", "tmpfs", 0, NULL));
}

/* Root may do this to itself anywhere else. */
static int try_user(void)
{
    return is_refused(setuid(getuid()));
}

/* The system call itself; a child that does come to be leaves at once. */
static long clone_with(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);

    if (pid == 0)
        _exit(0);
    return pid;
}

static int try_namespaces(void)
{
    static const unsigned long flags[] = {CLONE_NEWUSER,
                                          CLONE_NEWNS,
                                          CLONE_NEWPID,
                                          CLONE_NEWNET,
                                          CLONE_NEWIPC,
                                          CLONE_NEWUTS,
                                          CLONE_NEWUSER | CLONE_NEWNET};

    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (is_refused(clone_with(flags[i])) != 0)
            return 1;
    return clone_with(0) > 0 ? 0 : 2;
}

/* Its flags lie in memory, where no filter looks. */
static int try_clone3(void)
{
    struct clone_args args = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);

    if (pid == 0)
        _exit(0);
    return pid == -1 && errno == ENOSYS ? 0 : 1;
}

static void *in_thread(void *arg)
{
    *(int *)arg = try_program();
    return NULL;
}

static int try_program_in_a_thread(void)
{
    pthread_t thread;
    int result = 2;

    if (pthread_create(&thread, NULL, in_thread, &result) != 0)
        return 3;
    pthread_join(thread, NULL);
    return result;
}

/* The writer's and the fronts' daily work: files, sockets, memory, a fork. */
static int do_what_children_do(void)
{
    char path[] = "/tmp/offloop-sandbox-XXXXXX";
    int fd = mkstemp(path);
    int pair[2];
    pid_t pid;

    if (fd < 0 || ftruncate(fd, 4096) != 0 || fsync(fd) != 0 || unlink(path) != 0)
        return 1;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 2;
    pid = fork();
    if (pid == 0)
        _exit(7);
    return pid > 0 && waitpid(pid, &fd, 0) == pid && WEXITSTATUS(fd) == 7 ? 0 : 3;
}

static void what_is_refused(void **state)
{
    (void)state;
    if (process_is_sanitized())
        skip();
    assert_int_equal(in_the_sandbox(try_program), 0);
    assert_int_equal(in_the_sandbox(try_ptrace), 0);
    assert_int_equal(in_the_sandbox(try_mount), 0);
    assert_int_equal(in_the_sandbox(try_user), 0);
    assert_int_equal(in_the_sandbox(try_namespaces), 0);
    assert_int_equal(in_the_sandbox(try_clone3), 0);
    assert_int_equal(in_the_sandbox(try_program_in_a_thread), 0);
}

static void what_goes_on(void **state)
{
    (void)state;
    assert_int_equal(in_the_sandbox(do_what_children_do), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(what_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
