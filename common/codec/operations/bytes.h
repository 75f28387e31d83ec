/*
 * What the operations on documents do with runs of bytes: compare names, and append to a
 * job's output. No state; one thread per job.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_BYTES_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_BYTES_H

#include <string.h>

#include "common/codec/engine.h"

/* Orders two names by their bytes: < 0, 0 or > 0. */
static inline int bytes_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* Appends the bytes to job->out. Returns as engine_reserve(). */
static inline enum codec_status bytes_append(struct engine_job *job, struct slice bytes)
{
    enum codec_status status = engine_reserve(job, bytes.len);

    if (status != CODEC_OK)
        return status;
    memcpy(job->out->data + job->out->len, bytes.data, bytes.len);
    job->out->len += bytes.len;
    return CODEC_OK;
}

#endif
