#include "worker/link/fastpath.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/base/alloc.h"
#include "proto/wire.h"
#include "worker/runner.h"

/* Sockets looked at in one turn. */
#define TURN_EVENTS 16

/* What may wait for a front: a message for each that it may have sent. */
#define MAX_UNSENT_BYTES ((size_t)(WIRE_MAX_CREDITS * WIRE_MAX_FAST_BYTES))

struct fastpath {
    int epoll_fd;
    struct runner *runner;
    pthread_t thread;
};

struct fastpath_link {
    atomic_uint refs; /* the thread's is one of them until the end */
    struct fastpath *fastpath;
    int fd;
    struct fastpath_events events;
    void *ctx;
    uint32_t peer;
    struct frame_reader reader; /* the thread's alone */

    pthread_mutex_t lock; /* over all below */
    struct buf unsent;    /* epoll waits for room where there are any */
    bool is_broken;       /* nothing can be sent any more */
};

struct fastpath_link *fastpath_link_ref(struct fastpath_link *link)
{
    if (link)
        atomic_fetch_add(&link->refs, 1);
    return link;
}

void fastpath_link_unref(struct fastpath_link **link)
{
    struct fastpath_link *l = *link;

    *link = NULL;
    if (!l || atomic_fetch_sub(&l->refs, 1) > 1)
        return;
    close(l->fd);
    frame_reader_free(&l->reader);
    buf_free(&l->unsent);
    pthread_mutex_destroy(&l->lock);
    mem_free(l);
}

void fastpath_link_hang_up(struct fastpath_link *link)
{
    shutdown(link->fd, SHUT_RDWR);
}

/* ---- sending ---- */

/* Has epoll tell of room too, or not; the lock is held. */
static void watch(struct fastpath_link *link, bool for_room)
{
    struct epoll_event event = {.events = EPOLLIN | (for_room ? EPOLLOUT : 0),
                                .data.ptr = link};

    /* one that has been left is not watched any more */
    (void)epoll_ctl(link->fastpath->epoll_fd, EPOLL_CTL_MOD, link->fd, &event);
}

/* How many bytes of the pieces the socket took; the lock is held. */
static size_t send_now(struct fastpath_link *link, struct iovec *pieces, unsigned count)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    ssize_t sent = sendmsg(link->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        link->is_broken = true; /* reading tells of the end */
        buf_free(&link->unsent);
    }
    return sent < 0 ? 0 : (size_t)sent;
}

/* Keeps what was not sent; the lock is held. */
static void queue_rest(struct fastpath_link *link, const struct iovec *pieces,
                       unsigned count, size_t sent)
{
    for (unsigned i = 0; i < count; i++) {
        size_t len = pieces[i].iov_len, skip = sent < len ? sent : len;

        buf_append(&link->unsent, (const uint8_t *)pieces[i].iov_base + skip, len - skip);
        sent -= skip;
    }
}

int fastpath_link_send(struct fastpath_link *link, struct slice head,
                       struct slice payloads)
{
    uint8_t frame[FRAME_HEAD_BYTES];
    struct iovec pieces[] = {{frame, sizeof frame},
                             {(void *)(uintptr_t)head.data, head.len},
                             {(void *)(uintptr_t)payloads.data, payloads.len}};
    size_t bytes = sizeof frame + head.len + payloads.len, sent = 0;
    int error = 0;

    assert(head.len + payloads.len <= WIRE_MAX_FAST_BYTES);
    frame_put_head(frame, head.len + payloads.len);
    pthread_mutex_lock(&link->lock);
    if (link->unsent.len == 0 && !link->is_broken) {
        sent = send_now(link, pieces, 3);
        if (sent < bytes && !link->is_broken)
            watch(link, true);
    }
    if (link->unsent.len + bytes > MAX_UNSENT_BYTES)
        error = -1;
    else if (!link->is_broken)
        queue_rest(link, pieces, 3, sent);
    pthread_mutex_unlock(&link->lock);
    return error;
}

/* There is room. */
static void send_rest(struct fastpath_link *link)
{
    struct iovec piece;

    pthread_mutex_lock(&link->lock);
    piece = (struct iovec){link->unsent.data, link->unsent.len};
    if (link->unsent.len > 0)
        buf_consume(&link->unsent, send_now(link, &piece, 1));
    if (link->unsent.len == 0) {
        buf_free(&link->unsent);
        watch(link, false);
    }
    pthread_mutex_unlock(&link->lock);
}

bool fastpath_link_is_delivered(struct fastpath_link *link)
{
    bool is_delivered;

    pthread_mutex_lock(&link->lock);
    is_delivered = link->unsent.len == 0;
    pthread_mutex_unlock(&link->lock);
    return is_delivered;
}

/* ---- receiving ---- */

/* Passes on what has come; false, with what is wrong, where that is no message. */
static bool pass_on(struct fastpath_link *link, const char **why_r)
{
    struct slice message;
    enum frame_result result;

    while ((result = frame_reader_next(&link->reader, &message)) == FRAME_MESSAGE) {
        *why_r = link->events.message(link->ctx, link->peer, message, &link->reader);
        if (*why_r)
            return false;
    }
    if (result == FRAME_BAD)
        *why_r = "bytes on the fast path that are no frame";
    return result != FRAME_BAD;
}

/* One read: the other fronts have their turn too. False where it was the last. */
static bool receive(struct fastpath_link *link, const char **why_r)
{
    size_t room;
    uint8_t *space = frame_reader_space(&link->reader, &room);
    ssize_t got = recv(link->fd, space, room, MSG_DONTWAIT);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    frame_reader_add(&link->reader, (size_t)got);
    return pass_on(link, why_r);
}

static void leave(struct fastpath_link *link, const char *why)
{
    (void)epoll_ctl(link->fastpath->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
    pthread_mutex_lock(&link->lock);
    link->is_broken = true;
    buf_free(&link->unsent);
    pthread_mutex_unlock(&link->lock);
    link->events.ended(link->ctx, link->peer, why);
    shutdown(link->fd, SHUT_RDWR);
    fastpath_link_unref(&link);
}

static void look_at(struct fastpath_link *link, uint32_t events)
{
    const char *why = NULL;

    if ((events & EPOLLOUT) != 0)
        send_rest(link);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !receive(link, &why))
        leave(link, why);
}

/* The thread. While batches wait it looks for news between them, and sleeps only when
   there is nothing to do. */
static void *run(void *arg)
{
    struct fastpath *fastpath = arg;
    struct epoll_event events[TURN_EVENTS];
    bool more = false;

    while (true) {
        int count = epoll_wait(fastpath->epoll_fd, events, TURN_EVENTS, more ? 0 : -1);

        for (int i = 0; i < count; i++)
            look_at(events[i].data.ptr, events[i].events);
        more = runner_run_batch(fastpath->runner);
    }
    return NULL;
}

struct fastpath *fastpath_start_thread(struct runner *runner)
{
    struct fastpath *fastpath = mem_zalloc(sizeof *fastpath);
    int error;

    fastpath->runner = runner;
    fastpath->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (fastpath->epoll_fd < 0) {
        mem_free(fastpath);
        return NULL;
    }
    error = pthread_create(&fastpath->thread, NULL, run, fastpath);
    if (error == 0)
        return fastpath;
    close(fastpath->epoll_fd);
    mem_free(fastpath);
    errno = error;
    return NULL;
}

struct fastpath_link *fastpath_open(struct fastpath *fastpath, int fd,
                                    const struct fastpath_events *events, void *ctx,
                                    uint32_t peer)
{
    struct fastpath_link *link = mem_zalloc(sizeof *link);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = link};

    atomic_init(&link->refs, 2);
    link->fastpath = fastpath;
    link->fd = fd;
    link->events = *events;
    link->ctx = ctx;
    link->peer = peer;
    frame_reader_init(&link->reader, WIRE_MAX_FAST_BYTES);
    pthread_mutex_init(&link->lock, NULL);
    if (epoll_ctl(fastpath->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0)
        return link;
    atomic_store(&link->refs, 1);
    fastpath_link_unref(&link);
    return NULL;
}
