/*
 * A client's connection: reads requests, hands them up one at a time as
 * exchanges, writes replies, and closes in the way that lets the peer read what
 * it was told (RFC 9112 section 9).
 *
 * One function, http_connection_run(), moves it on; descriptors, timers and
 * replies only cause it to run. It alone calls the handler's callbacks and it
 * alone frees the connection, so nothing disappears under a caller. A run does
 * a bounded amount of work; what is left over continues in the loop's next
 * turn. Between requests it owns no memory but this struct.
 *
 * Owned by its server; on the loop's thread only.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_H
#define OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_H

#include <ev.h>

#include "common/base/list.h"
#include "server/http/http_exchange.h"
#include "server/http/http_output.h"
#include "server/http/http_server.h"

/* While an exchange runs, reading stops when this much of what follows waits here. */
#define HTTP_CONNECTION_AHEAD_BYTES (16 * 1024)

/* What is awaited, and the timer that runs meanwhile. */
enum http_connection_state {
    HTTP_CONNECTION_IDLE,    /* a request's first byte; idle_timeout_ms, then closed */
    HTTP_CONNECTION_HEAD,    /* the rest of a head; head_timeout_ms in all, then 408 */
    HTTP_CONNECTION_BODY,    /* body bytes; a window of body_grace_ms each, 408 for fewer
                                than body_min_rate asks for */
    HTTP_CONNECTION_HANDLER, /* the handler's next step; no timer: deadlines are its own
                              */
    HTTP_CONNECTION_SENDING, /* the peer's acknowledgement; send_timeout_ms without, or
                                less than send_min_rate asks for, then closed */
    HTTP_CONNECTION_LINGER   /* the peer's FIN, dropping what it sends; linger_idle_ms
                                without a byte or linger_timeout_ms in all, then closed */
};

/* What the peer has taken of what it is sent. The socket taking bytes shows little: its
   buffer may hold megabytes for minutes. */
struct http_progress {
    uint64_t acked_ns;     /* when the peer was last seen to have acknowledged bytes */
    uint64_t window_ns;    /* when the current window of send_timeout_ms began */
    uint64_t window_bytes; /* acknowledged in it */
    uint64_t handed_bytes; /* given to the socket since the last look */
    uint64_t queued_bytes; /* that the socket held at the last look */
};

/* Where a peer is. */
struct http_peer {
    int family;    /* AF_INET, AF_INET6, AF_UNIX */
    bool is_local; /* came by a listener that only this host reaches */
    uint8_t address[16];
};

struct http_connection {
    struct http_server *server;
    struct http_exchange
        *exchange; /* from a head's first byte until on_close, else NULL */
    struct list all_link, idle_link, ready_link; /* of the server's lists */
    struct ev_io io;
    struct ev_timer timer;         /* armed now and then; deadline_ns is what counts */
    uint64_t deadline_ns;          /* of the state; 0 for none */
    uint64_t timer_ns;             /* when the armed timer fires */
    uint64_t window_bytes;         /* of a body, received in the state's current window */
    uint64_t counted_bytes;        /* of what it holds, in the memory budget */
    uint64_t linger_ns;            /* when lingering ends, whatever comes */
    struct http_progress progress; /* of what is sent */
    struct http_output out;
    struct buf in;   /* received; freed when empty */
    size_t in_start; /* the first byte of it not used yet */
    struct http_peer peer;
    enum http_connection_state state;
    bool eof;     /* the peer has sent its FIN */
    bool lost;    /* the socket failed, or we give it up: closed at the run's end */
    bool reset;   /* to be closed with RST */
    bool closing; /* no further request: closed once the replies are sent */
    bool refused; /* a rule was broken: nothing that comes now is looked at */
    bool blocked; /* the socket took less than it was given: wait for EV_WRITE */
    bool cut;     /* gives its memory up, as one of the slowest */
    bool running; /* inside http_connection_run() */
};

/* Takes over a connected non-blocking socket. */
void http_connection_open(struct http_server *server, int fd,
                          const struct http_peer *peer);

/* Moves the connection on as far as this turn allows; revents as the loop told them (0
   for none). The connection may be gone afterwards. */
void http_connection_run(struct http_connection *c, int revents);

/* Something changed from outside a run (a reply, a resumed body): runs soon. */
void http_connection_wake(struct http_connection *c);

/* Closes at once; on_close comes where an exchange is open. Not inside a run. */
void http_connection_destroy(struct http_connection **c);

/* Applies the shorter time of a drain to an idle connection. */
void http_connection_drain(struct http_connection *c);

/* What a connection that is slow holds, and how slow it is. */
struct http_slowness {
    uint64_t held_bytes; /* that are freed when it is cut off */
    uint64_t rate;       /* bytes a second that move */
};

/* Room-internal: true where so much memory waits for the peer that it matters, and at its
   pace will for more than 30 seconds. */
bool http_connection_is_slow(struct http_connection *c, struct http_slowness *slowness_r);

/* Room-internal: has the connection give up what it holds, soon: its body is refused with
   503, its reply cut off. */
void http_connection_cut(struct http_connection *c);

/* Room-internal: brings the memory budget up to date with what is held now. */
void http_connection_count(struct http_connection *c);

/* Room-internal: the bytes received and not used yet. */
struct slice http_connection_input(const struct http_connection *c);

/* Room-internal, inside a run: receives once. Returns true where something new came:
   bytes, the end, a failure. */
bool http_connection_receive(struct http_connection *c);

/* Room-internal, inside a run: parses, feeds bodies and tells the handler, one step of
   it. Returns true where it got on and may be called again. */
bool http_connection_step(struct http_connection *c);

/* Room-internal, inside a run: answers a broken rule with a problem where nothing has
   been answered yet, and closes. Ends the exchange. */
void http_connection_refuse(struct http_connection *c, int status, const char *reason);

/* Room-internal, inside a run: ends the exchange, on_close included. status 0 takes the
   reply's. */
void http_connection_finish(struct http_connection *c, int status);

#endif
