#include "common/codec/direct/direct.h"

#include <assert.h>

#include "common/base/alloc.h"

static void *direct_create(void)
{
    return mem_zalloc(sizeof(struct direct));
}

static void direct_destroy(void *state)
{
    struct direct *direct = state;

    assert(direct != NULL);
    engine_free_scratch(&direct->wide.list);
    mem_free(direct);
}

static size_t direct_trim(void *state, size_t keep_bytes)
{
    struct direct *direct = state;

    if (direct->wide.list.cap > keep_bytes)
        engine_free_scratch(&direct->wide.list);
    return direct->wide.list.cap;
}

const struct codec_engine *direct_engine(void)
{
    static const struct codec_engine engine = {.name = "direct",
                                               .create = direct_create,
                                               .destroy = direct_destroy,
                                               .trim = direct_trim,
                                               .decode = direct_decode,
                                               .encode = direct_encode};

    return &engine;
}
