#include "common/codec/msgpack/validate.h"

#include "common/codec/msgpack/cursor.h"

enum codec_status validate_value(struct slice in, uint64_t *offset_r)
{
    struct cursor cursor;

    cursor_init(&cursor, in, 0);
    do {
        if (cursor_next(&cursor) == CURSOR_FAULT) {
            *offset_r = cursor.fault_at;
            return cursor.status;
        }
    } while (cursor.depth > 0);
    *offset_r = (uint64_t)(cursor.at - cursor.start);
    return cursor.at == cursor.end ? CODEC_OK : CODEC_TRAILING;
}
