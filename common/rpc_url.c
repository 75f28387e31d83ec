#include "common/rpc_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "common/endpoint.h"

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
    const struct sockaddr_in *in = storage; /* the port stands at one place in both */

    return !endpoint_is_unix(endpoint) && in->sin_port == 0;
}

int rpc_url_check(const char *url, const char **expected_r)
{
    struct endpoint endpoint;

    *expected_r = "ipc:///path or tcp://127.0.0.1:PORT";
    if (strncmp(url, "ipc://", 6) == 0) {
        if (strlen(url + 6) > RPC_URL_PATH_MAX) {
            *expected_r = "a path of at most 64 bytes behind ipc://";
            return -1;
        }
        return url[6] == '/' && url[7] != '\0' ? 0 : -1;
    }
    if (strncmp(url, "tcp://", 6) != 0 ||
        endpoint_parse(url + 6, &endpoint, expected_r) < 0)
        return -1;
    if (has_port_0(&endpoint)) {
        *expected_r = "a port that workers can know, not 0";
        return -1;
    }
    if (is_loopback(&endpoint))
        return 0;
    *expected_r = "a loopback address: plain tcp:// leaves this host unprotected";
    return -1;
}
