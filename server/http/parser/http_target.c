#include "server/http/parser/http_target.h"

#include <assert.h>
#include <string.h>

#include "server/http/parser/http_chars.h"

/* The digits after the ':' of an authority; there may be none. */
static bool port_valid(const uint8_t *bytes, size_t len)
{
    unsigned port = 0;

    if (len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return false;
        port = port * 10 + (bytes[i] - '0');
    }
    return port <= 65535;
}

/* An IPv6 address (loosely: what it names is never looked up) or IPvFuture in brackets;
   returns its length with the brackets, 0 for none. */
static size_t literal_length(const uint8_t *bytes, size_t len)
{
    const uint8_t *end = memchr(bytes, ']', len);

    if (end == NULL || end == bytes + 1)
        return 0;
    for (const uint8_t *at = bytes + 1; at < end; at++) {
        if (*at == '%' || !(http_char_classes(*at) & HTTP_CHAR_HOST || *at == ':'))
            return 0;
    }
    return (size_t)(end - bytes) + 1;
}

/* A percent sign is followed by two hex digits. */
static bool escapes_valid(const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] == '%' &&
            (len - i < 3 || !http_chars_all(bytes + i + 1, 2, HTTP_CHAR_HEX)))
            return false;
    }
    return true;
}

bool http_target_host_valid(const uint8_t *bytes, size_t len)
{
    size_t host = 0;

    if (len > 0 && bytes[0] == '[') {
        host = literal_length(bytes, len);
        if (host == 0)
            return false;
    } else {
        while (host < len && http_char_classes(bytes[host]) & HTTP_CHAR_HOST)
            host++;
        if (!escapes_valid(bytes, host) || (host == 0 && len > 0))
            return false;
    }
    if (host == len)
        return true;
    return bytes[host] == ':' && port_valid(bytes + host + 1, len - host - 1);
}

/* Path and query, from `at` to the target's end. */
static const char *split_path(struct http_parser *parser, const uint8_t *bytes,
                              uint32_t at)
{
    uint32_t end = parser->target.at + parser->target.len;
    const uint8_t *mark = memchr(bytes + at, '?', end - at);
    uint32_t path_end = mark != NULL ? (uint32_t)(mark - bytes) : end;

    parser->path = (struct http_span){at, path_end - at};
    parser->query = mark != NULL ? (struct http_span){path_end + 1, end - path_end - 1}
                                 : (struct http_span){end, 0};
    if (!http_chars_all(bytes + at, path_end - at, HTTP_CHAR_PATH) ||
        !http_chars_all(bytes + parser->query.at, parser->query.len, HTTP_CHAR_QUERY))
        return "the target holds a character that must be percent-encoded";
    return NULL;
}

/* The length of "http://" or "https://" at the target's start, else 0. */
static uint32_t scheme_length(const uint8_t *bytes, uint32_t len)
{
    if (len >= 7 && http_chars_equal(bytes, 7, "http://"))
        return 7;
    if (len >= 8 && http_chars_equal(bytes, 8, "https://"))
        return 8;
    return 0;
}

static const char *split_absolute(struct http_parser *parser, const uint8_t *bytes,
                                  uint32_t scheme)
{
    uint32_t at = parser->target.at + scheme,
             end = parser->target.at + parser->target.len;
    uint32_t host = at;

    while (at < end && bytes[at] != '/' && bytes[at] != '?')
        at++;
    if (at == host || bytes[host] == ':' ||
        !http_target_host_valid(bytes + host, at - host))
        return "the target's authority is malformed";
    parser->form = HTTP_TARGET_ABSOLUTE;
    return split_path(parser, bytes, at);
}

const char *http_target_split(struct http_parser *parser, const uint8_t *bytes)
{
    const uint8_t *target = bytes + parser->target.at;
    uint32_t scheme;

    assert(parser->target.len > 0);
    if (target[0] == '/') {
        parser->form = HTTP_TARGET_ORIGIN;
        return split_path(parser, bytes, parser->target.at);
    }
    scheme = scheme_length(target, parser->target.len);
    if (scheme > 0)
        return split_absolute(parser, bytes, scheme);
    if (parser->target.len == 1 && target[0] == '*' && parser->method == HTTP_OPTIONS) {
        parser->form = HTTP_TARGET_ASTERISK;
        return split_path(parser, bytes, parser->target.at);
    }
    return "the target has no form that fits the method";
}
