#include "clients/c/inline.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "clients/c/offloop.h"
#include "proto/call_options.h"
#include "proto/wire.h"

#define ENGINE           "yajl"
#define MAX_MEMORY_BYTES ((size_t)1 << 30)

unsigned inline_run(struct codec *codec, const struct inline_job *job, struct buf *out,
                    uint64_t *fault_r)
{
    struct codec_call call = {.op = (enum codec_op)job->op,
                              .pretty = job->flags & WIRE_JOB_PRETTY,
                              .separator = (uint8_t)job->separator,
                              .in = job->payload,
                              .max_output = (size_t)job->max_output,
                              .max_memory = MAX_MEMORY_BYTES};
    struct codec_fault fault = {CODEC_OK, 0};
    enum codec_status status;

    *fault_r = 0;
    if (job->op >= CODEC_OPS || call_options_read(job->options, &call) != 0)
        return CODEC_UNSUPPORTED;
    status = codec_run(codec, &call, out, &fault);
    *fault_r = status != CODEC_OK ? fault.offset : 0;
    return status;
}

/* ---- offloop_run() ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t codec_key; /* a codec for each thread that asks */

static void end_codec(void *codec)
{
    struct codec *mine = codec;

    codec_destroy(&mine);
}

static void make_key(void)
{
    if (pthread_key_create(&codec_key, end_codec) != 0)
        abort();
}

static struct codec *thread_codec(void)
{
    struct codec *codec;

    pthread_once(&once, make_key);
    codec = pthread_getspecific(codec_key);
    if (codec == NULL) {
        codec = codec_create(ENGINE);
        if (pthread_setspecific(codec_key, codec) != 0)
            abort();
    }
    return codec;
}

int offloop_run(unsigned op, unsigned flags, unsigned separator, const void *options,
                size_t options_len, const void *payload, size_t len,
                unsigned char **result_r, size_t *result_len_r, unsigned *status_r,
                uint64_t *fault_r)
{
    const struct inline_job job = {.op = op,
                                   .flags = flags,
                                   .separator = separator,
                                   .options = {options, options_len},
                                   .payload = {payload, len},
                                   .max_output = WIRE_MAX_PAYLOAD_BYTES};
    struct buf out = BUF_INIT;
    struct codec *codec;

    *result_r = NULL;
    *result_len_r = 0;
    *status_r = 0;
    *fault_r = 0;
    if ((flags & ~(unsigned)WIRE_JOB_PRETTY) != 0 || separator > UINT8_MAX ||
        options_len > WIRE_MAX_OPTIONS_BYTES || len > WIRE_MAX_PAYLOAD_BYTES) {
        errno = EINVAL;
        return -1;
    }
    codec = thread_codec();
    *status_r = inline_run(codec, &job, &out, fault_r);
    if (out.data == NULL)
        (void)buf_reserve(&out, 1); /* an empty result is something to free, too */
    *result_r = out.data;
    *result_len_r = out.len;
    codec_trim(codec, (size_t)1 << 20);
    return 0;
}
