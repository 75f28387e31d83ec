/*
 * The system calls of the front's code, which the linker brings here: those on simulated
 * sockets go to sim_socket.h, those for time, chance and processors are answered from the
 * seed, and what is left over is refused. And what would act on the process: the log, the
 * scheduling of its thread.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/cpu_slice.h"
#include "tests/simulation/system/sim_socket.h"
#include "tests/simulation/system/sim_system.h"
#include "tests/simulation/system/sim_world.h"
#include "worker/crash.h"

/* What a look at the clock takes at most: a stand-in for the work between two. */
#define STEP_NS 2000

/* The longest time for which the front's thread does not run. */
#define PAUSE_NS (40 * NS_PER_MS)

int __wrap_clock_gettime(clockid_t id, struct timespec *time_r);
ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags);
long __wrap_sysconf(int name);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_open(const char *path, int flags, ...);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t most, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_close(int fd);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size);
int __wrap_ioctl(int fd, unsigned long request, ...);

static struct {
    struct sim_random time, chance;
    unsigned cpus;
} machine;

void sim_system_begin(void)
{
    machine.time = sim_random_stream('t', 0);
    machine.chance = sim_random_stream('r', 0);
    machine.cpus = 1u << sim_below(&machine.chance, 4);
}

/* ---- time, chance, processors ---- */

int __wrap_clock_gettime(clockid_t id, struct timespec *time_r)
{
    uint64_t now_ns = sim_now_ns() + sim_below(&machine.time, STEP_NS);

    (void)id;
    if (sim_has(SIM_PAUSE) && sim_chance(&machine.time, 2))
        now_ns += sim_some_ns(&machine.time, PAUSE_NS);
    sim_pass_to(now_ns);
    time_r->tv_sec = (time_t)(now_ns / NS_PER_S);
    time_r->tv_nsec = (long)(now_ns % NS_PER_S);
    return 0;
}

ssize_t __wrap_getrandom(void *bytes, size_t len, unsigned flags)
{
    (void)flags;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)sim_below(&machine.chance, 256);
    return (ssize_t)len;
}

long __wrap_sysconf(int name)
{
    if (name != _SC_NPROCESSORS_ONLN)
        sim_fail("sysconf(%d) is not simulated", name);
    return machine.cpus;
}

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    (void)pid;
    memset(set, 0, size);
    for (unsigned i = 0; i < machine.cpus; i++)
        CPU_SET(i, set);
    return 0;
}

void cpu_slice_shorten(void)
{
}

void cpu_slice_suit_offers(void)
{
}

/* ---- sockets ---- */

static void check_ours(int fd)
{
    if (!sim_socket_is_ours(fd))
        sim_fail("descriptor %d is not simulated", fd);
}

int __wrap_open(const char *path, int flags, ...)
{
    (void)flags;
    if (strcmp(path, "/dev/null") != 0)
        sim_fail("open(%s) is not simulated", path);
    return sim_socket_open_spare();
}

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    (void)flags;
    if (address != NULL) {
        memset(address, 0, *size);
        address->sa_family = AF_INET;
        *size = sizeof(struct sockaddr_in);
    }
    return sim_socket_accept(fd);
}

ssize_t __wrap_recv(int fd, void *bytes, size_t most, int flags)
{
    (void)flags;
    check_ours(fd);
    return sim_socket_recv(fd, bytes, most);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
    struct iovec iov = {(void *)(uintptr_t)bytes, len};

    (void)flags;
    check_ours(fd);
    return sim_socket_send(fd, &iov, 1);
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    (void)flags;
    check_ours(fd);
    return sim_socket_send(fd, message->msg_iov, message->msg_iovlen);
}

int __wrap_shutdown(int fd, int how)
{
    (void)how;
    check_ours(fd);
    return sim_socket_shutdown(fd);
}

int __wrap_close(int fd)
{
    check_ours(fd);
    return sim_socket_close(fd);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    (void)value, (void)size;
    check_ours(fd);
    if (level == SOL_SOCKET && name == SO_LINGER)
        sim_socket_linger_hard(fd);
    return 0;
}

int __wrap_getsockname(int fd, struct sockaddr *address, socklen_t *size)
{
    check_ours(fd);
    memset(address, 0, *size);
    address->sa_family = AF_INET;
    ((struct sockaddr_in *)(void *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    *size = sizeof(struct sockaddr_in);
    return 0;
}

/* SIOCOUTQ alone. */
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    int *bytes;

    (void)request;
    check_ours(fd);
    va_start(args, request);
    bytes = va_arg(args, int *);
    va_end(args);
    *bytes = sim_socket_unacknowledged(fd);
    return 0;
}

/* ---- the log ---- */

static void trace_log(const char *format, va_list args)
    __attribute__((format(printf, 1, 0)));

static void trace_log(const char *format, va_list args)
{
    char line[512];

    if (!sim_limits()->trace)
        return;
    vsnprintf(line, sizeof line, format, args);
    sim_trace("log: %s", line);
}

#define TRACE_LOG(format)        \
    do {                         \
        va_list args;            \
        va_start(args, format);  \
        trace_log(format, args); \
        va_end(args);            \
    } while (0)

void log_open(const char *program, const char *role)
{
    (void)program, (void)role;
}

void log_info(const char *format, ...)
{
    TRACE_LOG(format);
}

void log_warn(const char *format, ...)
{
    TRACE_LOG(format);
}

void log_limited_warn(struct log_limited *limited, enum log_interval interval,
                      const char *format, ...)
{
    (void)limited, (void)interval;
    TRACE_LOG(format);
}

void log_fatal(const char *format, ...)
{
    TRACE_LOG(format);
    sim_fail("the front ends: %s", format);
}

void log_panic(const char *format, ...)
{
    TRACE_LOG(format);
    sim_fail("the front panics: %s", format);
}

/* ---- what the worker's job.c calls ---- */

void crash_blame(struct slice document)
{
    (void)document;
}

void crash_blame_nobody(void)
{
}
