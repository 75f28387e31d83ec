#include "tests/simulation/clients/sim_document.h"

#include <string.h>

#include "common/base/text.h"

bool sim_document_is(const struct sim_document *a, const struct sim_document *b)
{
    return a->written == b->written && a->patched == b->patched &&
           a->padding == b->padding;
}

static char letter(const struct sim_document *document)
{
    return (char)('a' + document->written % 26);
}

static void put_padding(const struct sim_document *document, struct buf *out)
{
    memset(buf_reserve(out, document->padding + 1), letter(document), document->padding);
    out->len += document->padding;
}

static void put_text(const struct sim_document *document, const char *before,
                     const char *between, const char *colon, const char *after,
                     struct buf *out)
{
    buf_printf(out, "{%s\"w\"%s%u,%s\"pad\"%s\"", before, colon, document->written,
               between, colon);
    put_padding(document, out);
    buf_append_str(out, "\"");
    if (document->patched != 0)
        buf_printf(out, ",%s\"m\"%s%u", between, colon, document->patched);
    buf_printf(out, "%s}", after);
}

void sim_document_put_json(const struct sim_document *document, struct buf *out)
{
    put_text(document, "", "", ":", "", out);
}

void sim_document_put_pretty(const struct sim_document *document, struct buf *out)
{
    put_text(document, "\n  ", "\n  ", ": ", "\n", out);
}

static void put_uint(unsigned number, struct buf *out)
{
    const uint8_t bytes[] = {0xcd, (uint8_t)(number >> 8), (uint8_t)number};

    if (number < 128)
        buf_append(out, bytes + 2, 1);
    else if (number < 256)
        buf_append(out, (const uint8_t[]){0xcc, (uint8_t)number}, 2);
    else
        buf_append(out, bytes, 3);
}

static void put_string_head(unsigned len, struct buf *out)
{
    const uint8_t head[] = {0xdb, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                            (uint8_t)(len >> 8), (uint8_t)len};

    if (len < 32)
        buf_append(out, (const uint8_t[]){(uint8_t)(0xa0 | len)}, 1);
    else if (len < 256)
        buf_append(out, (const uint8_t[]){0xd9, (uint8_t)len}, 2);
    else if (len < 65536)
        buf_append(out, (const uint8_t[]){0xda, head[3], head[4]}, 3);
    else
        buf_append(out, head, 5);
}

void sim_document_put_msgpack(const struct sim_document *document, struct buf *out)
{
    buf_append(out, document->patched != 0 ? "\x83" : "\x82", 1);
    buf_append_str(out, "\xa1w");
    put_uint(document->written, out);
    buf_append_str(out, "\xa3pad");
    put_string_head(document->padding, out);
    put_padding(document, out);
    if (document->patched != 0) {
        buf_append_str(out, "\xa1m");
        put_uint(document->patched, out);
    }
}

/* ---- reading ---- */

bool sim_slice_is(struct slice bytes, struct slice others)
{
    return bytes.len == others.len &&
           (bytes.len == 0 || memcmp(bytes.data, others.data, bytes.len) == 0);
}

bool sim_slice_take(struct slice *from, const char *text)
{
    size_t len = strlen(text);

    if (from->len < len || memcmp(from->data, text, len) != 0)
        return false;
    *from = (struct slice){from->data + len, from->len - len};
    return true;
}

static bool take_number(struct slice *from, unsigned *number_r)
{
    size_t at = 0;

    *number_r = 0;
    for (; at < from->len && at < 7 && from->data[at] >= '0' && from->data[at] <= '9';
         at++)
        *number_r = *number_r * 10 + (unsigned)(from->data[at] - '0');
    *from = (struct slice){from->data + at, from->len - at};
    return at > 0;
}

static void take_padding(struct slice *from, struct sim_document *document)
{
    size_t at = 0;

    while (at < from->len && from->data[at] == (uint8_t)letter(document))
        at++;
    document->padding = (unsigned)at;
    *from = (struct slice){from->data + at, from->len - at};
}

int sim_document_take_json(struct slice *text, struct sim_document *document_r)
{
    struct slice at = *text;

    document_r->patched = 0;
    if (!sim_slice_take(&at, "{\"w\":") || !take_number(&at, &document_r->written) ||
        !sim_slice_take(&at, ",\"pad\":\""))
        return -1;
    take_padding(&at, document_r);
    if (!sim_slice_take(&at, "\"") ||
        (sim_slice_take(&at, ",\"m\":") && !take_number(&at, &document_r->patched)) ||
        !sim_slice_take(&at, "}"))
        return -1;
    *text = at;
    return 0;
}

static bool take_uint(struct slice *from, unsigned *number_r)
{
    size_t bytes;

    if (from->len == 0)
        return false;
    bytes = from->data[0] == 0xcc ? 2 : from->data[0] == 0xcd ? 3 : 1;
    if (from->len < bytes || (bytes == 1 && from->data[0] >= 128))
        return false;
    *number_r = bytes == 1 ? from->data[0] : 0;
    for (size_t i = 1; i < bytes; i++)
        *number_r = *number_r << 8 | from->data[i];
    *from = (struct slice){from->data + bytes, from->len - bytes};
    return true;
}

/* The length in the head is not read: the document is printed again and compared. */
int sim_document_take_msgpack(struct slice *bytes, struct sim_document *document_r)
{
    struct slice at = *bytes;
    struct buf again = BUF_INIT;
    bool has_patch = at.len > 0 && at.data[0] == 0x83, is_same;
    size_t head;

    document_r->patched = 0;
    if (at.len < 9 || (at.data[0] != 0x82 && !has_patch))
        return -1;
    at = (struct slice){at.data + 1, at.len - 1};
    if (!sim_slice_take(&at, "\xa1w") || !take_uint(&at, &document_r->written) ||
        !sim_slice_take(&at, "\xa3pad") || at.len == 0)
        return -1;
    head = at.data[0] == 0xd9 ? 2 : at.data[0] == 0xda ? 3 : at.data[0] == 0xdb ? 5 : 1;
    if (at.len < head)
        return -1;
    at = (struct slice){at.data + head, at.len - head};
    take_padding(&at, document_r);
    if (has_patch &&
        (!sim_slice_take(&at, "\xa1m") || !take_uint(&at, &document_r->patched)))
        return -1;
    sim_document_put_msgpack(document_r, &again);
    is_same =
        sim_slice_is((struct slice){bytes->data, bytes->len - at.len}, buf_slice(&again));
    buf_free(&again);
    *bytes = at;
    return is_same ? 0 : -1;
}
