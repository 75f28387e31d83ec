#include "worker/sandbox/sandbox.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/process/process.h"
#include "worker/memory/arena.h"
#include "worker/sandbox/sandbox_calls.h"

/* Descriptors beside the sockets: what was inherited, nng's pollers and eventfds. */
#define SANDBOX_FDS 64
/* Address space beside what is there at the start and the job's own memory: messages on
   their way in and out, what is shared with the front, of every seat, and the copy of a
   job's input. */
#define SANDBOX_SPARE_BYTES ((UINT64_C(8) << 30) + WIRE_MAX_PAYLOAD_BYTES)

static_assert(ARENA_MAPPED_MAX_BYTES + WIRE_MAX_PAYLOAD_BYTES + (UINT64_C(2) << 30) <=
                  SANDBOX_SPARE_BYTES,
              "fronts leave room for messages");

/* Rights that newer kernels know and this header may not. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif

bool sandbox_is_possible(void)
{
    return !process_is_sanitized();
}

static int limit(int resource, const char *name, uint64_t value)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)resource, &now) == 0) {
        if (now.rlim_max != RLIM_INFINITY && now.rlim_max < value)
            value = now.rlim_max; /* the user's own limit is tighter */
        now.rlim_cur = now.rlim_max = value;
        if (setrlimit((__rlimit_resource_t)resource, &now) == 0)
            return 0;
    }
    log_warn("sandbox: %s cannot be limited to %" PRIu64 ": %m", name, value);
    return -1;
}

/* A log that goes to a file must be able to grow. */
static bool writes_to_file(void)
{
    struct stat st;

    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
            return true;
    return false;
}

/* All rights that this kernel can take away, by its version of Landlock. */
static uint64_t landlock_rights(long abi)
{
    uint64_t rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

    if (abi >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
    return rights;
}

/* No rule is added: nothing below any path may be opened, listed, made or executed. */
static int close_landlock(void)
{
    long abi =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct landlock_ruleset_attr attr;
    long fd, result;

    if (abi < 0) {
        log_info("sandbox: this kernel has no Landlock: seccomp alone keeps files away");
        return 0;
    }
    memset(&attr, 0, sizeof attr);
    attr.handled_access_fs = landlock_rights(abi);
    fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr.handled_access_fs, 0);
    if (fd < 0) {
        log_warn("sandbox: Landlock: %m");
        return -1;
    }
    result = syscall(SYS_landlock_restrict_self, (int)fd, 0);
    if (result != 0)
        log_warn("sandbox: Landlock: %m");
    close((int)fd);
    return result == 0 ? 0 : -1;
}

int sandbox_close_files(struct sandbox *sandbox, unsigned max_sockets)
{
    sandbox->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    tzset(); /* reads its file now: the log's times need it later */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        log_warn("sandbox: no_new_privs: %m");
        return -1;
    }
    if (limit(RLIMIT_CORE, "core", 0) != 0 ||
        limit(RLIMIT_NOFILE, "descriptors", SANDBOX_FDS + (uint64_t)max_sockets) != 0)
        return -1;
    if (!writes_to_file() && limit(RLIMIT_FSIZE, "file size", 0) != 0)
        return -1;
    return close_landlock();
}

/* The address space in use, read from a descriptor that was opened in time. */
static uint64_t address_space_bytes(int statm_fd)
{
    char text[32] = "";
    ssize_t got = pread(statm_fd, text, sizeof text - 1, 0);
    uint64_t pages = got > 0 ? strtoull(text, NULL, 10) : 0;

    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

int sandbox_close_calls(struct sandbox *sandbox, size_t memory_bytes)
{
    /* nng's stacks and heaps are address space too */
    uint64_t used_bytes = address_space_bytes(sandbox->statm_fd);

    assert(memory_bytes > 0);
    close(sandbox->statm_fd);
    sandbox->statm_fd = -1;
    if (limit(RLIMIT_AS, "address space",
              used_bytes + 2 * (uint64_t)memory_bytes + SANDBOX_SPARE_BYTES) != 0)
        return -1;
    return sandbox_calls_load();
}
