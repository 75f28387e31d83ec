#include "common/process/handover.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/process/spawn.h"

#define VARIABLE "OFFLOOP_HANDOVER"
/* Larger than any state. */
#define STATE_MAX_BYTES (4 * 1024 * 1024)

struct handover {
    struct buf records; /* each is "key text" and a NUL; no text contains a NUL */
    int *kept;
    size_t kept_count;
};

struct handover *handover_create(void)
{
    return mem_zalloc(sizeof(struct handover));
}

void handover_destroy(struct handover **handover)
{
    if (*handover == NULL)
        return;
    buf_free(&(*handover)->records);
    mem_free((*handover)->kept);
    mem_free(*handover);
    *handover = NULL;
}

void handover_put(struct handover *handover, const char *key, const char *format, ...)
{
    va_list args;

    assert(strchr(key, ' ') == NULL);
    buf_printf(&handover->records, "%s ", key);
    va_start(args, format);
    buf_vprintf(&handover->records, format, args);
    va_end(args);
    buf_append(&handover->records, "", 1);
}

void handover_keep_fd(struct handover *handover, int fd)
{
    assert(fd >= 0);
    handover->kept =
        mem_realloc(handover->kept, (handover->kept_count + 1) * sizeof(int));
    handover->kept[handover->kept_count++] = fd;
}

/* Switches close-on-exec of the kept descriptors off, or on again. */
static void set_cloexec(const struct handover *handover, int flag)
{
    for (size_t i = 0; i < handover->kept_count; i++)
        if (fcntl(handover->kept[i], F_SETFD, flag) < 0)
            log_panic("descriptor %d cannot be kept: %m", handover->kept[i]);
}

int handover_exec(struct handover *handover, const char *path, char *const argv[])
{
    char value[64];
    int state_fd = file_create_sealed("offloop-handover", buf_slice(&handover->records));
    int saved_errno;

    if (state_fd < 0)
        return -1;
    snprintf(value, sizeof value, "%d %d", SPAWN_VERSION, state_fd);
    fcntl(state_fd, F_SETFD, 0);
    set_cloexec(handover, 0);
    if (setenv(VARIABLE, value, 1) == 0) {
        fflush(NULL);
        execv(path, argv);
    }
    saved_errno = errno;
    unsetenv(VARIABLE);
    set_cloexec(handover, FD_CLOEXEC);
    close(state_fd);
    errno = saved_errno;
    return -1;
}

static int read_state(const char *value, struct buf *records)
{
    int version, fd, end = 0, result;

    if (sscanf(value, "%d %d%n", &version, &fd, &end) != 2 || value[end] != '\0') {
        log_warn(VARIABLE " is malformed");
        return -1;
    }
    if (version != SPAWN_VERSION) {
        log_warn("the master before is of another version (%d, this is %d)", version,
                 SPAWN_VERSION);
        return -1;
    }
    result = file_read_fd(fd, STATE_MAX_BYTES, records);
    if (result < 0)
        log_warn("the state of the master before cannot be read: %m");
    close(fd);
    return result;
}

int handover_take(struct handover **handover_r)
{
    const char *value = getenv(VARIABLE);
    struct buf records = BUF_INIT;
    int result;

    *handover_r = NULL;
    if (value == NULL)
        return 0;
    result = read_state(value, &records);
    unsetenv(VARIABLE);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    if (result == 0 && (records.len == 0 || records.data[records.len - 1] != '\0')) {
        log_warn("the state of the master before is incomplete");
        result = -1;
    }
    if (result < 0) {
        buf_free(&records);
        return -1;
    }
    *handover_r = handover_create();
    (*handover_r)->records = records;
    return 0;
}

const char *handover_get(const struct handover *handover, const char *key, size_t n)
{
    const char *at = (const char *)handover->records.data;
    const char *end = at + handover->records.len;
    size_t len = strlen(key);

    for (; at < end; at += strlen(at) + 1)
        if (strncmp(at, key, len) == 0 && at[len] == ' ' && n-- == 0)
            return at + len + 1;
    return NULL;
}

int handover_fd(int fd)
{
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        log_fatal("descriptor %d of the master before: %m", fd);
    return fd;
}
