/*
 * JSON Merge Patch (RFC 7396) on MessagePack.
 *
 * A patch with two members of one name has no one meaning and is refused with
 * CODEC_DUPLICATE. In the target duplicate names are allowed as in any document:
 * of a name that is patched the last member is, and the earlier ones go; names
 * that are not patched stay as they are. New members follow in the patch's order.
 *
 * Time is n log m for a target of n bytes and a patch of m members.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_MERGE_PATCH_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_MERGE_PATCH_H

#include "common/codec/msgpack/tape.h"

/* What merging keeps between jobs; all zero is empty. */
struct merge {
    struct tape target;
    struct tape patch;
    struct engine_scratch members; /* of the patch objects that are open */
    size_t member_count;
};

/* Appends the target with the patch applied to job->out. Both are one MessagePack value.
   Returns CODEC_OK, or a status; offsets are those in the part that is at fault. */
enum codec_status merge_patch(struct merge *merge, struct engine_job *job,
                              struct slice target, struct slice patch)
    __attribute__((warn_unused_result));

/* Frees what is kept. */
void merge_free(struct merge *merge);

#endif
