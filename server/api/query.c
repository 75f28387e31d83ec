#include "server/api/query.h"

#include <stdio.h>
#include <string.h>

#include "common/codec/operations/fields.h"
#include "server/api/fields_text.h"

/* What is shown of a name that is not known. */
#define UNKNOWN_MAX 64

static const char fields_fault[] =
    "fields must be names separated by , and . (at most 8128 bytes and 1024 names)";

static const struct {
    const char *name;
    unsigned scopes;
    const char *twice; /* the text of that fault */
} parameters[] = {
#define X(id, text, where) \
    [QUERY_##id] = {text, where, text " is given twice: give it once"},
    QUERY_PARAMETER_MAP(X)
#undef X
};

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
    const char *fault = NULL;

    query->fields = query->fields_sent = sent;
    if (memchr(sent.data, '%', sent.len) != NULL ||
        memchr(sent.data, '/', sent.len) != NULL) {
        fault = fields_text_read(sent, &query->fields_text);
        query->fields = buf_slice(&query->fields_text);
    }
    if (fault == NULL && fields_check(query->fields) != 0)
        fault = fields_fault;
    return fault;
}

static const char *take_limit(struct slice value, struct query *query)
{
    query->has_limit = true;
    if (limit_parse(value, &query->limit) == 0)
        return NULL;
    return "limit must be a whole number from 1 to 18446744073709551615; leave it out "
           "for "
           "all documents";
}

static const char *take_after(struct slice value, struct query *query)
{
    int len = value.len > 0 ? route_name_decode(value, query->after) : 0;

    if (len < 0)
        return "after must be a document's id";
    query->after_len = (uint8_t)len;
    return NULL;
}

/* Takes the value of a parameter; see query_parse(). */
static const char *take_parameter(enum query_parameter parameter, struct slice value,
                                  struct query *query)
{
    bool on = !named(value, "0") && !named(value, "false");

    switch (parameter) {
    case QUERY_AFTER: return take_after(value, query);
    case QUERY_FIELDS:
        if (value.len == 0 || value.len > FIELDS_TEXT_MAX)
            return fields_fault;
        return take_fields(value, query);
    case QUERY_IDS: query->ids = on; return NULL;
    case QUERY_SCAN: query->scan = on; return NULL;
    case QUERY_JQ: query->jq = value; return NULL;
    case QUERY_VIEW: query->view = value; return NULL;
    case QUERY_LIMIT: return take_limit(value, query);
    case QUERY_PRETTY: query->pretty = on; return NULL;
    default: return NULL;
    }
}

static enum query_parameter find_parameter(struct slice name)
{
    unsigned parameter = 0;

    while (parameter < QUERY_PARAMETERS && !named(name, parameters[parameter].name))
        parameter++;
    return (enum query_parameter)parameter;
}

/* Takes what stands before the next '&' off, and divides it at its first '='. */
static struct slice next_part(struct slice *rest, struct slice *name_r,
                              struct slice *value_r)
{
    const uint8_t *end = memchr(rest->data, '&', rest->len);
    struct slice part = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
    const uint8_t *equal = memchr(part.data, '=', part.len);
    size_t taken = end ? part.len + 1 : part.len;

    *name_r = (struct slice){part.data, equal ? (size_t)(equal - part.data) : part.len};
    *value_r = (struct slice){part.data + part.len, 0};
    if (equal != NULL)
        *value_r = (struct slice){equal + 1, part.len - name_r->len - 1};
    rest->data += taken;
    rest->len -= taken;
    return part;
}

/* Takes "arg." off a name; false where it does not begin so. */
static bool take_argument_mark(struct slice *name)
{
    size_t at = 0;

    for (const char *mark = QUERY_ARGUMENT; *mark != '\0'; mark++)
        if (at >= name->len || route_next_byte(*name, &at) != *mark)
            return false;
    name->data += at;
    name->len -= at;
    return true;
}

bool query_next_argument(struct slice *rest, struct slice *name_r, struct slice *value_r)
{
    while (rest->len > 0) {
        (void)next_part(rest, name_r, value_r);
        if (take_argument_mark(name_r))
            return true;
    }
    return false;
}

/* Takes one parameter of the table. */
static const char *take_known(enum query_parameter parameter, struct slice value,
                              enum query_scope scope, struct query *query, unsigned *seen)
{
    bool first = (*seen & 1u << parameter) == 0;

    *seen |= 1u << parameter;
    if ((parameters[parameter].scopes & scope) == 0)
        return NULL;
    return first ? take_parameter(parameter, value, query) : parameters[parameter].twice;
}

/* Takes one parameter. */
static const char *take_part(struct slice name, struct slice value,
                             enum query_scope scope, struct query *query, unsigned *seen)
{
    enum query_parameter parameter = find_parameter(name);

    if (parameter < QUERY_PARAMETERS)
        return take_known(parameter, value, scope, query, seen);
    if (scope != QUERY_OF_COLLECTION ||
        (name.len > 0 && route_next_byte(name, &(size_t){0}) == '_') ||
        take_argument_mark(&name))
        return NULL;
    query->unknown = name;
    return "a parameter is not known";
}

const char *query_parse(struct slice text, enum query_scope scope, struct query *query_r)
{
    const char *fault = NULL;
    unsigned seen = 0;

    *query_r = (struct query){.limit = UINT64_MAX};
    while (text.len > 0 && fault == NULL) {
        struct slice name, value;

        if (next_part(&text, &name, &value).len > 0)
            fault = take_part(name, value, scope, query_r, &seen);
    }
    return fault;
}

void query_print_unknown(const struct query *query, char detail_r[QUERY_DETAIL_MAX])
{
    int shown = query->unknown.len < UNKNOWN_MAX ? (int)query->unknown.len : UNKNOWN_MAX;
    size_t at = (size_t)snprintf(detail_r, QUERY_DETAIL_MAX,
                                 "a collection has no parameter \"%.*s\"; it has", shown,
                                 (const char *)query->unknown.data);

    for (unsigned i = 0; i < QUERY_PARAMETERS; i++)
        if (parameters[i].scopes & QUERY_OF_COLLECTION)
            at += (size_t)snprintf(detail_r + at, QUERY_DETAIL_MAX - at, " %s,",
                                   parameters[i].name);
    snprintf(
        detail_r + at, QUERY_DETAIL_MAX - at,
        " arg.NAME; filter with ?jq=select(...); names that begin with _ are ignored");
}

void query_free(struct query *query)
{
    buf_free(&query->fields_text);
}
