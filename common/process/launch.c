#include "common/process/launch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/log.h"
#include "common/base/text.h"

/* All that the child needs; made before the fork. */
struct parcel {
    char *argv[2];
    char **env;
    int *fds; /* they become SPAWN_FD_CONTROL and the numbers after it */
    int fd_count;
};

/* True for a variable that only the master gets. */
static bool is_masters(const char *variable)
{
    static const char *const prefixes[] = {"OFFLOOP_", "NOTIFY_SOCKET=", "WATCHDOG_",
                                           "LISTEN_"};

    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (text_starts_with(variable, prefixes[i]))
            return true;
    return false;
}

/* The user's environment without the master's variables, plus OFFLOOP_CHILD. */
static char **make_env(const struct spawn_self *self)
{
    size_t count = 0, kept = 0;
    char **env;

    while (environ[count] != NULL)
        count++;
    env = mem_alloc((count + 2) * sizeof *env);
    for (size_t i = 0; i < count; i++)
        if (!is_masters(environ[i]))
            env[kept++] = str_dup(environ[i]);
    env[kept++] = str_printf("OFFLOOP_CHILD=%d %s %u %" PRIu64, SPAWN_VERSION,
                             spawn_role_name(self->role), self->index, self->generation);
    env[kept] = NULL;
    return env;
}

static struct parcel parcel_make(const struct launch *launch, int control_fd)
{
    struct parcel parcel;

    parcel.argv[0] = str_printf("%s: %s %u", launch->program,
                                spawn_role_name(launch->self.role), launch->self.index);
    parcel.argv[1] = NULL;
    parcel.env = make_env(&launch->self);
    parcel.fd_count = SPAWN_FD_FIRST - SPAWN_FD_CONTROL + (int)launch->fd_count;
    parcel.fds = mem_alloc((size_t)parcel.fd_count * sizeof *parcel.fds);
    parcel.fds[0] = control_fd;
    parcel.fds[SPAWN_FD_CONFIG - SPAWN_FD_CONTROL] = launch->config_fd;
    parcel.fds[SPAWN_FD_SHARED - SPAWN_FD_CONTROL] = launch->shared_fd;
    for (size_t i = 0; i < launch->fd_count; i++)
        parcel.fds[SPAWN_FD_FIRST - SPAWN_FD_CONTROL + i] = launch->fds[i];
    return parcel;
}

static void parcel_free(struct parcel *parcel)
{
    mem_free(parcel->argv[0]);
    for (char **variable = parcel->env; *variable != NULL; variable++)
        mem_free(*variable);
    mem_free(parcel->env);
    mem_free(parcel->fds);
}

/* Copies fd (/dev/null for -1) to a number that is no target's. */
static int lift_fd(int fd, int above)
{
    int lifted, null_fd;

    if (fd >= 0)
        return fcntl(fd, F_DUPFD_CLOEXEC, above);
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0)
        return -1;
    lifted = fcntl(null_fd, F_DUPFD_CLOEXEC, above);
    close(null_fd);
    return lifted;
}

/* Gives the descriptors their fixed numbers and closes all others, also those that this
   master inherited from its own parent. */
static int place_fds(const struct parcel *parcel)
{
    int above = SPAWN_FD_CONTROL + parcel->fd_count;

    for (int i = 0; i < parcel->fd_count; i++) {
        parcel->fds[i] = lift_fd(parcel->fds[i], above);
        if (parcel->fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < parcel->fd_count; i++)
        if (dup2(parcel->fds[i], SPAWN_FD_CONTROL + i) < 0)
            return -1;
    return close_range((unsigned)above, ~0u, 0);
}

/* Sets signal handlers and mask as spawn.h says. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGUSR2, SIGPIPE};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

__attribute__((noreturn)) static void become_child(const struct launch *launch,
                                                   const struct parcel *parcel)
{
    reset_signals();
    if (place_fds(parcel) == 0)
        execve(launch->path, parcel->argv, parcel->env);
    log_warn("cannot start %s: %s: %m", parcel->argv[0], launch->path);
    _exit(EXIT_FATAL);
}

static int set_nonblocking(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

pid_t launch_child(const struct launch *launch, int *control_r)
{
    int pair[2];
    struct parcel parcel;
    int saved_errno;
    pid_t pid;

    assert(launch->self.role != SPAWN_MASTER);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return -1;
    parcel = parcel_make(launch, pair[1]);
    pid = set_nonblocking(pair[0]) < 0 ? -1 : fork();
    if (pid == 0)
        become_child(launch, &parcel);
    saved_errno = errno;
    parcel_free(&parcel);
    close(pair[1]);
    if (pid < 0)
        close(pair[0]);
    errno = saved_errno;
    *control_r = pid < 0 ? -1 : pair[0];
    return pid;
}
