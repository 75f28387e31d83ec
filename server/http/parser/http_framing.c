#include "server/http/parser/http_framing.h"

#include <assert.h>

#include "server/http/parser/http_chars.h"
#include "server/http/parser/http_target.h"

static enum http_parser_result read_host(struct http_parser *parser, struct slice value)
{
    if (parser->host_seen)
        return http_parser_refuse(parser, 400, "more than one Host");
    if (!http_target_host_valid(value.data, value.len))
        return http_parser_refuse(parser, 400, "Host is malformed");
    parser->host_seen = true;
    parser->host_empty = value.len == 0;
    return HTTP_PARSER_MORE;
}

static enum http_parser_result read_length(struct http_parser *parser, struct slice value)
{
    int64_t length = 0;

    if (parser->length_seen)
        return http_parser_refuse(parser, 400, "more than one Content-Length");
    if (value.len == 0)
        return http_parser_refuse(parser, 400, "Content-Length is empty");
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return http_parser_refuse(parser, 400, "Content-Length is not a number");
    }
    for (size_t i = 0; i < value.len; i++) {
        if (length > (INT64_MAX - 9) / 10)
            return http_parser_refuse(parser, 413, "Content-Length is beyond all limits");
        length = length * 10 + (value.data[i] - '0');
    }
    parser->length_seen = true;
    parser->length = length;
    return HTTP_PARSER_MORE;
}

/* The next element of a comma-separated list, without white space around it; false at
   its end. Empty elements are elements here. */
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

/* The white space between a value and its line's end, which the value is without. */
static bool has_tab_behind(struct slice value)
{
    const uint8_t *at = value.data + value.len;

    while (*at == ' ')
        at++;
    return *at == '\t';
}

/* Counts the codings; which of them are allowed is known at the head's end. */
static enum http_parser_result read_codings(struct http_parser *parser,
                                            struct slice value)
{
    struct slice coding;

    parser->coding_seen = true;
    /* white space by the letter; but there are parsers that take "chunked" with a tab
       behind it for another coding, and the body for none */
    if (has_tab_behind(value))
        return http_parser_refuse(parser, 400, "Transfer-Encoding has a tab behind it");
    while (list_next(&value, &coding)) {
        if (coding.len == 0 || !http_chars_all(coding.data, coding.len, HTTP_CHAR_TOKEN))
            return http_parser_refuse(parser, 400, "Transfer-Encoding is malformed");
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

enum http_parser_result http_framing_field(struct http_parser *parser,
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
        return http_parser_refuse(parser, 400,
                                  "Content-Length and Transfer-Encoding together");
    if (parser->minor == 0)
        return http_parser_refuse(parser, 400, "Transfer-Encoding in HTTP/1.0");
    if (parser->codings_chunked > 1 ||
        (parser->codings_chunked == 1 && !parser->coding_last_chunked))
        return http_parser_refuse(parser, 400, "chunked is not the last coding, once");
    if (parser->codings_other > 0)
        return http_parser_refuse(parser, 501,
                                  "the only Transfer-Encoding supported is chunked");
    assert(parser->codings_chunked == 1);
    parser->length = -1;
    return HTTP_PARSER_DONE;
}

enum http_parser_result http_framing_finish(struct http_parser *parser)
{
    if (!parser->host_seen && parser->minor > 0)
        return http_parser_refuse(parser, 400, "Host is missing");
    /* A target in origin-form leaves the authority to Host; http allows no empty one (RFC
       9110 section 4.2.1). */
    if (parser->host_empty && parser->form == HTTP_TARGET_ORIGIN)
        return http_parser_refuse(parser, 400, "Host is empty");
    if (parser->coding_seen && finish_codings(parser) == HTTP_PARSER_BAD)
        return HTTP_PARSER_BAD;
    if (parser->minor == 0) /* RFC 9110 section 10.1.1 */
        parser->expect_continue = parser->expect_other = false;
    if (parser->expect_other)
        return http_parser_refuse(parser, 417,
                                  "the only Expect supported is 100-continue");
    return HTTP_PARSER_DONE;
}
