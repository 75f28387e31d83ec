#include "server/api/document/document_reply.h"

#include "common/codec/coding/coding.h"

bool document_reply_plan(const struct exchange *e, enum store_format format,
                         struct slice stored, struct codec_call *call_r)
{
    bool json = e->type == NEGOTIATE_JSON, changes = e->query.fields.len > 0;

    *call_r = (struct codec_call){.op = CODEC_OP_ENCODE,
                                  .format = exchange_codec_format(format),
                                  .fields = e->query.fields,
                                  .in = stored};
    if (json) {
        call_r->pretty = e->query.pretty;
        changes = changes || call_r->pretty || format == STORE_MSGPACK;
        /* Small text that is sent as it is needs no job to find that out. */
        if (changes || stored.len > CODEC_CODED_MIN_BYTES)
            call_r->coding = e->coding;
        return changes || call_r->coding != CODING_NONE;
    }
    if (changes) {
        call_r->op = CODEC_OP_PROJECT;
        return true;
    }
    call_r->op = CODEC_OP_DECODE;
    call_r->format = CODEC_FORMAT_MSGPACK; /* of no stored document: the input is text */
    return format == STORE_JSON;
}

void document_reply_send(struct exchange *e, uint64_t version, struct blob *body)
{
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200, .body = body};
    enum codec_coding coding = coding_of(body->bytes);

    reply.content_type = exchange_media(e);
    exchange_put_etag(&headers, version, e->type, coding);
    exchange_put_coding(&headers, coding);
    if (http_header(e->x, "range").data != NULL)
        buf_append_str(&headers, "Accept-Ranges: none\r\n");
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
}
