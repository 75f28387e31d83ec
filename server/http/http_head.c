#include "server/http/http_head.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const char *http_reason(int status)
{
    switch (status) {
#define CASE(code, reason) \
    case code: return reason;
        HTTP_STATUSES(CASE)
#undef CASE
    default: assert(!"a status that is not in the table"); return "";
    }
}

bool http_head_bodiless(int status)
{
    return status < 200 || status == 204 || status == 304;
}

void http_head_date(char text_r[static HTTP_DATE_BYTES], time_t when)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    int wrote;

    gmtime_r(&when, &tm);
    wrote = snprintf(text_r, HTTP_DATE_BYTES, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
                     days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100,
                     months + 3 * tm.tm_mon, ((unsigned)tm.tm_year + 1900) % 10000,
                     (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
                     (unsigned)tm.tm_sec % 100);
    assert(wrote == HTTP_DATE_BYTES - 1);
}

static void write_line(struct buf *out, const char *name, const char *value)
{
    buf_append_str(out, name);
    buf_append_str(out, value);
    buf_append(out, "\r\n", 2);
}

static void write_delimiter(struct buf *out, const struct http_head *head)
{
    char digits[24];

    if (head->delimiter == HTTP_DELIMITER_CHUNKED) {
        write_line(out, "Transfer-Encoding: ", "chunked");
    } else if (head->delimiter == HTTP_DELIMITER_LENGTH) {
        snprintf(digits, sizeof digits, "%" PRIu64, head->length);
        write_line(out, "Content-Length: ", digits);
    }
}

/* Keep-Alive is for the next hop only, so Connection has to name it (RFC 9110 section
   7.6.1). Clients and proxies that read it expect both. */
static void write_persistence(struct buf *out, const struct http_head *head)
{
    if (head->persistence == HTTP_PERSIST_CLOSE)
        write_line(out, "Connection: ", "close");
    else if (head->persistence == HTTP_PERSIST_TOLD)
        write_line(out, "Connection: ", "keep-alive");
    if (head->persistence == HTTP_PERSIST_TOLD && head->keep_alive_s > 0)
        buf_printf(out, "Keep-Alive: timeout=%u\r\n", head->keep_alive_s);
}

void http_head_write(struct buf *out, const struct http_head *head)
{
    char code[16];

    assert(head->headers.len == 0 ||
           (head->headers.len >= 2 &&
            memcmp(head->headers.data + head->headers.len - 2, "\r\n", 2) == 0));
    buf_reserve(out, 256 + head->headers.len);
    snprintf(code, sizeof code, "%d ", head->status);
    buf_append_str(out, "HTTP/1.1 ");
    write_line(out, code, http_reason(head->status));
    if (head->date != NULL)
        write_line(out, "Date: ", head->date);
    if (head->content_type != NULL)
        write_line(out, "Content-Type: ", head->content_type);
    write_delimiter(out, head);
    write_persistence(out, head);
    buf_append(out, head->headers.data, head->headers.len);
    buf_append(out, "\r\n", 2);
}

/* The length of the UTF-8 sequence of several bytes that begins there; 0 for none. What
   the codec's room knows of it is not this room's. */
static size_t sequence_length(const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t len = at[0] >= 0xc2 && at[0] < 0xe0   ? 2
                 : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                                                 : 4;

    if (at[0] < 0xc2 || at[0] > 0xf4 || (at[0] == 0xe0 && at[1] < 0xa0) ||
        (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

/* A JSON string of the text. */
static void write_string(struct buf *out, const char *text)
{
    buf_append(out, "\"", 1);
    while (*text != '\0') {
        size_t len = sequence_length(text);
        char byte = *text;

        if (byte == '"' || byte == '\\')
            buf_append(out, "\\", 1);
        else if (len == 0 && (byte < 0x20 || byte > 0x7e))
            byte = '?';
        if (len > 0)
            buf_append(out, text, len);
        else
            buf_append(out, &byte, 1);
        text += len > 0 ? len : 1;
    }
    buf_append(out, "\"", 1);
}

void http_head_problem(struct buf *out, int status, const char *detail, int64_t offset)
{
    buf_append_str(out, "{\"type\":\"about:blank\",\"title\":");
    write_string(out, http_reason(status));
    buf_printf(out, ",\"status\":%d,\"detail\":", status);
    write_string(out, detail != NULL ? detail : http_reason(status));
    if (offset >= 0)
        buf_printf(out, ",\"offset\":%" PRId64, offset);
    buf_append_str(out, "}\n");
}

size_t http_head_refusal(struct buf *out, int status, const char *reason,
                         const char *date, bool is_head)
{
    static const char retry[] = "Retry-After: 1\r\n";
    struct http_head head = {.status = status,
                             .content_type = "application/problem+json",
                             .date = date,
                             .delimiter = HTTP_DELIMITER_LENGTH,
                             .persistence = HTTP_PERSIST_CLOSE};
    struct buf problem = BUF_INIT;

    if (status == 503)
        head.headers = (struct slice){(const uint8_t *)retry, sizeof retry - 1};
    http_head_problem(&problem, status, reason, -1);
    head.length = problem.len;
    http_head_write(out, &head);
    if (!is_head)
        buf_append(out, problem.data, problem.len);
    buf_free(&problem);
    return head.length;
}
