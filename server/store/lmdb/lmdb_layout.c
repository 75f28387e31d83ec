#include "server/store/lmdb/lmdb_layout.h"

#include <assert.h>
#include <string.h>

#include "server/store/little_endian.h"
#include "server/store/store_backend.h"

size_t layout_put_key(uint8_t key[LAYOUT_KEY_MAX], struct store_key name)
{
    size_t len = name.collection.len;

    assert(len > 0 && len <= STORE_NAME_MAX && name.id.len <= STORE_NAME_MAX);
    memcpy(key, name.collection.data, len);
    key[len++] = 0;
    if (name.id.len > 0)
        memcpy(key + len, name.id.data, name.id.len);
    return len + name.id.len;
}

int layout_read_key(struct slice key, struct store_key *name_r)
{
    const uint8_t *zero = key.len ? memchr(key.data, 0, key.len) : NULL;
    size_t before = zero != NULL ? (size_t)(zero - key.data) : 0;

    if (zero == NULL)
        return -1;
    name_r->collection = (struct slice){key.data, before};
    name_r->id = (struct slice){zero + 1, key.len - before - 1};
    return store_backend_name_is_sound(name_r->collection) &&
                   store_backend_name_is_sound(name_r->id)
               ? 0
               : -1;
}

bool layout_key_is_in(struct slice key, struct slice collection)
{
    return key.len > collection.len && key.data[collection.len] == 0 &&
           memcmp(key.data, collection.data, collection.len) == 0;
}

void layout_put_head(uint8_t head[LAYOUT_HEAD_BYTES], enum store_format format,
                     uint64_t version)
{
    assert(format == STORE_MSGPACK || format == STORE_JSON);
    memset(head, 0, LAYOUT_HEAD_BYTES);
    head[0] = (uint8_t)format;
    head[1] = LAYOUT_VALUE;
    le_put(head + 8, 8, version);
}

int layout_read_value(struct slice value, struct layout_value *value_r)
{
    static const uint8_t zeros[6];

    if (value.len < LAYOUT_HEAD_BYTES || value.data[1] != LAYOUT_VALUE)
        return -1;
    if (value.data[0] != STORE_MSGPACK && value.data[0] != STORE_JSON)
        return -1;
    if (memcmp(value.data + 2, zeros, sizeof zeros) != 0)
        return -1;
    value_r->format = (enum store_format)value.data[0];
    value_r->version = le_get(value.data + 8, 8);
    value_r->bytes =
        (struct slice){value.data + LAYOUT_HEAD_BYTES, value.len - LAYOUT_HEAD_BYTES};
    return 0;
}

void layout_put_meta(uint8_t meta[LAYOUT_META_BYTES])
{
    memcpy(meta, LAYOUT_MAGIC, 8);
    le_put(meta + 8, 4, LAYOUT_VERSION);
}

int64_t layout_read_meta(struct slice meta)
{
    if (meta.len != LAYOUT_META_BYTES || memcmp(meta.data, LAYOUT_MAGIC, 8) != 0)
        return -1;
    return (int64_t)le_get(meta.data + 8, 4);
}

int layout_read_number(struct slice record, uint64_t *number_r)
{
    if (record.len != LAYOUT_COUNT_BYTES)
        return -1;
    *number_r = le_get(record.data, LAYOUT_COUNT_BYTES);
    return 0;
}
