#include "server/http/parser/http_body.h"

#include <assert.h>
#include <string.h>

#include "common/base/text.h"
#include "server/http/parser/http_chars.h"

#define SIZE_DIGITS_MAX 16

void http_body_init(struct http_body *body, int64_t length)
{
    assert(length >= -1);
    *body = (struct http_body){.state = HTTP_BODY_SIZE};
    if (length >= 0) {
        body->left = (uint64_t)length;
        body->state = length > 0 ? HTTP_BODY_COUNTED : HTTP_BODY_END;
    }
}

uint64_t http_body_left(const struct http_body *body)
{
    bool data = body->state == HTTP_BODY_COUNTED || body->state == HTTP_BODY_CHUNK;

    return data ? body->left : 0;
}

static void refuse(struct http_body *body, int status, const char *reason)
{
    body->state = HTTP_BODY_ERROR;
    body->status = status;
    body->reason = reason;
}

static void read_size(struct http_body *body, uint8_t byte)
{
    int digit = hex_digit_value(byte);

    if (digit >= 0) {
        if (body->digits == SIZE_DIGITS_MAX) {
            refuse(body, 400, "a chunk's size has more than 16 digits");
            return;
        }
        body->left = body->left << 4 | (uint64_t)digit;
        body->digits++;
    } else if (body->digits == 0) {
        refuse(body, 400, "a chunk's size is not a hex number");
    } else if (byte == '\r') {
        body->state = HTTP_BODY_SIZE_LF;
    } else if (byte == ';') {
        body->state = HTTP_BODY_EXTENSION;
        body->digits = 0;
    } else {
        refuse(body, 400, "a chunk's size is not a hex number");
    }
}

/* Reads the byte after the name or the value of an extension. */
static void end_extension(struct http_body *body, uint8_t byte)
{
    if (byte == '\r')
        body->state = HTTP_BODY_SIZE_LF;
    else if (byte == ';')
        body->state = HTTP_BODY_EXTENSION;
    else
        refuse(body, 400, "a chunk extension is malformed");
    body->digits = 0;
}

static void read_quoted(struct http_body *body, uint8_t byte)
{
    if (!(http_char_classes(byte) & HTTP_CHAR_VALUE))
        refuse(body, 400, "a chunk extension is malformed");
    else if (body->state == HTTP_BODY_ESCAPED)
        body->state = HTTP_BODY_QUOTED;
    else if (byte == '\\')
        body->state = HTTP_BODY_ESCAPED;
    else if (byte == '"')
        body->state = HTTP_BODY_QUOTED_END;
}

/* `*( ";" name [ "=" ( token / quoted-string ) ] )`, without the white space that RFC
   9112 section 7.1.1 calls bad. */
static void read_extension(struct http_body *body, uint8_t byte)
{
    bool token = http_char_classes(byte) & HTTP_CHAR_TOKEN;

    if (++body->extension_bytes > HTTP_BODY_EXTENSIONS_MAX) {
        refuse(body, 400, "too many chunk extensions");
    } else if (body->state == HTTP_BODY_QUOTED || body->state == HTTP_BODY_ESCAPED) {
        read_quoted(body, byte);
    } else if (body->state == HTTP_BODY_VALUE_START) {
        if (byte == '"')
            body->state = HTTP_BODY_QUOTED;
        else if (token)
            body->state = HTTP_BODY_VALUE;
        else
            refuse(body, 400, "a chunk extension is malformed");
    } else if (token && body->state != HTTP_BODY_QUOTED_END) {
        body->digits++;
    } else if (body->state == HTTP_BODY_EXTENSION && body->digits == 0) {
        refuse(body, 400, "a chunk extension is malformed");
    } else if (body->state == HTTP_BODY_EXTENSION && byte == '=') {
        body->state = HTTP_BODY_VALUE_START;
    } else {
        end_extension(body, byte);
    }
}

/* A size line is complete: data follows, or after the last chunk the trailers. */
static void end_size(struct http_body *body)
{
    if (body->left > INT64_MAX)
        refuse(body, 413, "a chunk is beyond all limits");
    else
        body->state = body->left > 0 ? HTTP_BODY_CHUNK : HTTP_BODY_TRAILER;
}

/* Fields that frame a message must not stand in its trailers (RFC 9110 section 6.5.1). */
static bool name_forbidden(const struct http_body *body)
{
    static const char *const names[] = {"content-length", "transfer-encoding", "host"};
    const struct slice name = {(const uint8_t *)body->name, body->name_len};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (slice_is(name, names[i]))
            return true;
    }
    return false;
}

static void read_trailer_name(struct http_body *body, uint8_t byte)
{
    if (body->state == HTTP_BODY_TRAILER) {
        body->name_len = 0;
        body->state = HTTP_BODY_TRAILER_NAME;
    }
    if (http_char_classes(byte) & HTTP_CHAR_TOKEN) {
        if (body->name_len < HTTP_BODY_NAME_MAX)
            body->name[body->name_len++] = (char)http_char_lower(byte);
    } else if (byte != ':' || body->name_len == 0) {
        refuse(body, 400, "a trailer line has no valid name");
    } else if (name_forbidden(body)) {
        refuse(body, 400, "a trailer line has a name that belongs in the head");
    } else {
        body->state = HTTP_BODY_TRAILER_VALUE;
    }
}

static void read_trailer(struct http_body *body, uint8_t byte)
{
    if (++body->trailer_bytes > HTTP_BODY_TRAILERS_MAX)
        refuse(body, 431, "the trailers are too long");
    else if (body->state == HTTP_BODY_TRAILER && byte == '\r')
        body->state = HTTP_BODY_LAST_LF;
    else if (body->state != HTTP_BODY_TRAILER_VALUE)
        read_trailer_name(body, byte);
    else if (byte == '\r')
        body->state = HTTP_BODY_TRAILER_LF;
    else if (!(http_char_classes(byte) & HTTP_CHAR_VALUE))
        refuse(body, 400, "a control character in a trailer line");
}

/* Only this byte may come now; `next` is the state after it. */
static void expect(struct http_body *body, uint8_t byte, uint8_t wanted,
                   enum http_body_state next)
{
    if (byte != wanted)
        refuse(body, 400, "a line of the chunked body does not end in CRLF");
    else
        body->state = next;
}

/* Reads one byte of the framing around the data. */
static void read_byte(struct http_body *body, uint8_t byte)
{
    switch (body->state) {
    case HTTP_BODY_SIZE: read_size(body, byte); break;
    case HTTP_BODY_EXTENSION:
    case HTTP_BODY_VALUE_START:
    case HTTP_BODY_VALUE:
    case HTTP_BODY_QUOTED:
    case HTTP_BODY_ESCAPED:
    case HTTP_BODY_QUOTED_END: read_extension(body, byte); break;
    case HTTP_BODY_SIZE_LF:
        expect(body, byte, '\n', HTTP_BODY_CHUNK);
        if (body->state == HTTP_BODY_CHUNK)
            end_size(body);
        break;
    case HTTP_BODY_CHUNK_CR: expect(body, byte, '\r', HTTP_BODY_CHUNK_LF); break;
    case HTTP_BODY_CHUNK_LF:
        expect(body, byte, '\n', HTTP_BODY_SIZE);
        body->digits = 0;
        break;
    case HTTP_BODY_TRAILER:
    case HTTP_BODY_TRAILER_NAME:
    case HTTP_BODY_TRAILER_VALUE: read_trailer(body, byte); break;
    case HTTP_BODY_TRAILER_LF: expect(body, byte, '\n', HTTP_BODY_TRAILER); break;
    case HTTP_BODY_LAST_LF: expect(body, byte, '\n', HTTP_BODY_END); break;
    case HTTP_BODY_COUNTED:
    case HTTP_BODY_CHUNK:
    case HTTP_BODY_END:
    case HTTP_BODY_ERROR: assert(!"no byte of the framing"); break;
    }
}

/* Takes as much of the data as the input has. */
static struct slice take_data(struct http_body *body, const uint8_t *bytes, size_t len)
{
    size_t take = body->left < len ? (size_t)body->left : len;

    body->left -= take;
    if (body->left == 0)
        body->state =
            body->state == HTTP_BODY_COUNTED ? HTTP_BODY_END : HTTP_BODY_CHUNK_CR;
    return (struct slice){bytes, take};
}

enum http_body_result http_body_next(struct http_body *body, const uint8_t *bytes,
                                     size_t len, size_t *used_r, struct slice *data_r)
{
    size_t at = 0;

    *data_r = (struct slice){NULL, 0};
    for (;;) {
        *used_r = at;
        if (body->state == HTTP_BODY_END)
            return HTTP_BODY_DONE;
        if (body->state == HTTP_BODY_ERROR)
            return HTTP_BODY_BAD;
        if (at == len)
            return HTTP_BODY_MORE;
        if (body->state == HTTP_BODY_COUNTED || body->state == HTTP_BODY_CHUNK) {
            *data_r = take_data(body, bytes + at, len - at);
            *used_r = at + data_r->len;
            return HTTP_BODY_DATA;
        }
        read_byte(body, bytes[at++]);
    }
}
