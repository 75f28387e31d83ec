#include "common/address/rpc_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "common/address/endpoint.h"
#include "common/base/text.h"

#define IPC_SCHEME "ipc://"
#define TCP_SCHEME "tcp://"
#define TLS_SCHEME "tls+tcp://"

static bool is_loopback(const struct endpoint *endpoint)
{
    const void *storage = &endpoint->socket.storage;
    const struct sockaddr_in *in = storage;
    const struct sockaddr_in6 *in6 = storage;

    if (in->sin_family == AF_INET)
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    return in6->sin6_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

static bool has_port_0(const struct endpoint *endpoint)
{
    const void *storage = &endpoint->socket.storage;
    const struct sockaddr_in *in =
        storage; /* the port is at the same offset in both structs */

    return !endpoint_is_unix(endpoint) && in->sin_port == 0;
}

bool rpc_url_is_tls(const char *url)
{
    return text_starts_with(url, TLS_SCHEME);
}

/* The text after the scheme of a URL over TCP; NULL for other URLs. */
static const char *tcp_address(const char *url)
{
    return text_after(url, rpc_url_is_tls(url) ? TLS_SCHEME : TCP_SCHEME);
}

static int check_path(const char *path, const char **expected_r)
{
    if (strlen(path) > RPC_URL_PATH_MAX) {
        *expected_r = "a path of at most 64 bytes behind ipc://";
        return -1;
    }
    return path[0] == '/' && path[1] != '\0' ? 0 : -1;
}

int rpc_url_check(const char *url, const char **expected_r)
{
    const char *address = tcp_address(url);
    struct endpoint endpoint;

    *expected_r = "ipc:///path, tcp://ADDR:PORT or tls+tcp://ADDR:PORT, numeric";
    if (text_starts_with(url, IPC_SCHEME))
        return check_path(url + strlen(IPC_SCHEME), expected_r);
    if (address == NULL || endpoint_parse(address, &endpoint, &(const char *){0}) < 0 ||
        endpoint_is_unix(&endpoint))
        return -1;
    if (!has_port_0(&endpoint))
        return 0;
    *expected_r = "a port that workers can know, not 0";
    return -1;
}

int rpc_url_check_guard(const char *url, const struct rpc_url_guard *guard,
                        const char **why_r)
{
    const char *address = tcp_address(url);
    struct endpoint endpoint;

    if (address == NULL)
        return 0;
    if (endpoint_parse(address, &endpoint, why_r) < 0)
        return -1;
    *why_r = NULL;
    if (rpc_url_is_tls(url)) {
        if (!guard->has_tls)
            *why_r = "tls+tcp:// needs --tls-cert, --tls-key and --tls-ca";
    } else if (!is_loopback(&endpoint)) {
        if (!guard->may_leave_plain)
            *why_r = "plain tcp:// off this host lets everybody on the way read along: "
                     "use tls+tcp://, or --allow-plain-tcp with --worker-secret";
        else if (!guard->has_secret)
            *why_r = "--allow-plain-tcp needs --worker-secret too";
    }
    return *why_r == NULL ? 0 : -1;
}
