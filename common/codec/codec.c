#include "common/codec/codec.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/codec/operations/bulk.h"
#include "common/codec/direct/direct.h"
#include "common/codec/engine.h"
#include "common/codec/operations/fields.h"
#include "common/codec/export_items.h"
#include "common/codec/operations/merge_patch.h"
#include "common/codec/operations/pretty.h"
#include "common/codec/transform.h"
#include "common/codec/msgpack/validate.h"
#include "common/codec/yajl/yajl_engine.h"

/* What an input of n bytes can become at most, with the factors of docs/CODEC.md:
   `-0,` is 3 bytes of text and 9 of MessagePack, a control character 1 byte and 6 of
   text, a float32 5 bytes and 24 of text. */
#define DECODE_BOUND(n) ((n)*3 + 16)
#define ENCODE_BOUND(n) ((n)*6 + 16)
#define LARGEST_INPUT   UINT32_MAX

/* A unit of a budget's work is some nanoseconds: so many bytes of a digest. */
#define DIGEST_BYTES_PER_WORK 4

#define LARGEST_BOUNDABLE (SIZE_MAX / 16)

struct codec {
    const struct codec_engine *engine;
    void *state;
    struct merge merge;           /* scratch of PATCH */
    struct projection projection; /* scratch of PROJECT */
    struct jq_cache *programs;    /* NULL before the first */
    size_t scratch_bytes;         /* what all scratch blocks hold */
    size_t peak_bytes;
};

/* The engines, the default first. NAME: the function NAME_engine() describes it. */
#define ENGINE_MAP(X) X(yajl) X(direct)

static const char *const engine_names[] = {
#define X(name) #name,
    ENGINE_MAP(X) NULL
#undef X
};

static const struct codec_engine *engine_find(const char *wanted)
{
#define X(name)                     \
    if (strcmp(wanted, #name) == 0) \
        return name##_engine();
    ENGINE_MAP(X)
#undef X
    return NULL;
}

struct codec *codec_create(const char *engine)
{
    const struct codec_engine *found = engine_find(engine);
    struct codec *codec;

    if (found == NULL)
        return NULL;
    codec = mem_zalloc(sizeof(*codec));
    codec->engine = found;
    codec->state = found->create();
    assert(codec->state != NULL);
    return codec;
}

void codec_destroy(struct codec **codec)
{
    if (*codec == NULL)
        return;
    (*codec)->engine->destroy((*codec)->state);
    merge_free(&(*codec)->merge);
    projection_free(&(*codec)->projection);
    jq_cache_destroy(&(*codec)->programs);
    mem_free(*codec);
    *codec = NULL;
}

const char *codec_engine_name(const struct codec *codec)
{
    return codec->engine->name;
}

const char *const *codec_engine_names(void)
{
    return engine_names;
}

static enum codec_status run_decode(struct codec *codec, struct engine_job *job)
{
    if (job->in.len > LARGEST_INPUT)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    job->bound_output = DECODE_BOUND(job->in.len);
    return codec->engine->decode(codec->state, job);
}

/* One value of ENCODE or SEQUENCE, indented if asked: `depth` levels more. */
static enum codec_status run_value(struct codec *codec, struct engine_job *job,
                                   bool pretty, unsigned depth, size_t *at)
{
    size_t from = job->out->len;
    enum codec_status status = codec->engine->encode(codec->state, job, at);

    assert(status != CODEC_OK || *at <= job->in.len);
    if (status != CODEC_OK || !pretty)
        return status;
    return pretty_expand(job, from, depth);
}

static enum codec_status run_encode(struct codec *codec, struct engine_job *job,
                                    bool pretty)
{
    size_t at = 0;
    enum codec_status status = run_value(codec, job, pretty, 0, &at);

    if (status == CODEC_OK && at < job->in.len)
        return engine_fail(job, CODEC_TRAILING, at);
    return status;
}

/* One value of SEQUENCE with its name around it. */
static enum codec_status run_item(struct codec *codec, struct engine_job *job,
                                  struct slice *names, bool pretty, unsigned depth,
                                  size_t *at)
{
    size_t from = job->out->len;
    struct slice name;
    enum codec_status status = export_items_next_name(job, names, &name);

    if (status == CODEC_OK)
        status = export_items_open(job, name);
    if (status == CODEC_OK)
        status = codec->engine->encode(codec->state, job, at);
    if (status == CODEC_OK)
        status = export_items_close(job);
    return status == CODEC_OK && pretty ? pretty_expand(job, from, depth) : status;
}

static enum codec_status run_sequence(struct codec *codec, struct engine_job *job,
                                      const struct codec_call *call)
{
    struct slice names = call->argument;
    size_t at = 0;
    unsigned depth = call->separator == ',' ? 1 : 0; /* an array's elements */

    if (call->ids)
        job->bound_output += EXPORT_ITEMS_BYTES_PER_NAME_BYTE * names.len;
    while (at < job->in.len) {
        enum codec_status status =
            call->ids ? run_item(codec, job, &names, call->pretty, depth, &at)
                      : run_value(codec, job, call->pretty, depth, &at);

        if (status == CODEC_OK && at < job->in.len) {
            status = engine_reserve(job, 1);
            if (status == CODEC_OK)
                job->out->data[job->out->len++] = call->separator;
        }
        if (status != CODEC_OK)
            return status;
    }
    return CODEC_OK;
}

static enum codec_status copy_input(struct engine_job *job)
{
    enum codec_status status = engine_reserve(job, job->in.len);

    if (status != CODEC_OK)
        return status;
    memcpy(job->out->data + job->out->len, job->in.data, job->in.len);
    job->out->len += job->in.len;
    return CODEC_OK;
}

static enum codec_status run_validate(struct engine_job *job)
{
    enum codec_status status = validate_value(job);

    return status == CODEC_OK ? copy_input(job) : status;
}

static enum codec_status run_project(struct codec *codec, struct engine_job *job,
                                     const struct codec_call *call)
{
    struct fields *fields;
    enum codec_status status;

    if (call->ids)
        return export_items_pack(job, call->argument);
    if (call->fields.len == 0)
        return copy_input(job);
    status = engine_afford(job, call->fields.len * FIELDS_PARSE_WORK);
    if (status != CODEC_OK)
        return status;
    fields = fields_parse(call->fields);
    if (fields == NULL)
        return engine_fail(job, CODEC_FIELDS, CODEC_NO_OFFSET);
    status = fields_project(&codec->projection, job, fields, job->in);
    fields_destroy(&fields);
    return status;
}

static enum codec_status run_patch(struct codec *codec, struct engine_job *job,
                                   const struct codec_call *call)
{
    if (call->argument.len > LARGEST_INPUT || job->in.len > LARGEST_INPUT)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    job->bound_output = ENCODE_BOUND(job->in.len + call->argument.len);
    return merge_patch(&codec->merge, job, job->in, call->argument);
}

static enum codec_status run_op(struct codec *codec, const struct codec_call *call,
                                struct engine_job *job)
{
    if (job->in.len > LARGEST_BOUNDABLE || call->argument.len > LARGEST_BOUNDABLE)
        return engine_fail(job, CODEC_TOO_LARGE, 0);
    job->bound_output = ENCODE_BOUND(job->in.len);
    switch (call->op) {
    case CODEC_OP_DECODE: return run_decode(codec, job);
    case CODEC_OP_ENCODE: return run_encode(codec, job, call->pretty);
    case CODEC_OP_SEQUENCE: return run_sequence(codec, job, call);
    case CODEC_OP_VALIDATE: return run_validate(job);
    case CODEC_OP_PROJECT: return run_project(codec, job, call);
    case CODEC_OP_PATCH: return run_patch(codec, job, call);
    case CODEC_OP_COMPACT:
    case CODEC_OP_BULK:
    case CODEC_OPS: break;
    }
    return engine_fail(job, CODEC_UNSUPPORTED, 0);
}

/* Takes back what a failed job wrote, and the memory it made the buffer grow by. */
static void restore_output(struct engine_job *job, size_t cap)
{
    struct buf *out = job->out;

    out->len = job->base;
    if (out->cap == cap)
        return;
    if (cap == 0) {
        buf_free(out);
    } else {
        uint8_t *data = realloc(out->data, cap);

        if (data != NULL) {
            out->data = data;
            out->cap = cap;
        }
    }
}

/* Scratch that earlier, larger jobs left must not make this one fail. */
static void make_room_for(struct codec *codec, const struct codec_call *call)
{
    if (codec->scratch_bytes > call->max_memory / 4)
        codec_trim(codec, 0);
}

/* A call that is one step; see transform.h. */
static enum codec_status run_step(struct codec *codec, const struct codec_call *call,
                                  struct buf *out, struct codec_fault *fault_r)
{
    size_t cap = out->cap;
    struct engine_job job = {.in = call->in,
                             .out = out,
                             .base = out->len,
                             .offered = out->len,
                             .max_output = call->max_output,
                             .max_memory = call->max_memory,
                             .max_depth = CODEC_MAX_DEPTH + call->levels_around,
                             .keep_numbers = call->keep_numbers,
                             .budget = call->budget};

    enum codec_status status;

    assert(out->len <= out->cap && job.max_depth <= CODEC_OPEN_MAX);
    if (job.max_output > SIZE_MAX / 2)
        job.max_output = SIZE_MAX / 2;
    if (job.in.data == NULL) /* empty: but engines step through it by address */
        job.in.data = (const uint8_t *)"";
    make_room_for(codec, call);
    job.scratch_bytes = codec->scratch_bytes;
    status = run_op(codec, call, &job);
    codec->scratch_bytes = job.scratch_bytes;
    if (job.peak_bytes > codec->peak_bytes)
        codec->peak_bytes = job.peak_bytes;
    if (status == CODEC_OK && out->len - job.base > job.max_output)
        status = engine_fail(&job, CODEC_TOO_LARGE, 0);
    if (status != CODEC_OK)
        restore_output(&job, cap);
    *fault_r = (struct codec_fault){status, status == CODEC_OK ? 0 : job.fault_offset};
    return status;
}

static enum codec_status run_call(struct codec *codec, const struct codec_call *call,
                                  struct buf *out, struct codec_fault *fault_r)
{
    if (call->op == CODEC_OP_BULK)
        return bulk_run(codec, run_step, &codec->programs, call, out, fault_r);
    if (transform_is_step(call))
        return run_step(codec, call, out, fault_r);
    return transform_run(codec, run_step, &codec->programs, call, out, fault_r);
}

/* Appends the digests that the call asks for to its result, which begins at `start`.
   False if the budget does not allow that work. */
static bool put_digests(const struct codec_call *call, size_t start, struct buf *out)
{
    const struct slice result = {out->data + start, out->len - start};
    bool in = call->digests & CODEC_DIGEST_IN,
         of_result = call->digests & CODEC_DIGEST_OUT;
    size_t bytes = (in ? call->in.len : 0) + (of_result ? result.len : 0);
    uint64_t digest;

    if (call->budget != NULL &&
        call->budget->is_spent(call->budget, bytes / DIGEST_BYTES_PER_WORK))
        return false;
    digest = of_result ? digest_of(result) : 0;
    if (in)
        digest_put(out, digest_of(call->in));
    if (of_result)
        digest_put(out, digest);
    return true;
}

/* A call with digests: its result must leave room for them. */
static enum codec_status run_digested(struct codec *codec, const struct codec_call *call,
                                      struct buf *out, struct codec_fault *fault_r)
{
    struct codec_call inner = *call;
    size_t start = out->len, digests = codec_digest_bytes(call->digests);
    enum codec_status status;

    inner.max_output = call->max_output > digests ? call->max_output - digests : 0;
    status = run_call(codec, &inner, out, fault_r);
    if (status != CODEC_OK || put_digests(call, start, out))
        return status;
    out->len = start;
    *fault_r = (struct codec_fault){CODEC_STOPPED, 0};
    return CODEC_STOPPED;
}

enum codec_status codec_run(struct codec *codec, const struct codec_call *call,
                            struct buf *out, struct codec_fault *fault_r)
{
    return call->digests == 0 ? run_call(codec, call, out, fault_r)
                              : run_digested(codec, call, out, fault_r);
}

void codec_trim(struct codec *codec, size_t keep_bytes)
{
    if (codec->scratch_bytes <= keep_bytes)
        return;
    merge_free(&codec->merge);
    projection_free(&codec->projection);
    codec->scratch_bytes = codec->engine->trim(codec->state, keep_bytes);
}

size_t codec_peak_bytes(const struct codec *codec)
{
    return codec->peak_bytes;
}

const char *codec_op_name(enum codec_op op)
{
    static const char *const names[] = {
#define X(name, text) [CODEC_OP_##name] = text,
        CODEC_OP_MAP(X)
#undef X
    };

    return (unsigned)op < CODEC_OPS ? names[op] : "unknown";
}

const char *codec_status_text(enum codec_status status)
{
    static const char *const texts[] = {
#define X(name, http, text) [CODEC_##name] = text,
        CODEC_STATUS_MAP(X)
#undef X
    };

    return (unsigned)status < CODEC_STATUSES ? texts[status] : "unknown failure";
}

int codec_status_http(enum codec_status status)
{
    static const int codes[] = {
#define X(name, http, text) [CODEC_##name] = http,
        CODEC_STATUS_MAP(X)
#undef X
    };

    return (unsigned)status < CODEC_STATUSES ? codes[status] : 500;
}
