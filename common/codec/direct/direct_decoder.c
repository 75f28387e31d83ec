#include "common/codec/direct/direct_decoder.h"

#include <assert.h>

const uint8_t *direct_fail(struct direct_decoder *d, enum codec_status status,
                           const uint8_t *at)
{
    assert(at <= d->end);
    d->status = engine_fail(d->job, status, (size_t)(at - d->job->in.data));
    return NULL;
}

const uint8_t *direct_fail_at_byte(struct direct_decoder *d, enum codec_status status,
                                   const uint8_t *at)
{
    return direct_fail(d, at == d->end ? CODEC_TRUNCATED : status, at);
}

int direct_grow(struct direct_decoder *d, size_t extra)
{
    struct buf *out = d->job->out;
    uint8_t *end;

    if (d->out != NULL)
        out->len = (size_t)(d->out - out->data);
    d->status = engine_make_room(d->job, extra, &end);
    if (d->status != CODEC_OK)
        return -1;
    d->out = out->data + out->len;
    d->limit = end - DIRECT_SPACE_BYTES;
    return 0;
}
