#include "common/address/endpoint.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/base/units.h"

/* The kernel cuts it to net.core.somaxconn. */
#define BACKLOG 4096

#define EXPECTED "ADDR:PORT, [ADDR6]:PORT or unix:/path, numeric"

static int parse_unix(const char *path, struct endpoint *endpoint_r,
                      const char **expected_r)
{
    struct sockaddr_un *un = &endpoint_r->socket.un;
    size_t len = strlen(path);

    if (path[0] != '/') {
        *expected_r = "an absolute path behind unix:";
        return -1;
    }
    if (len >= sizeof un->sun_path) {
        *expected_r = "a path of at most 107 bytes behind unix:";
        return -1;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    endpoint_r->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return 0;
}

/* Copies the host's bytes without brackets, as inet_pton() wants them. -1 where the host
   is too long. */
static int copy_host(char *host, size_t size, const char *text, size_t len)
{
    if (len == 0 || len >= size)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    return 0;
}

static int parse_inet6(const char *text, size_t len, uint16_t port,
                       struct endpoint *endpoint_r)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&endpoint_r->socket.storage;
    char host[INET6_ADDRSTRLEN];

    if (len < 2 || text[len - 1] != ']' ||
        copy_host(host, sizeof host, text + 1, len - 2) < 0 ||
        inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return -1;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    endpoint_r->len = sizeof *in6;
    return 0;
}

static int parse_inet(const char *text, size_t len, uint16_t port,
                      struct endpoint *endpoint_r)
{
    struct sockaddr_in *in = (struct sockaddr_in *)(void *)&endpoint_r->socket.storage;
    char host[INET_ADDRSTRLEN];

    if (copy_host(host, sizeof host, text, len) < 0 ||
        inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return -1;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    endpoint_r->len = sizeof *in;
    return 0;
}

int endpoint_parse(const char *text, struct endpoint *endpoint_r, const char **expected_r)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    size_t len;
    int result;

    memset(endpoint_r, 0, sizeof *endpoint_r);
    *expected_r = EXPECTED;
    if (text_starts_with(text, "unix:"))
        return parse_unix(text_after(text, "unix:"), endpoint_r, expected_r);
    if (colon == NULL)
        return -1;
    if (units_parse_number(colon + 1, &port) < 0 || port > UINT16_MAX) {
        *expected_r = "a port from 0 to 65535 behind the last colon";
        return -1;
    }
    len = (size_t)(colon - text);
    if (text[0] == '[')
        result = parse_inet6(text, len, (uint16_t)port, endpoint_r);
    else
        result = parse_inet(text, len, (uint16_t)port, endpoint_r);
    return result;
}

int endpoint_check(const char *text, const char **expected_r)
{
    struct endpoint endpoint;

    return endpoint_parse(text, &endpoint, expected_r);
}

bool endpoint_is_unix(const struct endpoint *endpoint)
{
    return endpoint->socket.any.sa_family == AF_UNIX;
}

bool endpoint_is_local(const struct endpoint *endpoint)
{
    const struct sockaddr *any = &endpoint->socket.any;

    if (any->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)any;

        return (ntohl(in->sin_addr.s_addr) >> 24) == IN_LOOPBACKNET;
    }
    if (any->sa_family == AF_INET6) {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)any)->sin6_addr;

        return IN6_IS_ADDR_LOOPBACK(in6) ||
               (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == IN_LOOPBACKNET);
    }
    return endpoint_is_unix(endpoint);
}

static int close_failed(int fd)
{
    int saved_errno = errno;

    close(fd);
    errno = saved_errno;
    return -1;
}

/* True where the path is a socket on which no process listens. */
static bool is_stale(const struct endpoint *endpoint)
{
    struct stat status;
    bool refused;
    int fd;

    if (lstat(endpoint->socket.un.sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    refused =
        connect(fd, &endpoint->socket.any, endpoint->len) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int bind_to(int fd, const struct endpoint *endpoint)
{
    if (bind(fd, &endpoint->socket.any, endpoint->len) == 0)
        return 0;
    if (errno != EADDRINUSE || !endpoint_is_unix(endpoint))
        return -1;
    if (!is_stale(endpoint)) {
        errno = EADDRINUSE;
        return -1;
    }
    if (unlink(endpoint->socket.un.sun_path) < 0)
        return -1;
    return bind(fd, &endpoint->socket.any, endpoint->len);
}

int endpoint_listen(const struct endpoint *endpoint)
{
    int family = endpoint->socket.any.sa_family;
    int on = 1;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert(endpoint->len > 0);
    if (fd < 0)
        return -1;
    if (family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return close_failed(fd);
    if (family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return close_failed(fd);
    if (bind_to(fd, endpoint) < 0 || listen(fd, BACKLOG) < 0)
        return close_failed(fd);
    return fd;
}

int endpoint_listen_abstract(int type)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    /* an empty name: the kernel chooses one (autobind, unix(7)) */
    if (bind(fd, (struct sockaddr *)(void *)&un, sizeof un.sun_family) < 0 ||
        listen(fd, BACKLOG) < 0)
        return close_failed(fd);
    return fd;
}

int endpoint_of_socket(int fd, struct endpoint *endpoint_r)
{
    memset(endpoint_r, 0, sizeof *endpoint_r);
    endpoint_r->len = sizeof endpoint_r->socket;
    return getsockname(fd, &endpoint_r->socket.any, &endpoint_r->len);
}

void endpoint_print(const struct endpoint *endpoint, struct buf *out)
{
    const struct sockaddr_storage *storage = &endpoint->socket.storage;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)storage;
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)storage;
    char host[INET6_ADDRSTRLEN];

    switch (endpoint->socket.any.sa_family) {
    case AF_INET:
        buf_printf(out, "%s:%u", inet_ntop(AF_INET, &in->sin_addr, host, sizeof host),
                   ntohs(in->sin_port));
        break;
    case AF_INET6:
        buf_printf(out, "[%s]:%u",
                   inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host),
                   ntohs(in6->sin6_port));
        break;
    default: buf_printf(out, "unix:%s", endpoint->socket.un.sun_path); break;
    }
}
