#include "common/codec/operations/bulk.h"

#include <assert.h>

#include "common/codec/msgpack/pack.h"

static uint32_t read_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

int bulk_read(struct slice *rest, struct bulk_record *record_r)
{
    const uint8_t *p = rest->data;
    size_t id_len, document_len = 0;
    uint32_t number;

    if (rest->len < BULK_HEAD_BYTES || p[0] >= CODEC_STATUSES)
        return -1;
    number = read_be32(p + 2);
    id_len = p[1];
    *record_r = (struct bulk_record){.status = (enum codec_status)p[0]};
    if (record_r->status == CODEC_OK)
        document_len = number;
    else
        record_r->offset = number;
    /* A document has an id and at least one byte; other records have neither. */
    if ((id_len > 0) != (document_len > 0) ||
        document_len > rest->len - BULK_HEAD_BYTES ||
        id_len > rest->len - BULK_HEAD_BYTES - document_len)
        return -1;
    record_r->id = (struct slice){p + BULK_HEAD_BYTES, id_len};
    record_r->document = (struct slice){p + BULK_HEAD_BYTES + id_len, document_len};
    if (id_len > 0 && !document_name_is_valid(record_r->id))
        return -1;
    rest->data += BULK_HEAD_BYTES + id_len + document_len;
    rest->len -= BULK_HEAD_BYTES + id_len + document_len;
    return 0;
}

void bulk_write_head(const struct bulk_record *record, uint8_t head_r[BULK_HEAD_BYTES])
{
    bool ok = record->status == CODEC_OK;

    assert(record->id.len <= DOCUMENT_NAME_MAX_BYTES &&
           record->document.len <= UINT32_MAX);
    assert(ok || record->id.len == 0);
    head_r[0] = (uint8_t)record->status;
    head_r[1] = (uint8_t)record->id.len;
    pack_be32(head_r + 2, ok ? (uint32_t)record->document.len : record->offset);
}

bool bulk_is_blank(struct slice line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] != ' ' && line.data[i] != '\t' && line.data[i] != '\r')
            return false;
    return true;
}
