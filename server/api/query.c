#include "server/api/query.h"

#include <string.h>

#include "server/api/fields_text.h"

static int limit_parse(struct slice text, uint64_t *limit_r)
{
    uint64_t limit = 0;

    if (text.len == 0)
        return -1;
    for (size_t at = 0; at < text.len;) {
        int digit = route_next_byte(text, &at);

        if (digit < '0' || digit > '9' || __builtin_mul_overflow(limit, 10, &limit) ||
            __builtin_add_overflow(limit, (uint64_t)(digit - '0'), &limit))
            return -1;
    }
    *limit_r = limit;
    return limit > 0 ? 0 : -1;
}

/* True where the bytes, percent-decoded, are the text. */
static bool named(struct slice bytes, const char *text)
{
    size_t at = 0;

    while (at < bytes.len && *text != '\0')
        if (route_next_byte(bytes, &at) != *text++)
            return false;
    return at == bytes.len && *text == '\0';
}

static const char *take_fields(struct slice sent, struct query *query)
{
    const char *fault;

    query->fields = query->fields_sent = sent;
    if (memchr(sent.data, '%', sent.len) == NULL &&
        memchr(sent.data, '/', sent.len) == NULL)
        return NULL;
    fault = fields_text_read(sent, &query->fields_text);
    query->fields = buf_slice(&query->fields_text);
    return fault;
}

/* Takes one parameter into *query; see query_parse(). */
static const char *take_parameter(struct slice name, struct slice value,
                                  struct query *query)
{
    if (named(name, "pretty")) {
        query->pretty = !named(value, "0") && !named(value, "false");
    } else if (named(name, "fields") && query->fields.len == 0) {
        if (value.len == 0 || value.len > FIELDS_TEXT_MAX)
            return "fields are names divided by , and . of 8128 bytes at most";
        return take_fields(value, query);
    } else if (named(name, "limit") && !query->has_limit) {
        query->has_limit = true;
        if (limit_parse(value, &query->limit) != 0)
            return "limit must be a whole number from 1 to 18446744073709551615; leave "
                   "it "
                   "out for all documents";
    } else if (named(name, "after") && query->after_len == 0 && value.len > 0) {
        int len = route_name_decode(value, query->after);

        if (len < 0)
            return "after must be a document's id";
        query->after_len = (uint8_t)len;
    }
    return NULL;
}

const char *query_parse(struct slice text, struct query *query_r)
{
    const char *fault = NULL;

    *query_r = (struct query){.limit = UINT64_MAX};
    while (text.len > 0 && fault == NULL) {
        const uint8_t *end = memchr(text.data, '&', text.len);
        size_t len = end ? (size_t)(end - text.data) : text.len;
        const uint8_t *equal = memchr(text.data, '=', len);
        size_t name_len = equal ? (size_t)(equal - text.data) : len;
        struct slice value = {text.data + len, 0};

        if (equal)
            value = (struct slice){equal + 1, len - name_len - 1};
        fault = take_parameter((struct slice){text.data, name_len}, value, query_r);
        len = end ? len + 1 : len;
        text.data += len;
        text.len -= len;
    }
    return fault;
}

void query_free(struct query *query)
{
    buf_free(&query->fields_text);
}
