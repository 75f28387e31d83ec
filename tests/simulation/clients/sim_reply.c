#include "tests/simulation/clients/sim_reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The end of the head, behind its empty line; 0 where it is not there. */
static size_t head_end(const struct buf *bytes)
{
    const uint8_t *end =
        bytes->len == 0 ? NULL : memmem(bytes->data, bytes->len, "\r\n\r\n", 4);

    return end == NULL ? 0 : (size_t)(end - bytes->data) + 4;
}

/* Copies the value of a field of the head; false where there is none. */
static bool field(const struct buf *bytes, size_t head, const char *name, char *value_r,
                  size_t most)
{
    size_t name_len = strlen(name);

    for (size_t at = 0; at + name_len + 2 < head;) {
        const uint8_t *line = bytes->data + at, *end = memchr(line, '\n', head - at);
        size_t len = (size_t)(end - line);

        if (len > name_len + 1 && line[name_len] == ':' &&
            strncasecmp((const char *)line, name, name_len) == 0) {
            len -= name_len + 2;
            snprintf(value_r, most, "%.*s", (int)(len > 0 ? len - 1 : 0),
                     (const char *)line + name_len + 2);
            return true;
        }
        at += len + 1;
    }
    return false;
}

/* The chunks from `at` on, into the body; where they end, 0 where they do not yet. */
static size_t take_chunks(const struct buf *bytes, size_t at, struct buf *body,
                          bool *is_bad_r)
{
    for (;;) {
        size_t left = bytes->len - at, len;
        const uint8_t *line = bytes->data + at;
        const uint8_t *end = left == 0 ? NULL : memmem(line, left, "\r\n", 2);
        char *after, digits[16];

        if (end == NULL)
            return 0;
        snprintf(digits, sizeof digits, "%.*s", (int)(end - line), (const char *)line);
        len = strtoul(digits, &after, 16);
        *is_bad_r |= after == digits || *after != '\0';
        at = (size_t)(end - bytes->data) + 2;
        if (*is_bad_r || bytes->len < at + len + 2)
            return 0;
        buf_append(body, bytes->data + at, len);
        at += len;
        *is_bad_r |= memcmp(bytes->data + at, "\r\n", 2) != 0;
        at += 2;
        if (len == 0)
            return at;
    }
}

static void read_head(const struct buf *bytes, size_t head, struct sim_reply *reply)
{
    char value[256];

    reply->status = atoi((const char *)bytes->data + 9);
    reply->closes = field(bytes, head, "connection", value, sizeof value) &&
                    strcasecmp(value, "close") == 0;
    if (field(bytes, head, "etag", value, sizeof value))
        reply->version = strtoull(value + 1, NULL, 10);
    (void)field(bytes, head, "location", reply->location, sizeof reply->location);
}

enum sim_reply_end sim_reply_take(struct buf *bytes, bool to_head,
                                  struct sim_reply *reply_r)
{
    size_t head = head_end(bytes), end = head;
    char value[64];
    bool is_bad = false;

    *reply_r = (struct sim_reply){.status = 0};
    if (head == 0)
        return SIM_REPLY_MORE;
    if (head < 16 || memcmp(bytes->data, "HTTP/1.1 ", 9) != 0)
        return SIM_REPLY_BAD;
    read_head(bytes, head, reply_r);
    if (to_head || reply_r->status == 204 || reply_r->status == 304)
        ;
    else if (field(bytes, head, "transfer-encoding", value, sizeof value)) {
        end = take_chunks(bytes, head, &reply_r->body, &is_bad);
    } else if (field(bytes, head, "content-length", value, sizeof value)) {
        size_t len = strtoul(value, NULL, 10);

        end = bytes->len - head < len ? 0 : head + len;
        if (end > 0)
            buf_append(&reply_r->body, bytes->data + head, len);
    } else {
        is_bad = true;
    }
    if (end > 0)
        buf_consume(bytes, end);
    else
        buf_free(&reply_r->body);
    return is_bad ? SIM_REPLY_BAD : end > 0 ? SIM_REPLY_WHOLE : SIM_REPLY_MORE;
}
