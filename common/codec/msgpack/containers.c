#include "common/codec/msgpack/containers.h"

#include <assert.h>
#include <string.h>

#include "common/codec/msgpack/pack.h"

/* A container with more than 15 items. */
struct wide {
    uint64_t at; /* of its reserved byte, from out->data */
    uint32_t items;
    bool map;
};

/* The state of the backward pass: bytes from `read_end` on are already at their new
   place, which begins at `write_end`. */
struct pass {
    uint8_t *data;
    size_t read_end;
    size_t write_end;
};

static size_t header_growth(size_t items)
{
    return items > UINT16_MAX ? 4 : 2;
}

enum codec_status containers_record(struct engine_job *job, struct containers *wide,
                                    size_t at, size_t items, bool map)
{
    size_t need = (wide->count + 1) * sizeof(struct wide);
    struct wide *list;

    assert(items > CONTAINERS_SMALL_MAX && items <= UINT32_MAX);
    assert(at < job->out->len);
    if (need > wide->list.cap) {
        enum codec_status status = engine_grow_scratch(job, &wide->list, need);

        if (status != CODEC_OK)
            return status;
    }
    list = wide->list.data;
    list[wide->count++] = (struct wide){at, (uint32_t)items, map};
    wide->growth_bytes += header_growth(items);
    return CODEC_OK;
}

/* Moves the bytes after one container's reserved byte to their place, and writes its
   header before them. */
static void widen(struct pass *pass, const struct wide *wide)
{
    size_t from = (size_t)wide->at + 1;
    size_t len = pass->read_end - from;
    size_t header_len = 1 + header_growth(wide->items);

    assert(from <= pass->read_end);
    pass->write_end -= len;
    memmove(pass->data + pass->write_end, pass->data + from, len);
    pass->write_end -= header_len;
    pack_container(pass->data + pass->write_end, wide->items, wide->map);
    pass->read_end = (size_t)wide->at;
    assert(pass->write_end >= pass->read_end);
}

enum codec_status containers_fix(struct engine_job *job, struct containers *wide)
{
    const struct wide *list = wide->list.data;
    const struct wide *open[CODEC_OPEN_MAX];
    size_t depth = 0;
    enum codec_status status;
    struct pass pass;

    if (wide->count == 0)
        return CODEC_OK;
    status = engine_reserve(job, wide->growth_bytes);
    if (status != CODEC_OK)
        return status;
    pass =
        (struct pass){job->out->data, job->out->len, job->out->len + wide->growth_bytes};
    job->out->len = pass.write_end;
    /* The list has the order in which containers ended. Backwards, a container comes
       before those inside it. The pass needs them by descending start. So each waits on a
       stack until the next one is not inside it. */
    for (size_t i = wide->count; i-- > 0;) {
        while (depth > 0 && open[depth - 1]->at > list[i].at)
            widen(&pass, open[--depth]);
        assert(depth < CODEC_OPEN_MAX);
        open[depth++] = &list[i];
    }
    while (depth > 0)
        widen(&pass, open[--depth]);
    assert(pass.write_end == pass.read_end);
    return CODEC_OK;
}
