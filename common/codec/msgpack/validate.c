#include "common/codec/msgpack/validate.h"

#include "common/codec/msgpack/cursor.h"

enum codec_status validate_value(struct engine_job *job)
{
    struct cursor cursor;

    cursor_init(&cursor, job->in, 0);
    do {
        enum codec_status status = engine_spend(job, CURSOR_EVENT_WORK);

        if (status != CODEC_OK)
            return status;
        if (cursor_next(&cursor) == CURSOR_FAULT)
            return engine_fail(job, cursor.status, cursor.fault_at);
    } while (cursor.depth > 0);
    if (cursor.at < cursor.end)
        return engine_fail(job, CODEC_TRAILING, (size_t)(cursor.at - cursor.start));
    return CODEC_OK;
}
