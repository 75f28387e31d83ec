#include "common/process/process.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"

void process_start(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0)
            log_fatal("/dev/null: %m");
    } while (fd <= STDERR_FILENO);
    close(fd);
    signal(SIGPIPE, SIG_IGN);
}

void process_raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_info("the limit on open descriptors stays as it is: %m");
}

void process_dump_no_core(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0)
        return;
    limit.rlim_cur = 0;
    if (setrlimit(RLIMIT_CORE, &limit) != 0)
        log_warn("core files may contain keys or secrets: %m");
}

void process_print_end(int status, struct buf *out)
{
    const char *name;

    if (WIFSIGNALED(status)) {
        name = sigabbrev_np(WTERMSIG(status));
        buf_printf(out, "%s%s", name != NULL ? "SIG" : "signal",
                   name != NULL ? name : "");
        if (WCOREDUMP(status))
            buf_append_str(out, ", core dumped");
    } else {
        buf_printf(out, "exit status %d", WEXITSTATUS(status));
    }
}

bool process_is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}
