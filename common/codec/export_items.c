#include "common/codec/export_items.h"

#include <assert.h>
#include <string.h>

#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"

static enum codec_status put(struct engine_job *job, const void *bytes, size_t len)
{
    enum codec_status status = engine_reserve(job, len);

    if (status != CODEC_OK)
        return status;
    memcpy(job->out->data + job->out->len, bytes, len);
    job->out->len += len;
    return CODEC_OK;
}

enum codec_status export_items_next_name(struct engine_job *job, struct slice *names,
                                         struct slice *name_r)
{
    const uint8_t *end = names->len > 0 ? memchr(names->data, '\n', names->len) : NULL;

    if (end == NULL)
        return engine_fail(job, CODEC_NAME, CODEC_NO_OFFSET);
    *name_r = (struct slice){names->data, (size_t)(end - names->data)};
    names->data = end + 1;
    names->len -= name_r->len + 1;
    return document_name_is_valid(*name_r)
               ? CODEC_OK
               : engine_fail(job, CODEC_NAME, CODEC_NO_OFFSET);
}

enum codec_status export_items_open(struct engine_job *job, struct slice name)
{
    static const char before[] = "{\"id\":\"", between[] = "\",\"document\":";
    uint8_t text[sizeof before + DOCUMENT_NAME_MAX_BYTES + sizeof between], *at = text;

    assert(name.len <= DOCUMENT_NAME_MAX_BYTES);
    at = pack_bytes(at, (const uint8_t *)before, sizeof before - 1);
    at = pack_bytes(at, name.data, name.len);
    at = pack_bytes(at, (const uint8_t *)between, sizeof between - 1);
    return put(job, text, (size_t)(at - text));
}

enum codec_status export_items_close(struct engine_job *job)
{
    return put(job, "}", 1);
}

/* The end of the value at job->in.data + at. */
static enum codec_status find_end(struct engine_job *job, size_t at, size_t *end_r)
{
    struct cursor cursor;

    cursor_init(&cursor, job->in, at);
    do {
        if (cursor_next(&cursor) == CURSOR_FAULT)
            return engine_fail(job, cursor.status, cursor.fault_at);
    } while (cursor.depth > 0);
    *end_r = (size_t)(cursor.at - job->in.data);
    return CODEC_OK;
}

/* Appends the MessagePack before a document: the head of a map of two members, the first
   member, and the name of the second one. */
static enum codec_status put_map(struct engine_job *job, struct slice name)
{
    static const uint8_t before[] = {0x82, 0xa2, 'i', 'd'};
    static const uint8_t between[] = {0xa8, 'd', 'o', 'c', 'u', 'm', 'e', 'n', 't'};
    uint8_t bytes[sizeof before + 2 + DOCUMENT_NAME_MAX_BYTES + sizeof between],
        *at = bytes;

    assert(name.len <= DOCUMENT_NAME_MAX_BYTES);
    at = pack_bytes(at, before, sizeof before);
    if (name.len > 31)
        *at++ = 0xd9; /* a string of up to 255 bytes */
    *at++ = (uint8_t)(name.len > 31 ? name.len : 0xa0 + name.len);
    at = pack_bytes(at, name.data, name.len);
    at = pack_bytes(at, between, sizeof between);
    return put(job, bytes, (size_t)(at - bytes));
}

enum codec_status export_items_pack(struct engine_job *job, struct slice names)
{
    enum codec_status status = CODEC_OK;
    struct slice name;
    size_t at = 0, end;

    while (status == CODEC_OK && at < job->in.len) {
        status = export_items_next_name(job, &names, &name);
        if (status == CODEC_OK)
            status = find_end(job, at, &end);
        if (status == CODEC_OK)
            status = put_map(job, name);
        if (status == CODEC_OK)
            status = put(job, job->in.data + at, end - at);
        at = status == CODEC_OK ? end : at;
    }
    return status;
}
