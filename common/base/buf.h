/*
 * A growable run of bytes and a view of bytes.
 *
 * A struct buf is a plain value that its declarer owns: initialise it with BUF_INIT, end
 * it with buf_free(). Where memory runs out, growing ends the process: check a peer's
 * size first. No locking: one thread at a time.
 */
#ifndef OFFLOOP_COMMON_BASE_BUF_H
#define OFFLOOP_COMMON_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct slice {
    const uint8_t *data;
    size_t len; /* bytes */
};

struct buf {
    uint8_t *data;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
};

#define BUF_INIT   \
    {              \
        NULL, 0, 0 \
    }

/* Makes space for `extra` bytes behind len and returns its start. The capacity doubles as
   it grows. The caller adds to len what it writes. */
uint8_t *buf_reserve(struct buf *buf, size_t extra) __attribute__((returns_nonnull));

/* Appends bytes. */
void buf_append(struct buf *buf, const void *bytes, size_t len);

/* Appends a NUL-terminated string without its NUL. */
void buf_append_str(struct buf *buf, const char *text);

/* Appends formatted text without its NUL. */
void buf_printf(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with a va_list. */
void buf_vprintf(struct buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Removes `len` (at most buf->len) bytes at the start. */
void buf_consume(struct buf *buf, size_t len);

/* Frees the bytes and leaves an empty buffer, ready for use. */
void buf_free(struct buf *buf);

/* The buffer's bytes; valid until the buffer changes. */
static inline struct slice buf_slice(const struct buf *buf)
{
    return (struct slice){buf->data, buf->len};
}

#endif
