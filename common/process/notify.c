#include "common/process/notify.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/units.h"

/* Sends one datagram; '@' begins an abstract name. It is no error where the manager is
   not there or does not read. */
static void send_text(const char *path, const char *text)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    ssize_t sent;
    int fd;

    if (len == 0 || len >= sizeof un.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(un.sun_path, path, len);
    if (path[0] == '@')
        un.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
                  (const struct sockaddr *)(const void *)&un,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    (void)sent;
    close(fd);
}

void notify_send(enum notify_state state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    char reloading[64];

    if (path == NULL)
        return;
    switch (state) {
    case NOTIFY_READY: send_text(path, "READY=1"); break;
    case NOTIFY_RELOADING:
        snprintf(reloading, sizeof reloading, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
                 clock_now_ns() / NS_PER_US);
        send_text(path, reloading);
        break;
    case NOTIFY_STOPPING: send_text(path, "STOPPING=1"); break;
    case NOTIFY_WATCHDOG: send_text(path, "WATCHDOG=1"); break;
    }
}

uint64_t notify_watchdog_ns(void)
{
    const char *interval = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    uint64_t interval_us, number;

    if (interval == NULL || units_parse_number(interval, &interval_us) < 0)
        return 0;
    if (pid != NULL &&
        (units_parse_number(pid, &number) < 0 || number != (uint64_t)getpid()))
        return 0;
    return interval_us < UINT64_MAX / NS_PER_US ? interval_us * NS_PER_US / 2 : 0;
}
