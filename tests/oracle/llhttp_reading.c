#include "tests/oracle/llhttp_reading.h"

#include <string.h>

#include <llhttp.h>

static int on_url(llhttp_t *parser, const char *at, size_t len)
{
    buf_append(&((struct reading *)parser->data)->target, at, len);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len)
{
    struct reading *reading = parser->data;

    if (!reading->head_over)
        buf_append(&reading->fields, at, len);
    return 0;
}

static int on_field_over(llhttp_t *parser)
{
    return on_field(parser, ":", 1);
}

/* llhttp leaves the white space behind a value where it is. */
static int on_value_over(llhttp_t *parser)
{
    struct buf *fields = &((struct reading *)parser->data)->fields;

    while (!((struct reading *)parser->data)->head_over && fields->len > 0 &&
           strchr(" \t", fields->data[fields->len - 1]) != NULL)
        fields->len--;
    return on_field(parser, "\n", 1);
}

static int on_head(llhttp_t *parser)
{
    ((struct reading *)parser->data)->head_over = true;
    return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    buf_append(&((struct reading *)parser->data)->body, at, len);
    return 0;
}

static int on_over(llhttp_t *parser)
{
    ((struct reading *)parser->data)->over = true;
    return 0;
}

enum llhttp_verdict llhttp_read(const uint8_t *bytes, size_t len, struct reading *reading,
                                const char **why_r)
{
    llhttp_settings_t settings;
    llhttp_errno_t error;
    llhttp_t parser;

    llhttp_settings_init(&settings);
    settings.on_url = on_url;
    settings.on_header_field = on_field;
    settings.on_header_field_complete = on_field_over;
    settings.on_header_value = on_field;
    settings.on_header_value_complete = on_value_over;
    settings.on_headers_complete = on_head;
    settings.on_body = on_body;
    settings.on_message_complete = on_over;
    llhttp_init(&parser, HTTP_REQUEST, &settings);
    parser.data = reading;
    error = llhttp_execute(&parser, (const char *)bytes, len);
    *why_r = llhttp_errno_name(error);
    switch (error) {
    case HPE_OK:
    case HPE_PAUSED_UPGRADE: /* before another protocol; we stay with HTTP/1.1 */
        return LLHTTP_ACCEPTS;
    case HPE_INVALID_METHOD: return LLHTTP_REFUSES_METHOD;
    case HPE_INVALID_VERSION: return LLHTTP_REFUSES_VERSION;
#if LLHTTP_VERSION_MAJOR < 9
    case HPE_STRICT:
    case HPE_INVALID_CHUNK_SIZE: return LLHTTP_REFUSES_CHUNK;
#endif
    default: return LLHTTP_REFUSES;
    }
}

void reading_free(struct reading *reading)
{
    buf_free(&reading->target);
    buf_free(&reading->fields);
    buf_free(&reading->body);
}
