/*
 * The data of a client's connection, which the files of this folder share.
 * http_connection.c changes `state`, http_input.c receives and makes the
 * exchange, http_handler.c queues replies. Its server owns it; only the thread of
 * the loop uses it.
 */
#ifndef OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_STATE_H
#define OFFLOOP_SERVER_HTTP_HTTP_CONNECTION_STATE_H

#include <ev.h>

#include "common/base/list.h"
#include "server/http/http_exchange.h"
#include "server/http/http_output.h"
#include "server/http/http_server.h"

/* While an exchange runs, reading stops when this much of what follows waits here. */
#define HTTP_CONNECTION_AHEAD_BYTES (16 * 1024)

/* What the connection waits for, and the time that it waits. */
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

/* What the peer has acknowledged of the bytes sent to it. */
struct http_progress {
    uint64_t acked_ns;     /* when the peer was last seen to have acknowledged bytes */
    uint64_t window_ns;    /* when the current window of send_timeout_ms began */
    uint64_t window_bytes; /* acknowledged in it */
    uint64_t handed_bytes; /* given to the socket since the last look */
    uint64_t queued_bytes; /* that the socket held at the last look */
};

/* What the connection still takes from its peer. */
enum http_intake {
    HTTP_INTAKE_OPEN,   /* requests */
    HTTP_INTAKE_LAST,   /* the rest of this request: closed once the replies are sent */
    HTTP_INTAKE_REFUSED /* nothing: a rule was broken, and what comes is dropped */
};

/* How the connection is closed at the end of the run. */
enum http_loss {
    HTTP_LOSS_NONE,  /* it is not */
    HTTP_LOSS_CLOSE, /* the socket failed, or we give it up */
    HTTP_LOSS_RESET  /* with RST */
};

/* The address of a peer. */
struct http_peer {
    int family;    /* AF_INET, AF_INET6, AF_UNIX */
    bool is_local; /* came to a listener that only this host reaches */
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
    uint64_t counted_bytes;        /* of its memory, counted in the memory budget */
    uint64_t linger_ns;            /* when lingering ends, whatever comes */
    struct http_progress progress; /* of what is sent */
    struct http_output out;
    struct buf in;   /* received; freed when empty */
    size_t in_start; /* the first byte of it not used yet */
    struct http_peer peer;
    enum http_connection_state state;
    enum http_intake intake;
    enum http_loss loss;
    bool eof;     /* the peer has sent its FIN */
    bool blocked; /* the socket took less than it was given: wait for EV_WRITE */
    bool cut;     /* gives its memory up, as one of the slowest */
    bool running; /* inside http_connection_run() */
};

/* From now on takes no more than this; what was less before stays. */
static inline void http_connection_limit_intake(struct http_connection *c,
                                                enum http_intake intake)
{
    if (intake > c->intake)
        c->intake = intake;
}

/* Closes at the end of the run; a reset stays one. */
static inline void http_connection_lose(struct http_connection *c, enum http_loss loss)
{
    if (loss > c->loss)
        c->loss = loss;
}

#endif
