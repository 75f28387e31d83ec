#include "common/codec/operations/program.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/msgpack/cursor.h"
#include "common/codec/msgpack/pack.h"
#include "common/loop/cpu_yield.h"

/* Text takes at least a third of the bytes that MessagePack takes for the same value. */
#define TEXT_FACTOR 3

/* What a program may use on a loop beside the document's size: to make more takes more
   time than there is. */
#define LOOP_MEMORY(document_bytes) (4 * (size_t)(document_bytes) + ((size_t)256 << 10))

/* A step while it runs. */
struct run {
    struct program_step *step;
    const struct jq_program *program;
    struct program_argument argument;
    struct buf *made;
    size_t start;             /* of the results in `made` */
    struct slice id;          /* the document's name */
    enum codec_status status; /* why take_result() said no */
    uint8_t packed_id[PACK_MAX_BYTES + DOCUMENT_NAME_MAX_BYTES];
};

static enum codec_status fail(struct program_step *step, enum codec_status status,
                              uint64_t offset, const char *reason)
{
    step->fault = (struct codec_fault){status, offset};
    if (codec_status_has_text(status))
        buf_append_str(step->reason, reason);
    return status;
}

static size_t bytes_made(const struct run *run)
{
    return run->made->len - run->start;
}

/* Names count like the results that they belong to: there may be more of them. */
static size_t bytes_held(const struct run *run)
{
    const struct buf *names = run->step->names;

    return bytes_made(run) + (names != NULL ? names->len : 0);
}

static size_t most_output(const struct program_step *step)
{
    return step->max_output < SIZE_MAX / TEXT_FACTOR ? step->max_output * TEXT_FACTOR
                                                     : SIZE_MAX;
}

/* Appends without ending the process where memory is out: results count as the job's
   memory, which grows by doubling. */
static bool append(const struct run *run, struct buf *to, struct slice bytes)
{
    size_t half = run->step->max_memory / 2, need = to->len + bytes.len;

    if (bytes.len > half || bytes_held(run) > half - bytes.len)
        return false;
    if (need > to->cap) {
        size_t cap = need > 2 * to->cap ? need : 2 * to->cap;
        uint8_t *data = realloc(to->data, cap);

        if (data == NULL)
            return false;
        to->data = data;
        to->cap = cap;
    }
    if (bytes.len > 0)
        memcpy(to->data + to->len, bytes.data, bytes.len);
    to->len += bytes.len;
    return true;
}

static bool take_result(void *context, struct slice result)
{
    const struct slice newline = {(const uint8_t *)"\n", 1};
    struct run *run = context;
    struct program_step *step = run->step;

    if (step->call->one && step->results == 1) {
        run->status = CODEC_SEVERAL;
        return false;
    }
    step->results++;
    step->all_results++;
    if (append(run, run->made, result) &&
        (step->names == NULL ||
         (append(run, step->names, run->id) && append(run, step->names, newline))))
        return true;
    run->status = CODEC_MEMORY;
    return false;
}

static bool go_on(void *context)
{
    const struct codec_call *call = ((struct run *)context)->step->call;
    struct codec_budget *budget =
        call->program_budget != NULL ? call->program_budget : call->budget;

    cpu_yield();
    return budget == NULL || !budget->is_spent(budget, 0);
}

static enum codec_status end_of(struct run *run, const struct jq_outcome *outcome)
{
    struct program_step *step = run->step;
    bool is_stopped = run->status != CODEC_OK, on_loop = step->call->budget != NULL;

    if (on_loop && (outcome->status == JQ_STEPS || outcome->status == JQ_MEMORY))
        return fail(step, CODEC_STOPPED, CODEC_NO_OFFSET,
                    ""); /* elsewhere there is more */
    switch (outcome->status) {
    case JQ_OK: return CODEC_OK;
    case JQ_FAILED: return fail(step, CODEC_FAILED, outcome->offset, outcome->reason);
    case JQ_STEPS: return fail(step, CODEC_STEPS, CODEC_NO_OFFSET, outcome->reason);
    case JQ_MEMORY: return fail(step, CODEC_MEMORY, 0, "");
    case JQ_OUTPUT: return fail(step, CODEC_TOO_LARGE, 0, "");
    case JQ_ARGUMENT: return fail(step, CODEC_ARGUMENT, CODEC_NO_OFFSET, outcome->reason);
    case JQ_DOCUMENT: return fail(step, CODEC_MSGPACK, 0, "");
    default:
        return fail(step, is_stopped ? run->status : CODEC_STOPPED, CODEC_NO_OFFSET,
                    is_stopped ? codec_status_text(run->status) : "");
    }
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static enum codec_status run_document(struct run *run, struct slice document)
{
    struct program_step *step = run->step;
    size_t most = most_output(step), made = bytes_made(run);
    bool on_loop = step->call->budget != NULL;
    size_t memory = on_loop ? LOOP_MEMORY(document.len) : JQ_MEMORY(document.len);
    const struct jq_call call = {.program = run->program,
                                 .document = document,
                                 .arguments = run->argument.values,
                                 .max_steps =
                                     on_loop ? JQ_LOOP_STEPS : JQ_STEPS(document.len),
                                 .max_memory = min_size(memory, step->max_memory),
                                 .max_output = made < most ? most - made : 0,
                                 .take = take_result,
                                 .go_on = go_on,
                                 .context = run};
    struct jq_outcome outcome;

    step->results = 0;
    (void)jq_run(&call, &outcome);
    return end_of(run, &outcome);
}

/* The next of the documents' names. */
static bool take_id(struct run *run)
{
    struct slice *ids = &run->argument.ids;
    const uint8_t *end = ids->len > 0 ? memchr(ids->data, '\n', ids->len) : NULL;

    run->id = run->step->id;
    if (run->id.data == NULL && end != NULL) {
        run->id = (struct slice){ids->data, (size_t)(end - ids->data)};
        ids->len -= run->id.len + 1;
        ids->data = end + 1;
    }
    return run->id.data != NULL && run->id.len <= DOCUMENT_NAME_MAX_BYTES;
}

/* Makes the document's name the last argument. */
static bool bind_id(struct run *run)
{
    struct program_argument *argument = &run->argument;
    uint8_t *at = run->packed_id;

    if (!take_id(run))
        return false;
    at = pack_str(at, (uint32_t)run->id.len);
    at = pack_bytes(at, run->id.data, run->id.len);
    argument->values[argument->count - 1] =
        (struct slice){run->packed_id, (size_t)(at - run->packed_id)};
    return true;
}

/* The length of the first document; 0 with the step's fault. */
static size_t length_of(struct program_step *step, struct slice rest, size_t at)
{
    struct cursor cursor;

    cursor_init(&cursor, rest, 0);
    do {
        if (cursor_next(&cursor) == CURSOR_FAULT) {
            (void)fail(step, cursor.status, at + cursor.fault_at, "");
            return 0;
        }
    } while (cursor.depth > 0);
    return (size_t)(cursor.at - rest.data);
}

static enum codec_status run_documents(struct run *run, struct slice in)
{
    struct program_step *step = run->step;
    enum codec_status status = CODEC_OK;

    for (size_t at = 0; at < in.len && status == CODEC_OK;) {
        struct slice document = {in.data + at, in.len - at};

        if (!step->is_one_document) {
            document.len = length_of(step, document, at);
            if (document.len == 0)
                return step->fault.status;
        }
        if (run->argument.has_ids && !bind_id(run))
            return fail(step, CODEC_NAME, CODEC_NO_OFFSET, "");
        status = run_document(run, document);
        at += document.len;
    }
    return status;
}

static const struct jq_program *compile(struct run *run)
{
    struct program_step *step = run->step;
    struct program_argument *argument = &run->argument;
    struct jq_refusal refusal = {0, "there is no memory for the program"};
    const struct jq_program *program = NULL;

    if (*step->programs == NULL)
        *step->programs = jq_cache_create();
    if (*step->programs != NULL)
        program = jq_cache_get(*step->programs, argument->text, argument->names,
                               argument->count, &refusal);
    if (program == NULL)
        (void)fail(step, CODEC_PROGRAM, refusal.offset, refusal.reason);
    return program;
}

enum codec_status program_run(struct program_step *step, struct slice in,
                              struct buf *made)
{
    struct run run = {.step = step, .made = made, .start = made->len};
    struct program_argument *argument = &run.argument;

    if (program_argument_read(step->call->argument, argument) != 0)
        return fail(step, CODEC_ARGUMENT, CODEC_NO_OFFSET,
                    "the program does not come as [text, {arguments}]");
    argument->has_ids = argument->has_ids || step->id.data != NULL;
    if (argument->has_ids) {
        if (argument->count == JQ_MAX_NAMES)
            return fail(step, CODEC_ARGUMENT, CODEC_NO_OFFSET, "too many arguments");
        argument->names[argument->count] =
            (struct slice){(const uint8_t *)PROGRAM_ID, sizeof PROGRAM_ID - 1};
        argument->values[argument->count++] = (struct slice){NULL, 0};
    }
    run.program = compile(&run);
    return run.program != NULL ? run_documents(&run, in) : CODEC_PROGRAM;
}
