#include "server/api/route.h"

#include <assert.h>
#include <string.h>

#include "common/base/document_name.h"
#include "common/base/text.h"

int route_next_byte(struct slice text, size_t *at)
{
    size_t digits;

    assert(*at < text.len);
    if (text.data[*at] != '%')
        return text.data[(*at)++];
    if (text.len - *at < 3)
        return -1;
    digits = *at + 1;
    *at += 3;
    return hex_byte_value(text.data[digits], text.data[digits + 1]);
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
    if (slice_is(path, "/v1")) {
        route_r->kind = STATS_ROUTE_COLLECTIONS;
        return;
    }
    if (!slice_starts_with(path, "/v1/")) {
        route_r->is_description = slice_is(path, "/openapi.json");
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
