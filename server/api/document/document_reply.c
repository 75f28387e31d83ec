#include "server/api/document/document_reply.h"

#include "common/codec/coding/coding.h"
#include "server/api/programs/program.h"

/* True where the reply shows what a program makes of the document. */
static bool is_made(const struct exchange *e)
{
    return e->program != NULL && http_request(e->x)->method != HTTP_PATCH;
}

bool document_reply_plan(const struct exchange *e, enum store_format format,
                         struct slice stored, struct codec_call *call_r)
{
    bool json = e->type != NEGOTIATE_MSGPACK;
    bool changes = e->query.fields.len > 0 || is_made(e);

    *call_r = (struct codec_call){.op = CODEC_OP_ENCODE,
                                  .format = exchange_codec_format(format),
                                  .fields = e->query.fields,
                                  .in = stored};
    if (is_made(e)) {
        program_put_call(e, call_r);
        call_r->one = e->type != NEGOTIATE_NDJSON;
    }
    if (e->type == NEGOTIATE_NDJSON)
        return true; /* results are lines, sent as a stream */
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

/* A newline ends each line, the last one too. */
static void send_lines(struct exchange *e, const struct http_reply *reply)
{
    struct blob *newline = blob_new_copy("\n", 1);

    http_reply_begin(e->x, reply);
    (void)http_reply_chunk(e->x, reply->body, reply->body->bytes);
    (void)http_reply_chunk(e->x, newline, newline->bytes);
    http_reply_end(e->x);
    blob_unref(&newline);
}

void document_reply_send(struct exchange *e, uint64_t version, struct blob *body)
{
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200, .body = body};
    enum codec_coding coding = coding_of(body->bytes);

    reply.content_type = exchange_media(e);
    exchange_put_etag(e, &headers, version, coding);
    exchange_put_coding(&headers, coding);
    if (http_header(e->x, "range").data != NULL)
        buf_append_str(&headers, "Accept-Ranges: none\r\n");
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    if (is_made(e) && body->bytes.len == 0) {
        reply.status = 204;
        reply.body = NULL;
        reply.content_type = NULL;
    }
    if (reply.body != NULL && e->type == NEGOTIATE_NDJSON)
        send_lines(e, &reply);
    else
        http_reply(e->x, &reply);
    buf_free(&headers);
}
