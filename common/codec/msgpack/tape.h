/*
 * Random access to one checked MessagePack value. A list has the ends of its containers,
 * in the order in which they begin, so that skipping any value is O(1). So operations
 * that read some members of a document and copy the rest (merge patch, projection) stay
 * linear, however deep the document is.
 *
 * The list is in the job's scratch memory: 8 bytes for each container.
 */
#ifndef OFFLOOP_COMMON_CODEC_MSGPACK_TAPE_H
#define OFFLOOP_COMMON_CODEC_MSGPACK_TAPE_H

#include "common/codec/engine.h"

/* Values are shorter than this, because offsets have 32 bits. */
#define TAPE_MAX_BYTES UINT32_MAX

struct tape_entry {
    uint32_t end;  /* offset of the first byte behind the container */
    uint32_t next; /* number of the first container that begins behind it */
};

/* All zero is empty; reusable for one job after another of one codec. */
struct tape {
    struct slice in;
    struct engine_scratch entries;
    uint32_t count;
};

/* A value in a tape: its start, and the number of the first container that begins there
   or later. */
struct tape_value {
    size_t at;
    uint32_t container;
};

enum tape_kind { TAPE_NIL, TAPE_STR, TAPE_ARRAY, TAPE_MAP, TAPE_OTHER };

/* Checks the value at the start of `in` as cursor.h says, and lists its containers. `in`
   must be shorter than TAPE_MAX_BYTES and stay in place. Bytes behind the value are
   CODEC_TRAILING. Where used_r is not NULL, they are allowed, and *used_r is the value's
   length (0 on a fault). Returns CODEC_OK, or a status with the fault's offset in the
   job. */
enum codec_status tape_build(struct tape *tape, struct engine_job *job, struct slice in,
                             size_t *used_r) __attribute__((warn_unused_result));

/* Frees the list. */
void tape_free(struct tape *tape);

/* The whole value. */
static inline struct tape_value tape_root(void)
{
    return (struct tape_value){0, 0};
}

/* The kind of the value. */
enum tape_kind tape_kind(const struct tape *tape, struct tape_value value);

/* The first value inside a container (a map's first name) and how many items (a map:
   pairs) it has; the value must be a TAPE_ARRAY or TAPE_MAP. */
struct tape_value tape_open(const struct tape *tape, struct tape_value container,
                            uint32_t *items_r);

/* The value behind this one, in the same container or after it. */
struct tape_value tape_skip(const struct tape *tape, struct tape_value value);

/* The value's own bytes, header included. */
struct slice tape_bytes(const struct tape *tape, struct tape_value value);

/* A TAPE_STR's text. */
struct slice tape_text(const struct tape *tape, struct tape_value value);

#endif
