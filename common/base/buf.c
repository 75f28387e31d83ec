#include "common/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/base/log.h"

#define BUF_MIN_BYTES 256

uint8_t *buf_reserve(struct buf *buf, size_t extra)
{
    size_t need = buf->len + extra;

    assert(buf->len <= buf->cap);
    if (need < extra)
        log_panic("buffer size overflows");
    if (need > buf->cap || buf->data == NULL) {
        size_t cap = buf->cap * 2 > need ? buf->cap * 2 : need;

        if (cap < BUF_MIN_BYTES)
            cap = BUF_MIN_BYTES;
        buf->data = mem_realloc(buf->data, cap);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    memcpy(buf_reserve(buf, len), bytes, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_vprintf(struct buf *buf, const char *format, va_list args)
{
    va_list again;
    int need, wrote;

    va_copy(again, args);
    need = vsnprintf(NULL, 0, format, again);
    va_end(again);
    assert(need >= 0);
    wrote = vsnprintf((char *)buf_reserve(buf, (size_t)need + 1), (size_t)need + 1,
                      format, args);
    assert(wrote == need);
    buf->len += (size_t)wrote;
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    buf_vprintf(buf, format, args);
    va_end(args);
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0)
        memmove(buf->data, buf->data + len, buf->len);
}

void buf_free(struct buf *buf)
{
    background_free_bytes(buf->data, buf->cap);
    *buf = (struct buf)BUF_INIT;
}
