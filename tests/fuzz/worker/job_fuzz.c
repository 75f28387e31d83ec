/*
 * Whatever job a front makes, with both engines: any operation, flags, separator, limits
 * and options, whether they go together or not. It ends with a status, keeps to its
 * limits, and leaves no bytes where it failed; both engines come to the same, limits
 * aside.
 *
 * The input: operation, flags, separator, log2 of the output's limit, length of the
 * options, then options and payload. Options of no bytes are made of the flags' other
 * bits and the separator instead, so that most are well-formed.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/codec/codec.h"
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
enum { MAKE_GZIP = 4, MAKE_ZSTD = 8, MAKE_PART = 16, MAKE_GUNZIP = 32, MAKE_JSON = 64 };

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
        .argument = {NULL, head[0] % CODEC_OPS == CODEC_OP_PATCH ? argument_len : 0},
        .fields = {(const uint8_t *)"a,b.c", head[2] % 3 == 1 ? 5 : 0},
        .max_expanded = (size_t)1 << head[3] % 32};

    call_options_put(out, &call);
}

static void run(const char *engine, const struct wire_job *job, struct buf *out,
                struct wire_result *result_r)
{
    struct codec *codec = codec_create(engine);

    buf_append(out, "+", 1); /* what is there stays */
    job_run(codec, job, MEMORY_BYTES, out, result_r);
    CHECK(result_r->status < CODEC_STATUSES && result_r->verdict == WIRE_DONE);
    CHECK(out->len == 1 + result_r->payload.bytes.len);
    CHECK(result_r->payload.bytes.len <= job->max_output);
    CHECK(result_r->status == CODEC_OK || out->len == 1);
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
    struct buf options = BUF_INIT, one = BUF_INIT, other = BUF_INIT;
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
    if (options_len == 0) {
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
    buf_free(&one);
    buf_free(&other);
    return 0;
}
