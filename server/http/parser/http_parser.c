#include "server/http/parser/http_parser.h"

#include <assert.h>
#include <string.h>

#include "server/http/parser/http_chars.h"
#include "server/http/parser/http_framing.h"
#include "server/http/parser/http_target.h"

/* "HTTP/1.1" */
#define VERSION_BYTES 8

enum scan {
    SCAN_MORE, /* no line end yet */
    SCAN_LINE, /* parser->scanned is the line's length without its CRLF */
    SCAN_LONG, /* over the line's limit */
    SCAN_BAD   /* a byte that no line may hold */
};

void http_parser_init(struct http_parser *parser, const struct http_parser_limits *limits)
{
    memset(parser, 0, offsetof(struct http_parser, fields));
    parser->limits = *limits;
    assert(limits->head_bytes < UINT32_MAX);
}

enum http_parser_result http_parser_refuse(struct http_parser *parser, int status,
                                           const char *reason)
{
    parser->state = HTTP_PARSER_ERROR;
    parser->status = status;
    parser->reason = reason;
    return HTTP_PARSER_BAD;
}

bool http_parser_begun(const struct http_parser *parser)
{
    return parser->state > HTTP_PARSER_REQUEST || parser->scanned > 0;
}

bool http_parser_persistent(const struct http_parser *parser)
{
    if (parser->connection_close)
        return false;
    return parser->minor > 0 || parser->connection_keep_alive;
}

/* Looks for the current line's end from where the last look ended. Every byte is judged
   in order, so that the verdict comes with the first bad one. */
static enum scan scan_line(struct http_parser *parser, const uint8_t *bytes, size_t len,
                           size_t limit)
{
    const uint8_t *line = bytes + parser->line;
    size_t have = len - parser->line, at = parser->scanned;

    while (at < have && at < limit && http_char_classes(line[at]) & HTTP_CHAR_VALUE)
        at++;
    parser->scanned = (uint32_t)at;
    if (at >= limit)
        return SCAN_LONG;
    if (at == have)
        return SCAN_MORE;
    if (line[at] != '\r')
        return SCAN_BAD;
    if (at + 1 == have)
        return SCAN_MORE;
    return line[at + 1] == '\n' ? SCAN_LINE : SCAN_BAD;
}

static void next_line(struct http_parser *parser)
{
    parser->line += parser->scanned + 2;
    parser->scanned = 0;
}

static enum http_method method_of(const uint8_t *bytes, size_t len)
{
    static const struct {
        const char *text;
        enum http_method method;
    } methods[] = {{"GET", HTTP_GET},        {"HEAD", HTTP_HEAD},
                   {"PUT", HTTP_PUT},        {"POST", HTTP_POST},
                   {"PATCH", HTTP_PATCH},    {"DELETE", HTTP_DELETE},
                   {"OPTIONS", HTTP_OPTIONS}};

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strlen(methods[i].text) == len && memcmp(methods[i].text, bytes, len) == 0)
            return methods[i].method;
    }
    return HTTP_OTHER;
}

static enum http_parser_result read_method(struct http_parser *parser,
                                           const uint8_t *bytes, size_t len)
{
    const uint8_t *line = bytes + parser->line, *space = memchr(line, ' ', len);
    size_t method = space ? (size_t)(space - line) : 0;

    if (method == 0 || method > HTTP_PARSER_METHOD_MAX ||
        !http_chars_all(line, method, HTTP_CHAR_TOKEN))
        return http_parser_refuse(parser, 400, "the request line is malformed");
    parser->method_text = (struct http_span){parser->line, (uint32_t)method};
    parser->method = method_of(line, method);
    if (method == 7 && memcmp(line, "CONNECT", 7) == 0)
        return http_parser_refuse(parser, 400, "this is no proxy");
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_version(struct http_parser *parser,
                                            const uint8_t *text)
{
    if (memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
        text[6] != '.' || text[7] < '0' || text[7] > '9')
        return http_parser_refuse(parser, 400, "the HTTP version is malformed");
    if (text[5] != '1')
        return http_parser_refuse(parser, 505, "the server speaks only HTTP/1.x");
    parser->minor = text[7] == '0' ? 0 : 1;
    return HTTP_PARSER_MORE;
}

/* Method SP target SP version: the target is what stands between the first space and the
   fixed-length version, and may hold no space itself (its characters are checked). */
static enum http_parser_result read_request_line(struct http_parser *parser,
                                                 const uint8_t *bytes, size_t len)
{
    size_t target_at, target_end;
    const char *why;

    if (read_method(parser, bytes, len) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    target_at = parser->method_text.len + 1;
    if (len < target_at + 1 + 1 + VERSION_BYTES)
        return http_parser_refuse(parser, 400, "the request line is malformed");
    target_end = len - VERSION_BYTES - 1;
    if (bytes[parser->line + target_end] != ' ')
        return http_parser_refuse(parser, 400, "the request line is malformed");
    if (target_end - target_at > parser->limits.target_bytes)
        return http_parser_refuse(parser, 414, "the target is too long");
    if (read_version(parser, bytes + parser->line + target_end + 1) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    parser->target = (struct http_span){parser->line + (uint32_t)target_at,
                                        (uint32_t)(target_end - target_at)};
    why = http_target_split(parser, bytes);
    if (why != NULL)
        return http_parser_refuse(parser, 400, why);
    return HTTP_PARSER_MORE;
}

/* A request line over the limit: by its target where a method stands before it. */
static enum http_parser_result refuse_long_request(struct http_parser *parser,
                                                   const uint8_t *bytes)
{
    if (read_method(parser, bytes, parser->scanned) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    return http_parser_refuse(parser, 414, "the target is too long");
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static enum http_parser_result read_field(struct http_parser *parser,
                                          const uint8_t *bytes, size_t len)
{
    const uint8_t *line = bytes + parser->line, *colon = memchr(line, ':', len);
    size_t name = colon ? (size_t)(colon - line) : 0, at = name + 1;
    struct http_field *field;

    if (is_blank(line[0]))
        return http_parser_refuse(parser, 400, "a header line starts with white space");
    if (name == 0 || !http_chars_all(line, name, HTTP_CHAR_TOKEN))
        return http_parser_refuse(parser, 400, "a header line has no valid name");
    if (parser->field_count == HTTP_PARSER_FIELDS_MAX)
        return http_parser_refuse(parser, 431, "too many header lines");
    while (at < len && is_blank(line[at]))
        at++;
    while (len > at && is_blank(line[len - 1]))
        len--;
    field = &parser->fields[parser->field_count++];
    field->name = (struct http_span){parser->line, (uint32_t)name};
    field->value = (struct http_span){parser->line + (uint32_t)at, (uint32_t)(len - at)};
    return http_framing_field(parser, bytes, field);
}

/* One whole line, by the state. */
static enum http_parser_result read_line(struct http_parser *parser, const uint8_t *bytes)
{
    size_t len = parser->scanned;

    if (parser->state == HTTP_PARSER_BLANK) {
        parser->state = HTTP_PARSER_REQUEST;
        if (len == 0)
            return HTTP_PARSER_MORE;
    }
    if (parser->state == HTTP_PARSER_REQUEST) {
        parser->state = HTTP_PARSER_FIELDS;
        return read_request_line(parser, bytes, len);
    }
    if (len > 0)
        return read_field(parser, bytes, len);
    if (http_framing_finish(parser) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    parser->state = HTTP_PARSER_END;
    parser->head_bytes = parser->line + 2;
    return HTTP_PARSER_DONE;
}

/* How long the current line may be without its end. */
static size_t line_limit(const struct http_parser *parser)
{
    size_t left = parser->limits.head_bytes > parser->line
                      ? parser->limits.head_bytes - parser->line
                      : 0;
    size_t request =
        parser->limits.target_bytes + HTTP_PARSER_METHOD_MAX + VERSION_BYTES + 3;

    return parser->state < HTTP_PARSER_FIELDS && request < left ? request : left;
}

enum http_parser_result http_parser_run(struct http_parser *parser, const uint8_t *bytes,
                                        size_t len)
{
    enum http_parser_result result = HTTP_PARSER_MORE;

    assert(parser->state < HTTP_PARSER_END);
    assert(len >= parser->line + parser->scanned);
    while (result == HTTP_PARSER_MORE) {
        switch (scan_line(parser, bytes, len, line_limit(parser))) {
        case SCAN_MORE: return HTTP_PARSER_MORE;
        case SCAN_BAD:
            return http_parser_refuse(parser, 400, "a control character in the head");
        case SCAN_LONG:
            if (parser->state < HTTP_PARSER_FIELDS)
                return refuse_long_request(parser, bytes);
            return http_parser_refuse(parser, 431, "the head is too long");
        case SCAN_LINE: result = read_line(parser, bytes); break;
        }
        if (result == HTTP_PARSER_MORE)
            next_line(parser);
    }
    return result;
}
