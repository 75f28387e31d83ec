/*
 * Whatever job a front makes, with both engines: any operation, flags, separator, limits
 * and options, whether they go together or not. It ends with a status, keeps to its
 * limits, and leaves no bytes where it failed; both engines come to the same, limits
 * aside.
 *
 * The input: operation, flags, separator, log2 of the output's limit, length of the
 * options, then options and payload. Options of no bytes are made of the flags' other
 * bits and the separator instead, so that most are well-formed; with a program its text
 * is as many bytes of the payload's end as the separator says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"
#include "common/codec/operations/program_argument.h"
#include "proto/call_options.h"
#include "worker/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HEAD_BYTES   5
#define MEMORY_BYTES ((size_t)32 << 20)

#define CHECK(is_true)  \
    do {                \
        if (!(is_true)) \
            abort();    \
    } while (0)

/* Flags behind those of a job. */
enum {
    MAKE_GZIP = 4,
    MAKE_ZSTD = 8,
    MAKE_PART = 16,
    MAKE_GUNZIP = 32,
    MAKE_JSON = 64,
    MAKE_PROGRAM = 128
};

/* A program whose text is what follows the document, and names that fit or not. */
static void put_program(struct buf *out, struct slice text)
{
    static const uint8_t arguments[] = {0x81, 0xa1, 'x', 2}; /* $x: 2 */

    program_argument_put(out, text, (struct slice){arguments, sizeof arguments},
                         (struct slice){(const uint8_t *)"a\nb\n", text.len % 2 ? 4 : 0});
}

/* Options as a front could have made them. */
static void put_options(struct buf *out, const uint8_t *head, size_t payload_len)
{
    unsigned flags = head[1];
    size_t argument_len = head[2] < payload_len ? head[2] : payload_len;
    const struct codec_call call = {
        .coding = flags & MAKE_GZIP   ? CODING_GZIP
                  : flags & MAKE_ZSTD ? CODING_ZSTD
                                      : CODING_NONE,
        .part = flags & MAKE_PART,
        .gunzip = flags & MAKE_GUNZIP,
        .format = flags & MAKE_JSON ? CODEC_FORMAT_JSON : CODEC_FORMAT_MSGPACK,
        .transform = flags & MAKE_PROGRAM,
        .one = (flags & MAKE_PROGRAM) && head[3] % 2,
        .ids = (flags & MAKE_PROGRAM) && head[3] % 3 == 1,
        .argument = {NULL, flags & MAKE_PROGRAM                    ? argument_len
                           : head[0] % CODEC_OPS == CODEC_OP_PATCH ? argument_len
                                                                   : 0},
        .fields = {(const uint8_t *)"a,b.c", head[2] % 3 == 1 ? 5 : 0},
        .max_expanded = (size_t)1 << head[3] % 32};

    call_options_put(out, &call);
}

static void run(const char *engine, const struct wire_job *job, struct buf *out,
                struct wire_result *result_r)
{
    struct codec *codec = codec_create(engine);

    buf_append(out, "+", 1); /* what is there stays */
    job_run(codec, job, MEMORY_BYTES, 0, out, result_r);
    CHECK(result_r->status < CODEC_STATUSES && result_r->verdict == WIRE_DONE);
    CHECK(out->len == 1 + result_r->payload.bytes.len);
    if (codec_status_has_text((enum codec_status)result_r->status))
        CHECK(result_r->payload.bytes.len <= CODEC_MAX_TEXT_BYTES);
    else
        CHECK(result_r->payload.bytes.len <= job->max_output &&
              (result_r->status == CODEC_OK || out->len == 1));
    codec_destroy(&codec);
}

/* How much an engine has made, and of what, when it comes to a limit is its own affair.
 */
static bool met_limit(const struct wire_result *result)
{
    return result->status == CODEC_MEMORY || result->status == CODEC_TOO_LARGE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf options = BUF_INIT, payload = BUF_INIT, one = BUF_INIT, other = BUF_INIT;
    struct wire_result results[2];
    struct wire_job job;
    size_t options_len;

    if (size < HEAD_BYTES)
        return 0;
    options_len = data[4] < size - HEAD_BYTES ? data[4] : size - HEAD_BYTES;
    job = (struct wire_job){.id = 1,
                            .op = data[0],
                            .flags = data[1] & WIRE_JOB_FLAGS,
                            .separator = data[2],
                            .max_output = UINT64_C(1) << data[3] % 30,
                            .options = {data + HEAD_BYTES, options_len},
                            .payload = {.bytes = {data + HEAD_BYTES + options_len,
                                                  size - HEAD_BYTES - options_len}}};
    if (options_len == 0 && (data[1] & MAKE_PROGRAM) != 0) {
        struct slice bytes = job.payload.bytes;
        size_t text_len = data[2] < bytes.len ? data[2] : bytes.len;
        size_t before = bytes.len - text_len;
        uint8_t head[HEAD_BYTES];

        buf_append(&payload, bytes.data, before);
        put_program(&payload, (struct slice){bytes.data + before, text_len});
        memcpy(head, data, sizeof head);
        head[2] = (uint8_t)(payload.len - before < 255 ? payload.len - before : 255);
        job.payload.bytes = buf_slice(&payload);
        put_options(&options, head, payload.len);
        job.options = buf_slice(&options);
    } else if (options_len == 0) {
        put_options(&options, data, job.payload.bytes.len);
        job.options = buf_slice(&options);
    }
    run("yajl", &job, &one, &results[0]);
    run("direct", &job, &other, &results[1]);
    CHECK(results[0].status == results[1].status || met_limit(&results[0]) ||
          met_limit(&results[1]));
    CHECK(results[0].status != results[1].status ||
          (one.len == other.len && memcmp(one.data, other.data, one.len) == 0));
    buf_free(&options);
    buf_free(&payload);
    buf_free(&one);
    buf_free(&other);
    return 0;
}
