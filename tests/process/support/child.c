#include "tests/process/support/child.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CHILD_FD 3

pid_t child_start(char *const argv[], int pass_fd)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    pid_t pid;

    posix_spawn_file_actions_init(&actions);
    if (pass_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, pass_fd, CHILD_FD);
    else /* ctest leaves a descriptor of its own there */
        posix_spawn_file_actions_addclose(&actions, CHILD_FD);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    assert_int_equal(posix_spawn(&pid, argv[0], &actions, &attr, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return pid;
}

static int child_status(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

int child_wait(pid_t pid, unsigned patience_ms)
{
    struct pollfd end = {(int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0};
    int ready;

    assert_true(end.fd >= 0);
    ready = poll(&end, 1, (int)patience_ms);
    close(end.fd);
    if (ready != 1) {
        child_end(pid);
        fail_msg("process %d did not end", (int)pid);
    }
    return child_status(pid);
}

void child_stop(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

void child_end(pid_t pid)
{
    int status;

    if (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
}
