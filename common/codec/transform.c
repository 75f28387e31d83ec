#include "common/codec/transform.h"

#include <assert.h>
#include <string.h>

#include "common/codec/coding/coding.h"
#include "common/codec/coding/gzip.h"
#include "common/codec/operations/program.h"

/* The job while it runs: what the steps so far made. */
struct transform {
    struct codec *codec;
    transform_step_fn *run_step;
    struct jq_cache **programs;
    const struct codec_call *call;
    struct buf made;   /* by the last step; `in` points here once there was one */
    struct slice in;   /* of the next step */
    struct buf patch;  /* PATCH: the patch as MessagePack; of a program, with ids: a name
                          for each result */
    struct buf reason; /* of a program's failure */
    size_t held_bytes; /* of buffers other than the output of the step that runs */
    uint64_t results;  /* of the program */
    bool is_last;      /* the step that runs makes the job's result */
    struct codec_fault fault;
};

bool transform_is_step(const struct codec_call *call)
{
    if (call->coding != CODING_NONE || call->gunzip || call->transform ||
        call->format != CODEC_FORMAT_MSGPACK)
        return false;
    switch (call->op) {
    case CODEC_OP_COMPACT:
    case CODEC_OP_PATCH: return false;
    case CODEC_OP_PROJECT: return call->fields.len == 0 || !call->ids;
    default: return call->fields.len == 0;
    }
}

static enum codec_status fail(struct transform *t, enum codec_status status,
                              uint64_t offset)
{
    if (status != CODEC_OK)
        t->fault = (struct codec_fault){status, offset};
    return status;
}

/* What a step may still use of the job's memory. */
static size_t memory_left(const struct transform *t)
{
    size_t held = t->held_bytes + t->made.cap;

    return held < t->call->max_memory ? t->call->max_memory - held : 0;
}

/* True for a call whose result is JSON text: numbers that are text in its input stay as
   they are. */
static bool gives_text(const struct codec_call *call)
{
    return call->op == CODEC_OP_ENCODE || call->op == CODEC_OP_SEQUENCE ||
           call->op == CODEC_OP_COMPACT ||
           (call->op == CODEC_OP_PATCH && call->format == CODEC_FORMAT_JSON);
}

/* True for a call whose input, not its argument, may come from a client, compressed. */
static bool takes_gzip(const struct codec_call *call)
{
    return call->op == CODEC_OP_DECODE || call->op == CODEC_OP_VALIDATE ||
           call->op == CODEC_OP_COMPACT ||
           (call->op == CODEC_OP_ENCODE && call->format == CODEC_FORMAT_MSGPACK);
}

/* Runs one operation on `in` and appends to out, within those limits. */
static enum codec_status run_within(struct transform *t, enum codec_op op,
                                    struct slice in, size_t max_output, size_t max_memory,
                                    struct buf *out)
{
    struct codec_call call = *t->call;

    call.op = op;
    call.keep_numbers = call.keep_numbers || gives_text(t->call);
    call.coding = CODING_NONE;
    call.gunzip = false;
    call.transform = false;
    call.format = CODEC_FORMAT_MSGPACK;
    if (t->call->op != CODEC_OP_ENCODE && t->call->op != CODEC_OP_SEQUENCE)
        call.pretty = false;
    call.ids = t->is_last && t->call->ids;
    if (call.separator == 0)
        call.separator = '\n'; /* ENCODE of a program's results */
    if (op != CODEC_OP_PROJECT || call.ids || t->call->op == CODEC_OP_PATCH)
        call.fields = (struct slice){NULL, 0};
    if (!call.ids || t->call->transform)
        call.argument = buf_slice(&t->patch);
    call.in = in;
    call.max_output = max_output;
    call.max_memory = max_memory;
    return t->run_step(t->codec, &call, out, &t->fault);
}

/* A step on the way: what the job may become does not limit what it is meanwhile, and
   what earlier steps left in `made` counts. */
static enum codec_status run_on(struct transform *t, enum codec_op op, struct slice in,
                                struct buf *made)
{
    size_t left = memory_left(t);

    left = made->len < left ? left - made->len : 0;
    return run_within(t, op, in, SIZE_MAX, left, made);
}

/* Takes a step's result as the input of the next. */
static void take(struct transform *t, struct buf *made)
{
    buf_free(&t->made);
    t->made = *made;
    t->in = buf_slice(&t->made);
}

/* Runs one operation on the current input and makes its result the next one's. */
static enum codec_status run(struct transform *t, enum codec_op op)
{
    struct buf made = BUF_INIT;
    enum codec_status status = run_on(t, op, t->in, &made);

    if (status == CODEC_OK)
        take(t, &made);
    else
        buf_free(&made);
    return status;
}

/* True for a call on documents that newlines divide. A document that has a digest is one,
   and may hold newlines. */
static bool has_many(const struct codec_call *call)
{
    return call->op != CODEC_OP_ENCODE && (call->digests & CODEC_DIGEST_IN) == 0;
}

/* Runs an operation on each of the '\n'-divided texts of a stored JSON sequence, or on
   the one document. */
static enum codec_status run_texts(struct transform *t)
{
    struct buf made = BUF_INIT;
    struct slice rest = t->in;
    enum codec_status status;
    bool many = has_many(t->call);

    do {
        const uint8_t *end = many ? memchr(rest.data, '\n', rest.len) : NULL;
        size_t len = end ? (size_t)(end - rest.data) : rest.len;

        status = run_on(t, CODEC_OP_DECODE, (struct slice){rest.data, len}, &made);
        if (status != CODEC_OK && status != CODEC_MEMORY)
            t->fault.offset += (uint64_t)(rest.data - t->in.data);
        len = end ? len + 1 : len;
        rest.data += len;
        rest.len -= len;
    } while (status == CODEC_OK && rest.len > 0);
    if (status == CODEC_OK)
        take(t, &made);
    else
        buf_free(&made);
    return status;
}

/* Runs the program on the current input and makes its results the next one's. */
static enum codec_status run_program(struct transform *t)
{
    const struct codec_call *call = t->call;
    struct buf made = BUF_INIT;
    struct program_step step = {.call = call,
                                .programs = t->programs,
                                .max_output = call->max_output,
                                .max_memory = memory_left(t),
                                .is_one_document = call->op == CODEC_OP_ENCODE ||
                                                   call->op == CODEC_OP_PATCH,
                                .names = call->ids ? &t->patch : NULL,
                                .reason = &t->reason};
    enum codec_status status = program_run(&step, t->in, &made);

    t->fault = step.fault;
    t->results = step.all_results;
    if (status == CODEC_OK && call->op == CODEC_OP_PATCH && step.results != 1) {
        status = step.results == 0 ? CODEC_NONE : CODEC_SEVERAL;
        buf_append_str(&t->reason, codec_status_text(status));
        fail(t, status, CODEC_NO_OFFSET);
    }
    t->held_bytes += t->patch.cap;
    if (status == CODEC_OK)
        take(t, &made);
    else
        buf_free(&made);
    return status;
}

/* What zlib said, where the memory that was left, not the call, may have been the limit.
 */
static enum codec_status zipped(struct transform *t, enum codec_status status,
                                bool memory_limits)
{
    if (status == CODEC_TOO_LARGE && memory_limits)
        status = CODEC_MEMORY;
    return fail(t, status, status == CODEC_GZIP ? CODEC_NO_OFFSET : 0);
}

/* A fault of what it expands to has no place in the input: so it differs from one of a
   result that is too large. */
static enum codec_status expand(struct transform *t, struct slice in, struct buf *out)
{
    size_t most = t->call->max_expanded, left = memory_left(t);
    enum codec_status status =
        zipped(t, gzip_expand(in, most < left ? most : left, out), left < most);

    return status == CODEC_TOO_LARGE ? fail(t, status, CODEC_NO_OFFSET) : status;
}

/* Expands the whole input. */
static enum codec_status expand_input(struct transform *t)
{
    struct buf made = BUF_INIT;
    enum codec_status status = expand(t, t->in, &made);

    if (status == CODEC_OK)
        take(t, &made);
    else
        buf_free(&made);
    return status;
}

/* PATCH by a program: `in` becomes the new document as MessagePack. */
static enum codec_status prepare_program_patch(struct transform *t)
{
    enum codec_status status = CODEC_OK;

    if (t->call->format == CODEC_FORMAT_JSON)
        status = run(t, CODEC_OP_DECODE);
    return status == CODEC_OK ? run_program(t) : status;
}

/* PATCH: makes `in` and `patch` MessagePack. */
static enum codec_status prepare_patch(struct transform *t)
{
    const struct codec_call *call = t->call;
    struct buf expanded = BUF_INIT;
    struct slice text = call->argument;
    enum codec_status status = CODEC_OK;

    if (call->gunzip) {
        status = expand(t, text, &expanded);
        text = buf_slice(&expanded);
        t->held_bytes += expanded.cap;
    }
    if (status == CODEC_OK)
        status = run_on(t, CODEC_OP_DECODE, text, &t->patch);
    t->held_bytes -= expanded.cap;
    buf_free(&expanded);
    t->held_bytes += t->patch.cap;
    if (status == CODEC_OK && call->format == CODEC_FORMAT_JSON)
        status = run(t, CODEC_OP_DECODE);
    return status;
}

/* The steps up to the MessagePack that the last one works on. */
static enum codec_status prepare(struct transform *t)
{
    const struct codec_call *call = t->call;
    enum codec_status status = CODEC_OK;

    if (call->op == CODEC_OP_PATCH)
        return call->transform ? prepare_program_patch(t) : prepare_patch(t);
    if (call->gunzip && takes_gzip(call))
        status = expand_input(t);
    if (status == CODEC_OK && call->op == CODEC_OP_COMPACT)
        return run(t, CODEC_OP_DECODE);
    if (status == CODEC_OK && call->format == CODEC_FORMAT_JSON &&
        (t->in.len > 0 || !has_many(call)) &&
        (call->op == CODEC_OP_ENCODE || call->op == CODEC_OP_SEQUENCE ||
         call->op == CODEC_OP_PROJECT))
        status = run_texts(t);
    if (status == CODEC_OK && call->transform)
        status = run_program(t);
    return status;
}

/* The operation that makes the result of what prepare() left. */
static enum codec_op last_operation(const struct codec_call *call)
{
    if (call->transform && call->op == CODEC_OP_ENCODE)
        return CODEC_OP_SEQUENCE;
    if (call->transform && call->op == CODEC_OP_PATCH)
        return call->format == CODEC_FORMAT_JSON ? CODEC_OP_ENCODE : CODEC_OP_PROJECT;
    return call->op == CODEC_OP_COMPACT ? CODEC_OP_ENCODE : call->op;
}

/* Begins the array that a program's results become; false where they become none. */
static bool put_array_head(const struct transform *t, struct buf *out)
{
    const struct codec_call *call = t->call;
    const uint8_t head[CODEC_ARRAY_HEAD_BYTES] = {
        CODEC_ARRAY_HEAD, (uint8_t)(t->results >> 24), (uint8_t)(t->results >> 16),
        (uint8_t)(t->results >> 8), (uint8_t)t->results};

    if (call->op != CODEC_OP_PROJECT || !call->transform || call->separator != ',')
        return false;
    buf_append(out, head, sizeof head);
    return true;
}

/* The last operation, appended to out. */
static enum codec_status finish(struct transform *t, struct buf *out)
{
    const struct codec_call *call = t->call;
    enum codec_op last = last_operation(call);
    enum codec_status status = CODEC_OK;

    bool projects = last == CODEC_OP_ENCODE || last == CODEC_OP_SEQUENCE ||
                    (last == CODEC_OP_PROJECT && call->ids);

    if (projects && call->fields.len > 0)
        status = run(t, CODEC_OP_PROJECT);
    if (last == CODEC_OP_PATCH && call->format == CODEC_FORMAT_JSON) {
        status = run(t, CODEC_OP_PATCH);
        last = CODEC_OP_ENCODE;
    }
    t->is_last = true;
    if (status != CODEC_OK)
        return status;
    if (!put_array_head(t, out))
        return run_within(t, last, t->in, call->max_output, memory_left(t), out);
    status = run_within(t, last, t->in,
                        call->max_output < CODEC_ARRAY_HEAD_BYTES
                            ? 0
                            : call->max_output - CODEC_ARRAY_HEAD_BYTES,
                        memory_left(t), out);
    if (status != CODEC_OK)
        out->len -= CODEC_ARRAY_HEAD_BYTES;
    return status;
}

static enum codec_status compress(struct transform *t, struct buf *out)
{
    struct buf plain = BUF_INIT;
    enum codec_status status = finish(t, &plain);
    size_t most = t->call->max_output, left;

    buf_free(&t->made);
    /* No results are no part of a stream, either. */
    if (status == CODEC_OK && ((plain.len <= CODEC_CODED_MIN_BYTES && !t->call->part) ||
                               (plain.len == 0 && t->call->transform))) {
        buf_append(out, plain.data, plain.len);
        buf_free(&plain);
        return CODEC_OK;
    }
    t->held_bytes += plain.cap;
    left = memory_left(t);
    if (status == CODEC_OK)
        status = zipped(t,
                        coding_compress(t->call->coding, t->call->part, buf_slice(&plain),
                                        most < left ? most : left, out),
                        left < most);
    buf_free(&plain);
    return status;
}

enum codec_status transform_run(struct codec *codec, transform_step_fn *run_step,
                                struct jq_cache **programs, const struct codec_call *call,
                                struct buf *out, struct codec_fault *fault_r)
{
    struct transform t = {
        .codec = codec, .run_step = run_step, .programs = programs, .call = call};
    size_t start = out->len;
    enum codec_status status;

    t.in = call->in;
    if (t.in.data == NULL)
        t.in.data = (const uint8_t *)"";
    status = coding_is_there(call->coding) ? prepare(&t) : fail(&t, CODEC_UNSUPPORTED, 0);
    if (status == CODEC_OK)
        status = call->coding == CODING_NONE ? finish(&t, out) : compress(&t, out);
    assert(status == CODEC_OK || out->len == start);
    assert(status == CODEC_OK || status == t.fault.status);
    if (status == CODEC_OK)
        t.fault = (struct codec_fault){CODEC_OK, 0};
    if (codec_status_has_text(status))
        buf_append(out, t.reason.data, t.reason.len);
    buf_free(&t.made);
    buf_free(&t.patch);
    buf_free(&t.reason);
    *fault_r = t.fault;
    return status;
}
