/* What needs no client: memory, texts, programs as arguments. */
#include <stdlib.h>
#include <string.h>

#include "clients/c/offloop.h"
#include "common/base/alloc.h"
#include "common/base/buf.h"
#include "common/codec/codec.h"

void offloop_free(void *memory)
{
    mem_free(memory);
}

const char *offloop_status_text(unsigned status)
{
    return codec_status_text(status < CODEC_STATUSES ? (enum codec_status)status
                                                     : CODEC_UNSUPPORTED);
}

const char *offloop_version(void)
{
    return OFFLOOP_VERSION;
}

/* A MessagePack str with the longest head, which holds any length. */
static void put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    const uint8_t head[] = {0xdb, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                            (uint8_t)(len >> 8), (uint8_t)len};

    buf_append(out, head, sizeof head);
    buf_append(out, text, len);
}

void *offloop_pack_program(const char *program, const void *args, size_t args_len,
                           size_t *len_r)
{
    struct buf out = BUF_INIT;

    buf_append(&out, "\x92", 1);
    put_text(&out, program);
    if (args != NULL)
        buf_append(&out, args, args_len);
    else
        buf_append(&out, "\x80", 1);
    *len_r = out.len;
    return out.data;
}
