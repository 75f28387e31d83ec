/*
 * Bytes with a reference count: a document or a reply that several objects share without
 * a copy. A blob does not change after it was made.
 *
 * Every blob on the heap counts in the process's memory budget (memory_budget.h). Another
 * thread frees the memory of a large blob, if the process has one for that
 * (background_free.h).
 *
 * The counts are not atomic: a blob belongs to one thread at a time. A thread that hands
 * a blob to another one must have the only reference.
 */
#ifndef OFFLOOP_COMMON_BASE_BLOB_H
#define OFFLOOP_COMMON_BASE_BLOB_H

#include "common/base/buf.h"

struct blob {
    struct slice bytes;
    unsigned refs;
    void (*release)(struct blob *); /* frees the blob and the memory of its bytes */
};

/* A blob of `len` bytes with one reference. The caller fills in the bytes at *bytes_r
   before it shares the blob. */
struct blob *blob_new(size_t len, uint8_t **bytes_r);

/* A blob with a copy of the bytes, and one reference. */
struct blob *blob_new_copy(const void *bytes, size_t len);

/* A blob with one reference that takes over the buffer's memory. The buffer is empty
 * then.
 */
struct blob *blob_new_steal(struct buf *buf);

/* One more reference to the same blob. */
struct blob *blob_ref(struct blob *blob);

/* Gives up *blob's reference and clears the pointer. *blob may be NULL. */
void blob_unref(struct blob **blob);

#endif
