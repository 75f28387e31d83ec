#include "worker/sandbox/sandbox_calls.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/log.h"

/* What 20,000 jobs, reconnecting to a server that restarts, draining, a failing assertion
   and the log need, over ipc://, tcp:// and tls+tcp://. */
static const int calls[] = {
    /* the log, wake-ups, messages */
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(sendmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    /* connecting again; socket() and fcntl() stand below */
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    SCMP_SYS(eventfd2),
    SCMP_SYS(pipe2),
    SCMP_SYS(fcntl),
    /* waiting */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(restart_syscall),
    /* memory; mmap() and mprotect() stand below */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    /* who we are, dying */
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    /* threads that nng made a moment ago may not have come further than this */
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
};

/* What connecting takes: the server's kind, and the kernel's list of addresses that
   getaddrinfo() asks for. */
static const int families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};

/* Allows a call with one argument fixed. */
static int allow_with(scmp_filter_ctx filter, int call, unsigned argument, uint64_t value)
{
    const struct scmp_arg_cmp fixed = {
        .arg = argument, .op = SCMP_CMP_EQ, .datum_a = value};

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &fixed);
}

/* Allows a call with one argument anything but that. */
static int allow_with_other(scmp_filter_ctx filter, int call, unsigned argument,
                            uint64_t value)
{
    const struct scmp_arg_cmp other = {
        .arg = argument, .op = SCMP_CMP_NE, .datum_a = value};

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &other);
}

/* Allows a call where a bit of one argument is not set. */
static int allow_without(scmp_filter_ctx filter, int call, unsigned argument,
                         uint64_t bit)
{
    const struct scmp_arg_cmp unset = {
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = bit, .datum_b = 0};

    return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, call, 1, &unset);
}

static int add_calls(scmp_filter_ctx filter)
{
    int error = 0;

    for (size_t i = 0; i < sizeof calls / sizeof *calls && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
    for (size_t i = 0; i < sizeof families / sizeof *families && error == 0; i++)
        error = allow_with(filter, SCMP_SYS(socket), 0, (uint64_t)families[i]);
    return error;
}

/* Calls that are harmless with some arguments only. */
static int add_fine_calls(scmp_filter_ctx filter)
{
    int error = allow_without(filter, SCMP_SYS(mprotect), 2, PROT_EXEC);

    if (error == 0)
        error = allow_without(filter, SCMP_SYS(mmap), 2, PROT_EXEC);
    if (error == 0) /* those threads name themselves */
        error = allow_with(filter, SCMP_SYS(prctl), 0, PR_SET_NAME);
    if (error == 0) /* abort(); no other process may be hit */
        error = allow_with(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid());
    if (error == 0) /* abort(); what a forbidden call ends in stays as it is */
        error = allow_with_other(filter, SCMP_SYS(rt_sigaction), 0, SIGSYS);
    if (error == 0) /* fstat(), which cannot name a file */
        error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fstat), 0);
    return error;
}

int sandbox_calls_load(void)
{
    scmp_filter_ctx filter;
    int error;

    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
        log_info("sandbox: this kernel has no seccomp: calls are not filtered");
        return 0;
    }
    /* A forbidden call is not done, and SIGSYS ends the process: by a handler that notes
       what it was at (crash.c), where there is one, and which cannot be replaced. */
    filter = seccomp_init(SCMP_ACT_TRAP);
    if (filter == NULL) {
        log_warn("sandbox: seccomp: out of memory");
        return -1;
    }
    error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (error == 0)
        error = add_calls(filter);
    if (error == 0)
        error = add_fine_calls(filter);
    if (error == 0)
        error = seccomp_load(filter);
    seccomp_release(filter);
    if (error != 0)
        log_warn("sandbox: seccomp: %s", strerror(-error));
    return error == 0 ? 0 : -1;
}
