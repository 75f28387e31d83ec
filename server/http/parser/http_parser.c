#include "server/http/parser/http_parser.h"

#include <assert.h>
#include <string.h>

#include "common/base/text.h"
#include "server/http/parser/http_chars.h"
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

static enum http_parser_result refuse(struct http_parser *parser, int status,
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

/* ---- the fields that frame a request: Host, Content-Length, Transfer-Encoding,
   Connection and Expect (RFC 9112 sections 3.2, 6, 9; RFC 9110 section 10.1.1) ---- */

static enum http_parser_result read_host(struct http_parser *parser, struct slice value)
{
    if (parser->host_seen)
        return refuse(parser, 400, "more than one Host");
    if (!http_target_host_valid(value.data, value.len))
        return refuse(parser, 400, "Host is malformed");
    parser->host_seen = true;
    parser->host_empty = value.len == 0;
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_length(struct http_parser *parser, struct slice value)
{
    int64_t length = 0;

    if (parser->length_seen)
        return refuse(parser, 400, "more than one Content-Length");
    if (value.len == 0)
        return refuse(parser, 400, "Content-Length is empty");
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return refuse(parser, 400, "Content-Length is not a number");
    }
    for (size_t i = 0; i < value.len; i++) {
        if (length > (INT64_MAX - 9) / 10)
            return refuse(parser, 413, "Content-Length is beyond all limits");
        length = length * 10 + (value.data[i] - '0');
    }
    parser->length_seen = true;
    parser->length = length;
    return HTTP_PARSER_MORE;
}

/* The next element of a comma-separated list, without white space around it; false at the
   end of the list. Empty elements count. */
static bool list_next(struct slice *rest, struct slice *element_r)
{
    size_t len = 0;
    const uint8_t *at = rest->data;

    if (at == NULL)
        return false;
    while (len < rest->len && at[len] != ',')
        len++;
    *rest = len < rest->len ? (struct slice){at + len + 1, rest->len - len - 1}
                            : (struct slice){NULL, 0};
    while (len > 0 && (at[0] == ' ' || at[0] == '\t'))
        at++, len--;
    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    *element_r = (struct slice){at, len};
    return true;
}

/* True for a tab in the white space between a value and the end of its line. */
static bool has_tab_after(struct slice value)
{
    const uint8_t *at = value.data + value.len;

    while (*at == ' ')
        at++;
    return *at == '\t';
}

/* Counts the codings. Whether they are allowed is decided at the end of the head. */
static enum http_parser_result read_codings(struct http_parser *parser,
                                            struct slice value)
{
    struct slice coding;

    parser->coding_seen = true;
    /* The grammar allows it, but some parsers take "chunked" with a tab after it for
       another coding, and then see no body. */
    if (has_tab_after(value))
        return refuse(parser, 400, "Transfer-Encoding has a tab after it");
    while (list_next(&value, &coding)) {
        if (coding.len == 0 || !http_chars_all(coding.data, coding.len, HTTP_CHAR_TOKEN))
            return refuse(parser, 400, "Transfer-Encoding is malformed");
        parser->coding_last_chunked =
            http_chars_equal(coding.data, coding.len, "chunked");
        if (parser->coding_last_chunked)
            parser->codings_chunked++;
        else
            parser->codings_other++;
    }
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_connection(struct http_parser *parser,
                                               struct slice value)
{
    struct slice option;

    while (list_next(&value, &option)) {
        if (http_chars_equal(option.data, option.len, "close"))
            parser->connection_close = true;
        else if (http_chars_equal(option.data, option.len, "keep-alive"))
            parser->connection_keep_alive = true;
    }
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_expect(struct http_parser *parser, struct slice value)
{
    struct slice expectation;

    while (list_next(&value, &expectation)) {
        if (http_chars_equal(expectation.data, expectation.len, "100-continue"))
            parser->expect_continue = true;
        else if (expectation.len > 0) /* RFC 9110 section 5.6.1.2 */
            parser->expect_other = true;
    }
    return HTTP_PARSER_MORE;
}

/* Reads a header line where it says something about framing. Returns
   HTTP_PARSER_MORE, or HTTP_PARSER_BAD with the verdict in the parser. */
static enum http_parser_result read_framing(struct http_parser *parser,
                                            const uint8_t *bytes,
                                            const struct http_field *field)
{
    static const struct {
        const char *name;
        enum http_parser_result (*read)(struct http_parser *, struct slice);
    } fields[] = {
        {"host", read_host},
        {"content-length", read_length},
        {"transfer-encoding", read_codings},
        {"connection", read_connection},
        {"expect", read_expect},
    };
    struct slice value = {bytes + field->value.at, field->value.len};

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (http_chars_equal(bytes + field->name.at, field->name.len, fields[i].name))
            return fields[i].read(parser, value);
    }
    return HTTP_PARSER_MORE;
}

static enum http_parser_result finish_codings(struct http_parser *parser)
{
    if (parser->length_seen)
        return refuse(parser, 400, "Content-Length and Transfer-Encoding together");
    if (parser->minor == 0)
        return refuse(parser, 400, "Transfer-Encoding in HTTP/1.0");
    if (parser->codings_chunked > 1 ||
        (parser->codings_chunked == 1 && !parser->coding_last_chunked))
        return refuse(parser, 400, "chunked is not the last coding, once");
    if (parser->codings_other > 0)
        return refuse(parser, 501, "the only Transfer-Encoding supported is chunked");
    assert(parser->codings_chunked == 1);
    parser->length = -1;
    return HTTP_PARSER_DONE;
}

/* The verdict on all of those lines together, at the end of the head. Returns
   HTTP_PARSER_DONE with parser->length set, or HTTP_PARSER_BAD. */
static enum http_parser_result finish_framing(struct http_parser *parser)
{
    if (!parser->host_seen && parser->minor > 0)
        return refuse(parser, 400, "Host is missing");
    /* A target in origin-form leaves the authority to Host; http allows no empty one (RFC
       9110 section 4.2.1). */
    if (parser->host_empty && parser->form == HTTP_TARGET_ORIGIN)
        return refuse(parser, 400, "Host is empty");
    if (parser->coding_seen && finish_codings(parser) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    if (parser->minor == 0) /* RFC 9110 section 10.1.1 */
        parser->expect_continue = parser->expect_other = false;
    if (parser->expect_other)
        return refuse(parser, 417, "the only Expect supported is 100-continue");
    return HTTP_PARSER_DONE;
}

/* ---- lines ---- */

/* Looks for the end of the current line from where the last look ended. It checks the
   bytes in order, so that the first bad byte decides. */
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
        if (slice_is((struct slice){bytes, len}, methods[i].text))
            return methods[i].method;
    }
    return HTTP_OTHER;
}

static enum http_parser_result read_method(struct http_parser *parser,
                                           const uint8_t *bytes, size_t len)
{
    const uint8_t *line = bytes + parser->line, *space = memchr(line, ' ', len);
    size_t method = space != NULL ? (size_t)(space - line) : 0;

    if (method == 0 || method > HTTP_PARSER_METHOD_MAX ||
        !http_chars_all(line, method, HTTP_CHAR_TOKEN))
        return refuse(parser, 400, "the request line is malformed");
    parser->method_text = (struct http_span){parser->line, (uint32_t)method};
    parser->method = method_of(line, method);
    if (method == 7 && memcmp(line, "CONNECT", 7) == 0)
        return refuse(parser, 400, "this is no proxy");
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_version(struct http_parser *parser,
                                            const uint8_t *text)
{
    if (memcmp(text, "HTTP/", 5) != 0 || text[5] < '0' || text[5] > '9' ||
        text[6] != '.' || text[7] < '0' || text[7] > '9')
        return refuse(parser, 400, "the HTTP version is malformed");
    if (text[5] != '1')
        return refuse(parser, 505, "the server speaks only HTTP/1.x");
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
        return refuse(parser, 400, "the request line is malformed");
    target_end = len - VERSION_BYTES - 1;
    if (bytes[parser->line + target_end] != ' ')
        return refuse(parser, 400, "the request line is malformed");
    if (target_end - target_at > parser->limits.target_bytes)
        return refuse(parser, 414, "the target is too long");
    if (read_version(parser, bytes + parser->line + target_end + 1) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    parser->target = (struct http_span){parser->line + (uint32_t)target_at,
                                        (uint32_t)(target_end - target_at)};
    why = http_target_split(parser, bytes);
    if (why != NULL)
        return refuse(parser, 400, why);
    return HTTP_PARSER_MORE;
}

/* Refuses a request line over the limit: 414 where it has a method. */
static enum http_parser_result refuse_long_request(struct http_parser *parser,
                                                   const uint8_t *bytes)
{
    if (read_method(parser, bytes, parser->scanned) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    return refuse(parser, 414, "the target is too long");
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

static enum http_parser_result read_field(struct http_parser *parser,
                                          const uint8_t *bytes, size_t len)
{
    const uint8_t *line = bytes + parser->line, *colon = memchr(line, ':', len);
    size_t name = colon != NULL ? (size_t)(colon - line) : 0, at = name + 1;
    struct http_field *field;

    if (is_blank(line[0]))
        return refuse(parser, 400, "a header line starts with white space");
    if (name == 0 || !http_chars_all(line, name, HTTP_CHAR_TOKEN))
        return refuse(parser, 400, "a header line has no valid name");
    if (parser->field_count == HTTP_PARSER_FIELDS_MAX)
        return refuse(parser, 431, "too many header lines");
    while (at < len && is_blank(line[at]))
        at++;
    while (len > at && is_blank(line[len - 1]))
        len--;
    field = &parser->fields[parser->field_count++];
    field->name = (struct http_span){parser->line, (uint32_t)name};
    field->value = (struct http_span){parser->line + (uint32_t)at, (uint32_t)(len - at)};
    return read_framing(parser, bytes, field);
}

/* Reads one whole line, by the state. */
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
    if (finish_framing(parser) == HTTP_PARSER_BAD)
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
        case SCAN_BAD: return refuse(parser, 400, "a control character in the head");
        case SCAN_LONG:
            if (parser->state < HTTP_PARSER_FIELDS)
                return refuse_long_request(parser, bytes);
            return refuse(parser, 431, "the head is too long");
        case SCAN_LINE: result = read_line(parser, bytes); break;
        }
        if (result == HTTP_PARSER_MORE)
            next_line(parser);
    }
    return result;
}
