/*
 * Container headers of MessagePack written in one pass. A container's count is
 * known only at its end, and its header is one byte up to 15 items, three or
 * five above. So an engine leaves one byte at the start of every container,
 * sets it at the end when the count fits, and records the few that need more
 * here; one backward pass over the output then makes space for all of them.
 *
 * The list lives in scratch memory: 16 bytes for each container of more than
 * 15 items, so at most half the size of the JSON text.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_CONTAINERS_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_CONTAINERS_H

#include "common/codec/engine.h"

/* The most items (map: pairs) that a one-byte header can say. */
#define CONTAINERS_SMALL_MAX 15

/* The containers of one job that need a wider header. All zero is empty; one belongs to
   an engine's state and is reused. */
struct containers {
    struct engine_scratch list;
    size_t count;        /* entries in list */
    size_t growth_bytes; /* by which the output will grow */
};

/* Forgets what an earlier job recorded; call at the start of a job. */
static inline void containers_reset(struct containers *wide)
{
    wide->count = 0;
    wide->growth_bytes = 0;
}

/* Notes that the container whose reserved byte is at out->data[at] ended with `items`
   items (map: pairs), more than CONTAINERS_SMALL_MAX. Call when the container ends, in
   the order in which they end. Returns CODEC_OK or CODEC_MEMORY. */
enum codec_status containers_note(struct engine_job *job, struct containers *wide,
                                  size_t at, size_t items, bool map)
    __attribute__((warn_unused_result));

/* Widens all recorded headers; call once when the value is complete. Returns CODEC_OK,
   CODEC_TOO_LARGE or CODEC_MEMORY. */
enum codec_status containers_fix(struct engine_job *job, struct containers *wide)
    __attribute__((warn_unused_result));

/* Ends a container whose byte was reserved at out->data[at]. Returns as containers_note.
 */
static inline enum codec_status containers_end(struct engine_job *job,
                                               struct containers *wide, size_t at,
                                               size_t items, bool map)
{
    if (items > CONTAINERS_SMALL_MAX)
        return containers_note(job, wide, at, items, map);
    job->out->data[at] = (uint8_t)((map ? 0x80 : 0x90) | items);
    return CODEC_OK;
}

#endif
