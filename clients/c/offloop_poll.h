/*
 * liboffloop with poll(2), or a loop of one's own:
 *
 *     for (;;) {
 *         int timeout_ms = offloop_poll_before(offloop, &fds[0], -1);
 *         poll(fds, count, timeout_ms);
 *         offloop_poll_after(offloop, &fds[0]);
 *     }
 */
#ifndef OFFLOOP_POLL_H
#define OFFLOOP_POLL_H

#include <poll.h>

#include <offloop.h>

/* Sends what was submitted and fills in what to poll for; gives the time to wait: at most
   timeout_ms (-1: for ever). */
static inline int offloop_poll_before(struct offloop *offloop, struct pollfd *fd,
                                      int timeout_ms)
{
    unsigned wants;
    int due_ms;

    offloop_process(offloop, 0);
    wants = offloop_wants(offloop);
    due_ms = offloop_deadline_ms(offloop);
    fd->fd = offloop_fd(offloop);
    fd->events = (short)((wants & OFFLOOP_READ ? POLLIN : 0) |
                         (wants & OFFLOOP_WRITE ? POLLOUT : 0));
    fd->revents = 0;
    return due_ms >= 0 && (timeout_ms < 0 || due_ms < timeout_ms) ? due_ms : timeout_ms;
}

/* Does what poll() has found. */
static inline void offloop_poll_after(struct offloop *offloop, const struct pollfd *fd)
{
    offloop_process(offloop, (fd->revents & ~POLLOUT ? OFFLOOP_READ : 0) |
                                 (fd->revents & POLLOUT ? OFFLOOP_WRITE : 0));
}

/* Waits until no job is pending: for programs without a loop. */
static inline void offloop_poll_all(struct offloop *offloop)
{
    while (offloop_pending(offloop) > 0) {
        struct pollfd fd;
        int timeout_ms = offloop_poll_before(offloop, &fd, -1);

        if (offloop_pending(offloop) == 0)
            return;
        if (poll(&fd, 1, timeout_ms) >= 0)
            offloop_poll_after(offloop, &fd);
    }
}

#endif
