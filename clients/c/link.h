/*
 * The connection of a client to the job socket: what is to be sent, some of it where the
 * caller has it, and messages as they come. It knows nothing of jobs. One thread.
 */
#ifndef OFFLOOP_CLIENTS_C_LINK_H
#define OFFLOOP_CLIENTS_C_LINK_H

#include <stdbool.h>
#include <sys/uio.h>

#include "proto/frame.h"
#include "proto/wire.h"

/* Pieces of what is to be sent: a message's envelope, and payloads in two parts. */
#define LINK_PIECES (2 * WIRE_MAX_BATCH + 8)

struct link {
    int fd;                  /* -1 where there is no connection */
    unsigned greeting_bytes; /* of the daemon's greeting that have come */
    struct frame_reader in;
    struct buf own;             /* bytes to be sent that are nobody else's */
    size_t own_at[LINK_PIECES]; /* where a piece lies in there; SIZE_MAX for elsewhere */
    struct iovec pieces[LINK_PIECES];
    int pass_fd; /* goes with the first of them; -1 for none */
    unsigned piece_count, piece_at;
};

/* Not connected. */
void link_init(struct link *link);

/* Closes and frees. */
void link_close(struct link *link);

/* Connects and greets; -1 with errno. */
int link_connect(struct link *link, const char *path, const char *name)
    __attribute__((warn_unused_result));

/* True where nothing waits to be sent: more may be put. */
bool link_is_clear(const struct link *link);

/* Puts a frame whose message begins with these bytes, and goes on with `more_bytes` that
   are put next. */
void link_put_message(struct link *link, struct slice message, size_t more_bytes);

/* Puts a whole message that a descriptor goes with, where nothing waits to be sent;
   closes the descriptor when it has left. */
void link_put_descriptor(struct link *link, struct slice message, int fd);

/* Puts bytes that stay where they are until they are sent, or link_keep(). */
void link_put_borrowed(struct link *link, const void *bytes, size_t len);

/* Takes copies of what is to be sent and was borrowed. */
void link_keep(struct link *link);

/* Sends what the socket takes; -1 where the connection has failed. */
int link_send(struct link *link) __attribute__((warn_unused_result));

/* Receives once: how many bytes, 0 for none now, -1 at the end of the connection. */
ssize_t link_receive(struct link *link) __attribute__((warn_unused_result));

/* The next message that has come; valid until link_receive(). */
enum frame_result link_next(struct link *link, struct slice *message_r)
    __attribute__((warn_unused_result));

#endif
