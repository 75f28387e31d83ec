/*
 * CODEC_OP_BULK turns a block of NDJSON into records, one for each line and in the same
 * order. A front reads the records without knowing JSON. A line is {"id": "name",
 * "document": any value}, with the members in any order; other members are ignored, and
 * so are blank lines. Any other line fails alone, and its record says why. Where the call
 * has a program, it makes the document that is stored; a line for which it gives no
 * result counts as blank.
 *
 * A record is a head, the id, and the document in the format of the call:
 *
 *     0  enum codec_status
 *     1  bytes of the id; 0 in the records of blank and failed lines
 *     2  bytes of the document, or offset of the fault in the line; 4 bytes,
 *        big-endian
 *
 * bulk_read() checks every byte that it uses. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_BULK_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_BULK_H

#include "common/codec/codec.h"
#include "common/codec/jq/jq_cache.h"

#define BULK_HEAD_BYTES 6

/* The offset in a record that means CODEC_NO_OFFSET. */
#define BULK_NO_OFFSET UINT32_MAX

/* One line's record. The slices point into the input. */
struct bulk_record {
    enum codec_status status;
    uint32_t offset;       /* of the fault, from the start of the line; where not OK */
    struct slice id;       /* a valid name; empty for a blank line */
    struct slice document; /* not checked here: the store keeps a worker's result */
};

/* Reads the record at the start of *rest and moves *rest behind it. Returns -1 where
   there is no record or it is malformed. */
int bulk_read(struct slice *rest, struct bulk_record *record_r)
    __attribute__((warn_unused_result));

/* Writes a record's head to head_r. */
void bulk_write_head(const struct bulk_record *record, uint8_t head_r[BULK_HEAD_BYTES]);

/* True for a line of nothing but JSON's white space. */
bool bulk_is_blank(struct slice line);

/* Runs one step of a bulk call, as codec_run() runs a call. */
typedef enum codec_status bulk_step_fn(struct codec *codec, const struct codec_call *call,
                                       struct buf *out, struct codec_fault *fault_r);

/* Runs CODEC_OP_BULK, with the codec's compiled programs. Returns as codec_run(). Called
   by codec.c. */
enum codec_status bulk_run(struct codec *codec, bulk_step_fn *run_step,
                           struct jq_cache **programs, const struct codec_call *call,
                           struct buf *out, struct codec_fault *fault_r)
    __attribute__((warn_unused_result));

#endif
