/*
 * For tests of jq: a program run on a JSON text, its results as JSON texts, one a line. A
 * refusal or failure is a last line "! OFFSET REASON"; another end "! STATUS".
 */
#ifndef OFFLOOP_TESTS_UNIT_JQ_JQ_JOB_H
#define OFFLOOP_TESTS_UNIT_JQ_JQ_JOB_H

#include <stdio.h>

#include "common/codec/jq/jq.h"
#include "tests/unit/codec/codec_job.h"

/* What a run is made of; zero is none, or without limit. */
struct jq_job {
    const char *program;
    struct slice document; /* MessagePack */
    const char *names[4];  /* of arguments */
    const char *values[4]; /* JSON */
    uint64_t max_steps;
    size_t max_memory, max_output;
    bool document_changes;
    jq_go_on_fn *go_on;
    struct buf lines; /* results; the caller frees it */
    struct jq_outcome outcome;
    struct jq_refusal refusal;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static inline bool add_line(void *context, struct slice result)
{
    struct jq_job *job = context;
    struct codec *codec = codec_create("direct");
    struct buf text = BUF_INIT;

    assert_int_equal(
        run_bytes(codec, CODEC_OP_ENCODE, result.data, result.len, &text).status,
        CODEC_OK);
    buf_append(&job->lines, text.data, text.len);
    buf_append_str(&job->lines, "\n");
    buf_free(&text);
    codec_destroy(&codec);
    return true;
}

/* The end that is no success, as a line. */
static inline void add_end(struct jq_job *job)
{
    if (job->outcome.status == JQ_FAILED)
        buf_printf(&job->lines, "! %zu %s\n", job->outcome.offset, job->outcome.reason);
    else if (job->outcome.status != JQ_OK)
        buf_printf(&job->lines, "! %s\n", jq_status_text(job->outcome.status));
}

static inline void run_program(struct jq_job *job, const struct jq_program *program,
                               const struct slice *arguments)
{
    struct jq_call call = {.program = program,
                           .document = job->document,
                           .document_changes = job->document_changes,
                           .arguments = arguments,
                           .max_steps = job->max_steps,
                           .max_memory = job->max_memory,
                           .max_output = job->max_output,
                           .take = add_line,
                           .go_on = job->go_on,
                           .context = job};
    enum jq_status status;

    if (call.max_steps == 0)
        call.max_steps = JQ_STEPS(job->document.len);
    if (call.max_memory == 0)
        call.max_memory = JQ_MEMORY(job->document.len);
    if (call.max_output == 0)
        call.max_output = SIZE_MAX;
    status = jq_run(&call, &job->outcome);
    assert_int_equal(status, job->outcome.status);
    assert_true(job->outcome.steps <= call.max_steps);
    assert_true(job->outcome.memory <= call.max_memory);
    add_end(job);
}

/* Compiles and runs. Returns the lines. */
static inline const char *run_job(struct jq_job *job)
{
    struct slice names[4] = {{NULL, 0}}, arguments[4] = {{NULL, 0}};
    struct buf packed_values[4] = {BUF_INIT, BUF_INIT, BUF_INIT, BUF_INIT};
    struct jq_program *program;
    size_t count = 0;

    for (; count < 4 && job->names[count] != NULL; count++) {
        names[count] = slice_of(job->names[count]);
        packed_values[count] = packed(job->values[count]);
        arguments[count] = buf_slice(&packed_values[count]);
    }
    program = jq_compile(slice_of(job->program), names, count, &job->refusal);
    if (program == NULL) {
        assert_true(job->refusal.reason[0] != 0);
        buf_printf(&job->lines, "! %zu %s\n", job->refusal.offset, job->refusal.reason);
    } else {
        run_program(job, program, arguments);
    }
    jq_destroy(&program);
    for (size_t i = 0; i < count; i++)
        buf_free(&packed_values[i]);
    buf_append(&job->lines, "", 1);
    return (const char *)job->lines.data;
}

/* Checks what a program makes of a JSON text. */
static inline void check_jq(const char *program, const char *input, const char *expected)
{
    struct buf document = packed(input);
    struct jq_job job = {.program = program, .document = buf_slice(&document)};
    const char *lines = run_job(&job);

    if (strcmp(lines, expected) != 0)
        print_error("program %s\ninput %s\n", program, input);
    assert_string_equal(lines, expected);
    buf_free(&job.lines);
    buf_free(&document);
}

#endif
