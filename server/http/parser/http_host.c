#include "server/http/parser/http_host.h"

#include <arpa/inet.h>
#include <string.h>

#include "server/http/parser/http_chars.h"
#include "server/http/parser/http_target.h"

struct slice http_host_of(struct slice authority)
{
    size_t len = authority.len;

    while (len > 0 && authority.data[len - 1] >= '0' && authority.data[len - 1] <= '9')
        len--;
    if (len > 0 && authority.data[len - 1] == ':')
        return (struct slice){authority.data, len - 1};
    return authority;
}

/* [::1] or 127.0.0.1: no name server decides where these lead. */
static bool is_literal(struct slice host)
{
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (host.len > 0 && host.data[0] == '[')
        return true;
    if (host.len >= sizeof text)
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1;
}

static bool is_localhost(struct slice host)
{
    static const char name[] = "localhost";
    const size_t len = sizeof name - 1;

    if (host.len < len || !http_chars_equal(host.data + host.len - len, len, name))
        return false;
    return host.len == len || host.data[host.len - len - 1] == '.';
}

/* The name without the dot of the root: example.org. is example.org. */
static struct slice without_root(struct slice host)
{
    bool has_root = host.len > 1 && host.data[host.len - 1] == '.';

    return (struct slice){host.data, host.len - has_root};
}

/* True for a local name, which no site can own. */
static bool is_local_name(struct slice host)
{
    if (is_literal(host) || is_localhost(without_root(host)))
        return true;
    /* An escape may stand for a dot that another program sees. */
    return memchr(host.data, '.', host.len) == NULL &&
           memchr(host.data, '%', host.len) == NULL;
}

static bool is_listed(const struct http_hosts *hosts, struct slice host)
{
    for (size_t i = 0; hosts->rule == HTTP_HOST_LISTED && i < hosts->count; i++)
        if (http_chars_equal(host.data, host.len, hosts->names[i]))
            return true;
    return false;
}

bool http_host_allowed(const struct http_hosts *hosts, struct slice authority,
                       bool is_local)
{
    struct slice host = http_host_of(authority);

    if (host.len == 0 || hosts->rule == HTTP_HOST_ANY ||
        (hosts->rule == HTTP_HOST_SAFE_LOCAL && !is_local))
        return true;
    return is_local_name(host) || is_listed(hosts, without_root(host));
}

bool http_host_valid(const char *name)
{
    const uint8_t *bytes = (const uint8_t *)name;
    struct slice all = {bytes, strlen(name)};

    return all.len > 0 && http_target_host_valid(bytes, all.len) &&
           http_host_of(all).len == all.len;
}
