#include "tests/process/support/sp_peer.h"

#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/workers/link/rpc_address.h"

/* Over ipc a message is the byte 1, its length in eight bytes, and itself. */
#define FRAME_BYTES 9
#define FRAME_MARK  1

#define READ_BYTES 4096

/* A listener that accepts nobody (nng 1518) has a full backlog, and connect() waits. */
#define DIAL_S 5

int sp_peer_dial(const char *url)
{
    const struct timeval dial = {.tv_sec = DIAL_S};
    const struct timeval patience = {.tv_sec = SP_PEER_PATIENCE_S};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", rpc_address_path(url));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &dial, sizeof dial); /* connect()'s, too */
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        return fd;
    }
    close(fd);
    return -1;
}

void sp_peer_open(int fd, uint8_t protocol, unsigned len)
{
    const uint8_t opening[SP_OPENING_BYTES] = {0, 'S', 'P', 0, 0, protocol, 0, 0};

    assert_true(len <= sizeof opening);
    (void)!send(fd, opening, len, MSG_NOSIGNAL);
}

void sp_peer_connect(struct sp_peer *peer, const char *url, uint8_t protocol)
{
    const struct timeval patience = {.tv_sec = SP_PEER_PATIENCE_S};
    uint8_t theirs[SP_OPENING_BYTES];

    *peer = (struct sp_peer){.fd = sp_peer_dial(url), .in = BUF_INIT};
    assert_true(peer->fd >= 0);
    setsockopt(peer->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sp_peer_open(peer->fd, protocol, SP_OPENING_BYTES);
    /* nng answers on threads of its own, whatever its owner is doing */
    assert_int_equal(recv(peer->fd, theirs, sizeof theirs, MSG_WAITALL), sizeof theirs);
    assert_memory_equal(theirs, "\0SP", 4);
}

void sp_peer_send(struct sp_peer *peer, struct slice head, struct slice body)
{
    uint64_t length = htobe64(head.len + body.len);
    struct buf bytes = BUF_INIT;

    buf_append(&bytes, &(uint8_t){FRAME_MARK}, 1);
    buf_append(&bytes, &length, sizeof length);
    if (head.len > 0)
        buf_append(&bytes, head.data, head.len);
    buf_append(&bytes, body.data, body.len);
    assert_int_equal(send(peer->fd, bytes.data, bytes.len, MSG_NOSIGNAL), bytes.len);
    buf_free(&bytes);
}

/* The length of the message at the start; -1 where even that is not there yet. */
static int64_t message_len(const struct sp_peer *peer)
{
    uint64_t length;

    if (peer->in.len < FRAME_BYTES)
        return -1;
    assert_int_equal(peer->in.data[0], FRAME_MARK);
    memcpy(&length, peer->in.data + 1, sizeof length);
    return (int64_t)be64toh(length);
}

bool sp_peer_has_message(void *ctx)
{
    struct sp_peer *peer = ctx;
    ssize_t got =
        recv(peer->fd, buf_reserve(&peer->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);

    if (got > 0)
        peer->in.len += (size_t)got;
    else
        assert_true(got < 0 && (errno == EAGAIN || errno == EINTR));
    return message_len(peer) >= 0 &&
           peer->in.len - FRAME_BYTES >= (size_t)message_len(peer);
}

struct slice sp_peer_message(const struct sp_peer *peer)
{
    return (struct slice){peer->in.data + FRAME_BYTES, (size_t)message_len(peer)};
}

void sp_peer_close(struct sp_peer *peer)
{
    close(peer->fd);
    buf_free(&peer->in);
}
