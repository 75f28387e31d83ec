/*
 * JSON Merge Patch (RFC 7396) on MessagePack.
 *
 * A patch with two members of one name is ambiguous, and is refused with CODEC_DUPLICATE.
 * The target may have duplicate names, as any document: for a name in the patch, the last
 * member is patched and the earlier ones are removed; other names stay as they are. New
 * members follow in the patch's order.
 *
 * The time is n log m for a target of n bytes and a patch of m members.
 */
#ifndef OFFLOOP_COMMON_CODEC_OPERATIONS_MERGE_PATCH_H
#define OFFLOOP_COMMON_CODEC_OPERATIONS_MERGE_PATCH_H

#include "common/codec/msgpack/tape.h"

/* The memory that merging keeps between jobs; all zero is empty. */
struct merge {
    struct tape target;
    struct tape patch;
    struct engine_scratch members; /* of the patch objects that are open */
    size_t member_count;
};

/* Appends the target with the patch applied to job->out. Both are one MessagePack value.
   Returns CODEC_OK, or a status; its offset is in the part that has the fault. */
enum codec_status merge_patch(struct merge *merge, struct engine_job *job,
                              struct slice target, struct slice patch)
    __attribute__((warn_unused_result));

/* Frees the memory. */
void merge_free(struct merge *merge);

#endif
