#include "clients/c/link.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void link_init(struct link *link)
{
    memset(link, 0, sizeof *link);
    link->fd = link->pass_fd = -1;
    frame_reader_init(&link->in, WIRE_MAX_MESSAGE_BYTES);
}

void link_close(struct link *link)
{
    if (link->fd >= 0)
        close(link->fd);
    if (link->pass_fd >= 0)
        close(link->pass_fd);
    frame_reader_free(&link->in);
    buf_free(&link->own);
    link_init(link);
}

bool link_is_clear(const struct link *link)
{
    return link->piece_at == link->piece_count;
}

static void begin_anew(struct link *link)
{
    if (!link_is_clear(link))
        return;
    link->piece_at = link->piece_count = 0;
    link->own.len = 0;
}

/* Bytes of our own may move as more are put: they are found by their place. */
static void put_own(struct link *link, const void *bytes, size_t len)
{
    assert(link->piece_count < LINK_PIECES);
    link->own_at[link->piece_count] = link->own.len;
    link->pieces[link->piece_count++] = (struct iovec){NULL, len};
    buf_append(&link->own, bytes, len);
}

void link_put_message(struct link *link, struct slice message, size_t more_bytes)
{
    uint8_t head[FRAME_HEAD_BYTES];

    begin_anew(link);
    frame_put_head(head, message.len + more_bytes);
    put_own(link, head, sizeof head);
    put_own(link, message.data, message.len);
}

void link_put_descriptor(struct link *link, struct slice message, int fd)
{
    assert(link_is_clear(link) && link->pass_fd < 0);
    link_put_message(link, message, 0);
    link->pass_fd = fd;
}

void link_put_borrowed(struct link *link, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    assert(link->piece_count < LINK_PIECES);
    link->own_at[link->piece_count] = SIZE_MAX;
    link->pieces[link->piece_count++] = (struct iovec){(void *)(uintptr_t)bytes, len};
}

void link_keep(struct link *link)
{
    for (unsigned i = link->piece_at; i < link->piece_count; i++) {
        struct iovec *piece = &link->pieces[i];

        if (link->own_at[i] != SIZE_MAX)
            continue;
        link->own_at[i] = link->own.len;
        buf_append(&link->own, piece->iov_base, piece->iov_len);
    }
}

/* Where the pieces are that are our own. */
static void find_own(struct link *link)
{
    for (unsigned i = link->piece_at; i < link->piece_count; i++)
        if (link->own_at[i] != SIZE_MAX)
            link->pieces[i].iov_base = link->own.data + link->own_at[i];
}

static void take_sent(struct link *link, size_t sent)
{
    while (sent > 0) {
        struct iovec *piece = &link->pieces[link->piece_at];

        if (sent < piece->iov_len) {
            piece->iov_base = (uint8_t *)piece->iov_base + sent;
            piece->iov_len -= sent;
            if (link->own_at[link->piece_at] != SIZE_MAX)
                link->own_at[link->piece_at] += sent;
            return;
        }
        sent -= piece->iov_len;
        link->piece_at++;
    }
}

union passed_fd {
    struct cmsghdr align;
    uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

/* The descriptor goes with the first byte of what is sent now. */
static void pass_descriptor(struct msghdr *message, union passed_fd *control, int fd)
{
    struct cmsghdr *head;

    memset(control, 0, sizeof *control);
    message->msg_control = control;
    message->msg_controllen = sizeof *control;
    head = CMSG_FIRSTHDR(message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(head), &fd, sizeof fd);
}

int link_send(struct link *link)
{
    union passed_fd control;

    while (!link_is_clear(link)) {
        struct msghdr message = {.msg_iov = link->pieces + link->piece_at,
                                 .msg_iovlen = link->piece_count - link->piece_at};
        ssize_t sent;

        find_own(link);
        if (link->pass_fd >= 0)
            pass_descriptor(&message, &control, link->pass_fd);
        sent = sendmsg(link->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
        take_sent(link, (size_t)sent);
        if (link->pass_fd >= 0)
            close(link->pass_fd);
        link->pass_fd = -1;
    }
    return 0;
}

static void greet(struct link *link, const char *name)
{
    const struct wire_app_hello hello = {
        WIRE_VERSION, {(const uint8_t *)name, strlen(name)}, 0};
    struct buf message = BUF_INIT;

    put_own(link, WIRE_GREETING, WIRE_GREETING_BYTES);
    wire_put_app_hello(&message, &hello);
    link_put_message(link, buf_slice(&message), 0);
    buf_free(&message);
}

int link_connect(struct link *link, const char *path, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int error;

    assert(link->fd < 0 && strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0)
        return -1;
    if (connect(link->fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        greet(link, name);
        return 0;
    }
    error = errno;
    link_close(link);
    errno = error;
    return -1;
}

/* The greeting's bytes, taken one read at a time. */
static ssize_t receive_greeting(struct link *link)
{
    static const char greeting[] = WIRE_GREETING;
    uint8_t bytes[WIRE_GREETING_BYTES];
    ssize_t got =
        recv(link->fd, bytes, sizeof bytes - link->greeting_bytes, MSG_DONTWAIT);

    if (got <= 0)
        return got;
    if (memcmp(bytes, &greeting[link->greeting_bytes], (size_t)got) != 0) {
        errno = EPROTO;
        return -1;
    }
    link->greeting_bytes += (unsigned)got;
    return got;
}

ssize_t link_receive(struct link *link)
{
    bool is_greeted = link->greeting_bytes == WIRE_GREETING_BYTES;
    ssize_t got;

    do {
        if (!is_greeted) {
            got = receive_greeting(link);
        } else {
            size_t room_bytes;
            uint8_t *room = frame_reader_space(&link->in, &room_bytes);

            got = recv(link->fd, room, room_bytes, MSG_DONTWAIT);
        }
    } while (got < 0 && errno == EINTR);
    if (got > 0 && is_greeted)
        frame_reader_add(&link->in, (size_t)got);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    return got == 0 ? -1 : got;
}

enum frame_result link_next(struct link *link, struct slice *message_r)
{
    return frame_reader_next(&link->in, message_r);
}
