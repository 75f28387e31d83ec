#include "common/codec/cli/run_jq.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/jq/jq.h"
#include "common/codec/msgpack/pack.h"

/* A program, its arguments, and the place for its results. */
struct job {
    struct codec *codec;
    struct jq_program *program;
    struct buf arguments[COMMAND_MAX_ARGUMENTS]; /* MessagePack */
    struct slice values[COMMAND_MAX_ARGUMENTS];  /* the arguments' bytes */
    struct buf out;
    bool failed;
};

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Packs an argument: JSON as its value, any other text as a string. */
static void pack_argument(struct codec *codec, const char *text, struct buf *packed)
{
    struct codec_call call = {.op = CODEC_OP_DECODE,
                              .in = text_slice(text),
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct codec_fault fault;
    size_t len = strlen(text);
    uint8_t *at;

    if (codec_run(codec, &call, packed, &fault) == CODEC_OK)
        return;
    at = buf_reserve(packed, len + PACK_MAX_BYTES);
    at = pack_str(at, (uint32_t)len);
    at = pack_bytes(at, (const uint8_t *)text, len);
    packed->len = (size_t)(at - packed->data);
}

struct jq_program *command_compile(const char *text, const struct slice *names,
                                   size_t count)
{
    struct jq_refusal refusal;
    struct jq_program *program = jq_compile(text_slice(text), names, count, &refusal);

    if (program == NULL)
        fprintf(stderr, "offloop-codec: jq: error at byte %zu of the program: %s\n",
                refusal.offset, refusal.reason);
    return program;
}

/* Compiles the program and reads its arguments. -1 with a message on stderr. */
static int prepare(struct job *job, const struct command_options *options)
{
    struct slice names[COMMAND_MAX_ARGUMENTS];

    for (int i = 0; i < options->argument_count; i++) {
        names[i] = text_slice(options->arguments[i].name);
        pack_argument(job->codec, options->arguments[i].value, &job->arguments[i]);
        job->values[i] = buf_slice(&job->arguments[i]);
    }
    job->program =
        command_compile(options->files[0], names, (size_t)options->argument_count);
    return job->program != NULL ? 0 : -1;
}

/* Prints one result as a line. */
static bool print_result(void *context, struct slice result)
{
    struct job *job = context;
    struct codec_call call = {.op = CODEC_OP_ENCODE,
                              .in = result,
                              .max_output = SIZE_MAX,
                              .max_memory = SIZE_MAX};
    struct codec_fault fault;

    if (codec_run(job->codec, &call, &job->out, &fault) != CODEC_OK) {
        fprintf(stderr, "offloop-codec: jq: a result is no JSON: %s\n",
                codec_status_text(fault.status));
        job->failed = true;
        return false;
    }
    buf_append_str(&job->out, "\n");
    return true;
}

static int run_document(struct job *job, const struct buf *document)
{
    struct jq_call call = {.program = job->program,
                           .document = buf_slice(document),
                           .arguments = job->values,
                           .max_steps = JQ_STEPS(document->len),
                           .max_memory = JQ_MEMORY(document->len),
                           .max_output = SIZE_MAX,
                           .take = print_result,
                           .context = job};
    struct jq_outcome outcome;

    if (jq_run(&call, &outcome) == JQ_OK)
        return 0;
    if (outcome.status == JQ_FAILED)
        fprintf(stderr, "offloop-codec: jq: error at byte %zu of the program: %s\n",
                outcome.offset, outcome.reason);
    else if (!job->failed)
        fprintf(stderr, "offloop-codec: jq: %s\n", outcome.reason);
    return -1;
}

static bool is_space(uint8_t byte)
{
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

/* Reads the first value of the input as MessagePack and moves the input behind it.
   Returns 1, or 0 at the end of the input, or -1 with a message on stderr. */
static int next_document(struct job *job, enum codec_op op, const char *path,
                         struct slice *input, const uint8_t *start, struct buf *document)
{
    struct codec_call call = {.op = op, .max_output = SIZE_MAX, .max_memory = SIZE_MAX};
    struct codec_fault fault;
    enum codec_status status;

    while (op == CODEC_OP_DECODE && input->len > 0 && is_space(*input->data)) {
        input->data++;
        input->len--;
    }
    if (input->len == 0)
        return 0;
    call.in = *input;
    document->len = 0;
    status = codec_run(job->codec, &call, document, &fault);
    if (status == CODEC_TRAILING) { /* another value */
        call.in.len = (size_t)fault.offset;
        status = codec_run(job->codec, &call, document, &fault);
    }
    if (status != CODEC_OK) {
        fault.offset += (uint64_t)(input->data - start);
        command_report(path, &fault);
        return -1;
    }
    input->data += call.in.len;
    input->len -= call.in.len;
    return 1;
}

static int run_file(struct job *job, const struct command_options *options)
{
    const char *path = options->file_count > 1 ? options->files[1] : "-";
    enum codec_op op = options->msgpack ? CODEC_OP_VALIDATE : CODEC_OP_DECODE;
    struct buf content = BUF_INIT, document = BUF_INIT;
    int result = command_read(path, &content);
    struct slice input = buf_slice(&content);

    while (result == 0) {
        int next = next_document(job, op, path, &input, content.data, &document);

        if (next <= 0) {
            result = next;
            break;
        }
        result = run_document(job, &document);
    }
    buf_free(&content);
    buf_free(&document);
    return result;
}

int command_jq(const struct command_options *options)
{
    struct job job = {
        .codec = codec_create(options->codec != NULL ? options->codec : "direct")};
    int result = prepare(&job, options);

    if (result == 0)
        result = run_file(&job, options);
    if (command_write(&job.out) < 0)
        result = -1;
    for (int i = 0; i < options->argument_count; i++)
        buf_free(&job.arguments[i]);
    buf_free(&job.out);
    jq_destroy(&job.program);
    codec_destroy(&job.codec);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
