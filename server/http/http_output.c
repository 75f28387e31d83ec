#include "server/http/http_output.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/alloc.h"

#define PREFIX_MAX   32
#define IOV_MAX_STEP 64

struct piece {
    struct list link;
    struct blob *blob;
    struct slice rest; /* of the blob, not sent yet */
    bool is_body;
    uint8_t prefix_at, prefix_len;
    uint8_t prefix[PREFIX_MAX];
};

void http_output_init(struct http_output *out)
{
    list_init(&out->pieces);
    out->bytes = 0;
    out->sent_body = 0;
}

static void piece_free(struct piece *piece)
{
    list_remove(&piece->link);
    blob_unref(&piece->blob);
    mem_free(piece);
}

void http_output_clear(struct http_output *out)
{
    while (!list_is_empty(&out->pieces))
        piece_free(container_of(out->pieces.next, struct piece, link));
    out->bytes = 0;
}

void http_output_append(struct http_output *out, struct blob *blob, struct slice part,
                        struct slice prefix)
{
    struct piece *piece = mem_alloc(sizeof *piece);

    assert(prefix.len <= PREFIX_MAX);
    assert(part.len + prefix.len > 0);
    list_init(&piece->link);
    piece->blob = blob != NULL ? blob_ref(blob) : NULL;
    piece->rest = part;
    piece->is_body = true;
    piece->prefix_at = 0;
    piece->prefix_len = (uint8_t)prefix.len;
    if (prefix.len > 0)
        memcpy(piece->prefix, prefix.data, prefix.len);
    list_append(&out->pieces, &piece->link);
    out->bytes += part.len + prefix.len;
}

void http_output_append_head(struct http_output *out, struct buf *head)
{
    struct blob *blob = blob_new_steal(head);

    http_output_append(out, blob, blob->bytes, (struct slice){NULL, 0});
    container_of(out->pieces.prev, struct piece, link)->is_body = false;
    blob_unref(&blob);
}

/* Fills in one slice, cut to `most` bytes; returns how many bytes it has. */
static size_t gather_slice(struct iovec *iov, const uint8_t *bytes, size_t len,
                           size_t most)
{
    size_t take = len < most ? len : most;

    /* sendmsg() reads only; its interface has no const. */
    *iov = (struct iovec){(void *)(uintptr_t)bytes, take};
    return take;
}

/* Collects at most `most` bytes from the start of the queue; returns the number of
   vectors. */
static size_t gather(const struct http_output *out, size_t most, struct iovec *iov)
{
    size_t count = 0;

    for (const struct list *at = out->pieces.next;
         at != &out->pieces && most > 0 && count + 2 <= IOV_MAX_STEP; at = at->next) {
        const struct piece *piece =
            (const struct piece *)((const char *)at - offsetof(struct piece, link));
        size_t prefix = piece->prefix_len - piece->prefix_at;

        if (prefix > 0)
            most -= gather_slice(&iov[count++], piece->prefix + piece->prefix_at, prefix,
                                 most);
        if (piece->rest.len > 0 && most > 0)
            most -= gather_slice(&iov[count++], piece->rest.data, piece->rest.len, most);
    }
    return count;
}

/* Takes sent bytes off one piece; returns how many they were. */
static size_t advance(struct http_output *out, struct piece *piece, size_t sent)
{
    size_t prefix = piece->prefix_len - piece->prefix_at, part;

    if (prefix > sent)
        prefix = sent;
    piece->prefix_at = (uint8_t)(piece->prefix_at + prefix);
    part = sent - prefix < piece->rest.len ? sent - prefix : piece->rest.len;
    piece->rest.data = part > 0 ? piece->rest.data + part : piece->rest.data;
    piece->rest.len -= part;
    if (piece->is_body)
        out->sent_body += part;
    return prefix + part;
}

static void consume(struct http_output *out, size_t sent)
{
    assert(sent <= out->bytes);
    out->bytes -= sent;
    while (sent > 0) {
        struct piece *piece = container_of(out->pieces.next, struct piece, link);

        sent -= advance(out, piece, sent);
        if (piece->rest.len == 0 && piece->prefix_at == piece->prefix_len)
            piece_free(piece);
    }
}

ssize_t http_output_send(struct http_output *out, int fd, size_t most)
{
    struct iovec iov[IOV_MAX_STEP];
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = gather(out, most, iov)};
    ssize_t sent;

    assert(message.msg_iovlen > 0);
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
    consume(out, (size_t)sent);
    return sent;
}

uint64_t http_output_take_sent(struct http_output *out)
{
    uint64_t sent = out->sent_body;

    out->sent_body = 0;
    return sent;
}
