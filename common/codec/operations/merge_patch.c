#include "common/codec/operations/merge_patch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/msgpack/pack.h"
#include "common/codec/sort.h"
#include "common/codec/operations/bytes.h"

/* The cost of comparing two names, in units of a budget. */
#define COMPARE_WORK 4

/* A member of a patch object while it is applied. */
struct member {
    struct slice name;
    struct tape_value value;
    uint32_t order;   /* in the patch */
    uint32_t matches; /* members of that name that still come in the target */
    bool matched;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *one = a, *two = b;

    return bytes_compare(one->name, two->name);
}

static int compare_order(const void *a, const void *b)
{
    const struct member *one = a, *two = b;

    return one->order < two->order ? -1 : one->order > two->order;
}

static struct member *members(const struct merge *merge, size_t base)
{
    return (struct member *)merge->members.data + base;
}

static struct member *find_member(const struct merge *merge, size_t base, uint32_t count,
                                  struct slice name)
{
    const struct member key = {.name = name};

    return count ? bsearch(&key, members(merge, base), count, sizeof key, compare_members)
                 : NULL;
}

/* Lists the members of a patch object from `base` on, sorted by name. */
static enum codec_status list_members(struct merge *merge, struct engine_job *job,
                                      struct tape_value patch, size_t base,
                                      uint32_t *count_r)
{
    uint32_t count;
    struct tape_value at = tape_open(&merge->patch, patch, &count);
    enum codec_status status =
        engine_grow_scratch(job, &merge->members, (base + count) * sizeof(struct member));

    if (status != CODEC_OK)
        return status;
    for (uint32_t i = 0; i < count; i++) {
        struct tape_value value = tape_skip(&merge->patch, at);

        members(merge, base)[i] = (struct member){
            .name = tape_text(&merge->patch, at), .value = value, .order = i};
        at = tape_skip(&merge->patch, value);
    }
    if (count > 1)
        sort_items(members(merge, base), count, sizeof(struct member), compare_members);
    for (uint32_t i = 1; i < count; i++)
        if (compare_members(members(merge, base) + i - 1, members(merge, base) + i) == 0)
            return engine_fail(job, CODEC_DUPLICATE, CODEC_NO_OFFSET);
    merge->member_count = base + count;
    *count_r = count;
    return CODEC_OK;
}

static enum codec_status put_map(struct engine_job *job, uint32_t pairs)
{
    enum codec_status status = engine_reserve(job, PACK_MAX_BYTES);
    uint8_t *at = job->out->data + job->out->len;

    if (status == CODEC_OK)
        job->out->len += (size_t)(pack_container(at, pairs, true) - at);
    return status;
}

/* Counts the target's members for each name of the patch. Returns the number of pairs of
   the result. */
static uint32_t count_pairs(struct merge *merge, size_t base, uint32_t count,
                            const struct tape_value *target)
{
    uint32_t pairs = 0, target_count = 0;
    struct tape_value at = {0, 0};

    if (target != NULL)
        at = tape_open(&merge->target, *target, &target_count);
    for (uint32_t i = 0; i < target_count; i++) {
        struct member *found =
            find_member(merge, base, count, tape_text(&merge->target, at));

        if (found == NULL) {
            pairs++;
        } else {
            found->matched = true;
            found->matches++;
        }
        at = tape_skip(&merge->target, tape_skip(&merge->target, at));
    }
    for (uint32_t i = 0; i < count; i++)
        if (tape_kind(&merge->patch, members(merge, base)[i].value) != TAPE_NIL)
            pairs++;
    return pairs;
}

static enum codec_status apply(struct merge *merge, struct engine_job *job,
                               const struct tape_value *target, struct tape_value patch);

/* Keeps, patches or drops one member of the target. */
static enum codec_status put_target_member(struct merge *merge, struct engine_job *job,
                                           size_t base, uint32_t count,
                                           struct tape_value name)
{
    struct tape_value value = tape_skip(&merge->target, name);
    struct member *found =
        find_member(merge, base, count, tape_text(&merge->target, name));
    enum codec_status status;

    if (found != NULL &&
        (--found->matches > 0 || tape_kind(&merge->patch, found->value) == TAPE_NIL))
        return CODEC_OK;
    status = bytes_append(job, tape_bytes(&merge->target, name));
    if (status != CODEC_OK)
        return status;
    if (found == NULL)
        return bytes_append(job, tape_bytes(&merge->target, value));
    return apply(merge, job, &value, found->value);
}

/* Appends the members that only the patch has, in its order. */
static enum codec_status put_new_members(struct merge *merge, struct engine_job *job,
                                         struct tape_value patch, size_t base,
                                         uint32_t count)
{
    uint32_t again;
    struct tape_value at = tape_open(&merge->patch, patch, &again);
    enum codec_status status = CODEC_OK;

    assert(again == count);
    if (count > 1)
        sort_items(members(merge, base), count, sizeof(struct member), compare_order);
    for (uint32_t i = 0; i < count && status == CODEC_OK; i++) {
        struct tape_value value = tape_skip(&merge->patch, at);

        if (!members(merge, base)[i].matched &&
            tape_kind(&merge->patch, value) != TAPE_NIL) {
            status = bytes_append(job, tape_bytes(&merge->patch, at));
            if (status == CODEC_OK)
                status = apply(merge, job, NULL, value);
        }
        at = tape_skip(&merge->patch, value);
    }
    return status;
}

/* Spends the job's budget for sorting the patch's members and looking up the target's. */
static enum codec_status afford_object(const struct merge *merge, struct engine_job *job,
                                       uint32_t target_count, struct tape_value patch)
{
    size_t rounds = 1;
    uint32_t count;

    (void)tape_open(&merge->patch, patch, &count);
    for (uint32_t left = count; left > 1; left /= 2)
        rounds++;
    return engine_afford(job, ((size_t)target_count + count) * 2 * rounds * COMPARE_WORK);
}

static enum codec_status apply_object(struct merge *merge, struct engine_job *job,
                                      const struct tape_value *target,
                                      struct tape_value patch)
{
    size_t base = merge->member_count;
    uint32_t count = 0, target_count = 0;
    struct tape_value at = {0, 0};
    enum codec_status status;

    if (target != NULL)
        at = tape_open(&merge->target, *target, &target_count);
    status = afford_object(merge, job, target_count, patch);
    if (status == CODEC_OK)
        status = list_members(merge, job, patch, base, &count);
    if (status == CODEC_OK)
        status = put_map(job, count_pairs(merge, base, count, target));
    for (uint32_t i = 0; i < target_count && status == CODEC_OK; i++) {
        status = put_target_member(merge, job, base, count, at);
        at = tape_skip(&merge->target, tape_skip(&merge->target, at));
    }
    if (status == CODEC_OK)
        status = put_new_members(merge, job, patch, base, count);
    merge->member_count = base;
    return status;
}

/* MergePatch of RFC 7396 section 2. target NULL means undefined. Recurses as deep as the
   patch: at most 512 levels. */
static enum codec_status apply(struct merge *merge, struct engine_job *job,
                               const struct tape_value *target, struct tape_value patch)
{
    if (tape_kind(&merge->patch, patch) != TAPE_MAP)
        return bytes_append(job, tape_bytes(&merge->patch, patch));
    if (target != NULL && tape_kind(&merge->target, *target) != TAPE_MAP)
        target = NULL;
    return apply_object(merge, job, target, patch);
}

enum codec_status merge_patch(struct merge *merge, struct engine_job *job,
                              struct slice target, struct slice patch)
{
    const struct tape_value root = tape_root();
    enum codec_status status;

    if (target.len >= TAPE_MAX_BYTES || patch.len >= TAPE_MAX_BYTES)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    merge->member_count = 0;
    status = tape_build(&merge->target, job, target, NULL);
    if (status == CODEC_OK)
        status = tape_build(&merge->patch, job, patch, NULL);
    if (status == CODEC_OK)
        status = apply(merge, job, &root, root);
    return status;
}

void merge_free(struct merge *merge)
{
    tape_free(&merge->target);
    tape_free(&merge->patch);
    engine_free_scratch(&merge->members);
    *merge = (struct merge){.member_count = 0};
}
