#include "common/base/blob.h"

#include <assert.h>
#include <string.h>

#include "common/base/alloc.h"
#include "common/loop/background_free.h"
#include "common/loop/memory_budget.h"

struct heap_blob {
    struct blob blob;
    uint8_t *bytes; /* NULL: the bytes follow this struct */
    size_t cap;     /* of the block at `bytes` */
};

static void heap_blob_release(struct blob *blob)
{
    struct heap_blob *heap = (struct heap_blob *)blob;

    memory_budget_release(heap->cap);
    if (heap->bytes == NULL) {
        background_free_bytes(heap, sizeof *heap + heap->cap);
        return;
    }
    background_free_bytes(heap->bytes, heap->cap);
    mem_free(heap);
}

struct blob *blob_new(size_t len, uint8_t **bytes_r)
{
    struct heap_blob *heap = mem_alloc(sizeof *heap + len);

    memory_budget_hold(len);
    heap->bytes = NULL;
    heap->cap = len;
    *bytes_r = (uint8_t *)(heap + 1);
    heap->blob = (struct blob){{*bytes_r, len}, 1, heap_blob_release};
    return &heap->blob;
}

struct blob *blob_new_copy(const void *bytes, size_t len)
{
    uint8_t *to;
    struct blob *blob = blob_new(len, &to);

    if (len > 0)
        memcpy(to, bytes, len);
    return blob;
}

struct blob *blob_new_steal(struct buf *buf)
{
    struct heap_blob *heap = mem_alloc(sizeof *heap);

    memory_budget_hold(buf->cap);
    heap->bytes = buf->data;
    heap->cap = buf->cap;
    heap->blob = (struct blob){{buf->data, buf->len}, 1, heap_blob_release};
    *buf = (struct buf)BUF_INIT;
    return &heap->blob;
}

struct blob *blob_ref(struct blob *blob)
{
    assert(blob->refs > 0);
    blob->refs++;
    return blob;
}

void blob_unref(struct blob **blob)
{
    struct blob *b = *blob;

    *blob = NULL;
    if (b == NULL)
        return;
    assert(b->refs > 0);
    if (--b->refs == 0)
        b->release(b);
}
