#include "server/process/output_files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Opens a file for writing and closes it again. A pipe that nobody reads yet is good: a
   front may wait for its reader. */
static int try_file(const char *path, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC | flags, 0640);

    if (fd < 0)
        return errno == ENXIO ? 0 : -1;
    close(fd);
    return 0;
}

static int fail(struct buf *why, const char *flag, const char *path)
{
    buf_printf(why, "%s: cannot write %s: %s", flag, path, strerror(errno));
    return -1;
}

/* Tries the name with our process id; fronts add their own. */
static int try_profile(const char *path)
{
    char own[PATH_MAX];
    int len = snprintf(own, sizeof own, "%s.%ld", path, (long)getpid());

    if (len >= (int)sizeof own) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (try_file(own, O_EXCL) < 0)
        return errno == EEXIST ? 0 : -1; /* of a process that is gone */
    unlink(own);
    return 0;
}

int output_files_check(const struct server_config *config, struct buf *why)
{
    const char *log = config->access_log, *profile = config->profile;

    if (strcmp(log, "off") != 0 && strcmp(log, "-") != 0 && try_file(log, O_APPEND) < 0)
        return fail(why, "--access-log", log);
    if (strcmp(profile, "off") != 0 && try_profile(profile) < 0)
        return fail(why, "--profile", profile);
    return 0;
}
