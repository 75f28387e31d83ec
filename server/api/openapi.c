/* GET /openapi.json: what the API is, for programs (OpenAPI 3.1). */
#include "server/api/exchange_kinds.h"

#include "common/base/embed.h"

EMBED(openapi_text, "server/api/openapi.json");

static void start(struct exchange *e)
{
    size_t len = (size_t)(openapi_text_end - openapi_text);
    struct buf headers = BUF_INIT;
    struct http_reply reply = {.status = 200};

    reply.content_type = exchange_media(e);
    reply.body = blob_new_copy(openapi_text, len);
    exchange_put_vary(e, &headers);
    exchange_put_common(e, &headers);
    reply.headers = buf_slice(&headers);
    http_reply(e->x, &reply);
    buf_free(&headers);
    blob_unref(&reply.body);
}

const struct exchange_kind *openapi_kind(void)
{
    static const struct exchange_kind kind = {.size = sizeof(struct exchange),
                                              .start = start};

    return &kind;
}
