#include "common/sandbox/denied_calls.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/base/log.h"
#include "common/process/process.h"

/* These calls are refused. libseccomp skips those that the kernel of a machine does not
   have. */
static const int calls[] = {
    /* other programs */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(uselib),
    /* other processes' memory and descriptors */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(process_madvise),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* parts of the kernel that are large, rarely needed and often broken */
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(personality),
    SCMP_SYS(modify_ldt),
    /* another view of the file system, other names for its files */
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_tree),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(fsopen),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fspick),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(setns),
    SCMP_SYS(unshare),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(mknod),
    SCMP_SYS(mknodat),
    SCMP_SYS(quotactl),
    /* other rights */
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    /* the machine */
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(reboot),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(acct),
    SCMP_SYS(syslog),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname),
    SCMP_SYS(setdomainname),
};

/* Flags that clone() must not have: in a namespace of its own every process is root, and
   reaches all parts of the kernel that are for root only. */
static const uint64_t clone_flags[] = {CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWPID,
                                       CLONE_NEWNET,   CLONE_NEWIPC, CLONE_NEWUTS,
                                       CLONE_NEWCGROUP};

/* A filter does not see the flags of clone3(). Where clone3() is missing, the C library
   calls clone(). */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    int error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; i < sizeof clone_flags / sizeof *clone_flags && error == 0; i++)
        error =
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                             SCMP_A0(SCMP_CMP_MASKED_EQ, clone_flags[i], clone_flags[i]));
    return error;
}

static int refuse_sockets(scmp_filter_ctx filter, enum denied_sockets sockets)
{
    const struct scmp_arg_cmp other = {.op = SCMP_CMP_NE, .datum_a = AF_UNIX};

    if (sockets == DENIED_SOCKETS_NONE)
        return 0;
    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
                                  1, &other);
}

static int load(scmp_filter_ctx filter, enum denied_sockets sockets)
{
    int error = refuse_namespaces(filter);

    if (error == 0)
        error = refuse_sockets(filter, sockets);
    for (size_t i = 0; i < sizeof calls / sizeof *calls && error == 0; i++)
        error = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
    /* a tree, in which a call that is allowed passes in few steps */
    if (error == 0)
        (void)!seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    return error == 0 ? seccomp_load(filter) : error;
}

void denied_calls_load(enum denied_sockets sockets)
{
    scmp_filter_ctx filter;
    int error;

    if (process_is_sanitized())
        return;
    if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL) {
        log_info("sandbox: this kernel has no seccomp: no call is refused");
        return;
    }
    filter = seccomp_init(SCMP_ACT_ALLOW);
    error = filter == NULL ? -ENOMEM : load(filter, sockets);
    assert(error <= 0);
    if (filter != NULL)
        seccomp_release(filter);
    if (error != 0)
        log_warn("sandbox: no call is refused: seccomp: %s", strerror(-error));
}
