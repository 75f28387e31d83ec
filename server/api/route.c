#include "server/api/route.h"

#include <assert.h>
#include <string.h>

#include "common/base/document_name.h"

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int route_next_byte(struct slice text, size_t *at)
{
    int high, low;

    assert(*at < text.len);
    if (text.data[*at] != '%')
        return text.data[(*at)++];
    if (text.len - *at < 3)
        return -1;
    high = hex_value(text.data[*at + 1]);
    low = hex_value(text.data[*at + 2]);
    *at += 3;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

int route_name_decode(struct slice text, uint8_t name_r[ROUTE_NAME_MAX])
{
    int len = 0;

    for (size_t at = 0; at < text.len;) {
        int byte = route_next_byte(text, &at);

        if (byte < 0 || !document_name_has_byte((uint8_t)byte) || len == ROUTE_NAME_MAX)
            return -1;
        name_r[len++] = (uint8_t)byte;
    }
    return len > 0 ? len : -1;
}

static bool starts_with(struct slice text, const char *prefix)
{
    size_t len = strlen(prefix);

    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static bool decode_into(struct slice text, uint8_t *name_r, uint8_t *len_r)
{
    int len = route_name_decode(text, name_r);

    *len_r = len < 0 ? 0 : (uint8_t)len;
    return len > 0 && !name_is_dots((struct slice){name_r, (size_t)len});
}

void route_parse(struct slice path, struct route *route_r)
{
    struct slice rest;
    const uint8_t *slash;

    route_r->kind = STATS_ROUTE_OTHER;
    route_r->is_description = false;
    route_r->names_valid = route_r->ends_in_slash = false;
    route_r->collection_len = route_r->id_len = 0;
    if (path.len == 3 && starts_with(path, "/v1")) {
        route_r->kind = STATS_ROUTE_COLLECTIONS;
        return;
    }
    if (!starts_with(path, "/v1/")) {
        route_r->is_description = path.len == 13 && starts_with(path, "/openapi.json");
        return;
    }
    rest = (struct slice){path.data + 4, path.len - 4};
    route_r->ends_in_slash = path.data[path.len - 1] == '/';
    slash = memchr(rest.data, '/', rest.len);
    if (slash == NULL) {
        route_r->kind = STATS_ROUTE_COLLECTION;
        route_r->names_valid =
            decode_into(rest, route_r->collection, &route_r->collection_len);
        return;
    }
    route_r->kind = STATS_ROUTE_DOCUMENT;
    route_r->names_valid =
        decode_into((struct slice){rest.data, (size_t)(slash - rest.data)},
                    route_r->collection, &route_r->collection_len) &&
        decode_into((struct slice){slash + 1, rest.len - (size_t)(slash - rest.data) - 1},
                    route_r->id, &route_r->id_len);
}

struct slice route_collection(const struct route *route)
{
    assert(route->names_valid);
    return (struct slice){route->collection, route->collection_len};
}

struct slice route_id(const struct route *route)
{
    assert(route->names_valid && route->kind == STATS_ROUTE_DOCUMENT);
    return (struct slice){route->id, route->id_len};
}
