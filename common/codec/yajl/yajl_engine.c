#include "common/codec/yajl/yajl_engine.h"

#include "common/base/alloc.h"
#include "common/codec/yajl/yajl_decode.h"
#include "common/codec/yajl/yajl_encode.h"

struct state {
    struct yajl_decoder *decoder;
    struct yajl_encoder *encoder;
};

static void *state_create(void)
{
    struct state *state = mem_alloc(sizeof *state);

    state->decoder = yajl_decoder_create();
    state->encoder = yajl_encoder_create();
    return state;
}

static void state_destroy(void *opaque)
{
    struct state *state = opaque;

    yajl_decoder_destroy(&state->decoder);
    yajl_encoder_destroy(&state->encoder);
    mem_free(state);
}

static size_t state_trim(void *opaque, size_t keep_bytes)
{
    struct state *state = opaque;

    return yajl_decoder_trim(state->decoder, keep_bytes);
}

static enum codec_status state_decode(void *opaque, struct engine_job *job)
{
    struct state *state = opaque;

    return yajl_decoder_run(state->decoder, job);
}

static enum codec_status state_encode(void *opaque, struct engine_job *job, size_t *at)
{
    struct state *state = opaque;

    return yajl_encoder_run(state->encoder, job, at);
}

const struct codec_engine *yajl_engine(void)
{
    static const struct codec_engine engine = {
        .name = "yajl",
        .create = state_create,
        .destroy = state_destroy,
        .trim = state_trim,
        .decode = state_decode,
        .encode = state_encode,
    };

    return &engine;
}
