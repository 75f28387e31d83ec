/*
 * Writes MessagePack's container headers in one pass. The number of items is known only
 * at the container's end, and its header has one byte for up to 15 items, else three or
 * five. So an engine reserves one byte at every container's start, and sets it at the end
 * if the number fits. The few containers that need more are recorded here; one backward
 * pass over the output then makes space for their headers.
 *
 * The list is in scratch memory: 16 bytes for each container of more than 15 items, which
 * is at most half the size of the JSON text.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_CONTAINERS_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_CONTAINERS_H

#include "common/codec/engine.h"

/* The most items (map: pairs) of a one-byte header. */
#define CONTAINERS_SMALL_MAX 15

/* The containers of one job that need a wider header. All zero is empty. Part of an
   engine's state; reused for the next job. */
struct containers {
    struct engine_scratch list;
    size_t count;        /* entries in list */
    size_t growth_bytes; /* by which the output will grow */
};

/* Removes the entries of an earlier job. Call at the start of a job. */
static inline void containers_reset(struct containers *wide)
{
    wide->count = 0;
    wide->growth_bytes = 0;
}

/* Records that the container whose reserved byte is at out->data[at] ended with `items`
   items (map: pairs), more than CONTAINERS_SMALL_MAX. Call when the container ends, in
   the order in which they end. Returns CODEC_OK or CODEC_MEMORY. */
enum codec_status containers_record(struct engine_job *job, struct containers *wide,
                                    size_t at, size_t items, bool map)
    __attribute__((warn_unused_result));

/* Widens all recorded headers. Call once, when the value is complete. Returns CODEC_OK,
   CODEC_TOO_LARGE or CODEC_MEMORY. */
enum codec_status containers_fix(struct engine_job *job, struct containers *wide)
    __attribute__((warn_unused_result));

/* Ends a container whose byte was reserved at out->data[at]. Returns as
 * containers_record.
 */
static inline enum codec_status containers_end(struct engine_job *job,
                                               struct containers *wide, size_t at,
                                               size_t items, bool map)
{
    if (items > CONTAINERS_SMALL_MAX)
        return containers_record(job, wide, at, items, map);
    job->out->data[at] = (uint8_t)((map ? 0x80 : 0x90) | items);
    return CODEC_OK;
}

#endif
