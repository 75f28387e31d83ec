/* Behind the sandbox: what is refused is, in every thread, and what children do goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <netinet/in.h>
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
#include "common/sandbox/denied_calls.h"

/* Where children find the listener that they have inherited. */
#define LISTENER_FD 50

/* Runs inside() in a child behind the sandbox; its exit status. */
static int in_sandbox_with(enum denied_sockets sockets, int (*inside)(void))
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
            _exit(99);
        denied_calls_load(sockets);
        _exit(inside());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int in_the_sandbox(int (*inside)(void))
{
    return in_sandbox_with(DENIED_SOCKETS_NONE, inside);
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

/* A connection of ours to who listens here already. */
static int connect_to_itself(int listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0 ||
        connect(fd, (struct sockaddr *)&address, len) != 0)
        _exit(90);
    return fd;
}

/* What was inherited goes on, and nothing new leads to the network. */
static int try_network(void)
{
    static const int families[] = {AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_VSOCK};

    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (socket(families[i], SOCK_RAW, 0) != -1 || errno != EAFNOSUPPORT)
            return 1;
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 && accept(LISTENER_FD, NULL, NULL) >= 0
               ? 0
               : 2;
}

static void the_network_is_refused(void **state)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), client;

    (void)state;
    if (process_is_sanitized())
        skip();
    assert_true(listener >= 0);
    client = connect_to_itself(listener);
    assert_int_equal(dup2(listener, LISTENER_FD), LISTENER_FD);
    assert_int_equal(in_sandbox_with(DENIED_SOCKETS_NETWORK, try_network), 0);
    assert_int_equal(in_sandbox_with(DENIED_SOCKETS_NETWORK, try_program), 0);
    assert_int_equal(in_sandbox_with(DENIED_SOCKETS_NETWORK, do_what_children_do), 0);
    close(LISTENER_FD);
    close(client);
    close(listener);
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
        cmocka_unit_test(the_network_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
