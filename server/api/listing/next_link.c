#include "server/api/listing/next_link.h"

/* Appends what came in a query; what would end the link is encoded. */
static void put_sent(struct buf *headers, const char *name, struct slice value)
{
    if (value.data == NULL)
        return;
    buf_append_str(headers, name);
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] > ' ' && value.data[i] < 0x7f && value.data[i] != '<' &&
            value.data[i] != '>' && value.data[i] != '"')
            buf_append(headers, &value.data[i], 1);
        else
            buf_printf(headers, "%%%02X", value.data[i]);
}

/* The request's program with its arguments. */
static void put_program(const struct exchange *e, struct buf *headers)
{
    struct slice rest = http_request(e->x)->query, name, value;

    put_sent(headers, "&jq=", e->query.jq);
    put_sent(headers, "&view=", e->query.view);
    while (e->program != NULL && query_next_argument(&rest, &name, &value)) {
        put_sent(headers, "&" QUERY_ARGUMENT, name);
        put_sent(headers, "=", value);
    }
}

void next_link_put(const struct exchange *e, struct slice last_id, struct buf *headers)
{
    buf_append_str(headers, "Link: <");
    exchange_put_path(e, headers);
    buf_printf(headers, "?limit=%llu&after=%.*s", (unsigned long long)e->query.limit,
               (int)last_id.len, (const char *)last_id.data);
    buf_append_str(headers, e->query.pretty ? "&pretty" : "");
    buf_append_str(headers, e->query.ids ? "&ids" : "");
    put_program(e, headers);
    if (e->query.fields_sent.len > 0) {
        buf_append_str(headers, "&fields=");
        buf_append(headers, e->query.fields_sent.data, e->query.fields_sent.len);
    }
    buf_append_str(headers, ">; rel=\"next\"\r\n");
}
