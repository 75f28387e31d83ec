#include "worker/broker/output.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/base/alloc.h"

/* Short runs are collected up to this. */
#define CHUNK_BYTES ((size_t)64 << 10)
/* Pieces in one system call. */
#define PIECES 64

struct chunk {
    struct list link;
    struct blob *blob; /* NULL: the bytes are in own */
    struct buf own;
    size_t at; /* what has been sent of it */
};

void output_init(struct output *output)
{
    list_init(&output->chunks);
    output->bytes = 0;
}

static struct slice bytes_of(const struct chunk *chunk)
{
    return chunk->blob != NULL ? chunk->blob->bytes : buf_slice(&chunk->own);
}

static void free_chunk(struct chunk *chunk)
{
    list_remove(&chunk->link);
    blob_unref(&chunk->blob);
    buf_free(&chunk->own);
    mem_free(chunk);
}

void output_free(struct output *output)
{
    while (!list_is_empty(&output->chunks))
        free_chunk(container_of(output->chunks.next, struct chunk, link));
    output->bytes = 0;
}

static struct chunk *add_chunk(struct output *output)
{
    struct chunk *chunk = mem_zalloc(sizeof *chunk);

    list_append(&output->chunks, &chunk->link);
    return chunk;
}

/* The last chunk, if short runs can be added to it, or a new one. */
static struct chunk *open_chunk(struct output *output)
{
    struct chunk *last = container_of(output->chunks.prev, struct chunk, link);

    if (list_is_empty(&output->chunks) || last->blob != NULL ||
        last->own.len >= CHUNK_BYTES)
        return add_chunk(output);
    return last;
}

void output_put(struct output *output, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    buf_append(&open_chunk(output)->own, bytes, len);
    output->bytes += len;
}

void output_put_blob(struct output *output, struct blob *blob)
{
    if (blob->bytes.len <= OUTPUT_COPY_BYTES) {
        output_put(output, blob->bytes.data, blob->bytes.len);
        return;
    }
    add_chunk(output)->blob = blob_ref(blob);
    output->bytes += blob->bytes.len;
}

static unsigned fill_pieces(const struct output *output, struct iovec *pieces)
{
    unsigned count = 0;

    for (struct list *link = output->chunks.next;
         link != &output->chunks && count < PIECES; link = link->next) {
        const struct chunk *chunk = container_of(link, struct chunk, link);
        struct slice bytes = bytes_of(chunk);

        pieces[count].iov_base = (void *)(uintptr_t)(bytes.data + chunk->at);
        pieces[count++].iov_len = bytes.len - chunk->at;
    }
    return count;
}

static void take_sent(struct output *output, size_t sent)
{
    output->bytes -= sent;
    while (sent > 0) {
        struct chunk *chunk = container_of(output->chunks.next, struct chunk, link);
        size_t left = bytes_of(chunk).len - chunk->at;

        if (sent < left) {
            chunk->at += sent;
            return;
        }
        sent -= left;
        free_chunk(chunk);
    }
}

ssize_t output_send(struct output *output, int fd)
{
    struct iovec pieces[PIECES];
    ssize_t sent, total = 0;

    while (output->bytes > 0) {
        struct msghdr message = {.msg_iov = pieces};

        message.msg_iovlen = fill_pieces(output, pieces);
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? total : -1;
        take_sent(output, (size_t)sent);
        total += sent;
    }
    return total;
}
