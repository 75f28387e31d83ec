#include "server/api/bulk/bulk_cut.h"

#include <assert.h>
#include <string.h>

#include "common/loop/background_free.h"

void bulk_cut_init(struct bulk_cut *cut, size_t line_max)
{
    *cut = (struct bulk_cut){.line_max = line_max};
}

void bulk_cut_free(struct bulk_cut *cut)
{
    background_free_buf(&cut->text);
}

static size_t partial(const struct bulk_cut *cut)
{
    return cut->text.len - cut->whole;
}

static void use(struct slice *in, size_t len)
{
    in->data += len;
    in->len -= len;
}

/* Inside a line over the limit: drops what belongs to it. */
static void skip(struct bulk_cut *cut, struct slice *in)
{
    const uint8_t *end = memchr(in->data, '\n', in->len);

    assert(partial(cut) == 0);
    cut->skipping = end == NULL;
    use(in, end ? (size_t)(end - in->data) + 1 : in->len);
}

/* Takes one line's bytes, or what there is of it. */
static enum bulk_cut_event feed_line(struct bulk_cut *cut, struct slice *in)
{
    const uint8_t *end = memchr(in->data, '\n', in->len);
    size_t len = end ? (size_t)(end - in->data) : in->len;
    bool too_long = len > cut->line_max - partial(cut);
    bool is_long = partial(cut) + len > BULK_CUT_BYTES; /* a block of its own */

    assert(partial(cut) <= cut->line_max);
    if (cut->whole > 0 && (too_long || is_long || cut->whole >= BULK_CUT_BYTES))
        return BULK_CUT_BLOCK;
    if (too_long) {
        background_free_buf(&cut->text);
        cut->skipping = true;
        return BULK_CUT_TOO_LONG;
    }
    len += end != NULL;
    buf_append(&cut->text, in->data, len);
    use(in, len);
    if (end != NULL) {
        cut->whole = cut->text.len;
        cut->lines++;
    }
    return BULK_CUT_MORE;
}

enum bulk_cut_event bulk_cut_feed(struct bulk_cut *cut, struct slice *in)
{
    while (in->len > 0) {
        enum bulk_cut_event event = BULK_CUT_MORE;

        if (cut->skipping)
            skip(cut, in);
        else
            event = feed_line(cut, in);
        if (event != BULK_CUT_MORE)
            return event;
    }
    return cut->whole >= BULK_CUT_BYTES ? BULK_CUT_BLOCK : BULK_CUT_MORE;
}

enum bulk_cut_event bulk_cut_end(struct bulk_cut *cut)
{
    if (partial(cut) > 0) {
        cut->whole = cut->text.len;
        cut->lines++;
    }
    return cut->whole > 0 ? BULK_CUT_BLOCK : BULK_CUT_MORE;
}

uint64_t bulk_cut_take(struct bulk_cut *cut, struct buf *text_r)
{
    struct buf rest = BUF_INIT;
    uint64_t lines = cut->lines;

    assert(cut->whole > 0 && lines > 0);
    if (partial(cut) > 0)
        buf_append(&rest, cut->text.data + cut->whole, partial(cut));
    cut->text.len = cut->whole;
    *text_r = cut->text;
    cut->text = rest;
    cut->whole = 0;
    cut->lines = 0;
    return lines;
}
