/*
 * Bytes with an owner count: a document or a reply that several objects hold
 * without copying it. Immutable once made.
 *
 * Every blob on the heap counts in the process's memory budget (memory_budget.h).
 * The memory of a large one is freed by another thread where there is one for it
 * (background_free.h).
 *
 * Counts are not atomic: a blob belongs to one thread at a time (a thread that
 * made one hands it over whole, with the only reference).
 */
#ifndef OFFLOOP_COMMON_BASE_BLOB_H
#define OFFLOOP_COMMON_BASE_BLOB_H

#include "common/base/buf.h"

struct blob {
    struct slice bytes;
    unsigned refs;
    void (*release)(struct blob *); /* frees the blob and what its bytes live in */
};

/* A blob whose `len` bytes its maker is to fill in at *bytes_r before anybody sees it;
   one reference. */
struct blob *blob_new(size_t len, uint8_t **bytes_r);

/* A blob with a copy of the bytes; one reference, the caller's. */
struct blob *blob_new_copy(const void *bytes, size_t len);

/* A blob that takes over the buffer's memory and leaves it empty; one reference. */
struct blob *blob_new_steal(struct buf *buf);

/* One more reference to the same blob. */
struct blob *blob_ref(struct blob *blob);

/* Gives up *blob's reference (NULL is allowed) and clears the pointer. */
void blob_unref(struct blob **blob);

#endif
