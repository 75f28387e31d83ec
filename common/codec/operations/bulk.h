/*
 * What CODEC_OP_BULK makes of a block of NDJSON: one record for each line, in
 * order, which a front walks without knowing JSON. A line is
 * {"id": "name", "document": any value}, the members in any order; further
 * members are ignored, and so are blank lines. A line that is none of these
 * fails alone: its record says why. Where the call has a program, it makes the
 * document that is stored; a line for which it gives no result is taken for blank.
 *
 * A record is a head, the id, and the document in the format of the call:
 *
 *     0  enum codec_status
 *     1  bytes of the id; 0 in the records of blank and failed lines
 *     2  bytes of the document, or offset of the fault in the line; 4 bytes,
 *        big-endian
 *
 * The reader trusts nothing. Pure; any thread may call.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_BULK_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_BULK_H

#include "common/codec/codec.h"
#include "common/codec/jq/jq_cache.h"

#define BULK_HEAD_BYTES 6

/* An offset of a record that stands for CODEC_NO_OFFSET. */
#define BULK_NO_OFFSET UINT32_MAX

/* One line's record; slices point into what was read. */
struct bulk_record {
    enum codec_status status;
    uint32_t offset;       /* of the fault, from the start of the line; where not OK */
    struct slice id;       /* a valid name; empty for a blank line */
    struct slice document; /* not checked here: the store keeps what a worker made */
};

/* Reads the record at the start of *rest and moves behind it. Returns -1 where there is
   none or it is malformed. */
int bulk_read(struct slice *rest, struct bulk_record *record_r)
    __attribute__((warn_unused_result));

/* Writes a record's head to head_r. */
void bulk_write_head(const struct bulk_record *record, uint8_t head_r[BULK_HEAD_BYTES]);

/* True for a line of nothing but JSON's white space. */
bool bulk_is_blank(struct slice line);

/* Runs a step, as codec_run() does a call. */
typedef enum codec_status bulk_step_fn(struct codec *codec, const struct codec_call *call,
                                       struct buf *out, struct codec_fault *fault_r);

/* Runs CODEC_OP_BULK, with the codec's compiled programs; as codec_run(). Called by
   codec.c. */
enum codec_status bulk_run(struct codec *codec, bulk_step_fn *run_step,
                           struct jq_cache **programs, const struct codec_call *call,
                           struct buf *out, struct codec_fault *fault_r)
    __attribute__((warn_unused_result));

#endif
